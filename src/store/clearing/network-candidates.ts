import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import type { NetworkItemState, PresentedFields } from './network-items.ts'

/** A card as an incoming file needs it. */
export interface KnownCard {
  readonly lane: number
  readonly id: number
  readonly householdId: number
  readonly panMasked: string
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
  /** What messages posted of it: its own amount, or captures of its hold. */
  readonly postedPiasters: number
  /** Rows of the journal that took money for a hold, whoever brought them. */
  readonly captures: readonly (readonly [id: number, businessDate: string, piasters: number])[]
  /** The last says whether it is being posted, or taken back, at this moment. */
  readonly cleared: readonly (readonly [
    arn: string,
    sequence: number,
    count: number,
    piasters: number,
    isUnderWay: boolean,
  ])[]
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
  readonly captures: CandidateRow['captures'] | null
  readonly cleared: CandidateRow['cleared'] | null
}

// Only money of the card scheme's accounts: 7004, and 7003 for cash. What drew on a wallet is never one of them (M4).
const candidatesSql = `
  select c.card_id, a.id, a.business_date, a.entitlement_date as date, a.mti, a.transaction_type, a.network_reference,
         a.rrn, a.terminal, a.acceptor, a.acquirer, a.approved_amount as approved, h.id is not null as is_hold,
         h.amount - e.gone as open, e.ending,
         case when h.id is null then a.approved_amount else m.amount end as posted, m.captures, n.cleared
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
    select coalesce(sum(r.approved_amount) filter (where r.link <> 'clearing'), 0) as amount,
           jsonb_agg(jsonb_build_array(r.id, r.business_date, r.approved_amount) order by r.id) as captures
    from authorization_journal r
    where r.original_id = h.id and r.business_date >= a.business_date and r.mti like '02%'
      and r.transaction_type <> '20' and r.result = 'approved' offset 0) m on h.id is not null
  left join lateral (
    select jsonb_agg(jsonb_build_array(n.arn, n.clearing_sequence, n.clearing_count, n.amount_piasters,
             n.state = 'posting' or exists (
               select from network_item r where r.arn = n.arn and r.arn <> '' and r.usage = n.usage and r.state = 'posting'
                 and r.transaction_code = '2' || right(n.transaction_code, 1))) order by n.file_id, n.number) as cleared
    from network_item n
    -- A credit that names a purchase clears nothing of it.
    where n.authorization_id = a.id
      and case when a.transaction_type in ('20', '21') then n.transaction_code = '06' else n.transaction_code in ('05', '07') end
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
  const values = [
    cards.map(({ householdId }) => householdId),
    cards.map(({ id }) => id),
    cards.map(({ lane }) => lane),
    formatDate(since),
  ]
  const { rows } = await client.query<CandidateJson>({ name: 'network_candidates', text: candidatesSql, values })
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
    captures: row.captures ?? [],
    cleared: row.cleared ?? [],
  }))
}

/** An item that came before and stands. */
export interface EarlierRow extends Pick<PresentedFields, 'arn' | 'transactionCode' | 'usage' | 'amountPiasters'> {
  readonly fileId: number
  readonly number: number
  /** Which of several clearings. */
  readonly sequence: number
  readonly state: NetworkItemState
  /** Row of the journal that holds its money. */
  readonly posted: { readonly id: number; readonly businessDate: CivilDate } | undefined
  /** The open dispute of it. */
  readonly dispute:
    | { readonly id: number; readonly state: 'raised' | 'sent' | 'represented'; readonly amountPiasters: number }
    | undefined
}

/**
 * Items that came under acquirer reference numbers before, with their open disputes; these are held until the end of
 * the caller's transaction, so that none is withdrawn while the answer to it is taken.
 */
export async function itemsByReference(client: Queryable, arns: readonly string[]): Promise<EarlierRow[]> {
  await client.query(
    `select from dispute where arn = any ($1) and state in ('raised', 'sent', 'represented') order by id for update`,
    [arns],
  )
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
    dispute_state: 'raised' | 'sent' | 'represented'
    dispute_piasters: string
  }>(
    `select n.arn, n.file_id, n.number, n.transaction_code, n.usage, n.clearing_sequence, n.amount_piasters, n.state,
            n.posted_id, a.business_date as posted_date, d.id as dispute_id, d.state as dispute_state,
            d.amount_piasters as dispute_piasters
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
    dispute:
      row.dispute_id === null
        ? undefined
        : { id: Number(row.dispute_id), state: row.dispute_state, amountPiasters: Number(row.dispute_piasters) },
  }))
}
