import t from 'tap'
import { LineLimit } from '../../src/telemetry/line-limit.ts'

t.test('no more lines a second than allowed, and the next one says how many were left out', async (t) => {
  let nowMs = 0
  const limit = new LineLimit(2, () => nowMs)
  const lines: object[] = []
  const say = () => limit.say((left) => lines.push(left))
  for (let time = 0; time < 5; time++) say()
  t.strictSame(lines, [{}, {}])
  nowMs = 999
  say()
  t.equal(lines.length, 2)
  nowMs = 1_000
  say()
  say()
  t.strictSame(lines.slice(2), [{ leftOut: 4 }, {}])
})
