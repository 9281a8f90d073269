import t from 'tap'
import { benchCodec } from '../../bench/codec.ts'

t.test('the codec bench times every dialect both ways', async (t) => {
  const results = await benchCodec({ seconds: 0.05, quiet: true })
  t.equal(results.length, 6)
  for (const { nsPerMessage, perSecond, bytes } of results) {
    t.ok(nsPerMessage > 0 && perSecond > 10_000, 'a bound that only a broken codec misses')
    t.ok(bytes > 100)
  }
})
