import type { UsageChange } from './decision.ts'

/** Entry that says what was counted against a cap: counter, period, change. */
const USAGE_COUNTED = 'usage.counted'

/**
 * The decision trace: which rule decided, on which figures. Stored compactly with the answer as `[code, ...figures]`
 * and put into words by `mizan explain`. Figures are positional; `{0:egp}` shows piasters as pounds.
 */
const words = {
  'duplicate.same': 'a repeat of authorization {0}: its stored answer goes out again',
  'duplicate.other': 'the key of authorization {0} came with other content',
  'reversal.early': 'a reversal of this transaction came before it: not processed',
  'message.fault': 'field {0} cannot be used',
  'type.unknown': 'transaction type {0} is not one that Mizan carries',
  'account.unknown': 'account code {0} is not one that Mizan knows',
  'amount.zero': 'the amount must be above zero',
  'amount.cashback': 'the cash part {0:egp} is more than the total {1:egp}',
  'amount.quantity': 'quantity {0} at {1:egp} does not come to {2:egp}',
  'amount.basket': 'the basket lines come to {0:egp}, the message says {1:egp}',
  'quantity.bad': 'a quantity of {0} over {1} day(s) cannot be drawn',
  'card.unknown': 'the card is not known',
  'card.status': 'the card is {0}',
  'card.expired': 'the card expired {0} (YYMM)',
  'chip.cryptogram': 'the chip’s cryptogram is {0}',
  'chip.replayed': 'chip counter {0} came before, or is too far below the highest, {1}',
  'chip.offline-failed': 'the terminal could not authenticate the chip',
  'chip.kind': 'the cryptogram does not ask for an authorization: {0}',
  'chip.amount': 'the chip’s cryptogram covers {0:egp}, the message says {1:egp}',
  'chip.absent': 'the message says that it read a chip, and brings no chip data',
  'chip.matched': 'the chip’s cryptogram is right, counter {0}',
  'chip.script-sent': 'the issuer script {0} goes to the chip with this answer',
  'chip.script-waits': 'the issuer script {0} could not be made for this transaction, and waits for the next',
  'stripe.value': 'the card verification value of track 2 is {0}',
  'stripe.matched': 'the card verification value of track 2 is right',
  'pin.absent': 'type {0} needs a PIN',
  'pin.unverifiable': 'the PIN block cannot be opened, or the card has no PIN',
  'pin.wrong': 'wrong PIN, {0} of {1} tries',
  'pin.exceeded': '{0} wrong PINs, {1} are allowed: the PIN must be reset',
  'pin.matched': 'the PIN is right',
  'assertion.refused': 'the biometric assertion is refused: {0}',
  'assertion.verified': 'the biometric assertion is genuine: the fingerprint is {0}',
  'card.active': 'card {0} of household {1} is active',
  'route.wallet': 'routed to the {0} wallet ({1}), version {2}',
  'route.payment': 'a bill of programme {0}, version {1}',
  'route.postal': 'routed to the postal account ({0})',
  'route.health': 'routed to health cover ({0}), version {1}',
  'subsidy.cash': 'type {0} would turn {1} into money: subsidy value never leaves as cash',
  'household.suspended': 'the household is suspended from subsidies',
  'service.not-live': 'service {0} is not live in governorate {1}',
  'outlet.unknown': 'the outlet is not registered: it may take payments, never dispense a subsidy',
  'outlet.status': 'outlet {0} is {1} and serves nobody',
  'outlet.terminal': 'the terminal is not registered to outlet {0}',
  'outlet.category': 'a {0} may not do type {1} on {2}',
  'outlet.governorate': 'the household draws in governorate {0}, the outlet is in {1}',
  'outlet.hours': '{0} is served from {1} to {2}; it is {3} in Cairo',
  'fingerprint.required': '{1} needs a matched fingerprint; this one is {0}',
  'code.sent': 'a one-time code is sent to the head of household: {0} today of at most {1}',
  'code.limit': 'as many one-time codes were sent today as there may be: {0}',
  'code.none': 'no one-time code is open: none was sent, or it was used or is out of time',
  'code.matched': 'the one-time code is right',
  'code.wrong': 'the one-time code is wrong; {0} tries are left',
  'code.unverifiable': 'the one-time code cannot be verified',
  'verification.exception': 'drawn without verification by exception {0}',
  'verification.required': '{0} needs the holder verified by {1}',
  'exclusive.chosen': 'the household chose {0} for this month',
  'draw.days': '{0} day(s) asked; a household of {1} may draw {2} at once',
  'draw.month-end': 'a draw may not reach past the end of the month',
  'quota.cells': '{0} {1} asked; {2} left over {3} day(s) of {4} a day',
  'wallet.open': 'opened period {0} with {1}',
  'wallet.balance': '{0} asked, {1} available in period {2}',
  'wallet.partial': '{0:egp} granted of {1:egp} asked: the requester takes partial approvals',
  'wallet.drawn': 'drew {0} from period {1}; {2} left',
  'copay.cash': 'co-payment {0:egp} is paid in cash at the outlet',
  'copay.postal': 'co-payment {0:egp} from the postal account with {1:egp} available',
  'copay.cash-returned': '{0:egp} paid in cash at the outlet is paid back there',
  'basket.CP': '{0}: {1} thousandths asked, {2} granted: the month’s cap, or what is sold in whole steps',
  'basket.NA': '{0}: not on the list, or dearer than the list has it; {1} thousandths asked, {2} granted',
  'basket.WB': '{0}: {1} thousandths asked, {2} granted: the wallet is short',
  'basket.required': '{0} is drawn item by item: the message lists no goods',
  'basket.reduced': '{0:egp} asked, {1:egp} of it can be granted',
  'split.postal': '{0:egp} are left to the postal account with {1:egp} available',
  'split.posted': '{0:egp} from the postal account with {1:egp} available: the rest of the basket',
  'usage.counted': 'counted {2} against cap {0} of {1}',
  'cap.used': 'cap {0} has {1} of {2} used since: what was returned cannot be taken again',
  'offline.none': '{0} cannot be drawn offline',
  'offline.late': 'drawn offline {0} hours ago; it may be sent for {1} hours',
  'offline.over': '{0} drawn offline on its day and {1} asked; the day’s limit is {2}',
  'offline.draw': 'drawn offline on {0}: {1} before and {2} now of {3}',
  'offline.recovered': '{0} given offline beyond the day’s share: recovered from {1}',
  'old-card.refused': 'the old ration card is refused: {0}',
  'old-card.goods-only': 'the old ration card draws goods and bread, and nothing from {0}',
  'old-card.stopped': 'first subsidised dispense: the old ration card is stopped',
  'postal.balance': '{0:egp} asked, {1:egp} available in the postal account',
  'postal.partial': '{0:egp} granted of {1:egp} asked: the requester takes partial approvals',
  'limit.purchase': '{0:egp} is over the limit of {1:egp} for one purchase',
  'payment.limit': 'a bill of {0} over {1:egp}; the limit is {2:egp}',
  'payment.fee': 'fee {0:egp} of {1}',
  'payment.fee-short': '{0:egp} and a fee of {1:egp}, {2:egp} available in the postal account',
  'limit.cash-amount': '{0:egp} withdrawn today and {1:egp} asked; the day’s limit is {2:egp}',
  'limit.cash-count': '{0} withdrawals today; the day’s limit is {1}',
  'hold.made': 'held {0:egp} until captured, reversed or expired after {1} days',
  'hold.captured': 'captured {0:egp} of the hold of {1:egp} made by authorization {2}',
  'hold.kept': 'the hold of authorization {0} stays at {1:egp} until it is captured; it will come to {2:egp}',
  'hold.over': '{0:egp} asked; the hold of authorization {1} is {2:egp}',
  'hold.ended': 'the hold of authorization {0} already ended: {1}',
  'original.missing': 'no authorization matches the original that the message names',
  'original.other-card': 'the original belongs to another card',
  'original.declined': 'authorization {0} was declined: nothing to give back',
  'original.amount': 'the original is {0:egp}, the message says {1:egp}',
  'original.repeated': 'authorization {0} is already reversed by the same amount: nothing more to post',
  'original.already': 'authorization {0} is already reversed ({1:egp})',
  'original.final': 'authorization {0} is of a kind that cannot be reversed',
  'reversal.full': 'gave back authorization {0}',
  'reversal.partial': 'authorization {0} came to {1:egp}; gave back {2:egp}',
  'reversal.hold': 'released the hold of authorization {0}',
  'period.closed': 'period {0} is closed: {1} lapsed to the state',
  'refund.linked': 'a refund of authorization {0}',
  'refund.line': '{0}: {1} thousandths more than authorization {2} has left to refund',
  'refund.parts': '{0:egp} go back to the postal account, {1:egp} to the wallet',
  'refund.over': '{0:egp} asked; {1:egp} of authorization {2} is left to refund',
  'inquiry.balances': 'balances of {0} account(s)',
  'eligibility.yes': 'the household is eligible for health cover',
  'cover.no-service': 'there is no health service {0}',
  'cover.service': 'service {0}: the household pays {1} % of it',
  'cover.due': 'of a cost of {0:egp} the household pays {1:egp}',
  'cover.amount': '{0:egp} asked; the co-payment is {1:egp}',
  'cover.cap': 'a co-payment of {0:egp}; {1:egp} of the year’s cap are left',
  'cover.nothing-due': 'nothing is due for it',
  'deposit.made': 'deposited {0:egp}',
  'host.amount': '{0:egp} asked of an account that the account host holds',
  'host.approved': 'the account host paid {0:egp}, reference {1}',
  'host.declined': 'the account host answered {0} to {1:egp}',
  'host.short': 'the transaction comes to {0:egp}, the account host paid {1:egp}: it is taken back there',
  'host.unanswered': 'the account host did not answer in time about {0:egp}: it is taken back there',
  'host.unreachable': 'the account host cannot be asked about {0:egp}: {1}',
  'host.asked': 'the account host has to be asked about {0:egp}',
  'host.advised': 'the account host is told of {0:egp} that the account paid',
  'host.returned': '{0:egp} go back to the account host',
  'host.balance': 'the account host holds {0:egp}',
  'host.no-balance': 'the account host told no balance: {0}',
  'host.none': 'the account is held at the account host, and none is configured',
  'stand-in.approved': 'approved in the place of the account host: {0:egp} after {1:egp} today, of {2:egp} for {3}',
  'stand-in.none': 'no stand-in for {0} with a {1} card and type {2}',
  'stand-in.single': '{0:egp} asked; stand-in goes to {1:egp} for one transaction',
  'stand-in.day': '{0:egp} by stand-in today and {1:egp} asked; the day’s limit is {2:egp}',
  'stand-in.count': '{0} time(s) by stand-in today; the day’s limit is {1}',
} as const

export type TraceCode = keyof typeof words
export type TraceEntry = readonly [TraceCode, ...(string | number)[]]

/** Puts a trace entry into words. Unknown codes (of another version) are shown as they are. */
export function traceInWords(entry: readonly (string | number)[], formatPounds: (amount: number) => string): string {
  const [code, ...figures] = entry
  const template = (words as Record<string, string>)[String(code)]
  if (template === undefined) return entry.join(' ')
  return template.replace(/\{(\d)(:egp)?\}/g, (_, index: string, money: string | undefined) => {
    const figure = figures[Number(index)]
    return money === undefined ? String(figure) : `${formatPounds(Number(figure))} EGP`
  })
}

/** What a decision counted against caps, as its stored trace says: what gives it back goes by this. */
export function usagesIn(trace: readonly (readonly (string | number)[])[]): UsageChange[] {
  const usages: UsageChange[] = []
  for (const [code, counter, period, change] of trace) {
    if (code !== USAGE_COUNTED) continue
    usages.push({ counter: Number(counter), period: Number(period), change: Number(change) })
  }
  return usages
}
