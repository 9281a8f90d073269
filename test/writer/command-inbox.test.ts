import { test } from 'tap'
import { awaitCommand, type NewCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import {
  allChecksHold,
  chainOf,
  inboxWorld,
  isDone,
  journalCount,
  statusChange,
  statusOf,
  TIMEOUT_MS,
  waitFor,
  whenDone,
} from '../support/inbox.ts'
import { ask, purchaseOf } from '../support/writer.ts'

const CHECK = '23514'

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

test('a command that can be neither carried out nor refused is tried again after a minute', async (t) => {
  const { world, app, owner } = await inboxWorld(t)
  const faults: string[] = []
  const writer = await world.start({ observer: { laneFault: (_lane, error) => faults.push(String(error)) } })
  await owner.query("alter table command_journal add constraint poison check (kind <> 'card-status')")
  const asked = await requestCommand(app, statusChange(3, 'restricted'))
  await waitFor('it is put off', async () => faults.length > 0)
  t.match(faults, [/command \d+ \(card-status\) is put off for a minute: .*poison/])
  const other = await requestCommand(app, statusChange(4, 'restricted'))
  t.equal((await ask(writer, purchaseOf(3, world.clock.now()))).result, 'approved')
  await waitFor('the next one too', async () => faults.length > 1)
  await owner.query('alter table command_journal drop constraint poison')
  world.clock.pass(60_000)
  for (const command of [asked, other]) {
    const { end } = await awaitCommand(app, command, { timeoutMs: TIMEOUT_MS })
    t.equal(end?.outcome, 'done: the card was active and is restricted')
  }
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

  // Nobody sends requests here: many commands at once are carried out in few batches.
  const batches = async () =>
    Number((await owner.query<{ count: string }>('select count(*) from batch')).rows[0]?.count)
  const before = await batches()
  await app.query('begin')
  let last = without
  for (let at = 0; at < 200; at++) last = await requestCommand(app, { ...statusChange(3, 'lost'), kind: 'card-wash' })
  await app.query('commit')
  await awaitCommand(app, last, { timeoutMs: TIMEOUT_MS })
  t.ok((await batches()) - before <= 3, `200 commands made ${(await batches()) - before} batches, of 128 each`)
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
