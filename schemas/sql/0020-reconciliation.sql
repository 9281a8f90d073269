-- Reconciliation: authorizations and ledger (A) against clearing (B) against the bank (C). Runs, matches, exceptions and
-- their history. What is compared lies in the tables of the migrations before; this part moves no money by itself.

create table reconciliation_run (
  id            bigint generated always as identity primary key,
  business_date date not null,
  started_at    timestamptz not null,
  ended_at      timestamptz,
  requested_by  text not null check (length(requested_by) between 1 and 64),
  state         text not null default 'running' check (state in ('running', 'done', 'failed')),
  -- By level: what was compared, and by which rule it was matched.
  levels        jsonb not null default '{}' check (jsonb_typeof(levels) = 'object'),
  matched       bigint not null default 0 check (matched >= 0),
  found         bigint not null default 0 check (found >= 0),
  opened        bigint not null default 0 check (opened >= 0),
  resolved      bigint not null default 0 check (resolved >= 0),
  open_after    bigint not null default 0 check (open_after >= 0),
  value_at_risk_piasters bigint not null default 0 check (value_at_risk_piasters >= 0),
  words         text,
  constraint reconciliation_run_end check ((state = 'running') = (ended_at is null))
);
create index reconciliation_run_date on reconciliation_run (business_date, id);

-- src/clearing/reconciliation/rules.ts; a test holds the two to each other.
create table reconciliation_rule (
  number        smallint primary key,
  name          text not null unique,
  level         text not null check (level in ('item', 'file', 'position', 'control', 'subsidy')),
  confidence    smallint not null check (confidence between 1 and 100)
);
insert into reconciliation_rule (number, name, level, confidence) values
  (1, 'posted-item', 'item', 100), (2, 'posted-presentment', 'item', 100), (3, 'transaction-id', 'item', 100),
  (4, 'card-rrn-terminal', 'item', 95), (5, 'card-code-amount-date', 'item', 85), (6, 'card-code-date', 'item', 70),
  (8, 'reference-number', 'item', 100),
  (7, 'netted-reversal', 'item', 100), (20, 'file-totals', 'file', 100), (21, 'network-totals', 'file', 100),
  (30, 'end-to-end', 'position', 100), (31, 'our-reference', 'position', 95), (32, 'batch-booking', 'position', 95),
  (33, 'returned', 'position', 100);

-- What stands with what: 0 where a leg has no part in a rule. The same inputs give the same rows, whichever run; a row
-- keeps the run that found it first, and goes when its inputs no longer agree. As many rows as a day has items: so each
-- date has its own partition, rows are added in the order of the one index (never at random places of it), and a rule is
-- checked by its number (a foreign key would be looked up for each row).
create table reconciliation_match (
  business_date date not null,
  rule          smallint not null constraint reconciliation_match_rule check
                  (rule in (1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31, 32, 33)),
  -- A: the authorization or command whose transfers they are.
  authorization_id bigint not null default 0,
  -- C: what was instructed, and what the bank booked.
  instruction_id bigint not null default 0,
  -- B: an item of a file, or (item 0) the file.
  file_id       bigint not null default 0,
  item          bigint not null default 0,
  statement_id  bigint not null default 0,
  entry         integer not null default 0,
  amount_piasters bigint not null,
  run_id        bigint not null,
  -- Found by authorization; and where there is none by instruction, or by file.
  primary key (authorization_id, instruction_id, file_id, item, statement_id, entry, business_date)
) partition by range (business_date);

-- Makes the places for the matches of dates. Made apart and then attached: nobody who reads other dates is waited for.
create function prepare_reconciliation_matches(p_dates date[]) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_date date;
  v_table text;
  v_made integer := 0;
begin
  for v_date in select distinct d from unnest(p_dates) d order by d loop
    v_table := 'reconciliation_match_' || to_char(v_date, 'YYYYMMDD');
    if to_regclass(format('%I', v_table)) is null then
      execute format('create table %I (like reconciliation_match including defaults including constraints including indexes)
        with (autovacuum_vacuum_insert_threshold = -1)', v_table);
      execute format('alter table reconciliation_match attach partition %I for values from (%L) to (%L)', v_table, v_date, v_date + 1);
      v_made := v_made + 1;
    end if;
  end loop;
  return v_made;
end $$;

create table reconciliation_exception (
  id            bigint generated always as identity primary key,
  break         text not null check (break ~ '^[a-z][a-z-]{2,39}$'),
  -- Names what is broken: the same break is found again under the same key, and is the same exception.
  key           text not null check (length(key) between 1 and 120),
  level         text not null check (level in ('item', 'file', 'position', 'control', 'subsidy')),
  business_date date not null,
  -- The banking day on which its age begins.
  opened_on     date not null,
  state         text not null default 'open' check (state in ('open', 'assigned', 'waiting', 'resolved', 'written-off')),
  owner         text check (length(owner) between 1 and 64),
  wait_until    date,
  value_at_risk_piasters bigint not null check (value_at_risk_piasters >= 0),
  -- The account whose balance is wrong for it, and by how much, before anything was corrected: above zero = a credit too much.
  account       bigint,
  difference_piasters bigint not null default 0,
  -- What of the difference two people have moved into the suspense of its break, and what they wrote off or gave to another
  -- account for good.
  suspended_piasters bigint not null default 0,
  settled_piasters bigint not null default 0,
  -- Both sides, in words and by their numbers; never a card number.
  summary       text not null check (length(summary) between 1 and 500),
  detail        jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  opened_run    bigint not null references reconciliation_run (id),
  last_run      bigint not null references reconciliation_run (id),
  opened_at     timestamptz not null,
  closed_at     timestamptz,
  closed_by     text check (length(closed_by) between 1 and 160),
  resolution    text check (length(resolution) between 1 and 500),
  constraint reconciliation_exception_key unique (break, key),
  constraint reconciliation_exception_closed check
    ((state in ('resolved', 'written-off')) = (closed_at is not null)
     and num_nulls(closed_at, closed_by, resolution) in (0, 3)),
  constraint reconciliation_exception_wait check ((state = 'waiting') = (wait_until is not null)),
  constraint reconciliation_exception_owner check (state <> 'assigned' or owner is not null)
);
create index reconciliation_exception_open on reconciliation_exception (break, opened_on)
  where state in ('open', 'assigned', 'waiting');
create index reconciliation_exception_date on reconciliation_exception (business_date);
-- Few hold money: what was corrected for them is counted with each run.
create index reconciliation_exception_money on reconciliation_exception (business_date) where account is not null;

-- Everything that happened to an exception; rows are only added.
create table reconciliation_event (
  id            bigint generated always as identity primary key,
  exception_id  bigint not null references reconciliation_exception (id),
  at            timestamptz not null,
  actor         text not null check (length(actor) between 1 and 160),
  event         text not null check (event in ('opened', 'changed', 'reopened', 'assigned', 'commented', 'waiting',
                  'due', 'posted', 'resolved', 'written-off')),
  comment       text check (length(comment) between 1 and 500),
  detail        jsonb not null default '{}' check (jsonb_typeof(detail) = 'object')
);
create index reconciliation_event_exception on reconciliation_event (exception_id, id);
-- What was written off on a day is bounded.
create index reconciliation_event_written_off on reconciliation_event (at) where event = 'written-off';

-- What each posted run of settlement made payable of a programme: the runs of all years add up with few rows.
create table reconciliation_payable (
  business_date date not null,
  cycle         smallint not null,
  programme     smallint not null,
  payable_piasters bigint not null,
  primary key (business_date, cycle, programme)
);
-- And what the state paid for subsidies, as the banks booked it (kind 60).
create index bank_entry_funding on bank_entry (counter_account) where kind = 60;

-- Dates before a day whose matches may go: a run has compared them to its end, and nothing of them is open. What the runs
-- say stays.
create function reconciliation_match_dates_done(p_before date) returns setof date
  language sql stable security definer set search_path = public, pg_temp as $$
  select p.business_date
  from (select to_date(right(c.relname, 8), 'YYYYMMDD') as business_date
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'reconciliation_match'::regclass) p
  where p.business_date < p_before
    and exists (select from reconciliation_run r where r.business_date = p.business_date and r.state = 'done')
    and not exists (select from reconciliation_exception e
                    where e.business_date = p.business_date and e.state in ('open', 'assigned', 'waiting'))
  order by 1
$$;

-- Drops the matches of one such date. Whoever reads matches for long is not waited for: another night does it.
create function drop_reconciliation_matches(p_date date, p_before date) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if p_date not in (select reconciliation_match_dates_done(p_before)) then
    raise exception 'the matches of % are not done', p_date
      using errcode = 'check_violation', constraint = 'reconciliation_matches_done';
  end if;
  perform set_config('lock_timeout', '250ms', true);
  execute format('drop table %I', 'reconciliation_match_' || to_char(p_date, 'YYYYMMDD'));
end $$;

-- For people.
create view reconciliation_exceptions as
  select id, break, key, level, business_date, opened_on, state, owner, wait_until, value_at_risk_piasters, account,
         difference_piasters, suspended_piasters, settled_piasters, summary, detail, opened_at, closed_at, closed_by, resolution
  from reconciliation_exception;
create view reconciliation_matches as
  select m.business_date, r.name as rule, r.level, r.confidence, m.authorization_id, m.file_id, m.item, m.instruction_id,
         m.statement_id, m.entry, m.amount_piasters, m.run_id
  from reconciliation_match m join reconciliation_rule r on r.number = m.rule;
create view reconciliation_runs as
  select id, business_date, started_at, ended_at, requested_by, state, levels, matched, found, opened, resolved,
         open_after, value_at_risk_piasters, words
  from reconciliation_run;

grant select on reconciliation_run, reconciliation_rule, reconciliation_match, reconciliation_exception,
  reconciliation_event, reconciliation_payable, reconciliation_exceptions, reconciliation_matches, reconciliation_runs to mizan_app;
grant insert on reconciliation_run, reconciliation_exception, reconciliation_event, reconciliation_payable to mizan_app;
grant insert, delete on reconciliation_match to mizan_app;
revoke all on function prepare_reconciliation_matches(date[]), reconciliation_match_dates_done(date),
  drop_reconciliation_matches(date, date) from public;
grant execute on function prepare_reconciliation_matches(date[]), reconciliation_match_dates_done(date),
  drop_reconciliation_matches(date, date) to mizan_app;
grant update (ended_at, state, levels, matched, found, opened, resolved, open_after, value_at_risk_piasters, words)
  on reconciliation_run to mizan_app;
grant update (state, owner, wait_until, value_at_risk_piasters, account, difference_piasters, summary, detail, last_run,
  opened_on, closed_at, closed_by, resolution, suspended_piasters, settled_piasters) on reconciliation_exception to mizan_app;
grant select on reconciliation_exceptions, reconciliation_matches, reconciliation_runs to mizan_analyst;
