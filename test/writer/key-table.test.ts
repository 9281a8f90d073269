import fc from 'fast-check'
import t from 'tap'
import { KeyTable } from '../../src/writer/key-table.ts'

/** Few last words, so that most keys meet in the same places of the table. */
const key = fc
  .tuple(fc.nat({ max: 3 }), fc.nat({ max: 40 }))
  .map(([home, rest]) => `${String(rest).padStart(12, '0')}${String.fromCharCode(home + 252)}\0\0\0`)

t.test('it holds what a map holds, through collisions, removals and growth', async () => {
  const step = fc.record({ what: fc.constantFrom('set', 'set', 'delete', 'clear'), key, value: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new KeyTable(1)
      const map = new Map<string, number>()
      for (const { what, key, value } of steps) {
        if (what === 'set') {
          table.set(key, value)
          map.set(key, value)
        } else if (what === 'delete') {
          table.delete(key)
          map.delete(key)
        } else if (value % 50 === 0) {
          table.clear()
          map.clear()
        }
        if (table.size !== map.size || table.get(key) !== map.get(key)) return false
      }
      return [...map].every(([known, value]) => table.has(known) && table.get(known) === value)
    }),
    { numRuns: 200 },
  )
})

t.test('a key of another length is a defect of the caller', async (t) => {
  const table = new KeyTable(10)
  t.throws(() => table.get('short'), { code: 'ASSERTION_FAILED' })
  t.throws(() => table.set('0123456789abcdef', -1), { code: 'ASSERTION_FAILED' })
})
