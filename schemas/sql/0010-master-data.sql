-- Outlets, their terminals and the rollout of services: what is known of them besides what a decision needs (`outlet`,
-- `service_rollout`), their history, and the files they came from. A running switch follows each change.

-- Goes up with each change of the data that decisions read, in its transaction: a running switch reads one row to learn of
-- a change, and then only the outlets that changed. Its row lock lets changes come one after another, so that whoever has
-- seen a generation has seen all before it.
create table reference_generation (
  one           boolean primary key default true check (one),
  generation    bigint not null
);
insert into reference_generation (generation) values (1);

-- The generation in which what a decision reads of an outlet changed last.
create table outlet_change (
  outlet_id     bigint primary key references outlet (id),
  generation    bigint not null
);
create index outlet_change_generation on outlet_change (generation, outlet_id);

create table outlet_detail (
  outlet_id     bigint primary key references outlet (id),
  name_ar       text not null default '' check (length(name_ar) <= 200),
  licence       text check (length(licence) between 1 and 40),
  -- The span of each date is that of src/calendar.ts: what is kept can be read back.
  licence_from  date check (licence_from between '1900-01-01' and '2999-12-31'),
  licence_to    date check (licence_to between '1900-01-01' and '2999-12-31'),
  -- Cairo wall clock, hh:mm; a place that closes after midnight closes before it opens.
  opens         text check (opens ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
  closes        text check (closes ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'),
  -- Of a bakery's oven: its settlement tariff depends on it.
  fuel          text check (fuel in ('diesel', 'gas', 'electricity')),
  -- Sacks of 100 kg a day.
  flour_sacks_daily smallint check (flour_sacks_daily between 0 and 10000),
  settlement_bank text check (settlement_bank ~ '^[A-Z0-9]{2,11}$'),
  -- The outlet's account at that bank.
  settlement_account text check (settlement_account ~ '^[A-Z0-9]{4,34}$'),
  constraint outlet_detail_licence check (licence_to >= licence_from),
  constraint outlet_detail_hours check ((opens is null) = (closes is null)),
  constraint outlet_detail_settlement check ((settlement_bank is null) = (settlement_account is null))
);
create index outlet_detail_licence_to on outlet_detail (licence_to) where licence_to is not null;

-- Whether an outlet serves, from a date on: the last row of the latest date that has come holds. An outlet without rows is
-- active. Rows are never changed: what was planned is taken back by another row for its date.
create table outlet_standing (
  id            bigint generated always as identity primary key,
  outlet_id     bigint not null references outlet (id),
  from_date     date not null check (from_date between '1900-01-01' and '2999-12-31'),
  status        text not null check (status in ('active', 'suspended', 'closed')),
  reason        text not null check (length(reason) between 1 and 500),
  at            timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64)
);
create index outlet_standing_outlet on outlet_standing (outlet_id, from_date, id);

-- `outlet.terminals` holds those that are active; their dates count besides.
create table terminal (
  outlet_id     bigint not null references outlet (id),
  -- DE41.
  id            text not null check (id ~ '^[A-Za-z0-9]{1,8}$'),
  serial        text check (length(serial) between 1 and 40),
  status        text not null check (status in ('active', 'stopped')),
  from_date     date check (from_date between '1900-01-01' and '2999-12-31'),
  -- The last day.
  to_date       date check (to_date between '1900-01-01' and '2999-12-31'),
  primary key (outlet_id, id),
  constraint terminal_dates check (to_date >= from_date)
);
create index terminal_id on terminal (id);

-- What changed, by whom: the new values by column, and the old ones where there were any.
create table outlet_event (
  id            bigint generated always as identity primary key,
  outlet_id     bigint not null references outlet (id),
  at            timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64),
  action        text not null check (action in ('added', 'changed', 'status')),
  changes       jsonb not null check (jsonb_typeof(changes) = 'object'),
  -- SHA-256 of the file it came from.
  file          bytea check (length(file) = 32)
);
create index outlet_event_outlet on outlet_event (outlet_id, id);

-- Files that were loaded: one that comes again changes nothing.
create table outlet_file (
  sha256        bytea primary key check (length(sha256) = 32),
  name          text not null check (length(name) <= 255),
  loaded_at     timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64),
  totals        jsonb not null
);

-- Each date that was set for a service in a governorate; the last one is in `service_rollout`.
create table service_rollout_event (
  id            bigint generated always as identity primary key,
  service       text not null,
  governorate   text not null,
  live_from     date not null check (live_from between '1900-01-01' and '2999-12-31'),
  at            timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64),
  reason        text not null check (length(reason) between 1 and 500)
);
create index service_rollout_event_place on service_rollout_event (service, governorate, id);

-- Before any row's own lock, so that no two changes wait for each other.
create function lock_reference() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from reference_generation for update;
  return null;
end $$;

-- The next generation; it is notified when the transaction commits.
create function next_reference_generation() returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  select pg_notify('mizan_reference', '');
  update reference_generation set generation = generation + 1 returning generation;
$$;

create function note_outlet_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_generation bigint := next_reference_generation();
begin
  if tg_table_name = 'outlet' then
    insert into outlet_change select id, v_generation from changed
      on conflict (outlet_id) do update set generation = excluded.generation;
  else
    insert into outlet_change select distinct outlet_id, v_generation from changed
      on conflict (outlet_id) do update set generation = excluded.generation;
  end if;
  return null;
end $$;

-- A running switch knows an outlet by its acceptor.
create function guard_outlet() returns trigger language plpgsql as $$
begin
  raise exception 'outlet % keeps its number and its acceptor', old.id
    using errcode = 'check_violation', constraint = 'outlet_unchanging';
end $$;
create trigger outlet_guard before update on outlet
  for each row when ((old.id, old.acceptor_id) is distinct from (new.id, new.acceptor_id)) execute function guard_outlet();

create trigger outlet_lock before insert or update on outlet for each statement execute function lock_reference();
create trigger outlet_inserted after insert on outlet referencing new table as changed
  for each statement execute function note_outlet_change();
create trigger outlet_updated after update on outlet referencing new table as changed
  for each statement execute function note_outlet_change();
create trigger terminal_lock before insert or update on terminal for each statement execute function lock_reference();
create trigger terminal_inserted after insert on terminal referencing new table as changed
  for each statement execute function note_outlet_change();
create trigger terminal_updated after update on terminal referencing new table as changed
  for each statement execute function note_outlet_change();
create trigger outlet_standing_lock before insert on outlet_standing
  for each statement execute function lock_reference();
create trigger outlet_standing_inserted after insert on outlet_standing referencing new table as changed
  for each statement execute function note_outlet_change();

create function note_rollout_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_op = 'INSERT' or old.live_from is distinct from new.live_from then
    insert into service_rollout_event (service, governorate, live_from, actor, reason)
    values (new.service, new.governorate, new.live_from,
      coalesce(nullif(current_setting('mizan.actor', true), ''), session_user),
      coalesce(nullif(current_setting('mizan.reason', true), ''), 'set up'));
  end if;
  perform next_reference_generation();
  return null;
end $$;
create trigger service_rollout_lock before insert or update on service_rollout
  for each statement execute function lock_reference();
create trigger service_rollout_note after insert or update on service_rollout
  for each row execute function note_rollout_change();

-- Lets changes come one after another from their beginning, so that what a change is planned on is still so when it is made.
create function lock_reference_data() returns void
  language sql security definer set search_path = public, pg_temp as $$
  select from reference_generation for update;
$$;

-- Outlets with what changes of each, from src/store/outlet-store.ts; `id` 0 is a new one, which gets the next number.
create function write_outlets(p_rows jsonb, p_actor text, p_file bytea) returns void language sql as $$
  select lock_reference_data();
  with given as (
    select r.*, case when r.id > 0 then r.id
        else (select coalesce(max(o.id), 0) from outlet o) + row_number() over (partition by r.id = 0 order by r.acceptor)
      end as outlet_id
    from jsonb_to_recordset(p_rows) r(
      id bigint, acceptor text, name text, "nameAr" text, category text, mcc text, governorate text,
      "partialApproval" boolean, licence text, "licenceFrom" date, "licenceTo" date, opens text, closes text, fuel text,
      "flourSacksDaily" smallint, "settlementBank" text, "settlementAccount" text,
      active jsonb, terminals jsonb, standing jsonb, action text, changes jsonb)
  ), kept as (
    insert into outlet (id, acceptor_id, name, category, mcc, governorate, partial_approval, terminals)
    select outlet_id, acceptor, name, category, mcc, governorate, "partialApproval",
           array(select jsonb_array_elements_text(active))
    from given
    on conflict (id) do update set name = excluded.name, category = excluded.category, mcc = excluded.mcc,
      governorate = excluded.governorate, partial_approval = excluded.partial_approval, terminals = excluded.terminals
  ), described as (
    insert into outlet_detail (outlet_id, name_ar, licence, licence_from, licence_to, opens, closes, fuel,
      flour_sacks_daily, settlement_bank, settlement_account)
    select outlet_id, "nameAr", licence, "licenceFrom", "licenceTo", opens, closes, fuel, "flourSacksDaily",
           "settlementBank", "settlementAccount"
    from given
    on conflict (outlet_id) do update set name_ar = excluded.name_ar, licence = excluded.licence,
      licence_from = excluded.licence_from, licence_to = excluded.licence_to, opens = excluded.opens,
      closes = excluded.closes, fuel = excluded.fuel, flour_sacks_daily = excluded.flour_sacks_daily,
      settlement_bank = excluded.settlement_bank, settlement_account = excluded.settlement_account
  ), equipped as (
    insert into terminal (outlet_id, id, serial, status, from_date, to_date)
    select g.outlet_id, t.id, t.serial, t.status, t."from", t."to"
    from given g cross join lateral
      jsonb_to_recordset(g.terminals) t(id text, serial text, status text, "from" date, "to" date)
    on conflict (outlet_id, id) do update set serial = excluded.serial, status = excluded.status,
      from_date = excluded.from_date, to_date = excluded.to_date
  ), stood as (
    insert into outlet_standing (outlet_id, from_date, status, reason, actor)
    select outlet_id, (standing->>'from')::date, standing->>'status', standing->>'reason', p_actor
    from given where standing is not null and standing <> 'null'
  )
  insert into outlet_event (outlet_id, actor, action, changes, file)
  select outlet_id, p_actor, action, changes, p_file from given;
$$;

create view outlets as
  select o.id, o.acceptor_id, o.name, d.name_ar, o.category, o.mcc, o.governorate, d.licence, d.licence_from, d.licence_to,
         d.opens, d.closes, d.fuel, d.flour_sacks_daily,
         coalesce((select s.status from outlet_standing s where s.outlet_id = o.id
           and s.from_date <= (now() at time zone 'Africa/Cairo')::date order by s.from_date desc, s.id desc limit 1),
           'active') as status,
         cardinality(o.terminals) as terminals
  from outlet o
  left join outlet_detail d on d.outlet_id = o.id;

create view rollout as select service, governorate, live_from from service_rollout;

grant select on reference_generation, outlet_change, outlet_detail, outlet_standing, terminal, outlet_event, outlet_file,
  service_rollout_event, outlets, rollout to mizan_app;
grant insert, update on outlet_detail, terminal to mizan_app;
grant insert on outlet_standing, outlet_event, outlet_file to mizan_app;
-- A file that is loaded again on purpose.
grant update (name, loaded_at, actor, totals) on outlet_file to mizan_app;
grant select on outlets, rollout to mizan_analyst;
revoke all on function lock_reference(), next_reference_generation(), note_outlet_change(), note_rollout_change(),
  lock_reference_data(), write_outlets(jsonb, text, bytea) from public;
grant execute on function lock_reference_data(), write_outlets(jsonb, text, bytea) to mizan_app;

-- Files of households for an initial load, and how far each lane has come with one: a load that ended early goes on from
-- there. What a lane has done is written in the transaction that did it.
create table household_file (
  sha256        bytea primary key check (length(sha256) = 32),
  name          text not null check (length(name) <= 255),
  begun_at      timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64),
  ended_at      timestamptz,
  totals        jsonb not null default '{}'
);

create table household_file_lane (
  sha256        bytea not null references household_file (sha256),
  lane          smallint not null references lane (lane),
  -- Every line of the lane up to this one is dealt with.
  line          integer not null,
  households    integer not null,
  primary key (sha256, lane)
);

-- Lines that were in order and could not be taken, because of what was there already.
create table household_file_reject (
  sha256        bytea not null references household_file (sha256),
  line          integer not null,
  field         text not null,
  reason        text not null check (length(reason) <= 200),
  primary key (sha256, line, field)
);

grant select on household_file, household_file_lane, household_file_reject to mizan_app;
grant insert on household_file, household_file_reject to mizan_app;
grant update (ended_at, totals) on household_file to mizan_app;
grant insert, update on household_file_lane to mizan_app;
