import type { SettlementBank } from '../../store/clearing/settlement-master.ts'
import type { NewInstruction, RunKey } from '../../store/clearing/settlement-write.ts'
import { uetrOf } from '../iso20022/values.ts'
import { endToEndIdOf } from './identifiers.ts'

/**
 * One net transfer for each bank whose account of ours another one covers: what our account there pays out in a run, less what
 * comes in, so that it stands where it stood before. Nothing of it is posted before a bank shows it.
 */
export function coversOf(
  key: RunKey,
  instructions: readonly NewInstruction[],
  banks: readonly SettlementBank[],
): NewInstruction[] {
  const covers: NewInstruction[] = []
  for (const bank of banks) {
    const funder = banks.find(({ number }) => number === bank.fundedBy)
    if (funder === undefined) continue
    let net = 0n
    for (const { bank: at, direction, amountPiasters } of instructions) {
      if (at === bank.number) net += direction === 'pay' ? amountPiasters : -amountPiasters
    }
    // What is left over stays there for the next run.
    if (net <= 0n) continue
    const endToEndId = endToEndIdOf(key, 'cover', { kind: 'bank', number: bank.number })
    covers.push({
      endToEndId,
      uetr: uetrOf(endToEndId),
      kind: 'pacs.009',
      purpose: 'cover',
      direction: 'pay',
      bank: funder.number,
      bankCode: funder.code,
      bankBic: funder.bic,
      bankName: funder.name,
      ourAccount: funder.account,
      outletId: undefined,
      institutionKind: 'bank',
      institution: bank.number,
      partyName: bank.name,
      partyAccount: bank.account,
      partyBic: bank.bic,
      amountPiasters: net,
      replaces: undefined,
      lines: [],
    })
  }
  return covers
}
