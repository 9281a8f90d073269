import { addDays, type CivilDate } from '../../calendar.ts'
import { readBankHolidays } from '../../store/clearing/settlement-read.ts'
import type { Client } from '../../store/connection.ts'
import { bankingCalendar, valueDateOf } from '../day/banking-calendar.ts'

/**
 * Value date of what is instructed for a business date: the first banking day after it, and none before the day on
 * which the run is made, for banks refuse a day that is over; by the holidays that were announced by then. The run
 * keeps it.
 * @param madeOn civil date on which the run is computed
 */
export async function readValueDate(client: Client, businessDate: CivilDate, madeOn: CivilDate): Promise<CivilDate> {
  const dayBefore = addDays(madeOn, -1)
  const after = dayBefore > businessDate ? dayBefore : businessDate
  const knownOn = madeOn > businessDate ? madeOn : businessDate
  return valueDateOf(after, bankingCalendar(await readBankHolidays(client), knownOn))
}
