import { type Test, test } from 'tap'
import { addDays, civilDate, formatDate } from '../../src/calendar.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import type { Writer } from '../../src/writer/writer.ts'
import { ask, isLaneAtLock, purchaseOf, writerWorld } from '../support/writer.ts'

/** Holds the first batch of `first` at the lane's row while `more` asks on, and lets go when that is queued. */
async function whileInFlight<T>(
  url: string,
  first: () => Promise<T>,
  more: () => Promise<T>[],
): Promise<{ first: T; later: T[] }> {
  return withClient(url, async (client) => {
    await client.query('begin')
    await client.query('select from lane for update')
    const sent = first()
    while (!(await isLaneAtLock(client))) await new Promise((resolve) => setTimeout(resolve, 5))
    const queued = more()
    // Time for what can be decided to be decided: no answer tells, for none may come.
    await new Promise((resolve) => setTimeout(resolve, 100))
    await client.query('commit')
    return { first: await sent, later: await Promise.all(queued) }
  })
}

async function allChecksHold(t: Test, url: string): Promise<void> {
  t.same(
    (await verifyLedger(url)).filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`),
    [],
  )
}

function balanceIn(url: string, account: number): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ posted: number }>('select posted::int from balance where account = $1', [
      account,
    ])
    return rows[0]?.posted ?? 0
  })
}

const purchaseFor = (writer: Writer, household: number, nowMs: number, overrides = {}) =>
  ask(writer, purchaseOf(household, nowMs, overrides))

test('what comes days later is of a batch of its own day, though one is open', async (t) => {
  const { url, clock, start } = await writerWorld(t)
  const writer = await start({ timeBudgetMs: 30 * 86_400_000 })
  const answers = await withClient(url, async (client) => {
    await client.query('begin')
    await client.query('select from lane for update')
    const first = purchaseFor(writer, 1, clock.now())
    while (!(await isLaneAtLock(client))) await new Promise((resolve) => setTimeout(resolve, 5))
    const open = purchaseFor(writer, 2, clock.now())
    await new Promise((resolve) => setTimeout(resolve, 100))
    // As after a machine that stood still.
    clock.pass(6 * 86_400_000)
    const later = purchaseFor(writer, 3, clock.now())
    await new Promise((resolve) => setTimeout(resolve, 100))
    await client.query('commit')
    return Promise.all([first, open, later])
  })
  t.same(
    answers.map(({ result }) => result),
    ['approved', 'approved', 'approved'],
  )
  const days = await withClient(url, async (client) => {
    const text = 'select entitlement_date as day from authorization_journal order by id'
    return (await client.query<{ day: string }>(text)).rows.map(({ day }) => day)
  })
  t.equal(days[0], days[1])
  t.equal(days[2], formatDate(civilDate(clock.now())), 'the day on which it came')
  t.equal(days[1], formatDate(addDays(civilDate(clock.now()), -6)))
  await allChecksHold(t, url)
})

test('what depends on a batch under way waits for it: a repeat, a reversal, the same card', async (t) => {
  const { url, clock, start } = await writerWorld(t)
  const sizes: number[] = []
  const writer = await start({ observer: { batchDone: (_lane, { size }) => sizes.push(size) } })
  const before = await balanceIn(url, 600_100_000_000_001)
  const original = purchaseOf(1, clock.now())
  const { mti, stan, transmission, acquirer } = original
  const outcome = await whileInFlight(
    url,
    () => ask(writer, original),
    () => [
      purchaseFor(writer, 1, clock.now(), { amountPiasters: 500 }),
      ask(writer, { ...original, mti: '0200', repeat: true }),
      purchaseFor(writer, 1, clock.now(), {
        mti: '0400',
        original: { mti, stan, transmission, acquirer },
        originalKey: original.key,
      }),
    ],
  )
  const [other, repeat, reversal] = outcome.later
  t.equal(outcome.first.result, 'approved')
  t.equal(other?.result, 'approved')
  t.same(repeat?.fields, outcome.first.fields, 'the repeat is answered as the first was')
  t.equal(reversal?.result, 'approved')
  t.equal(await balanceIn(url, 600_100_000_000_001), before - 500)
  t.ok(sizes.length >= 3, 'neither was decided with what it depends on')
  await allChecksHold(t, url)
})

test('what was decided on top of a batch that fails is decided again, on what is true then', async (t) => {
  const { url, clock, start } = await writerWorld(t)
  const writer = await start()
  const account = 600_100_000_000_002
  const available = await balanceIn(url, account)
  await withClient(url, (client) =>
    client.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')"),
  )
  const outcome = await whileInFlight(
    url,
    () => purchaseFor(writer, 2, clock.now(), { rrn: 'POISON', amountPiasters: available }),
    () => [
      purchaseFor(writer, 2, clock.now(), { amountPiasters: available }),
      purchaseFor(writer, 3, clock.now(), { amountPiasters: 700 }),
      purchaseFor(writer, 2, clock.now(), { amountPiasters: 1 }),
    ],
  )
  t.equal(outcome.first.result, 'internal-fault')
  t.same(
    outcome.later.map(({ result }) => result),
    ['approved', 'approved', 'insufficient'],
    'the money that the failed batch would have taken is there',
  )
  t.equal(await balanceIn(url, account), 0)
  await allChecksHold(t, url)
})

test('an expired hold in a batch that the database refuses is ended all the same', async (t) => {
  const { url, clock, start } = await writerWorld(t)
  const outcomes: string[] = []
  const writer = await start({
    holdDays: 1,
    observer: { batchDone: (_lane, { outcome, size }) => outcomes.push(`${outcome} ${size}`) },
  })
  const held = purchaseOf(4, clock.now(), { mti: '0100' })
  t.equal((await ask(writer, held)).result, 'approved')
  clock.advance(25 * 3_600_000)
  const holdId = await withClient(url, async (client) => {
    await client.query("alter table authorization_journal add constraint poison check (rrn <> 'POISON')")
    return Number((await client.query<{ id: string }>('select id from hold')).rows[0]?.id)
  })
  outcomes.length = 0
  const outcome = await whileInFlight(
    url,
    () => purchaseFor(writer, 6, clock.now()),
    () => {
      writer.lanes[0]?.expireHold({ holdId, panIndex: held.panIndex })
      return [purchaseFor(writer, 5, clock.now(), { rrn: 'POISON' })]
    },
  )
  t.equal(outcome.later[0]?.result, 'internal-fault')
  t.same(outcomes, ['committed 1', 'refused 1', 'committed 0', 'refused 1'], 'together, then each alone')
  const endings = await withClient(url, (client) => client.query('select ending from hold_event'))
  t.same(endings.rows, [{ ending: 'expired' }])
  await allChecksHold(t, url)
})
