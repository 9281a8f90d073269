import { DATE_FORM } from '../calendar.ts'
import { isGovernorate } from '../card/governorates.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { isDateText, type MasterDataAuthor } from './outlet-record.ts'
import { inReferenceTransaction } from './outlet-store.ts'

/** From when on a service is live in a governorate. */
export interface RolloutEntry {
  readonly service: string
  readonly governorate: string
  /** yyyy-mm-dd; may be in the future. */
  readonly liveFrom: string
}

/** A date that was set, with who set it and why. */
export interface RolloutEvent extends RolloutEntry {
  readonly at: Date
  readonly actor: string
  readonly reason: string
}

const SERVICE = /^[a-z][a-z0-9-]{0,31}$/

/**
 * Looks at a date before anybody is asked to agree to it.
 * @param services those that there are: the codes of programmes; absent = any
 * @throws MizanError BAD_INPUT
 */
export function checkRollout({ service, governorate, liveFrom }: RolloutEntry, services?: readonly string[]): void {
  if (!SERVICE.test(service) || services?.includes(service) === false) {
    const known = services === undefined ? '' : `: it is one of ${services.join(', ')}`
    throw new MizanError('BAD_INPUT', `there is no such service${known}`)
  }
  if (!isGovernorate(governorate)) {
    throw new MizanError('BAD_INPUT', 'a governorate is named by its code, such as PTS (ISO 3166-2:EG)')
  }
  if (!isDateText(liveFrom)) throw new MizanError('BAD_INPUT', `the day must be ${DATE_FORM}`)
}

/**
 * Sets the date from which a service is live in a governorate (product.md, M19); a running switch takes it before its
 * next message. The dates before stay in the history.
 * @param by.services those that there are: the codes of programmes
 * @returns whether it is another date than before
 * @throws MizanError BAD_INPUT, STORE_UNAVAILABLE
 */
export function setRollout(
  client: Client,
  entry: RolloutEntry,
  by: MasterDataAuthor & { readonly reason: string; readonly services?: readonly string[] },
): Promise<boolean> {
  checkRollout(entry, by.services)
  const { service, governorate, liveFrom } = entry
  return inReferenceTransaction(client, by, async () => {
    const { rowCount } = await client.query(
      `insert into service_rollout (service, governorate, live_from) values ($1, $2, $3)
       on conflict (service, governorate) do update set live_from = excluded.live_from
         where service_rollout.live_from <> excluded.live_from`,
      [service, governorate, liveFrom],
    )
    const isChanged = rowCount === 1
    if (isChanged) {
      await by.audit?.(client, { action: 'rollout-set', target: `${service} ${governorate}`, detail: { liveFrom } })
    }
    return isChanged
  })
}

/** Where each service is live, and from when on. */
export async function listRollout(client: Client): Promise<RolloutEntry[]> {
  const { rows } = await client.query<RolloutEntry>(
    'select service, governorate, live_from as "liveFrom" from service_rollout order by service, live_from, governorate',
  )
  return rows
}

/** Every date that was set for a service, or for all, the newest first. */
export async function rolloutHistory(
  client: Client,
  options: { readonly service?: string; readonly limit: number },
): Promise<RolloutEvent[]> {
  const { rows } = await client.query<RolloutEvent>(
    `select service, governorate, live_from as "liveFrom", at, actor, reason from service_rollout_event
     where $1::text is null or service = $1 order by id desc limit $2`,
    [options.service ?? null, options.limit],
  )
  return rows
}
