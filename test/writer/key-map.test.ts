import fc from 'fast-check'
import t from 'tap'
import { FairQueue } from '../../src/writer/fair-queue.ts'
import { KeyMap } from '../../src/writer/key-map.ts'
import { agedBy } from '../support/young-memory.ts'

const keyOf = (number: number) => String(number).padStart(16, '0')

t.test('a key map holds what a Map would', async () => {
  const step = fc.record({ key: fc.nat(30).map(keyOf), value: fc.option(fc.nat()) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const model = new Map<string, number>()
      const map = new KeyMap<number>()
      for (const { key, value } of steps) {
        if (value === null) {
          model.delete(key)
          map.delete(key)
        } else {
          model.set(key, value)
          map.set(key, value)
        }
        if (map.size !== model.size || map.get(key) !== model.get(key)) return false
      }
      return [...model].every(([key, value]) => map.get(key) === value)
    }),
  )
})

const ITEMS = 40_000
const IN_FLIGHT = 10
const BYTES_OF_ALL = ITEMS * 800
const heavy = () => Array.from({ length: 100 }, (_, index) => index + 0.5)

t.test('what came and went is not kept by the old generation', async (t) => {
  const map = new KeyMap<number[]>()
  const queue = new FairQueue<number[]>()
  const byMap = () => {
    for (let number = 0; number < ITEMS; number++) {
      map.set(keyOf(number), heavy())
      map.delete(keyOf(number - IN_FLIGHT))
    }
  }
  const byQueue = () => {
    for (let number = 0; number < ITEMS; number++) {
      queue.push(number % 3, heavy())
      if (queue.size > IN_FLIGHT) queue.shift()
    }
  }
  const byEmptyQueue = () => {
    for (let number = 0; number < ITEMS; number++) {
      queue.push(number % 3, heavy())
      if (number % 2 === 1) while (queue.size > 0) queue.shift()
    }
  }
  for (const [name, work] of Object.entries({ byMap, byQueue, byEmptyQueue })) {
    work()
    const aged = await agedBy(work)
    t.ok(aged < BYTES_OF_ALL / 20, `${name}: ${aged} bytes of ${BYTES_OF_ALL} grew old`)
  }
})
