import t from 'tap'
import { ChorePace } from '../../src/writer/chore-pace.ts'

t.test('beside requests a batch takes few chores, and many once nobody has asked for a second', async (t) => {
  const pace = new ChorePace()
  t.equal(pace.roomAt(0, 0), 128)
  t.equal(pace.roomAt(10, 1), 32, 'a request waits')
  t.equal(pace.roomAt(1_009, 0), 32)
  t.equal(pace.roomAt(1_010, 0), 128)
  pace.requested(1_020)
  t.equal(pace.roomAt(2_019, 0), 32, 'one was taken')
  t.equal(pace.roomAt(2_020, 0), 128)
})
