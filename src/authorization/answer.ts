import { approvalCode } from '../identifiers.ts'
import { formatAmounts } from '../iso8583/composites.ts'
import type { BalanceGroup, Decision } from './decision.ts'
import { isApproval, type Result } from './result.ts'

/** The fields of an answer that Mizan sets; everything else echoes the request (interfaces.md, "Messages"). */
export type AnswerFields = Readonly<Record<string, string>>

/**
 * Builds the answer's own fields: 39 always, 38 on approval, 54 with the balances that the decision names, 4 where less
 * was granted than asked.
 * @param responseCodes the dialect's DE39 table
 */
export function answerFields(
  decision: Decision,
  id: number,
  responseCodes: Readonly<Record<Result, string>>,
): AnswerFields {
  if (decision.replay !== undefined) return decision.replay.answer
  const code = responseCodes[decision.result]
  const hasBalances = decision.balances.length > 0
  if (isApproval(decision.result)) {
    const fields: Record<string, string> = hasBalances
      ? { 38: approvalCode(id), 39: code, 54: balancesText(decision.balances) }
      : { 38: approvalCode(id), 39: code }
    if (decision.result === 'partially-approved') fields[4] = String(decision.approvedPiasters).padStart(12, '0')
    return fields
  }
  return hasBalances ? { 39: code, 54: balancesText(decision.balances) } : { 39: code }
}

function balancesText(balances: readonly BalanceGroup[]): string {
  return formatAmounts(
    balances.map(({ accountCode, amountType, currency, amount }) => ({
      accountType: accountCode,
      amountType,
      currency,
      sign: amount < 0 ? 'D' : 'C',
      amount: Math.abs(amount),
    })),
  )
}
