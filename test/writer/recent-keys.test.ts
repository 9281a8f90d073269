import t from 'tap'
import { keyOf } from '../../src/authorization/message-key.ts'
import { systemTiming } from '../../src/timing.ts'
import { ClockWatch } from '../../src/writer/clock-watch.ts'
import { RecentKeys } from '../../src/writer/recent-keys.ts'

const SKEW_MS = 10_000
function key(name: string): string {
  return name.padStart(16, '-')
}

const startMs = Date.UTC(2026, 10, 18, 9)

t.test('memory vouches only for the time it covers', async (t) => {
  const recent = new RecentKeys(10, startMs)
  const nowMs = startMs + 60_000
  t.equal(recent.mustAsk(key('a'), startMs - 1, nowMs), true, 'sent before the memory began')
  t.equal(
    recent.mustAsk(key('a'), startMs + SKEW_MS - 1, nowMs),
    true,
    'a sender whose clock runs ahead may have sent it before',
  )
  t.equal(recent.mustAsk(key('a'), startMs + SKEW_MS, nowMs), false)
  t.equal(recent.mustAsk(key('a'), nowMs + SKEW_MS + 1, nowMs), true, 'from the future')
  t.equal(recent.mustAsk(key('a'), undefined, nowMs), true, 'no time at all')
  recent.add(key('a'), nowMs)
  t.equal(recent.mustAsk(key('a'), nowMs, nowMs), true, 'a key that was seen')
})

t.test('it is bounded, and forgetting shrinks the cover', async (t) => {
  const recent = new RecentKeys(4, startMs)
  for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) recent.add(key(name), startMs + (index + 2) * 10_000)
  t.equal(recent.mustAsk(key('x'), startMs + 15_000, startMs + 51_000), false)
  t.equal(recent.mustAsk(key('a'), startMs + 15_000, startMs + 51_000), true)
  recent.add(key('e'), startMs + 60_000)
  t.equal(recent.size, 3)
  t.equal(recent.mustAsk(key('x'), startMs + 15_000, startMs + 61_000), true, 'the time of the keys that went')
  t.equal(recent.mustAsk(key('x'), startMs + 49_999, startMs + 61_000), true)
  t.equal(recent.mustAsk(key('x'), startMs + 50_000, startMs + 61_000), false, 'those that stayed came since then')
  t.equal(recent.mustAsk(key('c'), startMs + 55_000, startMs + 61_000), true)
  t.equal(recent.mustAsk(key('e'), startMs + 55_000, startMs + 61_000), true)
})

t.test(
  'it begins with what the journal knows of senders that are ahead, and asks about all that was sent before',
  async (t) => {
    const ahead = (ms: number, name: string) =>
      keyOf(
        '81800001',
        name,
        '000001',
        new Date(endOfYearMs + ms).toISOString().replaceAll(/\D/g, '').slice(4, 14),
        '0200',
      )
    const endOfYearMs = Date.UTC(2026, 11, 31, 23, 59)
    const minuteMs = 60_000
    const [past, near, soon, nextYear, far] = [-minuteMs, 5_000, 30_000, 5 * minuteMs, 3 * 86_400_000].map((ms, at) =>
      ahead(ms, `T000000${at}`),
    ) as [string, string, string, string, string]
    const early = `\xff${'e'.repeat(15)}`
    const journal = [past, near, soon, nextYear, far, early]
    const recent = new RecentKeys(100, endOfYearMs)
    await recent.recall(endOfYearMs, async (from, to, limit) =>
      journal.filter((one) => one >= from && one <= to).slice(0, limit),
    )
    t.equal(recent.size, 3, 'one of this year, one of the next, and an early reversal')
    t.equal(recent.mustAsk(soon, endOfYearMs + 30_000, endOfYearMs + 30_000), true)
    t.equal(recent.mustAsk(ahead(30_000, 'T0000009'), endOfYearMs + 30_000, endOfYearMs + 30_000), false)
    t.equal(recent.mustAsk(nextYear, endOfYearMs + 5 * minuteMs, endOfYearMs + 5 * minuteMs), true)
    t.equal(recent.mustAsk(past, endOfYearMs - minuteMs, endOfYearMs), true)
    t.ok(recent.hasAny(() => [early]))

    const full = new RecentKeys(4, endOfYearMs)
    await full.recall(endOfYearMs, async (_from, _to, limit) =>
      Array.from({ length: limit }, (_, at) => ahead(minuteMs, `T${String(at).padStart(7, '0')}`)),
    )
    t.equal(
      full.mustAsk(ahead(minuteMs, 'T9999999'), endOfYearMs + minuteMs, endOfYearMs + minuteMs),
      true,
      'more than it keeps',
    )
  },
)

t.test('a clock that was set is noticed, and what it vouched for is asked again', async (t) => {
  let nowMs = startMs
  let monotonicMs = 0
  const watch = new ClockWatch({ now: () => nowMs }, { ...systemTiming, monotonicMs: () => monotonicMs })
  const pass = (ms: number) => {
    nowMs += ms
    monotonicMs += ms
  }
  pass(3_600_000)
  t.equal(watch.wasSet(), false, 'time that passes is no clock that was set')
  nowMs -= 20 * 3_600_000
  t.equal(watch.wasSet(), true)
  t.equal(watch.wasSet(), false, 'it is said once')
  // Behind by hours, memory forgets keys whose DE7 is of the true time.
  const recent = new RecentKeys(4, nowMs)
  const sentMs = nowMs + 20 * 3_600_000 - 60_000
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) recent.add(key(name), nowMs)
  nowMs += 20 * 3_600_000
  t.equal(watch.wasSet(), true)
  t.equal(recent.mustAsk(key('a'), sentMs, nowMs), false, 'by its own reckoning it never came')
  recent.distrust(nowMs)
  t.equal(recent.mustAsk(key('a'), sentMs, nowMs), true)
  pass(60_000)
  t.equal(recent.mustAsk(key('h'), nowMs, nowMs), false, 'what is sent from then on is new')
})

t.test('a batch that was begun while the clock was behind, and is durable after it was set right', async (t) => {
  const recent = new RecentKeys(4, startMs)
  const behindMs = startMs - 3_600_000
  recent.add(key('a'), startMs + 20_000)
  recent.add(key('b'), startMs + 20_000)
  // Set back by an hour, and right again half a minute later, with two batches under way.
  recent.distrust(behindMs)
  recent.distrust(startMs + 50_000)
  for (const name of ['c', 'd', 'e', 'f', 'g']) recent.add(key(name), behindMs + 10_000)
  t.equal(recent.mustAsk(key('a'), startMs + 15_000, startMs + 61_000), true, 'forgotten, and not taken for new')
  t.equal(recent.mustAsk(key('h'), startMs + 61_000, startMs + 61_000), false)
  // What it says while it is ahead holds until it is set right.
  recent.add(key('h'), startMs + 3_600_000)
  recent.add(key('i'), startMs + 3_600_000)
  recent.distrust(startMs + 70_000)
  for (const name of ['j', 'k', 'l', 'm', 'n']) recent.add(key(name), startMs + 80_000)
  t.equal(recent.mustAsk(key('o'), startMs + 95_000, startMs + 95_000), false)
})

t.test('a key whose DE7 lay ahead is known when its time has come', async (t) => {
  const ahead = (ms: number, name: string) =>
    keyOf('81800001', name, '000001', new Date(startMs + ms).toISOString().replaceAll(/\D/g, '').slice(4, 14), '0200')
  const recent = new RecentKeys(4, startMs)
  const hours = 3 * 3_600_000
  const first = ahead(hours, 'T0000001')
  recent.add(first, startMs)
  for (let index = 0; index < 20; index++) recent.add(key(`k${index}`), startMs + 60_000)
  t.equal(
    recent.mustAsk(first, startMs + hours, startMs + hours),
    true,
    'forgotten among the others, and still asked for',
  )
  t.equal(recent.mustAsk(ahead(hours, 'T0000002'), startMs + hours, startMs + hours), false)
  // More of them than there is room for.
  for (let index = 0; index < 100; index++)
    recent.add(ahead(hours, `T${String(index).padStart(7, '0')}`), startMs + 60_000)
  t.equal(recent.mustAsk(ahead(hours, 'T0000200'), startMs + hours, startMs + hours), true, 'then all of that time')
  t.equal(recent.mustAsk(ahead(hours + 1_000, 'T0000200'), startMs + hours + 1_000, startMs + hours + 1_000), false)
})
