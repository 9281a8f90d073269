import t from 'tap'
import { lanesCommit, logGrows, WorkPace } from '../../src/store/clearing/work-pace.ts'
import { connect } from '../../src/store/connection.ts'
import { createTestDatabase } from '../support/database.ts'

const WORK_MS = 20

async function work(ms = WORK_MS): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

t.test(
  'three times as long as was worked is rested while others are busy, and not at all while nobody is',
  async (t) => {
    for (const busy of [true, false]) {
      const restsMs: number[] = []
      const pace = new WorkPace(async () => busy, { onRest: (ms) => restsMs.push(ms) })
      const startedMs = performance.now()
      for (let piece = 0; piece < 3; piece++) {
        await work()
        await pace.rest()
      }
      const tookMs = performance.now() - startedMs
      t.equal(pace.areBusy, busy)
      t.equal(restsMs.length, busy ? 3 : 0)
      if (!busy) continue
      t.ok(
        restsMs.every((ms) => ms >= 3 * (WORK_MS - 2)),
        `rests of ${restsMs}`,
      )
      t.ok(tookMs >= restsMs.reduce((sum, ms) => sum + ms, 3 * (WORK_MS - 2)) - 3, 'it did rest')
    }
  },
)

t.test('others are looked at every so often, and not with each of many short pieces', async (t) => {
  let looks = 0
  const pace = new WorkPace(async () => {
    looks++
    return false
  })
  const startedMs = performance.now()
  for (let piece = 0; piece < 1_000; piece++) await pace.rest()
  t.ok(looks >= 1 && looks <= 1 + (performance.now() - startedMs) / 50, `${looks} looks at 1,000 pieces`)
})

t.test('no rest is longer than a second, and who stops waits for none', async (t) => {
  const stop = new AbortController()
  const restsMs: number[] = []
  const pace = new WorkPace(async () => true, { signal: stop.signal, onRest: (ms) => restsMs.push(ms) })
  await work(400)
  const startedMs = performance.now()
  const resting = pace.rest()
  setTimeout(() => stop.abort(new Error('stopped')), 50)
  await t.rejects(resting)
  t.same(restsMs, [1_000])
  t.ok(performance.now() - startedMs < 900, 'it did not wait for its end')
  await t.rejects(pace.rest(), { message: 'stopped' })
})

t.test('who looks finds the lanes busy by their batches, and anybody who writes by the log', async (t) => {
  const { url } = await createTestDatabase(t)
  const reader = await connect({ url, name: 'test reader' })
  const writer = await connect({ url, name: 'test writer' })
  t.teardown(() => Promise.all([reader.end(), writer.end()]))
  const lanes = lanesCommit(reader)
  const log = logGrows(reader)
  t.same([await lanes(), await log()], [true, true], 'nobody knows at first')
  t.equal(await lanes(), false, 'nothing happened')
  // Other tests, and the server itself after a database was made, write too: there are moments without.
  do await work(5)
  while (await log())
  await writer.query('create table noise as select n, repeat(md5(n::text), 30) from generate_series(1, 1000) n')
  t.same([await lanes(), await log()], [false, true], 'somebody writes, and no lane')
  await writer.query('insert into lane (lane, last_seq, next_id) values (0, 1, 64)')
  t.equal(await lanes(), true)
})
