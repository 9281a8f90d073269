import t from 'tap'
import { HmacSha256 } from '../../src/security/primitives/hmac.ts'
import { oneTimeCode } from '../../src/security/primitives/one-time-code.ts'

// RFC 6238, appendix B, rows of SHA-256: the moving factor is the time step, the codes have eight digits.
const key = new HmacSha256(Buffer.from('12345678901234567890123456789012', 'latin1'))
const rows = [
  [0x0000001, '46119246'],
  [0x23523ec, '68084774'],
  [0x23523ed, '67062674'],
  [0x273ef07, '91819424'],
  [0x3f940aa, '90698825'],
  [0x27bc86aa, '77737706'],
] as const

t.test('one-time codes are those of RFC 6238', async (t) => {
  for (const [factor, code] of rows) {
    t.equal(oneTimeCode(key, factor, 8), code)
    t.equal(oneTimeCode(key, factor), code.slice(2), 'shorter codes are their last digits')
  }
})
