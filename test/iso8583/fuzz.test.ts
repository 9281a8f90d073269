import t from 'tap'
import { fuzzCodec } from '../../scripts/fuzz-codec.ts'
import { propertyRuns } from '../support/property-runs.ts'

t.test('mutated messages never throw, hang, or are read outside their bytes', (t) => {
  const summary = fuzzCodec({ messages: propertyRuns(100_000), seed: 20_261_121 })
  t.same(summary.faults, [])
  t.ok(summary.accepted > 1000, 'some mutations are still messages')
  for (const kind of ['short', 'length', 'content', 'bitmap', 'unknown-field', 'trailing']) {
    t.ok((summary.refused[kind] ?? 0) > 0, `some are refused for ${kind}`)
  }
  t.end()
})
