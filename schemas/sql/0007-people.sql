-- People, their households, and the life of their cards. What concerns a household changes by `apply_change` alone, in the
-- commit of the command that did it, with a row of history; the register of people and the tables of rules are kept by
-- plain transactions. Dates are integers yyyymmdd, as in `household_term`.

-- A person. Who it is rests as PANs do: found by a keyed hash of the national ID, readable only under `pan-encryption`
-- (src/security/personal-data.ts): number, name and mobile number in one sealed text, bound to the hash beside it.
create table person (
  id            bigint generated always as identity primary key,
  id_index      bytea not null unique check (length(id_index) = 16),
  sealed        bytea not null,
  key_version   smallint not null,
  birth_date    integer not null check (birth_date between 19000101 and 29991231),
  sex           text not null check (sex in ('male', 'female')),
  -- Keyed hash of the mobile number; one number belongs to one person, who owns it (M13).
  mobile_index  bytea unique check (length(mobile_index) = 16),
  -- How it was shown that the number is in the person's own name.
  mobile_proof  text check (length(mobile_proof) between 1 and 64),
  constraint person_mobile check ((mobile_index is null) = (mobile_proof is null)),
  created_at    timestamptz not null default now(),
  created_by    text not null check (length(created_by) between 1 and 64)
);
create index person_key_version on person (key_version);

-- What was changed of a person, by whom: never the values.
create table person_event (
  id            bigint generated always as identity primary key,
  person_id     bigint not null references person (id),
  at            timestamptz not null default now(),
  actor         text not null check (length(actor) between 1 and 64),
  what          text not null check (what in ('registered', 'name-changed', 'mobile-changed', 'fingerprint-enrolled', 'fingerprint-revoked')),
  note          text not null default '' check (length(note) <= 200)
);
create index person_event_person on person_event (person_id, id);

-- That a fingerprint was enrolled, on which device, and how the device's own store names the template: never a template.
create table fingerprint (
  id            bigint generated always as identity primary key,
  person_id     bigint not null references person (id),
  device_id     text not null check (device_id ~ '^[0-9a-f]{16}$'),
  template_ref  text not null check (template_ref ~ '^[0-9a-f]{16}$'),
  enrolled_at   timestamptz not null default now(),
  enrolled_by   text not null check (length(enrolled_by) between 1 and 64),
  revoked_at    timestamptz,
  unique (person_id, template_ref)
);

create table household_member (
  id            bigint generated always as identity primary key,
  lane          smallint not null,
  household_id  bigint not null,
  person_id     bigint not null references person (id),
  role          text not null check (role in ('head', 'member')),
  from_date     integer not null,
  -- First day on which the person is no member any more.
  to_date       integer check (to_date >= from_date),
  -- How the ministry's files name the person, where they do not give the national ID.
  member_key    text check (member_key ~ '^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$'),
  source        text not null check (length(source) between 1 and 128),
  batch_seq     bigint not null,
  foreign key (lane, household_id) references household (lane, id)
);
create index household_member_household on household_member (household_id);
-- Whether somebody is, or ever was, a member of any household.
create index household_member_person on household_member (person_id);
-- Nobody is a member of two households, and none has two heads.
create unique index household_member_one on household_member (person_id) where to_date is null;
create unique index household_member_head on household_member (household_id) where to_date is null and role = 'head';

-- What happened to the people of a household, with the reason (M18). Rows are inserted, never changed.
create table household_event (
  id            bigint generated always as identity primary key,
  lane          smallint not null,
  household_id  bigint not null,
  at            timestamptz not null,
  event         text not null check (event in
    ('opened', 'added', 'removed', 'head-changed', 'suspended', 'reinstated', 'classes-changed', 'moved', 'account-linked')),
  -- Day on which it took effect, and the one from which it counts.
  effective     integer not null,
  counts_from   integer not null,
  person_id     bigint references person (id),
  reason_code   text not null check (reason_code ~ '^[a-z][a-z-]{1,31}$'),
  reason        text not null default '' check (length(reason) <= 200),
  actor         text not null check (length(actor) between 1 and 64),
  source        text not null check (length(source) between 1 and 128),
  -- Hash of household, event, person and date of a line of a membership file: another file with it changes nothing.
  line_key      bytea unique check (length(line_key) = 16),
  batch_seq     bigint not null,
  foreign key (lane, household_id) references household (lane, id)
);
create index household_event_household on household_event (household_id, id);

-- The Egypt Post account behind the household's money in the ledger. Its number is kept masked, and as a keyed hash.
create table postal_link (
  lane          smallint not null,
  household_id  bigint not null,
  kind          text not null check (kind in ('new', 'existing')),
  reference_masked text not null check (reference_masked ~ '^EG[*0-9]{4,30}$'),
  reference_index bytea not null check (length(reference_index) = 16),
  linked_at     timestamptz not null,
  linked_by     text not null check (length(linked_by) between 1 and 64),
  unlinked_at   timestamptz,
  batch_seq     bigint not null,
  primary key (household_id, linked_at, lane),
  foreign key (lane, household_id) references household (lane, id)
);
create unique index postal_link_one on postal_link (household_id) where unlinked_at is null;
create unique index postal_link_account on postal_link (reference_index) where unlinked_at is null;

-- Issue of cards -------------------------------------------------------------------------------------------------------

create table collection_place (
  id            text primary key check (id ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
  kind          text not null check (kind in ('post', 'supply', 'health')),
  governorate   text not null,
  name          text not null check (length(name) between 1 and 100),
  address       text not null check (length(address) between 1 and 200),
  hours         text not null check (length(hours) between 1 and 60),
  closed_at     timestamptz,
  changed_at    timestamptz not null default now(),
  changed_by    text not null check (length(changed_by) between 1 and 64)
);

create table holiday (
  date          integer not null,
  name          text not null check (length(name) between 1 and 100),
  announced_on  integer not null,
  withdrawn_on  integer check (withdrawn_on > announced_on),
  noted_by      text not null check (length(noted_by) between 1 and 64),
  withdrawn_by  text check (length(withdrawn_by) between 1 and 64),
  primary key (date, announced_on),
  constraint holiday_withdrawn check ((withdrawn_on is null) = (withdrawn_by is null))
);

-- When a collected card begins to work; a governorate's own rule goes before that of all. `on_date` for `on-date`.
create table activation_policy (
  governorate   text,
  from_date     integer not null,
  moment        text not null check (moment in ('on-collection', 'on-date', 'on-first-pin')),
  on_date       integer,
  set_at        timestamptz not null default now(),
  set_by        text not null check (length(set_by) between 1 and 64),
  constraint activation_policy_date check ((moment = 'on-date') = (on_date is not null)),
  constraint activation_policy_once unique nulls not distinct (governorate, from_date)
);

-- What a replaced card costs, and how fast it is made (RU-8), by date.
create table replacement_terms (
  from_date     integer primary key,
  fee_piasters  bigint not null check (fee_piasters >= 0),
  working_days  smallint not null check (working_days between 1 and 250),
  set_at        timestamptz not null default now(),
  set_by        text not null check (length(set_by) between 1 and 64)
);
insert into replacement_terms (from_date, fee_piasters, working_days, set_by) values (20230801, 30000, 10, 'installation');

create table card_order (
  id            bigint primary key,
  lane          smallint not null,
  household_id  bigint not null,
  reason        text not null check (reason in ('first', 'loss', 'theft', 'damage', 'expiry')),
  state         text not null check (state in
    ('applied', 'account-linked', 'fingerprint-enrolled', 'ordered', 'printed', 'ready', 'collected', 'active', 'cancelled')),
  fee_piasters  bigint not null check (fee_piasters >= 0),
  fee_paid      text not null check (fee_paid in ('none', 'postal', 'cash', 'refunded')),
  -- The card that is replaced.
  old_card_id   bigint,
  card_id       bigint,
  place_id      text references collection_place (id),
  opened_on     integer not null,
  -- Last day on which a replacement is printed in time.
  due_on        integer,
  printed_on    integer,
  notice_on     integer,
  collect_by    integer,
  extended      boolean not null default false,
  collected_on  integer,
  batch_seq     bigint not null,
  constraint card_order_fee check ((fee_piasters = 0) = (fee_paid = 'none')),
  constraint card_order_notice check ((notice_on is null) = (collect_by is null)),
  foreign key (lane, household_id) references household (lane, id)
);
-- One card is made at a time.
create unique index card_order_open on card_order (household_id) where state not in ('active', 'cancelled');
create index card_order_waiting on card_order (collect_by) where state = 'ready';
create index card_order_late on card_order (due_on) where state = 'ordered';
create index card_order_card on card_order (card_id) where card_id is not null;
-- The orders of a household, the newest first, and what came of the replacements of a card: asked at the counter.
create index card_order_household on card_order (household_id, id);
create index card_order_old_card on card_order (old_card_id) where old_card_id is not null;

-- The steps of an order. Rows are inserted, never changed.
create table card_order_event (
  order_id      bigint not null references card_order (id),
  step          smallint not null,
  at            timestamptz not null,
  state         text not null,
  actor         text not null check (length(actor) between 1 and 64),
  note          text not null default '' check (length(note) <= 200),
  batch_seq     bigint not null,
  primary key (order_id, step)
);

-- A telephone that has a token of its own for the household (M23); the token is a card of kind `device`.
create table device_token (
  lane          smallint not null,
  card_id       bigint not null,
  household_id  bigint not null,
  -- How the wallet provider names the device.
  device_ref    text not null check (device_ref ~ '^[0-9A-Za-z._-]{4,64}$'),
  added_at      timestamptz not null,
  added_by      text not null check (length(added_by) between 1 and 64),
  removed_at    timestamptz,
  removal       text check (length(removal) between 1 and 200),
  batch_seq     bigint not null,
  primary key (card_id, lane),
  foreign key (lane, card_id) references card (lane, id)
);
create unique index device_token_device on device_token (household_id, device_ref) where removed_at is null;

-- A membership file that was or is being applied; its lines are commands under `file:<sha256>:<line>`.
create table membership_file (
  sha256        text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  name          text not null check (length(name) between 1 and 200),
  lines         integer not null check (lines >= 0),
  started_at    timestamptz not null default now(),
  started_by    text not null check (length(started_by) between 1 and 64),
  done_at       timestamptz,
  result        jsonb,
  constraint membership_file_done check ((done_at is null) = (result is null))
);

-- A credit by an official or of a money programme, once for its month and household.
create table benefit_credit (
  lane          smallint not null,
  household_id  bigint not null,
  programme     smallint not null,
  month         integer not null,
  ordinal       smallint not null,
  amount        bigint not null check (amount > 0),
  actor         text not null check (length(actor) between 1 and 64),
  reason        text not null check (length(reason) between 1 and 200),
  batch_seq     bigint not null,
  primary key (household_id, programme, month, ordinal, lane)
);

-- Numbers that Mizan gives itself begin where those of files end.
create sequence household_number start 10000000001 maxvalue 99999999999;
create sequence card_number start 10000000001 maxvalue 99999999999;
create sequence card_order_number;

-- The changes of `apply_change`, one function a kind ---------------------------------------------------------------------

create function change_household_open(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  insert into household (lane, id, governorate, classes, closed_month, old_ration_card)
    values (p_lane, (p ->> 'household')::bigint, p ->> 'governorate',
            array(select jsonb_array_elements_text(p -> 'classes')), (p ->> 'closedMonth')::integer, p ->> 'oldRationCard');
end $$;

create function change_household_terms(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  insert into household_term (lane, household_id, from_date, members, status, batch_seq)
    select p_lane, (p ->> 'household')::bigint, t."from", t.members, t.status, p_seq
    from jsonb_to_recordset(p -> 'terms') t("from" integer, members smallint, status text)
    on conflict (lane, household_id, from_date)
      do update set members = excluded.members, status = excluded.status, batch_seq = excluded.batch_seq;
end $$;

create function change_household_classes(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  update household set classes = array(select jsonb_array_elements_text(p -> 'classes'))
    where lane = p_lane and id = (p ->> 'household')::bigint;
end $$;

create function change_household_move(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  update household set governorate = p ->> 'governorate' where lane = p_lane and id = (p ->> 'household')::bigint;
end $$;

create function change_household_event(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  insert into household_event (lane, household_id, at, event, effective, counts_from, person_id, reason_code, reason, actor,
                               source, line_key, batch_seq)
    values (p_lane, (p ->> 'household')::bigint, p_at, p ->> 'event', (p ->> 'effective')::integer,
            (p ->> 'countsFrom')::integer, (p ->> 'person')::bigint, p ->> 'reasonCode', coalesce(p ->> 'reason', ''),
            p ->> 'actor', p ->> 'source', decode(p ->> 'lineKey', 'hex'), p_seq);
end $$;

create function change_member_add(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  insert into household_member (lane, household_id, person_id, role, from_date, member_key, source, batch_seq)
    values (p_lane, (p ->> 'household')::bigint, (p ->> 'person')::bigint, p ->> 'role', (p ->> 'from')::integer,
            p ->> 'memberKey', p ->> 'source', p_seq);
end $$;

create function change_member_end(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  update household_member set to_date = greatest(from_date, (p ->> 'to')::integer)
    where household_id = (p ->> 'household')::bigint and person_id = (p ->> 'person')::bigint and lane = p_lane
      and to_date is null and (role = 'member' or p ? 'last');
  if not found then
    raise exception 'the person is no member that can be removed'
      using errcode = 'check_violation', constraint = 'household_member_known';
  end if;
end $$;

create function change_member_head(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  update household_member set role = 'member'
    where household_id = (p ->> 'household')::bigint and lane = p_lane and to_date is null and role = 'head';
  update household_member set role = 'head'
    where household_id = (p ->> 'household')::bigint and person_id = (p ->> 'person')::bigint and lane = p_lane
      and to_date is null;
  if not found then
    raise exception 'the new head is no member' using errcode = 'check_violation', constraint = 'household_member_known';
  end if;
end $$;

create function change_account_link(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  update postal_link set unlinked_at = p_at
    where household_id = (p ->> 'household')::bigint and lane = p_lane and unlinked_at is null;
  insert into postal_link (lane, household_id, kind, reference_masked, reference_index, linked_at, linked_by, batch_seq)
    values (p_lane, (p ->> 'household')::bigint, p ->> 'accountKind', p ->> 'masked', decode(p ->> 'index', 'hex'), p_at,
            p ->> 'actor', p_seq);
end $$;

create function note_card_order(p_order bigint, p_seq bigint, p_at timestamptz, p jsonb) returns void language sql as $$
  insert into card_order_event (order_id, step, at, state, actor, note, batch_seq)
    select p_order, coalesce(max(e.step), 0) + 1, p_at, p ->> 'state', p ->> 'actor', coalesce(p ->> 'note', ''), p_seq
    from card_order_event e where e.order_id = p_order
$$;

create function change_order_open(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  insert into card_order (id, lane, household_id, reason, state, fee_piasters, fee_paid, old_card_id, place_id, opened_on,
                          due_on, batch_seq)
    values ((p ->> 'order')::bigint, p_lane, (p ->> 'household')::bigint, p ->> 'reason', p ->> 'state',
            (p ->> 'feePiasters')::bigint, p ->> 'feePaid', (p ->> 'oldCard')::bigint, p ->> 'place',
            (p ->> 'openedOn')::integer, (p ->> 'dueOn')::integer, p_seq);
  perform note_card_order((p ->> 'order')::bigint, p_seq, p_at, p);
end $$;

-- A step is taken from the state that it was asked in, and from no other.
create function change_order_step(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  update card_order set
      state = p ->> 'state', batch_seq = p_seq,
      card_id = coalesce((p ->> 'card')::bigint, card_id), place_id = coalesce(p ->> 'place', place_id),
      printed_on = coalesce((p ->> 'printedOn')::integer, printed_on),
      notice_on = coalesce((p ->> 'noticeOn')::integer, notice_on),
      collect_by = coalesce((p ->> 'collectBy')::integer, collect_by),
      extended = coalesce((p ->> 'extended')::boolean, extended),
      collected_on = coalesce((p ->> 'collectedOn')::integer, collected_on)
    where id = (p ->> 'order')::bigint and lane = p_lane and household_id = (p ->> 'household')::bigint
      and state = p ->> 'was' and (not coalesce((p ->> 'extended')::boolean, false) or not extended);
  if not found then
    raise exception 'the order is not in the state that the step begins in'
      using errcode = 'check_violation', constraint = 'card_order_state';
  end if;
  perform note_card_order((p ->> 'order')::bigint, p_seq, p_at, p);
end $$;

create function change_card_add(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry,
                    sequence_number, service_code, status, pvki, pvv)
    values (p_lane, (p ->> 'card')::bigint, (p ->> 'household')::bigint, p ->> 'cardKind', decode(p ->> 'panIndex', 'hex'),
            p ->> 'panMasked', decode(p ->> 'panEncrypted', 'base64'), (p ->> 'keyVersion')::smallint, p ->> 'expiry',
            p ->> 'sequenceNumber', p ->> 'serviceCode', p ->> 'status', (p ->> 'pvki')::smallint, p ->> 'pvv');
  insert into card_counter (lane, card_id) values (p_lane, (p ->> 'card')::bigint);
end $$;

create function change_device_add(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  insert into device_token (lane, card_id, household_id, device_ref, added_at, added_by, batch_seq)
    values (p_lane, (p ->> 'card')::bigint, (p ->> 'household')::bigint, p ->> 'device', p_at, p ->> 'actor', p_seq);
end $$;

create function change_device_remove(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
begin
  update device_token set removed_at = p_at, removal = p ->> 'reason'
    where card_id = (p ->> 'card')::bigint and lane = p_lane and removed_at is null;
end $$;

create function change_benefit_credit(p_lane smallint, p_seq bigint, p jsonb) returns void language plpgsql as $$
declare
  v_before integer;
begin
  select count(*) into v_before from benefit_credit
    where household_id = (p ->> 'household')::bigint and programme = (p ->> 'programme')::smallint
      and month = (p ->> 'month')::integer and lane = p_lane;
  if v_before >= (p ->> 'perMonth')::integer then
    raise exception 'the household has had this credit for the month'
      using errcode = 'check_violation', constraint = 'benefit_credit_once';
  end if;
  insert into benefit_credit
    values (p_lane, (p ->> 'household')::bigint, (p ->> 'programme')::smallint, (p ->> 'month')::integer, v_before + 1,
            (p ->> 'amount')::bigint, p ->> 'actor', p ->> 'reason', p_seq);
end $$;

-- What a command changes beside balances, in the commit of the command.
create function change_exception_add(p_lane smallint, p_seq bigint, p jsonb) returns void language sql as $$
  insert into verification_exception (id, lane, household_id, programme, from_date, until_date, reason, given_by, batch_seq)
  values ((p ->> 'id')::bigint, p_lane, (p ->> 'household')::bigint, (p ->> 'programme')::smallint,
          (p ->> 'from')::integer, (p ->> 'until')::integer, p ->> 'reason', p ->> 'actor', p_seq)
$$;

create function change_exception_end(p_lane smallint, p_at timestamptz, p jsonb) returns void language sql as $$
  update verification_exception set ended_at = p_at, ended_by = p ->> 'actor'
  where lane = p_lane and id = (p ->> 'id')::bigint and ended_at is null
$$;

-- A fee goes back once: whoever asks a second time finds it refunded, and the commit that would pay again fails.
create function change_fee_refund(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language plpgsql as $$
declare
  v_state text;
begin
  update card_order set fee_paid = 'refunded', batch_seq = p_seq
    where lane = p_lane and id = (p ->> 'order')::bigint and household_id = (p ->> 'household')::bigint
      and fee_paid in ('postal', 'cash') and fee_piasters = (p ->> 'piasters')::bigint
    returning state into v_state;
  if not found then
    raise exception 'the fee of this order is not there to be paid back'
      using errcode = 'check_violation', constraint = 'fee_refunded_once';
  end if;
  perform note_card_order((p ->> 'order')::bigint, p_seq, p_at,
    jsonb_build_object('state', v_state, 'actor', p ->> 'actor', 'note', 'fee paid back'));
end $$;

create function apply_change(p_lane smallint, p_seq bigint, p_at timestamptz, p_kind text, p_payload jsonb) returns void
  language plpgsql as $$
begin
  case p_kind
    when 'household-open' then perform change_household_open(p_lane, p_seq, p_payload);
    when 'household-terms' then perform change_household_terms(p_lane, p_seq, p_payload);
    when 'household-classes' then perform change_household_classes(p_lane, p_seq, p_payload);
    when 'household-move' then perform change_household_move(p_lane, p_seq, p_payload);
    when 'household-event' then perform change_household_event(p_lane, p_seq, p_at, p_payload);
    when 'member-add' then perform change_member_add(p_lane, p_seq, p_payload);
    when 'member-end' then perform change_member_end(p_lane, p_seq, p_payload);
    when 'member-head' then perform change_member_head(p_lane, p_seq, p_payload);
    when 'account-link' then perform change_account_link(p_lane, p_seq, p_at, p_payload);
    when 'order-open' then perform change_order_open(p_lane, p_seq, p_at, p_payload);
    when 'order-step' then perform change_order_step(p_lane, p_seq, p_at, p_payload);
    when 'card-add' then perform change_card_add(p_lane, p_seq, p_payload);
    when 'device-add' then perform change_device_add(p_lane, p_seq, p_at, p_payload);
    when 'device-remove' then perform change_device_remove(p_lane, p_seq, p_at, p_payload);
    when 'exception-add' then perform change_exception_add(p_lane, p_seq, p_payload);
    when 'exception-end' then perform change_exception_end(p_lane, p_at, p_payload);
    when 'fee-refund' then perform change_fee_refund(p_lane, p_seq, p_at, p_payload);
    when 'benefit-credit' then perform change_benefit_credit(p_lane, p_seq, p_payload);
    when 'account-place' then perform change_account_place(p_lane, p_payload);
    when 'host-request' then perform change_host_request(p_lane, p_seq, p_at, p_payload);
    when 'host-ending' then perform change_host_ending(p_lane, p_seq, p_payload);
    when 'host-advice' then perform change_host_advice(p_lane, p_seq, p_payload);
    when 'day-closed' then perform change_day_closed(p_lane, p_payload);
    when 'dispute-credit' then perform change_dispute_credit(p_lane, p_at, p_payload);
    else
      raise exception 'there is no change %', p_kind using errcode = 'check_violation', constraint = 'change_known';
  end case;
end $$;

-- What analysts see of people: numbers, dates and reasons, and nothing that is sealed.
create view household_changes as
  select e.id, e.household_id, h.governorate, e.at, e.event, e.effective, e.counts_from, e.person_id, e.reason_code, e.reason,
         e.actor, e.source, e.batch_seq
  from household_event e
  join household h on h.lane = e.lane and h.id = e.household_id;

create view card_orders as
  select o.id, o.household_id, h.governorate, o.reason, o.state, o.fee_piasters, o.fee_paid, o.old_card_id, o.card_id,
         o.place_id, o.opened_on, o.due_on, o.printed_on, o.notice_on, o.collect_by, o.extended, o.collected_on
  from card_order o
  join household h on h.lane = o.lane and h.id = o.household_id;

create function refuse_history_change() returns trigger language plpgsql as $$
begin
  raise exception 'history is added to, and never changed'
    using errcode = 'check_violation', constraint = 'history_unchanging';
end $$;
create trigger person_event_history before update or delete on person_event
  for each row execute function refuse_history_change();
create trigger household_event_history before update or delete on household_event
  for each row execute function refuse_history_change();
create trigger card_order_event_history before update or delete on card_order_event
  for each row execute function refuse_history_change();

grant select on person, person_event, fingerprint, household_member, household_event, postal_link, collection_place, holiday,
  activation_policy, replacement_terms, card_order, card_order_event, device_token, membership_file, benefit_credit
  to mizan_app;
grant insert on person, person_event, fingerprint, household_member, household_event, postal_link, collection_place, holiday,
  activation_policy, replacement_terms, card_order, card_order_event, device_token, membership_file, benefit_credit
  to mizan_app;
grant update (sealed, key_version, mobile_index, mobile_proof) on person to mizan_app;
grant update (revoked_at) on fingerprint to mizan_app;
grant update (role, to_date) on household_member to mizan_app;
grant update (unlinked_at) on postal_link to mizan_app;
grant update on collection_place, card_order to mizan_app;
grant update (withdrawn_on, withdrawn_by) on holiday to mizan_app;
grant update (removed_at, removal) on device_token to mizan_app;
grant update (done_at, result) on membership_file to mizan_app;
grant select on household_changes, card_orders to mizan_analyst;
grant usage on sequence household_number, card_number, card_order_number to mizan_app;
do $$
declare
  v_name text;
begin
  for v_name in select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'public'::regnamespace and (p.proname like 'change\_%' or p.proname in ('apply_change', 'note_card_order'))
  loop
    execute format('revoke all on function %s from public; grant execute on function %s to mizan_app', v_name, v_name);
  end loop;
end $$;
