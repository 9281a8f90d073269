import type { Level } from './breaks.ts'

/**
 * The rules by which the legs are matched, in the order in which they are tried: strict first. None matches on the
 * amount alone. `confidence` is a percentage; a match below 100 can be looked up and taken apart by a person.
 */
export const matchingRules = {
  /** The item names the authorization, and all of it is there. */
  'posted-item': rule(1, 'item', 100, 'the item names the authorization, and its amount is what was posted'),
  /** Of the network's items: by the names under which `incoming/match.ts` finds their authorizations. */
  'posted-presentment': rule(2, 'item', 100, 'the journal row that posted the item has its amount'),
  'transaction-id': rule(3, 'item', 100, 'the network transaction id, and the amount is what was posted'),
  'card-rrn-terminal': rule(4, 'item', 95, 'card, RRN and terminal, and the amount is what was posted'),
  'card-code-amount-date': rule(5, 'item', 85, 'card, approval code, amount and a purchase date a day off at most'),
  'card-code-date': rule(6, 'item', 70, 'card, approval code and a purchase date a day off at most'),
  'reference-number': rule(8, 'item', 100, 'the reference number of an item that came before'),
  'netted-reversal': rule(7, 'item', 100, 'posted and reversed on the same date: nothing to clear'),
  'file-totals': rule(20, 'file', 100, 'count and gross amount of the file are those of its items'),
  'network-totals': rule(21, 'file', 100, 'count and amounts of the network’s report are those of the items'),
  'end-to-end': rule(30, 'position', 100, 'the end-to-end reference, side and amount'),
  'our-reference': rule(31, 'position', 95, 'our net reference in the bank’s entry, side and amount'),
  'batch-booking': rule(32, 'position', 95, 'one booking of the bank for a file of instructions, its sum'),
  returned: rule(33, 'position', 100, 'the return names the end-to-end reference of the payment, and its amount'),
} as const satisfies Readonly<Record<string, MatchingRule>>

export type RuleName = keyof typeof matchingRules

/** How something is matched. */
export interface MatchingRule {
  readonly number: number
  readonly level: Level
  /** Percent. */
  readonly confidence: number
  readonly words: string
}

function rule(number: number, level: Level, confidence: number, words: string): MatchingRule {
  return { number, level, confidence, words }
}
