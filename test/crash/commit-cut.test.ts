import t from 'tap'
import { crashOnce, crashWorld } from './harness.ts'

const world = await crashWorld(t, 'cut')

t.test('a batch whose request never reached the server is decided again', async (t) => {
  const result = await crashOnce(t, world, 'cut-before-commit')
  t.equal(result.unanswered, 0, 'and every request is answered')
})

t.test('a batch whose acknowledgement was lost is found in the ledger and answered', async (t) => {
  const result = await crashOnce(t, world, 'cut-after-commit')
  t.equal(result.unanswered, 0, 'and every request is answered')
})
