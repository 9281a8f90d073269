import t from 'tap'
import { fuzzLinks } from '../../bench/fuzz/run.ts'

t.test('bytes that no acquirer would send neither stop the switch nor delay its answers to others', async (t) => {
  const seed = 5
  const result = await fuzzLinks({ bytes: 250_000, seed, attackers: 4, canaryPerSecond: 30, cards: 500, settleMs: 300 })
  const { listeners, canary } = result
  t.comment(`seed ${seed}: ${JSON.stringify(listeners)} in ${result.seconds.toFixed(1)} s`)
  t.strictSame(result.violations, [], `seed ${seed}`)
  for (const { bytes, refused } of Object.values(listeners)) {
    t.ok(bytes >= 250_000)
    t.equal(refused, 0, 'every connection was taken')
  }
  t.ok(canary.sent > 0 && canary.answered === canary.sent)
  t.ok(result.framesRefused > 0, 'and most of it was refused')
})
