import { addDays, civilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { ID_STEP } from '../identifiers.ts'
import type { Unit } from '../money.ts'
import { type Client, connect } from './connection.ts'

/** Rows of one key that are shown; more than these share a STAN only when the key is too vague. */
const MATCHES_MAX = 50

/** A posting with the names of its accounts. */
export interface ExplainedTransfer {
  readonly leg: number
  readonly kind: string
  readonly unit: Unit
  readonly amount: number
  readonly debit: number
  readonly debitName: string
  readonly credit: number
  readonly creditName: string
  readonly period: number
}

/** Another authorization that refers to this one, or that this one refers to. */
export interface RelatedAuthorization {
  readonly id: number
  /** `original`: what this one names; `successor`: what names this one. */
  readonly relation: 'original' | 'successor'
  readonly mti: string
  readonly transactionType: string
  readonly result: string
  readonly amount: number
  readonly approvedAmount: number
  readonly receivedAt: string
}

/** All that the journal knows of one authorization. The card number is masked as it is stored. */
export interface Explanation {
  readonly id: number
  readonly lane: number
  readonly businessDate: string
  readonly entitlementDate: string
  readonly receivedAt: string
  readonly request: Readonly<Record<string, string | number | null>>
  readonly outlet: { readonly name: string; readonly category: string; readonly governorate: string } | null
  readonly result: string
  readonly responseCode: string
  readonly approvedAmount: number
  readonly trace: readonly (readonly [string, ...(string | number)[]])[]
  readonly answer: Readonly<Record<string, string>>
  readonly transfers: readonly ExplainedTransfer[]
  /** Goods of a basket, or those that a refund took back. Quantities in thousandths. */
  readonly lines: readonly {
    readonly line: number
    readonly product: string
    readonly quantity: number
    readonly unitPrice: number
    readonly granted: number
    readonly grantedPiasters: number
    readonly reason: string
  }[]
  readonly hold: {
    readonly amount: number
    /** Of that, the cash that the outlet handed out with the goods. */
    readonly cashback: number
    readonly expiresAt: string
    /** What happened to it, oldest first; the last one may have ended it. */
    readonly events: readonly {
      readonly by: number
      readonly captured: number
      readonly released: number
      readonly ending: string | null
    }[]
  } | null
  readonly repeats: readonly { readonly id: number; readonly kind: string; readonly at: string }[]
  readonly related: readonly RelatedAuthorization[]
  /** Messages of our own that it caused and that are still kept. */
  readonly forwards: readonly {
    readonly id: number
    readonly destination: string
    readonly kind: string
    readonly mti: string
    readonly state: string
    readonly responseCode: string | null
  }[]
  readonly batch: { readonly seq: number; readonly epoch: number; readonly committedAt: string; readonly hash: string }
}

/** What may be asked for. */
export type ExplainKey =
  | { readonly rrnOrId: string }
  | { readonly id: number }
  | { readonly stan: string; readonly terminal: string }

/**
 * Reads a key: an RRN, an authorization ID, `STAN@TERMINAL`, or the two as two arguments.
 * @throws MizanError BAD_INPUT when it is none of these
 */
export function explainKey(key: string, terminal?: string): ExplainKey {
  const [stan = '', at] = terminal === undefined ? key.split('@') : [key, terminal]
  if (at !== undefined) {
    if (/^\d{1,6}$/.test(stan) && at.trim() !== '') return { stan: stan.padStart(6, '0'), terminal: at.trim() }
    throw new MizanError('BAD_INPUT', 'a STAN has up to six digits and stands with its terminal: STAN@TERMINAL')
  }
  if (/^[0-9A-Za-z]{1,16}$/.test(key)) return { rrnOrId: key }
  throw new MizanError('BAD_INPUT', 'a key is an RRN, an authorization number, or STAN@TERMINAL')
}

/**
 * Explains every authorization that a key finds on the newest business day that has one, newest first. Reads only.
 * @throws MizanError NOT_FOUND when nothing matches; STORE_UNAVAILABLE
 */
export async function explainAuthorizations(url: string, key: ExplainKey): Promise<Explanation[]> {
  const client = await connect({ url, name: 'mizan explain', role: 'mizan_app' })
  try {
    await client.query('begin isolation level repeatable read read only')
    return await explainOn(client, key)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/**
 * Explains, as {@link explainAuthorizations} does, on a connection that is in a transaction.
 * @throws MizanError NOT_FOUND when nothing matches
 */
export async function explainOn(client: Client, key: ExplainKey): Promise<Explanation[]> {
  const rows = await findRows(client, key)
  if (rows.length === 0) {
    throw new MizanError('NOT_FOUND', `no authorization has ${keyInWords(key)}`)
  }
  const explanations: Explanation[] = []
  for (const { lane, business_date: date, id } of rows) {
    const found = await client.query<{ explanation: Explanation }>(explanationSql, [lane, date, id])
    const explanation = found.rows[0]?.explanation
    if (explanation !== undefined) explanations.push(explanation)
  }
  return explanations
}

function keyInWords(key: ExplainKey): string {
  if ('stan' in key) return `STAN ${key.stan} at terminal ${key.terminal}`
  return 'id' in key ? `number ${key.id}` : `RRN or number ${key.rrnOrId}`
}

interface FoundRow {
  readonly lane: number
  readonly business_date: string
  readonly id: string
}

/**
 * An id leads to its row. STAN and RRN have no index, and are looked for day by day, the newest first; where the key is
 * an id as well, only in the days since.
 */
async function findRows(client: Client, key: ExplainKey): Promise<FoundRow[]> {
  if ('id' in key) return rowsOfId(client, key.id)
  const byId = 'rrnOrId' in key ? await rowsOfId(client, Number(key.rrnOrId)) : []
  const since = byId[0]?.business_date ?? ''
  const [condition, values] =
    'stan' in key ? ['a.stan = $2 and a.terminal = $3', [key.stan, key.terminal]] : ['a.rrn = $2', [key.rrnOrId]]
  for (const day of await journalDays(client)) {
    if (day < since) break
    const { rows } = await client.query<FoundRow>(
      `${foundColumns} where a.business_date = $1::date and ${condition}
         order by a.received_at desc, a.id desc limit ${MATCHES_MAX}`,
      [day, ...values],
    )
    if (rows.length > 0) return [...rows, ...byId.filter(({ id }) => rows.every((row) => row.id !== id))]
  }
  return byId
}

const foundColumns = 'select a.lane, a.business_date, a.id from authorization_journal a'

async function rowsOfId(client: Client, id: number): Promise<FoundRow[]> {
  if (!Number.isSafeInteger(id)) return []
  const { rows } = await client.query<FoundRow>(
    `${foundColumns} where a.lane = $1 and a.id = $2 and a.business_date = any ($3::date[])`,
    [id % ID_STEP, id, await datesOfId(client, id)],
  )
  return rows
}

/** Days that the journal has partitions for, the newest first; those of the default partition among them. */
async function journalDays(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ day: string }>(
    `select to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') as day
       from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'authorization_journal'::regclass and c.relname ~ '_[0-9]{8}$'
     union select distinct business_date::text from authorization_journal_default
     order by day desc`,
  )
  return rows.map((row) => row.day)
}

/** The business dates that an id can have, by the batch that it belongs to. */
async function datesOfId(client: Client, id: number): Promise<string[]> {
  const { rows } = await client.query<{ committed_at: Date }>(
    'select committed_at from batch where lane = $1 and first_id <= $2 and next_id > $2',
    [id % ID_STEP, id],
  )
  const committedAt = rows[0]?.committed_at.getTime()
  if (committedAt === undefined) return []
  return [civilDate(committedAt), addDays(civilDate(committedAt), 1)].map(formatDate)
}

const utc = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const explanationSql = `
  select jsonb_build_object(
    'id', a.id, 'lane', a.lane, 'businessDate', a.business_date, 'entitlementDate', a.entitlement_date,
    'receivedAt', ${utc('a.received_at')},
    'request', jsonb_build_object('mti', a.mti, 'link', a.link, 'pan', a.pan_masked, 'cardId', a.card_id,
      'householdId', a.household_id, 'transactionType', a.transaction_type, 'account', a.account_code,
      'amount', a.amount, 'mcc', a.mcc, 'stan', a.stan, 'transmission', a.transmission, 'rrn', a.rrn,
      'acquirer', a.acquirer, 'terminal', a.terminal, 'acceptor', a.acceptor,
      'networkReference', a.network_reference),
    'outlet', (select jsonb_build_object('name', o.name, 'category', o.category, 'governorate', o.governorate)
               from outlet o where o.id = a.outlet_id),
    'result', a.result, 'responseCode', a.response_code, 'approvedAmount', a.approved_amount,
    'trace', a.trace::jsonb, 'answer', a.answer::jsonb,
    'transfers', coalesce((
      select jsonb_agg(jsonb_build_object('leg', t.leg, 'kind', t.kind_name, 'unit', t.unit, 'amount', t.amount,
        'debit', t.debit, 'debitName', t.debit_name, 'credit', t.credit, 'creditName', t.credit_name,
        'period', t.period) order by t.leg)
      from transfers t where t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id), '[]'),
    'lines', coalesce((
      select jsonb_agg(jsonb_build_object('line', l.line, 'product', l.product, 'quantity', l.quantity,
        'unitPrice', l.unit_price, 'granted', l.granted, 'grantedPiasters', l.granted_piasters, 'reason', l.reason)
        order by l.line)
      from basket_line l where l.lane = a.lane and l.authorization_id = a.id), '[]'),
    'hold', (
      select jsonb_build_object('amount', h.amount, 'cashback', h.cashback, 'expiresAt', ${utc('h.expires_at')}, 'events',
        coalesce((
          select jsonb_agg(jsonb_build_object('by', e.by_id, 'captured', e.captured, 'released', e.released,
            'ending', e.ending) order by e.by_id)
          from hold_event e where e.lane = h.lane and e.id = h.id), '[]'))
      from hold h
      where h.lane = a.lane and h.id = a.id),
    'repeats', coalesce((
      select jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'at', ${utc('c.at')}) order by c.id)
      from command_journal c where c.lane = a.lane and c.authorization_id = a.id), '[]'),
    'related', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'relation', r.relation, 'mti', r.mti,
        'transactionType', r.transaction_type, 'result', r.result, 'amount', r.amount,
        'approvedAmount', r.approved_amount, 'receivedAt', ${utc('r.received_at')}) order by r.id)
      from (
        select 'original' as relation, o.* from authorization_journal o where o.lane = a.lane and o.id = a.original_id
        union all
        select 'successor', s.* from authorization_journal s where s.lane = a.lane and s.original_id = a.id) r), '[]'),
    'forwards', coalesce((
      select jsonb_agg(jsonb_build_object('id', m.id, 'destination', m.destination, 'kind', m.kind, 'mti', m.mti,
        'state', m.state, 'responseCode', m.response_code) order by m.id)
      from outbound_message m where m.authorization_id = a.id and m.lane = a.lane), '[]'),
    'batch', jsonb_build_object('seq', b.seq, 'epoch', b.epoch, 'committedAt', ${utc('b.committed_at')},
      'hash', encode(b.hash, 'hex'))) as explanation
  from authorization_journal a
  join batch b on b.lane = a.lane and b.seq = a.batch_seq
  where a.lane = $1 and a.business_date = $2::date and a.id = $3`
