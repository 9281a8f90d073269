-- Who writes the lanes and who stands by. None of this protects the ledger: the fence of commit_batch does. It only says
-- when a standby should take the lanes over, and is written apart from all commits of batches.

create table lane_heartbeat (
  lane smallint primary key references lane (lane),
  -- That under which the process writes the lane; another one in `lane` means that it lost it.
  epoch bigint not null,
  instance uuid not null,
  host text not null check (length(host) <= 255),
  pid integer not null,
  -- released: its process gave the lane up in good order, whoever stands by may take it at once.
  state text not null check (state in ('active', 'released')),
  -- Rises with each heartbeat. Others see by their own clocks how long it has stood still.
  beats bigint not null,
  beat_at timestamptz not null,
  -- When somebody asked the process to hand over; cleared when it did.
  handover_at timestamptz,
  handover_by text check (length(handover_by) <= 200)
);

create table standby_heartbeat (
  instance uuid primary key,
  host text not null check (length(host) <= 255),
  pid integer not null,
  version text not null check (length(version) <= 100),
  beats bigint not null,
  beat_at timestamptz not null
);

-- The heartbeat of a process that writes lanes. `mine` is false for a lane that has another epoch by now.
create function beat_active(p_instance uuid, p_host text, p_pid integer, p_lanes smallint[], p_epochs bigint[])
  returns table (lane smallint, mine boolean, handover boolean, standbys integer) language sql as $$
  with beaten as (
    insert into lane_heartbeat as h (lane, epoch, instance, host, pid, state, beats, beat_at)
      select l.lane, l.epoch, p_instance, p_host, p_pid, 'active', 1, clock_timestamp()
      from unnest(p_lanes, p_epochs) u (lane, epoch)
      join lane l on l.lane = u.lane and l.epoch = u.epoch
    on conflict on constraint lane_heartbeat_pkey do update set
      epoch = excluded.epoch, instance = excluded.instance, host = excluded.host, pid = excluded.pid, state = 'active',
      beats = h.beats + 1, beat_at = excluded.beat_at,
      -- Whoever was asked before was another process.
      handover_at = case when h.instance = excluded.instance then h.handover_at end,
      handover_by = case when h.instance = excluded.instance then h.handover_by end
    returning h.lane, h.handover_at
  )
  select u.lane, b.lane is not null, b.handover_at is not null,
         (select count(*)::integer from standby_heartbeat s where s.beat_at > clock_timestamp() - interval '10 seconds')
  from unnest(p_lanes) u (lane) left join beaten b on b.lane = u.lane
$$;

-- The lanes are free: whoever stands by is told.
create function release_lanes(p_instance uuid) returns void language sql as $$
  update lane_heartbeat set state = 'released', beats = beats + 1, beat_at = clock_timestamp(),
    handover_at = null, handover_by = null
    where instance = p_instance;
  select pg_notify('mizan_lanes', 'released');
$$;

-- The heartbeat of a process that stands by, and what it sees of the lanes.
create function beat_standby(p_instance uuid, p_host text, p_pid integer, p_version text)
  returns table (
    lane smallint, epoch bigint, last_seq bigint, beat_epoch bigint, instance uuid, host text, pid integer, state text,
    beats bigint
  ) language sql as $$
  insert into standby_heartbeat as s values (p_instance, p_host, p_pid, p_version, 1, clock_timestamp())
    on conflict on constraint standby_heartbeat_pkey do update set
      beats = s.beats + 1, beat_at = excluded.beat_at;
  delete from standby_heartbeat s where s.beat_at < clock_timestamp() - interval '1 hour';
  select l.lane, l.epoch, l.last_seq, h.epoch, h.instance, h.host, h.pid, h.state, h.beats
    from lane l left join lane_heartbeat h on h.lane = l.lane order by l.lane;
$$;

-- Asks the process that writes the lanes to hand them over. Returns how many lanes it was asked for.
create function ask_handover(p_by text) returns integer language sql as $$
  with asked as (
    update lane_heartbeat set handover_at = clock_timestamp(), handover_by = p_by where state = 'active' returning lane
  )
  select pg_notify('mizan_handover', '') from asked limit 1;
  select count(*)::integer from lane_heartbeat where handover_at is not null;
$$;

grant select, insert, update on lane_heartbeat to mizan_app;
grant select, insert, update, delete on standby_heartbeat to mizan_app;
revoke all on function beat_active, release_lanes, beat_standby, ask_handover from public;
grant execute on function beat_active, release_lanes, beat_standby, ask_handover to mizan_app;

-- For people: which process writes which lane, and which ones stand by.
create view processes as
  select 'active' as role, h.lane, h.epoch, h.instance, h.host, h.pid, h.state, h.beat_at
  from lane_heartbeat h
  union all
  select 'standby', null, null, s.instance, s.host, s.pid, 'standby', s.beat_at
  from standby_heartbeat s;
grant select on processes to mizan_app, mizan_analyst;
