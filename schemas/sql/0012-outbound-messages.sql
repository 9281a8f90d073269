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
create index outbound_message_open on outbound_message (destination, id) where state in ('waiting', 'sent');
create index outbound_message_dead on outbound_message (destination, id) where state = 'dead';
create index outbound_message_ended on outbound_message (ended_at) where state in ('acknowledged', 'dropped');
create index outbound_message_authorization on outbound_message (authorization_id) where authorization_id is not null;
create unique index outbound_message_subject on outbound_message (destination, kind, subject)
  where subject is not null and state <> 'dropped';

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
         c.pan_masked, m.subject, m.queued_by, m.state, m.attempts, m.next_at, m.response_code, m.error, m.created_at,
         m.sent_at, m.ended_at
  from outbound_message m
  left join card c on c.lane = m.lane and c.id = m.card_id;

grant select on outbound_message, outbound_attempt, outbound_destination, outbound_messages, network_cutover to mizan_app;
grant insert on outbound_message, outbound_attempt, network_cutover to mizan_app;
grant update (state, attempts, attempts_before, next_at, response_code, error, sent_at, ended_at) on outbound_message to mizan_app;
grant insert, update on outbound_destination to mizan_app;
grant usage on sequence outbound_stan to mizan_app;
revoke all on function queue_forwards(smallint, bigint, timestamptz, forward_row[]) from public;
revoke all on function purge_outbound_messages(timestamptz, integer) from public;
grant execute on function queue_forwards(smallint, bigint, timestamptz, forward_row[]) to mizan_app;
grant execute on function purge_outbound_messages(timestamptz, integer) to mizan_app;
grant select on outbound_messages, network_cutover to mizan_analyst;
