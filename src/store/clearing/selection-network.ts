import type { CivilDate } from '../../calendar.ts'
import { clearedMoney } from '../cleared-money.ts'
import type { Client } from '../connection.ts'
import { itemTable } from './selection-draft.ts'
import { type Part, partRows, partValues } from './selection-parts.ts'

/**
 * All authorizations that have to do with one of a part and are not of it: what takes it back or completes it, what
 * that takes back or completes, and so on, wherever they are. What becomes of an item depends on nothing else.
 */
const relatedOutside = `
  with recursive related (id) as (
    (select unnest(array[l.id, l.original_id]) from linked_authorization l where l.id > $1 and l.id <= $2
     union all
     select l.original_id from linked_authorization l where l.original_id > $1 and l.original_id <= $2)
    union
    select x.id from related r cross join lateral (
      select l.original_id as id from linked_authorization l where l.id = r.id
      union all
      select l.id from linked_authorization l where l.original_id = r.id
      offset 0) x)
  select array(select r.id from related r where r.id <= $1 or r.id > $2) as ids`

/** The rows of a part and those of the authorizations beside it that have to do with them, in parameter 5. */
const related = `
  part_transfer as (
    select * from range_transfer
    union all
    select t.* from unnest($5::bigint[]) o(id) cross join lateral (
      select t.business_date, t.lane, t.group_id, t.kind, t.debit, t.credit, t.amount from transfer t
      where t.business_date = $1 and t.lane = any ($4) and t.group_id = o.id offset 0) t),
  part_journal as (
    select * from range_journal
    union all
    select a.* from unnest($5::bigint[]) o(id) cross join lateral (
      select a.business_date, a.lane, a.id, a.original_id, a.outlet_id, a.mti, a.link, a.entitlement_date
      from authorization_journal a where a.business_date = $1 and a.id = o.id offset 0) a)`

/**
 * The items of the card scheme's file: what was posted, less what was taken back on the same date. What a reversal
 * takes back of an earlier file is an item of its own. A reversal may name a purchase, or the hold of which captures
 * were made: then it takes from the captures of the date first, the last one before the others.
 */
const networkItems = `
  with ${partRows}, ${related}, ${clearedMoney('= $1', { transfer: 'part_transfer', journal: 'part_journal' })},
  posted as (
    select c.lane, c.id, c.original_id, c.outlet_id, coalesce(c.debit, 0) + coalesce(c.credit, 0) as amount,
           coalesce(c.cashback, 0) as cashback,
           case when c.credit > 0 then '06' when c.is_cash then '07' else '05' end as code,
           case when c.debit > 0 and c.mti like '02%' then c.original_id end as hold_id
    from cleared c where c.debit > 0 or c.credit > 0),
  reversed as (
    select c.lane, c.id, c.original_id, c.outlet_id, coalesce(c.debit_back, 0) + coalesce(c.credit_back, 0) as amount,
           case when c.credit_back > 0 then '26' when c.is_cash then '27' else '25' end as code,
           p.id is not null as is_direct, h.hold_id is not null as is_of_hold
    from cleared c
    left join posted p on p.id = c.original_id
    left join (select distinct hold_id from posted where hold_id is not null) h on h.hold_id = c.original_id
    where c.debit_back > 0 or c.credit_back > 0),
  direct as (select original_id as id, sum(amount) as amount from reversed where is_direct group by 1),
  of_hold as (select original_id as id, sum(amount) as amount from reversed where is_of_hold and not is_direct group by 1),
  once as (
    select p.*, greatest(0, p.amount - coalesce(d.amount, 0)) as left_over
    from posted p left join direct d on d.id = p.id),
  twice as (
    select o.lane, o.id, o.original_id, o.outlet_id, o.code, o.cashback, o.hold_id, o.left_over,
           greatest(0, o.left_over - greatest(0, h.amount - coalesce(sum(o.left_over) over (
             partition by o.hold_id order by o.id desc rows between unbounded preceding and 1 preceding), 0))) as amount
    from once o join of_hold h on h.id = o.hold_id),
  covered as (
    select id, amount from posted where exists (select from reversed r where r.original_id = posted.id)
    union all
    select hold_id, sum(left_over) from twice group by 1),
  earlier as (
    select r.lane, r.id, r.original_id, r.outlet_id, r.code,
           case when r.is_direct or r.is_of_hold
             then least(r.amount, greatest(0, sum(r.amount) over (partition by r.original_id order by r.id) - c.amount))
             else r.amount end as amount
    from reversed r left join covered c on c.id = r.original_id),
  item as (
    select lane, id, original_id, outlet_id, code, left_over as amount, cashback from once
    where hold_id is null or not exists (select from of_hold h where h.id = once.hold_id)
    union all
    select lane, id, original_id, outlet_id, code, amount, cashback from twice
    union all
    select lane, id, original_id, outlet_id, code, amount, 0 from earlier)`

/** What the items of a part are taken into. */
export interface NetworkPart {
  readonly date: CivilDate
  readonly part: Part
  readonly lanes: readonly number[]
  readonly fileId: number
  /** Items of the parts before. */
  readonly itemsBefore: number
}

/**
 * Takes the items of a part into the card scheme's file, in the part's transaction, with the outlets that they name.
 */
export async function takeNetwork(
  client: Client,
  { date, part, lanes, fileId, itemsBefore }: NetworkPart,
): Promise<{ readonly items: number; readonly piasters: bigint }> {
  const found = await client.query<{ ids: string[] }>({
    name: 'clearing related',
    text: relatedOutside,
    values: [part.from, part.to],
  })
  const { rows } = await client.query<{ items: string; gross: string }>({
    name: `clearing network items ${date}`,
    text: `${networkItems},
     taken as (
       insert into ${itemTable(date)} (business_date, file_id, number, lane, authorization_id, original_id, transaction_code,
         amount_piasters, cashback_piasters, outlet_id)
       select $1, $6, $7 + row_number() over (order by i.id), i.lane, i.id, i.original_id, i.code, i.amount,
              least(i.cashback, i.amount), i.outlet_id
       from item i where i.amount > 0 and i.id > $2 and i.id <= $3
       returning amount_piasters, outlet_id),
     kept as (
       insert into clearing_outlet
       select $1, o.* from (select distinct outlet_id from taken where outlet_id is not null) t cross join lateral (
         select o.id, o.acceptor_id, o.name, o.category, o.governorate, o.mcc, d.fuel, d.settlement_bank, d.settlement_account, false
         from outlet o left join outlet_detail d on d.outlet_id = o.id where o.id = t.outlet_id offset 0) o
       on conflict do nothing)
     select count(*) as items, coalesce(sum(amount_piasters), 0) as gross from taken`,
    values: [...partValues(date, part, lanes), found.rows[0]?.ids ?? [], fileId, itemsBefore],
  })
  const [row] = rows
  return { items: Number(row?.items ?? 0), piasters: BigInt(row?.gross ?? 0) }
}
