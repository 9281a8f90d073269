import { daysBetween } from '../../calendar.ts'
import type { Candidate, Presentment } from './presentment.ts'

/** How a presentment was matched. */
export interface Match {
  readonly candidate: Candidate
  /** Name of the rule: stable, kept with the item. */
  readonly rule: RuleName
  /** How sure it is, per cent. */
  readonly confidence: number
}

interface Rule {
  readonly name: RuleName
  readonly confidence: number
  readonly fits: (item: Presentment, candidate: Candidate) => boolean
}

export type RuleName =
  | 'transaction-id'
  | 'card-rrn-terminal'
  | 'card-code-amount-date'
  | 'card-code-date'
  | 'reference-number'

/** Days by which acquirers date a purchase otherwise: past midnight, or the day of the batch. */
const DATE_SLACK_DAYS = 1

const isDated = ({ purchaseDate }: Presentment, { date }: Candidate) =>
  purchaseDate !== undefined && Math.abs(daysBetween(date, purchaseDate)) <= DATE_SLACK_DAYS

const hasCode = ({ authorizationCode }: Presentment, { approvalCode }: Candidate) =>
  authorizationCode !== '' && authorizationCode === approvalCode

/** The last eleven digits of a reference number, as an ARN has room for. */
function locatorOf(rrn: string): string {
  return rrn.padStart(11, '0').slice(-11)
}

/**
 * The rules, strictest first; all are of one card. None goes by the amount alone: two purchases of one price are as
 * common as the price.
 */
export const matchingRules: readonly Rule[] = [
  {
    name: 'transaction-id',
    confidence: 100,
    fits: ({ transactionId }, { networkReference }) =>
      /[1-9]/.test(transactionId) && transactionId === networkReference,
  },
  {
    name: 'card-rrn-terminal',
    confidence: 95,
    fits: ({ rrn, terminal }, candidate) =>
      /[1-9]/.test(rrn) &&
      candidate.rrn !== '' &&
      locatorOf(candidate.rrn) === rrn &&
      terminal !== '' &&
      terminal === candidate.terminal,
  },
  {
    name: 'card-code-amount-date',
    confidence: 85,
    fits: (item, candidate) =>
      hasCode(item, candidate) && item.amountPiasters === candidate.approvedPiasters && isDated(item, candidate),
  },
  // Another amount than was authorized: whether it may be is judged after.
  {
    name: 'card-code-date',
    confidence: 70,
    fits: (item, candidate) => hasCode(item, candidate) && isDated(item, candidate),
  },
]

/** Cash is presented as cash (07), everything else as a sale (05). */
function isSameType({ transactionCode }: Presentment, { transactionType }: Candidate): boolean {
  return (transactionCode === '07') === (transactionType === '01')
}

/**
 * Finds the authorization that a presentment belongs to, by the strictest rule that finds one. Of several that a rule
 * finds (an acquirer that uses a number again) the one counts that is not cleared yet, then the nearest by amount and
 * date.
 */
export function matchPresentment(item: Presentment, candidates: readonly Candidate[]): Match | undefined {
  const possible = candidates.filter((candidate) => isSameType(item, candidate))
  for (const { name, confidence, fits } of matchingRules) {
    const found = possible.filter((candidate) => fits(item, candidate))
    const [nearest] = found.toSorted((a, b) => compareNearness(item, a, b))
    if (nearest !== undefined)
      return { candidate: nearest, rule: name, confidence: confidence - (found.length > 1 ? 5 : 0) }
  }
  return undefined
}

function compareNearness(item: Presentment, a: Candidate, b: Candidate): number {
  const distance = ({ approvedPiasters }: Candidate) => Math.abs(approvedPiasters - item.amountPiasters)
  const days = ({ date }: Candidate) =>
    item.purchaseDate === undefined ? 0 : Math.abs(daysBetween(date, item.purchaseDate))
  return (
    Number(isCleared(item, a)) - Number(isCleared(item, b)) ||
    distance(a) - distance(b) ||
    days(a) - days(b) ||
    a.id - b.id
  )
}

/** Whether this part of an authorization came before: all of it, or the same of several clearings. */
export function isCleared({ clearing }: Presentment, { cleared }: Candidate): boolean {
  return cleared.some(({ sequence, count }) => count === 1 || clearing.count === 1 || sequence === clearing.sequence)
}
