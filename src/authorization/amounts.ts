import { parseAmounts } from '../iso8583/composites.ts'
import type { Message } from '../iso8583/message.ts'
import { subfield } from '../iso8583/subfields.ts'
import { EGP } from '../money.ts'
import type { StoredAuthorization } from './decision.ts'
import { isAdvice } from './elsewhere.ts'
import type { AuthorizationRequest, ForeignAmount, MessageClass } from './request.ts'
import type { Result } from './result.ts'
import { isWithoutAmount } from './routing.ts'

/** Why a message cannot be decided on its merits, and the field that is the reason. */
export interface Fault {
  readonly result: Result
  readonly field: string
}

/** The most that an amount of 12 digits says. */
export const AMOUNT_MAX = 999_999_999_999
/** DE54 amount type of the cash part (visa-base1.md, section 7). */
const CASHBACK_AMOUNT = '40'
/** Part of DE61 by which the scheme gives what a transaction came to, in the currency of the bill (visa-base1.md, section 3). */
const REPLACEMENT_BILLED = '61.3'

/** What the circumstances of a message say of how its amounts are to be read. */
export interface AmountReading {
  readonly messageClass: MessageClass
  readonly transactionType: string
  readonly schemeRail: boolean
  /** It brings a fingerprint's assertion, which is bound to DE4 (interfaces.md, "Security"). */
  readonly hasAssertion: boolean
}

/** The amounts of a message, in piasters. */
export type Amounts = Pick<
  AuthorizationRequest,
  'amountPiasters' | 'cashbackPiasters' | 'replacementPiasters' | 'replacementShare' | 'foreign'
> & {
  /** Of the total. */
  readonly fault: Fault | undefined
  /** DE54 or DE95 that cannot be read. */
  readonly malformed: Fault | undefined
}

/**
 * Reads DE4, or DE6 where the transaction was made in another currency and the scheme billed it in pounds; the cash part
 * (DE54 type 40); and what a reversal says that the transaction really came to (DE95). DE4 and DE95 are in the currency of
 * DE49, so that in another one DE95 is a share of DE4.
 */
export function amountsOf(message: Message, reading: AmountReading): Amounts {
  const currency = message.text(49)
  const said = numberOf(message.text(4))
  const isReversal = reading.messageClass.startsWith('reversal')
  const replaced = message.has(95) ? actualOf(message) : undefined
  if (currency === undefined || currency === EGP) {
    const cash = cashOf(message, reading, said)
    const replacement = { replacementPiasters: replaced, replacementShare: undefined }
    const malformed = Number.isNaN(replaced) ? format('95') : cash.fault
    return {
      amountPiasters: said,
      cashbackPiasters: cash.piasters,
      ...replacement,
      foreign: undefined,
      fault: undefined,
      malformed,
    }
  }
  const billed = billedOf(message, reading)
  const total = billed ?? 0
  const cash = cashOf(message, reading, total)
  // A reversal need not say again what was billed: its original knows. Whoever asks for a balance is billed nothing.
  const isUnsaid = reading.schemeRail && (isReversal || isWithoutAmount(reading.transactionType))
  const { fault, ...replacement } = foreignReplacement(message, said, billed, replaced)
  const unusable: Fault | undefined =
    billed === undefined && !isUnsaid ? { result: 'bad-amount', field: '49' } : undefined
  return {
    amountPiasters: total,
    cashbackPiasters: cash.piasters,
    ...replacement,
    foreign: { currency, amount: said },
    fault: unusable ?? (fault?.result === 'bad-amount' ? fault : undefined),
    malformed: fault?.result === 'format-error' ? fault : cash.fault,
  }
}

/**
 * DE6 in pounds. Only the scheme bills: at home it would be a second amount beside that which the terminal showed. Where
 * a fingerprint agreed to DE4, DE6 could be any other sum.
 */
function billedOf(message: Message, { schemeRail, hasAssertion }: AmountReading): number | undefined {
  if (!schemeRail || hasAssertion || !message.has(6) || message.text(51) !== EGP) return undefined
  return numberOf(message.text(6))
}

/** DE95 positions 1 to 12, the actual amount; undefined for nothing, NaN for what cannot be read. */
function actualOf(message: Message): number | undefined {
  const actual = message.text(95)?.slice(0, 12) ?? ''
  if (!/^\d{12}$/.test(actual)) return Number.NaN
  return Number(actual) === 0 ? undefined : Number(actual)
}

function foreignReplacement(
  message: Message,
  whole: number,
  billed: number | undefined,
  part: number | undefined,
): Pick<Amounts, 'replacementPiasters' | 'replacementShare' | 'fault'> {
  const none = { replacementPiasters: undefined, replacementShare: undefined, fault: undefined }
  if (part === undefined) return none
  if (Number.isNaN(part)) return { ...none, fault: format('95') }
  const given = billed === undefined ? 0 : numberOf(subfield(message, REPLACEMENT_BILLED))
  if (given > 0) return { ...none, replacementPiasters: given }
  if (whole === 0) return { ...none, fault: { result: 'bad-amount', field: '4' } }
  if (billed === undefined || billed === 0) return { ...none, replacementShare: { part, whole } }
  return { ...none, replacementPiasters: proportion(billed, part, whole) }
}

/**
 * The cash part that a message asks for, whatever its type: it never counts as goods. Of an advice the cash is out, and
 * an unclear DE54 does not lose it: every cash part in pounds counts, as far as the total goes.
 */
function cashOf(
  message: Message,
  { messageClass, transactionType }: AmountReading,
  total: number,
): { readonly piasters: number; readonly fault: Fault | undefined } {
  if (!message.has(54) || messageClass.startsWith('reversal') || isWithoutAmount(transactionType)) {
    return { piasters: 0, fault: undefined }
  }
  const { amounts, failure } = parseAmounts(message.text(54) ?? '')
  const parts = amounts.filter(({ amountType }) => amountType === CASHBACK_AMOUNT)
  const pounds = parts.filter(({ currency }) => currency === EGP)
  const piasters = pounds.reduce((sum, { amount }) => sum + amount, 0)
  if (isAdvice({ messageClass })) return { piasters: Math.min(piasters, total), fault: undefined }
  const isClear = failure === undefined && parts.length <= 1 && pounds.length === parts.length
  return isClear ? { piasters, fault: undefined } : { piasters: 0, fault: format('54') }
}

/**
 * A reversal with what the transaction came to in piasters, where it only said a share of what was made: the share of what
 * was granted, as an acquirer knows no other amount of a partial approval.
 */
export function withReplacement(
  request: AuthorizationRequest,
  { approvedPiasters }: Pick<StoredAuthorization, 'approvedPiasters'>,
): AuthorizationRequest {
  const { replacementShare: share } = request
  if (share === undefined) return request
  return { ...request, replacementPiasters: proportion(approvedPiasters, share.part, share.whole) }
}

/**
 * So much of a total as a part is of a whole, rounded half up; at most what 12 digits say.
 * @param whole above zero
 */
export function proportion(total: number, part: number, whole: number): number {
  const twice = 2n * BigInt(total) * BigInt(part) + BigInt(whole)
  return capped(twice / (2n * BigInt(whole)))
}

/**
 * What a grant in piasters is in the currency of the transaction, rounded down: the outlet must not give more than was
 * granted.
 * @param asked what the whole was billed, piasters; above zero
 */
export function inForeign({ amount }: ForeignAmount, granted: number, asked: number): number {
  return capped((BigInt(amount) * BigInt(granted)) / BigInt(asked))
}

function capped(value: bigint): number {
  return value > BigInt(AMOUNT_MAX) ? AMOUNT_MAX : Number(value)
}

function numberOf(text: string | undefined): number {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : 0
}

function format(field: string): Fault {
  return { result: 'format-error', field }
}
