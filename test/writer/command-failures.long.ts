import { test } from 'tap'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { withClient } from '../../src/store/database-location.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import {
  allChecksHold,
  chainOf,
  inboxWorld,
  isDone,
  journalCount,
  pause,
  requestTogether,
  statusChange,
  statusOf,
  TIMEOUT_MS,
  waitFor,
  whenDone,
} from '../support/inbox.ts'
import { ask, isLaneAtLock, purchaseOf } from '../support/writer.ts'

test('commands in a batch that the database refuses are decided again, and done once', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const outcomes: string[] = []
  const writer = await world.start({ observer: { batchDone: (_lane, { outcome }) => outcomes.push(outcome) } })
  await owner.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')")
  // The first batch waits at the lane's row while commands and the bad request come together into the next.
  await owner.query('begin')
  await owner.query('select from lane for update')
  const first = ask(writer, purchaseOf(1, world.clock.now()))
  await waitFor('a batch in flight', () => isLaneAtLock(owner))
  await requestTogether(app, chainOf(2, 4))
  await pause()
  const bad = ask(writer, purchaseOf(3, world.clock.now(), { rrn: 'POISON' }))
  await pause()
  await owner.query('commit')
  t.equal((await first).result, 'approved')
  t.equal((await bad).result, 'internal-fault')
  const done = await whenDone(owner)
  t.ok(done.length === 4 && done.every(isDone))
  t.ok(outcomes.includes('refused'))
  t.equal(await journalCount(owner), 4)
  t.equal(await statusOf(owner, 2), 'active')
  await allChecksHold(t, world)
})

test('a command that the database refuses by itself is ended as refused, and stops no other', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const faults: unknown[] = []
  const writer = await world.start({ observer: { laneFault: (_lane, error) => faults.push(error) } })
  await owner.query("alter table card add constraint poison check (id <> 5 or status <> 'stolen')")
  const asked = [
    statusChange(4, 'lost'),
    statusChange(5, 'stolen'),
    statusChange(5, 'restricted'),
    statusChange(6, 'lost'),
  ]
  await requestTogether(app, asked)
  const done = await whenDone(owner)
  t.match(
    done.map(({ card, outcome }) => `${card} ${outcome}`),
    [
      '4 done: the card was active and is lost',
      '5 refused: the database refuses it (poison)',
      '5 done: the card was active and is restricted',
      '6 done: the card was active and is lost',
    ],
  )
  t.equal(await journalCount(owner), 4)
  t.same(faults, [], 'nothing is left undone')
  t.equal(
    (await ask(writer, purchaseOf(5, world.clock.now()))).result,
    'restricted-card',
    'memory says what is durable',
  )
  await allChecksHold(t, world)
})

test('while the database lacks resources commands wait, and keep their order', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const refused: string[] = []
  const writer = await world.start({ observer: { batchRefused: (_l, _q, _s, code) => refused.push(code) } })
  await owner.query(`
    create table disk (is_full boolean);
    insert into disk values (true);
    grant select on disk to mizan_app;
    create function disk_full() returns trigger language plpgsql as $$
    begin
      if (select is_full from disk) then raise exception 'no room' using errcode = '53100'; end if;
      return new;
    end $$;
    create trigger disk_full before insert on command_journal for each row execute function disk_full()`)
  for (const command of chainOf(7, 6)) await requestCommand(app, command)
  await waitFor('a refusal', async () => refused.length > 0)
  t.equal((await ask(writer, purchaseOf(8, world.clock.now()))).result, 'approved', 'requests go on meanwhile')
  t.equal(await journalCount(owner), 0)
  t.ok(refused.length < 20, 'and it is not tried without end')
  await owner.query('update disk set is_full = false')
  const done = await whenDone(owner)
  t.ok(done.length === 6 && done.every(isDone))
  await allChecksHold(t, world)
})

test('a batch whose outcome is lost with the connection is done once: when it was not in', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const recovered: boolean[] = []
  await world.start({ observer: { laneRecovered: (_lane, _epoch, _seq, committed) => recovered.push(committed) } })
  await owner.query('begin')
  await owner.query('select from lane for update')
  for (const command of chainOf(2, 3)) await requestCommand(app, command)
  const waiting =
    "select pid from pg_stat_activity where datname = current_database() and application_name = 'mizan lane 0' and wait_event_type = 'Lock'"
  await waitFor('a batch in flight', async () => (await owner.query(waiting)).rowCount === 1)
  await owner.query(`select pg_terminate_backend(pid) from (${waiting}) w`)
  await owner.query('commit')
  const done = await whenDone(owner)
  t.ok(done.length === 3 && done.every(isDone))
  t.same(recovered, [false])
  t.equal(await journalCount(owner), 3)
  await allChecksHold(t, world)
})

test('a connection that is lost while the parts of a refused batch are tried alone loses none and repeats none', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const recovered: boolean[] = []
  const writer = await world.start({
    observer: { laneRecovered: (_l, _e, _s, committed) => recovered.push(committed) },
  })
  await owner.query(`
    alter table authorization_journal add constraint poison check (rrn <> 'POISON');
    create function wait_there() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(4711);
      return new;
    end $$;
    create trigger wait_there before update on command_inbox for each row
      when (new.card_id = 5) execute function wait_there();
    select pg_advisory_lock(4711)`)
  await withClient(world.url, async (blocker) => {
    // A batch at the lane's row, so that all that follows comes into one, which the bad request spoils.
    await blocker.query('begin')
    await blocker.query('select from lane for update')
    const first = ask(writer, purchaseOf(1, world.clock.now()))
    const waiting = (what: string) => async () => {
      const text = `select from pg_stat_activity
        where datname = current_database() and application_name = 'mizan lane 0' and wait_event_type = 'Lock' and wait_event = $1`
      return (await owner.query(text, [what])).rowCount === 1
    }
    await waitFor('a batch in flight', waiting('transactionid'))
    await requestTogether(
      app,
      [4, 5, 6, 7].map((card) => statusChange(card, 'restricted')),
    )
    await pause()
    const bad = ask(writer, purchaseOf(3, world.clock.now(), { rrn: 'POISON' }))
    const good = ask(writer, purchaseOf(2, world.clock.now()))
    await pause()
    await blocker.query('commit')
    t.equal((await first).result, 'approved')
    await waitFor('a part that is tried alone', waiting('advisory'))
    await owner.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'mizan lane 0'",
    )
    await waitFor('the lane to be taken again', async () => recovered.length > 0)
    await owner.query('select pg_advisory_unlock(4711)')
    t.equal((await bad).result, 'internal-fault')
    t.equal((await good).result, 'approved')
  })
  const done = await whenDone(owner)
  t.ok(done.length === 4 && done.every(isDone))
  t.same(
    done.map(({ by }) => by),
    done.map(({ by }) => by).toSorted((a, b) => a - b),
  )
  t.same(recovered, [false])
  t.equal(await journalCount(owner), 4)
  await allChecksHold(t, world)
})

test('a batch whose outcome is lost with the connection is done once: when it was in', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const target = new URL(world.url)
  const proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port || 5432) })
  t.teardown(() => proxy.close())
  const laneUrl = Object.assign(new URL(world.url), { host: `127.0.0.1:${proxy.port}` }).href
  const recovered: boolean[] = []
  const fillings: { households: number; filling: boolean }[] = []
  const observer = {
    cacheWarmed: (_lane: number, households: number, filling: boolean) => fillings.push({ households, filling }),
    laneRecovered: (_l: number, _e: number, _s: number, committed: boolean) => recovered.push(committed),
  }
  const writer = await world.start({ laneUrl, observer })
  t.equal((await ask(writer, purchaseOf(2, world.clock.now()))).result, 'approved')
  await waitFor('an idle lane', async () => fillings.at(-1)?.filling === false)
  t.same(
    fillings.map(({ filling }) => filling),
    [true, true, false],
    '40 households in two parts',
  )
  t.equal(fillings.at(-1)?.households, 40)
  proxy.toClient.drop = () => true
  for (const command of chainOf(2, 3)) await requestCommand(app, command)
  await waitFor('a commit that nobody hears of', async () => (await journalCount(owner)) > 0)
  delete proxy.toClient.drop
  proxy.cut()
  const done = await whenDone(owner)
  t.ok(done.length === 3 && done.every(isDone))
  await waitFor('a lane that knows what became of it', async () => recovered.length > 0)
  t.same(recovered, [true])
  t.equal(await journalCount(owner), 3)
  await waitFor('a memory that is filled again', async () => fillings.length >= 6)
  t.match(fillings.slice(3), [{ households: 0, filling: true }, { filling: true }, { households: 40, filling: false }])
  await allChecksHold(t, world)
})

test('the inbox is read again after its connection was lost', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const faults: unknown[] = []
  await world.start({ observer: { laneFault: (_lane, error) => faults.push(error) } })
  const asked = await requestCommand(app, statusChange(1, 'restricted'))
  await awaitCommand(app, asked, { timeoutMs: TIMEOUT_MS })
  await owner.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'mizan inbox'",
  )
  const later = await requestCommand(app, statusChange(1, 'active'))
  t.match((await awaitCommand(app, later, { timeoutMs: TIMEOUT_MS })).end, { done: true })
  t.ok(faults.length <= 1)
})
