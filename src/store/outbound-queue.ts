import type { ForwardKind } from '../authorization/forward.ts'
import type { EncryptedPan } from '../security/pan-protection.ts'
import type { Queryable } from './access-pool.ts'
import { type KeptConnection, keptConnection } from './kept-connection.ts'

/** Number of a card as it rests. */
export interface SealedPan {
  readonly index: Buffer
  readonly encrypted: EncryptedPan
}

/** A message that waits, or that is on its way. */
export interface OpenMessage {
  readonly id: number
  readonly kind: ForwardKind
  /** First form. */
  readonly mti: string
  /** By data element, 7 and 11 among them; DE2 is `card`. */
  readonly fields: Readonly<Record<number, string>>
  readonly card: SealedPan | undefined
  readonly subject: string | undefined
  /** Sendings that were begun since somebody had it sent again, and in all. */
  readonly tries: number
  readonly attempts: number
  readonly nextAtMs: number
}

/** What came of a sending. */
export interface SendOutcome {
  readonly id: number
  /** `waiting`: it is tried again. */
  readonly state: 'waiting' | 'acknowledged' | 'dead'
  readonly event: 'acknowledged' | 'refused' | 'put-off' | 'timeout' | 'link-lost' | 'late' | 'given-up'
  readonly code?: string | undefined
  /** Why it was not taken; never holds what it says. */
  readonly error?: string | undefined
  readonly nextAtMs?: number
}

/** A sending that was begun; the first has number 1. */
export interface Begun {
  readonly id: number
  readonly attempt: number
}

/** What a forwarder needs of the queue; each may reject when the database cannot be reached. */
export interface ForwardQueue {
  /** Takes a destination, or keeps it. @returns the epoch; undefined while another process has it */
  claim(destination: string, leaseMs: number): Promise<number | undefined>
  /** Gives a destination up, so that another process need not wait for the end of the lease. */
  release(destination: string, epoch: number): Promise<void>
  /** The first messages that are open, in their order. */
  read(destination: string, limit: number): Promise<OpenMessage[]>
  /**
   * Writes down what came of sendings, and begins others, in one commit.
   * @returns those that may be sent now; undefined when another process has the destination
   */
  step(step: QueueStep): Promise<readonly Begun[] | undefined>
  /** Number of a message that was given up, by what its answer carries; the newest. */
  findGivenUp(destination: string, mtiClass: string, stan: string, transmission: string): Promise<number | undefined>
}

/** One commit of a sender. */
export interface QueueStep {
  readonly destination: string
  readonly epoch: number
  readonly atMs: number
  readonly outcomes: readonly SendOutcome[]
  readonly begin: readonly number[]
}

interface OpenRow {
  id: string
  kind: ForwardKind
  mti: string
  fields: Record<number, string>
  stan: string
  transmission: string
  subject: string | null
  attempts: number
  attempts_before: number
  next_at: Date
  pan_index: Buffer | null
  pan_encrypted: Buffer | null
  key_version: number | null
}

const QUERY_TIMEOUT_MS = 10_000
const ERROR_MAX = 300

/** The queue in the database, over a connection of its own. */
export class OutboundQueue implements ForwardQueue {
  readonly #connection: KeptConnection
  readonly #owner: string

  /** @param owner names this process among all: a second with the same name would share its leases */
  constructor(url: string, owner: string) {
    const name = 'mizan forwarder'
    this.#connection = keptConnection({ url, name, role: 'mizan_app', queryTimeoutMs: QUERY_TIMEOUT_MS })
    this.#owner = owner
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  claim(destination: string, leaseMs: number): Promise<number | undefined> {
    return this.#connection.use(async (client) => {
      const { rows } = await client.query<{ epoch: string | null }>('select claim_destination($1, $2, $3) as epoch', [
        destination,
        this.#owner,
        leaseMs,
      ])
      const epoch = rows[0]?.epoch
      return epoch === null || epoch === undefined ? undefined : Number(epoch)
    })
  }

  release(destination: string, epoch: number): Promise<void> {
    return this.#connection.use(async (client) => {
      await client.query(
        `update outbound_destination set lease_until = clock_timestamp()
         where destination = $1 and epoch = $2 and owner = $3`,
        [destination, epoch, this.#owner],
      )
    })
  }

  read(destination: string, limit: number): Promise<OpenMessage[]> {
    return this.#connection.use(async (client) => {
      const { rows } = await client.query<OpenRow>(
        `select m.id, m.kind, m.mti, m.fields, m.stan, m.transmission, m.subject, m.attempts, m.attempts_before, m.next_at,
                c.pan_index, c.pan_encrypted, c.key_version
         from outbound_message m left join card c on c.lane = m.lane and c.id = m.card_id
         where m.destination = $1 and m.state in ('waiting', 'sent') order by m.id limit $2`,
        [destination, limit],
      )
      return rows.map(openMessageOf)
    })
  }

  step({ destination, epoch, atMs, outcomes, begin }: QueueStep): Promise<readonly Begun[] | undefined> {
    const ended = outcomes.map(({ id, state, event, code, error, nextAtMs }) => ({
      id,
      state,
      event,
      code,
      error: error?.slice(0, ERROR_MAX),
      ...(nextAtMs === undefined ? {} : { next_at: new Date(nextAtMs).toISOString() }),
    }))
    return this.#connection.use(async (client) => {
      const { rows } = await client.query<{ begun: Begun[] | null }>(
        'select outbound_step($1, $2, $3, $4, $5, $6) as begun',
        [destination, epoch, new Date(atMs), this.#owner, JSON.stringify(ended), begin],
      )
      return rows[0]?.begun ?? undefined
    })
  }

  findGivenUp(destination: string, mtiClass: string, stan: string, transmission: string): Promise<number | undefined> {
    return this.#connection.use(async (client) => {
      const { rows } = await client.query<{ id: string }>(
        `select id from outbound_message
         where destination = $1 and state = 'dead' and stan = $2 and transmission = $3 and substr(mti, 2, 1) = $4
         order by id desc limit 1`,
        [destination, stan, transmission, mtiClass],
      )
      return rows[0] === undefined ? undefined : Number(rows[0].id)
    })
  }
}

function openMessageOf(row: OpenRow): OpenMessage {
  const { pan_index: index, pan_encrypted: bytes, key_version: keyVersion } = row
  const isSealed = index !== null && bytes !== null && keyVersion !== null
  return {
    id: Number(row.id),
    kind: row.kind,
    mti: row.mti,
    fields: { ...row.fields, 7: row.transmission, 11: row.stan },
    card: isSealed ? { index, encrypted: { keyVersion, bytes } } : undefined,
    subject: row.subject ?? undefined,
    tries: row.attempts - row.attempts_before,
    attempts: row.attempts,
    nextAtMs: row.next_at.getTime(),
  }
}

/** How a destination's queue stands. */
export interface DestinationState {
  readonly destination: string
  /** Counts stop at {@link COUNT_MAX}. */
  readonly waiting: number
  readonly dead: number
  readonly oldestAtMs: number | undefined
  /** Process that sends, while its lease lasts. */
  readonly owner: string | undefined
}

/** Most messages that are counted. */
const COUNT_MAX = 100_000

/** Looks at every queue; those that never held a message are not among them. */
export async function readDestinations(client: Queryable): Promise<DestinationState[]> {
  const { rows } = await client.query<{
    destination: string
    waiting: number
    dead: number
    oldest: Date | null
    owner: string | null
  }>(
    `with recursive named as (
       (select destination from outbound_message order by destination limit 1)
       union all
       select (select m.destination from outbound_message m where m.destination > n.destination
               order by m.destination limit 1)
       from named n where n.destination is not null)
     select n.destination, w.waiting, w.oldest, d.dead,
            (select o.owner from outbound_destination o
             where o.destination = n.destination and o.lease_until > clock_timestamp()) as owner
     from (select destination from named union select destination from outbound_destination) n
     cross join lateral (
       select count(*)::integer as waiting, min(m.created_at) as oldest from (
         select created_at from outbound_message
         where destination = n.destination and state in ('waiting', 'sent') order by id limit ${COUNT_MAX}) m) w
     cross join lateral (
       select count(*)::integer as dead from (
         select from outbound_message where destination = n.destination and state = 'dead' limit ${COUNT_MAX}) m) d
     where n.destination is not null order by n.destination`,
  )
  return rows.map(({ destination, waiting, dead, oldest, owner }) => ({
    destination,
    waiting,
    dead,
    oldestAtMs: oldest?.getTime(),
    owner: owner ?? undefined,
  }))
}
