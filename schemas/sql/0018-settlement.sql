-- Settlement: whom the institution pays or collects from, and when; what was redeemed and is payable for it; what is
-- instructed to which bank, and what became of it. Money itself moves in the journal alone (transfer kinds 40 to 49).

-- Master data: rows are added and never changed; of those whose date has come the one with the latest date holds, of one
-- date the one that was added last.

create table settlement_bank (
  -- Owner of the accounts 7007 and 8007.
  number        integer primary key check (number between 1 and 99999),
  -- As `outlet_detail.settlement_bank` has it.
  code          text not null unique check (code ~ '^[A-Z0-9]{2,11}$')
);

create table settlement_bank_term (
  id            bigint generated always as identity primary key,
  bank          integer not null references settlement_bank (number),
  from_date     date not null,
  bic           text not null check (bic ~ '^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$'),
  name          text not null check (name ~ '^[A-Za-z0-9/?:().,''+ -]{1,70}$'),
  -- Ours there: what its statement is of.
  account       text not null check (account ~ '^[A-Z0-9]{4,34}$'),
  reason        text not null check (length(reason) between 1 and 500),
  actor         text not null check (length(actor) between 1 and 64),
  at            timestamptz not null default now()
);
create index settlement_bank_term_bank on settlement_bank_term (bank, from_date, id);

create table settlement_institution_term (
  id            bigint generated always as identity primary key,
  kind          text not null check (kind in ('acquirer', 'scheme', 'post', 'wholesaler')),
  -- Owner of its accounts: of an acquirer its number in DE32, of a post office its outlet. Scheme 0 settles for every
  -- owner of 7004 that is no scheme of its own.
  institution   bigint not null check (institution between 0 and 99999999999),
  from_date     date not null,
  name          text not null check (name ~ '^[A-Za-z0-9/?:().,''+ -]{1,70}$'),
  bank          integer not null references settlement_bank (number),
  -- Its own account there.
  account       text check (account ~ '^[A-Z0-9]{4,34}$'),
  reason        text not null check (length(reason) between 1 and 500),
  actor         text not null check (length(actor) between 1 and 64),
  at            timestamptz not null default now(),
  constraint settlement_wholesaler_account check (kind <> 'wholesaler' or account is not null)
);
create index settlement_institution_term_key on settlement_institution_term (kind, institution, from_date, id);

-- When outlets of a category are paid. Without a row: each business date, nothing held back, at their bank.
create table payout_cycle_term (
  id            bigint generated always as identity primary key,
  category      text not null check (category in ('bakery', 'grocer', 'depot', 'health', 'shop', 'atm', 'post')),
  -- '' = everywhere; a row for a governorate goes before.
  governorate   text not null default '' check (governorate ~ '^[A-Z]{0,3}$'),
  from_date     date not null,
  frequency     text not null check (frequency in ('daily', 'weekly', 'monthly')),
  -- Weekly: 0 Sunday to 6 Saturday. Monthly: day of the month, or its last day when it is shorter.
  day           smallint not null default 0 check (day between 0 and 31),
  holdback_permille smallint not null default 0 check (holdback_permille between 0 and 500),
  release_days  smallint not null default 0 check (release_days between 0 and 366),
  -- The wholesaler whose invoices what is due to these outlets is set off against; null = paid to the outlets' accounts.
  wholesaler    bigint check (wholesaler between 0 and 99999999999),
  reason        text not null check (length(reason) between 1 and 500),
  actor         text not null check (length(actor) between 1 and 64),
  at            timestamptz not null default now(),
  constraint payout_cycle_day check (
    case frequency when 'daily' then day = 0 when 'weekly' then day <= 6 else day between 1 and 31 end),
  constraint payout_cycle_release check ((holdback_permille = 0) = (release_days = 0))
);
create index payout_cycle_term_key on payout_cycle_term (category, governorate, from_date, id);

create function settlement_banks_on(p_date date)
  returns table (number integer, code text, bic text, name text, account text)
  language sql stable as $$
  select b.number, b.code, t.bic, t.name, t.account
  from settlement_bank b
  cross join lateral (select * from settlement_bank_term t where t.bank = b.number and t.from_date <= p_date
                      order by t.from_date desc, t.id desc limit 1) t;
$$;

create function settlement_institutions_on(p_date date)
  returns table (kind text, institution bigint, name text, bank integer, account text)
  language sql stable as $$
  select distinct on (t.kind, t.institution) t.kind, t.institution, t.name, t.bank, t.account
  from settlement_institution_term t where t.from_date <= p_date
  order by t.kind, t.institution, t.from_date desc, t.id desc;
$$;

create function payout_cycles_on(p_date date)
  returns table (category text, governorate text, frequency text, day smallint, holdback_permille smallint,
                 release_days smallint, wholesaler bigint)
  language sql stable as $$
  select distinct on (t.category, t.governorate) t.category, t.governorate, t.frequency, t.day, t.holdback_permille,
         t.release_days, t.wholesaler
  from payout_cycle_term t where t.from_date <= p_date
  order by t.category, t.governorate, t.from_date desc, t.id desc;
$$;

-- Outlets whose payouts stop: after a payment came back, until their bank data are others; or by people, until they lift it.
create table payout_suspension (
  id            bigint generated always as identity primary key,
  outlet_id     bigint not null references outlet (id),
  cause         text not null check (cause in ('returned', 'rejected', 'held')),
  -- The payment, and where it went.
  end_to_end_id text,
  bank_code     text,
  account       text,
  reason        text not null check (length(reason) between 1 and 500),
  actor         text not null check (length(actor) between 1 and 64),
  at            timestamptz not null default now(),
  ended_at      timestamptz,
  ended_by      text,
  constraint payout_suspension_ended check ((ended_at is null) = (ended_by is null))
);
create unique index payout_suspension_open on payout_suspension (outlet_id, cause) where ended_at is null;

-- Runs -------------------------------------------------------------------------------------------------------------

-- One run covers all business dates since the one before: as a rule one. A further cycle of a date pays what became
-- payable meanwhile.
create table settlement_run (
  business_date date not null,
  cycle         smallint not null check (cycle between 1 and 99),
  covers_from   date not null,
  value_date    date not null,
  -- computed: the rows below are there; posted: the journal has them; written: so are the files; released: two people let
  -- the files go.
  state         text not null check (state in ('computed', 'posted', 'written', 'released')),
  totals        jsonb not null default '{}',
  computed_at   timestamptz not null default now(),
  released_at   timestamptz,
  -- Who asked for it and who agreed.
  released_by   text,
  primary key (business_date, cycle),
  constraint settlement_run_dates check (covers_from <= business_date and value_date > business_date),
  constraint settlement_run_released check ((released_at is null) = (state <> 'released') and (released_at is null) = (released_by is null))
);

-- What the state owes an outlet for what it gave out of a programme on an entitlement date, by the tariff of that date.
create table settlement_payable (
  business_date date not null,
  cycle         smallint not null,
  outlet_id     bigint not null,
  programme     smallint not null check (programme between 1 and 99),
  -- That of the draw; of what was given back, that of the draw that it gives back.
  entitlement_date date not null,
  unit          text not null check (unit in ('EGP', 'LOAF', 'KG')),
  -- Below zero where more was given back than drawn.
  quantity      bigint not null check (quantity <> 0),
  -- Version of the programme that decided on the date, and the step of its tariff; null = it has none for the outlet.
  tariff_version integer,
  tariff_from   date,
  piasters_per_unit bigint,
  permille_of_value integer,
  -- What the holders paid for it, in cash or from their account.
  co_payment_piasters bigint not null,
  payable_piasters bigint not null,
  primary key (business_date, cycle, outlet_id, programme, entitlement_date),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle),
  constraint settlement_payable_tariff check (
    num_nonnulls(piasters_per_unit, permille_of_value) = case when tariff_from is null then 0 else 1 end
    and (tariff_from is not null or payable_piasters = 0))
);
create index settlement_payable_outlet on settlement_payable (outlet_id, business_date);

-- What is due on each account of kinds 7001 to 7005 after a run, and how it came to that. Above zero we owe it.
create table settlement_due (
  business_date date not null,
  cycle         smallint not null,
  account       bigint not null,
  opening       bigint not null,
  -- What the journal posted on the dates covered; of 7005, the payables.
  added         bigint not null,
  -- Of instructions that came to nothing.
  restored      bigint not null default 0,
  -- Out of what was held back.
  released      bigint not null default 0,
  held          bigint not null default 0,
  -- Above zero: we pay.
  instructed    bigint not null default 0,
  closing       bigint not null,
  -- Of the closing, what was released out of holdbacks: it is not held back again.
  freed         bigint not null default 0,
  -- Why something stays.
  note          text check (note in ('cycle', 'suspended', 'no-account', 'no-bank', 'no-institution', 'owes', 'nets-to-zero')),
  primary key (business_date, cycle, account),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle),
  constraint settlement_due_adds_up check (closing = opening + added + restored + released - held - instructed)
);
create index settlement_due_account on settlement_due (account, business_date);
-- What waits for people is little of it.
create index settlement_due_blocked on settlement_due (business_date)
  where note in ('suspended', 'no-account', 'no-bank', 'no-institution');

create table settlement_holdback (
  business_date date not null,
  cycle         smallint not null,
  outlet_id     bigint not null,
  -- Taken from 7001 and from 7005; it is released to 7005.
  purchases_piasters bigint not null check (purchases_piasters >= 0),
  subsidy_piasters bigint not null check (subsidy_piasters >= 0),
  -- The first business date whose run releases it.
  release_on    date not null,
  released_date date,
  released_cycle smallint,
  primary key (business_date, cycle, outlet_id),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle),
  foreign key (released_date, released_cycle) references settlement_run (business_date, cycle),
  constraint settlement_holdback_amount check (purchases_piasters + subsidy_piasters > 0)
);
create index settlement_holdback_open on settlement_holdback (release_on) where released_date is null;
create index settlement_holdback_released on settlement_holdback (released_date, released_cycle);

-- Net position per institution: what it gets less what it pays.
create table settlement_position (
  business_date date not null,
  cycle         smallint not null,
  institution_kind text not null check (institution_kind in ('bank', 'acquirer', 'scheme', 'post', 'wholesaler')),
  institution   bigint not null,
  -- Its settlement bank; of a bank itself.
  bank          integer not null references settlement_bank (number),
  credit_piasters bigint not null check (credit_piasters >= 0),
  debit_piasters bigint not null check (debit_piasters >= 0),
  net_piasters  bigint not null,
  -- Outlets of a bank or wholesaler, accounts of the others.
  parts         integer not null,
  primary key (business_date, cycle, institution_kind, institution),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle),
  constraint settlement_position_net check (net_piasters = credit_piasters - debit_piasters)
);

create table settlement_instruction (
  id            bigint generated always as identity primary key,
  business_date date not null,
  cycle         smallint not null,
  end_to_end_id text not null unique check (end_to_end_id ~ '^[A-Z0-9-]{1,35}$'),
  uetr          uuid not null unique,
  kind          text not null check (kind in ('pain.001', 'pacs.009')),
  -- repayment: what came back goes once more; offset: to a wholesaler for its outlets; net: of an institution.
  purpose       text not null check (purpose in ('payout', 'repayment', 'offset', 'net')),
  direction     text not null check (direction in ('pay', 'collect')),
  -- Whose account of ours is debited or credited.
  bank          integer not null references settlement_bank (number),
  outlet_id     bigint references outlet (id),
  institution_kind text,
  institution   bigint,
  -- As they were when it was made.
  bank_code     text not null,
  bank_bic      text not null,
  bank_name     text not null,
  our_account   text not null,
  party_name    text not null,
  party_account text,
  -- Of the bank that is to get it, or to give it.
  party_bic     text not null,
  amount_piasters bigint not null check (amount_piasters > 0),
  value_date    date not null,
  -- `clearing_file.id`.
  file_id       bigint,
  -- The one that came to nothing, or a part of it that came back, and that this one stands for.
  replaces      text references settlement_instruction (end_to_end_id),
  state         text not null check (state in ('prepared', 'released', 'sent', 'accepted', 'settled', 'rejected', 'returned', 'cancelled')),
  -- The bank said that it is done (ACSC): only a return undoes it.
  is_confirmed  boolean not null default false,
  -- ISO code of the bank, such as AC04.
  reason_code   text check (reason_code ~ '^[A-Z0-9]{1,4}$'),
  reason        text check (length(reason) <= 500),
  -- The last run that took it up again, of one that came to nothing; none while something that came back waits to be taken up.
  restored_date date,
  restored_cycle smallint,
  -- What of it runs took up: what a bank sends back in parts is paid again in parts.
  restored_piasters bigint not null default 0 check (restored_piasters between 0 and amount_piasters),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle),
  constraint settlement_instruction_party check (
    (outlet_id is not null) = (purpose in ('payout', 'repayment'))
    and (institution is null) = (institution_kind is null)
    and num_nonnulls(outlet_id, institution) = 1),
  constraint settlement_instruction_direction check (direction = 'pay' or purpose = 'net'),
  constraint settlement_instruction_restored check ((restored_date is null) = (restored_cycle is null))
);
create index settlement_instruction_run on settlement_instruction (business_date, cycle, kind, bank, end_to_end_id);
create index settlement_instruction_outlet on settlement_instruction (outlet_id, business_date) where outlet_id is not null;
create index settlement_instruction_open on settlement_instruction (state, business_date)
  where state in ('prepared', 'released', 'sent', 'accepted');
create index settlement_instruction_failed on settlement_instruction (state)
  where state in ('rejected', 'returned', 'cancelled') and restored_date is null;
create index settlement_instruction_replaces on settlement_instruction (replaces) where replaces is not null;
create index settlement_instruction_file on settlement_instruction (file_id) where file_id is not null;

-- What a run took up of an instruction that came to nothing, or of which something came back.
create table settlement_restoration (
  instruction_id bigint not null references settlement_instruction (id),
  business_date date not null,
  cycle         smallint not null,
  piasters      bigint not null check (piasters > 0),
  primary key (instruction_id, business_date, cycle),
  foreign key (business_date, cycle) references settlement_run (business_date, cycle)
);

-- The accounts that an instruction clears, 7001 to 7005 and 7009: above zero we pay what stands on it.
create table settlement_instruction_line (
  instruction_id bigint not null references settlement_instruction (id),
  account       bigint not null,
  piasters      bigint not null check (piasters <> 0),
  primary key (instruction_id, account)
);
create index settlement_instruction_line_account on settlement_instruction_line (account);

-- What became of an instruction, step by step.
create table settlement_instruction_event (
  id            bigint generated always as identity primary key,
  instruction_id bigint not null references settlement_instruction (id),
  at            timestamptz not null default now(),
  state         text not null,
  -- Who or which message, such as `pain.002 MSG-1`.
  source        text not null check (length(source) between 1 and 128),
  reason_code   text,
  reason        text check (length(reason) <= 500),
  -- Of the postings that go with it.
  posting_reference text,
  -- At the bank, signed: below zero it left our account.
  piasters      bigint
);
create index settlement_instruction_event_instruction on settlement_instruction_event (instruction_id, id);

-- An instruction file is released and delivered as every clearing file; what stands in it goes along.
create function settlement_file_moved() returns trigger language plpgsql as $$
declare
  v_state text := case when new.state = 'released' then 'released' else 'sent' end;
begin
  with moved as (
    update settlement_instruction i set state = v_state
    where i.file_id = new.id and (i.state = 'prepared' or (v_state = 'sent' and i.state = 'released')) returning i.id)
  insert into settlement_instruction_event (instruction_id, state, source)
    select id, v_state, 'file ' || new.name from moved;
  update settlement_run r set state = 'released', released_at = clock_timestamp(),
    released_by = left(coalesce((select c.maker || ' + ' || c.checker from clearing_release c
                                 where new.id = any (c.file_ids) order by c.id desc limit 1), session_user), 200)
  where r.business_date = new.business_date and r.cycle = new.cycle and r.state = 'written'
    and not exists (select from settlement_instruction i where i.business_date = r.business_date and i.cycle = r.cycle
                    and i.state = 'prepared');
  return null;
end $$;
create trigger settlement_file_moved after update of state on clearing_file
  for each row when (new.direction = 'out' and new.type in ('PAY', 'NET') and old.state <> new.state
                     and new.state in ('released', 'delivered', 'acknowledged'))
  execute function settlement_file_moved();

-- Work on a business date that people ask for over HTTP. It takes minutes of a large date: the process that runs jobs does it.
create table clearing_request (
  id            bigint generated always as identity primary key,
  kind          text not null check (kind in ('file-correction', 'file-signature', 'file-verification', 'settlement-run', 'reconciliation')),
  business_date date not null,
  -- Of a run of settlement.
  cycle         smallint check (cycle between 1 and 99),
  -- The correction that is to be written, or the file that is to be signed again.
  file_id       bigint references clearing_file (id),
  -- Why a file is signed again: it goes into its history when it is.
  reason        text check (length(reason) between 1 and 500),
  asked_by      text not null check (length(asked_by) between 1 and 160),
  asked_at      timestamptz not null default clock_timestamp(),
  attempts      integer not null default 0 check (attempts >= 0),
  state         text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
  ended_at      timestamptz,
  -- What came of it, or of the last attempt.
  words         text check (length(words) between 1 and 500),
  constraint clearing_request_cycle check ((kind = 'settlement-run') = (cycle is not null)),
  constraint clearing_request_file check ((kind in ('file-correction', 'file-signature')) = (file_id is not null)),
  constraint clearing_request_reason check ((kind = 'file-signature') = (reason is not null)),
  constraint clearing_request_end check ((state = 'waiting') = (ended_at is null) and (state = 'waiting' or words is not null))
);
-- Asked for twice, it is one.
create unique index clearing_request_waiting on clearing_request (kind, business_date, coalesce(cycle, 0), coalesce(file_id, 0))
  where state = 'waiting';
grant select, insert on clearing_request to mizan_app;
grant update (attempts, state, ended_at, words) on clearing_request to mizan_app;

-- For people and reports --------------------------------------------------------------------------------------------

create view settlement_banks as
  select b.number, b.code, t.bic, t.name, t.account,
         exists (select from settlement_institution_term i where i.bank = b.number) as serves_institutions
  from settlement_bank b
  cross join lateral (select * from settlement_bank_term t where t.bank = b.number
                        and t.from_date <= (now() at time zone 'Africa/Cairo')::date
                      order by t.from_date desc, t.id desc limit 1) t;

create view settlement_runs as select * from settlement_run;
create view settlement_payables as select * from settlement_payable;
create view settlement_dues as
  select d.*, k.name as account_name, d.account % 100000000000 as owner
  from settlement_due d join account_kind k on k.kind = d.account / 100000000000;
create view settlement_positions as select * from settlement_position;
create view settlement_instructions as
  select id, business_date, cycle, end_to_end_id, uetr, kind, purpose, direction, bank, bank_code, outlet_id,
         institution_kind, institution, party_name,
         left(party_account, 4) || '...' || right(party_account, 4) as party_account, amount_piasters, value_date, file_id,
         replaces, state, reason_code, reason
  from settlement_instruction;

grant select on settlement_bank, settlement_bank_term, settlement_institution_term, payout_cycle_term, payout_suspension,
  settlement_run, settlement_payable, settlement_due, settlement_holdback, settlement_position, settlement_instruction,
  settlement_instruction_line, settlement_instruction_event, settlement_banks, settlement_runs, settlement_payables,
  settlement_dues, settlement_positions, settlement_instructions to mizan_app;
grant insert on settlement_bank, settlement_bank_term, settlement_institution_term, payout_cycle_term, payout_suspension,
  settlement_run, settlement_payable, settlement_due, settlement_holdback, settlement_position, settlement_instruction,
  settlement_instruction_line, settlement_instruction_event to mizan_app;
grant update (ended_at, ended_by) on payout_suspension to mizan_app;
grant update (state, totals, released_at, released_by) on settlement_run to mizan_app;
grant update (released_date, released_cycle) on settlement_holdback to mizan_app;
grant update (state, file_id, is_confirmed, reason_code, reason, restored_date, restored_cycle, restored_piasters) on settlement_instruction
  to mizan_app;
grant select, insert on settlement_restoration to mizan_app;
revoke all on function settlement_file_moved(), settlement_banks_on(date), settlement_institutions_on(date), payout_cycles_on(date) from public;
grant execute on function settlement_file_moved(), settlement_banks_on(date), settlement_institutions_on(date), payout_cycles_on(date) to mizan_app;
grant select on settlement_banks, settlement_runs, settlement_payables, settlement_dues, settlement_positions,
  settlement_instructions to mizan_analyst;
