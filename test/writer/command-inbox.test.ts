import type pg from 'pg'
import { type Test, test } from 'tap'
import type { CardStatus } from '../../src/card/household.ts'
import { awaitCommand, type NewCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { laneOf } from '../../src/store/household-loader.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

type World = Awaited<ReturnType<typeof writerWorld>>

const TIMEOUT_MS = 30_000
const CHECK = '23514'

/** A world, and connections to its inbox and, for arranging, as its owner. */
async function inboxWorld(t: Test, options: { households?: number; laneCount?: number } = {}) {
  const world = await writerWorld(t, options)
  const app = await connect({ url: world.url, name: 'mizan test', role: 'mizan_app' })
  const owner = await connect({ url: world.url, name: 'mizan test' })
  t.teardown(() => Promise.all([app.end(), owner.end()]))
  return { world, app, owner, laneCount: options.laneCount ?? 1 }
}

/** A change of the status of a household's card. */
function statusChange(householdId: number, status: CardStatus, laneCount = 1): NewCommand {
  const detail = { status, reason: 'a test' }
  const lane = laneOf(householdId, laneCount)
  return { lane, kind: 'card-status', cardId: householdId, householdId, detail, requestedBy: 'tester' }
}

/** Changes that are done only in this order: each has to find what the one before has left. */
function chainOf(householdId: number, length: number, laneCount = 1): NewCommand[] {
  return Array.from({ length }, (_, at) => statusChange(householdId, at % 2 === 0 ? 'restricted' : 'active', laneCount))
}

interface Done {
  readonly id: number
  readonly lane: number
  readonly card: number
  readonly by: number
  readonly outcome: string
}

/** The inbox in order of ids, as soon as nothing waits any more. */
async function whenDone(owner: pg.Client): Promise<Done[]> {
  for (const deadline = Date.now() + TIMEOUT_MS; ; ) {
    const { rows } = await owner.query<Done>(
      `select id::int, lane::int, card_id::int as card, done_id::int as by, outcome from command_inbox order by lane, id`,
    )
    if (rows.every((row) => row.outcome !== null)) return rows
    if (Date.now() > deadline) throw new Error(`commands wait: ${JSON.stringify(rows.filter((row) => !row.outcome))}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MS; !(await holds()); ) {
    if (Date.now() > deadline) throw new Error(`${what} did not come to pass`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function statusOf(owner: pg.Client, cardId: number): Promise<string | undefined> {
  const { rows } = await owner.query<{ status: string }>('select status from card where id = $1', [cardId])
  return rows[0]?.status
}

/** Commands that the journal has, by kind: a second time would be a second row. */
async function journalCount(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ count: number }>(
    `select count(*)::int from command_journal where kind in ('card-status', 'pin-reset')`,
  )
  return rows[0]?.count ?? 0
}

async function allChecksHold(t: Test, { url }: World): Promise<void> {
  t.same(
    (await verifyLedger(url)).filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`),
    [],
  )
}

const isDone = ({ outcome }: Done) => outcome.startsWith('done:')

test('a command is carried out in memory and in the database, and what came of it is said', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const writer = await world.start()
  const pay = () => ask(writer, purchaseOf(3, world.clock.now()))
  t.equal((await pay()).result, 'approved')
  const asked = await requestCommand(app, statusChange(3, 'restricted'))
  const { end } = await awaitCommand(app, asked, { timeoutMs: TIMEOUT_MS })
  t.match(end, { done: true, outcome: 'done: the card was active and is restricted' })
  t.equal((await pay()).result, 'restricted-card')
  t.equal(await statusOf(owner, 3), 'restricted')
  t.equal((await ask(writer, purchaseOf(4, world.clock.now()))).result, 'approved', 'and no other card')

  const { rows } = await owner.query<{ detail: string; at: Date }>(
    'select kind, household_id::int, detail, at from command_journal where id = $1',
    [end?.journalId],
  )
  t.match(rows, [{ kind: 'card-status', household_id: 3 }])
  t.same(JSON.parse(rows[0]?.detail ?? ''), {
    command: asked.id,
    by: 'tester',
    card: 3,
    from: 'active',
    to: 'restricted',
    reason: 'a test',
    outcome: end?.outcome,
  })
  t.equal(rows[0]?.at.getTime(), end?.atMs)
  await writer.stop()
  const later = await world.start()
  t.equal((await ask(later, purchaseOf(3, world.clock.now()))).result, 'restricted-card', 'also when it is loaded anew')
  await allChecksHold(t, world)
})

test('what cannot be carried out is refused in words, and changes nothing', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  await world.start()
  const refusals: [Partial<NewCommand>, RegExp][] = [
    [{ kind: 'card-wash' }, /^refused: there is no such command$/],
    [{ kind: 'to-string' }, /^refused: there is no such command$/],
    [{ cardId: 99_999 }, /^refused: there is no such card$/],
    [{ kind: 'pin-reset', cardId: 99_999 }, /^refused: there is no such card$/],
    [{ detail: { status: 'active', reason: 'r' } }, /^refused: the card is active already$/],
    [{ detail: { status: 'issued', reason: 'r' } }, /^refused: a card that is active does not become issued$/],
    [{ detail: { status: 'mislaid', reason: 'r' } }, /^refused: the new status must be one of issued, active, /],
    [{ detail: { status: 'lost' } }, /^refused: there must be a reason of up to 200 characters$/],
    [{ detail: { status: 'lost', reason: 'r'.repeat(201) } }, /^refused: there must be a reason/],
    [{ detail: { status: 'lost', reason: 5 } }, /^refused: there must be a reason/],
    [{ detail: {} }, /^refused: the new status must be one of/],
  ]
  for (const [changes, expected] of refusals) {
    const asked = await requestCommand(app, { ...statusChange(3, 'lost'), ...changes })
    const { end } = await awaitCommand(app, asked, { timeoutMs: TIMEOUT_MS })
    t.equal(end?.done, false)
    t.match(end?.outcome, expected)
  }
  t.equal(await statusOf(owner, 3), 'active')
  t.equal((await whenDone(owner)).length, refusals.length)
  const without = await requestCommand(app, { lane: 0, kind: 'card-status', requestedBy: 'tester' })
  t.match((await awaitCommand(app, without, { timeoutMs: TIMEOUT_MS })).end?.outcome, /no such card/)
  await allChecksHold(t, world)
})

test('commands for one card are carried out in their order, whoever asks for others meanwhile', async (t) => {
  const { world, owner } = await inboxWorld(t)
  const writer = await world.start()
  const clients = await Promise.all(
    Array.from({ length: 4 }, () => connect({ url: world.url, name: 'mizan test', role: 'mizan_app' })),
  )
  t.teardown(() => Promise.all(clients.map((client) => client.end())))
  const paying = Promise.all(
    Array.from({ length: 200 }, (_, i) => ask(writer, purchaseOf(10 + (i % 20), world.clock.now()))),
  )
  await Promise.all(
    clients.map(async (client, at) => {
      for (const command of chainOf(at + 1, 60)) await requestCommand(client, command)
    }),
  )
  t.ok((await paying).every(({ result }) => result === 'approved'))
  const done = await whenDone(owner)
  t.equal(done.length, 240)
  t.same(
    done.filter((command) => !isDone(command)),
    [],
    'each found what the one before had left',
  )
  t.same(
    done.map(({ by }) => by),
    done.map(({ by }) => by).toSorted((a, b) => a - b),
    'in order of ids',
  )
  t.equal(await journalCount(owner), 240)
  await allChecksHold(t, world)
})

test('many at once over two lanes, each in the order of its own', async (t) => {
  const { world, app, owner } = await inboxWorld(t, { laneCount: 2 })
  const chains = Array.from({ length: 30 }, (_, at) => chainOf(at + 1, 20, 2))
  await app.query('begin')
  for (let step = 0; step < 20; step++) {
    for (const chain of chains) await requestCommand(app, chain[step] as NewCommand)
  }
  await world.start()
  await app.query('commit')
  const done = await whenDone(owner)
  t.equal(done.length, 600)
  t.same(
    done.filter((command) => !isDone(command)),
    [],
  )
  for (const lane of [0, 1]) {
    const own = done.filter((command) => command.lane === lane)
    t.equal(own.length, 300)
    t.ok(own.every(({ card, by }) => card % 2 === lane && by % 64 === lane))
    t.same(
      own.map(({ by }) => by),
      own.map(({ by }) => by).toSorted((a, b) => a - b),
    )
  }
  t.equal(await journalCount(owner), 600)
  await allChecksHold(t, world)
})

test('commands in a batch that the database refuses are decided again, and done once', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const outcomes: string[] = []
  const writer = await world.start({ observer: { batchDone: (_lane, { outcome }) => outcomes.push(outcome) } })
  await owner.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')")
  // The first batch waits at the lane's row while commands and the bad request come together into the next.
  await owner.query('begin')
  await owner.query('select from lane for update')
  const first = ask(writer, purchaseOf(1, world.clock.now()))
  await waitFor('a batch in flight', async () => {
    const text = "select from pg_stat_activity where application_name = 'mizan lane 0' and wait_event_type = 'Lock'"
    return (await owner.query(text)).rowCount === 1
  })
  for (const command of chainOf(2, 4)) await requestCommand(app, command)
  const bad = ask(writer, purchaseOf(3, world.clock.now(), { rrn: 'POISON' }))
  await new Promise((resolve) => setTimeout(resolve, 400))
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
  await app.query('begin')
  const asked = [
    statusChange(4, 'lost'),
    statusChange(5, 'stolen'),
    statusChange(5, 'restricted'),
    statusChange(6, 'lost'),
  ]
  for (const command of asked) await requestCommand(app, command)
  await app.query('commit')
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
    "select pid from pg_stat_activity where application_name = 'mizan lane 0' and wait_event_type = 'Lock'"
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
  const writer = await world.start({ observer: { laneRecovered: (_l, _e, _s, committed) => recovered.push(committed) } })
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
        where application_name = 'mizan lane 0' and wait_event_type = 'Lock' and wait_event = $1`
      return (await owner.query(text, [what])).rowCount === 1
    }
    await waitFor('a batch in flight', waiting('transactionid'))
    for (const card of [4, 5, 6, 7]) await requestCommand(app, statusChange(card, 'restricted'))
    const bad = ask(writer, purchaseOf(3, world.clock.now(), { rrn: 'POISON' }))
    const good = ask(writer, purchaseOf(2, world.clock.now()))
    await new Promise((resolve) => setTimeout(resolve, 400))
    await blocker.query('commit')
    t.equal((await first).result, 'approved')
    await waitFor('a part that is tried alone', waiting('advisory'))
    await owner.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mizan lane 0'")
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
  let cached = 0
  const observer = {
    cacheWarmed: (_lane: number, households: number) => {
      cached = households
    },
    laneRecovered: (_l: number, _e: number, _s: number, committed: boolean) => recovered.push(committed),
  }
  const writer = await world.start({ laneUrl, observer })
  t.equal((await ask(writer, purchaseOf(2, world.clock.now()))).result, 'approved')
  await waitFor('an idle lane', async () => cached === 40)
  proxy.toClient.drop = () => true
  for (const command of chainOf(2, 3)) await requestCommand(app, command)
  await waitFor('a commit that nobody hears of', async () => (await journalCount(owner)) > 0)
  delete proxy.toClient.drop
  proxy.cut()
  const done = await whenDone(owner)
  t.ok(done.length === 3 && done.every(isDone))
  t.same(recovered, [true])
  t.equal(await journalCount(owner), 3)
  await allChecksHold(t, world)
})

test('what was not done when a switch ended is done by the next; a writer that lost the lane does nothing', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  for (const command of chainOf(2, 4)) await requestCommand(app, command)
  const first = await world.start()
  t.equal((await whenDone(owner)).filter(isDone).length, 4)
  await first.stop()
  for (const command of chainOf(2, 4)) await requestCommand(app, command)
  t.equal(await journalCount(owner), 4, 'nobody is there')
  const fenced: number[] = []
  await world.start({ observer: { laneFenced: (lane) => fenced.push(lane) } })
  await whenDone(owner)
  const third = await world.start()
  for (const command of chainOf(3, 20)) await requestCommand(app, command)
  t.ok((await whenDone(owner)).every(isDone))
  await waitFor('the second to notice', async () => fenced.length > 0)
  t.equal(await journalCount(owner), 28)
  t.ok(third.ready)
  await allChecksHold(t, world)
})

test('the inbox is read again after its connection was lost', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const faults: unknown[] = []
  await world.start({ observer: { laneFault: (_lane, error) => faults.push(error) } })
  const asked = await requestCommand(app, statusChange(1, 'restricted'))
  await awaitCommand(app, asked, { timeoutMs: TIMEOUT_MS })
  await owner.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mizan inbox'")
  const later = await requestCommand(app, statusChange(1, 'active'))
  t.match((await awaitCommand(app, later, { timeoutMs: TIMEOUT_MS })).end, { done: true })
  t.ok(faults.length <= 1)
})

test('the same command under the same key is taken once', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  await world.start()
  const command = { ...statusChange(2, 'restricted'), idempotencyKey: 'ticket 4711' }
  const first = await requestCommand(app, command)
  await awaitCommand(app, first, { timeoutMs: TIMEOUT_MS })
  const again = await requestCommand(app, command)
  t.equal(again.id, first.id)
  t.match(again.end, { done: true }, 'with what came of it')
  const others: Partial<NewCommand>[] = [{ kind: 'pin-reset' }, { cardId: 3 }, { detail: {} }, { requestedBy: 'other' }]
  for (const changes of others) {
    await t.rejects(requestCommand(app, { ...command, ...changes }), { code: 'BAD_INPUT', message: /used for another/ })
  }
  t.equal((await whenDone(owner)).length, 1)
})

test('the database keeps the rules of the inbox, whoever writes', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const { id } = await requestCommand(app, statusChange(2, 'restricted'))
  const denied = { code: '42501' }
  await t.rejects(app.query('delete from command_inbox'), denied)
  await t.rejects(app.query("update command_inbox set kind = 'pin-reset'"), denied)
  await t.rejects(app.query('update command_inbox set card_id = 5'), denied)
  await t.rejects(
    app.query("insert into command_inbox (lane, id, kind, requested_by) values (0, 5, 'x-y', 'me')"),
    denied,
  )
  await t.rejects(app.query("update command_inbox set outcome = 'done: half'"), {
    code: CHECK,
    constraint: 'command_inbox_done',
  })
  const unknown = 'update command_inbox set done_at = now(), done_id = 77, outcome = $1'
  await t.rejects(app.query(unknown, ['done: by nobody']), { code: '23503' }, 'a row of the journal that is not there')
  await world.start()
  await whenDone(owner)
  for (const client of [app, owner]) {
    await t.rejects(client.query("update command_inbox set outcome = 'done: otherwise'"), {
      code: CHECK,
      constraint: 'command_inbox_once',
    })
  }
  const refused: [Partial<NewCommand>, RegExp][] = [
    [{ lane: 9 }, /command_inbox_lane/],
    [{ kind: 'Pin Reset' }, /kind_check/],
    [{ detail: { note: 'x'.repeat(17_000) } }, /command_inbox_detail/],
    [{ requestedBy: '' }, /requested_by/],
    [{ idempotencyKey: '' }, /idempotency_key/],
  ]
  for (const [changes, message] of refused) {
    await t.rejects(requestCommand(app, { ...statusChange(2, 'active'), ...changes }), { code: 'BAD_INPUT', message })
  }
  t.ok(id > 0)
})

test('ids of a lane become visible in their order, however transactions overlap', async (t) => {
  const { world, app, owner } = await inboxWorld(t, { laneCount: 2 })
  await withClient(world.url, async (slow) => {
    await slow.query('begin')
    const first = await requestCommand(slow, statusChange(2, 'restricted', 2))
    const other = await requestCommand(app, statusChange(1, 'restricted', 2))
    t.ok(other.id > first.id, 'another lane does not wait')
    const second = requestCommand(app, statusChange(2, 'active', 2))
    await waitFor('the second to wait for the first', async () => {
      const text = "select from pg_locks where locktype = 'advisory' and not granted"
      return (await owner.query(text)).rowCount === 1
    })
    await slow.query('commit')
    t.ok((await second).id > first.id)
  })
  await world.start()
  t.ok((await whenDone(owner)).every(isDone))
})
