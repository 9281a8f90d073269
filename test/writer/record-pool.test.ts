import fc from 'fast-check'
import t from 'tap'
import { RecordPool } from '../../src/writer/record-pool.ts'

t.test('records of any length come back as they were stored, whatever was stored and removed around them', async () => {
  const values = fc.array(fc.double({ noNaN: true }), { maxLength: 70 })
  const step = fc.record({ what: fc.constantFrom('add', 'add', 'replace', 'delete'), which: fc.nat(), values })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const pool = new RecordPool()
      const stored: { first: number; values: number[] }[] = []
      for (const { what, which, values } of steps) {
        const at = which % Math.max(1, stored.length)
        const record = stored[at]
        const packed = Float64Array.from(values)
        if (what === 'add' || record === undefined) {
          stored.push({ first: pool.add(packed, packed.length), values })
        } else if (what === 'replace') {
          pool.replace(record.first, packed, packed.length)
          record.values = values
        } else {
          pool.delete(record.first)
          stored.splice(at, 1)
        }
      }
      const into = new Float64Array(100)
      const same = stored.every((record) => {
        pool.read(record.first, into)
        return record.values.every((value, index) => Object.is(into[index], value))
      })
      for (const record of stored) pool.delete(record.first)
      return same && pool.blocks === 0
    }),
  )
})

t.test('a pool grows by pages, and uses again what was given back', async (t) => {
  const pool = new RecordPool()
  const values = Float64Array.from({ length: 200 }, (_, index) => index)
  const firsts = Array.from({ length: 1_000 }, () => pool.add(values, values.length))
  const { blocks } = pool
  t.equal(blocks, 14_000)
  for (const first of firsts.slice(0, 500)) pool.delete(first)
  for (let index = 0; index < 500; index++) pool.add(values, values.length)
  t.equal(pool.blocks, blocks)
})
