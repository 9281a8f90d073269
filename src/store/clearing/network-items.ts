import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

/** What becomes of a transaction of an incoming file. `noted` are those that move no money: totals, acknowledgements. */
export const networkItemStates = [
  'posting',
  'matched',
  'forced',
  'exception',
  'duplicate',
  'rejected',
  'disputed',
  'noted',
] as const
export type NetworkItemState = (typeof networkItemStates)[number]

/** A card as an incoming file needs it. */
export interface KnownCard {
  readonly lane: number
  readonly id: number
  readonly householdId: number
  readonly panMasked: string
}

/** A row of the register of incoming transactions, before anything is posted for it. */
export interface NewNetworkItem {
  readonly fileId: number
  readonly number: number
  readonly record: number
  readonly transactionCode: string
  readonly usage: string
  readonly arn: string
  readonly card: KnownCard | undefined
  /** Of a card that is not known. */
  readonly panMasked: string
  readonly transactionId: string
  readonly authorizationCode: string
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  readonly amountPiasters: number
  readonly currency: string
  readonly purchaseDate: CivilDate | undefined
  readonly clearingSequence: number
  readonly clearingCount: number
  readonly reasonCode: string
  readonly rule: string | undefined
  readonly confidence: number | undefined
  readonly outcome: string | undefined
  readonly flags: readonly string[]
  readonly authorization: { readonly id: number; readonly businessDate: CivilDate } | undefined
  readonly postedId: number | undefined
  readonly postingReference: string | undefined
  readonly state: NetworkItemState
  readonly reason: string | undefined
  readonly detail: string | undefined
  /** Of an item that posts nothing. */
  readonly businessDate: CivilDate | undefined
  /** The command that posts it. */
  readonly command: Readonly<Record<string, unknown>> | undefined
}

/** Cards by the keyed hashes of their numbers. */
export async function cardsByIndex(client: Queryable, panIndexes: readonly string[]): Promise<Map<string, KnownCard>> {
  const { rows } = await client.query<{
    pan_index: Buffer
    lane: number
    id: string
    household_id: string
    pan_masked: string
  }>('select pan_index, lane, id, household_id, pan_masked from card where pan_index = any ($1)', [
    panIndexes.map((index) => Buffer.from(index, 'latin1')),
  ])
  return new Map(
    rows.map((row) => [
      row.pan_index.toString('latin1'),
      { lane: row.lane, id: Number(row.id), householdId: Number(row.household_id), panMasked: row.pan_masked },
    ]),
  )
}

/** What the journal has of an authorization that a presentment may be of. */
export interface CandidateRow {
  readonly cardId: number
  readonly id: number
  readonly businessDate: CivilDate
  readonly date: CivilDate
  readonly mti: string
  readonly transactionType: string
  readonly networkReference: string
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly acquirer: string
  readonly approvedPiasters: number
  readonly isHold: boolean
  readonly openPiasters: number
  readonly ending: 'captured' | 'voided' | 'expired' | undefined
  readonly postedPiasters: number
  readonly cleared: readonly (readonly [arn: string, sequence: number, count: number, piasters: number])[]
}

interface CandidateJson {
  readonly card_id: string
  readonly id: string
  readonly business_date: string
  readonly date: string
  readonly mti: string
  readonly transaction_type: string
  readonly network_reference: string
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly acquirer: string
  readonly approved: string
  readonly is_hold: boolean
  readonly open: string | null
  readonly ending: 'captured' | 'voided' | 'expired' | null
  readonly posted: string
  readonly cleared: (readonly [string, number, number, number])[] | null
}

// Only money of the card scheme's accounts: 7004, and 7003 for cash. What drew on a wallet is never one of them (M4).
const candidatesSql = `
  select c.card_id, a.id, a.business_date, a.entitlement_date as date, a.mti, a.transaction_type, a.network_reference,
         a.rrn, a.terminal, a.acceptor, a.acquirer, a.approved_amount as approved, h.id is not null as is_hold,
         h.amount - e.gone as open, e.ending,
         case when h.id is null then a.approved_amount else m.amount end as posted, n.cleared
  from unnest($1::bigint[], $2::bigint[], $3::smallint[]) c(household_id, card_id, lane)
  cross join lateral (
    select * from authorization_journal a
    where a.household_id = c.household_id and a.card_id = c.card_id and a.business_date >= $4::date
      and a.link <> 'clearing' and a.mti !~ '^04' and a.result in ('approved', 'partially-approved')
      and a.approved_amount > 0 and (a.original_id is null or a.transaction_type = '20') offset 0) a
  left join lateral (
    select h.id, h.amount, h.credit from hold h where h.id = a.id and h.lane + 0 = a.lane limit 1) h on true
  left join lateral (
    select coalesce(sum(e.captured + e.released), 0) as gone, max(e.ending) as ending
    from hold_event e where e.id = h.id) e on h.id is not null
  left join lateral (
    select coalesce(sum(r.approved_amount), 0) as amount from authorization_journal r
    where r.original_id = h.id and r.business_date >= a.business_date and r.link <> 'clearing' and r.mti like '02%'
      and r.transaction_type <> '20' and r.result = 'approved' offset 0) m on h.id is not null
  left join lateral (
    select jsonb_agg(jsonb_build_array(n.arn, n.clearing_sequence, n.clearing_count, n.amount_piasters) order by n.file_id, n.number)
      as cleared
    from network_item n
    where n.authorization_id = a.id and n.transaction_code in ('05', '06', '07')
      and n.state in ('posting', 'matched', 'forced', 'disputed') and not n.flags @> array['reversed']) n on true
  where case when h.id is not null then h.credit / 100000000000 in (7003, 7004)
    else exists (select from transfer t where t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id
                   and (t.credit / 100000000000 in (7003, 7004) or t.debit / 100000000000 in (7003, 7004)) offset 0)
     and not exists (select from transfer t where t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id
                       and t.kind < 10 offset 0) end`

/** Approved authorizations of cards since a business date, which messages brought over the card scheme's rails. */
export async function candidatesOf(
  client: Queryable,
  cards: readonly KnownCard[],
  since: CivilDate,
): Promise<CandidateRow[]> {
  if (cards.length === 0) return []
  const { rows } = await client.query<CandidateJson>(candidatesSql, [
    cards.map(({ householdId }) => householdId),
    cards.map(({ id }) => id),
    cards.map(({ lane }) => lane),
    formatDate(since),
  ])
  return rows.map((row) => ({
    cardId: Number(row.card_id),
    id: Number(row.id),
    businessDate: parseDate(row.business_date),
    date: parseDate(row.date),
    mti: row.mti,
    transactionType: row.transaction_type,
    networkReference: row.network_reference,
    rrn: row.rrn,
    terminal: row.terminal,
    acceptor: row.acceptor,
    acquirer: row.acquirer,
    approvedPiasters: Number(row.approved),
    isHold: row.is_hold,
    openPiasters: Number(row.open ?? 0),
    ending: row.ending ?? undefined,
    postedPiasters: Number(row.posted),
    cleared: row.cleared ?? [],
  }))
}

/** An item that came before and stands. */
export interface EarlierRow {
  readonly arn: string
  readonly fileId: number
  readonly number: number
  readonly transactionCode: string
  readonly usage: string
  readonly sequence: number
  readonly amountPiasters: number
  readonly state: NetworkItemState
  readonly posted: { readonly id: number; readonly businessDate: CivilDate } | undefined
  readonly disputeId: number | undefined
}

/** Items that came under acquirer reference numbers before, with their open disputes. */
export async function itemsByReference(client: Queryable, arns: readonly string[]): Promise<EarlierRow[]> {
  const { rows } = await client.query<{
    arn: string
    file_id: string
    number: number
    transaction_code: string
    usage: string
    clearing_sequence: number
    amount_piasters: string
    state: NetworkItemState
    posted_id: string | null
    posted_date: string | null
    dispute_id: string | null
  }>(
    `select n.arn, n.file_id, n.number, n.transaction_code, n.usage, n.clearing_sequence, n.amount_piasters, n.state,
            n.posted_id, a.business_date as posted_date, d.id as dispute_id
     from network_item n
     left join lateral (
       select a.business_date from authorization_journal a where a.id = n.posted_id and a.lane + 0 = n.lane limit 1) a on true
     left join dispute d on d.file_id = n.file_id and d.number = n.number and d.state in ('raised', 'sent', 'represented')
     where n.arn = any ($1) and n.state not in ('duplicate', 'rejected')
     order by n.file_id, n.number`,
    [arns],
  )
  return rows.map((row) => ({
    arn: row.arn,
    fileId: Number(row.file_id),
    number: row.number,
    transactionCode: row.transaction_code,
    usage: row.usage,
    sequence: row.clearing_sequence,
    amountPiasters: Number(row.amount_piasters),
    state: row.state,
    posted:
      row.posted_id === null || row.posted_date === null
        ? undefined
        : { id: Number(row.posted_id), businessDate: parseDate(row.posted_date) },
    disputeId: row.dispute_id === null ? undefined : Number(row.dispute_id),
  }))
}

const itemColumns = `file_id, number, record, transaction_code, usage, arn, lane, household_id, card_id, pan_masked,
  transaction_id, authorization_code, rrn, terminal, acceptor, mcc, amount_piasters, currency, purchase_date,
  clearing_sequence, clearing_count, reason_code, rule, confidence, outcome, flags, authorization_id, authorization_date,
  command_id, posted_id, posting_reference, state, reason, detail, business_date`

/**
 * Registers items and asks the writers for their postings, both or neither: run it in a transaction. Commands of a lane
 * have their key from the item's own name, so that none is ever asked for twice.
 */
export async function addItems(
  client: Queryable,
  items: readonly NewNetworkItem[],
  requestedBy: string,
): Promise<void> {
  const asking = items.filter(({ command }) => command !== undefined)
  const commands = new Map<string, string>()
  if (asking.length > 0) {
    const { rows } = await client.query<{ id: string; key: string }>(
      `insert into command_inbox (lane, kind, card_id, household_id, detail, requested_by, idempotency_key)
       select c.lane, 'presentment', c.card_id, c.household_id, c.detail::jsonb, $1, c.key
       from unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
         with ordinality c(lane, card_id, household_id, detail, key, ordinal)
       order by c.lane, c.ordinal
       returning id, idempotency_key as key`,
      [
        requestedBy,
        asking.map(({ card }) => card?.lane ?? 0),
        asking.map(({ card }) => card?.id ?? null),
        asking.map(({ card }) => card?.householdId ?? null),
        asking.map(({ command }) => JSON.stringify(command)),
        asking.map(keyOfItem),
      ],
    )
    for (const { id, key } of rows) commands.set(key, id)
  }
  const rows = items.map((item) => [
    item.fileId,
    item.number,
    item.record,
    item.transactionCode,
    item.usage,
    item.arn,
    item.card?.lane ?? null,
    item.card?.householdId ?? null,
    item.card?.id ?? null,
    item.card?.panMasked ?? item.panMasked,
    item.transactionId,
    item.authorizationCode,
    item.rrn,
    item.terminal,
    item.acceptor,
    item.mcc,
    item.amountPiasters,
    item.currency,
    item.purchaseDate === undefined ? null : formatDate(item.purchaseDate),
    item.clearingSequence,
    item.clearingCount,
    item.reasonCode,
    item.rule ?? null,
    item.confidence ?? null,
    item.outcome ?? null,
    item.flags,
    item.authorization?.id ?? null,
    item.authorization === undefined ? null : formatDate(item.authorization.businessDate),
    item.command === undefined ? null : (commands.get(keyOfItem(item)) ?? null),
    item.postedId ?? null,
    item.postingReference ?? null,
    item.state,
    item.reason ?? null,
    item.detail ?? null,
    item.businessDate === undefined ? null : formatDate(item.businessDate),
  ])
  await client.query(
    `insert into network_item (${itemColumns})
     select r.file_id, r.number, r.record, r.transaction_code, r.usage, r.arn, r.lane, r.household_id, r.card_id, r.pan_masked,
            r.transaction_id, r.authorization_code, r.rrn, r.terminal, r.acceptor, r.mcc, r.amount_piasters, r.currency,
            r.purchase_date, r.clearing_sequence, r.clearing_count, r.reason_code, r.rule, r.confidence, r.outcome,
            array(select jsonb_array_elements_text(r.flags)), r.authorization_id, r.authorization_date, r.command_id,
            r.posted_id, r.posting_reference, r.state, r.reason, r.detail, r.business_date
     from jsonb_to_recordset($1::jsonb) r(file_id bigint, number integer, record bigint, transaction_code text, usage text,
       arn text, lane smallint, household_id bigint, card_id bigint, pan_masked text, transaction_id text,
       authorization_code text, rrn text, terminal text, acceptor text, mcc text, amount_piasters bigint, currency text,
       purchase_date date, clearing_sequence smallint, clearing_count smallint, reason_code text, rule text,
       confidence smallint, outcome text, flags jsonb, authorization_id bigint, authorization_date date, command_id bigint,
       posted_id bigint, posting_reference text, state text, reason text, detail text, business_date date)`,
    [JSON.stringify(rows.map(objectOf))],
  )
}

const names = itemColumns.split(',').map((name) => name.trim())

function objectOf(values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}

function keyOfItem({ fileId, number }: NewNetworkItem): string {
  return `presentment:${fileId}:${number}`
}
