import t from 'tap'
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
