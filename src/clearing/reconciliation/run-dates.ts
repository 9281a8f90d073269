import { addDays, type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { readDay } from '../../store/clearing/business-day.ts'
import { lastOpenedOn } from '../../store/clearing/reconciliation-desk.ts'
import { requireClosed } from '../settlement/run.ts'

/** Requires that a date can be reconciled. @throws MizanError CONFLICT when it is not over in every lane, or never was a business date */
export async function requireReconcilable(client: Queryable, businessDate: CivilDate): Promise<void> {
  await requireClosed(client, businessDate)
  if ((await readDay(client, businessDate)) !== undefined) return
  throw new MizanError('CONFLICT', `${formatDate(businessDate)} was no business date here: there is nothing to compare`)
}

/** A statement may be here before its value date: over a weekend and holidays at the longest. */
const AHEAD_DAYS = 14

/**
 * Requires that a run may look as of a date: not before the business date, nor with less known than a run before it, which found
 * exceptions that this one would take for gone; nor farther ahead than the value dates of statements.
 * @param today in Cairo
 * @throws MizanError BAD_INPUT
 */
export async function requireAsOf(
  client: Queryable,
  { businessDate, asOf, today }: Readonly<Record<'businessDate' | 'asOf' | 'today', CivilDate>>,
): Promise<void> {
  const refuse = (why: string) => new MizanError('BAD_INPUT', `--as-of ${formatDate(asOf)} ${why}`)
  if (asOf > addDays(today, AHEAD_DAYS))
    throw refuse(`is more than ${AHEAD_DAYS} days ahead: today is ${formatDate(today)}`)
  if (asOf < businessDate) throw refuse(`is before the business date ${formatDate(businessDate)}`)
  const last = await lastOpenedOn(client)
  if (last === undefined || asOf >= last) return
  throw refuse(`is too old: a run has found exceptions as of ${formatDate(last)}`)
}
