import t from 'tap'
import { applyDecision } from '../../src/authorization/apply.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { Decision, DecisionContext, StoredAuthorization } from '../../src/authorization/decision.ts'
import { requestOf } from '../../src/authorization/inbound.ts'
import type { Outlet } from '../../src/authorization/request.ts'
import type { Household } from '../../src/card/household.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import type { Hold } from '../../src/ledger/transfer.ts'
import { context, householdWithMoney, nothingSince, outletOf, policy } from './world.ts'

const digits = (amount: number) => String(amount).padStart(12, '0')
/** A group of DE54. */
const part = (amount: number, currency = '818', type = '40') => `00${type}${currency}D${digits(amount)}`

function received(type: string, de54: string | undefined, { mti = '0200', account = '20', outlet = shop } = {}) {
  const dialect = dialects['iso87-ascii']
  if (dialect === undefined) throw new Error('no dialect')
  const fields: FieldValues = []
  Object.assign(fields, { 2: '4000000000000002', 3: `${type}${account}00`, 4: digits(10_000), 7: '1111100000' })
  Object.assign(fields, { 11: '000001', 32: '400001', 37: 'RRN000000001', 41: [...outlet.terminals][0] })
  Object.assign(fields, { 42: outlet.acceptor, 49: '818', 54: de54 })
  const message = dialect.decode(dialect.encode(mti, fields))
  return requestOf(message, { name: 'ascii', schemeRail: false, panIndexOf: () => '0000000000001001' }, 0)
}

const shop = outletOf('shop', 'SUZ')
const bakery = outletOf('bakery', 'SUZ')
const grocer = outletOf('grocer', 'SUZ')
const clinic = outletOf('health', 'SUZ')
const rich = () => householdWithMoney(50_000)

interface Asking {
  readonly mti?: string
  readonly account?: string
  readonly outlet?: Outlet
  readonly served?: Household
  readonly more?: Partial<DecisionContext>
}
function decided(type: string, de54: string | undefined, { served = rich(), more, ...said }: Asking = {}): Decision {
  return decide(received(type, de54, said), context(served, { outlet: said.outlet ?? shop, ...more }))
}
const posted = ({ transfers }: Decision) => transfers.map(({ kind, amount }) => [kind, amount])

t.test('a cash part never comes out of a subsidy, whatever the type says', async (t) => {
  for (const [outlet, account] of [
    [bakery, '92'],
    [bakery, '00'],
    [grocer, '91'],
    [clinic, '96'],
  ] as const) {
    for (const mti of ['0100', '0200', '0220']) {
      const refused = decided('00', part(4_000), { outlet, account, mti })
      t.match(refused, { result: 'subsidy-not-cash', transfers: [] }, `${outlet.category} ${account} ${mti}`)
    }
  }
})

t.test('a purchase with a cash part is one with cashback', async (t) => {
  for (const type of ['00', '09']) {
    const sold = decided(type, part(4_000))
    t.match(sold, { result: 'approved', cashUsage: { amountPiasters: 4_000, count: 1 } }, type)
    const parts = [
      ['purchase', 6_000],
      ['cashback', 4_000],
    ]
    t.strictSame(posted(sold), parts, 'goods and cash')
    t.match(decided(type, part(4_000), { mti: '0100' }).hold, { amount: 10_000, cashback: 4_000 })
    const strict = { more: { policy: { ...policy, withdrawalDailyPiasters: 3_999 } } }
    t.equal(decided(type, part(4_000), strict).result, 'amount-limit', 'the day’s limit on cash')
    t.equal(decided(type, part(4_000), { outlet: bakery }).result, 'not-at-this-outlet', 'a bakery has no cash desk')
    const short = { served: householdWithMoney(5_000), outlet: { ...shop, partialApproval: true } }
    t.equal(decided(type, part(4_000), short).result, 'insufficient', 'not in part')
  }
  t.strictSame(posted(decided('00', undefined)), [['purchase', 10_000]])
  t.strictSame(posted(decided('00', part(0))), [['purchase', 10_000]])
  t.strictSame(posted(decided('00', part(4_000, '818', '57'))), [['purchase', 10_000]], 'another amount type')
})

t.test('a cash part of what hands no cash out beside its amount', async (t) => {
  for (const type of ['11', '20', '50']) t.equal(decided(type, part(4_000)).result, 'format-error', type)
  const atm = outletOf('atm', 'SUZ')
  const drawn = decided('01', part(4_000), { outlet: atm })
  t.match(drawn, { result: 'approved', cashUsage: { amountPiasters: 10_000 } }, 'a withdrawal is cash in all')
  t.equal(decided('21', part(4_000), { outlet: atm }).result, 'format-error')
})

const unclear: Readonly<Record<string, string>> = {
  'in another currency': part(4_000, '840'),
  'two of them': part(1_000) + part(3_000),
  'in another currency beside one in pounds': part(1_000) + part(3_000, '840'),
  'a sign that is none': part(4_000).replace('D', 'X'),
  'a group that is cut off': part(4_000).slice(0, 19),
  'a second group that is cut off': `${part(4_000)}00`,
}

t.test('a cash part that is not clear is refused before it moves anything', async (t) => {
  for (const [name, de54] of Object.entries(unclear)) {
    for (const type of ['00', '09']) {
      t.match(received(type, de54).fault, { result: 'format-error', field: '54' }, `${type}: ${name}`)
    }
  }
  for (const de54 of [undefined, '', part(0), part(4_000, '818', '57')]) {
    t.equal(decided('09', de54).result, 'format-error', `09 with ${de54 ?? 'no DE54'}`)
  }
  t.match(received('30', unclear['two of them']).fault, undefined, 'an inquiry asks for nothing')
  t.match(received('00', unclear['two of them'], { mti: '0400' }).fault, undefined, 'a reversal gives back what was')
})

t.test('an advice of what was given is posted, as far as its cash can be read', async (t) => {
  const told = { mti: '0220' }
  for (const [name, de54] of Object.entries(unclear)) {
    const sum = posted(decided('09', de54, told)).reduce((total, [, amount]) => total + Number(amount), 0)
    t.equal(sum, 10_000, name)
  }
  t.match(decided('09', part(1_000) + part(3_000), told), { cashUsage: { amountPiasters: 4_000 } }, 'all of them')
  t.match(decided('09', part(99_000), told), { cashUsage: { amountPiasters: 10_000 } }, 'at most DE4')
  t.equal(decided('09', undefined, told).result, 'approved')
  t.equal(decided('00', part(4_000), { ...told, served: rich() }).result, 'approved')
})

t.test('a completion hands out no more cash than its hold has', async (t) => {
  const served = rich()
  const held = decided('09', part(4_000), { mti: '0100', served })
  const { hold } = held
  if (hold === undefined) throw new Error('it holds')
  applyDecision(held, served, served.cards[0])
  const original = storedHold(hold, served.id)
  t.equal(decided('09', part(4_001), { served, more: { original } }).result, 'amount-limit')
  const told = decided('09', part(4_001), { served, mti: '0220', more: { original } })
  t.strictSame(posted(told), [
    ['purchase', 5_999],
    ['cashback', 4_001],
  ])
  for (const said of [part(4_000), undefined]) {
    const taken = decided('09', said, { served, more: { original } })
    t.strictSame(posted(taken), [
      ['purchase', 6_000],
      ['cashback', 4_000],
    ])
  }
})

function storedHold(hold: Hold, id: number): StoredAuthorization {
  return {
    ...{ id: hold.id, contentHash: '', mti: '0100', transactionType: '09', result: 'approved', householdId: id },
    ...{ cardId: id, acceptor: shop.acceptor, amountPiasters: hold.amount, approvedPiasters: hold.amount },
    ...nothingSince,
    transfers: [],
    hold,
    entitlementDate: context(undefined).entitlementDate,
  }
}
