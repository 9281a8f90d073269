import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { answerTpduInto, encodeTpdu, TPDU_BYTES } from '../../src/link/tpdu.ts'
import { parseTpdu } from '../support/tpdu.ts'

t.test('a TPDU is read, written and answered with its addresses swapped', async (t) => {
  const request = Buffer.from('6000038002', 'hex')
  t.strictSame(parseTpdu(request), { id: 0x60, destination: 0x0003, source: 0x8002 })
  const target = Buffer.alloc(7, 0xff)
  t.equal(answerTpduInto(target, 1, request), 6)
  t.equal(target.toString('hex'), 'ff6080020003ff')
})

t.test('swapping twice gives the request back; encode and parse agree', async () => {
  const address = fc.integer({ min: 0, max: 0xffff })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), address, address, (id, destination, source) => {
      const request = encodeTpdu({ id, destination, source })
      assert.deepEqual(parseTpdu(request), { id, destination, source })
      const once = Buffer.alloc(TPDU_BYTES)
      answerTpduInto(once, 0, request)
      assert.deepEqual(parseTpdu(once), { id, destination: source, source: destination })
    }),
  )
})

t.test('what is too short is no TPDU', async (t) => {
  t.throws(() => answerTpduInto(Buffer.alloc(5), 0, Buffer.alloc(4)), { code: 'ASSERTION_FAILED' })
})
