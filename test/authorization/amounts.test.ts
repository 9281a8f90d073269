import t from 'tap'
import { answerFields } from '../../src/authorization/answer.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { Decision, StoredAuthorization } from '../../src/authorization/decision.ts'
import { requestOf } from '../../src/authorization/inbound.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { responseCodes } from '../../src/authorization/result.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import { formatDataset, formatElements48 } from '../../src/iso8583/tlv.ts'
import type { Transfer } from '../../src/ledger/transfer.ts'
import { context, householdWithMoney, nothingSince, outletOf, policy, request } from './world.ts'

const pan = '4000000000000002'
const digits = (amount: number, length = 12) => String(amount).padStart(length, '0')

/** What a message comes to when it goes over the wire of a dialect; on `visa-base1` a withdrawal abroad of USD 100.00. */
function received(
  more: Readonly<Record<number, string | Buffer | undefined>>,
  { mti = '0200', name = 'visa-base1' } = {},
) {
  const dialect = dialects[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  const fields: FieldValues = []
  Object.assign(fields, { 2: pan, 3: '012000', 4: digits(10_000), 6: digits(490_000), 7: '1111100000', 11: '000001' })
  Object.assign(fields, { 18: '6011', 32: '400001', 37: 'RRN000000001', 41: 'T0000001', 42: 'ATM000000000001' })
  Object.assign(fields, { 49: '840', 51: '818' }, more)
  const message = dialect.decode(dialect.encode(mti, fields))
  const schemeRail = name === 'visa-base1'
  return requestOf(message, { name: 'link', schemeRail, panIndexOf: () => '0000000000001001' }, 0)
}
const replaced = (amount: number) => digits(amount).padEnd(42, '0')
const unbilled = { 6: undefined, 51: undefined }

/** The withdrawal, as the journal has it. */
function withdrawal(more: Partial<StoredAuthorization> = {}): StoredAuthorization {
  const served = householdWithMoney(1_000_000)
  const decision = decide(received({}), context(served))
  t.equal(decision.result, 'approved')
  return {
    id: 64,
    contentHash: '',
    mti: '0200',
    transactionType: '01',
    result: 'approved',
    householdId: served.id,
    cardId: served.id,
    acceptor: 'ATM000000000001',
    amountPiasters: 490_000,
    approvedPiasters: decision.approvedPiasters,
    ...nothingSince,
    transfers: decision.transfers,
    entitlementDate: context(served).entitlementDate,
    ...more,
  }
}

function reversed(
  more: Readonly<Record<number, string | undefined>>,
  original = withdrawal(),
): Decision & { back: number } {
  const asked = received(more, { mti: '0420' })
  const decision = decide(asked, context(householdWithMoney(510_000), { original }))
  const sum = (rows: readonly Transfer[]) => rows.reduce((total, { amount }) => total + amount, 0)
  return { ...decision, back: sum(decision.transfers) }
}

t.test('a partial dispense abroad leaves the share of the bill, not the foreign figure in piasters', async (t) => {
  t.match(reversed({ 95: replaced(6_000) }), { result: 'approved', back: 196_000 }, '60 of 100 dollars came out')
  t.equal(received({ 95: replaced(6_000) }, { mti: '0420' }).replacementPiasters, 294_000)
  t.equal(received({ 4: digits(3), 6: digits(100), 95: replaced(1) }, { mti: '0420' }).replacementPiasters, 33)
  t.equal(
    received({ 4: digits(3), 6: digits(100), 95: replaced(2) }, { mti: '0420' }).replacementPiasters,
    67,
    'half up',
  )
  const large = { 4: digits(999_999_999_999), 6: digits(999_999_999_997), 95: replaced(333_333_333_333) }
  t.equal(received(large, { mti: '0420' }).replacementPiasters, 333_333_333_332, 'exact beyond what a float holds')
  const more = reversed({ 95: replaced(10_001) })
  t.match(more, { result: 'bad-amount', back: 0 }, 'more than was asked for')
})

t.test('what the scheme bills for the replacement (DE61.3) goes before a conversion', async (t) => {
  const given = { 61: `${digits(0)}${digits(0)}${digits(294_100)}`, 95: replaced(6_000) }
  t.equal(received(given, { mti: '0420' }).replacementPiasters, 294_100)
  t.match(reversed(given), { result: 'approved', back: 195_900 })
})

t.test('DE95 that cannot be read, or has nothing to be a share of', async (t) => {
  t.match(received({ 95: 'x'.repeat(42) }, { mti: '0420' }).fault, { result: 'format-error', field: '95' })
  for (const four of [undefined, digits(0)]) {
    const fault = { result: 'bad-amount', field: '4' }
    t.match(received({ 4: four, 95: replaced(1) }, { mti: '0420' }).fault, fault)
    t.match(received({ ...unbilled, 4: four, 95: replaced(1) }, { mti: '0420' }).fault, fault)
  }
})

t.test('a reversal from abroad need not say again what was billed', async (t) => {
  for (const mti of ['0400', '0420']) t.equal(received(unbilled, { mti }).fault, undefined)
  t.match(reversed(unbilled), { result: 'approved', back: 490_000 }, 'whole')
  t.match(reversed({ ...unbilled, 95: replaced(6_000) }), { result: 'approved', back: 196_000 }, 'in part')
  t.match(reversed({ ...unbilled, 4: undefined }), { result: 'approved', back: 490_000 }, 'without DE4 too')
  t.match(received(unbilled).fault, { result: 'bad-amount', field: '49' }, 'only a reversal has an original')
  const again = withdrawal({ reversedPiasters: 196_000 })
  t.match(reversed({ ...unbilled, 95: replaced(6_000) }, again), { result: 'approved', back: 0 }, 'the same again')
  t.match(reversed({ ...unbilled, 95: replaced(5_000) }, again), { result: 'already-reversed' })
})

const bought = { 3: '002000', 18: '5411', 42: 'ABROAD000000001' }

t.test('a partial approval abroad says what was granted in the currency that DE4 is in', async (t) => {
  const codes = responseCodes('visa-base1')
  const ask = (piasters: number, more: Readonly<Record<number, string>> = {}) => {
    const asked = received({ ...bought, 60: '000000000001', ...more }, { mti: '0100' })
    const decision = decide(asked, context(householdWithMoney(piasters)))
    return { result: decision.result, fields: answerFields(decision, 64, codes, asked) }
  }
  const part = ask(245_048)
  t.equal(part.result, 'partially-approved')
  t.match(part.fields, { 4: digits(5_000), 6: digits(245_048), 51: '818' }, 'rounded down')
  t.equal(ask(48).result, 'insufficient', 'less than a cent cannot be granted')
  t.equal(ask(245_000, { 4: digits(0) }).result, 'insufficient', 'nothing to be a share of')
  const home = received({ ...bought, 4: digits(490_000), 49: '818', 60: '000000000001' }, { mti: '0100' })
  const decision = decide(home, context(householdWithMoney(245_049)))
  const fields = answerFields(decision, 64, codes, home)
  t.equal(fields[4], digits(245_049))
  t.notOk('6' in fields, 'pounds are not billed')
})

t.test('a balance is asked for abroad without any amount that was billed', async (t) => {
  const asked = received({ 3: '302000', 4: undefined, ...unbilled })
  t.equal(asked.fault, undefined)
  const decision = decide(asked, context(householdWithMoney(1_000_000)))
  t.match(decision, { result: 'approved', transfers: [] })
  const { 4: amount, 54: balances } = answerFields(decision, 64, responseCodes('visa-base1'), asked)
  t.equal(amount, undefined)
  t.match(balances, '818C000001000000', 'in pounds, as the account is kept')
  const withdrawn = received({ ...unbilled })
  t.match(withdrawn.fault, { result: 'bad-amount', field: '49' }, 'money needs it')
})

t.test('what the scheme billed counts on its rail only, for money only', async (t) => {
  for (const name of ['iso87-ascii', 'iso87-bcd']) {
    for (const mti of ['0100', '0200', '0220', '0420']) {
      t.match(received({}, { name, mti }).fault, { result: 'bad-amount', field: '49' }, `${name} ${mti}`)
    }
  }
  const bakery = outletOf('bakery', 'SUZ')
  const clinic = outletOf('health', 'SUZ')
  const grocer = outletOf('grocer', 'SUZ')
  for (const [outlet, account] of [
    [bakery, '92'],
    [bakery, '00'],
    [grocer, '91'],
    [clinic, '96'],
  ] as const) {
    const at = { 41: [...outlet.terminals][0], 42: outlet.acceptor, 18: outlet.mcc }
    const asked = received({ ...at, 3: `00${account}00`, 4: digits(1), 6: digits(100) })
    const decision = decide(asked, context(householdWithMoney(10_000), { outlet }))
    t.match(decision, { result: 'bad-amount', transfers: [] }, `${outlet.category} ${account}`)
  }
})

t.test('a fingerprint agrees to DE4 and to nothing that was billed beside it', async (t) => {
  const value = 'ab'.repeat(52)
  const visa = received({ ...bought, 104: formatDataset([{ tag: 'BM', value }]) })
  t.match(visa.fault, { result: 'bad-amount', field: '49' })
  const home = { ...bought, 48: formatElements48([{ tag: 'BM', value }]), 49: '818' }
  t.equal(received(home, { name: 'iso87-ascii' }).fault, undefined)
})

t.test('the same bill of another amount is another message', async (t) => {
  const hash = (more: Readonly<Record<number, string | undefined>>, mti = '0200') => received(more, { mti }).contentHash
  t.equal(hash({}), hash({}))
  t.not(hash({ 4: digits(99_999) }), hash({}), 'DE4')
  t.not(hash({ 49: '978' }), hash({}), 'DE49')
  t.not(hash({ 49: '818' }), hash({ 49: '818', 51: '840' }), 'DE51')
  const part = { ...unbilled, 95: replaced(6_000) }
  t.not(hash({ ...part, 95: replaced(5_000) }, '0420'), hash(part, '0420'), 'DE95')
})

t.test('a balance is shown with twelve digits at most, and nothing is paid in beyond them', async (t) => {
  const codes = responseCodes('iso87-ascii')
  const most = 999_999_999_999
  const shown = (money: number) => {
    const inquiry = asked({ transactionType: '30' })
    const { 54: groups = '' } = answerFields(decide(inquiry, context(householdWithMoney(money))), 64, codes, inquiry)
    return groups.slice(-20)
  }
  t.equal(shown(most + 1), `2002818C${most}`)
  t.equal(shown(most - 1), `2002818C${most - 1}`)
  for (const [type, outlet] of [
    ['21', outletOf('atm', 'SUZ')],
    ['20', outletOf('shop', 'SUZ')],
  ] as const) {
    const place = { acceptor: outlet.acceptor, terminal: [...outlet.terminals][0] ?? '', mcc: outlet.mcc }
    const pay = (amountPiasters: number, more: Partial<AuthorizationRequest> = {}) =>
      decide(
        asked({ ...place, fromAccount: '20', toAccount: '20', transactionType: type, amountPiasters, ...more }),
        context(householdWithMoney(1_000), { outlet, policy: { ...policy, purchaseSinglePiasters: most } }),
      ).result
    t.equal(pay(most - 1_000), 'approved', `type ${type}, up to the most`)
    t.equal(pay(most - 999), 'bad-amount', `type ${type}, a piaster more`)
    const told = { messageClass: 'financial-advice', mti: '0220' } as const
    t.equal(pay(most - 999, told), 'approved', `type ${type}, told of`)
  }
})

function asked(fields: Partial<AuthorizationRequest>) {
  return request({ ...fields, panIndex: '0000000000001001' })
}
t.test('amounts in pounds are as they were', async (t) => {
  t.match(received({ 4: digits(1_000), 49: '818', 95: replaced(600) }, { mti: '0420' }), {
    amountPiasters: 1_000,
    replacementPiasters: 600,
    fault: undefined,
  })
  const sale = asked({ amountPiasters: 1_000, acceptor: 'X', mcc: '5411', fromAccount: '20' })
  t.equal(decide(sale, context(householdWithMoney(1_000))).result, 'approved')
})
