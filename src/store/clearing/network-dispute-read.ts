import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

/**
 * A dispute is `raised`, and its chargeback waits; `sent` when that stands in a file to the network; `represented` when
 * the acquirer presented the item again; and ends `accepted` (the household keeps its money), `lost` (what it was
 * credited is taken back) or `withdrawn` (we take the chargeback back before anybody answered it).
 */
export const disputeStates = ['raised', 'sent', 'represented', 'accepted', 'lost', 'withdrawn'] as const
export type DisputeState = (typeof disputeStates)[number]

/** A dispute of an item that the network presented. */
export interface Dispute {
  readonly id: number
  readonly fileId: number
  readonly number: number
  readonly lane: number
  readonly householdId: number
  readonly cardId: number
  readonly arn: string
  readonly transactionCode: string
  readonly amountPiasters: number
  readonly reasonCode: string
  readonly reason: string
  readonly posted: boolean
  readonly state: DisputeState
  readonly credited: boolean
  readonly raisedBy: string
  readonly approvedBy: string
  readonly raisedAtMs: number
  readonly respondBy: string
  readonly endedAtMs: number | undefined
}

/** What happened to a dispute. */
export interface DisputeEvent {
  readonly event: string
  readonly actor: string
  readonly detail: string | undefined
  readonly postedIds: readonly number[]
  readonly atMs: number
}

/** A row of the table `dispute`. */
export interface DisputeRow {
  readonly id: string
  readonly file_id: string
  readonly number: number
  readonly lane: number
  readonly household_id: string
  readonly card_id: string
  readonly arn: string
  readonly transaction_code: string
  readonly amount_piasters: string
  readonly reason_code: string
  readonly reason: string
  readonly posted: boolean
  readonly state: DisputeState
  readonly credited: boolean
  readonly raised_by: string
  readonly approved_by: string
  readonly raised_at: Date
  readonly respond_by: string
  readonly ended_at: Date | null
}

export const disputeColumns = `id, file_id, number, lane, household_id, card_id, arn, transaction_code, amount_piasters, reason_code, reason,
  posted, state, credited, raised_by, approved_by, raised_at, respond_by, ended_at`

/** @throws MizanError NOT_FOUND */
export async function readDispute(client: Queryable, id: number): Promise<Dispute> {
  const { rows } = await client.query<DisputeRow>(`select ${disputeColumns} from dispute where id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no dispute ${id}`)
  return disputeOf(row)
}

/** Disputes, the newest first. */
export async function listDisputes(
  client: Queryable,
  filter: {
    readonly state?: DisputeState | undefined
    readonly householdId?: number | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<Dispute[]> {
  const { rows } = await client.query<DisputeRow>(
    `select ${disputeColumns} from dispute
     where ($1::text is null or state = $1) and ($2::bigint is null or household_id = $2) and ($3::bigint is null or id < $3)
     order by id desc limit $4`,
    [filter.state ?? null, filter.householdId ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(disputeOf)
}

/** What happened to a dispute, oldest first. */
export async function disputeEvents(client: Queryable, id: number): Promise<DisputeEvent[]> {
  const { rows } = await client.query<{
    event: string
    actor: string
    detail: string | null
    posted_ids: string[]
    at: Date
  }>('select event, actor, detail, posted_ids, at from dispute_event where dispute_id = $1 order by id limit 100', [id])
  return rows.map(({ event, actor, detail, posted_ids: ids, at }) => ({
    event,
    actor,
    detail: detail ?? undefined,
    postedIds: ids.map(Number),
    atMs: at.getTime(),
  }))
}

/** A dispute from its row. */
export function disputeOf(row: DisputeRow): Dispute {
  return {
    id: Number(row.id),
    fileId: Number(row.file_id),
    number: row.number,
    lane: row.lane,
    householdId: Number(row.household_id),
    cardId: Number(row.card_id),
    arn: row.arn,
    transactionCode: row.transaction_code,
    amountPiasters: Number(row.amount_piasters),
    reasonCode: row.reason_code,
    reason: row.reason,
    posted: row.posted,
    state: row.state,
    credited: row.credited,
    raisedBy: row.raised_by,
    approvedBy: row.approved_by,
    raisedAtMs: row.raised_at.getTime(),
    respondBy: row.respond_by,
    endedAtMs: row.ended_at?.getTime(),
  }
}
