import fc from 'fast-check'
import t from 'tap'
import { FairQueue } from '../../src/writer/fair-queue.ts'

function takeAll<T>(queue: FairQueue<T>): T[] {
  const taken: T[] = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) taken.push(item)
  return taken
}

t.test('links are served in turn, each in its own order', async (t) => {
  const queue = new FairQueue<string>()
  t.equal(queue.peek(), undefined)
  t.equal(queue.shift(), undefined)
  for (const item of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) queue.push(item.charCodeAt(0), item)
  t.same([queue.size, queue.links, queue.sizeOf(97), queue.sizeOf(100)], [7, 3, 4, 0])
  t.same(takeAll(queue), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
  t.same([queue.size, queue.links], [0, 0], 'and a link that has nothing waiting is forgotten')
})

t.test('what comes back stands in front of all, in its order', async (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'b1', 'b2']) queue.push(item.charCodeAt(0), item)
  const taken = [queue.shift() ?? '', queue.shift() ?? '', queue.shift() ?? '']
  t.same(taken, ['a1', 'b1', 'a2'])
  queue.push(99, 'c1')
  queue.unshift(taken)
  t.equal(queue.size, 5)
  t.same(takeAll(queue), ['a1', 'b1', 'a2', 'b2', 'c1'])
})

t.test('what is late is taken from the front of each line', async (t) => {
  const queue = new FairQueue<number>()
  for (const [link, item] of [
    [1, 5],
    [1, 1],
    [2, 2],
    [2, 9],
    [3, 3],
  ] as const)
    queue.push(link, item)
  queue.unshift([4, 8])
  t.same(queue.takeWhile((item) => item < 5).sort(), [2, 3, 4], 'behind one that is not late nobody looks')
  t.same(takeAll(queue), [8, 5, 9, 1])
})

t.test('nothing is lost, links keep their order, and no link waits for more than one turn of the others', async () => {
  const step = fc.oneof(fc.record({ link: fc.integer({ min: 1, max: 4 }) }), fc.constant('take' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<{ link: number; number: number }>()
      const lines = new Map<number, number[]>()
      const waitedFor = new Map<number, number>()
      let number = 0
      for (const one of steps) {
        if (one !== 'take') {
          queue.push(one.link, { link: one.link, number: ++number })
          lines.set(one.link, [...(lines.get(one.link) ?? []), number])
          continue
        }
        const peeked = queue.peek()
        const taken = queue.shift()
        if (taken !== peeked) return false
        if (taken === undefined) {
          if ([...lines.values()].some((line) => line.length > 0)) return false
          continue
        }
        if (lines.get(taken.link)?.shift() !== taken.number) return false
        waitedFor.set(taken.link, 0)
        for (const [link, line] of lines) {
          if (link === taken.link || line.length === 0) continue
          const waited = (waitedFor.get(link) ?? 0) + 1
          waitedFor.set(link, waited)
          if (waited > 4) return false
        }
      }
      const left = [...lines.values()].reduce((sum, line) => sum + line.length, 0)
      return queue.size === left && takeAll(queue).length === left
    }),
  )
})
