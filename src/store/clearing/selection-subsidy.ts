import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import { type DraftFile, itemTable } from './selection-draft.ts'
import { type Part, partRows, partValues } from './selection-parts.ts'

/** Outlets that nobody knows the bank of stand in files of this institution. */
export const NO_BANK = 'NOBANK'

/**
 * What outlets dispensed (kind 2) and took back (3), and what was taken back of that (6), with what the household paid
 * for it from its account. Of what was taken back the date is that of the draw.
 */
export const subsidyItems = `
  with ${partRows},
  drawn as (
    select t.lane, t.group_id as id, t.kind, t.debit / 100000000000 % 100 as programme,
           (case t.kind when 3 then t.debit else t.credit end) % 100000000000 as outlet_id, sum(t.amount) as quantity
    from range_transfer t where t.kind in (2, 3, 6) group by 1, 2, 3, 4, 5),
  paid as (
    select t.lane, t.group_id as id, sum(t.amount) as amount from range_transfer t where t.kind = 13 group by 1, 2),
  item as (
    select d.lane, d.id, 'RD' as code, d.programme, d.outlet_id, d.quantity, a.original_id, a.entitlement_date,
           -- What was paid stands with the first of several programmes.
           case when row_number() over (partition by d.id order by d.programme) = 1 then coalesce(p.amount, 0) else 0 end
             as co_payment
    from drawn d
    left join range_journal a on a.id = d.id and a.lane = d.lane
    left join paid p on p.id = d.id and p.lane = d.lane
    where d.kind = 2
    union all
    select d.lane, d.id, case d.kind when 3 then 'RT' else 'RA' end, d.programme, d.outlet_id, d.quantity, a.original_id,
           coalesce(u.entitlement_date, o.entitlement_date, a.entitlement_date),
           case when row_number() over (partition by d.id order by d.programme) = 1 then coalesce(b.amount, 0) else 0 end
    from drawn d
    left join range_journal a on a.id = d.id and a.lane = d.lane
    left join lateral (
      select o.id, o.business_date, o.entitlement_date, o.original_id from authorization_journal o
      where o.id = a.original_id and o.lane + 0 = a.lane and o.business_date <= a.business_date limit 1) o on true
    left join lateral (
      select u.id, u.business_date, u.entitlement_date from authorization_journal u
      where d.kind = 6 and u.id = o.original_id and u.lane + 0 = a.lane and u.business_date <= o.business_date limit 1) u on true
    left join lateral (
      select sum(t.amount) as amount from transfer t
      where t.lane = d.lane and t.group_id = d.id and t.business_date = $1 and t.kind in (16, 17, 20)
        and 7001 in (t.debit / 100000000000, t.credit / 100000000000)
        and exists (
          select from transfer c where c.lane = d.lane and c.group_id = coalesce(u.id, o.id)
            and c.business_date = coalesce(u.business_date, o.business_date) and c.kind = 13)) b on true
    where d.kind in (3, 6))`

/** Keeps the outlets that were counted, as they are known now, unless they were kept before. */
export async function keepOutlets(client: Client, date: CivilDate): Promise<void> {
  await client.query(
    `insert into clearing_outlet
     select $1, o.id, o.acceptor_id, o.name, o.category, o.governorate, o.mcc, d.fuel, d.settlement_bank, d.settlement_account, true
     from counted_outlet t join outlet o on o.id = t.outlet_id left join outlet_detail d on d.outlet_id = o.id
     on conflict do nothing`,
    [formatDate(date)],
  )
}

/** Banks and programmes that have a file of a date, in their order. */
export async function subsidyInstitutions(client: Client, date: CivilDate): Promise<string[]> {
  const { rows } = await client.query<{ bank: string; programme: string }>(
    `select distinct coalesce(c.bank, '${NO_BANK}') as bank, n.programme
     from counted_subsidy n join clearing_outlet c on c.business_date = $1 and c.outlet_id = n.outlet_id order by 1, 2`,
    [formatDate(date)],
  )
  return rows.map(({ bank, programme }) => `${bank}-${programme.padStart(2, '0')}`)
}

/**
 * Finds for everything that was counted its file and how many items stand there before it, those with it that are taken
 * already.
 */
export async function placeSubsidies(client: Client, date: CivilDate, files: readonly DraftFile[]): Promise<void> {
  const own = files.filter(({ type }) => type === 'SUB')
  await client.query(
    `with placed as (
       select n.programme, n.outlet_id, n.entitlement_date, f.id,
              coalesce(sum(n.items) over (partition by f.id order by n.outlet_id, n.entitlement_date
                rows between unbounded preceding and 1 preceding), 0) as before
       from counted_subsidy n
       join clearing_outlet c on c.business_date = $1 and c.outlet_id = n.outlet_id
       join unnest($2::bigint[], $3::text[]) f(id, institution)
         on f.institution = coalesce(c.bank, '${NO_BANK}') || '-' || lpad(n.programme::text, 2, '0')),
     taken as (
       select i.programme, i.outlet_id, i.entitlement_date, count(*) as items from ${itemTable(date)} i
       where i.programme > 0 group by 1, 2, 3)
     update counted_subsidy n set file_id = p.id, taken = p.before + coalesce(t.items, 0)
     from placed p left join taken t
       on t.programme = p.programme and t.outlet_id = p.outlet_id and t.entitlement_date = p.entitlement_date
     where n.programme = p.programme and n.outlet_id = p.outlet_id and n.entitlement_date = p.entitlement_date`,
    [formatDate(date), own.map(({ id }) => id), own.map(({ institution }) => institution)],
  )
}

/** Takes the items of a part into the subsidy files, in the part's transaction. @returns how many */
export async function takeSubsidies(
  client: Client,
  date: CivilDate,
  part: Part,
  lanes: readonly number[],
): Promise<number> {
  const { rows } = await client.query<{ items: number }>({
    name: `clearing subsidy items ${date}`,
    text: `${subsidyItems},
     due as materialized (
       select i.*, row_number() over (partition by i.programme, i.outlet_id, i.entitlement_date order by i.id) as ordinal
       from item i),
     of_group as materialized (
       select g.programme, g.outlet_id, g.entitlement_date, g.items, n.file_id, n.taken
       from (select programme, outlet_id, entitlement_date, count(*) as items from due group by 1, 2, 3) g
       cross join lateral (
         select n.file_id, n.taken from counted_subsidy n
         where n.programme = g.programme and n.outlet_id = g.outlet_id and n.entitlement_date = g.entitlement_date
           and n.file_id is not null offset 0) n),
     taken as (
       insert into ${itemTable(date)} (business_date, file_id, number, lane, authorization_id, original_id, programme,
         transaction_code, amount_piasters, outlet_id, entitlement_date, quantity, co_payment_piasters)
       select $1, g.file_id, g.taken + d.ordinal, d.lane, d.id, d.original_id, d.programme, d.code, 0, d.outlet_id,
              d.entitlement_date, d.quantity, d.co_payment
       from due d
       join of_group g on g.programme = d.programme and g.outlet_id = d.outlet_id and g.entitlement_date = d.entitlement_date
       order by d.id, d.programme),
     noted as (
       update counted_subsidy n set taken = n.taken + g.items from of_group g
       where n.programme = g.programme and n.outlet_id = g.outlet_id and n.entitlement_date = g.entitlement_date)
     select coalesce(sum(items), 0)::integer as items from of_group`,
    values: partValues(date, part, lanes),
  })
  return rows[0]?.items ?? 0
}
