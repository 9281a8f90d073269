-- What the card network sends for clearing, and what becomes of it (docs/network-clearing.md). A row of `network_item` is a
-- transaction of an incoming file: what it says, what it matched and by which rule, and what was posted for it. The money is
-- posted by the lane's writer alone (command `presentment`), so that a row here only says what the journal holds.

create table network_item (
  file_id       bigint not null references clearing_file (id),
  -- Of the transaction within the file, from 1; and the record that it begins with.
  number        integer not null check (number > 0),
  record        bigint not null check (record > 0),
  transaction_code text not null check (transaction_code ~ '^[0-9]{2}$'),
  usage         text not null default '1' check (usage ~ '^[0-9]$'),
  -- Acquirer reference number, 23 digits; '' for transactions that have none.
  arn           text not null default '' check (arn ~ '^([0-9]{23})?$'),
  -- Of the card, where it is one of ours.
  lane          smallint,
  household_id  bigint,
  card_id       bigint,
  pan_masked    text not null default '',
  transaction_id text not null default '',
  authorization_code text not null default '',
  -- Film locator of the ARN: the RRN's last eleven digits, where the acquirer does as ours do.
  rrn           text not null default '',
  terminal      text not null default '',
  acceptor      text not null default '',
  mcc           text not null default '',
  amount_piasters bigint not null default 0 check (amount_piasters >= 0),
  currency      text not null default '',
  purchase_date date,
  clearing_sequence smallint not null default 1 check (clearing_sequence between 1 and 99),
  clearing_count smallint not null default 1 check (clearing_count between 1 and 99),
  -- The network's reason: of a chargeback, a return, a fee.
  reason_code   text not null default '',
  -- How it was matched: name of the rule and how sure it is, per cent; and what it came to.
  rule          text,
  confidence    smallint check (confidence between 0 and 100),
  outcome       text check (outcome in ('exact', 'partial', 'multiple', 'within-tolerance', 'over-tolerance', 'posted-before', 'expired-hold', 'forced',
                                        'credit', 'reversal', 'representment', 'fee', 'acknowledgement', 'total', 'return')),
  flags         text[] not null default '{}',
  -- What it matched: an authorization of the journal, or of a reversal the presentment.
  authorization_id bigint,
  authorization_date date,
  -- The command that posts it, in the inbox of its lane.
  command_id    bigint,
  -- The row of the journal that holds its money: its own, or that of the message which had posted it before.
  posted_id     bigint,
  -- Postings that are no household's (fees, disputes): their reference.
  posting_reference text check (length(posting_reference) between 1 and 64),
  state         text not null check (state in ('posting', 'matched', 'forced', 'exception', 'duplicate', 'rejected', 'disputed', 'noted')),
  -- Why, by a stable name, and in words.
  reason        text check (reason ~ '^[a-z][a-z-]{1,39}$'),
  detail        text check (length(detail) between 1 and 300),
  -- Business date of the posting; of an item that posts nothing, of the day on which it was dealt with.
  business_date date,
  at            timestamptz not null default clock_timestamp(),
  primary key (file_id, number),
  constraint network_item_card check (num_nulls(lane, household_id, card_id) in (0, 3)),
  constraint network_item_rule check ((rule is null) = (confidence is null)),
  constraint network_item_why check (state not in ('exception', 'duplicate', 'rejected') or reason is not null),
  constraint network_item_end check (state = 'posting' or business_date is not null)
);
-- An item is posted once, whatever file brings it again.
create unique index network_item_once on network_item (arn, transaction_code, usage, clearing_sequence)
  where arn <> '' and state not in ('duplicate', 'rejected');
create index network_item_authorization on network_item (authorization_id) where authorization_id is not null;
create index network_item_posted on network_item (posted_id) where posted_id is not null;
create index network_item_open on network_item (file_id, number) where state = 'posting';
create index network_item_business_date on network_item (business_date, state);

-- What a row says of the network never changes; an end stays, but for a dispute.
create function network_item_life() returns trigger language plpgsql as $$
begin
  if (old.file_id, old.number, old.transaction_code, old.usage, old.arn, old.amount_piasters, old.currency, old.clearing_sequence)
     is distinct from (new.file_id, new.number, new.transaction_code, new.usage, new.arn, new.amount_piasters, new.currency, new.clearing_sequence)
     or (old.posted_id is not null and new.posted_id is distinct from old.posted_id)
     or (old.state <> 'posting' and new.state <> old.state and new.state not in ('disputed', 'posting')
         and not (old.state = 'disputed' and new.state in ('matched', 'forced', 'exception')))
     or (new.state = 'posting' and old.state not in ('posting', 'exception')) then
    raise exception 'item % of file % is % and cannot become %', old.number, old.file_id, old.state, new.state
      using errcode = 'check_violation', constraint = 'network_item_life';
  end if;
  return new;
end $$;
create trigger network_item_life before update on network_item for each row execute function network_item_life();

-- The network's own totals (TC 46): what it says it settles.
create table network_total (
  file_id       bigint not null references clearing_file (id),
  number        integer not null,
  -- V2 = net by mode and amount type; V4 = by dimensions, with counts and amounts of its own.
  report        text not null check (report in ('V2', 'V4')),
  settlement_date date,
  -- acquirer, issuer, other, total
  mode          text not null,
  -- interchange, fee, charge, total; of V4 the kind of business.
  amount_type   text not null,
  currency      text not null,
  items         bigint not null default 0,
  credit_piasters bigint not null,
  debit_piasters bigint not null,
  -- Signed: above zero is due to us.
  net_piasters  bigint not null,
  -- Fields as they came.
  detail        jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  primary key (file_id, number)
);

-- Our own items that the network sent back (TC 01 to 03).
create table network_return (
  file_id       bigint not null references clearing_file (id),
  number        integer not null,
  original_transaction_code text not null,
  -- Of our own file: date and number of the batch, number of the item in it.
  batch_date    date,
  batch_number  integer,
  item_number   integer,
  reasons       text[] not null,
  amount_piasters bigint not null,
  -- The item of ours, where it was found.
  out_file_id   bigint,
  out_number    bigint,
  primary key (file_id, number)
);

-- Files that were refused whole; nothing of them is anywhere else.
create table network_file_refusal (
  id            bigint generated always as identity primary key,
  name          text not null check (length(name) between 1 and 200),
  bytes         bigint not null,
  sha256        text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  code          text not null check (code in ('unreadable', 'unbalanced', 'repeated', 'out-of-sequence', 'not-for-us')),
  reason        text not null check (length(reason) between 1 and 500),
  at            timestamptz not null default clock_timestamp()
);
create index network_file_refusal_at on network_file_refusal (at);

-- Disputes ----------------------------------------------------------------------------------------------------------

create table dispute (
  id            bigint generated always as identity primary key,
  file_id       bigint not null,
  number        integer not null,
  lane          smallint not null,
  household_id  bigint not null,
  card_id       bigint not null,
  arn           text not null check (arn ~ '^[0-9]{23}$'),
  -- Of the chargeback: 15, 16 or 17.
  transaction_code text not null check (transaction_code in ('15', '16', '17')),
  amount_piasters bigint not null check (amount_piasters > 0),
  reason_code   text not null check (reason_code ~ '^[0-9]{2}$'),
  reason        text not null check (length(reason) between 1 and 200),
  -- Whether the disputed item is posted: then the chargeback is too.
  posted        boolean not null,
  state         text not null check (state in ('raised', 'sent', 'represented', 'accepted', 'lost', 'withdrawn')),
  -- Whether the household has its money back; a credit is provisional until the dispute is accepted.
  credited      boolean not null default false,
  raised_by     text not null check (length(raised_by) between 1 and 64),
  approved_by   text not null check (length(approved_by) between 1 and 64),
  raised_at     timestamptz not null,
  -- The network's last day for an answer; without one the dispute can be accepted.
  respond_by    date not null,
  ended_at      timestamptz,
  foreign key (file_id, number) references network_item (file_id, number),
  constraint dispute_people check (raised_by <> approved_by),
  constraint dispute_end check ((state in ('accepted', 'lost', 'withdrawn')) = (ended_at is not null)),
  constraint dispute_credit check (state not in ('lost', 'withdrawn') or not credited)
);
create unique index dispute_once on dispute (file_id, number);
create index dispute_state on dispute (state, id);
create index dispute_arn on dispute (arn);

create function dispute_life() returns trigger language plpgsql as $$
begin
  if old.state in ('accepted', 'lost', 'withdrawn') or (old.state = 'represented' and new.state in ('raised', 'sent', 'accepted', 'withdrawn'))
     or (old.state = 'sent' and new.state = 'raised') then
    raise exception 'dispute % is % and cannot become %', old.id, old.state, new.state
      using errcode = 'check_violation', constraint = 'dispute_life';
  end if;
  return new;
end $$;
create trigger dispute_life before update on dispute for each row execute function dispute_life();

-- All that happened to a dispute; added to and never changed.
create table dispute_event (
  id            bigint generated always as identity primary key,
  dispute_id    bigint not null references dispute (id),
  event         text not null check (event in ('raised', 'credited', 'represented', 'accepted', 'lost', 'credit-taken-back', 'sent',
                  'withdrawn', 'withdrawal-sent')),
  actor         text not null check (length(actor) between 1 and 160),
  detail        text check (length(detail) <= 300),
  -- Rows of the journal.
  posted_ids    bigint[] not null default '{}',
  at            timestamptz not null default clock_timestamp()
);
create index dispute_event_dispute on dispute_event (dispute_id, id);

create function dispute_event_history() returns trigger language plpgsql as $$
begin
  raise exception 'history is added to, and never changed'
    using errcode = 'check_violation', constraint = 'history_unchanging';
end $$;
create trigger dispute_event_history before update or delete on dispute_event
  for each row execute function dispute_event_history();

-- What a dispute has credited its household of an authorization of a date, as the transfer of a refund: `[[kind, debit, credit,
-- amount, period]]`; null where nothing is, which is looked at first: almost no authorization is disputed.
create function dispute_returns_of(p_id bigint, p_date date) returns jsonb language plpgsql stable as $$
declare
  v_lane smallint;
  v_amount bigint;
begin
  select n.lane, d.amount_piasters into v_lane, v_amount
    from network_item n join dispute d on d.file_id = n.file_id and d.number = n.number
    where n.posted_id = p_id and d.credited limit 1;
  if v_lane is null then return null; end if;
  return (
    select jsonb_build_array(jsonb_build_array(16, t.credit, t.debit, v_amount, 0))
    from transfer t
    where t.lane = v_lane and t.business_date = p_date and t.group_id = p_id and t.kind between 10 and 15
    order by t.leg limit 1);
end $$;

-- What of a disputed item's posting is not with the household again: a reversal or a refund gave the rest back, of the
-- posting or of the hold that it captured.
create function disputable_amount(p_file_id bigint, p_number integer) returns bigint language plpgsql stable as $$
begin
  return (
    select case when c.capture ->> 'reversedWithHold' is not null then 0 else a.approved_amount - c.back end
    from network_item n
    join authorization_journal a on a.id = n.posted_id and a.lane + 0 = n.lane
    cross join lateral (
      select (select coalesce(sum((r.row ->> 3)::bigint), 0)
              from jsonb_array_elements(coalesce(returns_of(a.id, a.business_date), '[]')) r(row)) as back,
             case when a.original_id is not null then capture_of(a.original_id, a.business_date) end as capture) c
    where n.file_id = p_file_id and n.number = p_number);
end $$;

-- Tells the network that a chargeback is taken back: its reversal (TC 35 to 37) goes with a file as the chargeback did.
create function withdraw_chargeback(p_dispute bigint, p_date date) returns void language plpgsql as $$
begin
  insert into outgoing_dispute_item (dispute_id, transaction_code, lane, card_id, arn, transaction_id, authorization_code, terminal,
      acceptor, mcc, amount_piasters, purchase_date, reason_code, message_text, business_date)
    select o.dispute_id, '3' || right(o.transaction_code, 1), o.lane, o.card_id, o.arn, o.transaction_id, o.authorization_code, o.terminal,
           o.acceptor, o.mcc, o.amount_piasters, o.purchase_date, o.reason_code, 'DISPUTE ' || o.dispute_id || ' WITHDRAWN', p_date
    from outgoing_dispute_item o where o.dispute_id = p_dispute and o.transaction_code in ('15', '16', '17');
end $$;

-- Whether the acquirer's answer to a dispute is registered and not noted with the dispute yet. It stays so for whoever holds the
-- dispute: answers are registered and noted by who holds it too.
create function is_dispute_answered(p_dispute bigint) returns boolean language sql stable as $$
  select exists (
    select from network_item n where n.posting_reference = format('dispute:%s:represented', p_dispute) and n.state = 'posting')
$$;

-- Of `apply_change`, in the commit that posts it: the household has the disputed money, provisionally or for good, or it is
-- taken back because the dispute is lost; or the dispute is withdrawn, and the network has its money again.
create function change_dispute_credit(p_lane smallint, p_at timestamptz, p_payload jsonb) returns void language plpgsql as $$
declare
  v_id bigint := (p_payload ->> 'dispute')::bigint;
  v_what text := p_payload ->> 'what';
  v_events text[] := case v_what when 'credit' then array['credited'] when 'accept' then array['credited', 'accepted']
                                 when 'lose' then array['credit-taken-back', 'lost']
                                 when 'withdraw' then case when (p_payload ->> 'credited')::boolean
                                   then array['credit-taken-back', 'withdrawn'] else array['withdrawn'] end end;
begin
  -- Whoever takes an answer of the acquirer's holds the dispute until it is noted: what follows sees it. A lane does not wait
  -- for that, which all its requests would do too: this fails, and the lane does what else it has and comes back.
  perform from dispute where id = v_id for update nowait;
  update dispute set
      credited = v_what in ('credit', 'accept'),
      state = case v_what when 'accept' then 'accepted' when 'lose' then 'lost' when 'withdraw' then 'withdrawn' else state end,
      ended_at = case when v_what in ('accept', 'lose', 'withdraw') then p_at end
    where id = v_id and lane = p_lane and household_id = (p_payload ->> 'household')::bigint and posted
      and amount_piasters = (p_payload ->> 'amount')::bigint
      and credited = case v_what when 'lose' then true when 'withdraw' then (p_payload ->> 'credited')::boolean else false end
      and state = any (case v_what when 'lose' then array['represented'] else array['raised', 'sent'] end)
      and (v_what in ('lose', 'withdraw') or disputable_amount(file_id, number) >= amount_piasters)
      -- The acquirer has answered, and the network gets its money back by that.
      and (v_what not in ('accept', 'withdraw') or not is_dispute_answered(v_id));
  if not found or v_events is null then
    raise exception 'dispute % has had its credit or none, or its money came back otherwise', v_id
      using errcode = 'check_violation', constraint = 'dispute_credit_once';
  end if;
  insert into dispute_event (dispute_id, event, actor, posted_ids, at)
    select v_id, e.event, p_payload ->> 'actor',
           case when e.ordinal = 1 or e.event = 'withdrawn' then array[(p_payload ->> 'id')::bigint] else '{}' end, p_at
    from unnest(v_events) with ordinality e(event, ordinal);
  if v_what = 'withdraw' then
    perform withdraw_chargeback(v_id, (p_at at time zone 'Africa/Cairo')::date);
  end if;
end $$;

-- Chargebacks for the network: the next clearing file takes those that wait, and says which file that was. Everything else of
-- the record is that of the presentment (`network_item` and the file it came in).
create table outgoing_dispute_item (
  id            bigint generated always as identity primary key,
  dispute_id    bigint not null references dispute (id),
  -- The chargeback, and what takes it back.
  transaction_code text not null check (transaction_code in ('15', '16', '17', '35', '36', '37')),
  lane          smallint not null,
  card_id       bigint not null,
  arn           text not null,
  transaction_id text not null,
  authorization_code text not null,
  terminal      text not null,
  acceptor      text not null,
  mcc           text not null,
  amount_piasters bigint not null check (amount_piasters > 0),
  purchase_date date not null,
  reason_code   text not null,
  message_text  text not null default '' check (length(message_text) <= 50),
  -- Business date on which it was raised: it goes with the file of that date or a later one. One that is posted goes with the
  -- file of the date of its posting.
  business_date date not null,
  state         text not null default 'waiting' check (state in ('waiting', 'written')),
  -- The file that it stands in, the business date of that, and its number there: behind the items of authorizations.
  file_id       bigint references clearing_file (id),
  file_date     date,
  item_number   integer check (item_number > 0),
  constraint outgoing_dispute_item_written check (num_nulls(file_id, file_date, item_number) = case state when 'written' then 0 else 3 end),
  constraint outgoing_dispute_item_number unique (file_id, item_number),
  constraint outgoing_dispute_item_once unique (dispute_id, transaction_code),
  foreign key (lane, card_id) references card (lane, id)
);
create index outgoing_dispute_item_waiting on outgoing_dispute_item (business_date, id) where state = 'waiting';
create index outgoing_dispute_item_file_date on outgoing_dispute_item (file_date) where file_date is not null;

-- What is in a file stays as it is there: the file can be written anew. It goes over to a correction of that file, and nowhere else.
create function outgoing_dispute_item_life() returns trigger language plpgsql as $$
begin
  if old.state = 'written' and new is distinct from old and not (
      to_jsonb(new) - 'file_id' = to_jsonb(old) - 'file_id'
      and exists (select from clearing_file f where f.id = new.file_id and f.corrects_id = old.file_id and f.state = 'selected'))
  then
    raise exception 'the chargeback of dispute % stands in file % and cannot be changed', old.dispute_id, old.file_id
      using errcode = 'check_violation', constraint = 'outgoing_dispute_item_life';
  end if;
  return new;
end $$;
create trigger outgoing_dispute_item_life before update on outgoing_dispute_item
  for each row execute function outgoing_dispute_item_life();

-- What the writer of a lane needs to know of authorizations that it is given by their numbers.
create function authorizations_by_id(p_lane smallint, p_ids bigint[], p_dates date[])
  returns table (id bigint, payload jsonb) language sql stable as $$
  select w.id, describe_authorization(f.row)
  from unnest(p_ids, p_dates) w(id, business_date)
  cross join lateral (
    select a as row from authorization_journal a
    where a.id = w.id and a.lane = p_lane and a.business_date = w.business_date limit 1) f
$$;

-- Chargebacks stand in the card scheme's file behind its other items: they are of a dispute, and of no authorization.
create or replace view clearing_items as
  select i.business_date, f.name as file, f.type, i.number, i.lane, i.authorization_id, i.original_id, i.programme,
         i.transaction_code, i.amount_piasters, i.cashback_piasters, i.outlet_id, i.entitlement_date, i.quantity, i.co_payment_piasters,
         null::bigint as dispute_id
  from clearing_item i join clearing_file f on f.id = i.file_id
  union all
  select o.file_date, f.name, f.type, o.item_number, o.lane, null, null, 0::smallint, o.transaction_code, o.amount_piasters, 0, null,
         null, 0, 0, o.dispute_id
  from outgoing_dispute_item o join clearing_file f on f.id = o.file_id;

-- For people.
create view network_items as
  select i.file_id, i.number, i.transaction_code, i.usage, i.arn, i.household_id, i.card_id, i.pan_masked, i.transaction_id,
         i.authorization_code, i.terminal, i.acceptor, i.mcc, i.amount_piasters, i.currency, i.purchase_date, i.clearing_sequence,
         i.clearing_count, i.reason_code, i.rule, i.confidence, i.outcome, i.flags, i.authorization_id, i.posted_id, i.state, i.reason,
         i.detail, i.business_date, i.at
  from network_item i;
create view network_totals as select * from network_total;
create view disputes as
  select d.id, d.arn, d.household_id, d.card_id, d.transaction_code, d.amount_piasters, d.reason_code, d.reason, d.posted, d.state,
         d.credited, d.raised_by, d.approved_by, d.raised_at, d.respond_by, d.ended_at
  from dispute d;

grant select, insert, update on network_item, dispute, outgoing_dispute_item to mizan_app;
grant select, insert on network_total, network_return, network_file_refusal, dispute_event to mizan_app;
grant select on network_items, network_totals, disputes to mizan_app, mizan_analyst;
revoke all on function authorizations_by_id(smallint, bigint[], date[]) from public;
revoke all on function change_dispute_credit(smallint, timestamptz, jsonb) from public;
revoke all on function withdraw_chargeback(bigint, date) from public;
grant execute on function withdraw_chargeback(bigint, date) to mizan_app;
revoke all on function is_dispute_answered(bigint) from public;
grant execute on function is_dispute_answered(bigint) to mizan_app;
revoke all on function disputable_amount(bigint, integer) from public;
grant execute on function authorizations_by_id(smallint, bigint[], date[]) to mizan_app;
grant execute on function disputable_amount(bigint, integer) to mizan_app;
grant execute on function change_dispute_credit(smallint, timestamptz, jsonb) to mizan_app;
