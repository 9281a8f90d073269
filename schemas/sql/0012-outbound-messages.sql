-- Messages that Mizan itself must send: queued with what causes them, sent in their order until they are answered
-- (docs/forwarding.md). Neither a card's number nor anything that authenticates a cardholder is kept here: the number is
-- read from the card's row when a message goes out.

-- STANs of queued messages; those of live requests are below.
create sequence outbound_stan minvalue 500000 maxvalue 999999 cycle;

create table outbound_message (
  -- Also the order within a destination: ids of a lane become visible as they rise, since a commit holds the lane's row.
  id            bigint generated always as identity primary key,
  -- Name of an outbound link.
  destination   text not null check (destination ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  kind          text not null check (kind in ('advice', 'reversal', 'key-exchange', 'cutover')),
  -- In its first form; the repeat form ends in 1.
  mti           text not null check (mti ~ '^0[1-8][024]0$'),
  -- By data element; 7 and 11 stand in columns of their own.
  fields        jsonb not null,
  stan          text not null check (stan ~ '^[0-9]{6}$'),
  transmission  text not null check (transmission ~ '^[0-9]{10}$'),
  -- What a decision queued: its lane, batch, authorization and card.
  lane          smallint,
  batch_seq     bigint,
  authorization_id bigint,
  card_id       bigint,
  -- What it is about, where that may be queued only once: a key's version, a business date.
  subject       text check (length(subject) between 1 and 100),
  queued_by     text not null check (length(queued_by) between 1 and 64),
  state         text not null default 'waiting' check (state in ('waiting', 'sent', 'acknowledged', 'dead', 'dropped')),
  -- Sendings that were begun. `attempts_before` are those before it was last sent again by hand.
  attempts      integer not null default 0 check (attempts >= 0),
  attempts_before integer not null default 0 check (attempts_before between 0 and attempts),
  next_at       timestamptz not null,
  -- DE39 of the last answer, and why it waits or ended otherwise.
  response_code text check (response_code ~ '^[0-9A-Za-z]{2}$'),
  error         text check (length(error) <= 300),
  created_at    timestamptz not null,
  sent_at       timestamptz,
  ended_at      timestamptz,
  constraint outbound_message_fields check (
    jsonb_typeof(fields) = 'object' and octet_length(fields::text) <= 4096
    and not fields ?| array['1', '2', '7', '11', '34', '35', '36', '45', '52', '55', '64', '128']),
  constraint outbound_message_decision check (num_nulls(lane, batch_seq, authorization_id) in (0, 3)),
  constraint outbound_message_card check (card_id is null or lane is not null),
  constraint outbound_message_end check ((state in ('waiting', 'sent')) = (ended_at is null)),
  constraint outbound_message_sent check ((attempts > 0) = (sent_at is not null)),
  foreign key (lane, card_id) references card (lane, id)
);
create index outbound_message_destination on outbound_message (destination, id);
create index outbound_message_open on outbound_message (destination, id) where state in ('waiting', 'sent');
create index outbound_message_dead on outbound_message (destination, id) where state = 'dead';
create index outbound_message_ended on outbound_message (ended_at) where state in ('acknowledged', 'dropped');
create index outbound_message_authorization on outbound_message (authorization_id) where authorization_id is not null;
-- A key may be sent again once it was acknowledged: its peer may have lost it.
create unique index outbound_message_subject on outbound_message (destination, kind, subject)
  where subject is not null and state <> 'dropped' and (kind <> 'key-exchange' or state <> 'acknowledged');

-- Everything that happened to a message; added to and never changed.
create table outbound_attempt (
  id            bigint generated always as identity primary key,
  message_id    bigint not null references outbound_message (id) on delete cascade,
  -- Number of the sending; 0 for what people did.
  attempt       integer not null check (attempt >= 0),
  event         text not null check (event in ('sent', 'acknowledged', 'refused', 'put-off', 'timeout', 'link-lost', 'late',
                                               'given-up', 'resent', 'dropped')),
  mti           text check (mti ~ '^[0-9]{4}$'),
  response_code text check (response_code ~ '^[0-9A-Za-z]{2}$'),
  detail        text check (length(detail) <= 300),
  actor         text not null check (length(actor) between 1 and 160),
  at            timestamptz not null
);
create index outbound_attempt_message on outbound_attempt (message_id, id);

-- Who sends to a destination: one process at a time, until its lease is over. Each state that it writes is fenced by the epoch.
create table outbound_destination (
  destination   text primary key check (destination ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  owner         text not null check (length(owner) between 1 and 100),
  epoch         bigint not null default 1,
  lease_until   timestamptz not null
);

-- Keys of ours that were sent to a peer: until it confirms one, what comes in may be under it, and nothing is made with it.
create table key_announcement (
  name          text not null,
  version       integer not null,
  -- The newest message that brings it; it may have been purged since.
  message_id    bigint not null,
  confirmed_at  timestamptz,
  primary key (name, version),
  foreign key (name, version) references security_key (name, version)
);
create index key_announcement_message on key_announcement (message_id) where confirmed_at is null;

-- A running switch learns of it as of any change of a key, and the audit has it.
create function note_key_announcement() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update security_generation set generation = generation + 1;
  if tg_op = 'UPDATE' and old.confirmed_at is null and new.confirmed_at is not null then
    perform set_config('mizan.actor', 'switch', true), set_config('mizan.custodians', '', true),
            set_config('mizan.detail', 'its peer confirmed that it has it', true);
    perform note_key_event('key-activated', k.name, k.version, k.check_value)
      from security_key k where k.name = new.name and k.version = new.version;
  end if;
  return null;
end $$;
create trigger key_announcement_note after insert or update on key_announcement
  for each row execute function note_key_announcement();

-- Business days that networks closed on their side (0800 with DE70 201).
create table network_cutover (
  id            bigint generated always as identity primary key,
  link          text not null,
  stan          text not null,
  transmission  text not null,
  -- DE15 as it came, MMDD.
  settlement_date text check (settlement_date ~ '^[0-9]{4}$'),
  received_at   timestamptz not null
);
-- A repeat is the same message.
create unique index network_cutover_once on network_cutover (link, transmission, stan, ((received_at at time zone 'UTC')::date));

-- What is said of a message never changes, an end stays, and only what is dead can be sent again or dropped by hand.
create function outbound_message_life() returns trigger language plpgsql as $$
begin
  if old.state in ('acknowledged', 'dropped')
     or (old.state = 'dead' and new.state not in ('waiting', 'dropped', 'acknowledged'))
     or new.attempts < old.attempts then
    raise exception 'message % is % and cannot become %', old.id, old.state, new.state
      using errcode = 'check_violation', constraint = 'outbound_message_life';
  end if;
  return new;
end $$;
create trigger outbound_message_life before update on outbound_message
  for each row execute function outbound_message_life();

create function outbound_message_arrival() returns trigger language plpgsql as $$
begin
  perform pg_notify('mizan_outbound', '');
  return null;
end $$;
create trigger outbound_message_arrival after insert on outbound_message
  for each statement execute function outbound_message_arrival();

create function outbound_attempt_history() returns trigger language plpgsql as $$
begin
  raise exception 'history is added to, and never changed'
    using errcode = 'check_violation', constraint = 'history_unchanging';
end $$;
create trigger outbound_attempt_history before update on outbound_attempt
  for each row execute function outbound_attempt_history();

-- The messages of a batch, in their order; called by commit_batch where there are any.
create function queue_forwards(p_lane smallint, p_seq bigint, p_at timestamptz, p_forwards forward_row[]) returns void
  language sql as $$
  insert into outbound_message
      (lane, batch_seq, authorization_id, card_id, destination, kind, mti, fields, stan, transmission, queued_by, next_at,
       created_at)
    select p_lane, p_seq, u.authorization_id, u.card_id, u.destination, u.kind, u.mti, u.fields::jsonb - '7' - '11',
           coalesce(u.fields::jsonb ->> '11', nextval('outbound_stan')::text),
           coalesce(u.fields::jsonb ->> '7', to_char(p_at at time zone 'UTC', 'MMDDHH24MISS')), 'decision', p_at, p_at
    from unnest(p_forwards) with ordinality u(authorization_id, destination, kind, mti, card_id, fields, ordinal)
    order by u.ordinal
$$;

-- Who may send to a destination: whoever has it already, or anybody once the lease is over. A new owner gets a new epoch.
create function claim_destination(p_destination text, p_owner text, p_lease_ms integer) returns bigint language sql as $$
  insert into outbound_destination as d (destination, owner, lease_until)
    values (p_destination, p_owner, clock_timestamp() + p_lease_ms * interval '1 millisecond')
  on conflict (destination) do update set
    epoch = case when d.owner = excluded.owner then d.epoch else d.epoch + 1 end,
    owner = excluded.owner, lease_until = excluded.lease_until
    where d.owner = excluded.owner or d.lease_until < clock_timestamp()
  returning epoch
$$;

-- One step of a sender: writes down what became of messages and that others are sent now, in one commit. Null when
-- somebody else sends to this destination; else those that may be sent, with the number of the sending. A message that
-- was dropped meanwhile is not among them.
create function outbound_step(
  p_destination text, p_epoch bigint, p_at timestamptz, p_actor text, p_outcomes jsonb, p_begin bigint[]
) returns jsonb language plpgsql as $$
declare
  v_begun jsonb := '[]';
begin
  perform from outbound_destination d where d.destination = p_destination and d.epoch = p_epoch for share;
  if not found then return null; end if;
  if jsonb_array_length(p_outcomes) > 0 then
    with ended as (
      update outbound_message m set
          state = o.state, response_code = coalesce(o.code, m.response_code), error = o.error,
          next_at = coalesce(o.next_at, m.next_at), ended_at = case when o.state <> 'waiting' then p_at end
        from jsonb_to_recordset(p_outcomes)
          o(id bigint, state text, event text, code text, error text, next_at timestamptz)
        where m.id = o.id and m.destination = p_destination
          and (m.state in ('waiting', 'sent') or (m.state = 'dead' and o.state = 'acknowledged'))
        returning m.id, m.attempts, m.state, o.event, o.code, o.error
    ), confirmed as (
      update key_announcement a set confirmed_at = p_at
        from ended e where a.message_id = e.id and e.state = 'acknowledged' and a.confirmed_at is null
    )
    insert into outbound_attempt (message_id, attempt, event, response_code, detail, actor, at)
      select e.id, e.attempts, e.event, e.code, e.error, p_actor, p_at from ended e;
  end if;
  if cardinality(p_begin) > 0 then
    with begun as (
      update outbound_message m set state = 'sent', attempts = m.attempts + 1, sent_at = p_at
        where m.id = any (p_begin) and m.destination = p_destination and m.state in ('waiting', 'sent')
        returning m.id, m.attempts, m.mti
    ), noted as (
      insert into outbound_attempt (message_id, attempt, event, mti, actor, at)
        select b.id, b.attempts, 'sent', case b.attempts when 1 then b.mti else substr(b.mti, 1, 3) || '1' end, p_actor, p_at
        from begun b
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', b.id, 'attempt', b.attempts) order by b.id), '[]')
      into v_begun from begun b;
  end if;
  return v_begun;
end $$;

-- Only what ended well, or was dropped, a while ago goes, with its history.
create function purge_outbound_messages(p_before timestamptz, p_limit integer) returns integer
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from outbound_message where id in (
      select id from outbound_message
        where state in ('acknowledged', 'dropped') and ended_at < p_before order by ended_at limit p_limit)
    returning id
  )
  select count(*)::integer from gone
$$;

create view outbound_messages as
  select m.id, m.destination, m.kind, m.mti, m.fields, m.stan, m.transmission, m.lane, m.batch_seq, m.authorization_id,
         c.household_id, c.pan_masked, m.subject, m.queued_by, m.state, m.attempts, m.next_at, m.response_code, m.error, m.created_at,
         m.sent_at, m.ended_at
  from outbound_message m
  left join card c on c.lane = m.lane and c.id = m.card_id;

grant select on outbound_message, outbound_attempt, outbound_destination, outbound_messages, key_announcement, network_cutover
  to mizan_app;
grant insert on outbound_message, outbound_attempt, key_announcement, network_cutover to mizan_app;
grant update (message_id, confirmed_at) on key_announcement to mizan_app;
grant update (state, attempts, attempts_before, next_at, response_code, error, sent_at, ended_at) on outbound_message to mizan_app;
grant insert, update on outbound_destination to mizan_app;
grant usage on sequence outbound_stan to mizan_app;
revoke all on function queue_forwards(smallint, bigint, timestamptz, forward_row[]) from public;
revoke all on function claim_destination(text, text, integer) from public;
revoke all on function outbound_step(text, bigint, timestamptz, text, jsonb, bigint[]) from public;
revoke all on function note_key_announcement() from public;
revoke all on function purge_outbound_messages(timestamptz, integer) from public;
grant execute on function queue_forwards(smallint, bigint, timestamptz, forward_row[]) to mizan_app;
grant execute on function claim_destination(text, text, integer) to mizan_app;
grant execute on function outbound_step(text, bigint, timestamptz, text, jsonb, bigint[]) to mizan_app;
grant execute on function purge_outbound_messages(timestamptz, integer) to mizan_app;
grant select on outbound_messages, network_cutover to mizan_analyst;
