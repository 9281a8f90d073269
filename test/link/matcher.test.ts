import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { Backoff, backoffDelayMs } from '../../src/link/backoff.ts'
import { Matcher } from '../../src/link/matcher.ts'

function setup(capacity = 10) {
  let now = 0
  const unmatched: Array<[string, string, boolean]> = []
  const outcomes: string[] = []
  const matcher = new Matcher({
    capacity,
    monotonic: () => now,
    onUnmatched: (answer, key, late) => unmatched.push([String(answer), key, late]),
  })
  const add = (key: string, timeoutMs = 100) =>
    matcher.add(key, timeoutMs, (outcome) =>
      outcomes.push(`${key}:${outcome instanceof MizanError ? outcome.code : outcome}`),
    )
  const at = (tick: number) => {
    now = tick
    matcher.sweep()
  }
  return { matcher, add, at, unmatched, outcomes }
}

t.test('answers settle their requests, in any order', async (t) => {
  const { matcher, add, outcomes } = setup()
  add('a')
  add('b')
  t.equal(matcher.size, 2)
  t.ok(matcher.answer('b', Buffer.from('2')))
  t.ok(matcher.answer('a', Buffer.from('1')))
  t.strictSame(outcomes, ['b:2', 'a:1'])
  t.equal(matcher.size, 0)
})

t.test('a key in flight is refused; the first request keeps its answer', async (t) => {
  const { matcher, add, outcomes } = setup()
  add('a')
  t.throws(() => add('a'), { code: 'LINK_DUPLICATE_KEY' })
  matcher.answer('a', Buffer.from('1'))
  add('a')
  t.strictSame(outcomes, ['a:1'])
})

t.test('capacity is a limit, and room comes back', async (t) => {
  const { matcher, add } = setup(2)
  add('a')
  add('b')
  t.throws(() => add('c'), { code: 'LINK_BUSY' })
  matcher.answer('a', Buffer.from(''))
  add('c')
  t.equal(matcher.size, 2)
})

t.test('what cannot be sent is not in flight, and its request learns why', async (t) => {
  const { matcher } = setup()
  const outcomes: unknown[] = []
  const settle = (outcome: unknown) => outcomes.push(outcome)
  matcher.submit('a', 100, settle, () => {
    throw new MizanError('LINK_BUSY')
  })
  matcher.submit('a', 100, settle, () => {
    throw new Error('broken pipe')
  })
  matcher.submit('a', 100, settle, () => {})
  matcher.submit('a', 100, settle, () => t.fail('must not be sent'))
  t.match(outcomes, [
    { code: 'LINK_BUSY' },
    { code: 'LINK_CLOSED', message: /broken pipe/ },
    { code: 'LINK_DUPLICATE_KEY' },
  ])
  t.equal(matcher.size, 1)
})

t.test('requests time out at their own deadline', async (t) => {
  const { at, add, outcomes, matcher } = setup()
  add('slow', 300)
  add('fast', 100)
  at(99)
  t.strictSame(outcomes, [])
  at(100)
  t.strictSame(outcomes, ['fast:LINK_TIMEOUT'])
  add('next', 50)
  at(150)
  t.strictSame(outcomes, ['fast:LINK_TIMEOUT', 'next:LINK_TIMEOUT'])
  at(300)
  t.equal(outcomes.length, 3)
  t.equal(matcher.size, 0)
})

t.test('late answers and unknown ones are told apart, once', async (t) => {
  const { matcher, at, add, unmatched } = setup()
  add('a')
  at(100)
  t.notOk(matcher.answer('a', Buffer.from('1')))
  t.notOk(matcher.answer('a', Buffer.from('2')))
  t.notOk(matcher.answer('x', Buffer.from('3')))
  t.strictSame(unmatched, [
    ['1', 'a', true],
    ['2', 'a', false],
    ['3', 'x', false],
  ])
  t.equal(matcher.unmatched, 3)
  t.equal(matcher.late, 1)
})

t.test('only as many timed-out keys as the capacity are remembered, the newest', async (t) => {
  const { matcher, at, add, unmatched } = setup(2)
  for (const [index, key] of ['a', 'b', 'c'].entries()) {
    add(key, 10)
    at((index + 1) * 10)
  }
  for (const key of ['a', 'b', 'c']) matcher.answer(key, Buffer.from(''))
  t.strictSame(
    unmatched.map(([, key, late]) => [key, late]),
    [
      ['a', false],
      ['b', true],
      ['c', true],
    ],
  )
})

t.test('close settles all and refuses more until it is open again', async (t) => {
  const { matcher, add, outcomes } = setup()
  add('a')
  add('b')
  matcher.close('gone')
  t.strictSame(outcomes, ['a:LINK_CLOSED', 'b:LINK_CLOSED'])
  t.throws(() => add('c'), { code: 'LINK_CLOSED' })
  matcher.open()
  add('c')
  t.equal(matcher.size, 1)
})

t.test('a settled request may be followed by another from within', async (t) => {
  const { matcher } = setup(1)
  const seen: string[] = []
  matcher.add('a', 10, () => matcher.add('b', 10, (outcome) => seen.push(String(outcome))))
  matcher.answer('a', Buffer.from('1'))
  matcher.answer('b', Buffer.from('2'))
  t.strictSame(seen, ['2'])
})

t.test('the delay doubles to its maximum, less a random share', async (t) => {
  const policy = { initialMs: 100, maxMs: 1_000, jitter: 0.5 }
  t.strictSame(
    [0, 1, 2, 3, 4, 1_000].map((attempt) => backoffDelayMs(policy, attempt, 0)),
    [100, 200, 400, 800, 1_000, 1_000],
  )
  t.equal(backoffDelayMs(policy, 2, 0.5), 300)
  t.equal(backoffDelayMs({ ...policy, jitter: 0 }, 2, 0.99), 400)
})

t.test('only a link that lasted starts over from the shortest delay', async (t) => {
  let now = 0
  const backoff = new Backoff(
    { initialMs: 100, maxMs: 1_000, jitter: 0 },
    () => 0,
    () => now,
  )
  t.strictSame(backoff.down(), { attempt: 1, delayMs: 100 })
  t.strictSame(backoff.down(), { attempt: 2, delayMs: 200 })
  backoff.up()
  now = 500
  t.strictSame(backoff.down(), { attempt: 3, delayMs: 400 }, 'it was up for less than the longest delay')
  backoff.up()
  now = 1_500
  t.strictSame(backoff.down(), { attempt: 1, delayMs: 100 })
})
