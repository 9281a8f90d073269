-- Benefit programmes as data: every version that was ever drafted, who made it and who let it decide. A running switch
-- follows what is published.

-- Goes up whenever what is published changes, in its transaction: a running switch reads one row to learn of it.
create table programme_generation (
  one           boolean primary key default true check (one),
  generation    bigint not null
);
insert into programme_generation (generation) values (1);

create table programme_version (
  code          text not null check (code ~ '^[a-z][a-z0-9-]{1,31}$'),
  version       integer not null check (version between 1 and 9999),
  number        smallint not null check (number between 1 and 99),
  effective_from date not null,
  effective_to  date,
  -- The file as it was checked, its defaults filled in.
  content       jsonb not null check (jsonb_typeof(content) = 'object' and octet_length(content::text) <= 4194304),
  -- SHA-256 of the content with its keys in order: what decides is what was checked.
  checksum      text not null check (checksum ~ '^[0-9a-f]{64}$'),
  state         text not null check (state in ('draft', 'submitted', 'published', 'withdrawn')),
  note          text not null default '' check (length(note) <= 500),
  created_by    text not null check (length(created_by) between 1 and 64),
  created_at    timestamptz not null default now(),
  submitted_by  text check (length(submitted_by) between 1 and 64),
  submitted_at  timestamptz,
  published_by  text check (length(published_by) between 1 and 64),
  published_at  timestamptz,
  withdrawn_by  text check (length(withdrawn_by) between 1 and 64),
  withdrawn_at  timestamptz,
  primary key (code, version),
  constraint programme_version_dates check (effective_to >= effective_from),
  constraint programme_version_content check (
    (content ->> 'code', (content ->> 'version')::integer, (content ->> 'number')::smallint,
     (content ->> 'effectiveFrom')::date) = (code, version, number, effective_from)
    and (content ->> 'effectiveTo')::date is not distinct from effective_to),
  -- Whoever made or submitted a version does not let it decide.
  constraint programme_version_second_person check (published_by not in (created_by, submitted_by)),
  constraint programme_version_steps check (
    (submitted_by is null) = (submitted_at is null) and (published_by is null) = (published_at is null)
    and (withdrawn_by is null) = (withdrawn_at is null)
    and (state <> 'submitted' or submitted_by is not null)
    and (state <> 'published' or (submitted_by is not null and published_by is not null))
    and (state = 'withdrawn') = (withdrawn_by is not null)
    and (state <> 'draft' or published_by is null))
);
create unique index programme_version_open on programme_version (code) where state in ('draft', 'submitted');

create function guard_programme_version() returns trigger language plpgsql as $$
begin
  if new.state in ('submitted', 'published') and exists (select from programme_version p
             where p.number = new.number and p.code <> new.code and p.published_at is not null) then
    raise exception 'number % is that of another programme', new.number
      using errcode = 'check_violation', constraint = 'programme_version_number';
  end if;
  if tg_op = 'INSERT' then return new; end if;
  if (new.code, new.version) is distinct from (old.code, old.version) then
    raise exception 'a version is not renamed'
      using errcode = 'check_violation', constraint = 'programme_version_unchanging';
  end if;
  if old.state <> new.state and (old.state, new.state) not in (
    ('draft', 'submitted'), ('draft', 'withdrawn'), ('submitted', 'published'), ('submitted', 'withdrawn'),
    ('published', 'withdrawn'), ('withdrawn', 'draft')
  ) then
    raise exception 'a % version does not become %', old.state, new.state
      using errcode = 'check_violation', constraint = 'programme_version_life_cycle';
  end if;
  -- What was published once stays what it was; of what was not, only a draft is written anew.
  if old.published_at is not null and (new.state = 'draft'
      or (new.submitted_by, new.submitted_at, new.published_by, new.published_at)
         is distinct from (old.submitted_by, old.submitted_at, old.published_by, old.published_at))
    or (new.state <> 'draft' or old.published_at is not null)
      and (new.number, new.effective_from, new.effective_to, new.content, new.checksum, new.created_by, new.created_at)
        is distinct from
        (old.number, old.effective_from, old.effective_to, old.content, old.checksum, old.created_by, old.created_at)
  then
    raise exception 'what a % version says does not change', old.state
      using errcode = 'check_violation', constraint = 'programme_version_unchanging';
  end if;
  return new;
end $$;
create trigger programme_version_guard before insert or update on programme_version
  for each row execute function guard_programme_version();

-- What is published gets its accounts in the chart, and running switches are told.
create function note_programme_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if new.state <> 'published' and (tg_op = 'INSERT' or old.state <> 'published') then return null; end if;
  if new.state = 'published' and new.content ->> 'kind' = 'wallet' then
    insert into account_kind (kind, name, account_class, unit, floor_zero)
      select c.class * 1000 + u.unit_code * 100 + new.number, new.code || ' ' || c.name, c.class, u.unit, c.class = 1
      from (values (0, 'EGP'), (1, 'LOAF'), (2, 'KG')) u(unit_code, unit),
           (values (1, 'wallet'), (2, 'redeemed'), (3, 'funding'), (4, 'expired'), (5, 'converted'), (9, 'advanced')) c(class, name)
      where u.unit = new.content ->> 'unit'
      on conflict do nothing;
  end if;
  update programme_generation set generation = generation + 1;
  perform pg_notify('mizan_programme', '');
  return null;
end $$;
create trigger programme_version_note after insert or update on programme_version
  for each row execute function note_programme_change();

create view programmes as
  select code, version, number, content ->> 'kind' as kind, content -> 'name' ->> 'en' as name,
         content -> 'name' ->> 'ar' as name_ar, effective_from, effective_to, state, note, content, checksum,
         created_by, created_at, submitted_by, submitted_at, published_by, published_at, withdrawn_by, withdrawn_at
  from programme_version;

-- Past draws decided again under a version, as somebody asked, and what came of it.
create table programme_simulation (
  id            bigint generated always as identity primary key,
  code          text not null,
  version       integer not null,
  -- Of the content that was asked about: a draft may be written anew meanwhile.
  checksum      text not null,
  from_date     date not null,
  to_date       date not null check (to_date between from_date and from_date + 92),
  asked_by      text not null check (length(asked_by) between 1 and 160),
  asked_at      timestamptz not null default clock_timestamp(),
  attempts      integer not null default 0 check (attempts >= 0),
  state         text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
  -- Messages of the journal that its last attempt has read so far.
  messages      bigint not null default 0 check (messages >= 0),
  ended_at      timestamptz,
  report        jsonb,
  -- Why it failed, or its last attempt did.
  words         text check (length(words) between 1 and 500),
  foreign key (code, version) references programme_version (code, version),
  constraint programme_simulation_end check (
    (state = 'waiting') = (ended_at is null) and (state = 'done') = (report is not null) and (state <> 'failed' or words is not null))
);
-- Asked for twice, it is one.
create unique index programme_simulation_waiting on programme_simulation (code, version, checksum, from_date, to_date)
  where state = 'waiting';
create index programme_simulation_version on programme_simulation (code, version, id);

grant select, insert on programme_simulation to mizan_app;
grant update (attempts, state, messages, ended_at, report, words) on programme_simulation to mizan_app;
grant select on programme_generation, programme_version, programmes to mizan_app;
grant select on programmes to mizan_analyst;
grant insert, update on programme_version to mizan_app;
revoke all on function guard_programme_version(), note_programme_change() from public;
