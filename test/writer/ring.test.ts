import fc from 'fast-check'
import t from 'tap'
import { Ring } from '../../src/writer/ring.ts'

t.test('a ring is a bounded queue', async (t) => {
  const ring = new Ring<number>(3)
  t.equal(ring.peek(), undefined)
  t.equal(ring.shift(), undefined)
  t.ok([1, 2, 3].every((item) => ring.push(item)))
  t.equal(ring.push(4), false, 'full is full')
  t.equal(ring.shift(), 1)
  t.ok(ring.push(4), 'room again, round the end')
  t.same([ring.shift(), ring.shift(), ring.shift(), ring.shift()], [2, 3, 4, undefined])
  t.throws(() => new Ring(0), { code: 'ASSERTION_FAILED' })
})

t.test('what goes back stands in front, in its order', async (t) => {
  const ring = new Ring<number>(4)
  for (const item of [1, 2, 3]) ring.push(item)
  const taken = [ring.shift() ?? 0, ring.shift() ?? 0]
  ring.push(4)
  ring.unshift(taken)
  t.same([ring.shift(), ring.shift(), ring.shift(), ring.shift()], [1, 2, 3, 4])
  for (const item of [1, 2, 3, 4]) ring.push(item)
  t.throws(() => ring.unshift([9]), { code: 'ASSERTION_FAILED' })
})

t.test('what was taken may come back although others filled the ring meanwhile', async (t) => {
  const ring = new Ring<number>(2, 2)
  for (const item of [1, 2]) ring.push(item)
  const taken = [ring.shift() ?? 0, ring.shift() ?? 0]
  for (const item of [3, 4]) ring.push(item)
  ring.unshift(taken)
  t.equal(ring.push(5), false, 'the room for what comes back is not for others')
  t.same(
    [1, 2, 3, 4].map(() => ring.shift()),
    [1, 2, 3, 4],
  )
  t.equal(ring.capacity, 2)
})

t.test('it behaves as an array with a limit', async () => {
  const step = fc.oneof(fc.record({ push: fc.nat() }), fc.constant('shift' as const), fc.constant('back' as const))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
      const ring = new Ring<number>(capacity)
      const model: number[] = []
      for (const one of steps) {
        if (one === 'back') {
          const item = ring.shift()
          if (item !== undefined) ring.unshift([item])
        } else if (one === 'shift') {
          if (ring.shift() !== model.shift()) return false
        } else {
          const room = model.length < capacity
          if (ring.push(one.push) !== room) return false
          if (room) model.push(one.push)
        }
        if (ring.size !== model.length || ring.peek() !== model[0]) return false
      }
      return true
    }),
  )
})
