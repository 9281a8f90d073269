-- What each acquirer's messages came to on a business date, and what acquirers said of it (messages 0500 and 0520).

-- What counts: financial messages that were approved, and reversals of what was posted. A hold is none until it is
-- captured; a reversal of one counts as far as it gave captures back. Refunds and deposits are credits, all else debits.
-- What a clearing file brought is none of an acquirer's messages, and what takes it back is no reversal of one.
create view acquirer_movement as
  select a.lane, a.business_date, a.id, a.acquirer, a.transaction_type in ('20', '21') as is_credit,
         a.mti like '04%' as is_reversal,
         case when o.held then least(t.amount, c.amount) else a.approved_amount end as amount
  from authorization_journal a
  left join lateral (
    select o.id, o.business_date, o.mti like '01%' as held, o.link = 'clearing' as presented from authorization_journal o
    where a.mti like '04%' and o.id = a.original_id and o.lane + 0 = a.lane and o.business_date <= a.business_date limit 1
  ) o on true
  left join lateral (
    select sum(t.amount) as amount from transfer t
    where o.held and t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id and t.kind = 17
  ) t on true
  left join lateral (
    select sum(c.approved_amount) as amount from authorization_journal c
    where o.held and c.original_id = o.id and c.lane + 0 = a.lane and c.business_date between o.business_date and a.business_date
      and c.mti like '02%' and c.transaction_type <> '20' and c.link <> 'clearing' and c.result = 'approved'
  ) c on true
  where a.result in ('approved', 'partially-approved') and a.approved_amount > 0 and a.link <> 'clearing'
    and (a.mti like '02%' or a.mti like '04%') and o.presented is not true
    and case when o.held then least(t.amount, c.amount) > 0 and c.amount is not null else true end;

-- Summed as far as somebody asked: whoever asks again adds what came since.
create table acquirer_total (
  lane          smallint not null,
  business_date date not null,
  acquirer      text not null,
  credits_number bigint not null,
  credits_reversal_number bigint not null,
  debits_number bigint not null,
  debits_reversal_number bigint not null,
  credits_piasters bigint not null,
  credits_reversal_piasters bigint not null,
  debits_piasters bigint not null,
  debits_reversal_piasters bigint not null,
  primary key (business_date, acquirer, lane)
);
-- The last authorization of a lane that is in the sums of a date.
create table acquirer_total_mark (
  lane          smallint not null,
  business_date date not null,
  upto_id       bigint not null,
  primary key (business_date, lane)
);

-- Ids of a lane rise in the order in which they become visible, so all up to the last one seen are in.
create function bring_acquirer_totals(p_date date) returns void language plpgsql as $$
declare
  v_lane smallint;
  v_from bigint;
begin
  for v_lane in select l.lane from lane l order by l.lane loop
    insert into acquirer_total_mark values (v_lane, p_date, 0) on conflict do nothing;
    select m.upto_id into v_from from acquirer_total_mark m
      where m.lane = v_lane and m.business_date = p_date for update;
    with moved as materialized (
      select m.* from acquirer_movement m where m.business_date = p_date and m.lane = v_lane and m.id > v_from),
    added as (
      insert into acquirer_total as t
        select v_lane, p_date, m.acquirer,
               count(*) filter (where m.is_credit and not m.is_reversal),
               count(*) filter (where m.is_credit and m.is_reversal),
               count(*) filter (where not m.is_credit and not m.is_reversal),
               count(*) filter (where not m.is_credit and m.is_reversal),
               coalesce(sum(m.amount) filter (where m.is_credit and not m.is_reversal), 0),
               coalesce(sum(m.amount) filter (where m.is_credit and m.is_reversal), 0),
               coalesce(sum(m.amount) filter (where not m.is_credit and not m.is_reversal), 0),
               coalesce(sum(m.amount) filter (where not m.is_credit and m.is_reversal), 0)
        from moved m group by m.acquirer
        on conflict (business_date, acquirer, lane) do update set
          credits_number = t.credits_number + excluded.credits_number,
          credits_reversal_number = t.credits_reversal_number + excluded.credits_reversal_number,
          debits_number = t.debits_number + excluded.debits_number,
          debits_reversal_number = t.debits_reversal_number + excluded.debits_reversal_number,
          credits_piasters = t.credits_piasters + excluded.credits_piasters,
          credits_reversal_piasters = t.credits_reversal_piasters + excluded.credits_reversal_piasters,
          debits_piasters = t.debits_piasters + excluded.debits_piasters,
          debits_reversal_piasters = t.debits_reversal_piasters + excluded.debits_reversal_piasters
    )
    update acquirer_total_mark m set upto_id = (select max(x.id) from moved x)
      where m.lane = v_lane and m.business_date = p_date and exists (select from moved);
  end loop;
end $$;

create view acquirer_totals as
  select business_date, acquirer, sum(credits_number)::bigint as credits_number,
         sum(credits_reversal_number)::bigint as credits_reversal_number, sum(debits_number)::bigint as debits_number,
         sum(debits_reversal_number)::bigint as debits_reversal_number, sum(credits_piasters)::bigint as credits_piasters,
         sum(credits_reversal_piasters)::bigint as credits_reversal_piasters,
         sum(debits_piasters)::bigint as debits_piasters,
         sum(debits_reversal_piasters)::bigint as debits_reversal_piasters
  from acquirer_total group by 1, 2;

-- What an acquirer said, what Mizan answered, and whether they agree: rows are inserted, never updated or deleted.
create table acquirer_reconciliation (
  id            bigint generated always as identity primary key,
  received_at   timestamptz not null,
  link          text not null,
  mti           text not null check (mti in ('0500', '0520')),
  acquirer      text not null check (acquirer ~ '^[0-9]{1,11}$'),
  stan          text not null,
  transmission  text not null,
  business_date date not null,
  -- What the message has of the totals; and all of them as they were then.
  said          jsonb not null check (jsonb_typeof(said) = 'object'),
  ours          jsonb not null check (jsonb_typeof(ours) = 'object'),
  -- Null for a message without totals.
  agrees        boolean,
  -- A repeat gets the first answer. DE7 has no year.
  constraint acquirer_reconciliation_once unique (acquirer, stan, transmission, mti, business_date)
);
create index acquirer_reconciliation_date on acquirer_reconciliation (business_date, acquirer);

create view acquirer_reconciliations as
  select id, received_at, link, mti, acquirer, stan, transmission, business_date, said, ours, agrees
  from acquirer_reconciliation;

grant select on acquirer_movement, acquirer_total, acquirer_total_mark, acquirer_totals, acquirer_reconciliation,
  acquirer_reconciliations to mizan_app;
grant insert, update on acquirer_total, acquirer_total_mark to mizan_app;
grant insert on acquirer_reconciliation to mizan_app;
revoke all on function bring_acquirer_totals(date) from public;
grant execute on function bring_acquirer_totals(date) to mizan_app;
grant select on acquirer_totals, acquirer_reconciliations to mizan_analyst;
