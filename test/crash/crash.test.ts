import t from 'tap'
import { runRestarts, unnoticed } from '../../bench/restart.ts'
import { crashOnce, crashWorld } from './harness.ts'

const world = await crashWorld(t)

t.test('a batch whose request never reached the server is decided again', async (t) => {
  const result = await crashOnce(t, world, 'cut-before-commit')
  t.equal(result.unanswered, 0, 'and every request is answered')
})

t.test('a batch whose acknowledgement was lost is found in the ledger and answered', async (t) => {
  const result = await crashOnce(t, world, 'cut-after-commit')
  t.equal(result.unanswered, 0, 'and every request is answered')
})

t.test('the writer survives that its database connection is terminated', async (t) => {
  await crashOnce(t, world, 'connection-terminated')
})

t.test('the writer survives that its backend is killed and the server recovers', async (t) => {
  await crashOnce(t, world, 'backend-killed')
})

t.test('a switch killed under load comes back with every answer it gave', async (t) => {
  const result = await crashOnce(t, world, 'switch-killed')
  const [restartMs = Number.POSITIVE_INFINITY] = result.restartMs
  t.ok(restartMs < 30_000, `the new process answers after ${Math.round(restartMs)} ms`)
})

t.test('orderly restarts under load are not noticed by clients that heed a sign-off', async (t) => {
  const plan = { mix: 'national', ratePerSecond: 100, restarts: 2, everySeconds: 1, seed: 1 } as const
  const result = await runRestarts(world, plan)
  const { comparison, checks, sent, answered, failed, statuses, stopMs } = result
  t.same([answered, failed], [sent, 0], 'every request is answered, and none by a refusal')
  t.same([comparison.lost, comparison.phantom, comparison.unansweredButPosted], [0, 0, 0])
  for (const { name, ok, detail } of checks) t.ok(ok, `${name}: ${detail}`)
  t.same(statuses, [0, 0], 'a supervisor sees an orderly end')
  t.ok(Math.max(...stopMs) < 15_000, `stopped in ${stopMs.map(Math.round).join(' and ')} ms`)
  t.ok(unnoticed(result))
})
