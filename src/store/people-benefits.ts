import { MizanError } from '../errors.ts'
import type { CommandState } from './command-requests.ts'
import { askOnce, type PeopleActor, type PeopleDesk, reasonFrom } from './people-desk.ts'

/** Money of a programme for a household's postal account. */
export interface CreditInput {
  /** Code of a programme of kind credit. */
  readonly programme: string
  /** yyyymm. */
  readonly month: number
  readonly piasters: number
  readonly reason: string
}

/**
 * Pays money of a programme into the postal account of a household (M21). Who may ask for it, and who has to agree, is
 * for the caller to see to.
 * @throws MizanError BAD_INPUT
 */
export async function creditBenefit(
  desk: PeopleDesk,
  householdId: number,
  input: CreditInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const { programme, month, piasters, reason } = input
  requireAmount(piasters, 'piasters')
  if (!Number.isInteger(month) || month < 200_001 || month > 299_912) throw new MizanError('BAD_INPUT', 'month: yyyymm')
  return askOnce(desk, { kind: 'benefit-credit', householdId, input: [householdId, input] }, actor, async () => ({
    programme,
    month,
    piasters,
    reason: reasonFrom(reason),
  }))
}

/** Units or piasters of a programme that only gives what is granted. */
export interface GrantInput {
  readonly programme: string
  readonly amount: number
  readonly reason: string
}

/**
 * Grants a household what is left to officials, for the current period of the programme.
 * @throws MizanError BAD_INPUT
 */
export async function grantBenefit(
  desk: PeopleDesk,
  householdId: number,
  input: GrantInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const { programme, amount, reason } = input
  requireAmount(amount, 'amount')
  return askOnce(desk, { kind: 'benefit-grant', householdId, input: [householdId, input] }, actor, async () => ({
    programme,
    amount,
    reason: reasonFrom(reason),
  }))
}

function requireAmount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value <= 0) throw new MizanError('BAD_INPUT', `${what}: a whole number above 0`)
}
