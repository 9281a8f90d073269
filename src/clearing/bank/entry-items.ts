import { type CivilDate, formatDate } from '../../calendar.ts'
import type { EntryRow } from '../../store/clearing/bank-statements.ts'
import type { EntryEvent, ReadTransaction } from '../iso20022/bank-events.ts'
import { piastersOf } from '../iso20022/read-context.ts'

/**
 * A booking as it is kept: an entry, a payment of one that the bank tells one by one, or the charges that it has in it.
 */
export interface Item {
  readonly entry: number
  readonly piasters: bigint
  /** Of the entry's amount the charges; no payment of ours. */
  readonly isCharge: boolean
  readonly status: EntryEvent['status']
  readonly reversal: boolean
  readonly bookingDate: CivilDate
  readonly valueDate: CivilDate
  readonly endToEndId: string | undefined
  readonly reference: string | undefined
  readonly entryReference: string | undefined
  readonly messageId: string | undefined
  readonly paymentId: string | undefined
  readonly batchCount: number | undefined
  readonly code: string | undefined
  readonly returnReason: string | undefined
  readonly counterpartyAccount: string | undefined
  readonly text: string | undefined
}

const TEXT_MAX = 500

/**
 * The bookings of an entry; their sum is its amount.
 * @param date that counts when the entry has none
 */
export function itemsOf(entry: EntryEvent, date: CivilDate): Item[] {
  const { transactions } = entry
  const base = baseOf(entry, date)
  const own = piastersOf(entry.charges)
  if (transactions.length === 0) return withCharges([{ ...base, piasters: base.piasters - own }], base, own, undefined)
  const items = transactions.map((one) => paymentOf(one, entry, base))
  const charges = transactions.reduce((sum, one) => sum + piastersOf(one.charges), own)
  return withCharges(items, base, charges, transactions.length === 1 ? transactions[0]?.endToEndId : undefined)
}

function baseOf(entry: EntryEvent, fallback: CivilDate): Item {
  const date = entry.bookingDate ?? entry.valueDate ?? fallback
  return {
    entry: entry.number,
    piasters: piastersOf(entry.amount.value),
    isCharge: false,
    status: entry.status,
    reversal: entry.reversal,
    bookingDate: date,
    valueDate: entry.valueDate ?? date,
    endToEndId: undefined,
    reference: entry.reference,
    entryReference: entry.entryReference,
    messageId: entry.batch?.messageId,
    paymentId: entry.batch?.paymentId,
    batchCount: entry.transactions.length > 1 ? undefined : entry.batch?.transactions,
    code: entry.code,
    returnReason: undefined,
    counterpartyAccount: undefined,
    text: entry.text,
  }
}

function paymentOf(transaction: ReadTransaction, entry: EntryEvent, base: Item): Item {
  const { value, messageId, paymentId, endToEndId, returnReason, counterpartyAccount } = transaction
  // The amount of an entry counts; that of its one payment may be before charges.
  const amount = entry.transactions.length === 1 || value === undefined ? base.piasters : piastersOf(value)
  const words = [transaction.text, entry.text].filter((text) => text !== undefined).join(' ')
  return {
    ...base,
    piasters: amount - piastersOf(transaction.charges),
    endToEndId,
    returnReason,
    counterpartyAccount,
    reference: transaction.reference ?? base.reference,
    messageId: messageId ?? base.messageId,
    paymentId: paymentId ?? base.paymentId,
    code: transaction.code ?? base.code,
    text: words.slice(0, TEXT_MAX) || undefined,
  }
}

function withCharges(items: Item[], base: Item, piasters: bigint, of: string | undefined): Item[] {
  if (piasters === 0n) return items
  const names = { messageId: undefined, paymentId: undefined, batchCount: undefined }
  return [
    ...items,
    { ...base, ...names, piasters, isCharge: true, text: `charges${of === undefined ? '' : ` of ${of}`}` },
  ]
}

/** An item as it is kept. */
export function rowOf(item: Item, number: number, state: string): EntryRow {
  return {
    number,
    entry: item.entry,
    amount_piasters: String(item.piasters),
    status: item.status,
    reversal: item.reversal,
    booking_date: formatDate(item.bookingDate),
    value_date: formatDate(item.valueDate),
    end_to_end_id: item.endToEndId,
    reference: item.reference,
    entry_reference: item.entryReference,
    message_id: item.messageId,
    payment_id: item.paymentId,
    batch_count: item.batchCount,
    code: item.code,
    return_reason: item.returnReason,
    counterparty_account: item.counterpartyAccount,
    text: item.text,
    state,
    suspense_piasters: '0',
  }
}
