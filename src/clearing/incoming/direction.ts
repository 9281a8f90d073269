import { isCleared, type Match, matchingRules } from './match.ts'
import { type Candidate, creditTypes, type Presentment } from './presentment.ts'

/** What an item says that its own authorization speaks against. */
export interface Contradiction {
  readonly words: string
  readonly match: Match
}

/** Rules that find an authorization so surely that its kind counts for more than the code of an item. */
const sureRules = matchingRules.filter(({ name }) => name !== 'card-code-date')
/** Of these what is found is the presentment itself; a refund may have the network's identifier of its purchase. */
const ownRules = sureRules.filter(({ name }) => name !== 'transaction-id')

const isCredit = ({ transactionType }: Candidate) => creditTypes.includes(transactionType)

/**
 * A sale or cash (05, 07) that is of an authorization which paid the household, or of the other of the two: what its
 * code says cannot be so, and posted by force it would move the money beside that authorization, or the wrong way.
 * @param candidates those that no rule matched it to
 */
export function contradictedDebit(item: Presentment, candidates: readonly Candidate[]): Contradiction | undefined {
  const match = firstMatch(item, candidates, sureRules)
  if (match === undefined) return undefined
  const { id, transactionType } = match.candidate
  const what = isCredit(match.candidate) ? 'paid the household' : 'is of another kind'
  return {
    match,
    words: `transaction code ${item.transactionCode} takes money for authorization ${id}, which ${what} (type ${transactionType})`,
  }
}

/**
 * A credit (06) that is the presentment of a purchase: the purchase was not presented yet, and its own numbers stand in
 * it, or nothing was taken for it that could be given back. It is a sale with the code of a credit.
 */
export function contradictedCredit(item: Presentment, candidates: readonly Candidate[]): Contradiction | undefined {
  const due = candidates.filter((one) => !isCredit(one) && !isCleared(item, one))
  const untaken = due.filter(
    ({ hold, captures }) => hold !== undefined && hold.ending === undefined && captures.length === 0,
  )
  const match = firstMatch(item, due, ownRules) ?? firstMatch(item, untaken, sureRules)
  if (match === undefined) return undefined
  const { id } = match.candidate
  return {
    match,
    words: `transaction code ${item.transactionCode} pays the household for authorization ${id}, which takes money and was not presented yet`,
  }
}

function firstMatch(
  item: Presentment,
  candidates: readonly Candidate[],
  rules: typeof matchingRules,
): Match | undefined {
  for (const { name, confidence, fits } of rules) {
    const candidate = candidates.find((one) => fits(item, one))
    if (candidate !== undefined) return { candidate, rule: name, confidence }
  }
  return undefined
}
