import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'

/** What the account host refused, or could not be told. */
export interface HostException {
  /** That of the message that was not taken. */
  readonly id: number
  readonly authorizationId: number
  readonly householdId: number
  readonly kind: 'advice' | 'reversal'
  /** Debit: the account should have paid. Credit: it should have been paid. */
  readonly direction: 'debit' | 'credit'
  readonly piasters: number
  readonly cause: 'refused' | 'dropped'
  readonly responseCode: string | undefined
  readonly raisedAtMs: number
  readonly resolvedAtMs: number | undefined
  readonly resolvedBy: string | undefined
  readonly resolution: string | undefined
}

/** How things stand with the account host. */
export interface HostTotals {
  /** Households whose account is held there. */
  readonly households: number
  /** Requests that nothing has ended. */
  readonly openRequests: number
  /** Advices that it has not answered. */
  readonly advicesWaiting: number
  /** Debits among them, and debits that it refused: what accounts paid and it has not taken. */
  readonly atRiskPiasters: number
  readonly exceptions: number
  readonly exceptionPiasters: number
  /** Account 8005: what the host owes (negative: debit), advices under way included. */
  readonly duePiasters: number
}

/** Which exceptions are asked for. */
export interface HostExceptionFilter {
  readonly resolved: boolean
  /** Only older ones than this, for the next page. */
  readonly beforeId?: number
  readonly limit: number
}

interface Row {
  readonly message_id: string
  readonly authorization_id: string
  readonly household_id: string
  readonly kind: HostException['kind']
  readonly direction: HostException['direction']
  readonly piasters: string
  readonly cause: HostException['cause']
  readonly response_code: string | null
  readonly raised_at: Date
  readonly resolved_at: Date | null
  readonly resolved_by: string | null
  readonly resolution: string | null
}

/** Exceptions, the newest first. */
export async function listHostExceptions(client: Client, filter: HostExceptionFilter): Promise<HostException[]> {
  const { rows } = await client.query<Row>(
    `select * from host_exceptions
     where (resolved_at is not null) = $1 and ($2::bigint is null or message_id < $2)
     order by message_id desc limit $3`,
    [filter.resolved, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(exceptionOf)
}

/**
 * Notes how an exception was settled with the Post. Nothing is posted: whoever moves money says so elsewhere.
 * @param resolution 1 to 300 characters
 * @throws MizanError NOT_FOUND; CONFLICT when it is resolved already; BAD_INPUT
 */
export async function resolveHostException(
  client: Client,
  id: number,
  { resolution, actor, nowMs }: { readonly resolution: string; readonly actor: string; readonly nowMs: number },
): Promise<HostException> {
  const text = resolution.trim()
  if (text === '' || text.length > 300)
    throw new MizanError('BAD_INPUT', 'say in up to 300 characters how it was settled')
  const { rows } = await client.query<Row>(
    `update host_exception set resolved_at = $2, resolved_by = $3, resolution = $4
     where message_id = $1 and resolved_at is null returning *`,
    [id, new Date(nowMs), actor, text],
  )
  const [row] = rows
  if (row !== undefined) return exceptionOf(row)
  const { rowCount } = await client.query('select from host_exception where message_id = $1', [id])
  if (rowCount === 0) throw new MizanError('NOT_FOUND', `there is no exception ${id}`)
  throw new MizanError('CONFLICT', `exception ${id} is resolved already`)
}

/** How things stand with the account host. */
export async function readHostTotals(client: Client): Promise<HostTotals> {
  const { rows } = await client.query<Record<string, string>>(
    `select (select count(*) from household where account_at = 'host') as households,
            (select count(*) from host_requests_open) as open_requests,
            w.waiting, w.at_risk + x.debits as at_risk, x.open as exceptions, x.piasters,
            (select coalesce(sum(posted), 0) from balance
              where household_id = 0 and period = 0 and account = 8005::bigint * 100000000000) as due
     from (select count(*) as waiting, coalesce(sum(a.piasters) filter (where a.direction = 'debit'), 0) as at_risk
           from outbound_message m join host_advice a on a.id = m.authorization_id and a.lane = m.lane
           where m.state in ('waiting', 'sent') and m.kind = 'advice') w,
          (select count(*) as open, coalesce(sum(piasters), 0) as piasters,
                  coalesce(sum(piasters) filter (where direction = 'debit'), 0) as debits
           from host_exception where resolved_at is null) x`,
  )
  const [row = {}] = rows
  return {
    households: Number(row.households),
    openRequests: Number(row.open_requests),
    advicesWaiting: Number(row.waiting),
    atRiskPiasters: Number(row.at_risk),
    exceptions: Number(row.exceptions),
    exceptionPiasters: Number(row.piasters),
    duePiasters: Number(row.due),
  }
}

function exceptionOf(row: Row): HostException {
  return {
    id: Number(row.message_id),
    authorizationId: Number(row.authorization_id),
    householdId: Number(row.household_id),
    kind: row.kind,
    direction: row.direction,
    piasters: Number(row.piasters),
    cause: row.cause,
    responseCode: row.response_code ?? undefined,
    raisedAtMs: row.raised_at.getTime(),
    resolvedAtMs: row.resolved_at?.getTime(),
    resolvedBy: row.resolved_by ?? undefined,
    resolution: row.resolution ?? undefined,
  }
}
