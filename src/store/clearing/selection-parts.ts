import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'

/**
 * How a date is taken: its authorizations in parts, in order of their number. A part is a transaction of about
 * a hundredth of a second, so that the journal of the database, which the authorizations of the lanes write too, never
 * waits for a heap of rows.
 */
export interface PartOptions {
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((words: string, done?: number, total?: number) => void) | undefined
  /** @default 500 */
  readonly authorizationsInPart?: number | undefined
  /** Parts that are taken in one transaction while the lanes have nothing to commit. @default 20 */
  readonly partsWhileIdle?: number | undefined
}

/** Authorizations of a part: behind the first number, up to the second. */
export interface Part {
  readonly from: string
  readonly to: string
  /** How many there are up to its end. */
  readonly done: number
}

const AUTHORIZATIONS_IN_PART = 500
export const PARTS_WHILE_IDLE = 20
/** Numbers are of 64 bits: the first part begins before all, the last one ends behind all. */
const BEFORE_ALL = '-9223372036854775808'
const BEHIND_ALL = '9223372036854775807'

/**
 * Begins a transaction that works on a part. What is read of the tables are few rows of many: they are looked up, and
 * put together by hashing. Statements are planned once: there are tables of hundreds of dates to plan for.
 */
export const BEGIN_PART = `begin; set local enable_seqscan = off; set local enable_nestloop = off;
  set local plan_cache_mode = force_generic_plan; set local work_mem = '32MB'`

/** What a part reads of the ledger, as CTEs. Parameters: the date, the numbers that it is between, and the lanes. */
export const rangeTransfer = (kinds: string): string => `
  range_transfer as materialized (
    select t.business_date, t.lane, t.group_id, t.kind, t.debit, t.credit, t.amount from transfer t
    where t.business_date = $1 and t.lane = any ($4) and t.group_id > $2 and t.group_id <= $3 and (${kinds}))`
export const rangeJournal = `
  range_journal as materialized (
    select a.business_date, a.lane, a.id, a.original_id, a.outlet_id, a.mti, a.link, a.entitlement_date
    from authorization_journal a where a.business_date = $1 and a.id > $2 and a.id <= $3)`

/** The transfers and authorizations of a part that items are made of. */
export const partRows = `${rangeTransfer('t.kind in (2, 3, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)')}, ${rangeJournal}`

/** Parameters of {@link partRows}. */
export const partValues = (date: CivilDate, { from, to }: Part, lanes: readonly number[]): unknown[] => [
  formatDate(date),
  from,
  to,
  lanes,
]

/** Looks where the part ends that begins behind a number. */
export async function partBehind(
  client: Client,
  date: CivilDate,
  before: Part | undefined,
  size: number,
): Promise<Part> {
  const { from, done } = before === undefined ? { from: BEFORE_ALL, done: 0 } : { from: before.to, done: before.done }
  const { rows } = await client.query<{ last: string | null; found: number }>({
    name: 'clearing part',
    text: `select max(id) as last, count(*)::integer as found from (
             select id from authorization_journal where business_date = $1 and id > $2 order by id limit $3) a`,
    values: [formatDate(date), from, size],
  })
  const { last = null, found = 0 } = rows[0] ?? {}
  return { from, to: last === null || found < size ? BEHIND_ALL : last, done: done + found }
}

/** Whether a part is the last one. */
export function isLast({ to }: Part): boolean {
  return to === BEHIND_ALL
}

/** What of parts is left behind a number that work was done up to. */
export function partsBehind(parts: readonly Part[], done: string | undefined): Part[] {
  if (done === undefined) return [...parts]
  const isBehind = (number: string) => BigInt(number) > BigInt(done)
  return parts.filter(({ to }) => isBehind(to)).map((part) => (isBehind(part.from) ? part : { ...part, from: done }))
}

/** Parts that follow one another as one. */
export function joined(parts: readonly Part[]): Part {
  const [first, last] = [parts[0] as Part, parts.at(-1) as Part]
  return { ...last, from: first.from }
}

/** @throws RangeError for a part of no authorizations */
export function sizeOf({ authorizationsInPart = AUTHORIZATIONS_IN_PART }: PartOptions): number {
  if (!(authorizationsInPart >= 1)) throw new RangeError('a part has one authorization at the least')
  return authorizationsInPart
}
