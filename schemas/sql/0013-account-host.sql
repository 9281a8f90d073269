-- Postal accounts that are held at the Post's account host (docs/account-host.md). A request to the host is in the journal
-- before it is sent, and ends once, in the commit of what became of it: so whatever dies in between, what the host may have
-- booked for nothing is known, and taken back there.

create table host_request (
  lane          smallint not null,
  -- Its row of the command journal.
  id            bigint not null,
  batch_seq     bigint not null,
  household_id  bigint not null,
  card_id       bigint,
  kind          text not null check (kind in ('debit', 'inquiry')),
  piasters      bigint not null check (piasters >= 0),
  stan          text not null check (stan ~ '^[0-9]{6}$'),
  transmission  text not null check (transmission ~ '^[0-9]{10}$'),
  rrn           text not null check (rrn ~ '^[0-9]{12}$'),
  -- Of the message that it was asked for.
  transaction_type text not null check (transaction_type ~ '^[0-9]{2}$'),
  acquirer      text not null,
  terminal      text not null,
  acceptor      text not null,
  mcc           text not null,
  asked_at      timestamptz not null,
  primary key (id, lane)
);

create table host_request_ending (
  lane          smallint not null,
  id            bigint not null,
  batch_seq     bigint not null,
  -- The authorization that it was asked for, or the command that ended what nobody waited for any more.
  by_id         bigint not null,
  outcome       text not null check (outcome in ('approved', 'declined', 'unanswered', 'unreachable', 'abandoned')),
  -- Whether what the host paid is in the transfers of `by_id`, or a reversal of it was queued.
  used          boolean not null,
  reversed      boolean not null,
  -- What the host paid, as it says; 0 unless it approved.
  paid          bigint not null check (paid >= 0),
  -- DE38 or DE39 of the host's answer.
  said          text not null check (length(said) <= 6),
  primary key (id, lane),
  foreign key (id, lane) references host_request (id, lane),
  constraint host_request_ending_one_way check (not (used and reversed) and (outcome = 'approved' or not used))
);
create index host_request_ending_by on host_request_ending (by_id);

-- What the host is told of instead of having been asked: at most once for an authorization or command.
create table host_advice (
  lane          smallint not null,
  id            bigint not null,
  batch_seq     bigint not null,
  household_id  bigint not null,
  direction     text not null check (direction in ('debit', 'credit')),
  piasters      bigint not null check (piasters > 0),
  -- Approved by Mizan in the host's place.
  stand_in      boolean not null,
  primary key (id, lane)
);

-- What the host refused, or could not be told: somebody has to settle it with the Post.
create table host_exception (
  message_id    bigint primary key,
  lane          smallint not null,
  -- Of the authorization or command that the message belongs to.
  authorization_id bigint not null,
  household_id  bigint not null,
  kind          text not null check (kind in ('advice', 'reversal')),
  direction     text not null check (direction in ('debit', 'credit')),
  piasters      bigint not null check (piasters > 0),
  -- Why it is one: the state of the message, and what the host said.
  cause         text not null check (cause in ('refused', 'dropped')),
  response_code text,
  raised_at     timestamptz not null,
  resolved_at   timestamptz,
  resolved_by   text check (length(resolved_by) between 1 and 160),
  -- How: the host took it after all, or what people agreed on.
  resolution    text check (length(resolution) between 1 and 300),
  constraint host_exception_end check (num_nulls(resolved_at, resolved_by, resolution) in (0, 3))
);
create index host_exception_open on host_exception (raised_at) where resolved_at is null;

create function host_history() returns trigger language plpgsql as $$
begin
  raise exception 'history is added to, and never changed'
    using errcode = 'check_violation', constraint = 'history_unchanging';
end $$;
create trigger host_request_history before update or delete on host_request
  for each row execute function host_history();
create trigger host_request_ending_history before update or delete on host_request_ending
  for each row execute function host_history();
create trigger host_advice_history before update or delete on host_advice
  for each row execute function host_history();

-- An exception ends once, and nothing else of it changes.
create function host_exception_once() returns trigger language plpgsql as $$
begin
  if old.resolved_at is not null then
    raise exception 'exception % is resolved', old.message_id
      using errcode = 'check_violation', constraint = 'host_exception_once';
  end if;
  return new;
end $$;
create trigger host_exception_once before update on host_exception
  for each row execute function host_exception_once();

-- A message to the host that ends badly becomes an exception in the same commit, so that none is lost whatever program
-- ends it; one that is taken after all ends it.
create function host_message_ended() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_household bigint;
  v_direction text;
  v_piasters bigint;
begin
  if new.state = 'acknowledged' then
    update host_exception set resolved_at = new.ended_at, resolved_by = 'account host', resolution = 'acknowledged after all'
      where message_id = new.id and resolved_at is null;
    return null;
  end if;
  if new.kind = 'advice' then
    select a.household_id, a.direction, a.piasters into v_household, v_direction, v_piasters
      from host_advice a where a.id = new.authorization_id and a.lane = new.lane;
  else
    -- What the host keeps that it was to give back.
    select r.household_id, 'credit', r.piasters into v_household, v_direction, v_piasters
      from host_request_ending e join host_request r on r.id = e.id and r.lane = e.lane
      where e.by_id = new.authorization_id and e.lane = new.lane and e.reversed;
  end if;
  if v_household is null then return null; end if;
  insert into host_exception
      (message_id, lane, authorization_id, household_id, kind, direction, piasters, cause, response_code, raised_at)
    values (new.id, new.lane, new.authorization_id, v_household, new.kind, v_direction, v_piasters,
            case new.state when 'dead' then 'refused' else 'dropped' end, new.response_code, new.ended_at)
    on conflict (message_id) do nothing;
  return null;
end $$;
create trigger host_message_ended after update on outbound_message
  for each row when (new.state in ('acknowledged', 'dead', 'dropped') and old.state <> new.state
    and new.authorization_id is not null and new.kind in ('advice', 'reversal'))
  execute function host_message_ended();

-- The changes of `apply_change`.
create function change_host_request(p_lane smallint, p_seq bigint, p_at timestamptz, p jsonb) returns void
  language sql as $$
  insert into host_request (lane, id, batch_seq, household_id, card_id, kind, piasters, stan, transmission, rrn,
      transaction_type, acquirer, terminal, acceptor, mcc, asked_at)
    values (p_lane, (p ->> 'id')::bigint, p_seq, (p ->> 'household')::bigint, (p ->> 'card')::bigint, p ->> 'kind',
      (p ->> 'piasters')::bigint, p ->> 'stan', p ->> 'transmission', p ->> 'rrn', p ->> 'type', p ->> 'acquirer',
      p ->> 'terminal', p ->> 'acceptor', p ->> 'mcc', p_at)
$$;

create function change_host_ending(p_lane smallint, p_seq bigint, p jsonb) returns void language sql as $$
  insert into host_request_ending (lane, id, batch_seq, by_id, outcome, used, reversed, paid, said)
    values (p_lane, (p ->> 'id')::bigint, p_seq, (p ->> 'by')::bigint, p ->> 'outcome', (p ->> 'used')::boolean,
      (p ->> 'reversed')::boolean, (p ->> 'paid')::bigint, left(p ->> 'said', 6))
$$;

create function change_host_advice(p_lane smallint, p_seq bigint, p jsonb) returns void language sql as $$
  insert into host_advice (lane, id, batch_seq, household_id, direction, piasters, stand_in)
    values (p_lane, (p ->> 'id')::bigint, p_seq, (p ->> 'household')::bigint, p ->> 'direction',
      (p ->> 'piasters')::bigint, (p ->> 'standIn')::boolean)
$$;

create function change_account_place(p_lane smallint, p jsonb) returns void language sql as $$
  update household set account_at = p ->> 'place' where lane = p_lane and id = (p ->> 'household')::bigint
$$;

-- Requests to the host that nobody has ended, the oldest first.
create view host_requests_open as
  select r.* from host_request r
  where not exists (select from host_request_ending e where e.id = r.id and e.lane = r.lane);

-- What the host was told of, and what became of it. A message that is gone was acknowledged and purged.
create view host_advices as
  select a.lane, a.id, a.household_id, a.direction, a.piasters, a.stand_in, m.id as message_id,
         coalesce(m.state, 'acknowledged') as state, m.response_code, m.created_at, m.ended_at
  from host_advice a
  left join outbound_message m on m.authorization_id = a.id and m.lane = a.lane and m.kind = 'advice';

create view host_exceptions as
  select x.message_id, x.lane, x.authorization_id, x.household_id, x.kind, x.direction, x.piasters, x.cause,
         x.response_code, x.raised_at, x.resolved_at, x.resolved_by, x.resolution
  from host_exception x;

grant select on host_request, host_request_ending, host_advice, host_exception, host_requests_open, host_advices,
  host_exceptions to mizan_app;
grant insert on host_request, host_request_ending, host_advice to mizan_app;
grant update (resolved_at, resolved_by, resolution) on host_exception to mizan_app;
grant select on host_requests_open, host_advices, host_exceptions to mizan_analyst;
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid::regprocedure from pg_proc p where p.pronamespace = 'public'::regnamespace
      and p.proname in ('change_host_request', 'change_host_ending', 'change_host_advice', 'change_account_place')
  loop
    execute format('revoke all on function %s from public', v_function);
    execute format('grant execute on function %s to mizan_app', v_function);
  end loop;
end $$;
