import fc from 'fast-check'

/** Files of programmes that follow every rule, of all kinds. */

const two = (value: number) => String(value).padStart(2, '0')
const date = fc
  .record({ year: fc.integer({ min: 2022, max: 2035 }), month: fc.integer({ min: 1, max: 12 }) })
  .map(({ year, month }) => `${year}-${two(month)}-01`)
const code = fc.stringMatching(/^[a-z][a-z0-9-]{1,31}$/)
const amount = fc.integer({ min: 0, max: 999_999 })
const price = fc.integer({ min: 1, max: 99_999 })
const name = fc.record({ en: fc.string({ minLength: 1, maxLength: 40 }), ar: fc.constant('برنامج') })
const common = {
  code,
  number: fc.integer({ min: 1, max: 99 }),
  version: fc.integer({ min: 1, max: 9_999 }),
  name,
  effectiveFrom: date,
  funding: fc.record({ owner: fc.integer({ min: 0, max: 99_999 }), name: fc.constant('A ministry') }),
}

/** Steps of rising size, the last without limit. */
function bySize<T>(value: fc.Arbitrary<T>, key: string) {
  return fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
      fc.array(value, { minLength: 5, maxLength: 5 }),
    )
    .map(([limits, values]) => [
      ...limits.sort((a, b) => a - b).map((membersUpTo, index) => ({ membersUpTo, [key]: values[index] })),
      { [key]: values[4] },
    ])
}

/** Dates that rise from a first one. */
function risingFrom(first: string, count: number): string[] {
  const year = Number(first.slice(0, 4))
  return Array.from({ length: count }, (_, index) => `${year + index}${first.slice(4)}`)
}

const rule = fc.oneof(
  fc.record({ perMember: amount }),
  fc.record({ tiers: bySize(amount, 'perMember') }),
  fc.record({ perHousehold: bySize(amount, 'amount') }),
  fc.constant({}),
)
const outlets = fc.record(
  {
    categories: fc.constant(['bakery', 'grocer']),
    defaultFor: fc.subarray(['bakery', 'grocer'], { minLength: 1 }),
    issuingGovernorateOnly: fc.constant(true),
    exceptions: date.map((from) => [{ governorates: ['ALX'], from, to: '2040-01-01' }]),
    hours: fc.record({ from: fc.constant('05:00'), to: fc.constant('17:30'), enforced: fc.boolean() }),
  },
  { requiredKeys: ['categories', 'issuingGovernorateOnly'] },
)
const product = fc.record(
  { name, stepThousandths: fc.constant(500), pricePiasters: price, perMember: price, perCardMax: price },
  { requiredKeys: ['name'] },
)
const verification = fc.record({
  accept: fc.subarray(['fingerprint', 'pin'], { minLength: 1 }),
  required: fc.boolean(),
})

const counted = fc
  .record({
    ...common,
    unit: fc.constantFrom('LOAF', 'KG'),
    prices: fc.array(price, { minLength: 1, maxLength: 4 }),
    rule,
    days: fc.option(bySize(fc.integer({ min: 1, max: 31 }), 'days'), { nil: undefined }),
    outlets,
    verification,
    offline: fc.record({ perDay: amount, withinHours: fc.integer({ min: 1, max: 240 }) }),
  })
  .map(({ prices, rule: entitlement, days, ...rest }) => ({
    ...rest,
    kind: 'wallet',
    cash: 'never',
    accountCode: '97',
    entitlement: { period: 'day', ...entitlement },
    ...(days === undefined ? {} : { drawAheadDays: days }),
    tariff: risingFrom(rest.effectiveFrom, prices.length).map((from, index) => ({ from, piasters: prices[index] })),
  }))

const byValue = fc
  .record({
    ...common,
    rule,
    products: fc.array(product, { minLength: 1, maxLength: 5 }),
    outlets,
    period: fc.constantFrom('month', 'span'),
    partialApproval: fc.boolean(),
    end: fc.constantFrom({ action: 'expire' }, { action: 'convert', to: 'a-', piastersPerUnit: 3 }),
    classes: fc.uniqueArray(code, { minLength: 1, maxLength: 3 }),
  })
  .filter((file) => file.code !== 'a-')
  .map(({ rule: entitlement, products, period, end, classes, ...rest }) => ({
    ...rest,
    kind: 'wallet',
    cash: 'never',
    accountCode: '95',
    unit: 'EGP',
    entitlement: {
      period,
      ...(period === 'span' ? { span: { from: rest.effectiveFrom, to: '2040-12-31' } } : {}),
      ...entitlement,
      classes,
    },
    atPeriodEnd: end,
    basket: {
      lines: 'optional',
      products: products.map((one, index) => ({ no: index + 1, code: `P${index}`, ...one })),
    },
  }))

const cover = fc
  .record({ ...common, percents: fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 }) })
  .map(({ percents, ...rest }) => ({
    ...rest,
    kind: 'cover',
    cash: 'never',
    accountCode: '96',
    outlets: { categories: ['health'], defaultFor: ['health'] },
    verification: { accept: ['fingerprint'], required: true },
    services: percents.map((percent, index) => ({
      no: index + 1,
      code: `S${index}`,
      name: { en: 'Service', ar: 'خدمة' },
      mccs: [`80${two(index)}`],
      rates: risingFrom(rest.effectiveFrom, 2).map((from) => ({ from, percent, yearlyCapPiasters: 1_000 * percent })),
    })),
  }))

const credit = fc
  .record({ ...common, maxPiasters: price })
  .map(({ maxPiasters, ...rest }) => ({ ...rest, kind: 'credit', credit: { maxPiasters, perMonth: 1 } }))

const payment = fc.record({ ...common, outlets, singlePiasters: price }).map(({ singlePiasters, ...rest }) => ({
  ...rest,
  kind: 'payment',
  payment: { transactionType: '50', mccs: ['4900'], singlePiasters },
}))

/** Contents of programme files, each sound by itself; defaults are left out here and there. */
export const programmeFiles: fc.Arbitrary<unknown> = fc.oneof(counted, byValue, cover, credit, payment)
