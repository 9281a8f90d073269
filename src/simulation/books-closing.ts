import type { CommandRow, TransferRow } from '../store/batch.ts'
import { kinds, rightTo, tailOfAccount, tails, walletOf } from './accounts.ts'
import type { Books } from './books.ts'
import { datesOf, monthAfter } from './cairo.ts'
import { Violation } from './record.ts'

const POINTS_OF_LOAF = 10

/**
 * Checks the closing of a month against what the household had a right to and drew: each loaf of each day of the
 * calendar that was not drawn becomes points of the next month, and what is left of goods lapses.
 * @param books as they are after it
 */
export function checkClosing(
  books: Books,
  command: CommandRow,
  transfers: readonly TransferRow[],
  members: number,
): void {
  const household = command.householdId ?? 0
  const { month } = JSON.parse(command.detail) as { month: number }
  const bread = walletOf(tails.bread, household)
  let right = 0
  let drawn = 0
  for (const date of datesOf(month)) {
    right += rightTo(tails.bread, members, date)
    // What came back when the month was over already has lapsed at once.
    const cell = books.cells.get(`${bread}:${date}`)
    if (cell !== undefined) drawn += cell.redeemed + cell.lapsed - cell.advanced
  }
  // What nobody touched is booked in one sum under the month, after what it gives back of advances.
  const untouched = books.cells.get(`${bread}:${month}`)
  const unused = right - drawn + (untouched?.advanced ?? 0)
  const sum = (kind: number, tail: number, period?: number) =>
    transfers.reduce((total, row) => {
      const wallet = kind === kinds.issue ? row.credit : row.debit
      const isOne = row.kind === kind && tailOfAccount(wallet) === tail && (period ?? row.period) === row.period
      return isOne ? total + row.amount : total
    }, 0)
  const converted = sum(kinds.conversion, tails.bread)
  const where = `${month} of household ${household}, ${members} members`
  if (converted !== unused)
    throw new Violation('each loaf not drawn becomes points', `${where}: ${converted} of ${unused}`)
  const points = sum(kinds.issue, tails.points, monthAfter(month))
  if (points !== unused * POINTS_OF_LOAF) {
    throw new Violation('each loaf not drawn becomes points', `${where}: ${points} points for ${unused} loaves`)
  }
  const ration = walletOf(tails.ration, household)
  const rest = rightTo(tails.ration, members, month) - books.drawn(ration, month)
  const lapsed = books.cell(ration, month).lapsed
  if (lapsed !== rest) throw new Violation('what is left of goods lapses', `${where}: ${lapsed} of ${rest}`)
  for (const row of transfers) {
    const wallet = row.kind === kinds.issue ? row.credit : row.debit
    const left = books.posted(wallet, row.period) ?? 0
    const isNext = row.period === monthAfter(month)
    if (left !== 0 && !isNext) throw new Violation('a closed wallet is empty', `${wallet} in ${row.period}: ${left}`)
  }
}
