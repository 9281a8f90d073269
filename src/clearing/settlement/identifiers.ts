import type { CivilDate } from '../../calendar.ts'
import { assert } from '../../errors.ts'

/** What an instruction is for; its letter stands in its id. */
export const purposeLetters = { payout: 'O', repayment: 'R', offset: 'W', net: 'N' } as const
export type InstructionPurpose = keyof typeof purposeLetters

/** Letters of institutions in ids. */
const institutionLetters: Readonly<Record<string, string>> = {
  outlet: 'O',
  bank: 'B',
  acquirer: 'A',
  scheme: 'S',
  post: 'P',
  wholesaler: 'W',
}

const ID_MAX = 35

/**
 * EndToEndId of an instruction, of at most 35 characters: what it is for and of whom, the same whenever the run is
 * made. Example: `UC-20261121-1-OO-00000000042`.
 * @param sequence of several repayments to one outlet in a run; 0 = there is one
 */
export function endToEndIdOf(
  run: { readonly businessDate: CivilDate; readonly cycle: number },
  purpose: InstructionPurpose,
  party: { readonly kind: string; readonly number: number },
  sequence = 0,
): string {
  const letters = `${purposeLetters[purpose]}${institutionLetters[party.kind] ?? ''}`
  const tail = sequence === 0 ? '' : `-${sequence}`
  const id = `UC-${run.businessDate}-${run.cycle}-${letters}-${String(party.number).padStart(11, '0')}${tail}`
  assert(id.length <= ID_MAX, 'an EndToEndId has at most 35 characters')
  return id
}

/** Message id of an instruction file, of at most 35 characters: its name in the register without what is fixed. */
export function messageIdOf(
  run: { readonly businessDate: CivilDate; readonly cycle: number },
  type: 'PAY' | 'NET',
  institution: string,
): string {
  const id = `UC-${type}-${institution}-${run.businessDate}-${run.cycle}`
  assert(id.length <= ID_MAX, 'a message id has at most 35 characters')
  return id
}

/** Reference under which a run's money is posted (`requestPostings`). */
export function postingReferenceOf(run: { readonly businessDate: CivilDate; readonly cycle: number }): string {
  return `settlement:${run.businessDate}:${run.cycle}`
}
