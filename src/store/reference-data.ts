import type { DatedOutlet, OutletStatus, TerminalDates } from '../authorization/outlet.ts'
import type { Outlet } from '../authorization/request.ts'
import { type CivilDate, DATE_FORM, parseDate, readDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'

/** More outlets than the country has; beyond it something is wrong with the data. */
const OUTLETS_MAX = 1_000_000
/** Outlets of one read, and of one turn of taking them over: a few milliseconds. */
const PAGE_ROWS = 5_000

/** Master data that decisions need, in memory. */
export interface ReferenceData {
  outletByAcceptor(acceptor: string): Outlet | undefined
  /** First date on which a service is live in a governorate. */
  serviceLiveFrom(service: string, governorate: string): CivilDate | undefined
  readonly outletCount: number
}

/** An outlet as a world brings it. */
export interface OutletRecord extends Omit<Outlet, keyof DatedOutlet> {
  readonly name: string
  readonly terminals: readonly string[]
}

export interface ServiceRollout {
  readonly service: string
  readonly governorate: string
  /** yyyy-mm-dd */
  readonly liveFrom: string
}

/** What changed since a generation: whole outlets, and all of the rollout. */
export interface ReferenceChanges {
  readonly generation: number
  readonly outlets: readonly Outlet[]
  readonly liveFrom: ReadonlyMap<string, CivilDate>
  /** Outlets of which a row cannot be read: none of them is served. */
  readonly unreadable: readonly string[]
  /** Rows that cannot be read, each in words with the way out; what hangs on them is left out. */
  readonly faults: readonly string[]
}

/** Master data in memory, which takes changes over while decisions read it. */
export class ReferenceTables implements ReferenceData {
  readonly #byAcceptor = new Map<string, Outlet>()
  #liveFrom: ReadonlyMap<string, CivilDate> = new Map()
  #generation = 0
  #faults: readonly string[] = []

  /** Of what is loaded. */
  get generation(): number {
    return this.#generation
  }

  /** Rows that could not be read by the last change, in words. */
  get faults(): readonly string[] {
    return this.#faults
  }

  get outletCount(): number {
    return this.#byAcceptor.size
  }

  readonly outletByAcceptor = (acceptor: string): Outlet | undefined => this.#byAcceptor.get(acceptor)

  readonly serviceLiveFrom = (service: string, governorate: string): CivilDate | undefined =>
    this.#liveFrom.get(placeKey(service, governorate))

  /**
   * Takes changes over: a few thousand outlets in one go, so that a message sees all of them or none; of a larger file
   * each outlet as a whole, so that no message waits for a million of them.
   * @throws MizanError CONFIG_INVALID when there would be more outlets than can be; everything stays as it was
   */
  async apply(changes: ReferenceChanges): Promise<void> {
    let added = 0
    for (const { acceptor } of changes.outlets) if (!this.#byAcceptor.has(acceptor)) added++
    if (this.#byAcceptor.size + added > OUTLETS_MAX) {
      throw new MizanError('CONFIG_INVALID', `there are more than ${OUTLETS_MAX} outlets`)
    }
    this.#liveFrom = changes.liveFrom
    this.#faults = changes.faults
    for (const acceptor of changes.unreadable) this.#byAcceptor.delete(acceptor)
    let taken = 0
    for (const outlet of changes.outlets) {
      this.#byAcceptor.set(outlet.acceptor, outlet)
      if (++taken % PAGE_ROWS === 0) await turn()
    }
    this.#generation = changes.generation
  }
}

/** Lets everything else that waits have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function placeKey(service: string, governorate: string): string {
  return `${service}|${governorate}`
}

/** Reads the master data. */
export async function loadReferenceData(client: Client): Promise<ReferenceTables> {
  const tables = new ReferenceTables()
  const changes = await readReferenceChanges(client, 0)
  if (changes !== undefined) await tables.apply(changes)
  return tables
}

interface OutletRow {
  readonly id: string
  readonly generation: string
  readonly acceptor_id: string
  readonly category: Outlet['category']
  readonly mcc: string
  readonly governorate: string
  readonly partial_approval: boolean
  readonly terminals: string[]
  readonly standings: readonly { readonly from: string; readonly status: OutletStatus }[] | null
  readonly dates: readonly { readonly id: string; readonly from: string | null; readonly to: string | null }[] | null
}

const outletText = `
  select o.id, c.generation, o.acceptor_id, o.category, o.mcc, o.governorate, o.partial_approval, o.terminals,
         (select jsonb_agg(jsonb_build_object('from', s.from_date, 'status', s.status) order by s.from_date, s.id)
            from outlet_standing s where s.outlet_id = o.id) as standings,
         (select jsonb_agg(jsonb_build_object('id', t.id, 'from', t.from_date, 'to', t.to_date)) from terminal t
            where t.outlet_id = o.id and t.status = 'active' and num_nulls(t.from_date, t.to_date) < 2) as dates
  from outlet_change c join outlet o on o.id = c.outlet_id
  where (c.generation, c.outlet_id) > ($1::bigint, $2::bigint) order by c.generation, c.outlet_id limit $3`

/**
 * Reads what changed since a generation, as of one moment and page by page; one row when nothing did. A row that cannot
 * be read closes what hangs on it, an outlet or a service in a governorate, and never the switch: the rest is served.
 * @returns undefined when nothing changed
 */
export async function readReferenceChanges(client: Client, since: number): Promise<ReferenceChanges | undefined> {
  if ((await readGeneration(client)) === since) return undefined
  await client.query('begin transaction isolation level repeatable read read only')
  try {
    const generation = await readGeneration(client)
    const faults: string[] = []
    const { outlets, unreadable } = await readOutlets(client, since, faults)
    const services = await client.query<{ service: string; governorate: string; live_from: string }>(
      'select service, governorate, live_from from service_rollout',
    )
    await client.query('commit')
    const liveFrom = new Map<string, CivilDate>()
    for (const { service, governorate, live_from: text } of services.rows) {
      const day = readDate(text)
      if (day !== undefined) liveFrom.set(placeKey(service, governorate), day)
      else faults.push(rowFault(`service_rollout (${service}, ${governorate})`, text, 'the service is not live there'))
    }
    return { generation, outlets, liveFrom, unreadable, faults }
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

async function readGeneration(client: Client): Promise<number> {
  const { rows } = await client.query<{ generation: string }>('select generation from reference_generation')
  return Number(rows[0]?.generation ?? 0)
}

/** What is wrong with a row, what follows from it, and the way out. */
function rowFault(row: string, text: string, until: string): string {
  return `${row}: ${text} is not ${DATE_FORM}; ${until} until the row is corrected`
}

/** @param faults gets what is wrong with outlets that cannot be read */
async function readOutlets(
  client: Client,
  since: number,
  faults: string[],
): Promise<{ outlets: Outlet[]; unreadable: string[] }> {
  const outlets: Outlet[] = []
  const unreadable: string[] = []
  const shared = new Map<string, string>()
  let after: [string, string] = [String(since), '99999999999']
  for (;;) {
    const { rows } = await client.query<OutletRow>({
      name: 'changed_outlets',
      text: outletText,
      values: [...after, PAGE_ROWS],
    })
    for (const row of rows) {
      const wrong = faultsOf(row)
      faults.push(...wrong)
      if (wrong.length === 0) outlets.push(outletOf(row, shared))
      else unreadable.push(row.acceptor_id)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return { outlets, unreadable }
    after = [last.generation, last.id]
  }
}

/** Dates of an outlet's rows that no rule of this version takes, in words. */
function faultsOf({ id, acceptor_id: acceptor, standings, dates }: OutletRow): string[] {
  const until = `outlet ${acceptor} is not served`
  const check = (where: string, text: string | null) =>
    text === null || readDate(text) !== undefined ? [] : [rowFault(where, text, until)]
  return [
    ...(standings ?? []).flatMap(({ from }) => check(`outlet_standing (outlet_id ${id}), from_date`, from)),
    ...(dates ?? []).flatMap(({ id: terminal, from, to }) => [
      ...check(`terminal (outlet_id ${id}, id ${terminal}), from_date`, from),
      ...check(`terminal (outlet_id ${id}, id ${terminal}), to_date`, to),
    ]),
  ]
}

/** @param shared texts that many outlets have, each kept once */
function outletOf(row: OutletRow, shared: Map<string, string>): Outlet {
  const one = <Text extends string>(text: Text): Text => {
    if (!shared.has(text)) shared.set(text, text)
    return shared.get(text) as Text
  }
  const { standings, dates } = row
  return {
    id: Number(row.id),
    acceptor: row.acceptor_id,
    category: one(row.category),
    mcc: one(row.mcc),
    governorate: one(row.governorate),
    partialApproval: row.partial_approval,
    terminals: new Set(row.terminals),
    ...(standings === null
      ? {}
      : { standings: standings.map(({ from, status }) => ({ from: parseDate(from), status: one(status) })) }),
    ...(dates === null ? {} : { terminalDates: new Map(dates.map((row) => [row.id, datesOf(row)])) }),
  }
}

function datesOf({ from, to }: { readonly from: string | null; readonly to: string | null }): TerminalDates {
  return { from: from === null ? undefined : parseDate(from), to: to === null ? undefined : parseDate(to) }
}

/** Stores acquirers, outlets with their terminals, and the rollout of services; existing rows take the new values. */
export async function saveReferenceData(
  client: Client,
  data: {
    readonly acquirers: readonly { readonly id: string; readonly name: string }[]
    readonly outlets: readonly OutletRecord[]
    readonly services: readonly ServiceRollout[]
  },
): Promise<void> {
  await client.query(
    `insert into acquirer (id, name) select * from jsonb_to_recordset($1) r(id text, name text)
     on conflict (id) do update set name = excluded.name`,
    [JSON.stringify(data.acquirers)],
  )
  await client.query(
    `with given as (
       select r.id, r.acceptor, r.name, r.category, r.mcc, r.governorate, r."partialApproval",
              array(select jsonb_array_elements_text(r.terminals)) as terminals
       from jsonb_to_recordset($1) r(id bigint, acceptor text, name text, category text, mcc text, governorate text,
         "partialApproval" boolean, terminals jsonb)
     ), kept as (
       insert into outlet (id, acceptor_id, name, category, mcc, governorate, partial_approval, terminals)
       select * from given
       on conflict (id) do update set name = excluded.name, category = excluded.category, mcc = excluded.mcc,
         governorate = excluded.governorate, partial_approval = excluded.partial_approval,
         terminals = excluded.terminals
     )
     insert into terminal (outlet_id, id, status) select id, unnest(terminals), 'active' from given
     on conflict (outlet_id, id) do update set status = excluded.status`,
    [JSON.stringify(data.outlets)],
  )
  await client.query(
    `insert into service_rollout (service, governorate, live_from)
     select r.service, r.governorate, r."liveFrom"
     from jsonb_to_recordset($1) r(service text, governorate text, "liveFrom" date)
     on conflict (service, governorate) do update set live_from = excluded.live_from`,
    [JSON.stringify(data.services)],
  )
}
