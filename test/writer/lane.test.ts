import { test } from 'tap'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { waitFor } from '../support/inbox.ts'
import { ask, isLaneAtLock, purchaseOf, transmissionOf, writerWorld } from '../support/writer.ts'

async function failedChecks(url: string): Promise<string[]> {
  return (await verifyLedger(url)).filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`)
}

test('a hold that is past its time ends once, in a batch of the writer, and frees the money', async (t) => {
  const world = await writerWorld(t)
  const writer = await world.start({ holdDays: 1 })
  const held = await ask(writer, purchaseOf(1, world.clock.now(), { mti: '0100' }))
  t.equal(held.result, 'approved')
  const balance = () =>
    withClient(world.url, async (client) => {
      const { rows } = await client.query('select posted::int, held::int from balance where account = 600100000000001')
      return rows[0] as { posted: number; held: number }
    })
  t.equal((await balance()).held, 1_000)
  await writer.stop()

  world.clock.advance(25 * 3_600_000)
  const later = await world.start({ holdDays: 1 })
  // The sweep at start hands the hold to the lane; a request behind it is decided after it.
  for (let tries = 0; tries < 50 && (await balance()).held !== 0; tries++)
    await ask(later, purchaseOf(2, world.clock.now()))
  t.equal((await balance()).held, 0)
  const endings = await withClient(world.url, (client) => client.query('select ending from hold_event'))
  t.same(endings.rows, [{ ending: 'expired' }])
  t.same(await failedChecks(world.url), [])
})

test('while the database has no room, a refused batch is answered 91 at once and not tried request by request', async (t) => {
  const world = await writerWorld(t)
  const refusals: number[] = []
  const writer = await world.start({ observer: { batchRefused: (_lane, _seq, size) => refusals.push(size) } })
  const owner = (text: string) => withClient(world.url, (client) => client.query(text))
  await owner(`
    create function disk_full() returns trigger language plpgsql as
      $$ begin raise exception 'no room' using errcode = '53100'; end $$;
    create trigger disk_full before insert on authorization_journal for each statement execute function disk_full()`)
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, at) => ask(writer, purchaseOf(at + 1, world.clock.now()))),
  )
  t.ok(answers.every(({ result }) => result === 'not-in-time'))
  t.equal(
    refusals.reduce((sum, size) => sum + size, 0),
    30,
    'each request was tried once',
  )
  await owner('drop trigger disk_full on authorization_journal')
  t.equal((await ask(writer, purchaseOf(1, world.clock.now()))).result, 'approved')
  t.same(await failedChecks(world.url), [])
})

test('a request whose batch the database ends for a deadlock is decided again, alone or beside one it refuses', async (t) => {
  const world = await writerWorld(t)
  const refusals: string[] = []
  const name = new URL(world.url).pathname.slice(1)
  await withClient(world.url, (client) => client.query(`alter database ${name} set deadlock_timeout = '2s'`))
  const writer = await world.start({ observer: { batchRefused: (_lane, _seq, _size, code) => refusals.push(code) } })
  t.equal((await ask(writer, purchaseOf(1, world.clock.now()))).result, 'approved')
  await withClient(world.url, (client) =>
    client.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')"),
  )
  const inDeadlock = (...requests: AuthorizationRequest[]) =>
    withClient(world.url, async (client) => {
      // The lane looks for a deadlock first: it is the one that is ended.
      await client.query("set deadlock_timeout = '20s'")
      await client.query('begin')
      await client.query('update balance set posted = posted where account = 600100000000001')
      const answers = Promise.all(requests.map((request) => ask(writer, request)))
      await waitFor('a batch at the balance', () => isLaneAtLock(client))
      await client.query('update lane set open_date = open_date')
      await client.query('commit')
      return (await answers).map(({ result }) => result)
    })
  const requestOf = (householdId: number, changes = {}) => purchaseOf(householdId, world.clock.now(), changes)
  t.same(await inDeadlock(requestOf(1)), ['approved'])
  t.same(refusals.splice(0), ['40P01'])
  t.same(await inDeadlock(requestOf(1), requestOf(2, { rrn: 'POISON' })), ['approved', 'internal-fault'])
  t.same(refusals, ['23514', '40P01', '23514', '23514'])
  t.same(await failedChecks(world.url), [])
})

test('one request that the database refuses harms no other of its batch', async (t) => {
  const world = await writerWorld(t)
  const refusals: string[] = []
  const writer = await world.start({
    observer: { batchRefused: (_lane, _seq, size) => refusals.push(`batch of ${size}`) },
  })
  await withClient(world.url, (client) =>
    client.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')"),
  )
  const answers = await Promise.all([
    ask(writer, purchaseOf(1, world.clock.now())),
    ask(writer, purchaseOf(2, world.clock.now(), { rrn: 'POISON' })),
    ask(writer, purchaseOf(3, world.clock.now())),
    ask(writer, purchaseOf(2, world.clock.now())),
  ])
  t.same(
    answers.map((answer) => answer.result),
    ['approved', 'internal-fault', 'approved', 'approved'],
  )
  t.equal(answers[1]?.fields[39], '96')
  t.ok(refusals.length >= 2, 'the whole batch was refused first, then the one request')
  const { rows } = await withClient(world.url, (client) =>
    client.query(
      'select household_id::int as household, count(*)::int from authorization_journal group by 1 order by 1',
    ),
  )
  t.same(rows, [
    { household: 1, count: 1 },
    { household: 2, count: 1 },
    { household: 3, count: 1 },
  ])
  t.same(await failedChecks(world.url), [])
})

test('a budget that ends before the batch is sent is answered 91 and leaves nothing; a sent batch answers late', async (t) => {
  const world = await writerWorld(t)
  const writer = await world.start({ timeBudgetMs: 500 })
  // A busy machine may take longer than that for the first.
  let approved = 0
  while (approved === 0) {
    if ((await ask(writer, purchaseOf(1, world.clock.now()))).result === 'approved') approved = 1
  }
  await withClient(world.url, async (client) => {
    await client.query('begin')
    await client.query('select from lane for update')
    // Until its commit stands at the lock: one that was not sent in its time is answered, and followed by another.
    let open = 0
    const send = () => {
      open++
      return ask(writer, purchaseOf(1, world.clock.now())).finally(() => open--)
    }
    let sent = send()
    for (;;) {
      if (await isLaneAtLock(client)) break
      if (open === 0) sent = send()
    }
    const waiting = await ask(writer, purchaseOf(2, world.clock.now()))
    t.equal(waiting.result, 'not-in-time')
    t.same(waiting.fields, { 39: '91' })
    await client.query('commit')
    t.equal((await sent).result, 'approved', 'its outcome decides the answer, however late')
  })
  const { rows } = await withClient(world.url, (client) =>
    client.query('select household_id::int as household, count(*)::int from authorization_journal group by 1'),
  )
  t.same(rows, [{ household: 1, count: 2 }])
})

test('a full ring refuses at once', async (t) => {
  const world = await writerWorld(t)
  const writer = await world.start({ limits: { ringCapacity: 4, batchMax: 2 } })
  const asked = Array.from({ length: 40 }, (_, i) => ask(writer, purchaseOf(1 + (i % 30), world.clock.now())))
  const results = (await Promise.all(asked)).map((answer) => answer.result)
  t.ok(results.includes('refused'), 'what does not fit is refused')
  t.ok(results.includes('approved'), 'what fits is decided')
  t.same([...new Set(results)].sort(), ['approved', 'refused'])
})

test('a repeat of a sender whose clock is ahead is known after a start; one that memory takes for new is caught', async (t) => {
  const world = await writerWorld(t)
  const first = await world.start()
  // The sender's clock runs ahead: its DE7 lies in the time that the next writer's memory vouches for.
  const sentMs = world.clock.now() + 60_000
  const request = (stan: string) => purchaseOf(1, world.clock.now(), { stan, transmission: transmissionOf(sentMs) })
  const [original, other] = [await ask(first, request('999001')), await ask(first, request('999002'))]
  t.same([original.result, other.result], ['approved', 'approved'])
  await first.stop()

  const refused: string[] = []
  const observer = { batchRefused: (_l: number, _q: number, _s: number, code: string) => refused.push(code) }
  const second = await world.start({ observer })
  world.clock.pass(60_000)
  t.same((await ask(second, request('999001'))).fields, original.fields, 'the stored answer goes out again')
  t.same(refused, [])
  await second.stop()
  world.clock.pass(-60_000)

  await withClient(world.url, (client) =>
    client.query(`create or replace function keys_within(p_lane smallint, p_since date, p_from uuid, p_to uuid, p_limit integer)
      returns setof uuid language sql as 'select null::uuid where false'`),
  )
  const forgetful = await world.start({ observer })
  world.clock.pass(60_000)
  t.same((await ask(forgetful, request('999002'))).fields, other.fields, 'and here too')
  t.same(refused, ['23505'], 'the unique index refused the second posting')
  t.same(await failedChecks(world.url), [])
})

test('several lanes: each household in its own, unknown cards in lane 0, all invariants hold', async (t) => {
  const world = await writerWorld(t, { laneCount: 3 })
  const writer = await world.start()
  const answers = await Promise.all(
    Array.from({ length: 90 }, (_, i) => ask(writer, purchaseOf(1 + (i % 30), world.clock.now()))),
  )
  t.ok(answers.every((answer) => answer.result === 'approved'))
  t.equal((await ask(writer, purchaseOf(39_999, world.clock.now()))).result, 'unknown-card')
  const { rows } = await withClient(world.url, (client) =>
    client.query(`select lane, bool_and(household_id % 3 = lane) as own from authorization_journal
                  where household_id is not null group by 1 order by 1`),
  )
  t.same(rows, [
    { lane: 0, own: true },
    { lane: 1, own: true },
    { lane: 2, own: true },
  ])
  t.same(await failedChecks(world.url), [])
})

test('a long query on the journal delays new partitions and nothing else', async (t) => {
  const world = await writerWorld(t)
  await withClient(world.url, async (client) => {
    await client.query('begin')
    await client.query('select count(*) from authorization_journal')
    world.clock.advance(20 * 86_400_000)
    const writer = await world.start()
    t.equal((await ask(writer, purchaseOf(1, world.clock.now()))).result, 'approved')
    await client.query('commit')
  })
  t.same(
    (await verifyLedger(world.url)).filter((check) => !check.ok).map((check) => check.name),
    ['days-prepared'],
    'the day was not prepared and verify says so',
  )
})

test('a defect that ends the loop of a lane fences the lane, and a stop ends', async (t) => {
  const world = await writerWorld(t)
  const proxy = await startFaultProxy({ port: Number(new URL(world.url).port) })
  t.teardown(() => proxy.close())
  const failed: string[] = []
  const writer = await world.start({
    laneUrl: Object.assign(new URL(world.url), { port: String(proxy.port) }).href,
    observer: {
      laneRecovering: () => {
        throw new Error('planted')
      },
      laneFailed: (lane, error) => failed.push(`${lane} ${error}`),
    },
  })
  t.equal((await ask(writer, purchaseOf(1, world.clock.now()))).result, 'approved')
  proxy.cut()
  await waitFor('the end of the lane', async () => failed.length > 0)
  t.strictSame(failed, ['0 Error: planted'])
  t.equal(writer.lanes[0]?.state, 'fenced')
  t.equal((await ask(writer, purchaseOf(2, world.clock.now()))).result, 'refused')
  await writer.stop()
  t.same(await failedChecks(world.url), [])
})

test('a lane whose connection is lost is taken again at once, though nobody asks anything', async (t) => {
  const world = await writerWorld(t)
  const seen: string[] = []
  const writer = await world.start({
    observer: {
      cacheWarmed: (_lane, _households, filling) => seen.push(filling ? 'warming' : 'warm'),
      laneRecovered: () => seen.push('recovered'),
    },
  })
  await waitFor('an idle lane', async () => seen.at(-1) === 'warm')
  const lose = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mizan lane 0'"
  const own = `${lose} and datname = current_database()`
  t.equal((await withClient(world.url, (client) => client.query(own))).rowCount, 1)
  await waitFor('the lane', async () => seen.includes('recovered'))
  t.equal((await ask(writer, purchaseOf(1, world.clock.now()))).result, 'approved')
  t.same(await failedChecks(world.url), [])
})
