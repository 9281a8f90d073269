import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { withCheckDigit } from '../../src/identifiers.ts'
import * as events from '../../src/telemetry/events.ts'
import { jobQueueFailed, notificationsHandled } from '../../src/telemetry/job-events.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

const pans = ['400000123456789', '507803000000001', '979200000000001', '400000987654321'].map(withCheckDigit)
const [pan = ''] = pans
const pinBlock = '0412AC89ABCDEF67'

function capture(options: { level?: string; pretty?: boolean } = {}) {
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  return { lines, log: createLogger({ level: 'trace', ...options, destination }) }
}

/** An error as the driver or a careless layer would make it, with card data everywhere. */
function leakyError(): Error {
  const inner = new MizanError('STORE_REJECTED', `row of card ${pan}`)
  const error = new AggregateError([new Error(`first ${pan}`), inner], `cannot post ${pan}`, { cause: inner })
  return Object.assign(error, {
    code: '23505',
    detail: `Key (pan)=(${pan}) exists`,
    where: pan,
    track2: `${pan}=30121010`,
  })
}

for (const pretty of [false, true]) {
  t.test(`no card number passes on any path, ${pretty ? 'pretty' : 'JSON'}`, async (t) => {
    const { lines, log } = capture({ pretty })
    for (const one of pans) {
      log.info(one)
      log.info(`paid with ${one} today`)
      log.info({ pan: one, nested: { deep: { pan: one, list: [one, { two: one }] } } }, 'message %s', one)
      log.info({ fields: { 2: one, 35: `${one}=30122010000012345`, 52: pinBlock }, pinBlock })
      log.info([one, [one]])
      log.info({ [`key ${one}`]: 1, number: Number(one) })
      log.child({ card: one }).warn('child')
      log.info({ text: JSON.stringify({ pan: one, pinBlock }) })
      log.error(new Error(`failed for ${one}`))
      log.error({ err: new Error(`failed for ${one}`, { cause: new Error(`because of ${one}`) }) }, 'failed')
    }
    log.error({ err: leakyError() }, 'leaky')
    log.error(leakyError(), 'leaky')
    log.error({ err: { plain: pan } }, 'not an error')
    events.unexpectedError(log, { where: `card ${pan}` }, leakyError())
    events.batchFailed(log, { lane: 0, seq: 1, size: 1, outcome: 'unknown' }, leakyError())
    const output = lines.join('')
    t.ok(lines.length > 40)
    for (const one of pans) t.notMatch(output, one)
    t.notMatch(output, /30122010|30121010/)
    t.match(output, '400000******')
    if (!pretty) for (const line of lines) t.doesNotThrow(() => JSON.parse(line))
  })
}

t.test('a PIN block under its name is masked, and an error keeps what explains it', async (t) => {
  const { lines, log } = capture()
  log.info({ pinBlock, de52: pinBlock })
  t.notMatch(lines.join(''), pinBlock)
  log.error({ err: new MizanError('LANE_FENCED', 'epoch 4', { cause: new Error('inner') }) }, 'x')
  const { err } = JSON.parse(lines[1] ?? '') as { err: Record<string, unknown> }
  t.match(err, {
    type: 'MizanError',
    code: 'LANE_FENCED',
    message: /epoch 4/,
    stack: /logger\.test/,
    cause: { message: 'inner' },
  })
})

t.test('lines carry time, level, event and fields, and obey the level', async (t) => {
  const { lines, log } = capture({ level: 'info' })
  events.linkConnected(log, { link: 'ascii', connection: 7, remote: '127.0.0.1:5000' })
  notificationsHandled(log, { sent: 9 })
  t.equal(lines.length, 1, 'messages are told of at debug only')
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  t.match(line, { level: 'info', event: 'link_connected', link: 'ascii', connection: 7, msg: 'link connected' })
  t.match(line.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

t.test('every event writes one line under its own name', async (t) => {
  const { lines, log } = capture()
  // The functions differ in their fields, which are not the matter here.
  const all = Object.entries(events) as unknown as [string, (log: unknown, fields: object, error: Error) => void][]
  for (const [name, event] of all) {
    event(log, { reason: 'peer' }, new Error('why'))
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    t.equal((JSON.parse(lines.at(-1) ?? '') as { event: string }).event, snake)
  }
  t.equal(lines.length, all.length)
})

t.test('pretty lines are for people', async (t) => {
  const { lines, log } = capture({ pretty: true })
  events.linkClosed(log, { link: 'visa', connection: 1, remote: 'x', reason: 'frame', detail: 'length 0' })
  t.match(lines[0], /^\d\d:\d\d:\d\d\.\d{3} warn {2}link closed {2}event=link_closed {2}link=visa .*reason=frame/)
  events.unexpectedError(log, { where: 'here' }, new Error('boom'))
  t.match(lines[1], /unexpected error.*\n {2}Error: boom\n\s+at /)
})

t.test('an error that is a plain object, as the queue of jobs hands it on, is told by its message', async (t) => {
  const { lines, log } = capture()
  jobQueueFailed(log, { ...new Error('x'), message: `cannot take work of ${pan}`, stack: 'here', queue: 'purge' })
  jobQueueFailed(log, null)
  t.match(JSON.parse(lines[0] ?? ''), { event: 'job_queue_failed', reason: /^cannot take work of / })
  t.notMatch(lines[0], pan)
  t.match(JSON.parse(lines[1] ?? ''), { reason: 'null' })
})
