import fc from 'fast-check'
import t from 'tap'
import { formatPiasters, formatQuantity, parsePounds, piasters } from '../src/money.ts'

t.test('piasters are shown as pounds, exactly', async (t) => {
  t.equal(formatPiasters(0), '0.00')
  t.equal(formatPiasters(5), '0.05')
  t.equal(formatPiasters(-5), '-0.05')
  t.equal(formatPiasters(1_234_567), '12,345.67')
  t.equal(formatPiasters(-123_456_789_00), '-123,456,789.00')
  t.equal(formatPiasters(Number.MAX_SAFE_INTEGER), '90,071,992,547,409.91')
  t.equal(formatPiasters(123_456_789_012_345_678_901n), '1,234,567,890,123,456,789.01')
})

t.test('amounts of every unit', async (t) => {
  t.equal(formatQuantity(1_250, 'EGP'), '12.50 EGP')
  t.equal(formatQuantity(1, 'LOAF'), '1 loaf')
  t.equal(formatQuantity(20n, 'LOAF'), '20 loaves')
  t.equal(formatQuantity(10, 'KG'), '10 kg')
})

t.test('pounds are read as piasters', async (t) => {
  t.equal(parsePounds('12'), 1_200)
  t.equal(parsePounds('12.5'), 1_250)
  t.equal(parsePounds('0.05'), 5)
  t.equal(parsePounds('-3.10'), -310)
  for (const text of ['', '.5', '1.', '1.234', '1,000', '1e3', ' 1', '٣', '9999999999999']) {
    t.throws(() => parsePounds(text), { code: 'BAD_INPUT' }, JSON.stringify(text))
  }
  fc.assert(
    fc.property(fc.integer({ min: -99_999_999_999_999, max: 99_999_999_999_999 }), (amount) => {
      const text = formatPiasters(amount).replaceAll(',', '')
      return parsePounds(text) === amount
    }),
  )
})

t.test('an amount is a safe integer', async (t) => {
  t.equal(piasters(-7), -7)
  for (const value of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    t.throws(() => piasters(value), { code: 'ASSERTION_FAILED' })
  }
})
