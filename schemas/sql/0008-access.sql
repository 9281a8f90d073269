-- Who may use the HTTP API, what was asked of it, and by whom it was agreed to. No row holds a password, a token or a
-- secret: what is kept of each cannot be turned back into it.

create table access_user (
  name          text primary key check (name ~ '^[a-z][a-z0-9._-]{1,31}$'),
  password_hash text not null check (password_hash ~ '^scrypt\$[0-9]+\$[0-9]+\$[0-9]+\$[0-9a-f]{32}\$[0-9a-f]{64}$'),
  roles         text[] not null check (
    cardinality(roles) between 1 and 6
    and roles <@ array['enrolment', 'operator', 'settlement', 'analyst', 'auditor', 'admin']),
  -- The password was set by another person: nothing else may be done before it is changed.
  must_change   boolean not null default true,
  failures      integer not null default 0 check (failures >= 0),
  locked_until  timestamptz,
  last_login_at timestamptz,
  password_at   timestamptz not null default now(),
  created_at    timestamptz not null default now(),
  created_by    text not null check (length(created_by) between 1 and 64),
  -- Who last gave the user roles or a password, and who confirmed it: another administrator, or whoever runs the machine.
  access_by     text not null check (length(access_by) between 1 and 64),
  confirmed_by  text check (length(confirmed_by) between 1 and 64),
  disabled_at   timestamptz,
  constraint access_user_confirmed_by_another check (confirmed_by <> access_by or confirmed_by like 'system:%')
);

-- A name means one person for ever: who is disabled stays so, and no row goes away.
create function guard_access_user() returns trigger language plpgsql as $$
begin
  if old.disabled_at is not null or (new.name, new.created_at, new.created_by) is distinct from (old.name, old.created_at, old.created_by) then
    raise exception 'a user who is disabled stays so, and a name is never given again'
      using errcode = 'check_violation', constraint = 'access_user_unchanging';
  end if;
  return new;
end $$;
create trigger access_user_guard before update on access_user for each row execute function guard_access_user();

create table access_session (
  -- SHA-256 of a random token of 256 bits.
  token_hash    bytea primary key check (length(token_hash) = 32),
  user_name     text not null references access_user (name),
  source        text not null check (length(source) <= 64),
  created_at    timestamptz not null default now(),
  used_at       timestamptz not null default now(),
  expires_at    timestamptz not null,
  ended_at      timestamptz
);
create index access_session_user on access_session (user_name) where ended_at is null;
create index access_session_end on access_session (expires_at);

create table access_key (
  -- The part of the key by which it is found and spoken of; the rest is secret.
  id            text primary key check (id ~ '^[0-9a-z]{12}$'),
  secret_hash   bytea not null check (length(secret_hash) = 32),
  label         text not null check (length(label) between 1 and 64),
  roles         text[] not null check (
    cardinality(roles) between 1 and 6
    and roles <@ array['enrolment', 'operator', 'settlement', 'analyst', 'auditor']),
  -- Where it may be used from; empty = anywhere.
  networks      cidr[] not null default '{}' check (cardinality(networks) <= 16),
  created_at    timestamptz not null default now(),
  created_by    text not null references access_user (name),
  expires_at    timestamptz not null,
  used_at       timestamptz,
  revoked_at    timestamptz,
  revoked_by    text,
  constraint access_key_revoked check ((revoked_at is null) = (revoked_by is null))
);

-- What was done and looked at. Each row's hash covers the row and the hash of the row before it, and `audit_head` holds
-- the last: a row that is changed, taken out, put in or cut off shows (`mizan audit verify`). The update of the head
-- lets transactions that note something come one after another, so an event is noted last, just before the commit.
create table audit_event (
  id            bigint primary key,
  at            timestamptz not null,
  -- `user:NAME`, `key:ID`, `system:USER` on the command line, `nobody` for who could not log in.
  actor         text not null check (length(actor) between 1 and 80),
  source        text not null check (length(source) <= 64),
  request_id    text not null check (length(request_id) <= 64),
  -- Method and route, or the command.
  action        text not null check (length(action) between 1 and 128),
  outcome       text not null check (outcome in ('done', 'accepted', 'looked', 'denied', 'refused', 'failed')),
  -- Households that were looked at or changed.
  households    bigint[] not null default '{}' check (cardinality(households) <= 1000),
  detail        jsonb not null default '{}' check (jsonb_typeof(detail) = 'object' and octet_length(detail::text) <= 16384),
  hash          bytea not null check (length(hash) = 32)
);
create index audit_event_households on audit_event using gin (households) with (fastupdate = off);
create index audit_event_actor on audit_event (actor, id);

create table audit_head (
  one           boolean primary key default true check (one),
  last_id       bigint not null,
  last_hash     bytea not null
);
insert into audit_head (last_id, last_hash) values (0, decode(repeat('00', 32), 'hex'));

-- The texts that a row's hash covers, in order; src/store/audit-chain.ts computes the hash again from the columns.
create function audit_texts(e audit_event) returns text[] language sql stable as $$
  select array[
    e.id::text, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), e.actor, e.source, e.request_id, e.action,
    e.outcome, array_to_string(e.households, ','), e.detail::text]
$$;

create function chain_audit_event() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_before bytea;
  v_bytes bytea := '';
  v_text text;
begin
  update audit_head set last_id = last_id + 1 returning last_id, last_hash into new.id, v_before;
  new.at := clock_timestamp();
  foreach v_text in array audit_texts(new) loop
    -- Each text behind its length: no two rows give the same bytes.
    v_bytes := v_bytes || convert_to(octet_length(v_text) || ':' || v_text, 'UTF8');
  end loop;
  new.hash := sha256(v_before || v_bytes);
  update audit_head set last_hash = new.hash;
  return new;
end $$;
create trigger audit_event_chain before insert on audit_event for each row execute function chain_audit_event();

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  raise exception 'what was noted stays'
    using errcode = 'check_violation', constraint = 'audit_event_unchanging';
end $$;
create trigger audit_event_unchanging before update or delete or truncate on audit_event
  for each statement execute function refuse_audit_change();

-- Answers to requests that change something, so that a repeat gets the same one and does nothing. Without a status it is
-- under way: `command_id` says what it waits for, and until `busy_until` it is somebody's who has not answered yet.
create table idempotent_request (
  actor         text not null check (length(actor) between 1 and 80),
  key           text not null check (length(key) between 1 and 100),
  route         text not null,
  fingerprint   bytea not null check (length(fingerprint) = 32),
  created_at    timestamptz not null default now(),
  busy_until    timestamptz,
  command_lane  smallint,
  command_id    bigint,
  status        smallint check (status between 200 and 599),
  location      text,
  body          text,
  primary key (actor, key),
  constraint idempotent_request_command check ((command_lane is null) = (command_id is null)),
  constraint idempotent_request_answer check ((status is null) = (body is null))
);
create index idempotent_request_age on idempotent_request (created_at);

-- What one person asks for and another has to agree to.
create table change_request (
  id            bigint generated always as identity primary key,
  kind          text not null check (kind ~ '^[a-z][a-z-]{1,47}$'),
  payload       jsonb not null check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 262144),
  household_id  bigint,
  reason        text not null check (length(reason) between 1 and 500),
  -- Who asked, and the person behind it: of an API key, who made the key.
  maker         text not null check (length(maker) between 1 and 80),
  maker_person  text not null references access_user (name),
  state         text not null default 'pending'
                check (state in ('pending', 'approved', 'rejected', 'expired', 'failed')),
  checker       text references access_user (name),
  note          text check (length(note) <= 500),
  -- What carries it out, and in words what came of it.
  command_lane  smallint,
  command_id    bigint,
  result        text check (length(result) <= 2000),
  created_at    timestamptz not null default now(),
  expires_at    timestamptz not null,
  decided_at    timestamptz,
  constraint change_request_second_person check (checker is null or (checker <> maker_person and 'user:' || checker <> maker)),
  constraint change_request_decided check (
    case state when 'pending' then checker is null and decided_at is null
               when 'expired' then checker is null and decided_at is not null
               else checker is not null and decided_at is not null end),
  constraint change_request_command check ((command_lane is null) = (command_id is null))
);
create index change_request_pending on change_request (id) where state = 'pending';
create index change_request_household on change_request (household_id, id) where household_id is not null;

create function guard_change_request() returns trigger language plpgsql as $$
begin
  if (new.id, new.kind, new.payload, new.household_id, new.reason, new.maker, new.maker_person, new.created_at, new.expires_at)
     is distinct from
     (old.id, old.kind, old.payload, old.household_id, old.reason, old.maker, old.maker_person, old.created_at, old.expires_at) then
    raise exception 'what was asked for does not change'
      using errcode = 'check_violation', constraint = 'change_request_unchanging';
  end if;
  -- An approved one may turn out to fail; nothing else is decided twice.
  if old.state <> 'pending' and not (old.state = 'approved' and old.result is null and new.state in ('approved', 'failed')
       and new.checker = old.checker and new.decided_at = old.decided_at) then
    raise exception 'change request % is decided', old.id
      using errcode = 'check_violation', constraint = 'change_request_once';
  end if;
  return new;
end $$;
create trigger change_request_guard before update on change_request
  for each row execute function guard_change_request();

grant select on access_user, access_session, access_key, audit_event, audit_head, idempotent_request, change_request
  to mizan_app;
grant insert on access_user, access_session, access_key, idempotent_request to mizan_app;
grant insert (actor, source, request_id, action, outcome, households, detail) on audit_event to mizan_app;
grant insert (kind, payload, household_id, reason, maker, maker_person, expires_at) on change_request to mizan_app;
grant update (password_hash, roles, must_change, failures, locked_until, last_login_at, password_at, disabled_at, access_by,
  confirmed_by) on access_user to mizan_app;
grant update (used_at, ended_at) on access_session to mizan_app;
grant update (used_at, revoked_at, revoked_by) on access_key to mizan_app;
grant update (busy_until, command_lane, command_id, status, location, body) on idempotent_request to mizan_app;
grant update (state, checker, note, command_lane, command_id, result, decided_at) on change_request to mizan_app;
-- What is past its time is swept; answers and sessions are no history.
grant delete on access_session, idempotent_request to mizan_app;
revoke all on function guard_access_user(), audit_texts(audit_event), chain_audit_event(), refuse_audit_change(),
  guard_change_request() from public;
grant execute on function audit_texts(audit_event) to mizan_app;
