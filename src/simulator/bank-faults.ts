/** What a simulated bank can be told to do wrong, each once a day: the breaks that reconciliation has to find. */
export const bankFaults = {
  'rejected-payment': 'rejects a payment because the account is closed (AC04)',
  'returned-payment': 'books a payment and gives it back because of a wrong account (AC01), with a pacs.004',
  'partial-return': 'books a payment and gives half of it back (AC01), with a pacs.004',
  'charged-payment': 'takes half a pound with a payment, in one booking',
  'short-booking': 'books a payment with one pound or half of it less',
  'over-booking': 'books a payment with one pound more',
  'missing-entry': 'accepts a payment and does not book it',
  'double-entry': 'books a payment twice',
  'wrong-sign': 'books a payment on the other side',
  'late-value': 'books a payment with the value date of a day later',
  'unknown-entry': 'books a credit that nobody asked for',
  'bank-fee': 'takes a fee of 25 pounds',
  'bank-interest': 'gives interest of 12.34 pounds',
  'no-reference': 'books a payment without its end-to-end id, naming it in the text only',
  'wrong-opening': 'opens the statement a pound higher than the one before closed',
  'wrong-closing': 'closes the statement a pound higher than its entries make',
  'sequence-gap': 'passes over a number of its statements',
  'duplicate-statement': 'sends the statement once more in another file',
  'duplicate-file': 'sends the file of the statement once more',
  'no-statement': 'sends no statement; the day stays open',
} as const
export type BankFault = keyof typeof bankFaults

export const bankFaultNames = Object.keys(bankFaults) as readonly BankFault[]

/** Faults that each need a payment of their own. */
export const paymentFaults: readonly BankFault[] = [
  'rejected-payment',
  'returned-payment',
  'short-booking',
  'over-booking',
  'missing-entry',
  'double-entry',
  'wrong-sign',
  'late-value',
  'no-reference',
  'partial-return',
  'charged-payment',
]
