import t from 'tap'
import { faultKinds, planFaults } from '../../bench/chaos/plan.ts'
import { runChaos } from '../../bench/chaos/run.ts'

/** One of each way to lose a batch, a process, a connection, a resource and a link; `npm run chaos` plays them all. */
const played = [
  'switch-killed',
  'stale-writer',
  'backend-killed',
  'backend-terminated',
  'db-cut-request',
  'db-cut-before-reply',
  'db-cut-within-reply',
  'database-read-only',
  'connections-exhausted',
  'disk-full',
  'link-cut-answer',
  'link-doubled',
]

t.test('whatever breaks under load, no answer is lost and nothing is invented', async (t) => {
  const kinds = faultKinds.filter(({ name }) => played.includes(name))
  t.equal(kinds.length, played.length)
  const seed = 5
  const result = await runChaos({
    seed,
    faults: kinds.length,
    kinds,
    seconds: 150,
    ratePerSecond: 120,
    cards: 1_000,
    mix: 'national',
    crypto: 'none',
    verifyEvery: kinds.length + 1,
    calmMs: 200,
    keep: false,
  })
  t.comment(
    `seed ${seed}: ${result.sent} requests, ${result.counts.repeats} repeats, ${result.counts.reversals} reversals`,
  )
  for (const { name, detail } of result.played) t.comment(`${name} ${detail}`)
  t.strictSame(result.violations, [], `seed ${seed}`)
  // Without root there is no volume that can be filled.
  t.equal(result.played.length, kinds.length)
  t.match(result.last, { comparison: { lost: 0, phantom: 0 }, unsettled: 0, misreversed: 0 })
  t.ok(result.answered > 0)
})

t.test('the faults of a seed are always the same, and every kind comes as often as any other', async (t) => {
  const faults = planFaults(faultKinds, 3 * faultKinds.length, 7)
  const names = faults.map(({ kind }) => kind.name)
  t.strictSame(
    planFaults(faultKinds, names.length, 7).map(({ kind }) => kind.name),
    names,
  )
  for (const { name } of faultKinds) t.equal(names.filter((one) => one === name).length, 3, name)
  t.notSame(
    planFaults(faultKinds, names.length, 8).map(({ kind }) => kind.name),
    names,
  )
})
