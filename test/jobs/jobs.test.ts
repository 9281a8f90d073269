import { createHash } from 'node:crypto'
import t from 'tap'
import { BacklogCount } from '../../src/jobs/backlog-count.ts'
import { Dispatcher } from '../../src/jobs/dispatcher.ts'
import { Pace } from '../../src/jobs/pace.ts'
import { enqueueDeliveries, turnsOfJob } from '../../src/jobs/queue.ts'
import { startJobs } from '../../src/jobs/runtime.ts'
import { enqueueAt, listJobs, type NamedJob, triggerJob, withQueue } from '../../src/jobs/scheduler.ts'
import { Sender } from '../../src/jobs/sender.ts'
import { connect } from '../../src/store/connection.ts'
import { lastRuns } from '../../src/store/job-runs.ts'
import { keptConnection } from '../../src/store/kept-connection.ts'
import { transactionPort } from '../../src/store/notification-outbox.ts'
import { listNotifications, resendNotification } from '../../src/store/notification-reader.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { waitFor } from '../support/inbox.ts'
import { mobileOf, openDeliveryWorld } from './harness.ts'

const world = await openDeliveryWorld(t)
const { options, client, clock, provider, notify, settled, lines } = world
const { url, log } = options

const WAIT_MS = 60_000
let failures = 0
let running = 0
let atOnce = 0
let mayEnd: Promise<unknown> = Promise.resolve()
const count: NamedJob = {
  name: 'count-households',
  cron: '30 3 * * *',
  description: 'counts households',
  async run() {
    running++
    atOnce = Math.max(atOnce, running)
    await mayEnd
    running--
    if (failures-- > 0) throw new Error('the count does not agree')
    return 'counted 0 households'
  },
}
const jobs = startJobs({ url, jobs: [count], delivery: options, log })
t.teardown(() => jobs.close())
await jobs.ready

/** Waits for the end of a job's last run. */
const ended = async (name: string) => {
  while ((await lastRuns(client)).get(name)?.end === undefined) await new Promise(setImmediate)
}
const bread = { amount: { amount: 5, unit: 'LOAF' }, programme: { ar: 'الخبز المدعم', en: 'bread' } }
const reasons = (rows: readonly { state: string; reason: string | null }[]) =>
  rows.map(({ state, reason }) => (reason === null ? state : `${state} ${reason}`))

t.test('M20: what the outboxes of all lanes hold is sent once, signed, to the head of household', async (t) => {
  const ids = [
    await notify(0, 1, 'card-blocked', { card: '0012' }),
    await notify(1, 2, 'dispense', bread),
    await notify(0, 3, 'collection-notice', { place: 'مكتب بريد 4', until: '2026-12-11' }),
  ]
  await jobs.poll()
  const rows = await settled(ids)
  t.same(reasons(rows), ['sent', 'sent', 'sent'])
  for (const [index, household] of [1, 2, 3].entries()) {
    const [mine, ...more] = provider.received.filter(({ body }) => body.to === mobileOf(household))
    t.same(more, [])
    t.ok(mine?.isSigned)
    t.equal(mine?.key, `mizan-${household === 2 ? 1 : 0}-${ids[index]}`)
    const text = String(mine?.body.text)
    t.same(rows[index]?.text_hash, createHash('sha256').update(text).digest())
    t.match(rows[index]?.provider_reference, /^p-\d+$/)
  }
  const notice = provider.received.find(({ body }) => body.to === mobileOf(2))
  t.same(notice?.body, {
    idempotencyKey: `mizan-1-${ids[1]}`,
    to: mobileOf(2),
    text: 'تم صرف ٥ أرغفة من الخبز المدعم.',
    language: 'ar',
    encoding: 'UCS-2',
    parts: 1,
    template: 'dispense',
    createdAt: '2026-11-11T10:00:00.000Z',
  })
})

t.test('a provider that fails, is slow or asks to wait gets the message again under the same key', async (t) => {
  for (const answer of [{ status: 503 }, { status: 429, headers: { 'retry-after': '1' } }] as const)
    provider.answers.push(answer)
  const id = await notify(0, 10, 'card-blocked', { card: '0012' })
  await jobs.poll()
  const [row] = await settled([id])
  t.match(row, { state: 'sent', attempts: 3 })
  t.same(provider.keysOf(10), Array(3).fill(`mizan-0-${id}`))

  provider.answers.push('silence')
  const slow = await notify(0, 11, 'card-blocked', { card: '0012' })
  await jobs.poll()
  const [later] = await settled([slow])
  t.match(later, { state: 'sent', attempts: 2 })
  t.same(provider.keysOf(11), Array(2).fill(`mizan-0-${slow}`))
})

t.test('what is refused is not repeated, what fails too often is given up, and both can be sent again', async (t) => {
  provider.answers.push({ status: 400 })
  const refused = await notify(0, 20, 'card-blocked', { card: '0012' })
  await jobs.poll()
  t.match(await settled([refused]), [{ state: 'failed', reason: 'refused', error: 'HTTP 400', attempts: 1 }])
  provider.answers.push({ status: 500 }, { status: 502 }, { status: 500 })
  const dead = await notify(0, 21, 'card-blocked', { card: '0012' })
  await jobs.poll()
  t.match(await settled([dead]), [{ state: 'dead', reason: 'given-up', attempts: 3 }])
  t.match(await listNotifications(client, { state: 'dead', limit: 10 }), [{ id: dead, error: 'HTTP 500' }])
  t.ok(lines.some((line) => line.includes('notifications_dead')))
  const again = (id: number) => inTransaction(client, () => resendNotification(client, id, clock.now(), enqueueAt(url)))
  await again(dead)
  await t.rejects(again(dead), { code: 'CONFLICT' })
  await t.rejects(again(999_999), { code: 'NOT_FOUND' })
  t.match(await settled([dead]), [{ state: 'sent', attempts: 1 }])
  t.equal(provider.keysOf(21).at(-1), `mizan-0-${dead}-r1`, 'as a new message')
})

t.test('what is not to go is written down with the reason, once, and holds nothing up', async (t) => {
  await client.query(
    `insert into notification_preference (household_id, opt_outs, language, updated_by)
     values (30, '{dispense}', null, 'test'), (31, '{}', 'en', 'test')`,
  )
  const dayMs = 86_400_000
  const ids = [
    await notify(0, 30, 'dispense', bread),
    await notify(0, 30, 'card-blocked', { card: '0012' }),
    await notify(0, 0, 'card-blocked', { card: '0012' }),
    await notify(0, 32, 'dispense', bread, clock.now() - dayMs - 1),
    await notify(0, 33, 'no-such-template'),
    await notify(0, 34, 'card-blocked', { card: 'secret 1234' }),
    await notify(0, 31, 'dispense', bread),
  ]
  await jobs.poll()
  const rows = await settled(ids)
  t.same(reasons(rows), [
    'suppressed opted-out',
    'sent',
    'suppressed no-recipient',
    'suppressed stale',
    'failed unknown-template',
    'failed not-writable',
    'sent',
  ])
  t.notMatch(rows[5]?.error, 'secret')
  t.equal(provider.received.find(({ body }) => body.to === mobileOf(31))?.body.text, '5 loaves of bread dispensed.')
})

t.test('a household gets so many unimportant messages in an hour, and all important ones', async (t) => {
  const ids = []
  for (let i = 0; i < 6; i++) ids.push(await notify(1, 40, 'dispense', bread))
  for (let i = 0; i < 6; i++) ids.push(await notify(1, 40, 'card-blocked', { card: '0012' }))
  await jobs.poll()
  const rows = await settled(ids)
  t.equal(rows.slice(0, 6).filter(({ state }) => state === 'sent').length, 3)
  t.equal(rows.filter(({ reason }) => reason === 'household-limit').length, 3)
  t.same(reasons(rows.slice(6)), Array(6).fill('sent'))
  clock.advance(3_600_001)
  const later = await notify(1, 40, 'dispense', bread)
  await jobs.poll()
  t.same(reasons(await settled([later])), ['sent'], 'an hour later there is room again')
})

t.test('at night unimportant messages wait for the morning', async (t) => {
  const noonMs = clock.nowMs
  clock.nowMs = Date.parse('2026-11-11T23:30:00+02:00')
  const ids = [await notify(0, 50, 'dispense', bread), await notify(0, 50, 'card-blocked', { card: '0012' })]
  await jobs.poll()
  const rows = await settled(ids, ['sent', 'waiting']).then(() =>
    settled(ids.slice(1)).then(() => settled(ids, ['sent', 'waiting'])),
  )
  t.same(reasons(rows), ['waiting quiet-hours', 'sent'])
  t.equal(rows[0]?.next_at?.toISOString(), '2026-11-12T06:00:00.000Z')
  const { rows: queued } = await client.query<{ wait: string }>(
    `select extract(epoch from start_after - now()) as wait from jobs.job
     where name = 'notification.delivery' and (data->'turns'->0->>'id')::bigint = $1`,
    [ids[0]],
  )
  t.ok(Math.abs(Number(queued[0]?.wait) - 8.5 * 3_600) < 60)
  clock.nowMs = noonMs
})

t.test('a message whose outcome could not be written down is sent again, under the same key', async (t) => {
  provider.answers.push(async () => {
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'mizan notification delivery'`,
    )
    return { status: 200 }
  })
  const id = await notify(0, 60, 'card-blocked', { card: '0012' })
  await jobs.poll()
  const [row] = await settled([id])
  t.same(provider.keysOf(60), Array(2).fill(`mizan-0-${id}`))
  t.match(row, { state: 'sent', attempts: 1 }, 'what is on record is one sending')
})

t.test(
  'several takers of the outbox take each row once, also when a lower id of another lane comes later',
  async (t) => {
    const late = await connect({ url, name: 'mizan test late' })
    await late.query('begin')
    const { rows } = await late.query<{ id: string }>(
      `insert into notification (lane, household_id, template, detail, batch_seq, created_at)
     values (1, 70, 'card-blocked', '{"card":"0012"}', 1, $1) returning id`,
      [new Date(clock.now())],
    )
    const ids = []
    for (let i = 0; i < 40; i++) ids.push(await notify(0, 71 + i, 'card-blocked', { card: '0012' }))
    await withQueue(url, async (boss) => {
      const takers = [1, 2, 3].map(() => new Dispatcher(options, boss))
      const never = new AbortController().signal
      await Promise.all([jobs.poll(), ...takers.map((taker) => taker.run(never))])
      await late.query('commit')
      await late.end()
      await Promise.all(takers.map((taker) => taker.run(never)))
      await Promise.all(takers.map((taker) => taker.close()))
    })
    await jobs.poll()
    const lateId = Number(rows[0]?.id)
    t.ok(lateId < (ids[0] ?? 0))
    t.same(reasons(await settled([lateId, ...ids])), Array(41).fill('sent'))
    for (let i = 0; i <= 40; i++) t.equal(provider.keysOf(70 + i).length, 1)
  },
)

t.test('messages that go at the same time share their jobs, important ones apart', async (t) => {
  const turns = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ id: from + i, turn: 1 }))
  const waiting = [
    ...turns(9_000, 30),
    ...turns(9_100, 3).map((turn) => ({ ...turn, important: true })),
    ...turns(9_200, 5).map((turn, i) => ({ ...turn, waitMs: 59_100 + i * 200 })),
    ...turns(9_300, 2).map((turn, i) => ({ ...turn, waitMs: 20 + i })),
  ]
  await withQueue(url, async (boss) => {
    await client.query('begin')
    await enqueueDeliveries(boss, waiting, transactionPort(client), turnsOfJob(500))
    const { rows } = await client.query<{ ids: number[]; priority: number; wait: number }>(
      `select array(select (e ->> 'id')::integer from jsonb_array_elements(data -> 'turns') e) as ids, priority,
              round(extract(epoch from start_after - created_on))::integer as wait
       from jobs.job where name = 'notification.delivery' and (data -> 'turns' -> 0 ->> 'id')::bigint >= 9000
       order by 1`,
    )
    await client.query('rollback')
    const ids = (from: number, count: number) => turns(from, count).map(({ id }) => id)
    t.same(rows, [
      { ids: ids(9_000, 25), priority: 0, wait: 0 },
      { ids: ids(9_025, 5), priority: 0, wait: 0 },
      { ids: ids(9_100, 3), priority: 1, wait: 0 },
      { ids: ids(9_200, 5), priority: 0, wait: 60 },
      { ids: [9_300], priority: 0, wait: 0 },
      { ids: [9_301], priority: 0, wait: 0 },
    ])
  })
  t.same([1, 2, 11, 50, 5_000].map(turnsOfJob), [1, 1, 5, 25, 25], 'a job holds what goes in half a second')
})

t.test('what waits is counted in parts, also where many came in the same moment', async (t) => {
  const connection = keptConnection({ url, name: 'mizan test backlog', role: 'mizan_app', queryTimeoutMs: WAIT_MS })
  t.teardown(() => connection.close())
  const oldestAtMs = Date.parse('2026-01-01T00:00:00Z')
  const { rows } = await client.query<{ n: number }>(
    "select count(*)::integer as n from notification_delivery where state = 'waiting'",
  )
  const others = rows[0]?.n ?? 0
  await client.query(
    `insert into notification_delivery (id, household_id, template, template_group, important, state, next_at, created_at)
     select -i, 1, 'dispense', 'dispenses', false, 'waiting', now(), $1::timestamptz + (i / 4) * interval '1 microsecond'
     from generate_series(0, 9) i`,
    [new Date(oldestAtMs)],
  )
  const counted = async (max: number) => {
    const backlog = new BacklogCount(max, 3)
    for (let steps = 1; ; steps++) {
      const count = await backlog.step(connection)
      if (count !== undefined) return { waiting: count.waiting, oldestAtMs: count.oldestAtMs, steps }
    }
  }
  t.same(await counted(1_000), { waiting: 10 + others, oldestAtMs, steps: Math.floor((10 + others) / 3) + 1 })
  t.same(await counted(6), { waiting: 7, oldestAtMs, steps: 3 }, 'and no further than it matters')
  const again = new BacklogCount(6, 10)
  t.ok(await again.step(connection))
  t.equal(await again.step(connection), undefined, 'it was counted a moment ago')
  await client.query('delete from notification_delivery where id <= 0')
})

t.test('a job runs once whoever triggers it; its end is kept', async (t) => {
  await withQueue(url, async (boss) => {
    const gate = Promise.withResolvers<void>()
    mayEnd = gate.promise
    t.equal(await triggerJob(client, boss, 'count-households', 'operator', 0), undefined, 'it has not ended')
    await t.rejects(triggerJob(client, boss, 'count-households', 'another', 0), /runs already, or waits/)
    gate.resolve()
    for (let again = 0; again < 5; again++) {
      // At once when the end of the one before is known: its job may still stand in the queue.
      await ended('count-households')
      t.match(await triggerJob(client, boss, 'count-households', 'operator', WAIT_MS), {
        triggeredBy: 'operator',
        end: { done: true, detail: 'counted 0 households' },
      })
    }
    const failing = async () => (await options.metrics.jobFailing.get()).values
    await waitFor('a gauge', async () => (await failing()).length > 0)
    t.match(await failing(), [{ labels: { job: 'count-households' }, value: 0 }])
    failures = 1
    t.match(await triggerJob(client, boss, 'count-households', 'operator', WAIT_MS), {
      end: { done: false, detail: 'the count does not agree' },
    })
    await waitFor('a job that fails', async () => (await failing())[0]?.value === 1)
    t.equal(atOnce, 1)
    await t.rejects(triggerJob(client, boss, 'no-such-job', 'operator', 0), { code: 'NOT_FOUND' })
    t.match(await listJobs(client, boss), [
      {
        name: 'count-households',
        cron: '30 3 * * *',
        description: 'counts households',
        last: { end: { done: false } },
      },
      { name: 'notification-purge', last: undefined },
    ])
    const { rows } = await client.query(
      "select name, timezone from jobs.schedule where name like 'job.%' order by name",
    )
    t.same(
      rows.map(({ timezone }) => timezone),
      ['Africa/Cairo', 'Africa/Cairo'],
    )
  })
})

t.test('what ended long ago is deleted with its row of the outbox, what waits is not', async (t) => {
  const { rows: before } = await client.query<{ n: number }>('select count(*)::integer as n from notification')
  clock.advance(91 * 86_400_000)
  await withQueue(url, async (boss) => {
    const run = await triggerJob(client, boss, 'notification-purge', 'operator', WAIT_MS)
    t.match(run, { end: { done: true, detail: `${(before[0]?.n ?? 0) - 1} notifications deleted` } })
  })
  t.match(await listNotifications(client, { limit: 10 }), [{ state: 'waiting', reason: 'quiet-hours' }])
})

t.test('a message whose job the queue gave up is dead, unless it waits in another turn', async (t) => {
  const [waiting] = await listNotifications(client, { limit: 1 })
  const id = waiting?.id ?? 0
  await withQueue(url, async (boss) => {
    const sender = new Sender(options, boss, () => undefined)
    await sender.bury([{ turns: [{ id, turn: 2 }] }])
    t.match(await listNotifications(client, { limit: 1 }), [{ state: 'waiting' }])
    await sender.bury([{ turns: [{ id, turn: 1 }] }])
    await sender.close()
  })
  t.match(await listNotifications(client, { limit: 1 }), [{ id, state: 'dead', reason: 'job-given-up' }])
})

t.test('no number and no text is in the log, nor a fault that nobody expected', async (t) => {
  const said = lines.join('')
  t.notMatch(said, /\+2010|تم صرف|الخبز/)
  t.same(
    lines
      .filter((line) => /"level":"error"/.test(line))
      .map((line) => JSON.parse(line).event)
      .filter((event) => event !== 'job_failed' && event !== 'job_queue_failed'),
    [],
  )
})

t.test('the pace is kept, with a second of it at once after a rest', async (t) => {
  const pace = new Pace(200)
  const signal = new AbortController().signal
  const startedMs = performance.now()
  let passed = 0
  const all = Array.from({ length: 230 }, () => pace.pass(signal).then(() => passed++))
  await new Promise(process.nextTick)
  t.ok(passed >= 200, `${passed} need not wait`)
  await Promise.all(all)
  const tookMs = performance.now() - startedMs
  t.ok(tookMs >= 140, `${tookMs} ms`)
  const stopped = new AbortController()
  const slow = new Pace(1)
  await slow.pass(stopped.signal)
  const waiting = slow.pass(stopped.signal)
  stopped.abort()
  t.equal(await waiting, false)
})
