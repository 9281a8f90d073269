import fc from 'fast-check'
import t from 'tap'
import { approvalCode, isLuhnValid, maskPan, withCheckDigit } from '../src/identifiers.ts'

t.test('the Luhn digit', async (t) => {
  const digits = fc.stringMatching(/^\d{11,18}$/)
  fc.assert(
    fc.property(digits, fc.nat(17), fc.integer({ min: 1, max: 9 }), (partial, place, change) => {
      const number = withCheckDigit(partial)
      const at = place % number.length
      const other = `${number.slice(0, at)}${(Number(number[at]) + change) % 10}${number.slice(at + 1)}`
      return isLuhnValid(number) && !isLuhnValid(other)
    }),
  )
  t.equal(isLuhnValid('79927398713'), false, 'too short for a card, though its digit is right')
  t.equal(isLuhnValid('000000000000'), true)
  t.equal(isLuhnValid('00000000000a'), false)
  t.equal(isLuhnValid(''), false)
})

t.test('a card number is shown by its ends only', async (t) => {
  const pan = withCheckDigit('400000000000012')
  t.equal(maskPan(pan), `400000******${pan.slice(-4)}`)
  t.equal(maskPan('123456789012'), '*'.repeat(12))
  t.equal(maskPan(''), '')
})

t.test('approval codes are six characters and do not meet', async (t) => {
  const codes = new Set<string>()
  for (let id = 64; id < 64 * 200_000; id += 64) codes.add(approvalCode(id))
  t.equal(codes.size, 199_999)
  fc.assert(fc.property(fc.maxSafeInteger().map(Math.abs), (id) => /^[0-9A-Z]{6}$/.test(approvalCode(id))))
  // The step is coprime with the number of codes, so each of a full run is met once.
  const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))
  t.equal(gcd(1_000_000_007n, 36n ** 6n), 1n)
})
