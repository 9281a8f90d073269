import { type OutletStatus, outletStatusOn } from '../authorization/outlet.ts'
import type { OutletCategory } from '../benefit/programme-schema.ts'
import { formatDate, parseDate } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { type Client, isOutcomeUnknown, refusalOf } from './connection.ts'
import { mergeOutlet, type OutletChange } from './outlet-merge.ts'
import {
  checkInput,
  type MasterDataAuthor,
  type OutletDetails,
  type OutletInput,
  type StoredOutlet,
  type TerminalRecord,
} from './outlet-record.ts'
import { inTransaction } from './transaction.ts'

/** Outlets that a list gives at once, at most. */
export const OUTLET_PAGE_MAX = 1_000

/** Which outlets a list gives. */
export interface OutletFilter {
  readonly category?: OutletCategory
  readonly governorate?: string
  /** Status of today. */
  readonly status?: OutletStatus
  /** Only those whose licence ends on this day or before, yyyy-mm-dd. */
  readonly licenceEndsBy?: string
}

/** A page of a list. */
export interface OutletPage {
  readonly outlets: readonly StoredOutlet[]
  /** Where the next page begins; undefined on the last one. */
  readonly next: string | undefined
}

interface OutletRow {
  readonly id: string
  readonly acceptor: string
  readonly details: OutletDetails
  readonly terminals: readonly TerminalRecord[] | null
  readonly standings: readonly { readonly from: string; readonly status: OutletStatus }[] | null
}

const outletColumns = `
  o.id, o.acceptor_id as acceptor,
  jsonb_build_object('name', o.name, 'nameAr', coalesce(d.name_ar, ''), 'category', o.category, 'mcc', o.mcc,
    'governorate', o.governorate, 'partialApproval', o.partial_approval, 'licence', d.licence,
    'licenceFrom', d.licence_from, 'licenceTo', d.licence_to, 'opens', d.opens, 'closes', d.closes, 'fuel', d.fuel,
    'flourSacksDaily', d.flour_sacks_daily, 'settlementBank', d.settlement_bank,
    'settlementAccount', d.settlement_account) as details,
  (select jsonb_agg(jsonb_build_object('id', t.id, 'serial', t.serial, 'status', t.status, 'from', t.from_date,
     'to', t.to_date) order by t.id) from terminal t where t.outlet_id = o.id) as terminals,
  (select jsonb_agg(jsonb_build_object('from', s.from_date, 'status', s.status) order by s.from_date, s.id)
     from outlet_standing s where s.outlet_id = o.id) as standings`

/** Outlets by acceptor (DE42), of those that there are. */
export async function findOutlets(
  client: Client,
  acceptors: readonly string[],
): Promise<ReadonlyMap<string, StoredOutlet>> {
  const { rows } = await client.query<OutletRow>({
    name: 'outlets_by_acceptor',
    text: `select ${outletColumns} from outlet o left join outlet_detail d on d.outlet_id = o.id
           where o.acceptor_id = any ($1::text[])`,
    values: [acceptors],
  })
  return new Map(rows.map((row) => [row.acceptor, outletOf(row)]))
}

/**
 * One outlet by its acceptor (DE42).
 * @throws MizanError NOT_FOUND
 */
export async function findOutlet(client: Client, acceptor: string): Promise<StoredOutlet> {
  const found = (await findOutlets(client, [acceptor])).get(acceptor)
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no outlet ${acceptor}`)
  return found
}

/**
 * Outlets in order of their acceptors.
 * @param page where to go on, as `next` of the page before said, and how many to give
 */
export async function listOutlets(
  client: Client,
  filter: OutletFilter,
  page: { readonly after?: string; readonly limit: number; readonly today: string },
): Promise<OutletPage> {
  const limit = Math.min(page.limit, OUTLET_PAGE_MAX)
  const { rows } = await client.query<OutletRow>(
    `select ${outletColumns} from outlet o left join outlet_detail d on d.outlet_id = o.id
     where o.acceptor_id > $1 and ($2::text is null or o.category = $2) and ($3::text is null or o.governorate = $3)
       and ($4::text is null or $4 = coalesce((select s.status from outlet_standing s
         where s.outlet_id = o.id and s.from_date <= $5 order by s.from_date desc, s.id desc limit 1), 'active'))
       and ($6::date is null or d.licence_to <= $6)
     order by o.acceptor_id limit $7`,
    [
      page.after ?? '',
      filter.category ?? null,
      filter.governorate ?? null,
      filter.status ?? null,
      page.today,
      filter.licenceEndsBy ?? null,
      limit + 1,
    ],
  )
  const outlets = rows.slice(0, limit).map(outletOf)
  return { outlets, next: rows.length > limit ? outlets.at(-1)?.acceptor : undefined }
}

function outletOf(row: OutletRow): StoredOutlet {
  return {
    id: Number(row.id),
    acceptor: row.acceptor,
    details: row.details,
    terminals: row.terminals ?? [],
    standings: (row.standings ?? []).map(({ from, status }) => ({ from: parseDate(from), status })),
  }
}

/** What was done with an outlet, by date a person may set. */
export interface SaveOptions extends MasterDataAuthor {
  /** Today's civil date, yyyy-mm-dd. */
  readonly today: string
}

/**
 * Adds an outlet, or changes what the input gives of one. A running switch takes it before its next message.
 * @returns what changed; `unchanged` when it was so before
 * @throws MizanError BAD_INPUT with all that is wrong; STORE_UNAVAILABLE
 */
export function saveOutlet(client: Client, input: OutletInput, by: SaveOptions): Promise<OutletChange> {
  return inReferenceTransaction(client, by, async () => {
    const stored = await findOutlets(client, [input.acceptor])
    const faults = checkInput(input)
    const merged = faults.length > 0 ? faults : mergeOutlet(stored.get(input.acceptor), input, by.today)
    if (!('kind' in merged)) {
      const what = merged.map(({ field, reason }) => `${field}: ${reason}`).join('; ')
      throw new MizanError('BAD_INPUT', `outlet ${input.acceptor}: ${what}`)
    }
    await writeOutlets(client, [merged], by.actor)
    if (merged.kind !== 'unchanged') {
      const action = merged.kind === 'added' ? 'outlet-added' : 'outlet-changed'
      await by.audit?.(client, { action, target: input.acceptor, detail: merged.changes })
    }
    return merged
  })
}

/**
 * Suspends, closes or reinstates an outlet from a date on.
 * @param change `from` is yyyy-mm-dd, today or later
 * @throws MizanError NOT_FOUND, BAD_INPUT, STORE_UNAVAILABLE
 */
export async function setOutletStatus(
  client: Client,
  acceptor: string,
  change: { readonly status: OutletStatus; readonly from: string; readonly reason: string },
  by: SaveOptions,
): Promise<OutletChange> {
  if (change.from < by.today)
    throw new MizanError('BAD_INPUT', 'a status begins today or later: what was decided stays')
  await findOutlet(client, acceptor)
  const { status, from: statusFrom, reason: statusReason } = change
  return saveOutlet(client, { acceptor, details: {}, terminals: [], status, statusFrom, statusReason }, by)
}

/** Status of an outlet on a date, yyyy-mm-dd. */
export function statusOn(outlet: StoredOutlet, date: string): OutletStatus {
  return outletStatusOn(outlet, parseDate(date))
}

/** A status with its first day as text, for people. */
export function standingsInWords(outlet: StoredOutlet): string[] {
  return outlet.standings.map(({ from, status }) => `${status} from ${formatDate(from)}`)
}

/**
 * Does work on master data in one transaction, in which nobody else changes any.
 * @throws MizanError BAD_INPUT when the database refuses a row, STORE_UNAVAILABLE
 */
export async function inReferenceTransaction<T>(
  client: Client,
  by: { readonly actor: string; readonly reason?: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await inTransaction(client, async () => {
      await client.query(`select set_config('mizan.actor', $1, true), set_config('mizan.reason', $2, true)`, [
        by.actor,
        by.reason ?? '',
      ])
      await client.query('select from lock_reference_data()')
      return work()
    })
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    const refusal = isOutcomeUnknown(cause) ? undefined : refusalOf(cause)
    if (refusal === undefined) throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    throw new MizanError('BAD_INPUT', `the database refuses it (${refusal.constraint || refusal.code})`, { cause })
  }
}

/**
 * Writes outlets that were merged, in the transaction of {@link inReferenceTransaction}.
 * @param file SHA-256 of the file that they come from
 */
export async function writeOutlets(
  client: Client,
  merged: readonly OutletChange[],
  actor: string,
  file?: Buffer,
): Promise<void> {
  const changed = merged.filter(({ kind }) => kind !== 'unchanged')
  if (changed.length === 0) return
  await client.query({
    name: 'write_outlets',
    text: 'select write_outlets($1::jsonb, $2, $3)',
    values: [JSON.stringify(changed.map(rowOf)), actor, file ?? null],
  })
}

function rowOf({ kind, id, acceptor, details, terminals, changedTerminals, standing, changes }: OutletChange) {
  const active = terminals.filter(({ status }) => status === 'active').map((terminal) => terminal.id)
  const onlyStatus = Object.keys(changes).join() === 'status'
  const action = kind === 'added' ? 'added' : onlyStatus ? 'status' : 'changed'
  return { id, acceptor, ...details, active, terminals: changedTerminals, standing, action, changes }
}
