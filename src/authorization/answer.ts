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
  const fields: Record<string, string> = {}
  if (decision.result === 'partially-approved') fields[4] = String(decision.approvedPiasters).padStart(12, '0')
  if (isApproval(decision.result)) fields[38] = approvalCode(id)
  fields[39] = responseCodes[decision.result]
  if (decision.balances.length > 0) fields[54] = balancesText(decision.balances)
  return fields
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
