import { type CivilDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

export const exceptionStates = ['open', 'assigned', 'waiting', 'resolved', 'written-off'] as const
export type ExceptionState = (typeof exceptionStates)[number]

/** Something that two legs do not agree on. */
export interface ReconciliationException {
  readonly id: number
  readonly break: string
  readonly key: string
  readonly level: string
  readonly businessDate: string
  readonly openedOn: string
  readonly state: ExceptionState
  readonly owner: string | undefined
  readonly waitUntil: string | undefined
  readonly valueAtRiskPiasters: number
  /** The account that holds the difference. */
  readonly account: number | undefined
  /** As it was found, whatever was corrected since; above zero: a credit too much. */
  readonly differencePiasters: number
  /** What of it two people have moved into the suspense of its break. */
  readonly suspendedPiasters: number
  /** What of it they wrote off or gave to another account. */
  readonly settledPiasters: number
  readonly summary: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly openedRun: number
  readonly lastRun: number
  readonly openedAtMs: number
  readonly closedAtMs: number | undefined
  readonly closedBy: string | undefined
  readonly resolution: string | undefined
}

/** What happened to an exception. */
export interface ExceptionEvent {
  readonly atMs: number
  readonly actor: string
  readonly event: string
  readonly comment: string | undefined
  readonly detail: Readonly<Record<string, unknown>>
}

/** A match that concerns the same things as an exception. */
export interface StoredMatch {
  readonly businessDate: string
  readonly rule: string
  readonly confidence: number
  readonly authorizationId: number
  readonly fileId: number
  readonly item: number
  readonly instructionId: number
  readonly statementId: number
  readonly entry: number
  readonly amountPiasters: number
}

/** Dates of opening, both inclusive. */
export interface DateRange {
  readonly from: string | undefined
  readonly to: string | undefined
}

/** Which exceptions are asked for; what is absent does not matter. */
export interface ExceptionFilter {
  readonly states?: readonly ExceptionState[] | undefined
  readonly breaks?: readonly string[] | undefined
  /** `''` = without an owner. */
  readonly owner?: string | undefined
  readonly businessDate?: string | undefined
  /** An age: dates of opening for breaks that count banking days, and for those that count all. */
  readonly opened?:
    | { readonly banking: DateRange; readonly calendar: DateRange; readonly bankingBreaks: readonly string[] }
    | undefined
  readonly run?: number | undefined
  /** Only older ones than this, for the next page. */
  readonly beforeId?: number | undefined
  readonly limit: number
}

/** Open exceptions of a break that were opened on one date. */
export interface OpenGroup {
  readonly break: string
  readonly openedOn: string
  readonly count: number
  readonly piasters: bigint
}

interface Row {
  readonly id: string
  readonly break: string
  readonly key: string
  readonly level: string
  readonly business_date: string
  readonly opened_on: string
  readonly state: ExceptionState
  readonly owner: string | null
  readonly wait_until: string | null
  readonly value_at_risk_piasters: string
  readonly account: string | null
  readonly difference_piasters: string
  readonly suspended_piasters: string
  readonly settled_piasters: string
  readonly summary: string
  readonly detail: Record<string, unknown>
  readonly opened_run: string
  readonly last_run: string
  readonly opened_at: Date
  readonly closed_at: Date | null
  readonly closed_by: string | null
  readonly resolution: string | null
}

/** Exceptions, the newest first. */
export async function listExceptions(client: Queryable, filter: ExceptionFilter): Promise<ReconciliationException[]> {
  const { opened } = filter
  const { rows } = await client.query<Row>(
    `select * from reconciliation_exception e
     where ($1::text[] is null or state = any ($1)) and ($2::text[] is null or break = any ($2))
       and ($3::text is null or coalesce(owner, '') = $3) and ($4::date is null or business_date = $4)
       and ($5::text[] is null or case when break = any ($5)
             then opened_on between coalesce($6::date, '-infinity') and coalesce($7::date, 'infinity')
             else opened_on between coalesce($8::date, '-infinity') and coalesce($9::date, 'infinity') end)
       and ($10::bigint is null or opened_run = $10 or last_run = $10) and ($11::bigint is null or id < $11)
     order by id desc limit $12`,
    [
      filter.states ?? null,
      filter.breaks ?? null,
      filter.owner ?? null,
      filter.businessDate ?? null,
      opened?.bankingBreaks ?? null,
      opened?.banking.from ?? null,
      opened?.banking.to ?? null,
      opened?.calendar.from ?? null,
      opened?.calendar.to ?? null,
      filter.run ?? null,
      filter.beforeId ?? null,
      filter.limit,
    ],
  )
  return rows.map(exceptionOf)
}

/** @throws MizanError NOT_FOUND */
export async function readException(client: Queryable, id: number): Promise<ReconciliationException> {
  const { rows } = await client.query<Row>('select * from reconciliation_exception where id = $1', [id])
  return oneOf(rows, id)
}

/** Takes an exception to change it. @throws MizanError NOT_FOUND */
export async function lockException(client: Queryable, id: number): Promise<ReconciliationException> {
  const { rows } = await client.query<Row>('select * from reconciliation_exception where id = $1 for update', [id])
  return oneOf(rows, id)
}

/** All that happened to an exception, the first first. */
export async function readEvents(client: Queryable, id: number): Promise<ExceptionEvent[]> {
  const { rows } = await client.query<{
    at: Date
    actor: string
    event: string
    comment: string | null
    detail: Record<string, unknown>
  }>('select at, actor, event, comment, detail from reconciliation_event where exception_id = $1 order by id', [id])
  return rows.map(({ at, comment, ...row }) => ({ ...row, atMs: at.getTime(), comment: comment ?? undefined }))
}

/** Matches that concern what an exception is about, such as the other part of an authorization; 20 at most. */
export async function readRelatedMatches(
  client: Queryable,
  { detail, businessDate }: ReconciliationException,
): Promise<StoredMatch[]> {
  const { rows } = await client.query<Record<string, string>>(
    `select m.*, r.name, r.confidence from (
       select * from reconciliation_match where authorization_id = $1 and authorization_id > 0
       union
       select * from reconciliation_match where authorization_id = 0 and instruction_id = $2 and instruction_id > 0
       union
       select m.*
       from (
         select 0 as id
         union all
         select n.posted_id from network_item n where n.file_id = $4 and n.number = $5
         union all
         select i.authorization_id from clearing_item i where i.business_date = $3 and i.file_id = $4 and i.number = $5) a
       join reconciliation_match m on m.authorization_id = a.id and m.instruction_id = 0
       where m.business_date = $3 and m.file_id = $4 and m.item = $5) m
     join reconciliation_rule r on r.number = m.rule order by m.business_date, m.rule limit 20`,
    [
      detail.authorizationId ?? null,
      detail.instructionId ?? null,
      businessDate,
      detail.fileId ?? null,
      detail.item ?? 0,
    ],
  )
  return rows.map((row) => ({
    businessDate: row.business_date ?? '',
    rule: row.name ?? '',
    confidence: Number(row.confidence),
    authorizationId: Number(row.authorization_id),
    fileId: Number(row.file_id),
    item: Number(row.item),
    instructionId: Number(row.instruction_id),
    statementId: Number(row.statement_id),
    entry: Number(row.entry),
    amountPiasters: Number(row.amount_piasters),
  }))
}

/** What is open, by break and date of opening: for ageing and metrics. */
export async function readOpenGroups(client: Queryable): Promise<OpenGroup[]> {
  const { rows } = await client.query<{ break: string; opened_on: string; n: string; piasters: string }>(
    `select break, opened_on, count(*) as n, sum(value_at_risk_piasters) as piasters from reconciliation_exception
     where state in ('open', 'assigned', 'waiting') group by break, opened_on order by break, opened_on`,
  )
  return rows.map((row) => ({
    break: row.break,
    openedOn: row.opened_on,
    count: Number(row.n),
    piasters: BigInt(row.piasters),
  }))
}

function oneOf(rows: readonly Row[], id: number): ReconciliationException {
  const [row] = rows
  if (row === undefined) {
    throw new MizanError('NOT_FOUND', `there is no exception ${id}; mizan reconcile exceptions lists them`)
  }
  return exceptionOf(row)
}

/** An exception of its row. */
function exceptionOf(row: Row): ReconciliationException {
  return {
    id: Number(row.id),
    break: row.break,
    key: row.key,
    level: row.level,
    businessDate: row.business_date,
    openedOn: row.opened_on,
    state: row.state,
    owner: row.owner ?? undefined,
    waitUntil: row.wait_until ?? undefined,
    valueAtRiskPiasters: Number(row.value_at_risk_piasters),
    account: row.account === null ? undefined : Number(row.account),
    differencePiasters: Number(row.difference_piasters),
    suspendedPiasters: Number(row.suspended_piasters),
    settledPiasters: Number(row.settled_piasters),
    summary: row.summary,
    detail: row.detail,
    openedRun: Number(row.opened_run),
    lastRun: Number(row.last_run),
    openedAtMs: row.opened_at.getTime(),
    closedAtMs: row.closed_at?.getTime(),
    closedBy: row.closed_by ?? undefined,
    resolution: row.resolution ?? undefined,
  }
}

/** The newest date as of which a run has found an exception; undefined when none has. */
export async function lastOpenedOn(client: Queryable): Promise<CivilDate | undefined> {
  const { rows } = await client.query<{ last: string | null }>(
    'select max(opened_on) as last from reconciliation_exception',
  )
  const last = rows[0]?.last ?? undefined
  return last === undefined ? undefined : parseDate(last)
}
