import t from 'tap'
import { buffersOf } from '../../src/store/embedded/server-process.ts'

t.test('the page cache of the database goes by the memory of the machine', (t) => {
  t.equal(buffersOf(512), 128, 'a small machine still has what a day needs')
  t.equal(buffersOf(12_000), 1_000)
  t.equal(buffersOf(256_000), 4_096, 'and a large one keeps its memory for others')
  t.end()
})
