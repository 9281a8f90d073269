import fc from 'fast-check'
import t from 'tap'
import { approvalCode, ID_STEP, isLuhnValid, maskCardNumbers, maskPan, withCheckDigit } from '../src/identifiers.ts'

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

t.test('card numbers in texts of others are masked, and nothing else', async (t) => {
  const pan = '4000001234567899'
  t.equal(isLuhnValid(pan), true)
  const masked = '400000******7899'
  const printed = '4000 0012 3456 7899'
  const cases = [
    [`REFUND ${pan} ATM`, `REFUND ${masked} ATM`],
    [`CARD${pan}X`, `CARD${masked}X`],
    [`20261123 ${pan}, ${printed}`, `20261123 ${masked}, ${masked}`],
    [`2026 ${printed} ${printed.replaceAll(' ', '-')}`, `2026 ${masked} ${masked}`],
    ['378282246310005 and 3782 822463 10005', '378282*****0005 and 378282*****0005'],
    ['UC-20261121-1-OO-00000000042 4000001234567890 EG380019000500000000263180002', ''],
    ['', ''],
  ] as const
  for (const [text, wanted] of cases) t.equal(maskCardNumbers(text), wanted || text)
})

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))
const CODES = 36 ** 6

t.test('approval codes are six characters', async () => {
  fc.assert(fc.property(fc.maxSafeNat(), (id) => /^[0-9A-Z]{6}$/.test(approvalCode(id))))
})

t.test('the approval codes of a lane do not meet, and are of all kinds', async (t) => {
  const random = fc.tuple(fc.nat(ID_STEP - 1), fc.nat(2 ** 44))
  const run = 100_000
  fc.assert(
    fc.property(random, ([lane, first]) => {
      const codes = new Set<string>()
      const residues = new Set<number>()
      for (let n = first; n < first + run; n++) {
        const code = approvalCode(n * ID_STEP + lane)
        codes.add(code)
        residues.add(Number.parseInt(code, 36) % ID_STEP)
      }
      return codes.size === run && residues.size === ID_STEP
    }),
    { numRuns: 5 },
  )
  // A lane's codes step by this from id to id; coprime with their number, each is met once in a full run.
  const valueAt = (n: number) => BigInt(Number.parseInt(approvalCode(n * ID_STEP + 5), 36))
  const step = (valueAt(1) - valueAt(0) + BigInt(CODES)) % BigInt(CODES)
  t.equal(gcd(step, BigInt(CODES)), 1n)
  for (const far of [CODES / ID_STEP, CODES / 2, CODES - 1]) t.not(approvalCode(far * ID_STEP), approvalCode(0))
  t.equal(approvalCode(CODES * ID_STEP), approvalCode(0), 'after a full run it begins again')
})

t.test('approval codes of lanes that are alike far on do not meet', async () => {
  const run = 1_000
  fc.assert(
    fc.property(
      fc.nat(2 ** 44),
      fc.array(fc.nat(CODES / ID_STEP - run - 1), { minLength: 64, maxLength: 64 }),
      (n, off) => {
        const codes = new Set<string>()
        for (const [lane, ahead] of off.entries()) {
          for (let id = n + ahead; id < n + ahead + run; id++) codes.add(approvalCode(id * ID_STEP + lane))
        }
        return codes.size === run * ID_STEP
      },
    ),
    { numRuns: 5 },
  )
})
