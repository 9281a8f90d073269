import { approvalCode } from '../identifiers.ts'
import { formatAmounts } from '../iso8583/composites.ts'
import { EGP } from '../money.ts'
import { AMOUNT_MAX, inForeign } from './amounts.ts'
import type { Authentication } from './authentication.ts'
import type { BalanceGroup, Decision } from './decision.ts'
import { answerLineFields } from './elements.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval, type Result } from './result.ts'

/** The fields of an answer that Mizan sets; everything else echoes the request (interfaces.md, "Messages"). */
export type AnswerFields = Readonly<Record<string, string>>

/**
 * Builds the answer's own fields: 39 always, 38 on approval, 54 with the balances that the decision names, 4 (in another
 * currency 6 too) where less was granted than asked, 48 (104 on the card scheme's rails) with the lines of a basket.
 * @param responseCodes the dialect's DE39 table
 */
export function answerFields(
  decision: Decision,
  id: number,
  responseCodes: Readonly<Record<Result, string>>,
  request: Asked,
): AnswerFields {
  if (decision.replay !== undefined) return decision.replay.answer
  const { schemeRail } = request
  const plain = plainFields(decision, id, responseCodes, request)
  const fields = decision.standIn === undefined || !schemeRail ? plain : { ...plain, 44: decision.standIn }
  return decision.lines.length === 0 ? fields : { ...fields, ...answerLineFields(decision.lines, schemeRail) }
}

/** What an answer needs of its request. */
type Asked = Pick<AuthorizationRequest, 'schemeRail' | 'amountPiasters' | 'foreign'>

function plainFields(
  decision: Decision,
  id: number,
  responseCodes: Readonly<Record<Result, string>>,
  request: Asked,
): AnswerFields {
  const code = responseCodes[decision.result]
  const hasBalances = decision.balances.length > 0
  if (isApproval(decision.result)) {
    const fields: Record<string, string> = hasBalances
      ? { 38: approvalCode(id), 39: code, 54: balancesText(decision.balances) }
      : { 38: approvalCode(id), 39: code }
    return decision.result === 'partially-approved' ? { ...fields, ...grantedFields(decision, request) } : fields
  }
  return hasBalances ? { 39: code, 54: balancesText(decision.balances) } : { 39: code }
}

/**
 * What was granted, in the currency that DE4 is in; of a transaction in another one beside it what is billed (DE6 and 51),
 * as the request had it (visa-base1.md, section 3).
 */
function grantedFields({ approvedPiasters: granted }: Decision, { foreign, amountPiasters }: Asked): AnswerFields {
  const digits = (amount: number) => String(amount).padStart(12, '0')
  if (foreign === undefined) return { 4: digits(granted) }
  return { 4: digits(inForeign(foreign, granted, amountPiasters)), 6: digits(granted), 51: EGP }
}

/**
 * What an answer says of the verification: to the chip the issuer's cryptogram over the outcome (DE55 tag 91) and behind
 * it the script that goes out with this decision, and to the scheme the results of each check (DE44, visa-base1.md,
 * section 6).
 */
export function verificationFields(
  decision: Pick<Decision, 'result' | 'script' | 'standIn'>,
  { answers, cardValue, cryptogram, script }: Authentication,
  schemeRail: boolean,
): AnswerFields {
  const fields: Record<string, string> = {}
  if (answers !== undefined) {
    const value = isApproval(decision.result) ? answers.approved : answers.declined
    const tag91 = `91${(value.length / 2).toString(16).padStart(2, '0')}${value}`
    fields[55] = decision.script === undefined ? tag91 : `${tag91}${script ?? ''}`
  }
  if (schemeRail && (cardValue !== 'absent' || cryptogram !== 'absent')) {
    const ofValue = { absent: ' ', matched: '1', 'not-matched': '2', unverifiable: ' ' }[cardValue]
    const ofChip = { absent: ' ', matched: '2', 'not-matched': '1', unverifiable: '1' }[cryptogram]
    // Positions 1 (the issuer answered, or who did in its place), 5 and 8; position 6 has two characters.
    fields[44] = `${decision.standIn ?? '5'}   ${ofValue}   ${ofChip}`.trimEnd()
  }
  return fields
}

/** What is more than twelve digits say is shown as the most that they do: an answer must not fail for being rich. */
function balancesText(balances: readonly BalanceGroup[]): string {
  return formatAmounts(
    balances.map(({ accountCode, amountType, currency, amount }) => ({
      accountType: accountCode,
      amountType,
      currency,
      sign: amount < 0 ? 'D' : 'C',
      amount: Math.min(Math.abs(amount), AMOUNT_MAX),
    })),
  )
}
