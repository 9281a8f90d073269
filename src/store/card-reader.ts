import type { CardScript, CardStatus } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'

/** How a card is named: never by its number in clear. */
export type CardKey =
  | { readonly by: 'id'; readonly cardId: number }
  /** 16 bytes, latin1. */
  | { readonly by: 'pan-index'; readonly panIndex: string }
  | { readonly by: 'masked'; readonly panMasked: string; readonly householdId: number }

/** What is known of a card, its number masked. */
export interface CardDetails {
  readonly id: number
  readonly lane: number
  readonly householdId: number
  readonly panMasked: string
  /** YYMM. */
  readonly expiry: string
  readonly sequenceNumber: string
  readonly status: CardStatus
  readonly hasPin: boolean
  /** Wrong PINs since the last right one. */
  readonly pinFailures: number
  /** Highest application transaction counter. */
  readonly atc: number
  readonly scriptPending: CardScript | undefined
}

interface CardRow {
  readonly id: string
  readonly lane: number
  readonly household_id: string
  readonly pan_masked: string
  readonly expiry: string
  readonly sequence_number: string
  readonly status: CardStatus
  readonly has_pin: boolean
  readonly pin_failures: number
  readonly atc: number
  readonly script_pending: CardScript | null
}

/**
 * Finds one card, as its last durable transaction or command left it.
 * @throws MizanError NOT_FOUND; BAD_INPUT when the name fits several
 */
export async function findCard(client: Pick<Client, 'query'>, key: CardKey): Promise<CardDetails> {
  const [condition, values] = conditionOf(key)
  const { rows } = await client.query<CardRow>(
    `select c.id, c.lane, c.household_id, c.pan_masked, c.expiry, c.sequence_number, c.status,
            c.pvv is not null as has_pin, n.pin_failures, n.atc, n.script_pending
     from lane l
     join card c on c.lane = l.lane and ${condition}
     join card_counter n on n.lane = c.lane and n.card_id = c.id
     order by c.id limit 10`,
    values,
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', notFound(key))
  if (rows.length > 1) {
    const ids = rows.map(({ id }) => id).join(', ')
    throw new MizanError('BAD_INPUT', `several cards are named so: name one by its id (${ids})`)
  }
  return {
    id: Number(row.id),
    lane: row.lane,
    householdId: Number(row.household_id),
    panMasked: row.pan_masked,
    expiry: row.expiry,
    sequenceNumber: row.sequence_number,
    status: row.status,
    hasPin: row.has_pin,
    pinFailures: row.pin_failures,
    atc: row.atc,
    scriptPending: row.script_pending ?? undefined,
  }
}

function conditionOf(key: CardKey): [string, unknown[]] {
  switch (key.by) {
    case 'id':
      return ['c.id = $1', [key.cardId]]
    case 'pan-index':
      return ['c.pan_index = $1', [Buffer.from(key.panIndex, 'latin1')]]
    case 'masked':
      return ['c.pan_masked = $1 and c.household_id = $2', [key.panMasked, key.householdId]]
  }
}

function notFound(key: CardKey): string {
  if (key.by === 'id') return `there is no card with the id ${key.cardId}`
  if (key.by === 'pan-index') return 'there is no card with this number'
  return `household ${key.householdId} has no card ${key.panMasked}`
}
