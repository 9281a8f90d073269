-- Delivery of what the outbox (`notification`) holds. A row of the outbox is written once, by the writer, in the commit of
-- what it tells of; all that changes stands here. Neither numbers nor texts are kept: a text is made when it goes.

-- Within a lane ids become visible in their order, because the commit that takes them holds the lane's row; between lanes
-- they do not. So delivery goes through each lane by itself, and keeps the last id it took. What jobs tell stands in a
-- lane of its own, 64, in which a lock keeps the order.
create index notification_lane on notification (lane, id);

create table notification_position (
  lane          smallint primary key,
  last_id       bigint not null
);

-- How far households were reminded of what lapses soon, so that each is reminded once of a period whatever is cut off.
create table notification_reminder (
  programme     smallint not null,
  period        integer not null,
  lane          smallint not null,
  last_household bigint not null,
  done          boolean not null default false,
  primary key (programme, period, lane)
);

-- What a household wishes; without a row: everything, in the language of its head or the one configured.
create table notification_preference (
  household_id  bigint primary key,
  language      text check (language in ('ar', 'en')),
  digits        text check (digits in ('arab', 'latn')),
  -- Groups of templates that it does not want.
  opt_outs      text[] not null default '{}' check (cardinality(opt_outs) <= 32),
  updated_at    timestamptz not null default now(),
  updated_by    text not null check (length(updated_by) between 1 and 64)
);

-- One row a notification. `turn` rises with each job made for it: a job of an earlier turn does nothing.
create table notification_delivery (
  id            bigint primary key,
  household_id  bigint not null,
  template      text not null,
  template_group text not null,
  important     boolean not null,
  state         text not null check (state in ('waiting', 'sent', 'failed', 'dead', 'suppressed')),
  -- Why it was suppressed, or waits longer than others.
  reason        text check (reason ~ '^[a-z][a-z-]{1,31}$'),
  turn          integer not null default 1 check (turn > 0),
  -- Sendings that were begun, and how often someone had it sent again.
  attempts      integer not null default 0 check (attempts >= 0),
  resends       integer not null default 0 check (resends >= 0),
  next_at       timestamptz,
  created_at    timestamptz not null,
  ended_at      timestamptz,
  provider_reference text check (length(provider_reference) <= 128),
  text_hash     bytea check (length(text_hash) = 32),
  parts         smallint check (parts between 1 and 20),
  error         text check (length(error) <= 300),
  constraint notification_delivery_end check ((state = 'waiting') = (ended_at is null)),
  constraint notification_delivery_next check ((state = 'waiting') = (next_at is not null))
);
alter table notification_delivery alter column provider_reference set statistics 0, alter column text_hash set statistics 0,
  alter column error set statistics 0;
create index notification_delivery_waiting on notification_delivery (created_at, id) where state = 'waiting';
create index notification_delivery_troubled on notification_delivery (id) where state in ('failed', 'dead');
create index notification_delivery_household on notification_delivery (household_id, ended_at);

-- Only delivery that was ended a while ago goes, with its row of the outbox; the application cannot delete either by itself.
create function purge_notifications(p_before timestamptz, p_limit integer) returns integer
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from notification_delivery where id in (
      select id from notification_delivery
        where created_at < p_before and ended_at < p_before order by id limit p_limit)
    returning id
  ), outbox as (
    delete from notification n using gone g where n.id = g.id
  )
  select count(*)::integer from gone
$$;

create view notifications as
  select n.lane, n.id, n.household_id, n.template, n.batch_seq, n.created_at, coalesce(d.state, 'new') as state, d.reason,
         d.attempts, d.resends, d.next_at, d.ended_at, d.provider_reference, d.parts, d.error
  from notification n
  left join notification_delivery d on d.id = n.id;

-- Jobs by name and time ----------------------------------------------------------------------------------------------

-- The runs of scheduled jobs, whoever triggered them. Rows are added and ended, never changed otherwise.
create table job_run (
  id            bigint generated always as identity primary key,
  job           text not null check (job ~ '^[a-z][a-z0-9-]{1,47}$'),
  -- Of the queue: repeated when a run was cut off and begun again.
  ticket        uuid not null,
  triggered_by  text not null check (length(triggered_by) between 1 and 64),
  started_at    timestamptz not null default clock_timestamp(),
  ended_at      timestamptz,
  outcome       text check (outcome in ('done', 'failed')),
  -- What came of it in words, or why it failed.
  detail        text check (length(detail) <= 500),
  constraint job_run_end check (num_nulls(ended_at, outcome, detail) in (0, 3))
);
create index job_run_job on job_run (job, id);
create index job_run_ticket on job_run (ticket);

grant select on notification_position, notification_reminder, notification_preference, notification_delivery, notifications, job_run to mizan_app;
grant insert, update on notification_position, notification_reminder, notification_preference, notification_delivery to mizan_app;
grant insert (job, ticket, triggered_by) on job_run to mizan_app;
grant update (ended_at, outcome, detail) on job_run to mizan_app;
revoke all on function purge_notifications(timestamptz, integer) from public;
grant execute on function purge_notifications(timestamptz, integer) to mizan_app;
grant select on notifications to mizan_analyst;
