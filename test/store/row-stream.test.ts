import t from 'tap'
import { inSnapshot, streamRows } from '../../src/store/clearing/row-stream.ts'
import { connect } from '../../src/store/connection.ts'
import { createTestDatabase } from '../support/database.ts'

const ROWS = 21_000
/** Worked on each lot of rows. */
const WORK_MS = 2

t.test('rows come whole and in order, with rests while others write', async (t) => {
  const { url } = await createTestDatabase(t)
  const reader = await connect({ url, name: 'test reader' })
  const writer = await connect({ url, name: 'test writer' })
  t.teardown(() => Promise.all([reader.end(), writer.end()]))
  await writer.query('create table noise (words text)')
  let ends = false
  const write = async () => {
    while (!ends) await writer.query(`insert into noise select repeat('x', 500) from generate_series(1, 200)`)
  }
  for (const areOthersBusy of [false, true]) {
    const restsMs: number[] = []
    const numbers: number[] = []
    const writing = areOthersBusy ? write() : undefined
    const startedMs = performance.now()
    await inSnapshot(reader, async () => {
      const text = 'select n from generate_series(1, $1::integer) n order by n'
      for await (const rows of streamRows<{ n: number }>(reader, text, [ROWS], { onRest: (ms) => restsMs.push(ms) })) {
        for (const { n } of rows) numbers.push(n)
        await new Promise((resolve) => setTimeout(resolve, WORK_MS))
      }
    })
    const tookMs = performance.now() - startedMs
    ends = areOthersBusy
    await writing
    t.equal(numbers.length, ROWS)
    t.ok(
      numbers.every((number, index) => number === index + 1),
      'in order',
    )
    if (!areOthersBusy) continue
    const rested = restsMs.reduce((sum, ms) => sum + ms, 0)
    t.ok(restsMs.length >= ROWS / 200, `${restsMs.length} rests`)
    t.ok(rested > tookMs / 3, `${rested} of ${tookMs} ms were rests`)
  }
})
