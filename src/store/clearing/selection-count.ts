import type { CivilDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import { type Part, partValues } from './selection-parts.ts'
import { subsidyItems } from './selection-subsidy.ts'

/**
 * Makes the place, of this session alone, for what is counted before items are taken. The items of a subsidy file stand
 * in order of outlet, date and authorization, and are taken in order of authorization: so how many come before has to
 * be known. And which authorizations name another, so that those of other parts are found.
 */
export async function prepareCounts(client: Client): Promise<void> {
  await client.query(`
    set temp_buffers = '32MB';
    drop table if exists counted_subsidy, counted_outlet, linked_authorization;
    create temp table counted_subsidy (
      programme bigint, outlet_id bigint, entitlement_date date, items bigint not null, file_id bigint, taken bigint not null default 0,
      primary key (programme, outlet_id, entitlement_date)) with (fillfactor = 50, autovacuum_enabled = off);
    create temp table counted_outlet (outlet_id bigint primary key);
    create temp table linked_authorization (id bigint primary key, original_id bigint not null);
    create index on linked_authorization (original_id)`)
}

/** Counts the items of a part by programme, outlet and date, and notes the outlets that redeemed or sold something. */
export async function countPart(client: Client, date: CivilDate, part: Part, lanes: readonly number[]): Promise<void> {
  await client.query({
    name: 'clearing count',
    text: `${subsidyItems},
     counted as (
       insert into counted_subsidy (programme, outlet_id, entitlement_date, items)
       select i.programme, i.outlet_id, i.entitlement_date, count(*) from item i group by 1, 2, 3
       on conflict (programme, outlet_id, entitlement_date) do update set items = counted_subsidy.items + excluded.items),
     linked as (
       insert into linked_authorization select a.id, a.original_id from range_journal a where a.original_id is not null)
     insert into counted_outlet
     select (case when t.kind = 3 or t.debit / 100000000000 = 7001 then t.debit else t.credit end) % 100000000000
     from range_transfer t
     where t.kind in (2, 3, 6) or 7001 in (t.debit / 100000000000, t.credit / 100000000000)
     group by 1
     on conflict do nothing`,
    values: partValues(date, part, lanes),
  })
}
