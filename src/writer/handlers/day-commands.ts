import { Type } from 'typebox'
import { addDays, civilDate, formatDate } from '../../calendar.ts'
import { done, type Handler, refused } from './command.ts'
import { dateOf, parts, withDetail } from './detail.ts'

const closeSchema = Type.Object({ date: parts.date })

/**
 * Closes a business day of the lane: what comes after this batch is of the next one at the earliest, so that of the day
 * no row can ever come again. A day may be closed before its time, but none that has not begun; one that is closed
 * already stays so.
 */
export const closeDay: Handler = withDetail(closeSchema, ({ date: asked }, { builder, nowMs }) => {
  const date = dateOf(asked)
  if (date === undefined) return refused('there is no such date')
  const { businessDate } = builder.head
  // By the clock a business day begins on the evening before it at the earliest.
  if (date > businessDate || date > addDays(civilDate(nowMs), 1)) {
    return refused(`business day ${formatDate(date)} has not begun: it is ${formatDate(businessDate)}`, { date })
  }
  builder.closeDay(date)
  return done(`business day ${formatDate(date)} is closed in this lane`, { date })
})
