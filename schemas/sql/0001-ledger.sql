-- The ledger and what surrounds it. `lane` is in every key: a lane can move to another process, database or shard.
-- An account number is kind × 10^11 + owner; kind = class, unit, sub-kind (src/ledger/accounts.ts).

create table installation (
  one           boolean primary key default true check (one),
  lane_count    smallint not null check (lane_count between 1 and 64),
  created_at    timestamptz not null default now()
);

-- The fence. Ids are unique in the installation: those of lane n are n more than a multiple of 64. A writer owns a lane while `epoch` is its own; every commit checks and advances the row.
create table lane (
  lane          smallint primary key,
  epoch         bigint not null default 0,
  -- Whoever took it last, by a number of its own.
  taken_by      uuid,
  last_seq      bigint not null default 0,
  last_hash     bytea not null default decode(repeat('00', 32), 'hex'),
  next_id       bigint not null,
  -- The business days before it are closed here: no batch of the lane is of an earlier one.
  open_date     date not null default '2000-01-01'
) with (fillfactor = 10);

create table account_kind (
  kind          smallint primary key,
  name          text not null,
  account_class smallint not null,
  unit          text not null check (unit in ('EGP', 'LOAF', 'KG')),
  floor_zero    boolean not null
);

create table transfer_kind (
  kind          smallint primary key,
  name          text not null unique
);

-- Master data -----------------------------------------------------------------------------------------------------

create table acquirer (
  id            text primary key check (id ~ '^[0-9]{1,11}$'),
  name          text not null
);

create table outlet (
  id            bigint primary key check (id between 1 and 99999999999),
  acceptor_id   text not null unique,
  name          text not null,
  category      text not null check (category in ('bakery', 'grocer', 'depot', 'health', 'shop', 'atm', 'post')),
  mcc           text not null check (mcc ~ '^[0-9]{4}$'),
  governorate   text not null,
  partial_approval boolean not null default false,
  terminals     text[] not null default '{}'
);

create table service_rollout (
  service       text not null,
  governorate   text not null,
  live_from     date not null check (live_from between '1900-01-01' and '2999-12-31'),
  primary key (service, governorate)
);

create table household (
  lane          smallint not null,
  id            bigint not null check (id between 1 and 99999999999),
  governorate   text not null,
  -- Codes of the classes that it belongs to, sorted.
  classes       text[] not null default '{}' check (array_to_string(classes, ',') ~ '^([a-z0-9-]{1,32}(,[a-z0-9-]{1,32}){0,15})?$'),
  -- Month (yyyymm) up to which its wallets are closed: what was left of them lapsed or was converted.
  closed_month  integer not null check (closed_month between 200001 and 299912),
  old_ration_card text not null check (old_ration_card in ('active', 'stopped', 'none')),
  -- Where its postal account is held: here, or at the Post's account host, which is asked for each debit.
  account_at    text not null default 'local' check (account_at in ('local', 'host')),
  -- Cash withdrawn on the civil day yyyymmdd, for the daily limits; the writer keeps them in the commit of the cash.
  cash_day      integer not null default 0,
  cash_withdrawn bigint not null default 0 check (cash_withdrawn >= 0),
  cash_withdrawals integer not null default 0 check (cash_withdrawals >= 0),
  primary key (lane, id)
) with (fillfactor = 80);

create index household_closing on household (closed_month, lane, id);
-- Here and below: no query compares these columns, and to sort thirty thousand of them for ANALYZE holds up the lanes.
alter table household alter column classes set statistics 0;

-- What holds of a household from a date on: dated, so that a change counts only from its day and the past stays known.
create table household_term (
  lane          smallint not null,
  household_id  bigint not null,
  from_date     integer not null check (from_date between 20000101 and 29991231),
  members       smallint not null check (members between 1 and 60),
  status        text not null check (status in ('active', 'suspended')),
  batch_seq     bigint not null,
  primary key (lane, household_id, from_date),
  foreign key (lane, household_id) references household (lane, id)
);

create table card (
  lane          smallint not null,
  id            bigint not null,
  household_id  bigint not null,
  kind          text not null check (kind in ('family', 'device', 'ration')),
  pan_index     bytea not null check (length(pan_index) = 16),
  pan_masked    text not null,
  pan_encrypted bytea not null,
  key_version   smallint not null,
  expiry        text not null check (expiry ~ '^[0-9]{4}$'),
  sequence_number text not null check (sequence_number ~ '^[0-9]{2}$'),
  service_code  text not null check (service_code ~ '^[0-9]{3}$'),
  status        text not null check (status in ('issued', 'active', 'restricted', 'lost', 'stolen', 'closed')),
  -- What is kept of the PIN: its Visa verification value and the index of the key that made it; null without a PIN.
  pvki          smallint check (pvki between 0 and 9),
  pvv           text check (pvv ~ '^[0-9]{4}$'),
  primary key (lane, id),
  constraint card_pin_reference check ((pvki is null) = (pvv is null)),
  foreign key (lane, household_id) references household (lane, id)
);
create unique index card_pan_index on card (pan_index);
create index card_household on card (household_id, lane);

-- What transactions move on a card, kept by the writer in the commit of the decision: apart from the card, because it
-- changes with each use of a chip. Each card has its row from the start.
create table card_counter (
  lane          smallint not null,
  card_id       bigint not null,
  pin_failures  smallint not null default 0 check (pin_failures >= 0),
  -- Highest application transaction counter, and which of the 32 below it were seen.
  atc           integer not null default 0 check (atc between 0 and 65535),
  atc_seen      bigint not null default 0 check (atc_seen between 0 and 4294967295),
  -- Issuer script that goes out with the card's next approval online.
  script_pending text check (script_pending in ('pin-unblock')),
  batch_seq     bigint not null default 0,
  primary key (lane, card_id),
  foreign key (lane, card_id) references card (lane, id)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 1, autovacuum_analyze_scale_factor = 1);

-- The journal: rows are inserted, never updated or deleted ---------------------------------------------------------

create table batch (
  lane          smallint not null,
  seq           bigint not null,
  epoch         bigint not null,
  first_id      bigint not null,
  next_id       bigint not null,
  committed_at  timestamptz not null,
  hash          bytea not null check (length(hash) = 32),
  primary key (lane, seq)
) with (autovacuum_analyze_scale_factor = 1);
alter table batch alter column hash set statistics 0;

create table authorization_journal (
  lane          smallint not null,
  business_date date not null,
  id            bigint not null,
  batch_seq     bigint not null,
  entitlement_date date not null,
  received_at   timestamptz not null,
  link          text not null,
  mti           text not null,
  dedupe_key    uuid not null,
  content_hash  uuid not null,
  acquirer      text not null,
  terminal      text not null,
  acceptor      text not null,
  outlet_id     bigint,
  stan          text not null,
  transmission  text not null,
  rrn           text not null,
  network_reference text not null,
  pan_masked    text not null,
  card_id       bigint,
  household_id  bigint,
  transaction_type text not null,
  account_code  text not null,
  mcc           text not null,
  amount        bigint not null,
  approved_amount bigint not null,
  result        text not null,
  response_code text not null,
  original_id   bigint,
  original_key  uuid,
  answer        text not null,
  trace         text not null,
  -- Lines of an item-level basket, JSON: a list for each, in the order of the view `basket_line`.
  basket        text,
  -- What the message said that only the card scheme's clearing file needs, JSON: how the card was read, the merchant's name
  -- and place, chip data (never a card number, track or PIN). Null but for approvals over the scheme's rail.
  scheme_facts  text,
  primary key (id, lane, business_date)
) partition by range (business_date);
-- Point queries must find their index even when they are planned while a day's partition is empty and all paths seem
-- equally cheap: so indexes begin with what tells rows apart, queries keep `lane` out of the planner's reach
-- (`lane + 0`), dates are bounded on one side only, and what has fewer uses comes later (the planner breaks ties for the
-- youngest index). test/store/point-queries.test.ts holds them to it. RRN and STAN have no index: each would cost every
-- authorization.
create unique index authorization_dedupe on authorization_journal (dedupe_key, lane, business_date);
create index authorization_household on authorization_journal (household_id, id);
create index authorization_original on authorization_journal (original_id, business_date)
  where original_id is not null;
create index authorization_orphan on authorization_journal (original_key)
  where original_key is not null and original_id is null;

-- What is not an authorization of its own: a household opened, a hold expired, a repeat answered again
-- (`authorization_id` names the one it repeats), a command of the inbox carried out or refused.
create table command_journal (
  lane          smallint not null,
  id            bigint not null,
  batch_seq     bigint not null,
  business_date date not null,
  at            timestamptz not null,
  kind          text not null,
  household_id  bigint,
  authorization_id bigint,
  detail        text not null,
  primary key (lane, id)
);
create index command_authorization on command_journal (lane, authorization_id) where authorization_id is not null;

-- Commands from people and jobs, for the writer of a lane: taken into its batches in order of id, each exactly once. The
-- program adds rows and, in the commit of what a command did, says that it is done; nothing else of a row ever changes.
-- `detail` names no card: a card is `card_id`, a household `household_id`.
create table command_inbox (
  lane          smallint not null,
  id            bigint not null,
  kind          text not null check (kind ~ '^[a-z][a-z-]{1,31}$'),
  household_id  bigint,
  card_id       bigint,
  detail        jsonb not null default '{}',
  requested_by  text not null check (length(requested_by) between 1 and 64),
  requested_at  timestamptz not null default clock_timestamp(),
  idempotency_key text unique check (length(idempotency_key) between 1 and 128),
  done_at       timestamptz,
  -- The row of the command journal: what came of it, covered by the hash of its batch.
  done_id       bigint,
  -- `done` or `refused`, and why, for whoever asked.
  outcome       text check (length(outcome) between 1 and 500),
  primary key (lane, id),
  foreign key (lane, done_id) references command_journal (lane, id),
  constraint command_inbox_detail check (jsonb_typeof(detail) = 'object' and octet_length(detail::text) <= 16384),
  constraint command_inbox_done check (num_nulls(done_at, done_id, outcome) in (0, 3))
);
create index command_inbox_waiting on command_inbox (lane, id) where done_id is null;
create index command_inbox_card on command_inbox (card_id, id) where card_id is not null;
create unique index command_inbox_done_by on command_inbox (lane, done_id) where done_id is not null;
create sequence command_inbox_id;

-- Ids of a lane rise in the order in which the rows become visible: whoever has seen one has seen all before it. So the
-- lock is held until the transaction ends, and those who add to the same lane meanwhile wait.
create function command_inbox_arrival() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not exists (select from lane where lane = new.lane) then
    raise exception 'there is no lane %', new.lane
      using errcode = 'check_violation', constraint = 'command_inbox_lane';
  end if;
  perform pg_advisory_xact_lock(hashtext('command_inbox'), new.lane);
  new.id := nextval('command_inbox_id');
  perform pg_notify('mizan_command', '');
  return new;
end $$;
create trigger command_inbox_arrival before insert on command_inbox
  for each row execute function command_inbox_arrival();

create function command_inbox_once() returns trigger language plpgsql as $$
begin
  raise exception 'command % of lane % is done', old.id, old.lane
    using errcode = 'check_violation', constraint = 'command_inbox_once';
end $$;
create trigger command_inbox_once before update on command_inbox
  for each row when (old.done_id is not null) execute function command_inbox_once();

-- What was used of something that is capped: goods in a month, co-payments in a year, draws made offline on a day. The
-- counter is programme number × 10,000 + product or service (src/card/household.ts).
create table usage_counter (
  lane          smallint not null,
  household_id  bigint not null,
  period        integer not null,
  counter       integer not null,
  used          bigint not null check (used >= 0),
  batch_seq     bigint not null,
  primary key (lane, household_id, period, counter)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 1, autovacuum_analyze_scale_factor = 1);

-- The one-time code that a household was sent last, by what it is made of; the code itself is nowhere.
create table one_time_code (
  lane          smallint not null,
  household_id  bigint not null,
  factor        bigint not null,
  expires_at    timestamptz not null,
  tries_left    smallint not null check (tries_left >= 0),
  day           integer not null,
  sent          smallint not null check (sent >= 1),
  batch_seq     bigint not null,
  primary key (lane, household_id)
) with (fillfactor = 70);

-- Leave to draw without the verification that a programme asks for: given by two people, for a time, with a reason.
create table verification_exception (
  -- That of the request which two people agreed on.
  id            bigint primary key,
  lane          smallint not null,
  household_id  bigint not null,
  -- 0 = all programmes.
  programme     smallint not null check (programme between 0 and 99),
  from_date     integer not null,
  until_date    integer not null check (until_date >= from_date),
  reason        text not null check (length(reason) between 1 and 200),
  given_by      text not null,
  batch_seq     bigint not null,
  ended_at      timestamptz,
  ended_by      text
);
create index verification_exception_household on verification_exception (household_id) where ended_at is null;

-- What a household is to be told, written in the commit of what it tells of; delivery reads it.
create table notification (
  id            bigint generated always as identity primary key,
  lane          smallint not null,
  household_id  bigint not null,
  template      text not null check (template ~ '^[a-z][a-z0-9-]{1,47}$'),
  detail        jsonb not null default '{}',
  batch_seq     bigint not null,
  created_at    timestamptz not null
) with (autovacuum_analyze_scale_factor = 1);
alter table notification alter column detail set statistics 0, alter column template set statistics 0;

-- Biometric assertions that were used: each is good once. One is valid for minutes, so the last few of a household are
-- what has to be known; the key stands behind that.
create table assertion_use (
  lane          smallint not null,
  household_id  bigint not null,
  nonce         text not null check (nonce ~ '^[0-9a-f]{16}$'),
  used_at       timestamptz not null,
  batch_seq     bigint not null,
  primary key (household_id, nonce, lane)
);

-- Whether a transfer of settlement may debit and credit these accounts, for posting_allowed below: apart, because those kinds come
-- by night and the others with every decision.
create function settlement_posting_allowed(p_kind smallint, p_debit bigint, p_credit bigint) returns boolean
  language plpgsql immutable parallel safe as $$
declare
  v_debit constant bigint := p_debit / 100000000000;
  v_credit constant bigint := p_credit / 100000000000;
begin
  if p_kind in (42, 43, 56, 57) and p_debit % 100000000000 <> p_credit % 100000000000 then return false; end if;
  return case p_kind
    when 40 then v_debit = 8006 and v_credit = 7005
    when 41 then v_debit = 7005 and v_credit = 8006
    when 42 then v_debit in (7001, 7005) and v_credit = 7006
    when 43 then v_debit = 7006 and v_credit = 7005
    when 44 then v_debit in (7001, 7002, 7003, 7004, 7005, 7009) and v_credit = 7007
    when 45 then v_debit = 7007 and v_credit in (7001, 7002, 7003, 7004, 7005)
    when 46 then v_debit = 7007 and v_credit = 8007
    when 47 then v_debit = 8007 and v_credit = 7007
    when 48 then v_debit = 8007 and v_credit in (7002, 7003, 7004, 7009)
    when 49 then v_debit = 7007 and v_credit in (7002, 7003, 7004, 7009)
    when 50 then v_debit = 7004 and v_credit = 7008
    when 51 then v_debit = 7008 and v_credit = 7004
    when 52 then v_debit = 7008 and v_credit = 6001
    when 53 then v_debit = 6001 and v_credit = 7008
    when 54 then v_debit in (7002, 7003, 7004, 7007, 8007) and v_credit = 7010
    when 55 then v_debit = 7010 and v_credit in (7002, 7003, 7004, 7007, 8007)
    when 56 then v_debit = 8008 and v_credit = 7010
    when 57 then v_debit = 7010 and v_credit = 8008
    when 58 then v_debit = 8009 and v_credit = 8007
    when 59 then v_debit = 8007 and v_credit = 8009
    when 60 then v_debit = 8007 and v_credit in (8003, 8006)
    when 61 then v_debit = 8007 and v_credit = 8001
    when 62 then v_debit = 8001 and v_credit = 8007
    when 63 then v_debit = 8009 and v_credit = 7004
    when 64 then v_debit = 7004 and v_credit = 8009
    else false
  end;
end $$;

-- Whether a transfer of this kind may debit and credit these accounts: the rules of src/ledger/posting-rules.ts, once
-- more, where no program can get round them. Subsidy kinds keep unit and programme equal on both sides; money kinds
-- never touch a subsidy class. PL/pgSQL on purpose: an SQL function would be parsed and inlined anew for every INSERT. And
-- an expression is made ready once in each transaction, at a price for every term in it: so what most batches need stands by
-- itself, kind and classes of a subsidy as one number, which says it all while an account has no more than its 15 digits.
create function posting_allowed(p_kind smallint, p_debit bigint, p_credit bigint) returns boolean
  language plpgsql immutable parallel safe as $$
begin
  if p_kind <= 8 then
    return p_kind * 100 + p_debit / 100000000000000 * 10 + p_credit / 100000000000000
        in (131, 212, 321, 414, 515, 612, 791, 819)
      and greatest(p_debit, p_credit) < 1000000000000000 and least(p_debit, p_credit) > 0
      and (p_kind < 7 or p_debit % 100000000000 = p_credit % 100000000000)
      and (p_debit / 100000000000) % 1000 = (p_credit / 100000000000) % 1000
      and (p_debit / 100000000000) % 1000 < 300
      and (p_debit / 100000000000) % 100 > 0;
  elsif p_kind in (10, 12, 14, 20) then
    return p_debit / 100000000000 = 6001 and p_credit / 100000000000 in (7001, 7002, 7004);
  end if;
  return case
    when p_kind in (11, 19) then p_debit / 100000000000 = 6001 and p_credit / 100000000000 = 7003
    when p_kind = 13 then p_debit / 100000000000 = 6001 and p_credit / 100000000000 = 7001
    when p_kind = 15 then p_debit / 100000000000 = 6001 and p_credit / 100000000000 in (7001, 7002)
    when p_kind = 16 then p_debit / 100000000000 in (7001, 7002, 7004) and p_credit / 100000000000 = 6001
    when p_kind = 17 then p_debit / 100000000000 in (7001, 7002, 7003, 7004) and p_credit / 100000000000 = 6001
    when p_kind = 18 then p_debit / 100000000000 in (7003, 8001) and p_credit / 100000000000 = 6001
    when p_kind = 21 then p_debit / 100000000000 = 6001 and p_credit / 100000000000 = 8002
    when p_kind = 22 then p_debit / 100000000000 = 7003 and p_credit / 100000000000 = 8002
    when p_kind = 23 then p_debit / 100000000000 = 8003 and p_credit / 100000000000 = 6001
    when p_kind = 24 then p_debit / 100000000000 = 8002 and p_credit / 100000000000 = 6001
    when p_kind in (25, 26) then
      (p_kind, p_debit / 100000000000, p_credit / 100000000000) in ((25, 8004, 6001), (26, 6001, 8004))
      and p_debit % 100000000000 = p_credit % 100000000000
    when p_kind = 30 then p_debit / 100000000000 = 8005 and p_credit / 100000000000 = 6001
    when p_kind = 31 then p_debit / 100000000000 = 6001 and p_credit / 100000000000 = 8005
    when p_kind >= 40 then settlement_posting_allowed(p_kind, p_debit, p_credit)
    else false
  end;
end $$;

create table transfer (
  lane          smallint not null,
  business_date date not null,
  group_id      bigint not null,
  leg           smallint not null,
  batch_seq     bigint not null,
  kind          smallint not null,
  debit         bigint not null,
  credit        bigint not null,
  amount        bigint not null,
  period        integer not null,
  primary key (lane, group_id, leg, business_date),
  constraint transfer_posting_allowed check (posting_allowed(kind, debit, credit)),
  -- One constraint: each is read and prepared anew for every statement that inserts.
  constraint transfer_well_formed check (amount > 0 and debit <> credit and (period > 0) = (kind <= 8))
) partition by range (business_date);

-- A subsidy goes back only to the wallet and period that the original drew on (M4): never to another household, and never
-- more of it than was drawn, less what was taken back again. The trigger fires for restorations alone, which are rare;
-- every other row only has its kind looked at.
create function check_restoration() returns trigger language plpgsql as $$
declare
  v_original bigint;
  v_drawn_on date;
  v_drawn bigint;
  v_restored bigint;
begin
  -- Step by step, because each step tells the next which days it can leave out: one statement would have to set out for all
  -- that are kept. OFFSET keeps the planner from turning look-ups by a group into joins that read a whole day.
  select a.original_id into v_original from authorization_journal a
    where a.id = new.group_id and a.business_date = new.business_date;
  select sum(t.amount), min(t.business_date) into v_drawn, v_drawn_on from transfer t
    where t.lane = new.lane and t.group_id = v_original and t.business_date <= new.business_date and t.kind = 2
      and t.debit = new.credit and t.credit = new.debit and t.period = new.period;
  if v_drawn is not null then
    select sum(case t.kind when 3 then t.amount else -t.amount end) into v_restored
      from (
        select g.id, g.business_date from authorization_journal g
          where g.original_id = v_original and g.business_date >= v_drawn_on
        union all
        select u.id, u.business_date from authorization_journal g
          cross join lateral (
            select u.id, u.business_date from authorization_journal u
              where u.original_id = g.id and u.business_date >= v_drawn_on offset 0) u
          where g.original_id = v_original and g.business_date >= v_drawn_on) g
      cross join lateral (
        select t.kind, t.amount from transfer t
          where t.lane = new.lane and t.group_id = g.id and t.business_date = g.business_date
            and t.business_date >= v_drawn_on and t.kind in (3, 6) and t.period = new.period
            and new.credit in (t.credit, t.debit) offset 0) t;
  end if;
  if v_drawn is null or v_restored > v_drawn then
    raise exception 'a restoration must go back to the wallet and period that its original drew on, once'
      using errcode = 'check_violation', constraint = 'transfer_restoration_to_origin';
  end if;
  return null;
end $$;
create trigger transfer_restoration after insert on transfer
  for each row when (new.kind = 3) execute function check_restoration();

create table hold (
  lane          smallint not null,
  id            bigint not null,
  batch_seq     bigint not null,
  household_id  bigint not null,
  kind          smallint not null,
  debit         bigint not null,
  credit        bigint not null,
  amount        bigint not null,
  -- The part of it that the outlet handed out in cash with the goods.
  cashback      bigint not null,
  expires_at    timestamptz not null,
  primary key (id, lane),
  constraint hold_amounts check (amount > 0 and cashback between 0 and amount),
  constraint hold_posting_allowed check (posting_allowed(kind, debit, credit) and debit / 100000000000 = 6001)
);
create index hold_household on hold (household_id, lane);
create index hold_expiry on hold (expires_at);

-- What happened to a hold, each by an authorization or command of its own: a part was captured, a part given free. The
-- event that leaves nothing open is its ending, and there is one at most.
create table hold_event (
  lane          smallint not null,
  id            bigint not null,
  by_id         bigint not null,
  batch_seq     bigint not null,
  captured      bigint not null,
  -- Of what was captured, the cash.
  cashback      bigint not null,
  released      bigint not null,
  ending        text check (ending in ('captured', 'voided', 'expired')),
  primary key (id, by_id, lane),
  foreign key (id, lane) references hold (id, lane),
  constraint hold_event_amounts check (
    cashback between 0 and captured and released >= 0 and captured + released > 0
    and (captured = 0 or coalesce(ending, 'captured') = 'captured'))
);
create unique index hold_event_by on hold_event (by_id, lane);
create unique index hold_event_ending on hold_event (id, lane) where ending is not null;

-- What the writer keeps current in the same commit as the journal ---------------------------------------------------

-- Whether a balance row stands under its household (0 for shared accounts), and keeps its floor: what a household has is
-- never below zero, and what it owes never above. One function in PL/pgSQL, because a written-out condition is read and
-- prepared anew for every statement that writes, which was a tenth of the price of a small batch.
create function balance_allowed(p_household_id bigint, p_account bigint, p_posted bigint, p_held bigint) returns boolean
  language plpgsql immutable parallel safe as $$
declare
  v_class constant bigint := p_account / 100000000000000;
begin
  if v_class in (1, 6) then
    return p_household_id = p_account % 100000000000
      and (p_household_id = 0 or (p_held >= 0 and p_posted - p_held >= 0));
  elsif v_class = 9 or p_account / 100000000000 = 8004 then
    return p_household_id = p_account % 100000000000 and (p_household_id = 0 or (p_posted <= 0 and p_held = 0));
  end if;
  return p_household_id = 0;
end $$;

-- Per lane, so that a hot account is one row write per batch and never shared between writers; summed when read. A
-- household's balances lie side by side, by period: one look at the index brings all that a decision needs. Shared
-- accounts have household 0.
create table balance (
  lane          smallint not null,
  household_id  bigint not null,
  period        integer not null,
  account       bigint not null,
  posted        bigint not null,
  held          bigint not null,
  batch_seq     bigint not null,
  primary key (lane, household_id, period, account),
  constraint balance_allowed check (balance_allowed(household_id, account, posted, held))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 1, autovacuum_analyze_scale_factor = 1);

-- The lines of item-level baskets as they were asked for and granted, and what refunds took back of them. Quantities in
-- thousandths, prices in piasters; `counter` is the product's usage counter, null for what is not on the list, and
-- `granted_piasters` was paid from the subsidy.
create view basket_line as
  select a.lane, a.id as authorization_id, a.business_date, (e ->> 0)::smallint as line, e ->> 1 as product,
         (e ->> 2)::integer as counter, (e ->> 3)::bigint as quantity, (e ->> 4)::bigint as unit_price,
         (e ->> 5)::bigint as granted, (e ->> 6)::bigint as granted_piasters, e ->> 7 as reason, a.batch_seq
  from authorization_journal a
  cross join lateral jsonb_array_elements(a.basket::jsonb) e
  where a.basket is not null;

-- Partitions by business day: retention and clearing are then a matter of whole tables. The default partition takes a
-- day that nobody prepared; a check reports rows in it.
create table authorization_journal_default partition of authorization_journal default;
create table transfer_default partition of transfer default;

create function ensure_partitions(p_from date, p_days integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_day date;
  v_made integer := 0;
  v_table text;
  v_name text;
begin
  -- Lanes reach a new day together; the second to come finds what the first has made.
  perform pg_advisory_xact_lock(hashtext('ensure_partitions'));
  -- Whoever reads the journal for long is not waited for; the other lanes above are done soon.
  perform set_config('lock_timeout', '250ms', true);
  for v_day in select p_from + i from generate_series(0, p_days - 1) i loop
    foreach v_table in array array['authorization_journal', 'transfer'] loop
      v_name := v_table || '_' || to_char(v_day, 'YYYYMMDD');
      if to_regclass(format('%I', v_name)) is null then
        -- Rows are only added: nothing to vacuum while the day lasts, and no plan of the writer needs statistics.
        execute format('create table %I partition of %I for values from (%L) to (%L)
            with (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 1)',
          v_name, v_table, v_day, v_day + 1);
        -- A sample of 3,000 rows will do for whoever searches: one of 30,000 takes half a second beside the lanes.
        execute (select format('alter table %I ', v_name) || string_agg(
            format('alter column %I set statistics %s', attname,
              case when attname in ('answer', 'trace', 'basket', 'scheme_facts') then 0 else 10 end), ', ')
          from pg_attribute where attrelid = v_name::regclass and attnum > 0 and not attisdropped);
        v_made := v_made + 1;
      end if;
    end loop;
  end loop;
  return v_made;
end $$;
