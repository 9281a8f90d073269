import t, { type Test } from 'tap'
import { addDays, businessDate, type CivilDate, formatDate, parseDate } from '../../src/calendar.ts'
import { closeDayStep } from '../../src/clearing/day/close-day-step.ts'
import { type DayMachineOptions, runDays } from '../../src/clearing/day/machine.ts'
import type { DayStep, DayStepOutcome } from '../../src/clearing/day/step.ts'
import { trialBalanceStep } from '../../src/clearing/day/trial-balance-step.ts'
import { listDays, lookAtDays, readDay, readDayEvents, readSteps } from '../../src/store/clearing/business-day.ts'
import { askCutover, knowBusinessDays } from '../../src/store/clearing/business-day-ask.ts'
import { readTrialBalanceOf } from '../../src/store/clearing/trial-balance.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

const CUTOVER_MINUTES = 1_350
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const log = createLogger({ level: 'silent' })

async function makeWorld(root: Test) {
  const made = await writerWorld(root, { households: 6, laneCount: 2 })
  const client = await connect({ url: made.url, name: 'mizan test', role: 'mizan_app' })
  root.teardown(() => client.end())
  const now = () => made.clock.now()
  const bought = new Map<CivilDate, bigint>()
  const byClock = () => businessDate(now(), CUTOVER_MINUTES)
  return {
    ...made,
    client,
    byClock,
    cutover: (date?: CivilDate, by = 'test') => askCutover(client, { date, byClock: byClock(), by }),
    run: (steps: readonly DayStep[] = realSteps, more: Partial<DayMachineOptions> = {}) =>
      runDays({ url: made.url, folder: '', steps, log, nowMs: now, signal: new AbortController().signal, ...more }),
    /** A purchase on the business date that the lane is at. */
    async buy(writer: Awaited<ReturnType<typeof made.start>>, household: number): Promise<CivilDate | undefined> {
      const request = purchaseOf(household, now())
      const { result } = await ask(writer, request)
      root.equal(result, 'approved')
      const { rows } = await client.query<{ business_date: string }>(
        'select business_date from authorization_journal where stan = $1 and transmission = $2',
        [request.stan, request.transmission],
      )
      const date = rows[0] === undefined ? undefined : parseDate(rows[0].business_date)
      if (date !== undefined) bought.set(date, (bought.get(date) ?? 0n) + 1_000n)
      return date
    },
    /** Piasters that were bought for on a day. */
    boughtOn: (date: CivilDate) => bought.get(date) ?? 0n,
    boughtUntil: (date: CivilDate) =>
      [...bought].reduce((sum, [on, piasters]) => (on > date ? sum : sum + piasters), 0n),
  }
}

const realSteps = [closeDayStep(), trialBalanceStep()]
/** Soon enough for a test to see that nobody is there. */
const impatientSteps = [closeDayStep({ patienceMs: 100 }), trialBalanceStep()]

/** What the database says of a statement that it refuses. */
async function refusalOf(statement: Promise<unknown>): Promise<unknown> {
  return statement.then(
    () => 'carried out',
    (error: unknown) => error,
  )
}

/** A step that does what it is told, and counts. */
function toldStep(name: DayStep['name'], outcomes: (DayStepOutcome | Error)[] = []) {
  const runs: CivilDate[] = []
  const step: DayStep = {
    name,
    description: name,
    async run({ businessDate: date }) {
      runs.push(date)
      const next = outcomes.shift()
      if (next instanceof Error) throw next
      return next ?? { state: 'done', words: `${name} done` }
    },
  }
  return { step, runs }
}

async function statesOf(client: Client, date: CivilDate): Promise<string> {
  return (await readSteps(client, date)).map(({ step, state }) => `${step} ${state}`).join(', ')
}

async function noViolations(t: Test, url: string): Promise<void> {
  t.same(
    (await verifyLedger(url)).filter(({ ok }) => !ok),
    [],
  )
}

const world = await makeWorld(t)
t.test('a day ends before its time, in lanes with and without traffic, once whoever asks', async (t) => {
  const { url, start, client, clock, byClock, cutover, run, buy } = world
  const writer = await start()
  const day = byClock()
  const next = addDays(day, 1)
  t.equal(await buy(writer, 1), day)
  await t.rejects(cutover(next), { code: 'CONFLICT', message: /has not begun/ })
  // Where a clock was ahead once, which made it known.
  await knowBusinessDays(client, next)
  await t.rejects(cutover(next), { code: 'CONFLICT', message: /has not begun/ })
  const onTime = { byClock: day, by: 'test', mayEndEarly: false }
  await t.rejects(askCutover(client, onTime), {
    code: 'CONFLICT',
    message: `--date ${formatDate(day)} ends the open one`,
  })
  await t.rejects(askCutover(client, { date: day, byClock: addDays(day, 9_000), by: 'test' }), {
    code: 'CONFLICT',
    message: /set the clock/,
  })
  // As many as there are ways to ask.
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => connect({ url, name: 'mizan test', role: 'mizan_app' })),
  )
  const asked = await Promise.all(
    clients.map((one, index) => askCutover(one, { byClock: day, by: `trigger ${index}` })),
  )
  await Promise.all(clients.map((one) => one.end()))
  t.equal(asked.flatMap(({ asked: dates }) => dates).length, 1, 'one of them ended the day')
  t.ok(asked.every(({ date, state }) => date === day && state === 'closing'))
  const runs = await Promise.all(Array.from({ length: 4 }, () => run()))
  t.equal(runs.flatMap(({ closed }) => closed).length, 1, 'and one run did it')
  t.match(await readDay(client, day), { state: 'closed', askedBy: /^trigger \d$/, lanesClosedAtMs: Number })
  t.equal(await statesOf(client, day), 'close-day done, trial-balance done')
  t.strictSame(
    (await readDayEvents(client, 100, day)).map(({ event, step }) => `${event} ${step ?? ''}`.trim()),
    ['asked', 'began close-day', 'done close-day', 'began trial-balance', 'done trial-balance', 'closed'],
  )
  const { rows: commands } = await client.query(`select from command_inbox where kind = 'close-day'`)
  t.equal(commands.length, 2, 'a command for each lane, no more')
  // What comes now is of the next day, although the clock says the old one.
  t.equal(await buy(writer, 1), next)
  t.equal(await buy(writer, 2), next)
  t.same([writer.lanes[0]?.businessDate, writer.lanes[1]?.businessDate], [next, next])
  t.match(await cutover(), { date: day, asked: [], state: 'closed' }, 'nobody ends the next one by mistake')
  await t.rejects(cutover(next), { code: 'CONFLICT' })
  // A writer that takes over goes on with the day that is open.
  await writer.stop()
  const second = await start()
  t.equal(await buy(second, 1), next)
  // Nor does one that knows nothing of it get a row of the old day in.
  const owner = await connect({ url, name: 'mizan test' })
  const arrays = Array.from({ length: 19 }, () => `'{}'`).join()
  const late = owner.query(
    `select commit_batch(0::smallint, epoch, last_seq + 1, decode(repeat('00', 32), 'hex'), now(), next_id, next_id + 64,
       $1::date, $1::date, ${arrays}) from lane where lane = 0`,
    [formatDate(day)],
  )
  t.match(await refusalOf(late), { constraint: 'lane_day_open' })
  await owner.end()
  // A day that is closed once more, late, opens none.
  const again = await requestCommand(client, {
    lane: 0,
    kind: 'close-day',
    detail: { date: addDays(day, -3) },
    requestedBy: 'test',
  })
  t.match(await awaitCommand(client, again, { timeoutMs: 30_000 }), { end: { done: true } })
  t.equal(second.lanes[0]?.businessDate, next)
  t.equal(await buy(second, 2), next)
  // Its own evening has come: the clock says the same as the lanes.
  clock.advance(DAY_MS)
  t.equal(await buy(second, 1), next)
  await noViolations(t, url)
  await second.stop()
})

t.test('after days without anybody they end in order, each with its trial balance', async (t) => {
  const { url, start, client, clock, byClock, cutover, run, buy, boughtOn, boughtUntil } = world
  const first = byClock()
  let writer = await start()
  await buy(writer, 1)
  await writer.stop()
  clock.advance(2 * DAY_MS)
  writer = await start()
  t.equal(await buy(writer, 2), addDays(first, 2), 'the clock goes on without a cutover')
  const days = [first, addDays(first, 1)]
  t.match(await cutover(), { date: days[1], asked: days })
  t.match(await run(), { state: 'closed', closed: days })
  t.strictSame(
    (await listDays(client, 3)).map(({ businessDate: date, state }) => [date, state]),
    [
      [addDays(first, 2), 'open'],
      [days[1], 'closed'],
      [days[0], 'closed'],
    ],
  )
  const balances = await readTrialBalanceOf(client, first, { limit: 1_000 })
  const pounds = balances.units.find(({ unit }) => unit === 'EGP')
  t.ok((pounds?.debits ?? 0n) > 0n && pounds?.debits === pounds?.credits)
  t.match(
    balances.accounts.find(({ kind }) => kind === 7001),
    { accountName: 'payable to outlet', debits: 0n, credits: boughtOn(first), balance: boughtUntil(first) },
  )
  const postal = balances.accounts.filter(({ kind }) => kind === 6001)
  t.equal(postal.length, 1, 'accounts of households are one line')
  const quiet = await readTrialBalanceOf(client, addDays(first, 1), { limit: 1_000 })
  t.match(
    quiet.accounts.find(({ kind }) => kind === 7001),
    { debits: 0n, credits: 0n, balance: boughtUntil(first) },
  )
  const last = addDays(first, 2)
  t.match(await cutover(last), { asked: [last] })
  t.match(await run(), { state: 'closed', closed: [last] })
  t.match(
    (await readTrialBalanceOf(client, last, { limit: 1_000 })).accounts.find(({ kind }) => kind === 7001),
    { credits: boughtOn(last), balance: boughtUntil(last) },
  )
  await noViolations(t, url)
  // A year of days that ends at once is more likely a clock that is wrong.
  await t.rejects(askCutover(client, { byClock: addDays(first, 400), by: 'test' }), {
    code: 'CONFLICT',
    message: /would end at once/,
  })
  await writer.stop()
})

t.test('a day goes on where it stood, says what blocks it, and keeps the order of the steps of days', async (t) => {
  const { start, client, clock, byClock, cutover, run } = world
  const writer = await start()
  clock.advance(DAY_MS)
  const first = byClock()
  const second = addDays(first, 1)
  await cutover(first)
  const blocked = toldStep('write', [
    { state: 'blocked', words: 'no room on the disk' },
    { state: 'blocked', words: 'no room on the disk' },
    new Error('the disk is gone'),
    { state: 'waiting', words: 'soon' },
    { state: 'waiting', words: 'soon' },
  ])
  const select = toldStep('select')
  const settle = toldStep('settle')
  // In whatever order they are given.
  const steps = [settle.step, blocked.step, select.step, ...realSteps]
  t.match(await run(steps), {
    state: 'blocked',
    stopped: { businessDate: first, step: 'write', words: 'no room on the disk' },
  })
  const seen = await lookAtDays(client)
  t.match(seen, {
    closing: 1,
    oldest: { businessDate: first },
    step: { name: 'write', state: 'blocked', sinceMs: Number },
  })
  t.match(await run(steps), { state: 'blocked' }, 'it is looked at again, and written down once')
  t.same((await lookAtDays(client)).step, seen.step, 'since when it has stopped stays the same')
  t.match(await run(steps), { state: 'failed', stopped: { words: 'the disk is gone' } })
  t.equal(select.runs.length, 1, 'what is done stays done')
  // The next day comes as far as the one before.
  clock.advance(DAY_MS)
  await cutover(second)
  t.match(await run(steps), { state: 'waiting', stopped: { businessDate: first, step: 'write' } })
  t.equal(
    await statesOf(client, second),
    'close-day done, trial-balance done, select done, write pending, settle pending',
  )
  t.match(await run(steps), { state: 'waiting' })
  t.strictSame(select.runs, [first, second])
  t.match(await run(steps), { state: 'closed', closed: [first, second] })
  t.strictSame(settle.runs, [first, second])
  const events = (await readDayEvents(client, 100, first)).filter(({ step }) => step === 'write')
  t.strictSame(
    events.map(({ event, words }) => (words === undefined ? event : `${event}: ${words}`)),
    ['began', 'blocked: no room on the disk', 'failed: the disk is gone', 'waiting: soon', 'done: write done'],
  )
  t.match(
    (await readSteps(client, first)).find(({ step }) => step === 'write'),
    { attempts: 6 },
  )
  const refused = async (statement: string) => refusalOf(client.query(statement))
  t.match(await refused(`update business_day_step set state = 'pending' where step = 'write'`), {
    constraint: 'business_day_step_once',
  })
  t.match(await refused(`update business_day set state = 'open'`), { constraint: 'business_day_life' })
  t.match(await refused('delete from business_day_event'), { code: '42501' })
  await writer.stop()
})

t.test('without a switch a day says so; a lane whose clock is behind closes when it may', async (t) => {
  const { start, client, clock, byClock, cutover, run } = world
  clock.advance(DAY_MS)
  const day = byClock()
  await cutover(day)
  t.match(await run(impatientSteps), {
    state: 'blocked',
    stopped: { step: 'close-day', words: /no switch writes the lanes 0, 1/ },
  })
  // The command waits for the writer.
  clock.advance(-3 * DAY_MS)
  const writer = await start()
  t.match(await run(), { state: 'blocked', stopped: { words: /has not begun/ } })
  clock.advance(3 * DAY_MS)
  t.match(await run(), { state: 'closed', closed: [day] })
  const wrong = await requestCommand(client, {
    lane: 0,
    kind: 'close-day',
    detail: { date: 20261131 },
    requestedBy: 'test',
  })
  t.match(await awaitCommand(client, wrong, { timeoutMs: 30_000 }), {
    end: { outcome: 'refused: there is no such date' },
  })
  await writer.stop()
})

t.test('a trial balance that does not come out stops the day, and is kept when it does', async (t) => {
  const { url, start, client, clock, byClock, cutover, run, buy } = world
  const writer = await start()
  clock.advance(DAY_MS)
  await buy(writer, 1)
  const owner = await connect({ url, name: 'mizan test' })
  t.teardown(() => owner.end())
  await owner.query('update balance set posted = posted + 5 where account / 100000000000 = 7001')
  await cutover(byClock())
  t.match(await run(), {
    state: 'blocked',
    stopped: {
      step: 'trial-balance',
      words: /^account 7001 payable to outlet of \d+ holds \d+010 and \d+000 was posted to it: find out/,
    },
  })
  t.same((await readTrialBalanceOf(client, byClock(), { limit: 10 })).accounts, [])
  await owner.query('update balance set posted = posted - 5 where account / 100000000000 = 7001')
  t.match(await run(), { state: 'closed' })
  t.ok((await readTrialBalanceOf(client, byClock(), { limit: 10 })).accounts.length > 0)
  await noViolations(t, url)
  for (const [name, planted, undone] of [
    [
      'closed-days-stay',
      'update lane set open_date = open_date + 1 where lane = 0',
      'update lane set open_date = open_date - 1 where lane = 0',
    ],
    [
      'day-balances-agree',
      'update business_day_balance set debits = debits + 3 where kind = 6001',
      'update business_day_balance set debits = debits - 3 where kind = 6001',
    ],
  ] as const) {
    await owner.query(planted)
    const failed = (await verifyLedger(url)).filter(({ ok }) => !ok)
    t.same(
      failed.map((check) => check.name),
      [name],
    )
    await owner.query(undone)
  }
  await writer.stop()
})
