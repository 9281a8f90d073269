import { addDays, type CivilDate } from '../calendar.ts'
import type { StatementLine } from '../clearing/iso20022/statement-writer.ts'
import type { BankFault } from './bank-faults.ts'
import type { BankOrder } from './bank-state.ts'

/** Piasters. */
export const POUND = 100
const CHARGE_PIASTERS = 50
const FEE_PIASTERS = 2_500n
const INTEREST_PIASTERS = 1_234n
const UNKNOWN_PIASTERS = 77_700n
const TRANSFER = { credit: 'PMNT/RCDT/DMCT', debit: 'PMNT/ICDT/DMCT' }

/** Gives the bank's next reference. */
type References = () => string

/** What a bank books for an order, as well as it works. */
export function bookingsOf(
  order: BankOrder,
  date: CivilDate,
  fault: BankFault | undefined,
  nextReference: References,
): StatementLine[] {
  if (fault === 'missing-entry') return []
  const amount = amountOf(order, fault)
  const credit = fault === 'wrong-sign' ? !order.credit : order.credit
  const valueDate = fault === 'late-value' ? addDays(order.executionDate, 1) : order.executionDate
  const line = lineOf(date, { ...order, amountPiasters: amount, credit }, valueDate, fault === 'no-reference')
  if (fault === 'charged-payment') return [charged(line)]
  if (fault === 'double-entry') return [line, lineOf(date, { ...order, reference: nextReference() }, valueDate, false)]
  const returned = returnedOf(order, fault)
  if (returned === 0) return [line]
  const reverse = { ...order, amountPiasters: returned, credit: !order.credit, reference: nextReference() }
  const back = lineOf(date, reverse, valueDate, false)
  return [line, { ...back, transactions: back.transactions.map((one) => ({ ...one, returnReason: 'AC01' })) }]
}

function lineOf(date: CivilDate, order: BankOrder, valueDate: CivilDate, isNameless: boolean): StatementLine {
  const { amountPiasters, credit, reference, endToEndId, messageId } = order
  return {
    reference,
    amountPiasters: BigInt(amountPiasters),
    credit,
    status: 'BOOK',
    bookingDate: date,
    valueDate,
    accountServicerReference: isNameless ? `X${reference}` : reference,
    transactionCode: credit ? TRANSFER.credit : TRANSFER.debit,
    transactions: [
      {
        ...(isNameless ? {} : { endToEndId, ...(messageId === 'OTHER' ? {} : { messageId }) }),
        accountServicerReference: isNameless ? `X${reference}` : reference,
        amountPiasters,
        credit,
        ...(isNameless ? { remittance: `PAYMENT ${endToEndId}` } : {}),
      },
    ],
  }
}

/** What a bank books that no order asked for. */
export function otherBookings(
  date: CivilDate,
  faults: ReadonlySet<BankFault>,
  nextReference: References,
): StatementLine[] {
  const line = (amountPiasters: bigint, credit: boolean, transactionCode: string, text: string): StatementLine => {
    const reference = nextReference()
    const dates = { bookingDate: date, valueDate: date }
    const what = { amountPiasters, credit, transactionCode, text, transactions: [] }
    return { reference, accountServicerReference: reference, status: 'BOOK', ...dates, ...what }
  }
  const lines: StatementLine[] = []
  if (faults.has('bank-fee')) lines.push(line(FEE_PIASTERS, false, 'ACMT/MDOP/CHRG', 'account fee'))
  if (faults.has('bank-interest')) lines.push(line(INTEREST_PIASTERS, true, 'ACMT/MCOP/INTR', 'interest'))
  if (faults.has('unknown-entry')) lines.push(line(UNKNOWN_PIASTERS, true, TRANSFER.credit, 'transfer of somebody'))
  return lines
}

/** What of a payment comes back. */
export function returnedOf({ amountPiasters }: BankOrder, fault: BankFault | undefined): number {
  if (fault === 'returned-payment') return amountPiasters
  return fault === 'partial-return' ? Math.ceil(amountPiasters / 2) : 0
}

function charged(line: StatementLine): StatementLine {
  return {
    ...line,
    amountPiasters: line.amountPiasters + BigInt(CHARGE_PIASTERS) * (line.credit ? -1n : 1n),
    transactions: line.transactions.map((one) => ({ ...one, chargePiasters: CHARGE_PIASTERS })),
  }
}

function amountOf({ amountPiasters }: BankOrder, fault: BankFault | undefined): number {
  if (fault === 'over-booking') return amountPiasters + POUND
  if (fault !== 'short-booking') return amountPiasters
  return amountPiasters > POUND ? amountPiasters - POUND : Math.ceil(amountPiasters / 2)
}
