-- The public contract for people: views over the journal, and two roles. The application may insert into the journal
-- and never update or delete it; analysts read views and nothing else.

create view authorizations as
  select a.lane, a.id, a.business_date, a.entitlement_date, a.received_at, a.link, a.mti, a.transaction_type,
         a.account_code, a.pan_masked, a.card_id, a.household_id, a.acquirer, a.acceptor, a.terminal, a.outlet_id,
         o.name as outlet_name, o.category as outlet_category, coalesce(o.governorate, '') as outlet_governorate, a.mcc,
         a.stan, a.transmission, a.rrn, a.amount, a.approved_amount, a.result, a.response_code,
         a.original_id, a.answer::jsonb as answer, a.trace::jsonb as trace, a.batch_seq, b.epoch, b.committed_at
  from authorization_journal a
  join batch b on b.lane = a.lane and b.seq = a.batch_seq
  left join outlet o on o.id = a.outlet_id;

create view transfers as
  select t.lane, t.group_id, t.leg, t.business_date, t.kind, k.name as kind_name, d.unit,
         t.debit, d.name as debit_name, t.credit, c.name as credit_name, t.amount, t.period, t.batch_seq
  from transfer t
  join transfer_kind k on k.kind = t.kind
  join account_kind d on d.kind = t.debit / 100000000000
  join account_kind c on c.kind = t.credit / 100000000000;

-- Two rows a transfer: debits negative, credits positive.
create view entries as
  select lane, group_id, leg, business_date, kind_name, debit as account, debit_name as account_name,
         credit as counter_account, unit, -amount as amount, period, batch_seq
  from transfers
  union all
  select lane, group_id, leg, business_date, kind_name, credit, credit_name, debit, unit, amount, period, batch_seq
  from transfers;

create view balances as
  select b.account, k.name as account_name, k.account_class, b.account % 100000000000 as owner, b.period, k.unit,
         sum(b.posted)::bigint as posted, sum(b.held)::bigint as held, sum(b.posted - b.held)::bigint as available
  from balance b
  join account_kind k on k.kind = b.account / 100000000000
  group by b.account, k.name, k.account_class, b.period, k.unit;

-- What households owe for what was paid or given beyond what they had: money in piasters, a subsidy in its unit.
create view household_debt as
  select b.account % 100000000000 as household_id, k.name as account_name, k.unit, -sum(b.posted)::bigint as owed
  from balance b
  join account_kind k on k.kind = b.account / 100000000000
  where (b.account / 100000000000000 = 9 or b.account / 100000000000 = 8004) and b.posted <> 0
  group by 1, 2, 3;

create view trial_balance as
  select k.unit, k.kind, k.name as account_name,
         coalesce(sum(-e.amount) filter (where e.amount < 0), 0)::numeric as debits,
         coalesce(sum(e.amount) filter (where e.amount > 0), 0)::numeric as credits,
         coalesce(sum(e.amount), 0)::numeric as balance
  from entries e
  join account_kind k on k.kind = e.account / 100000000000
  group by k.unit, k.kind, k.name;

do $$
declare
  v_role text;
begin
  foreach v_role in array array['mizan_app', 'mizan_analyst'] loop
    begin
      if not exists (select from pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
end $$;

grant usage on schema public to mizan_app, mizan_analyst;
grant select on all tables in schema public to mizan_app;
grant insert on batch, authorization_journal, command_journal, transfer, hold, hold_event, assertion_use,
  verification_exception, notification to mizan_app;
grant insert, update on one_time_code to mizan_app;
grant update (ended_at, ended_by) on verification_exception to mizan_app;
grant insert, update on usage_counter, household_term, lane, balance, household, card, card_counter, outlet, acquirer, service_rollout to mizan_app;
grant insert on installation to mizan_app;
grant insert (lane, kind, household_id, card_id, detail, requested_by, idempotency_key) on command_inbox to mizan_app;
grant update (done_at, done_id, outcome) on command_inbox to mizan_app;
revoke all on all functions in schema public from public;
grant execute on all functions in schema public to mizan_app;
grant select on authorizations, transfers, entries, balances, household_debt, trial_balance to mizan_analyst;
