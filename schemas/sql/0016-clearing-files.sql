-- Clearing files of both directions, and what stands in those that go out.

-- A file by its kind, institution, business date, cycle and number: a correction is a file with the next number, never a
-- changed one. Its place is relative to the clearing folder.
create table clearing_file (
  id            bigint generated always as identity primary key,
  direction     text not null check (direction in ('out', 'in')),
  -- CTF and ITF: the card scheme's; SUB subsidies and OUT statements for a settlement bank; MAN manifest of a day; PAY and
  -- NET payments; ACK, STM, STS and RET what banks and networks answer.
  type          text not null check (type in ('CTF', 'ITF', 'SUB', 'OUT', 'MAN', 'PAY', 'NET', 'ACK', 'STM', 'STS', 'RET')),
  institution   text not null check (institution ~ '^[A-Z0-9]{2,11}(-[A-Z0-9]{1,6})?$'),
  business_date date not null,
  cycle         smallint not null default 1 check (cycle between 1 and 99),
  sequence      smallint not null default 1 check (sequence between 1 and 999),
  name          text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  path          text not null check (path !~ '(^/|(^|/)\.\.(/|$))'),
  state         text not null check (state in (
                  'selected', 'written', 'signed', 'released', 'delivered', 'acknowledged', 'rejected', 'superseded',
                  'received', 'processed')),
  -- Null until it is written.
  bytes         bigint check (bytes >= 0),
  sha256        bytea check (length(sha256) = 32),
  records       bigint check (records >= 0),
  items         bigint not null default 0 check (items >= 0),
  -- Sum of the absolute amounts of its items.
  gross_piasters bigint not null default 0 check (gross_piasters >= 0),
  -- What else its trailer says, by kind.
  totals        jsonb not null default '{}' check (jsonb_typeof(totals) = 'object'),
  -- Of a manifest: the hash of the one before it.
  previous_sha256 bytea check (length(previous_sha256) = 32),
  -- The file that this one corrects, which its items stood in before.
  corrects_id   bigint unique references clearing_file (id) check (corrects_id < id),
  created_at    timestamptz not null default clock_timestamp(),
  constraint clearing_file_once unique (direction, type, institution, business_date, cycle, sequence),
  constraint clearing_file_written check (state = 'selected' or num_nulls(bytes, sha256) = 0)
);
create index clearing_file_date on clearing_file (business_date, direction, type);

-- What happened to a file: rows are added, never changed.
create table clearing_file_event (
  id            bigint generated always as identity primary key,
  file_id       bigint not null references clearing_file (id),
  at            timestamptz not null default clock_timestamp(),
  actor         text not null check (length(actor) between 1 and 64),
  action        text not null check (action ~ '^[a-z][a-z-]{1,31}$'),
  from_state    text,
  to_state      text,
  detail        jsonb not null default '{}' check (jsonb_typeof(detail) = 'object')
);
create index clearing_file_event_file on clearing_file_event (file_id, id);

-- Links that ever brought the card scheme's messages: a link that was renamed does not lose what came by it.
create table clearing_rail (
  link          text primary key
);

-- Business dates whose items were taken into files, and what the ledger had of each then.
create table clearing_selection (
  business_date date primary key,
  selected_at   timestamptz not null default clock_timestamp(),
  -- Items and sums by kind of file, what the ledger says of them, and what has to be looked at.
  summary       jsonb not null check (jsonb_typeof(summary) = 'object')
);

-- The outlets of a date's items as they were known when these were taken: a file that is written again is the same.
create table clearing_outlet (
  business_date date not null,
  outlet_id     bigint not null,
  acceptor      text not null,
  name          text not null,
  category      text not null,
  governorate   text not null,
  mcc           text not null,
  fuel          text,
  -- Null: nobody knows where its money goes.
  bank          text,
  account       text,
  -- Whether it is paid through here, so that it stands in a statement; else only the card scheme's file names it.
  is_paid       boolean not null,
  primary key (business_date, outlet_id)
);

-- The outlets of a correction as they were known when it was begun: what has been mended since the file that it corrects.
create table clearing_file_outlet (
  file_id       bigint not null references clearing_file (id),
  outlet_id     bigint not null,
  name          text not null,
  account       text,
  primary key (file_id, outlet_id)
);

-- What stands in the files that go out. Of the card scheme's (programme 0) an item is what was posted for an
-- authorization, less what was taken back of it on the same date; of a subsidy file what was dispensed or taken back at an outlet.
create table clearing_item (
  business_date date not null,
  file_id       bigint not null,
  -- From 1 in each file.
  number        integer not null check (number > 0),
  lane          smallint not null,
  authorization_id bigint not null,
  -- What it completes or takes back.
  original_id   bigint,
  programme     smallint not null default 0 check (programme between 0 and 99),
  -- 05, 06, 07 and 25, 26, 27 as the card scheme has them; RD dispensed, RT taken back, RA taking back undone.
  transaction_code text not null check (transaction_code in ('05', '06', '07', '25', '26', '27', 'RD', 'RT', 'RA')),
  -- Of the card scheme's what is cleared; of a subsidy nothing, because an outlet is paid for all its quantity of a date.
  amount_piasters bigint not null check (amount_piasters >= 0),
  -- Of the amount, cash that came with goods.
  cashback_piasters bigint not null default 0 check (cashback_piasters between 0 and amount_piasters),
  outlet_id     bigint,
  -- Of a subsidy: the date of the draw (of what was taken back that of the draw it was of), units or piasters of value, and
  -- what the household paid from its account.
  entitlement_date date,
  quantity      bigint not null default 0 check (quantity >= 0),
  co_payment_piasters bigint not null default 0 check (co_payment_piasters >= 0),
  primary key (authorization_id, programme, business_date),
  constraint clearing_item_number unique (file_id, number, business_date),
  constraint clearing_item_subsidy check ((programme > 0) = (transaction_code in ('RD', 'RT', 'RA'))
    and (programme > 0) = (quantity > 0) and (programme = 0 or amount_piasters = 0 and entitlement_date is not null))
) partition by range (business_date);

-- Items of a date while they are taken, part by part: they stand in a table of their own, which nobody reads before it becomes
-- the partition of the date, with the last part.
create table clearing_draft (
  business_date date primary key,
  -- What its items depend on beside the ledger: where that is another by now, it is begun anew.
  plan          jsonb not null check (jsonb_typeof(plan) = 'object'),
  -- Its files in their order, each with the id that it will have.
  files         jsonb not null check (jsonb_typeof(files) = 'array'),
  -- Authorizations up to this one are taken; null before the first.
  taken_to      bigint,
  network_items bigint not null default 0,
  network_piasters bigint not null default 0,
  subsidy_items bigint not null default 0
);

-- Makes the place for a date's items, which come once, and gives its files their ids. What was taken for another plan goes.
create function begin_clearing_items(p_date date, p_plan jsonb, p_files jsonb) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_table text := 'clearing_item_' || to_char(p_date, 'YYYYMMDD');
begin
  if exists (select from clearing_selection where business_date = p_date)
     or exists (select from pg_inherits where inhrelid = to_regclass(v_table)) then
    raise exception 'the items of % were selected before', p_date
      using errcode = 'check_violation', constraint = 'clearing_selection_once';
  end if;
  execute format('drop table if exists %I', v_table);
  delete from clearing_draft where business_date = p_date;
  -- It is known to have rows of the date alone, so that nothing is read through when it becomes the partition.
  execute format('create table %I (like clearing_item including defaults including constraints including indexes,
      constraint clearing_item_of_date check (business_date is not null and business_date >= %L and business_date < %L))
      with (autovacuum_vacuum_insert_threshold = -1)', v_table, p_date, p_date + 1);
  execute format('grant select, insert on %I to mizan_app', v_table);
  insert into clearing_draft (business_date, plan, files)
    select p_date, p_plan, coalesce(jsonb_agg(f.file || jsonb_build_object('id', f.id) order by f.id), '[]')
    from (
      select e.file, nextval(pg_get_serial_sequence('clearing_file', 'id')) as id
      from jsonb_array_elements(p_files) with ordinality e(file, ordinal) order by e.ordinal) f;
end $$;

-- The items that were taken become those of their date. Short: nothing is read or written of them.
create function finish_clearing_items(p_date date) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_table text := 'clearing_item_' || to_char(p_date, 'YYYYMMDD');
begin
  delete from clearing_draft where business_date = p_date;
  if not found then
    raise exception 'no items of % are being taken', p_date
      using errcode = 'check_violation', constraint = 'clearing_selection_begun';
  end if;
  execute format('alter table clearing_item attach partition %I for values from (%L) to (%L)', v_table, p_date, p_date + 1);
  execute format('alter table %I drop constraint clearing_item_of_date', v_table);
  execute format('revoke all on %I from mizan_app', v_table);
end $$;

-- The items of a file go over to the one that corrects it: each stands in one file, whatever was corrected.
create function move_clearing_items(p_from bigint, p_to bigint) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_moved bigint;
  v_date date;
begin
  select f.business_date into v_date
    from clearing_file f join clearing_file o on o.id = f.corrects_id
    where f.id = p_to and o.id = p_from and f.state = 'selected' and o.state = 'superseded' and f.direction = 'out'
      and (f.type, f.institution, f.business_date) = (o.type, o.institution, o.business_date);
  if not found then
    raise exception 'file % is no correction of file % that waits for its items', p_to, p_from
      using errcode = 'check_violation', constraint = 'clearing_item_correction';
  end if;
  update clearing_item set file_id = p_to where file_id = p_from and business_date = v_date;
  get diagnostics v_moved = row_count;
  return v_moved;
end $$;

-- Without figures on what was selected, whoever reads it would be planned as if there were a handful.
create function analyze_clearing_items(p_date date) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  execute format('analyze %I', 'clearing_item_' || to_char(p_date, 'YYYYMMDD'));
  analyze clearing_outlet;
end $$;

create view clearing_files as
  select id, direction, type, institution, business_date, cycle, sequence, name, state, bytes, encode(sha256, 'hex') as sha256,
         records, items, gross_piasters, totals, encode(previous_sha256, 'hex') as previous_sha256, created_at
  from clearing_file;
create view clearing_items as
  select i.business_date, f.name as file, f.type, i.number, i.lane, i.authorization_id, i.original_id, i.programme,
         i.transaction_code, i.amount_piasters, i.cashback_piasters, i.outlet_id, i.entitlement_date, i.quantity, i.co_payment_piasters
  from clearing_item i join clearing_file f on f.id = i.file_id;

grant select on clearing_file, clearing_file_event, clearing_rail, clearing_selection, clearing_draft, clearing_outlet,
  clearing_file_outlet, clearing_item, clearing_files, clearing_items to mizan_app;
grant insert on clearing_file, clearing_file_event, clearing_rail, clearing_selection, clearing_outlet, clearing_file_outlet,
  clearing_item to mizan_app;
grant update (taken_to, network_items, network_piasters, subsidy_items) on clearing_draft to mizan_app;
grant update (state, bytes, sha256, records, items, gross_piasters, totals, previous_sha256) on clearing_file to mizan_app;
grant select on clearing_files, clearing_items to mizan_analyst;
revoke all on function begin_clearing_items(date, jsonb, jsonb), finish_clearing_items(date), analyze_clearing_items(date),
  move_clearing_items(bigint, bigint) from public;
grant execute on function begin_clearing_items(date, jsonb, jsonb), finish_clearing_items(date), analyze_clearing_items(date),
  move_clearing_items(bigint, bigint) to mizan_app;
