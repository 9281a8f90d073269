import type { CivilDate } from '../../calendar.ts'
import { readBankHolidays } from '../../store/clearing/settlement-read.ts'
import type { Client } from '../../store/connection.ts'
import { bankingCalendar, valueDateOf } from '../day/banking-calendar.ts'

/**
 * Value date of what is instructed for a business date: the banking day after it, by the holidays that were announced by
 * then, so that a run that is made again has the same.
 */
export async function readValueDate(client: Client, businessDate: CivilDate): Promise<CivilDate> {
  return valueDateOf(businessDate, bankingCalendar(await readBankHolidays(client), businessDate))
}
