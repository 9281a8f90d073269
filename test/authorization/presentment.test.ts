import fc from 'fast-check'
import t from 'tap'
import { decide } from '../../src/authorization/decide.ts'
import type { StoredAuthorization } from '../../src/authorization/decision.ts'
import { type PresentedTransaction, presentedRequest } from '../../src/authorization/presentment.ts'
import { classOf, moneyAccount, subsidyAccount } from '../../src/ledger/accounts.ts'
import { type Transfer, transfer } from '../../src/ledger/transfer.ts'
import { context, householdWithMoney, nothingSince, outletByAcceptor, outlets } from './world.ts'

const HOUSEHOLD = 1_001
const wallet = subsidyAccount('wallet', 'LOAF', 1, HOUSEHOLD)
const redeemed = subsidyAccount('redeemed', 'LOAF', 1, 7)
const postal = moneyAccount('postalAccount', HOUSEHOLD)
const scheme = moneyAccount('schemeClearing', 476_173)
const isSubsidy = ({ debit, credit }: Transfer) => [debit, credit].some((one) => ![6, 7, 8].includes(classOf(one)))

function stored(transfers: readonly Transfer[], fields: Partial<StoredAuthorization>): StoredAuthorization {
  return {
    id: 640,
    contentHash: 'x',
    mti: '0220',
    transactionType: '00',
    result: 'approved',
    householdId: HOUSEHOLD,
    cardId: householdWithMoney(0).cards[0]?.id,
    acceptor: 'SHOP',
    amountPiasters: 1_000,
    approvedPiasters: 1_000,
    ...nothingSince,
    transfers,
    entitlementDate: 20_261_111 as StoredAuthorization['entitlementDate'],
    ...fields,
  }
}

const draw = stored([transfer('subsidyRedemption', wallet, redeemed, 5, 20_261_111)], {})
const mixed = stored(
  [
    transfer('subsidyRedemption', wallet, redeemed, 5, 20_261_111),
    transfer('coPayment', postal, moneyAccount('outletPayable', 7), 100),
  ],
  {},
)
const purchase = stored([transfer('purchase', postal, scheme, 1_000)], {})

const item = fc.record({
  transactionCode: fc.constantFrom('05', '06', '07', '25', '26', '27'),
  usage: fc.constantFrom('1', '2'),
  transactionType: fc.constantFrom('00', '01', '09', '11', '20', '21', '28', '30', '39', '40', '50'),
  amountPiasters: fc.oneof(fc.constant(1_000), fc.integer({ min: 0, max: 1_000_000 })),
  acceptor: fc.constantFrom('SHOP', ...outlets.map(({ acceptor }) => acceptor)),
  mcc: fc.constantFrom('', '5462', '5411', '6011', '5999'),
  original: fc.constantFrom(undefined, draw, mixed, purchase, { ...draw, mti: '0100' }),
})

t.test('no item of a clearing file moves a subsidy, whatever it says and names (M4)', async (test) => {
  let approved = 0
  fc.assert(
    fc.property(item, ({ original, ...fields }) => {
      const presented: PresentedTransaction = {
        arn: '24761736326000000000013',
        item: '1:1',
        outcome: 'exact',
        match: undefined,
        flags: [],
        panMasked: '400000******0001',
        transactionId: '',
        rrn: '1',
        acquirer: '476173',
        terminal: 'T1',
        purchaseDate: '1111',
        capture: undefined,
        ...fields,
      }
      const household = householdWithMoney(500_000)
      household.balances.push({ account: wallet, period: 20_261_111, posted: 20, held: 0 })
      const request = presentedRequest(presented, household.cards[0]?.panIndex ?? '', Date.UTC(2026, 10, 11, 10))
      const outlet = outletByAcceptor(fields.acceptor)
      const { result, transfers } = decide(request, context(household, { original, outlet }))
      if (result === 'approved') approved++
      // The reversal of a credit (26) is not of a sale or a draw, whatever it moved.
      const refusal = fields.transactionCode === '26' ? 'invalid-transaction' : 'subsidy-not-cash'
      if (original === draw || original === mixed) return result === refusal && transfers.length === 0
      return !transfers.some(isSubsidy)
    }),
    { numRuns: 2_000 },
  )
  test.ok(approved > 100, `${approved} were posted`)
})

t.test('the same item has the same key, and any other another', async (test) => {
  const base = { item: '1:1', arn: '24761736326000000000013', transactionCode: '05', usage: '1' }
  const keyOf = (fields: object) => {
    const presented = { purchaseDate: '1111', transactionType: '00', capture: undefined, ...base, ...fields }
    return presentedRequest(presented as PresentedTransaction, 'card', 0).key
  }
  test.equal(keyOf({ item: '2:9' }), keyOf({}), 'whatever file brings it')
  const keys = [
    {},
    { usage: '2' },
    { transactionCode: '06' },
    { transactionCode: '25' },
    { arn: '24761736326000000000021' },
    { capture: { sequence: 2, count: 2 } },
  ].map(keyOf)
  test.equal(new Set(keys).size, keys.length)
})
