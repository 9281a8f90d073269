import t from 'tap'
import { crashOnce, crashWorld } from './harness.ts'

const world = await crashWorld(t, 'database')

t.test('the writer survives that its database connection is terminated', async (t) => {
  await crashOnce(t, world, 'connection-terminated')
})

t.test('the writer survives that its backend is killed and the server recovers', async (t) => {
  await crashOnce(t, world, 'backend-killed')
})
