-- Protection and delivery of clearing files: keys and certificates, signatures and encrypted forms, the release by two
-- people, what was delivered where and acknowledged, and what was fetched.

-- Keys of ours and certificates of partners for files. A private key rests in AES-256-GCM under a key derived from the master
-- key, which is not in the database, bound to its certificate. Up to two of one owner and purpose are in use at once, so that a
-- rotation loses no file.
create table clearing_key (
  id            bigint generated always as identity primary key,
  -- `own`, or the institution whose files it is for.
  owner         text not null check (owner = 'own' or owner ~ '^[A-Z0-9]{2,11}$'),
  -- sign: ours signs, a partner's verifies; encrypt: ours opens, a partner's encrypts.
  purpose       text not null check (purpose in ('sign', 'encrypt')),
  version       integer not null check (version between 1 and 9999),
  -- X.509, DER, and its SHA-256.
  certificate   bytea not null check (octet_length(certificate) between 100 and 16384),
  fingerprint   text not null unique check (fingerprint ~ '^[0-9a-f]{64}$'),
  subject       text not null check (length(subject) between 1 and 500),
  valid_from    timestamptz not null,
  valid_to      timestamptz not null,
  sealed_key    bytea check (octet_length(sealed_key) between 100 and 16384),
  status        text not null default 'active' check (status in ('active', 'retired', 'revoked')),
  -- Made for the demo world: no secret, and refused in production.
  is_demo       boolean not null default false,
  created_at    timestamptz not null default clock_timestamp(),
  created_by    text not null check (length(created_by) between 1 and 80),
  ended_at      timestamptz,
  ended_by      text check (length(ended_by) between 1 and 80),
  unique (owner, purpose, version),
  constraint clearing_key_certificate check (fingerprint = encode(sha256(certificate), 'hex')),
  constraint clearing_key_validity check (valid_to > valid_from),
  constraint clearing_key_own check ((owner = 'own') = (sealed_key is not null)),
  constraint clearing_key_end check ((status = 'active') = (ended_at is null) and (ended_at is null) = (ended_by is null))
);

create function guard_clearing_key() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and ((new.id, new.owner, new.purpose, new.version, new.certificate, new.fingerprint, new.subject,
        new.valid_from, new.valid_to, new.sealed_key, new.is_demo, new.created_at, new.created_by) is distinct from
       (old.id, old.owner, old.purpose, old.version, old.certificate, old.fingerprint, old.subject, old.valid_from,
        old.valid_to, old.sealed_key, old.is_demo, old.created_at, old.created_by)
      or (old.status, new.status) not in (('active', 'retired'), ('active', 'revoked'), ('retired', 'revoked'))) then
    raise exception 'a % key does not become %, and what a key is does not change', old.status, new.status
      using errcode = 'check_violation', constraint = 'clearing_key_life';
  end if;
  if tg_op = 'INSERT' then
    perform pg_advisory_xact_lock(hashtext('clearing_key ' || new.owner || ' ' || new.purpose));
    if (select count(*) from clearing_key k
        where k.owner = new.owner and k.purpose = new.purpose and k.status = 'active') >= 2 then
      raise exception 'two keys of % to % are in use: retire one', new.owner, new.purpose
        using errcode = 'check_violation', constraint = 'clearing_key_two';
    end if;
  end if;
  return new;
end $$;
create trigger clearing_key_guard before insert or update on clearing_key
  for each row execute function guard_clearing_key();

-- What protects a file: its detached signature, and its encrypted form where it has one. Names are beside the file's.
create table clearing_protection (
  file_id       bigint primary key references clearing_file (id),
  signature_name text not null,
  signature_sha256 bytea not null check (length(signature_sha256) = 32),
  signed_by     bigint not null references clearing_key (id),
  encrypted_name text,
  encrypted_bytes bigint check (encrypted_bytes > 0),
  encrypted_sha256 bytea check (length(encrypted_sha256) = 32),
  -- For whom: keys of the partner, and ours.
  encrypted_for bigint[],
  made_at       timestamptz not null default clock_timestamp(),
  constraint clearing_protection_encrypted check (
    num_nulls(encrypted_name, encrypted_bytes, encrypted_sha256, encrypted_for) in (0, 4))
);

-- What a file was protected with stays, but for a signature whose key is not in use any more: another takes its place.
create function guard_clearing_protection() returns trigger language plpgsql as $$
begin
  if (new.file_id, new.signature_name, new.encrypted_name, new.encrypted_bytes, new.encrypted_sha256, new.encrypted_for)
     is distinct from
     (old.file_id, old.signature_name, old.encrypted_name, old.encrypted_bytes, old.encrypted_sha256, old.encrypted_for)
     or (select status from clearing_key where id = old.signed_by) = 'active'
     or not exists (select from clearing_key
                    where id = new.signed_by and owner = 'own' and purpose = 'sign' and status = 'active') then
    raise exception 'file % keeps what protects it: only a signature of an ended key is replaced, by one of a key in use', old.file_id
      using errcode = 'check_violation', constraint = 'clearing_protection_life';
  end if;
  return new;
end $$;
create trigger clearing_protection_guard before update on clearing_protection
  for each row execute function guard_clearing_protection();

-- Who let files of a day go out: exactly the bytes that the digest is over (src/clearing/delivery/release.ts).
create table clearing_release (
  id            bigint generated always as identity primary key,
  business_date date not null,
  digest        bytea not null check (length(digest) = 32),
  file_ids      bigint[] not null check (cardinality(file_ids) > 0),
  -- Who asked and who agreed; `policy` where the configuration asks for nobody.
  maker         text not null check (length(maker) between 1 and 80),
  checker       text not null check (length(checker) between 1 and 80),
  released_at   timestamptz not null default clock_timestamp(),
  constraint clearing_release_two check (maker <> checker or checker = 'policy')
);
create index clearing_release_date on clearing_release (business_date);

create table clearing_delivery (
  id            bigint generated always as identity primary key,
  file_id       bigint not null references clearing_file (id),
  destination   text not null check (destination ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  -- `failed`: tried as often as is configured, or refused; nobody tries again before somebody asks for it. `dropped`: the
  -- file goes to another destination, because the configuration changed before it was delivered to this one.
  state         text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed', 'dropped')),
  attempts      integer not null default 0 check (attempts >= 0),
  -- Attempts before somebody last asked for it again.
  attempts_before integer not null default 0 check (attempts_before between 0 and attempts),
  next_at       timestamptz not null default clock_timestamp(),
  error         text check (length(error) <= 500),
  created_at    timestamptz not null default clock_timestamp(),
  delivered_at  timestamptz,
  -- Until when the receiver has to have answered; null where no answer is expected.
  acknowledge_by timestamptz,
  unique (file_id, destination),
  constraint clearing_delivery_done check (state <> 'delivered' or delivered_at is not null)
);
create index clearing_delivery_open on clearing_delivery (id) where state in ('waiting', 'failed');

-- What happened to a delivery: rows are added, never changed.
create table clearing_delivery_event (
  id            bigint generated always as identity primary key,
  delivery_id   bigint not null references clearing_delivery (id),
  at            timestamptz not null default clock_timestamp(),
  actor         text not null check (length(actor) between 1 and 80),
  event         text not null check (event in ('failed', 'refused', 'delivered', 'was-there', 'resend', 'dropped')),
  detail        text check (length(detail) <= 500)
);
create index clearing_delivery_event_delivery on clearing_delivery_event (delivery_id, id);

-- What receivers answered; one answer to a file, until it is sent once more: then another one may come.
create table clearing_acknowledgement (
  id            bigint generated always as identity primary key,
  file_id       bigint not null references clearing_file (id),
  state         text not null check (state in ('accepted', 'rejected')),
  reason        text check (length(reason) <= 500),
  -- The file or message that said so.
  source        text not null check (length(source) between 1 and 200),
  at            timestamptz not null default clock_timestamp(),
  -- When the file was asked to be sent once more after this answer.
  set_aside_at  timestamptz
);
create unique index clearing_acknowledgement_file on clearing_acknowledgement (file_id) where set_aside_at is null;

-- What was found at partners' places, by its bytes: the same file is taken once, however often it is put there.
create table clearing_fetch (
  id            bigint generated always as identity primary key,
  source        text not null check (source ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  name          text not null check (length(name) between 1 and 200),
  bytes         bigint not null check (bytes >= 0),
  -- Null of what was not fetched, because it is too large.
  sha256        bytea check (length(sha256) = 32),
  -- When it, or its signature, was last written there: what was put there anew is looked at again.
  modified_at   timestamptz,
  seen_at       timestamptz not null default clock_timestamp(),
  -- `fetched`: it is in `in/` and waits for its receiver; `handed`: that took it; `refused`: nothing of it was taken.
  state         text not null check (state in ('fetched', 'handed', 'refused')),
  -- Of the file as it was handed on.
  type          text,
  clear_name    text,
  clear_sha256  bytea check (length(clear_sha256) = 32),
  signed_by     bigint references clearing_key (id),
  -- Stable name of why it was refused, and what came of it in words.
  reason        text check (length(reason) <= 48),
  words         text check (length(words) <= 500),
  at            timestamptz not null default clock_timestamp(),
  ended_at      timestamptz,
  constraint clearing_fetch_once unique nulls not distinct (source, name, sha256),
  constraint clearing_fetch_bytes check (sha256 is not null or state = 'refused')
);
create index clearing_fetch_open on clearing_fetch (id) where state = 'fetched';
create index clearing_fetch_content on clearing_fetch (source, clear_sha256);

create view clearing_keys as
  select id, owner, purpose, version, fingerprint, subject, valid_from, valid_to, status, is_demo, created_at, created_by, ended_at,
         ended_by
  from clearing_key;
create view clearing_deliveries as
  select d.id, f.name, f.type, f.institution, f.business_date, f.state as file_state, d.destination, d.state, d.attempts, d.next_at,
         d.error, d.created_at, d.delivered_at, d.acknowledge_by, a.state as answer, a.reason as answer_reason, a.at as answered_at
  from clearing_delivery d
  join clearing_file f on f.id = d.file_id
  left join clearing_acknowledgement a on a.file_id = d.file_id and a.set_aside_at is null;
create view clearing_fetches as
  select id, source, name, bytes, encode(sha256, 'hex') as sha256, modified_at, state, type, clear_name, reason, words, at, seen_at,
         ended_at
  from clearing_fetch;

grant select on clearing_key, clearing_protection, clearing_release, clearing_delivery, clearing_delivery_event,
  clearing_acknowledgement, clearing_fetch, clearing_keys, clearing_deliveries, clearing_fetches to mizan_app;
grant insert on clearing_key, clearing_protection, clearing_release, clearing_delivery, clearing_delivery_event,
  clearing_acknowledgement, clearing_fetch to mizan_app;
grant update (status, ended_at, ended_by) on clearing_key to mizan_app;
grant update (signature_sha256, signed_by, made_at) on clearing_protection to mizan_app;
grant update (state, attempts, attempts_before, next_at, error, delivered_at, acknowledge_by) on clearing_delivery to mizan_app;
grant update (set_aside_at) on clearing_acknowledgement to mizan_app;
grant update (bytes, modified_at, seen_at, state, type, clear_name, clear_sha256, signed_by, reason, words, ended_at) on clearing_fetch
  to mizan_app;
grant select on clearing_keys, clearing_deliveries, clearing_fetches to mizan_analyst;
revoke all on function guard_clearing_key(), guard_clearing_protection() from public;
