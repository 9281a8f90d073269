-- What settlement banks send: statements and notifications of our accounts, and what became of payments. A statement is taken
-- whole or not at all; its entries are booked once (transfer kinds 46 to 48, 54, 55 and 58 to 62), so that account 8007 of a
-- bank is its closing balance seen from the other side.

-- Files that were read, by what they are; a file that was refused is known by its reason and may come again.
create table bank_file (
  id            bigint generated always as identity primary key,
  file_id       bigint unique references clearing_file (id),
  name          text not null check (length(name) between 1 and 255),
  bytes         bigint not null check (bytes >= 0),
  sha256        bytea not null check (length(sha256) = 32),
  received_at   timestamptz not null default clock_timestamp(),
  received_by   text not null check (length(received_by) between 1 and 64),
  state         text not null check (state in ('read', 'refused')),
  -- As in `camt.053.001.08`; null when that could not be told.
  schema        text check (length(schema) <= 35),
  message_id    text check (length(message_id) <= 35),
  bank          integer references settlement_bank (number),
  -- Of a refused one: the line and the reason. duplicate, gap and balance also have a break of reconciliation.
  cause         text check (cause in ('format', 'account', 'duplicate', 'gap', 'balance', 'other')),
  reason        text check (length(reason) between 1 and 500),
  -- What was forgiven, by kind, with how often and where first.
  forgiven      jsonb not null default '[]' check (jsonb_typeof(forgiven) = 'array'),
  -- How often the same bytes came again, and when last; they changed nothing, or were refused for the same cause.
  repeats       integer not null default 0 check (repeats >= 0),
  repeated_at   timestamptz,
  constraint bank_file_refused check ((state = 'refused') = (cause is not null) and (cause is null) = (reason is null))
);
create unique index bank_file_once on bank_file (sha256) where state = 'read';
create unique index bank_file_refused_once on bank_file (sha256, cause) where state = 'refused';
create index bank_file_received on bank_file (received_at);

-- A page of a statement (camt.053), of a notification (054) or of an intraday report (052). Only statements are booked.
create table bank_statement (
  id            bigint generated always as identity primary key,
  -- Null within the transaction that takes it.
  file_id       bigint references clearing_file (id),
  bank_file     bigint not null references bank_file (id),
  report        text not null check (report in ('statement', 'notification', 'intraday')),
  bank          integer not null references settlement_bank (number),
  account       text not null check (length(account) between 1 and 34),
  statement_id  text not null check (length(statement_id) between 1 and 35),
  page          integer not null default 1 check (page > 0),
  last_page     boolean not null default true,
  -- Of the bank's statements of the account; it may begin again at 1 with a year.
  sequence      bigint check (sequence >= 0),
  created_at    timestamptz,
  from_at       timestamptz,
  to_at         timestamptz,
  -- Of the closing balance, else of the last booking.
  statement_date date not null,
  -- Above zero the bank owes us. Null of notifications.
  opening_piasters bigint,
  closing_piasters bigint,
  -- Booked entries; what is pending or told for information is in none of the sums.
  entries       integer not null check (entries >= 0),
  credit_piasters numeric(20) not null check (credit_piasters >= 0),
  debit_piasters numeric(20) not null check (debit_piasters >= 0),
  not_booked    integer not null default 0 check (not_booked >= 0),
  -- reading: within the transaction that takes it; stored: its postings were asked for or will be; booked: they are in the
  -- journal. Others than statements are announced.
  state         text not null check (state in ('reading', 'stored', 'booked', 'announced')),
  booked_at     timestamptz,
  -- What account 8007 had then, from the bank's side; another than the closing balance is a break.
  ledger_piasters bigint,
  constraint bank_statement_once unique (bank, account, report, statement_id, page),
  constraint bank_statement_adds_up check (
    state = 'reading' or report <> 'statement' or closing_piasters = opening_piasters + credit_piasters - debit_piasters),
  constraint bank_statement_balances check (report <> 'statement' or num_nulls(opening_piasters, closing_piasters) = 0),
  constraint bank_statement_booked check ((state = 'booked') = (num_nulls(booked_at, ledger_piasters) = 0)
    and (state <> 'announced' or report <> 'statement') and (state not in ('stored', 'booked') or report = 'statement'))
);
create index bank_statement_account on bank_statement (bank, account, report, id desc);
create index bank_statement_date on bank_statement (statement_date);
create index bank_statement_open on bank_statement (id) where state = 'stored';

-- A booking; of a batch whose payments the bank tells one by one, a row each; the charges that it has in it are a row too.
create table bank_entry (
  statement_id  bigint not null references bank_statement (id),
  -- From 1 in each statement; `entry` numbers the bank's bookings.
  number        integer not null check (number > 0),
  entry         integer not null check (entry > 0),
  -- Signed: above zero the bank credited our account. What takes a booking back (`reversal`) has the sign of its effect.
  amount_piasters bigint not null,
  status        text not null check (status in ('BOOK', 'PDNG', 'INFO', 'FUTR')),
  reversal      boolean not null default false,
  booking_date  date not null,
  value_date    date not null,
  end_to_end_id text check (length(end_to_end_id) <= 35),
  -- Reference of the bank (AcctSvcrRef), and that of the entry (NtryRef).
  reference     text check (length(reference) <= 35),
  entry_reference text check (length(entry_reference) <= 35),
  -- Of our message and its payment block, of a batch that the bank booked as one.
  message_id    text check (length(message_id) <= 35),
  payment_id    text check (length(payment_id) <= 35),
  -- Payments within, where only their number is told.
  batch_count   integer check (batch_count > 0),
  -- As `PMNT/ICDT/DMCT`, or the bank's own.
  code          text check (length(code) <= 80),
  return_reason text check (length(return_reason) <= 35),
  counterparty_account text check (length(counterparty_account) <= 34),
  text          text check (length(text) <= 500),
  -- matched: an instruction of ours; known: a rule says what it is (fees, interest, funds); suspense: nobody knows, or it is
  -- more than was instructed; announced: not booked; unmatched: not looked at.
  state         text not null check (state in ('unmatched', 'matched', 'known', 'suspense', 'announced')),
  -- How it was recognised: end-to-end, our-reference, batch-booking, returned (rules of reconciliation), charges, code, or the
  -- entry rule.
  rule          text check (length(rule) <= 40),
  -- `settlement_instruction.id`; set too when it says which one is booked wrongly.
  matched_instruction bigint,
  -- Why it stands in suspense: unknown, again (paid before), over, wrong-sign, ...
  note          text check (length(note) <= 40),
  -- Transfer kind, and the account besides 8007; what of the amount went to suspense instead.
  kind          smallint,
  counter_account bigint,
  suspense_piasters bigint not null default 0,
  suspense_account bigint,
  -- The booking of a statement that a notification announced.
  booked_statement bigint,
  booked_number integer,
  primary key (statement_id, number),
  constraint bank_entry_suspense check ((suspense_piasters <> 0) = (suspense_account is not null)),
  constraint bank_entry_kind check ((kind is null) = (counter_account is null)),
  constraint bank_entry_booked check ((booked_statement is null) = (booked_number is null))
);
create index bank_entry_instruction on bank_entry (matched_instruction) where matched_instruction is not null;
create index bank_entry_batch on bank_entry (message_id) where rule = 'batch-booking';
create index bank_entry_suspense on bank_entry (statement_id) where state = 'suspense';
create index bank_entry_announced on bank_entry (end_to_end_id) where state = 'announced' and booked_statement is null;

-- What a statement posts, summed by kind and accounts; the reference of its postings is `bank:<statement>`.
create table bank_posting (
  statement_id  bigint not null references bank_statement (id),
  number        integer not null check (number > 0),
  kind          smallint not null,
  debit         bigint not null,
  credit        bigint not null,
  amount_piasters bigint not null check (amount_piasters > 0),
  entries       integer not null check (entries > 0),
  primary key (statement_id, number)
);

-- What entries without an instruction of ours are, by who sent them or how they are called: never by their amount. Rows are
-- added; of those that fit, the one that was added last holds.
create table bank_entry_rule (
  id            bigint generated always as identity primary key,
  -- Null = of every bank.
  bank          integer references settlement_bank (number),
  field         text not null check (field in ('code', 'counterparty', 'reference', 'text')),
  -- How the field begins.
  pattern       text not null check (length(pattern) between 2 and 80),
  direction     text not null check (direction in ('credit', 'debit')),
  -- none = the rule with the same field, pattern and direction does not hold any more.
  meaning       text not null check (meaning in ('bank-fee', 'bank-interest', 'subsidy-funds', 'state-funds', 'postal-pool', 'none')),
  -- Of funds: the programme.
  programme     smallint not null default 0 check (programme between 0 and 99),
  reason        text not null check (length(reason) between 1 and 500),
  actor         text not null check (length(actor) between 1 and 64),
  at            timestamptz not null default now(),
  constraint bank_entry_rule_programme check ((meaning in ('subsidy-funds', 'state-funds')) = (programme > 0))
);

-- What a bank says became of payments: pain.002, pacs.002 and pacs.004.
create table bank_answer (
  bank_file     bigint not null references bank_file (id),
  number        integer not null check (number > 0),
  answer        text not null check (answer in ('status', 'return')),
  -- Of a whole message or payment block when there is no end-to-end id.
  message_id    text check (length(message_id) <= 35),
  payment_id    text check (length(payment_id) <= 35),
  end_to_end_id text check (length(end_to_end_id) <= 35),
  status        text check (length(status) <= 4),
  reason_code   text check (length(reason_code) <= 35),
  reason        text check (length(reason) <= 500),
  -- Of a return: what comes back.
  amount_piasters bigint check (amount_piasters > 0),
  reference     text check (length(reference) <= 35),
  matched_instruction bigint,
  -- What it made of the instruction, or why nothing; `taken` within the transaction that takes its file.
  outcome       text not null check (length(outcome) <= 80),
  -- Somebody has looked at what was open, and says what came of it; it moves no money.
  closed_at     timestamptz,
  closed_by     text check (length(closed_by) between 1 and 160),
  close_reason  text check (length(close_reason) between 1 and 500),
  primary key (bank_file, number),
  constraint bank_answer_closed check (num_nulls(closed_at, closed_by, close_reason) in (0, 3)),
  constraint bank_answer_open check (closed_at is null or outcome = 'unknown' or outcome like 'unexpected%')
);
create index bank_answer_waits on bank_answer (bank_file, number)
  where closed_at is null and (outcome = 'unknown' or outcome like 'unexpected%');
create index bank_answer_end_to_end on bank_answer (end_to_end_id) where end_to_end_id is not null;
create index bank_answer_reference on bank_answer (reference) where reference is not null;
create index bank_answer_instruction on bank_answer (matched_instruction) where answer = 'return';

-- For people.
create view bank_files as
  select id, file_id, name, bytes, encode(sha256, 'hex') as sha256, received_at, received_by, state, schema, message_id, bank,
         cause, reason, forgiven, repeats, repeated_at
  from bank_file;
create view bank_statements as select * from bank_statement;
create view bank_entries as
  select s.bank, s.account, s.report, s.statement_id as statement, s.sequence, s.statement_date, e.*
  from bank_entry e join bank_statement s on s.id = e.statement_id;
create view bank_answers as
  select a.*, f.name as file, f.received_at from bank_answer a join bank_file f on f.id = a.bank_file;

grant select on bank_file, bank_statement, bank_entry, bank_posting, bank_entry_rule, bank_answer, bank_files,
  bank_statements, bank_entries, bank_answers to mizan_app;
grant insert on bank_file, bank_statement, bank_entry, bank_posting, bank_entry_rule, bank_answer to mizan_app;
grant update (repeats, repeated_at, file_id, bank, forgiven) on bank_file to mizan_app;
grant update (state, file_id, statement_date, entries, credit_piasters, debit_piasters, not_booked, booked_at, ledger_piasters)
  on bank_statement to mizan_app;
grant update (booked_statement, booked_number) on bank_entry to mizan_app;
grant update (outcome, closed_at, closed_by, close_reason) on bank_answer to mizan_app;
grant select on bank_files, bank_statements, bank_entries, bank_answers to mizan_analyst;
