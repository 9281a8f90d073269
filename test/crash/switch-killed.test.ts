import t from 'tap'
import { crashOnce, crashWorld } from './harness.ts'

const world = await crashWorld(t, 'switch')

t.test('a switch killed under load comes back with every answer it gave', async (t) => {
  const result = await crashOnce(t, world, 'switch-killed')
  const [restartMs = Number.POSITIVE_INFINITY] = result.restartMs
  t.ok(restartMs < 30_000, `the new process answers after ${Math.round(restartMs)} ms`)
})
