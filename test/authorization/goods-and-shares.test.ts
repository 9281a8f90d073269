import fc from 'fast-check'
import t from 'tap'
import { basketValue, capOf, judgeBasket, lineValue } from '../../src/benefit/basket.ts'
import { coPaymentRule, duePiasters, serviceOf } from '../../src/benefit/cover.ts'
import type { Product } from '../../src/benefit/programme.ts'
import { parseDate } from '../../src/calendar.ts'
import { AMOUNT_MAX } from '../../src/money.ts'
import { household, programmes } from './world.ts'

const products: readonly Product[] = [
  productOf(1, 'BOTTLE', { pricePiasters: 3_000, perMember: 1_000, perCardMax: 4_000 }),
  productOf(2, 'SACK', { pricePiasters: 1_250, perMember: 2_500, stepThousandths: 500 }),
  productOf(3, 'LOOSE', {}),
  productOf(4, 'CARD', { perCardMax: 2_000 }),
]
const basket = { lines: 'optional', products, productByCode: new Map(products.map((one) => [one.code, one])) } as const
const anything = { lines: 'optional', products: undefined, productByCode: new Map() } as const

function productOf(no: number, code: string, rules: Partial<Product>): Product {
  const none = { stepThousandths: undefined, pricePiasters: undefined, perMember: undefined, perCardMax: undefined }
  return { no, code, name: { en: code, ar: code }, ...none, ...rules }
}

const line = fc.record({
  product: fc.constantFrom('BOTTLE', 'SACK', 'LOOSE', 'CARD', 'OTHER'),
  quantity: fc.oneof(
    fc.integer({ min: 0, max: 9 }).map((pieces) => pieces * 1_000),
    fc.integer({ min: 0, max: 9_999 }),
  ),
  unitPricePiasters: fc.constantFrom(0, 1, 333, 1_250, 3_000, 3_001),
})

t.test('whatever is asked, no cap, no price, no step and no wallet is passed', async () => {
  const asked = fc.record({
    lines: fc.array(line, { maxLength: 8 }),
    members: fc.integer({ min: 1, max: 9 }),
    used: fc.constantFrom(0, 500, 3_500, 9_999),
    available: fc.integer({ min: 0, max: 30_000 }),
    isSplit: fc.boolean(),
    listed: fc.boolean(),
  })
  fc.assert(
    fc.property(asked, ({ lines, members, used, available, isSplit, listed }) => {
      const programme = { basket: listed ? basket : anything }
      const judged = judgeBasket(lines, { programme, members, usedOf: () => used, available, isSplit })
      const sum = judged.reduce((total, one) => total + one.grantedPiasters, 0)
      const byProduct = new Map<string, number>()
      for (const one of judged) {
        const { product, quantity, granted, grantedPiasters, unitPricePiasters: price, reason } = one
        byProduct.set(product, (byProduct.get(product) ?? 0) + granted)
        const rule = listed ? products.find(({ code }) => code === product) : undefined
        if (listed && rule === undefined && granted > 0) return false
        if (rule?.pricePiasters !== undefined && price > rule.pricePiasters && granted > 0) return false
        if (granted < 0 || granted > quantity || (reason === 'OK') !== (granted === quantity && reason === 'OK'))
          return false
        if (!isSplit && rule?.stepThousandths !== undefined && granted % rule.stepThousandths !== 0) return false
        if (!isSplit && grantedPiasters !== lineValue(granted, price)) return false
        if (grantedPiasters < lineValue(granted, price) || grantedPiasters > lineValue(quantity, price)) return false
      }
      for (const [code, granted] of byProduct) {
        const rule = listed ? products.find((one) => one.code === code) : undefined
        const cap = rule && capOf(rule, members)
        if (cap !== undefined && granted > Math.max(0, cap - used)) return false
      }
      return sum <= available && sum <= basketValue(lines)
    }),
    { numRuns: 1_500 },
  )
})

t.test('a wallet that is short pays as much as it can', async (t) => {
  const judge = (quantity: number, isSplit: boolean, available: number) =>
    judgeBasket([{ product: 'LOOSE', quantity, unitPricePiasters: 300 }], {
      programme: { basket },
      members: 4,
      usedOf: () => 0,
      available,
      isSplit,
    })[0]
  t.match(judge(3_000, false, 700), { granted: 2_000, grantedPiasters: 600, reason: 'WB' }, 'whole pieces')
  t.match(judge(2_500, false, 700), { granted: 2_334, grantedPiasters: 700, reason: 'WB' }, 'by weight')
  t.match(judge(3_000, true, 700), { granted: 2_334, grantedPiasters: 700, reason: 'WB' }, 'money pays the rest')
  t.match(judge(3_000, false, 900), { granted: 3_000, reason: 'OK' })
})

t.test('values are rounded once, and none is too large to be told', async (t) => {
  t.equal(lineValue(1_500, 333), 500, '499.5')
  t.equal(basketValue([1, 2].map(() => ({ product: 'A', quantity: 500, unitPricePiasters: 1 }))), 2, 'line by line')
  t.equal(lineValue(999_999, AMOUNT_MAX), AMOUNT_MAX + 1)
})

t.test('the share of a health service', async (t) => {
  const cover = programmes.cover()
  if (cover === undefined) throw new Error('there is a cover')
  const family = household()
  const rule = (code: string, date: string, classes: string[] = []) => {
    const service = serviceOf(cover, code, '')
    if (service === undefined) throw new Error('there is such a service')
    return coPaymentRule(cover, service, { ...family, classes }, parseDate(date))
  }
  t.match(rule('IN', '2025-12-31'), { percent: 5, capLeft: 40_000 }, 'the cap of its year')
  t.match(rule('IN', '2026-01-01'), { percent: 5, capLeft: 48_200 })
  t.equal(rule('IN', '2022-12-31'), undefined, 'before the first rate')
  t.match(rule('IN', '2026-01-01', ['exempt-from-co-payment']), { percent: 0, capLeft: 0 })
  t.equal(serviceOf(cover, undefined, '5912')?.code, 'RX', 'by its category')
  t.equal(serviceOf(cover, undefined, '0000')?.code, 'IN', 'else the first')
  t.equal(serviceOf(cover, 'XX', '5912'), undefined)
  family.usages.push({ counter: 70_001, period: 2026, used: 48_000 })
  const left = rule('IN', '2026-06-01')
  t.equal(left && duePiasters(left, 1_000_000), 200)
  t.match(rule('IN', '2027-06-01'), { capLeft: 48_200 })
  fc.assert(
    fc.property(
      fc.nat(AMOUNT_MAX),
      fc.nat(100),
      fc.option(fc.nat(100_000), { nil: undefined }),
      (cost, percent, capLeft) => {
        const due = duePiasters({ percent, capLeft }, cost)
        const exact = (BigInt(cost) * BigInt(percent) + 50n) / 100n
        const limit = capLeft === undefined ? exact : BigInt(capLeft)
        return BigInt(due) === (exact < limit ? exact : limit)
      },
    ),
  )
})
