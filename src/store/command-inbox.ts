import { type Client, connect } from './connection.ts'

/** A command of the inbox that is not done. */
export interface InboxCommand {
  readonly lane: number
  /** Rises in a lane in the order in which commands came. */
  readonly id: number
  readonly kind: string
  readonly cardId: number | undefined
  readonly householdId: number | undefined
  /** A card by which its household is found: the card that it names, or one of its household; undefined without one. */
  readonly panIndex: string | undefined
  readonly detail: Readonly<Record<string, unknown>>
  readonly requestedBy: string
}

/** Up to where a lane has been given its commands, and how many more it takes. */
export interface InboxPlace {
  readonly lane: number
  readonly afterId: number
  readonly limit: number
}

/** Reads commands that are not done, of each lane in order of id. */
export type CommandQuery = (places: readonly InboxPlace[]) => Promise<readonly InboxCommand[]>

/** The inbox as a running switch reads it. */
export interface CommandInbox {
  readonly query: CommandQuery
  /** Names whom to call when a command may have come; beside that the inbox has to be looked at from time to time. */
  onArrival(wake: () => void): void
  close(): Promise<void>
}

interface CommandRow {
  readonly lane: number
  readonly id: string
  readonly kind: string
  readonly card_id: string | null
  readonly household_id: string | null
  readonly detail: Record<string, unknown>
  readonly requested_by: string
  readonly pan_index: Buffer | null
}

/** What the trigger of the inbox notifies (schemas/sql/0001-ledger.sql). */
const CHANNEL = 'mizan_command'
const QUERY_TIMEOUT_MS = 5_000

const queryText = `
  select i.lane, i.id, i.kind, i.card_id, i.household_id, i.detail, i.requested_by, c.pan_index
  from unnest($1::smallint[], $2::bigint[], $3::integer[]) p(lane, after_id, take)
  cross join lateral (
    select * from command_inbox i
    where i.lane = p.lane and i.id > p.after_id and i.done_id is null order by i.id limit p.take) i
  left join lateral (
    select k.pan_index from card k
      where i.card_id is not null and k.lane = i.lane and k.id = i.card_id
    union all
    (select k.pan_index from card k
      where i.card_id is null and k.lane + 0 = i.lane and k.household_id = i.household_id order by k.id limit 1)) c on true
  order by i.lane, i.id`

/** Opens the inbox of a database over a connection of its own, which is opened again when it was lost. */
export function commandInbox(url: string): CommandInbox {
  let client: Client | undefined
  let wake = () => {}
  const open = async () => {
    const opened = await connect({
      url,
      name: 'mizan inbox',
      role: 'mizan_app',
      pointQueries: true,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    })
    opened.on('notification', () => wake())
    client = opened
    await opened.query(`listen ${CHANNEL}`)
    return opened
  }
  return {
    async query(places) {
      try {
        const reading = client ?? (await open())
        const { rows } = await reading.query<CommandRow>({
          name: 'open_commands',
          text: queryText,
          values: [
            places.map((place) => place.lane),
            places.map((place) => place.afterId),
            places.map((place) => place.limit),
          ],
        })
        return rows.map(commandOf)
      } catch (error) {
        client?.end().catch(() => undefined)
        client = undefined
        throw error
      }
    },
    onArrival(listener) {
      wake = listener
    },
    async close() {
      await client?.end().catch(() => undefined)
      client = undefined
    },
  }
}

function commandOf(row: CommandRow): InboxCommand {
  return {
    lane: row.lane,
    id: Number(row.id),
    kind: row.kind,
    cardId: row.card_id === null ? undefined : Number(row.card_id),
    householdId: row.household_id === null ? undefined : Number(row.household_id),
    panIndex: row.pan_index?.toString('latin1'),
    detail: row.detail,
    requestedBy: row.requested_by,
  }
}
