-- Keys at rest, those who enter them, and what was done. No row holds a clear key: `block` is a TR-31 version D key block
-- under the master key, which is not in the database. The application adds keys and moves them along their life; it
-- cannot change or delete what they are, nor what was noted of them.

-- Goes up with each change of a key, in its transaction: a running switch reads one row to learn of a change. Its row
-- lock also lets changes come one after another.
create table security_generation (
  one           boolean primary key default true check (one),
  generation    bigint not null
);
insert into security_generation (generation) values (1);

create table security_key (
  name          text not null check (length(name) <= 64 and name ~ '^[a-z][a-z0-9-]*(:[A-Za-z0-9-]+)?$'),
  version       integer not null check (version between 1 and 9999),
  usage         text not null check (usage ~ '^[A-Z][0-9]$'),
  algorithm     text not null check (algorithm in ('T', 'A', 'H')),
  mode_of_use   text not null check (mode_of_use ~ '^[A-Z]$'),
  exportability text not null check (exportability in ('E', 'N', 'S')),
  check_value   text not null check (check_value ~ '^[0-9A-F]{6}$'),
  block         text not null unique,
  status        text not null check (status in ('pending', 'active', 'retired', 'revoked')),
  valid_from    timestamptz not null,
  valid_to      timestamptz,
  created_at    timestamptz not null default now(),
  created_by    text not null check (length(created_by) between 1 and 64),
  primary key (name, version),
  constraint security_key_validity check (valid_to > valid_from),
  -- Cards are found by one index for the life of an installation.
  constraint security_key_single check (name <> 'pan-index' or (version = 1 and status in ('pending', 'active'))),
  -- The header of the block, which is authenticated with the key, says the same as the row.
  constraint security_key_block check (
    length(block) between 80 and 9999
    and block ~ '^D[0-9]{4}[A-Z][0-9][A-Z]{2}[0-9A-Za-z]{2}[A-Z][0-9]{4}[ -~]+$'
    and substr(block, 2, 4) = lpad(length(block)::text, 4, '0')
    and substr(block, 6, 2) = usage and substr(block, 8, 1) = algorithm
    and substr(block, 9, 1) = mode_of_use and substr(block, 12, 1) = exportability
  )
);

-- Who may enter key components, each with a secret of their own; a name is never used again.
create table custodian (
  name          text primary key check (name ~ '^[a-z][a-z0-9._-]{1,31}$'),
  secret_hash   text not null check (secret_hash ~ '^scrypt\$[0-9]+\$[0-9]+\$[0-9]+\$[0-9a-f]{32}\$[0-9a-f]{64}$'),
  created_at    timestamptz not null default now(),
  disabled_at   timestamptz
);

create table key_event (
  id            bigint generated always as identity primary key,
  at            timestamptz not null default now(),
  -- Operating-system user, and the custodians who were logged in.
  actor         text not null,
  custodians    text[] not null default '{}',
  action        text not null check (action in (
    'key-created', 'key-activated', 'key-retired', 'key-revoked', 'key-validity-changed', 'key-deleted', 'key-exported',
    'custodian-added', 'custodian-disabled', 'custodian-refused'
  )),
  -- Of the key, or of the custodian.
  name          text not null,
  version       integer,
  check_value   text,
  detail        text not null default ''
);
create index key_event_name on key_event (name, id);

-- Writes down what happens, on behalf of those whom the transaction names (`mizan.actor`, `mizan.custodians`,
-- `mizan.detail`; src/store/key-store.ts): a change without its event cannot be committed.
create function note_key_event(p_action text, p_name text, p_version integer, p_check_value text) returns void
  language sql security definer set search_path = public, pg_temp as $$
  insert into key_event (actor, custodians, action, name, version, check_value, detail)
  values (
    coalesce(nullif(current_setting('mizan.actor', true), ''), session_user),
    string_to_array(coalesce(current_setting('mizan.custodians', true), ''), ' '),
    p_action, p_name, p_version, p_check_value, coalesce(current_setting('mizan.detail', true), '')
  )
$$;

-- The life cycle of src/security/keys/key-record.ts, once more, where no program can get round it.
create function guard_key() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_last integer;
  v_usage text;
begin
  -- Before any key's own lock, so that no two changes wait for each other.
  perform from security_generation for update;
  if tg_op = 'INSERT' then
    select max(version), min(usage) into v_last, v_usage from security_key where name = new.name;
    if new.version <> coalesce(v_last, 0) + 1 then
      raise exception 'the next version of key % is %', new.name, coalesce(v_last, 0) + 1
        using errcode = 'check_violation', constraint = 'security_key_next_version';
    end if;
    if new.usage <> v_usage then
      raise exception 'key % has usage %', new.name, v_usage
        using errcode = 'check_violation', constraint = 'security_key_one_usage';
    end if;
    if new.status not in ('pending', 'active') then
      raise exception 'a new key is pending or active'
        using errcode = 'check_violation', constraint = 'security_key_life_cycle';
    end if;
    return new;
  end if;
  if (new.name, new.version, new.usage, new.algorithm, new.mode_of_use, new.exportability, new.check_value, new.block,
      new.created_at, new.created_by)
     is distinct from (old.name, old.version, old.usage, old.algorithm, old.mode_of_use, old.exportability,
      old.check_value, old.block, old.created_at, old.created_by) then
    raise exception 'what a key is does not change'
      using errcode = 'check_violation', constraint = 'security_key_unchanging';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
    ('pending', 'active'), ('pending', 'revoked'), ('active', 'retired'), ('active', 'revoked'), ('retired', 'revoked')
  ) then
    raise exception 'a % key does not become %', old.status, new.status
      using errcode = 'check_violation', constraint = 'security_key_life_cycle';
  end if;
  return new;
end $$;
create trigger security_key_guard before insert or update on security_key
  for each row execute function guard_key();

create function note_key_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update security_generation set generation = generation + 1;
  -- Only the owner of the database can delete.
  if tg_op = 'DELETE' then
    perform note_key_event('key-deleted', old.name, old.version, old.check_value);
    return null;
  end if;
  perform note_key_event(
    case
      when tg_op = 'INSERT' then 'key-created'
      when new.status = old.status then 'key-validity-changed'
      when new.status = 'active' then 'key-activated'
      else 'key-' || new.status
    end,
    new.name, new.version, new.check_value);
  return null;
end $$;
create trigger security_key_note after insert or update or delete on security_key
  for each row execute function note_key_change();

create function note_custodian_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_op = 'UPDATE' and (old.disabled_at is not null or new.disabled_at is null
      or (new.name, new.secret_hash, new.created_at) is distinct from (old.name, old.secret_hash, old.created_at)) then
    raise exception 'a custodian is disabled once, and nothing else of one changes'
      using errcode = 'check_violation', constraint = 'custodian_unchanging';
  end if;
  perform note_key_event(
    case when tg_op = 'INSERT' then 'custodian-added' else 'custodian-disabled' end, new.name, null, null);
  return null;
end $$;
create trigger custodian_note after insert or update on custodian
  for each row execute function note_custodian_change();

grant select on security_generation, security_key, key_event, custodian to mizan_app;
grant insert on security_key, custodian to mizan_app;
grant update (status, valid_from, valid_to) on security_key to mizan_app;
grant update (disabled_at) on custodian to mizan_app;
revoke all on function note_key_event(text, text, integer, text), guard_key(), note_key_change(), note_custodian_change()
  from public;
grant execute on function note_key_event(text, text, integer, text) to mizan_app;
