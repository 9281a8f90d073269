import type { Outlet } from '../authorization/request.ts'
import { type CivilDate, parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'

/** More outlets than the country has; beyond it something is wrong with the data. */
const OUTLETS_MAX = 1_000_000

/** Master data that decisions need, in memory. */
export interface ReferenceData {
  outletByAcceptor(acceptor: string): Outlet | undefined
  /** First date on which a service is live in a governorate. */
  serviceLiveFrom(service: string, governorate: string): CivilDate | undefined
  readonly outletCount: number
}

/** An outlet as it is stored. */
export interface OutletRecord extends Omit<Outlet, 'terminals'> {
  readonly name: string
  readonly terminals: readonly string[]
}

export interface ServiceRollout {
  readonly service: string
  readonly governorate: string
  /** yyyy-mm-dd */
  readonly liveFrom: string
}

/** Reads the master data. */
export async function loadReferenceData(client: Client): Promise<ReferenceData> {
  const outlets = await client.query<{
    id: string
    acceptor_id: string
    category: Outlet['category']
    mcc: string
    governorate: string
    partial_approval: boolean
    terminals: string[]
  }>('select id, acceptor_id, category, mcc, governorate, partial_approval, terminals from outlet limit $1', [
    OUTLETS_MAX + 1,
  ])
  if (outlets.rows.length > OUTLETS_MAX) {
    throw new MizanError('CONFIG_INVALID', `there are more than ${OUTLETS_MAX} outlets`)
  }
  const byAcceptor = new Map<string, Outlet>(
    outlets.rows.map((row) => [
      row.acceptor_id,
      {
        id: Number(row.id),
        acceptor: row.acceptor_id,
        category: row.category,
        mcc: row.mcc,
        governorate: row.governorate,
        partialApproval: row.partial_approval,
        terminals: new Set(row.terminals),
      },
    ]),
  )
  const services = await client.query<{ service: string; governorate: string; live_from: string }>(
    'select service, governorate, live_from from service_rollout',
  )
  const liveFrom = new Map(services.rows.map((row) => [`${row.service}|${row.governorate}`, parseDate(row.live_from)]))
  return {
    outletByAcceptor: (acceptor) => byAcceptor.get(acceptor),
    serviceLiveFrom: (service, governorate) => liveFrom.get(`${service}|${governorate}`),
    outletCount: byAcceptor.size,
  }
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
    `insert into outlet (id, acceptor_id, name, category, mcc, governorate, partial_approval, terminals)
     select r.id, r.acceptor, r.name, r.category, r.mcc, r.governorate, r."partialApproval",
            array(select jsonb_array_elements_text(r.terminals))
     from jsonb_to_recordset($1) r(id bigint, acceptor text, name text, category text, mcc text, governorate text,
       "partialApproval" boolean, terminals jsonb)
     on conflict (id) do update set name = excluded.name, category = excluded.category, mcc = excluded.mcc,
       governorate = excluded.governorate, partial_approval = excluded.partial_approval,
       terminals = excluded.terminals`,
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
