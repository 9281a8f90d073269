import { type CivilDate, daysBetween, formatDate } from '../../calendar.ts'
import { EGP } from '../../money.ts'
import { partsOfArn } from '../records/arn.ts'
import { type Contradiction, contradictedCredit, contradictedDebit } from './direction.ts'
import { isCleared, type Match, matchPresentment } from './match.ts'
import {
  type Candidate,
  chargebackCodes,
  chargebackReversalCodes,
  creditTypes,
  type Earlier,
  firstCodes,
  type Posting,
  type Presentment,
  reversalCodes,
} from './presentment.ts'
import type { Tolerances } from './tolerance.ts'

/** What is done about presentments that are not as they should be (configuration `clearing.incoming`). */
export interface IncomingPolicy {
  readonly tolerances: Tolerances
  /** Days after the purchase from which on a presentment is late. */
  readonly lateAfterDays: number
  /** An item without authorization up to this is posted by force; beyond it is an exception. 0 posts none. */
  readonly forcePostMaxPiasters: number
  /** An item beyond its tolerance: posted all the same, or left as an exception. */
  readonly overTolerance: 'exception' | 'post'
}

/** What is known when an item is judged. */
export interface Known {
  readonly today: CivilDate
  /** Whether the card is one of ours. */
  readonly card: boolean
  /** Approved authorizations of the card about the time of the purchase. */
  readonly candidates: readonly Candidate[]
  /** Items of the same ARN that came before and stand, by transaction code and usage. */
  readonly earlier: readonly Earlier[]
}

const exceptionReasons = [
  'unknown-card',
  'currency',
  'bad-amount',
  'bad-date',
  'no-authorization',
  'authorization-reversed',
  'over-tolerance',
  'amount-differs',
  'contradiction',
  'unmatched-reversal',
  'reversal-amount',
  'representment-without-dispute',
  'representment-reversed',
  'chargeback-received',
  'unknown-code',
  'refused',
  'returned',
  'unknown-file',
] as const
export type ExceptionReason = (typeof exceptionReasons)[number]

/** `late`: beyond the time of presentment. `dispute-right`: there is a ground for a chargeback. */
export type Flag = 'late' | 'dispute-right' | 'over-authorization'

export type PostOutcome =
  | 'exact'
  | 'partial'
  | 'multiple'
  | 'within-tolerance'
  | 'over-tolerance'
  | 'expired-hold'
  | 'forced'
  | 'credit'

/** What is to be done about an item. */
export type Verdict =
  | {
      readonly action: 'post'
      readonly outcome: PostOutcome
      readonly match: Match | undefined
      /** Of a credit that names its purchase: the row of the journal that took the money. */
      readonly of?: Posting | undefined
      readonly flags: readonly Flag[]
    }
  /** A message posted it before: the item only says so. */
  | { readonly action: 'settled'; readonly match: Match; readonly flags: readonly Flag[] }
  | { readonly action: 'reverse'; readonly of: Earlier }
  | { readonly action: 'represent'; readonly of: Earlier; readonly disputeId: number }
  | { readonly action: 'duplicate'; readonly words: string; readonly match: Match | undefined }
  | {
      readonly action: 'exception'
      readonly reason: ExceptionReason
      readonly words: string
      readonly match: Match | undefined
      readonly flags: readonly Flag[]
    }

const isOneOf = (codes: readonly string[], code: string) => codes.includes(code)

/** Judges an item of the network: pure, so that the same item on the same ledger is always dealt with alike. */
export function judge(item: Presentment, known: Known, policy: IncomingPolicy): Verdict {
  const { transactionCode: code } = item
  const fault = faultOf(item, known)
  if (fault !== undefined) return fault
  const { sequence } = item.clearing
  const isSame = (one: Earlier) => one.transactionCode === code && one.usage === item.usage && one.sequence === sequence
  if (known.earlier.some(isSame)) {
    return duplicate(`an item of the same reference ${item.arn} came before`)
  }
  if (isOneOf(reversalCodes, code)) return judgeReversal(item, known)
  if (isOneOf(chargebackReversalCodes, code)) return judgeRepresentment(item, known)
  if (isOneOf(chargebackCodes, code)) {
    return exception('chargeback-received', chargebackInWords(item, known))
  }
  if (item.usage !== '1') return judgeRepresentment(item, known)
  return code === '06' ? judgeCredit(item, known, policy) : judgeDebit(item, known, policy)
}

/** What is charged back, as far as its reference says: one of ours leads to the item. */
function chargebackInWords({ arn }: Presentment, { today }: Known): string {
  const ours = partsOfArn(arn, today)
  if (ours === undefined) return `a chargeback of ${arn}, which is no reference of ours`
  return `a chargeback of item ${ours.number} of our file of ${formatDate(ours.date)}, by its reference ${arn}`
}

function faultOf(item: Presentment, known: Known): Verdict | undefined {
  if (
    !isOneOf([...firstCodes, ...reversalCodes, ...chargebackCodes, ...chargebackReversalCodes], item.transactionCode)
  ) {
    return exception('unknown-code', `transaction code ${item.transactionCode} is not one that is known here`)
  }
  if (!known.card) return exception('unknown-card', 'the card is not one of ours')
  if (item.currency !== EGP) return exception('currency', notInPounds(item.currency))
  if (!Number.isSafeInteger(item.amountPiasters) || item.amountPiasters <= 0)
    return exception('bad-amount', 'the amount must be above zero')
  if (item.purchaseDate === undefined) return exception('bad-date', 'the purchase date is none')
  if (item.clearing.sequence > item.clearing.count) {
    return exception('bad-amount', `clearing ${item.clearing.sequence} of ${item.clearing.count} cannot be`)
  }
  return undefined
}

/** Why an amount cannot be posted that is not in pounds. */
export function notInPounds(currency: string): string {
  return `the amount is in currency ${currency || '(none)'}, accounts are in ${EGP}`
}

function judgeDebit(item: Presentment, known: Known, policy: IncomingPolicy): Verdict {
  const flags = lateFlags(item, known, policy)
  const match = matchPresentment(
    item,
    known.candidates.filter(({ transactionType }) => !creditTypes.includes(transactionType)),
  )
  if (match === undefined) {
    const against = contradictedDebit(item, known.candidates)
    return against === undefined ? judgeForced(item, flags, policy) : contradicted(against, flags)
  }
  const { candidate } = match
  if (isCleared(item, candidate)) return duplicate(`authorization ${candidate.id} was cleared before`, match)
  const { hold, postedPiasters } = candidate
  const isTakenBack = hold?.ending === 'captured' && candidate.cleared.length === 0 && postedPiasters === 0
  if (hold?.ending === 'voided' || isTakenBack) {
    const words = `authorization ${candidate.id} was reversed before it was presented`
    return exception('authorization-reversed', words, match, [...flags, 'dispute-right'])
  }
  // A message may have told of it after the hold's time: that was posted without the hold, and is posted all the same.
  const isOver = hold?.ending === 'captured' || (hold?.ending === 'expired' && postedPiasters > 0)
  if (hold === undefined || (isOver && candidate.cleared.length === 0)) {
    if (postedPiasters === item.amountPiasters) return { action: 'settled', match, flags }
    const words = `${item.amountPiasters} piasters were presented, messages posted ${postedPiasters}`
    return exception('amount-differs', words, match, [...flags, 'dispute-right'])
  }
  return judgeAmount(item, match, flags, policy)
}

/**
 * A hold is cleared by what was authorized, less what came of it before, with the tolerance of the merchant's category.
 */
function judgeAmount(item: Presentment, match: Match, flags: readonly Flag[], policy: IncomingPolicy): Verdict {
  const { candidate } = match
  const before = candidate.cleared.reduce((sum, { piasters }) => sum + piasters, 0)
  const total = before + item.amountPiasters
  const authorized = candidate.approvedPiasters
  const permille =
    item.transactionCode === '07' ? 0 : policy.tolerances.permilleOf(item.mcc, item.purchaseDate ?? candidate.date)
  const limit = authorized + Math.floor((authorized * permille) / 1_000)
  const post = (outcome: PostOutcome, ...more: readonly Flag[]): Verdict => ({
    action: 'post',
    outcome,
    match,
    flags: [...flags, ...more],
  })
  if (total > limit) {
    if (policy.overTolerance === 'post') return post('over-tolerance', 'over-authorization', 'dispute-right')
    const words = `${total} piasters were presented of ${authorized} authorized; ${limit} are within the tolerance`
    return exception('over-tolerance', words, match, [...flags, 'dispute-right'])
  }
  if (candidate.hold?.ending !== undefined) return post('expired-hold')
  if (total > authorized) return post('within-tolerance', 'over-authorization')
  if (item.clearing.count > 1) return post('multiple')
  return post(total < authorized ? 'partial' : 'exact')
}

function judgeForced(item: Presentment, flags: readonly Flag[], { forcePostMaxPiasters }: IncomingPolicy): Verdict {
  const marked: readonly Flag[] = [...flags, 'dispute-right']
  if (item.amountPiasters <= forcePostMaxPiasters)
    return { action: 'post', outcome: 'forced', match: undefined, flags: marked }
  const words = `no authorization matches; up to ${forcePostMaxPiasters} piasters are posted without one`
  return exception('no-authorization', words, undefined, marked)
}

/**
 * A credit names its purchase where the network's identifier does: the rules of a return then hold it to that, so that
 * what was reversed, refunded or credited by a dispute does not come back once more.
 */
function judgeCredit(item: Presentment, known: Known, policy: IncomingPolicy): Verdict {
  const flags = lateFlags(item, known, policy)
  const named = known.candidates.filter((one) => isOneTransaction(item, one))
  const told = named.find(
    ({ transactionType, cleared, postedPiasters }) =>
      creditTypes.includes(transactionType) && cleared.length === 0 && postedPiasters === item.amountPiasters,
  )
  if (told !== undefined) {
    return { action: 'settled', match: { candidate: told, rule: 'transaction-id', confidence: 100 }, flags }
  }
  const against = contradictedCredit(item, known.candidates)
  if (against !== undefined) return contradicted(against, flags)
  const purchase = named.find(({ transactionType }) => !creditTypes.includes(transactionType))
  if (purchase === undefined) return { action: 'post', outcome: 'credit', match: undefined, flags }
  const match = { candidate: purchase, rule: 'transaction-id', confidence: 100 } as const
  const postings =
    purchase.hold === undefined ? [{ ...purchase, piasters: purchase.postedPiasters }] : purchase.captures
  const of = postings.find(({ piasters }) => piasters === item.amountPiasters) ?? postings.at(-1)
  if (of !== undefined) return { action: 'post', outcome: 'credit', match, of, flags }
  // Nothing was taken for it yet, or ever: what is credited is then a gift of the acquirer's.
  if (purchase.hold?.ending === undefined) return { action: 'post', outcome: 'credit', match: undefined, flags }
  const words = `authorization ${purchase.id} is over (${purchase.hold.ending}), and nothing was taken for it`
  return exception('authorization-reversed', words, match, [...flags])
}

function isOneTransaction({ transactionId }: Presentment, { networkReference }: Candidate): boolean {
  return /[1-9]/.test(transactionId) && transactionId === networkReference
}

/**
 * Of several clearings under one reference number the one that an item is of: each is taken back, disputed and answered
 * by itself. An item that does not say which is of the only one, else of the first.
 */
function namedOf({ clearing: { sequence, count } }: Presentment, earlier: readonly Earlier[]): Earlier | undefined {
  if (count === 1 && earlier.length === 1) return earlier[0]
  return earlier.find((one) => one.sequence === sequence)
}

function partInWords({ clearing: { sequence, count } }: Presentment): string {
  return count === 1 ? '' : ` as clearing ${sequence} of ${count}`
}

/** Money goes back only where the presentment is found that it names. */
function judgeReversal(item: Presentment, { earlier }: Known): Verdict {
  const first = `0${item.transactionCode[1]}`
  const presented = earlier.filter((one) => one.transactionCode === first && one.usage === item.usage)
  const of = namedOf(item, presented)
  if (of === undefined)
    return exception('unmatched-reversal', `no presentment has reference ${item.arn}${partInWords(item)}`)
  // Its money is the dispute's, not the household's: whether it goes on, people decide.
  if (item.usage !== '1') {
    return exception('representment-reversed', `the representment of reference ${item.arn} is taken back`)
  }
  if (of.amountPiasters !== item.amountPiasters) {
    return exception(
      'reversal-amount',
      `the presentment was ${of.amountPiasters} piasters, the reversal says ${item.amountPiasters}`,
    )
  }
  return { action: 'reverse', of }
}

/** Usage codes of a representment; a reversal of our chargeback (35 to 37) may have that of the first presentment. */
const representmentUsages: readonly string[] = ['1', '2']

/** A dispute is answered once, by its own amount: another one is for people. */
function judgeRepresentment(item: Presentment, { earlier }: Known): Verdict {
  const { amountPiasters, arn } = item
  const of = namedOf(
    item,
    earlier.filter(({ dispute }) => dispute !== undefined),
  )
  if (of?.dispute === undefined) return exception('representment-without-dispute', 'no open dispute has this reference')
  const { id, state, amountPiasters: disputed } = of.dispute
  if (state === 'represented') return duplicate(`dispute ${id} of reference ${arn} was answered before`)
  if (item.transactionCode[1] !== of.transactionCode[1] || !representmentUsages.includes(item.usage)) {
    const words = `transaction code ${item.transactionCode} with usage ${item.usage} is no answer to dispute ${id} of a ${of.transactionCode}`
    return exception('contradiction', words)
  }
  if (disputed !== amountPiasters) {
    const words = `dispute ${id} is of ${disputed} piasters, ${amountPiasters} were presented again`
    return exception('amount-differs', words)
  }
  return { action: 'represent', of, disputeId: id }
}

function lateFlags(
  { purchaseDate }: Presentment,
  { today }: Known,
  { lateAfterDays }: IncomingPolicy,
): readonly Flag[] {
  return purchaseDate !== undefined && daysBetween(purchaseDate, today) > lateAfterDays ? ['late', 'dispute-right'] : []
}

function contradicted({ words, match }: Contradiction, flags: readonly Flag[]): Verdict {
  return exception('contradiction', words, match, [...flags, 'dispute-right'])
}

function duplicate(words: string, match?: Match): Verdict {
  return { action: 'duplicate', words, match }
}

function exception(reason: ExceptionReason, words: string, match?: Match, flags: readonly Flag[] = []): Verdict {
  return { action: 'exception', reason, words, match, flags }
}
