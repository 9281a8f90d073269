import type { CivilDate } from '../../calendar.ts'
import { addWorkingDays } from '../../card/working-days.ts'
import type { Client } from '../../store/connection.ts'
import { calendarAsOf } from '../../store/people-orders.ts'

/**
 * Value date of what is instructed for a business date: the banking day after it, by the holidays that were announced by
 * then, so that a run that is made again has the same.
 */
export async function valueDateOf(client: Client, businessDate: CivilDate): Promise<CivilDate> {
  return addWorkingDays(businessDate, 1, await calendarAsOf({ client }, businessDate))
}
