/**
 * The catalogue of breaks: what can be wrong between authorizations and ledger (A), clearing (B) and bank (C). A name
 * is stable: exceptions, reports and metrics carry it. The number owns the break's suspense account (7010) and its
 * write-off account (8008).
 */
export const breakTypes = {
  'missing-item': type(1, 'item', 0, 1, 'banking', {
    meaning: 'Money that was posted on the business date stands in no clearing file.',
    action: 'Find why it was left out; it goes into the next file. Never add it to a file that was sent.',
  }),
  'authorised-not-cleared': type(2, 'item', 3, 8, 'calendar', {
    meaning: 'A hold of the card scheme was never presented.',
    action: 'Wait for the presentment; release the hold when the presentment window ends.',
  }),
  'cleared-not-authorised': type(3, 'item', 1, 5, 'banking', {
    meaning: 'The network presented an item that nothing here was authorised for; it was not posted.',
    action:
      'Ask the acquirer for the slip and post it (mizan clearing post), or dispute the item (chargeback) before the scheme’s time is over.',
  }),
  'forced-item': type(4, 'item', 1, 5, 'banking', {
    meaning: 'The network presented an item without an authorization, and it was posted by force.',
    action: 'Check that it is below the floor limit or was stored and forwarded; else dispute it.',
  }),
  'amount-differs': type(5, 'item', 1, 5, 'banking', {
    meaning:
      'An item was cleared for another amount than it was authorised or posted for, beyond what its kind of shop may add.',
    action: 'Ask the acquirer; post it (mizan clearing post) and dispute the surplus, or dispute it unposted.',
  }),
  'late-presentment': type(6, 'item', 1, 5, 'banking', {
    meaning: 'An item was presented after the presentment window of its purchase date.',
    action: 'Accept it or use the right to dispute it.',
  }),
  'duplicate-item': type(7, 'item', 0, 1, 'banking', {
    meaning: 'The same item came twice: the same reference of the acquirer, or the same transaction and sequence.',
    action: 'Reject the second one to the network; it was not posted.',
  }),
  'unmatched-reversal': type(8, 'item', 1, 5, 'banking', {
    meaning: 'A reversal names an original that is not there; no money moved.',
    action:
      'Ask who sent it which original is meant; money moves only when the original is found: then mizan clearing post.',
  }),
  'reversal-after-clearing': type(9, 'item', 0, 1, 'banking', {
    meaning: 'What was cleared was reversed later, and the reversal stands in no file.',
    action: 'The reversal has to go out as TC 25, 26 or 27 with the next file.',
  }),
  currency: type(10, 'item', 0, 1, 'banking', {
    meaning: 'An item is in another currency than the account.',
    action: 'Reject the item; accounts here are in EGP (818).',
  }),
  rounding: type(11, 'item', 5, 30, 'calendar', {
    meaning: 'An item differs by one piaster.',
    action: 'Write it off; many of one acquirer are a fault of its arithmetic.',
  }),
  'item-rejected': type(12, 'item', 1, 5, 'banking', {
    meaning: 'The network returned an item that Mizan had sent, or an item of the network was refused here.',
    action: 'Mend what the reason names and present it again.',
  }),
  'chargeback-open': type(13, 'item', 10, 45, 'calendar', {
    meaning: 'A dispute is open: its money stands on the disputes account.',
    action:
      'Bring the dispute to its end within the scheme’s time; one that nobody answers, and that gave nothing to the household, is withdrawn.',
  }),
  'duplicate-file': type(20, 'file', 0, 1, 'banking', {
    meaning: 'A file came a second time, and was refused.',
    action: 'Nothing of it counts. Tell the sender; make sure that the right next file still comes.',
  }),
  'missing-file': type(21, 'file', 0, 1, 'banking', {
    meaning: 'A file is missing from a sequence, or did not come on its day.',
    action: 'Ask the sender for it; later files wait.',
  }),
  'file-totals-differ': type(22, 'file', 0, 1, 'banking', {
    meaning:
      'Totals of a file are not the sum of its items, or not what the other side counts (TC 46, acknowledgement).',
    action: 'Compare batch by batch with the other side; until then nothing is settled on these totals.',
  }),
  'file-refused': type(23, 'file', 0, 1, 'banking', {
    meaning: 'A file that came was refused as a whole: it is damaged, out of order or not signed rightly.',
    action: 'Tell the sender the reason, and ask for the file again.',
  }),
  'position-short': type(30, 'position', 1, 3, 'banking', {
    meaning: 'The bank booked less than was instructed.',
    action: 'Ask the bank for the rest; the difference stands on the settlement transit account until it comes.',
  }),
  'position-over': type(31, 'position', 1, 3, 'banking', {
    meaning: 'The bank booked more than was instructed, or what it had rejected.',
    action:
      'Find out whose money it is and give it back; until then it is held in suspense. Have the bank take back what it had rejected: nothing pays that again while this is open.',
  }),
  'wrong-sign': type(32, 'position', 0, 1, 'banking', {
    meaning: 'The bank booked the right amount on the wrong side.',
    action: 'The bank has to reverse it and book it again.',
  }),
  'missing-bank-entry': type(33, 'position', 1, 3, 'banking', {
    meaning: 'An instruction of this value date is not in the bank’s statement of the day.',
    action: 'Ask the bank; send it again, under a new reference, only after the bank says that it was not done.',
  }),
  'unknown-bank-entry': type(34, 'position', 1, 5, 'banking', {
    meaning: 'The bank booked what no instruction asked for; the money is held in suspense.',
    action: 'Find out what it is, then move it from suspense to where it belongs.',
  }),
  'bank-fee': type(35, 'position', 1, 5, 'banking', {
    meaning: 'The bank took a fee; it was booked as an expense.',
    action: 'Compare it with the bank’s tariff; claim it back if it is not due.',
  }),
  'bank-return': type(36, 'position', 1, 5, 'banking', {
    meaning: 'A payout came back; the outlet is paid nothing until its bank data are right.',
    action: 'Correct the account of the outlet; it is paid again under a new reference.',
  }),
  'instruction-rejected': type(37, 'position', 0, 3, 'banking', {
    meaning: 'The bank refused an instruction before it was done.',
    action: 'Mend what the reason names; it is instructed again under a new reference.',
  }),
  'statement-gap': type(38, 'position', 0, 1, 'banking', {
    meaning: 'A statement of the bank is missing: its numbers have a gap, or none came for a banking day.',
    action: 'Ask the bank for the missing statement; entries of that day cannot be judged before.',
  }),
  'balance-differs': type(39, 'position', 0, 1, 'banking', {
    meaning:
      'The balance of a statement is not that of the one before, not that of its entries, or not that of the ledger.',
    action: 'Compare entry by entry with the bank until the balances meet.',
  }),
  'late-value': type(60, 'position', 1, 5, 'banking', {
    meaning: 'The bank booked the right amount with a later value date than it was told.',
    action: 'Ask the bank to book it with the right value date, or claim the interest of the days between.',
  }),
  'left-unpaid': type(61, 'position', 1, 5, 'banking', {
    meaning:
      'Runs leave money on accounts, because nobody or no bank account is known to settle with, or payouts are stopped.',
    action:
      'Mend what it names: register the institution or the bank, complete the outlets, or lift the stop; the next run pays.',
  }),
  'control-account-open': type(40, 'control', 0, 1, 'banking', {
    meaning: 'A control account holds something that no open item explains.',
    action: 'Find the posting that is too much or missing; correct it with a second person.',
  }),
  'subsidy-payable-differs': type(50, 'subsidy', 0, 1, 'banking', {
    meaning: 'What an outlet is to be paid is not what it dispensed times the tariff.',
    action: 'Hold the payout of the outlet; find which draws or which tariff were counted wrongly.',
  }),
  'issuance-not-conserved': type(51, 'subsidy', 0, 1, 'calendar', {
    meaning: 'What a programme issued is not what was redeemed, expired, converted and is left.',
    action: 'Run mizan verify: an invariant of the ledger is broken. Stop payouts of the programme.',
  }),
} as const satisfies Readonly<Record<string, BreakType>>

/** Which comparison finds a break. */
export const levels = ['item', 'file', 'position', 'control', 'subsidy'] as const
export type Level = (typeof levels)[number]

export type BreakName = keyof typeof breakTypes

/** What is known of a kind of break. */
export interface BreakType {
  /** Owner of its accounts 7010 and 8008; 1 to 99. */
  readonly number: number
  readonly level: Level
  /** For the settlement clerk. */
  readonly meaning: string
  /** What is done about it. */
  readonly action: string
  /** Days after which it is late. */
  readonly warnDays: number
  /** Days after which it has to be closed. */
  readonly closeDays: number
  /** Whether its days are banking days; else days of the calendar. */
  readonly count: 'banking' | 'calendar'
}

export const breakNames = Object.keys(breakTypes) as readonly BreakName[]

export function isBreakName(text: string): text is BreakName {
  return Object.hasOwn(breakTypes, text)
}

function type(
  number: number,
  level: Level,
  warnDays: number,
  closeDays: number,
  count: BreakType['count'],
  words: Pick<BreakType, 'meaning' | 'action'>,
): BreakType {
  return { number, level, warnDays, closeDays, count, ...words }
}
