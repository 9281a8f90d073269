import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'

/** What a household wishes of notifications. */
export interface NotificationPreference {
  /** Absent = the language of its head, or the one configured. */
  readonly language?: 'ar' | 'en'
  readonly digits?: 'arab' | 'latn'
  /** Groups of templates that it does not want. */
  readonly optOuts: readonly string[]
}

/** What a household wishes; undefined when it never said. */
export async function readPreference(client: Client, householdId: number): Promise<NotificationPreference | undefined> {
  const { rows } = await client.query<{
    language: 'ar' | 'en' | null
    digits: 'arab' | 'latn' | null
    opt_outs: string[]
  }>('select language, digits, opt_outs from notification_preference where household_id = $1', [householdId])
  const [row] = rows
  if (row === undefined) return undefined
  return {
    ...(row.language === null ? {} : { language: row.language }),
    ...(row.digits === null ? {} : { digits: row.digits }),
    optOuts: row.opt_outs,
  }
}

/**
 * Writes down what a household wishes, in the transaction of whoever calls.
 * @param optOutGroups groups that one may opt out of; news of blocks and of collection always come
 * @throws MizanError NOT_FOUND when there is no such household; BAD_INPUT
 */
export async function savePreference(
  client: Client,
  householdId: number,
  preference: NotificationPreference,
  optOutGroups: readonly string[],
  actor: string,
): Promise<void> {
  const unknown = preference.optOuts.filter((group) => !optOutGroups.includes(group))
  if (unknown.length > 0) {
    throw new MizanError('BAD_INPUT', `one may opt out of ${optOutGroups.join(', ')}, and not of ${unknown.join(', ')}`)
  }
  const { rowCount } = await client.query(
    `insert into notification_preference (household_id, language, digits, opt_outs, updated_by)
     select h.id, $2, $3, $4, $5 from household h where h.id = $1 limit 1
     on conflict (household_id) do update set language = excluded.language, digits = excluded.digits,
       opt_outs = excluded.opt_outs, updated_at = now(), updated_by = excluded.updated_by`,
    [
      householdId,
      preference.language ?? null,
      preference.digits ?? null,
      [...new Set(preference.optOuts)].sort(),
      actor,
    ],
  )
  if (rowCount === 0) throw new MizanError('NOT_FOUND', `there is no household ${householdId}`)
}
