import t from 'tap'
import { RecentKeys } from '../../src/writer/recent-keys.ts'

const SKEW_MS = 10_000
const startMs = Date.UTC(2026, 10, 18, 9)

t.test('memory vouches only for the time it covers', async (t) => {
  const recent = new RecentKeys(10, startMs)
  const nowMs = startMs + 60_000
  t.equal(recent.mustAsk('a', startMs - 1, nowMs), true, 'sent before the memory began')
  t.equal(
    recent.mustAsk('a', startMs + SKEW_MS - 1, nowMs),
    true,
    'a sender whose clock runs ahead may have sent it before',
  )
  t.equal(recent.mustAsk('a', startMs + SKEW_MS, nowMs), false)
  t.equal(recent.mustAsk('a', nowMs + SKEW_MS + 1, nowMs), true, 'from the future')
  t.equal(recent.mustAsk('a', undefined, nowMs), true, 'no time at all')
  recent.add('a', nowMs)
  t.equal(recent.mustAsk('a', nowMs, nowMs), true, 'a key that was seen')
})

t.test('it is bounded, and forgetting shrinks the cover', async (t) => {
  const recent = new RecentKeys(2, startMs)
  recent.add('a', startMs + 20_000)
  recent.add('b', startMs + 30_000)
  t.equal(recent.mustAsk('x', startMs + 15_000, startMs + 31_000), false)
  recent.add('c', startMs + 40_000)
  t.equal(recent.size, 2)
  t.equal(recent.mustAsk('x', startMs + 15_000, startMs + 41_000), true, 'the time of the key that went')
  t.equal(recent.mustAsk('a', startMs + 19_000, startMs + 41_000), true)
  recent.reset(startMs + 50_000)
  t.equal(recent.size, 0)
  t.equal(recent.mustAsk('x', startMs + 45_000, startMs + 51_000), true)
})
