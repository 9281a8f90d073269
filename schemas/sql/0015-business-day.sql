-- Business days: which are open, how far the closing of each is, and what its trial balance was.

-- Closes a day in its lane, in the commit of the batch that does it; a lane never goes back to an earlier day.
create function change_day_closed(p_lane smallint, p jsonb) returns void language sql as $$
  update lane set open_date = greatest(open_date, (p ->> 'date')::date + 1) where lane = p_lane;
$$;

-- A business day from the first one of the installation on. `closing`: somebody asked for its end; `closed`: all its steps are
-- done. No row of the journal is ever of a day after `lanes_closed_at`.
create table business_day (
  business_date date primary key,
  state         text not null default 'open' check (state in ('open', 'closing', 'closed')),
  -- Who asked for the end first, and when.
  asked_by      text check (length(asked_by) between 1 and 96),
  asked_at      timestamptz,
  lanes_closed_at timestamptz,
  closed_at     timestamptz,
  constraint business_day_asked check ((state = 'open') = (asked_at is null) and (asked_by is null) = (asked_at is null)),
  constraint business_day_closed check ((state = 'closed') = (closed_at is not null))
);
create index business_day_unclosed on business_day (business_date) where state <> 'closed';

create function business_day_life() returns trigger language plpgsql as $$
begin
  if (old.state = 'closed' and new.state <> 'closed') or (old.state = 'closing' and new.state = 'open')
     or (old.lanes_closed_at is not null and new.lanes_closed_at is distinct from old.lanes_closed_at)
     or (old.asked_at is not null and (new.asked_at, new.asked_by) is distinct from (old.asked_at, old.asked_by)) then
    raise exception 'business day % is % and cannot become %', old.business_date, old.state, new.state
      using errcode = 'check_violation', constraint = 'business_day_life';
  end if;
  if new.state = 'closed' and exists (
    select from business_day_step s where s.business_date = new.business_date and s.state <> 'done') then
    raise exception 'business day % has steps that are not done', old.business_date
      using errcode = 'check_violation', constraint = 'business_day_steps';
  end if;
  return new;
end $$;
create trigger business_day_life before update on business_day for each row execute function business_day_life();

create function business_day_asked() returns trigger language plpgsql as $$
begin
  perform pg_notify('mizan_cutover', '');
  return null;
end $$;
create trigger business_day_asked after update on business_day
  for each row when (old.state = 'open' and new.state = 'closing') execute function business_day_asked();

-- A step of a day, as it stands. What is done stays done.
-- Where the journal stood when a day was closed is found by the command that closed it.
create index command_inbox_close_day on command_inbox (lane, ((detail ->> 'date')::integer)) where kind = 'close-day';

create table business_day_step (
  business_date date not null references business_day,
  step          text not null check (step ~ '^[a-z][a-z0-9-]{1,31}$'),
  ordinal       smallint not null,
  state         text not null default 'pending'
                check (state in ('pending', 'running', 'waiting', 'blocked', 'failed', 'done')),
  -- How often it was begun.
  attempts      integer not null default 0,
  started_at    timestamptz,
  ended_at      timestamptz,
  -- What came of it, or what it waits for and the way out.
  words         text check (length(words) <= 2000),
  detail        jsonb,
  -- How far it is while it runs.
  progress      text check (length(progress) <= 500),
  progress_done bigint,
  progress_total bigint,
  progress_at   timestamptz,
  primary key (business_date, step),
  constraint business_day_step_order unique (business_date, ordinal),
  constraint business_day_step_done check (state <> 'done' or ended_at is not null)
);

create function business_day_step_once() returns trigger language plpgsql as $$
begin
  raise exception 'step % of % is done', old.step, old.business_date
    using errcode = 'check_violation', constraint = 'business_day_step_once';
end $$;
create trigger business_day_step_once before update on business_day_step
  for each row when (old.state = 'done') execute function business_day_step_once();

-- What happened to a day: who asked, and each beginning and end of a step. Added to, never changed.
create table business_day_event (
  id            bigint generated always as identity primary key,
  business_date date not null references business_day,
  at            timestamptz not null default clock_timestamp(),
  step          text,
  event         text not null check (event in ('asked', 'began', 'done', 'waiting', 'blocked', 'failed', 'cut-off', 'closed')),
  -- The process that did it, or who asked.
  by            text not null,
  words         text check (length(words) <= 2000)
);
create index business_day_event_day on business_day_event (business_date, id);

-- The trial balance of a day: a row for each shared account, and one for the accounts of all households of a kind (owner
-- 0). Balances are after the day, in the unit of the kind; credits are positive.
create table business_day_balance (
  business_date date not null references business_day,
  kind          smallint not null references account_kind,
  owner         bigint not null,
  debits        numeric(20) not null check (debits >= 0),
  credits       numeric(20) not null check (credits >= 0),
  balance       numeric(20) not null,
  primary key (business_date, kind, owner)
);

-- Some days only banks are closed (1 January, 1 July): working days in the issue of cards know nothing of them.
alter table holiday add column bank_only boolean not null default false;
alter table holiday drop constraint holiday_pkey;
alter table holiday add primary key (date, announced_on, bank_only);

-- The first day of the journal: the oldest partition that holds something; null when nothing was ever posted.
create function first_business_date() returns date language plpgsql stable as $$
declare
  v_day date;
begin
  for v_day in
    select distinct to_date(right(c.relname, 8), 'YYYYMMDD') from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('transfer'::regclass, 'authorization_journal'::regclass) and c.relname ~ '_[0-9]{8}$' order by 1
  loop
    if exists (select from transfer where business_date = v_day)
       or exists (select from authorization_journal where business_date = v_day) then
      return v_day;
    end if;
  end loop;
  return null;
end $$;

-- Kinds of which the trial balance shows each account: money owed to or by somebody, and the institution's own. Others have
-- one row for all of a kind.
create function is_control_kind(p_kind bigint) returns boolean language sql immutable parallel safe as $$
  select p_kind / 1000 in (7, 8) and p_kind <> 8004;
$$;

-- Turnover of the business days from one to another, by control account and kind.
create function day_turnover(p_from date, p_to date)
  returns table (kind smallint, owner bigint, debits numeric, credits numeric) language sql stable as $$
  select m.kind::smallint, m.owner, sum(m.debits), sum(m.credits)
  from (
    select t.debit / 100000000000 as kind,
           case when is_control_kind(t.debit / 100000000000) then t.debit % 100000000000 else 0 end as owner,
           sum(t.amount) as debits, 0::numeric as credits
    from transfer t where t.business_date between p_from and p_to group by 1, 2
    union all
    select t.credit / 100000000000,
           case when is_control_kind(t.credit / 100000000000) then t.credit % 100000000000 else 0 end, 0::numeric, sum(t.amount)
    from transfer t where t.business_date between p_from and p_to group by 1, 2) m
  group by m.kind, m.owner;
$$;

-- The accounts as they stood after a business day: those of the day before, and the turnover of the day.
create function balances_after(p_date date)
  returns table (kind smallint, owner bigint, debits numeric, credits numeric, balance numeric) language sql stable as $$
  select coalesce(b.kind, t.kind), coalesce(b.owner, t.owner), coalesce(t.debits, 0), coalesce(t.credits, 0),
         coalesce(b.balance, 0) + coalesce(t.credits, 0) - coalesce(t.debits, 0)
  from (select k.kind, k.owner, k.balance from business_day_balance k where k.business_date = p_date - 1) b
  full join day_turnover(p_date, p_date) t on t.kind = b.kind and t.owner = b.owner;
$$;

-- Accounts whose balance is not what stood after a business day and what was posted since.
create function balances_astray(p_date date)
  returns table (kind smallint, owner bigint, posted numeric, expected numeric) language sql stable as $$
  with kept as (
    select m.kind, m.owner, sum(m.posted) as posted
    from (
      select (b.account / 100000000000)::smallint as kind,
             case when is_control_kind(b.account / 100000000000) then b.account % 100000000000 else 0 end as owner,
             sum(b.posted) as posted
      from balance b group by 1, 2) m
    group by m.kind, m.owner),
  expected as (
    select e.kind, e.owner, sum(e.balance) as balance
    from (
      select a.kind, a.owner, a.balance from business_day_balance a where a.business_date = p_date
      union all
      select l.kind, l.owner, l.credits - l.debits from day_turnover(p_date + 1, 'infinity') l) e
    group by e.kind, e.owner)
  select coalesce(k.kind, e.kind), coalesce(k.owner, e.owner), coalesce(k.posted, 0), coalesce(e.balance, 0)
  from kept k full join expected e on e.kind = k.kind and e.owner = k.owner
  where coalesce(k.posted, 0) <> coalesce(e.balance, 0);
$$;

create view business_days as
  select d.business_date, d.state, d.asked_by, d.asked_at, d.lanes_closed_at, d.closed_at, s.step, s.state as step_state, s.words
  from business_day d
  left join lateral (
    select x.step, x.state, x.words from business_day_step x
    where x.business_date = d.business_date and x.state <> 'done' order by x.ordinal limit 1) s on true;
create view business_day_balances as
  select b.business_date, b.kind, k.name as account_name, k.unit, b.owner, b.debits, b.credits, b.balance
  from business_day_balance b join account_kind k on k.kind = b.kind;

grant select on business_day, business_day_step, business_day_event, business_day_balance, business_days,
  business_day_balances to mizan_app;
grant insert, update on business_day, business_day_step to mizan_app;
grant insert on business_day_event, business_day_balance to mizan_app;
grant select on business_day, business_day_step, business_day_event, business_day_balance, business_days,
  business_day_balances to mizan_analyst;
do $$
declare
  v_name text;
begin
  for v_name in select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in ('change_day_closed', 'first_business_date', 'is_control_kind', 'day_turnover', 'balances_after', 'balances_astray')
  loop
    execute format('revoke all on function %s from public; grant execute on function %s to mizan_app', v_name, v_name);
  end loop;
end $$;
revoke all on function business_day_life(), business_day_asked(), business_day_step_once() from public;
