import { addDays, type CivilDate } from '../calendar.ts'
import { type HouseholdStatus, type HouseholdTerm, termOn } from './household.ts'

/** What may happen to the people of a household (M18). */
export const membershipEvents = ['added', 'removed', 'head-changed', 'suspended', 'reinstated'] as const
export type MembershipEvent = (typeof membershipEvents)[number]

export const MEMBERS_MAX = 60

/** Whether a text is an event. */
export function isMembershipEvent(text: string): text is MembershipEvent {
  return (membershipEvents as readonly string[]).includes(text)
}

/**
 * The day from which a change counts: the one after it takes effect. Bread goes by the day, so it follows the next day;
 * what goes by the month looks at the first of the month, so it follows in the next (product.md, "Decisions"). Days
 * that are over, and today, stay as they were: what was drawn on them was right.
 */
export function termStart(effective: CivilDate, today: CivilDate): CivilDate {
  return addDays(effective > today ? effective : today, 1)
}

/** The terms of a new household: until the day from which it is entitled there is a household, and nothing for it. */
export function openingTerms(members: number, entitledFrom: CivilDate, today: CivilDate): HouseholdTerm[] {
  const entitled: HouseholdTerm = { from: entitledFrom, members, status: 'active' }
  return entitledFrom > today ? [{ from: today, members, status: 'suspended' }, entitled] : [entitled]
}

/** What a change makes of a household. */
export interface TermChange {
  /** Members more or fewer. */
  readonly membersBy?: number
  readonly status?: HouseholdStatus
}

/**
 * The terms after a change that counts from a day on. Terms that were set for later days take it over: their own
 * members change by as many, and a status that they did not set themselves follows.
 * @returns the terms, or why the change cannot be
 */
export function changeTerms(
  terms: readonly HouseholdTerm[],
  from: CivilDate,
  { membersBy = 0, status }: TermChange,
): HouseholdTerm[] | string {
  const before = termOn({ terms }, from)
  if (status !== undefined && before.status === status) return `the household is ${status} already`
  const earlier = terms.filter((term) => term.from < from)
  // A date before the first term: the household begins with what it has then.
  const changed = [...earlier, { ...before, from }, ...terms.filter((term) => term.from > from)]
  const result: HouseholdTerm[] = []
  let follows = true
  for (const term of changed) {
    if (term.from < from) {
      result.push(term)
      continue
    }
    follows &&= term.status === before.status
    const members = term.members + membersBy
    if (members < 1) return 'a household has a member: suspend it instead'
    if (members > MEMBERS_MAX) return `a household has at most ${MEMBERS_MAX} members`
    result.push({ from: term.from, members, status: follows ? (status ?? term.status) : term.status })
  }
  return result
}

/**
 * The terms once the last member has left, by death or for another household: nothing is given from that day on. The
 * number of members stays, as a household without any is none.
 */
export function termsAfterLast(terms: readonly HouseholdTerm[], from: CivilDate): HouseholdTerm[] {
  const first = { ...termOn({ terms }, from), from }
  const later = terms.filter((term) => term.from > from)
  return [
    ...terms.filter((term) => term.from < from),
    ...[first, ...later].map((term) => ({ ...term, status: 'suspended' as const })),
  ]
}
