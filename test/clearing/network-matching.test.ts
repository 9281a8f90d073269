import fc from 'fast-check'
import t from 'tap'
import { addDays, type CivilDate } from '../../src/calendar.ts'
import { type IncomingPolicy, judge, type Known } from '../../src/clearing/incoming/judge.ts'
import { matchPresentment } from '../../src/clearing/incoming/match.ts'
import type { Candidate, Presentment } from '../../src/clearing/incoming/presentment.ts'
import { shippedTolerances, tolerancesOf } from '../../src/clearing/incoming/tolerance.ts'
import { arnOf } from '../../src/clearing/records/arn.ts'

const TODAY = 20_261_122 as CivilDate
const policy: IncomingPolicy = {
  tolerances: shippedTolerances(),
  lateAfterDays: 10,
  forcePostMaxPiasters: 50_000,
  overTolerance: 'exception',
}

const item: Presentment = {
  transactionCode: '05',
  usage: '1',
  arn: '24761736326000000000013',
  transactionId: '400000000000001',
  authorizationCode: 'A1B2C3',
  rrn: '00000000001',
  terminal: 'T1',
  acceptor: 'SHOP',
  mcc: '5999',
  amountPiasters: 10_000,
  currency: '818',
  purchaseDate: TODAY,
  clearing: { sequence: 1, count: 1 },
}

const candidate: Candidate = {
  id: 64,
  businessDate: TODAY,
  mti: '0100',
  transactionType: '00',
  networkReference: '400000000000001',
  rrn: '600000000001',
  terminal: 'T1',
  acceptor: 'SHOP',
  approvalCode: 'A1B2C3',
  approvedPiasters: 10_000,
  date: TODAY,
  hold: { openPiasters: 10_000, ending: undefined },
  postedPiasters: 0,
  captures: [],
  cleared: [],
}

const known = (...candidates: Candidate[]): Known => ({ today: TODAY, card: true, candidates, earlier: [] })
const nameless = { networkReference: '', rrn: '', approvalCode: 'ZZZZZZ' }

t.test('rules go from strict to loose, and none by the amount alone', async (test) => {
  const ruleOf = (changes: Partial<Candidate>, of: Partial<Presentment> = {}) =>
    matchPresentment({ ...item, ...of }, [{ ...candidate, ...changes }])?.rule
  test.equal(ruleOf({}), 'transaction-id')
  test.equal(ruleOf({ networkReference: '' }), 'card-rrn-terminal')
  test.equal(ruleOf({ networkReference: '', terminal: 'T2' }), 'card-code-amount-date')
  test.equal(ruleOf({ networkReference: '', rrn: '', approvedPiasters: 9_000 }), 'card-code-date')
  test.equal(ruleOf({ networkReference: '', rrn: '', date: addDays(TODAY, -1) }), 'card-code-amount-date')
  test.equal(ruleOf({ networkReference: '', rrn: '', date: addDays(TODAY, -2) }), undefined)
  test.equal(ruleOf(nameless), undefined, 'card, amount, date and terminal are not enough')
  test.equal(ruleOf({}, { transactionCode: '07' }), undefined, 'a sale is no cash')
  test.equal(
    ruleOf({ ...nameless, networkReference: '000000000000000' }, { transactionId: '000000000000000' }),
    undefined,
  )
  const amounts = fc.record({
    amountPiasters: fc.integer({ min: 1, max: 1_000_000 }),
    days: fc.integer({ min: -3, max: 3 }),
  })
  fc.assert(
    fc.property(amounts, ({ amountPiasters, days }) => {
      const found = matchPresentment({ ...item, amountPiasters, purchaseDate: addDays(TODAY, days) }, [
        { ...candidate, ...nameless, approvedPiasters: amountPiasters },
      ])
      return found === undefined
    }),
  )
})

t.test('of several that a rule finds, the one that is not cleared and nearest counts', async (test) => {
  const cleared = [{ arn: 'x', sequence: 1, count: 1, piasters: 10_000, isUnderWay: false }]
  const first = { ...candidate, id: 64, cleared }
  const second = { ...candidate, id: 128, approvedPiasters: 12_000 }
  const match = matchPresentment(item, [first, second])
  test.equal(match?.candidate.id, 128)
  test.equal(match?.confidence, 95)
  test.equal(matchPresentment(item, [second, { ...candidate, id: 192 }])?.candidate.id, 192)
})

t.test('what becomes of an item', async (test) => {
  const verdict = (of: Partial<Presentment>, changes: Partial<Candidate> = {}, by: Partial<IncomingPolicy> = {}) => {
    const found = judge({ ...item, ...of }, known({ ...candidate, ...changes }), { ...policy, ...by })
    return [found.action, 'outcome' in found ? found.outcome : 'reason' in found ? found.reason : ''].join(' ').trim()
  }
  const ended = (ending: 'captured' | 'voided' | 'expired') => ({ hold: { openPiasters: 0, ending } })
  test.equal(verdict({}), 'post exact')
  test.equal(verdict({ amountPiasters: 1 }), 'post partial')
  test.equal(verdict({ amountPiasters: 10_001 }), 'exception over-tolerance')
  test.equal(verdict({ amountPiasters: 10_001 }, {}, { overTolerance: 'post' }), 'post over-tolerance')
  test.equal(verdict({ amountPiasters: 12_000, mcc: '5812' }), 'post within-tolerance')
  test.equal(verdict({ amountPiasters: 12_001, mcc: '5812' }), 'exception over-tolerance')
  const atm = { transactionType: '01' }
  test.equal(verdict({ amountPiasters: 10_001, transactionCode: '07', mcc: '5812' }, atm), 'exception over-tolerance')
  test.equal(verdict({ clearing: { sequence: 1, count: 3 }, amountPiasters: 4_000 }), 'post multiple')
  test.equal(verdict({ clearing: { sequence: 4, count: 3 } }), 'exception bad-amount')
  test.equal(verdict({}, ended('expired')), 'post expired-hold')
  test.equal(verdict({}, { ...ended('expired'), postedPiasters: 10_000 }), 'settled', 'a message told of it late')
  test.equal(verdict({}, { ...ended('expired'), postedPiasters: 9_000 }), 'exception amount-differs')
  test.equal(verdict({}, ended('voided')), 'exception authorization-reversed')
  test.equal(verdict({}, ended('captured')), 'exception authorization-reversed', 'its presentment was taken back')
  test.equal(verdict({}, { ...ended('captured'), postedPiasters: 10_000 }), 'settled')
  test.equal(verdict({}, { ...ended('captured'), postedPiasters: 9_000 }), 'exception amount-differs')
  test.equal(
    verdict({}, { cleared: [{ arn: '', sequence: 1, count: 1, piasters: 5_000, isUnderWay: false }] }),
    'duplicate',
  )
  test.equal(verdict({ currency: '840' }), 'exception currency')
  test.equal(verdict({ amountPiasters: 0 }), 'exception bad-amount')
  test.equal(verdict({ purchaseDate: undefined }), 'exception bad-date')
  test.equal(verdict({ transactionCode: '77' }), 'exception unknown-code')
  test.equal(verdict({}, nameless), 'post forced')
  test.equal(verdict({ amountPiasters: 50_001 }, nameless), 'exception no-authorization')
  test.equal(verdict({}, nameless, { forcePostMaxPiasters: 0 }), 'exception no-authorization')
  test.equal(verdict({ transactionCode: '06' }, nameless), 'post credit')
  const refund = { transactionCode: '06', rrn: '00000007777', authorizationCode: '' }
  test.equal(verdict(refund, ended('voided')), 'exception authorization-reversed')
  const captures = [
    { id: 128, businessDate: TODAY, piasters: 4_000 },
    { id: 192, businessDate: TODAY, piasters: 6_000 },
  ]
  const credit = judge(
    { ...item, ...refund, amountPiasters: 4_000 },
    known({ ...candidate, ...ended('captured'), captures }),
    policy,
  )
  test.match(credit, { action: 'post', outcome: 'credit', of: { id: 128 } }, 'it names the posting of its amount')
  test.equal(verdict({ transactionCode: '25' }), 'exception unmatched-reversal')
  test.equal(verdict({ usage: '2' }), 'exception representment-without-dispute')
  test.equal(verdict({ transactionCode: '15' }), 'exception chargeback-received')
  const charged = (arn: string) => judge({ ...item, transactionCode: '15', arn }, known(candidate), policy)
  const ours = arnOf({ acquirer: '476173', date: addDays(TODAY, -3), number: 17 })
  test.match(charged(ours), { words: /of item 17 of our file of 2026-11-19/ }, 'a reference of ours leads to the item')
  test.match(charged(item.arn), { words: /no reference of ours/ })
  const late = judge({ ...item, purchaseDate: addDays(TODAY, -11) }, known(candidate), policy)
  test.same('flags' in late && late.flags, ['late', 'dispute-right'])
})

t.test('a code that speaks against its authorization moves no money', async (test) => {
  const verdict = (of: Partial<Presentment>, ...candidates: Candidate[]) => {
    const found = judge({ ...item, ...of }, known(...candidates), policy)
    return [found.action, 'outcome' in found ? found.outcome : 'reason' in found ? found.reason : ''].join(' ').trim()
  }
  const credit = { transactionCode: '06' }
  const refund = { rrn: '00000007777', authorizationCode: '' }
  const told = { hold: undefined, postedPiasters: 10_000, mti: '0200' }
  const part = { arn: 'x', sequence: 1, count: 1, piasters: 10_000, isUnderWay: true }
  test.equal(verdict(credit, candidate), 'exception contradiction', 'a held sale with the code of a credit')
  test.equal(verdict({ ...credit, ...refund }, candidate), 'exception contradiction', 'of which nothing was taken')
  test.equal(verdict({ ...credit, transactionId: '0' }, candidate), 'exception contradiction', 'by terminal and RRN')
  test.equal(verdict({ ...credit, transactionId: '0', rrn: '1' }, candidate), 'exception contradiction', 'by its code')
  test.equal(verdict(credit, { ...candidate, ...told }), 'exception contradiction', 'one that a message posted')
  test.equal(verdict({ ...credit, ...refund }, { ...candidate, ...told }), 'post credit', 'a refund of it')
  test.equal(verdict(credit, { ...candidate, cleared: [part] }), 'post credit', 'its sale stands before it')
  for (const transactionType of ['20', '21']) {
    const paid = { ...candidate, ...told, transactionType }
    test.equal(verdict({}, paid), 'exception contradiction', 'a sale of what paid the household')
    test.equal(verdict({ transactionCode: '07', mcc: '6011' }, paid), 'exception contradiction')
    test.equal(verdict(credit, paid), 'settled')
    test.equal(verdict({}, paid, { ...candidate, ...told, id: 128 }), 'settled', 'its purchase comes first')
    test.equal(verdict({ ...refund, transactionId: '0' }, paid), 'post forced', 'what names nothing of it is another')
  }
  test.equal(verdict({ transactionCode: '07' }, candidate), 'exception contradiction', 'cash of a purchase')
  test.equal(verdict({}, { ...candidate, transactionType: '01' }), 'exception contradiction', 'a sale of cash')
})

t.test('an answer to a dispute is of its kind', async (test) => {
  const of = { fileId: 1, number: 1, transactionCode: '05', usage: '1', sequence: 1, amountPiasters: 10_000 }
  const dispute = { id: 1, state: 'sent', amountPiasters: 10_000 } as const
  const first = { ...of, posted: undefined, dispute }
  const verdict = (changes: Partial<Presentment>, earlier: Known['earlier'] = [first]) => {
    const found = judge({ ...item, ...changes }, { ...known(), earlier }, policy)
    return 'reason' in found ? found.reason : found.action
  }
  test.equal(verdict({ usage: '2' }), 'represent')
  test.equal(verdict({ transactionCode: '35' }), 'represent')
  test.equal(verdict({ usage: '3' }), 'contradiction')
  for (const transactionCode of ['06', '07']) test.equal(verdict({ transactionCode, usage: '2' }), 'contradiction')
  for (const transactionCode of ['36', '37']) test.equal(verdict({ transactionCode }), 'contradiction')
  const again = [first, { ...first, usage: '2', dispute: undefined }]
  test.equal(verdict({ transactionCode: '25', usage: '2' }, again), 'representment-reversed')
})

t.test('of several clearings under one reference number each is taken back and answered by itself', async (test) => {
  const of = { fileId: 1, transactionCode: '05', usage: '1', amountPiasters: 5_000, posted: undefined }
  const parts = [1, 2].map((number) => {
    const dispute = { id: 70 + number, state: 'sent', amountPiasters: 5_000 } as const
    return { ...of, number, sequence: number, dispute }
  })
  const found = (changes: Partial<Presentment>, earlier: Known['earlier'] = parts) =>
    judge({ ...item, amountPiasters: 5_000, ...changes }, { ...known(), earlier }, policy)
  for (const sequence of [1, 2]) {
    const clearing = { sequence, count: 2 }
    test.match(found({ transactionCode: '25', clearing }), { action: 'reverse', of: { number: sequence } })
    test.match(found({ usage: '2', clearing }), { action: 'represent', disputeId: 70 + sequence })
    test.match(found({ transactionCode: '35', clearing }), { action: 'represent', disputeId: 70 + sequence })
  }
  const third = { sequence: 3, count: 3 }
  test.match(found({ transactionCode: '25', clearing: third }), { words: /as clearing 3 of 3/ })
  test.match(found({ usage: '2', clearing: third }), { reason: 'representment-without-dispute' })
  const last = parts.slice(1)
  test.match(found({ transactionCode: '25' }, last), { action: 'reverse', of: { number: 2 } }, 'it is the only one')
  test.match(found({ usage: '2' }, last), { action: 'represent', disputeId: 72 })
})

t.test('several clearings of one authorization never come to more than it and its tolerance', async () => {
  const parts = fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(parts, fc.constantFrom('5999', '5812', '5541'), fc.constantFrom('05', '07'), (amounts, mcc, code) => {
      const cleared: { arn: string; sequence: number; count: number; piasters: number; isUnderWay: boolean }[] = []
      const held = { ...candidate, transactionType: code === '07' ? '01' : '00', cleared }
      for (const [index, amountPiasters] of amounts.entries()) {
        const clearing = { sequence: index + 1, count: amounts.length }
        const one = { ...item, transactionCode: code, mcc, amountPiasters, clearing }
        const found = judge(one, known(held), policy)
        if (found.action !== 'post') continue
        cleared.push({ arn: '', ...clearing, piasters: amountPiasters, isUnderWay: true })
        // The same again is a duplicate, whatever its reference.
        if (judge(one, known(held), policy).action !== 'duplicate') return false
      }
      const total = cleared.reduce((sum, { piasters }) => sum + piasters, 0)
      const permille = code === '07' ? 0 : policy.tolerances.permilleOf(mcc, TODAY)
      return total <= 10_000 + Math.floor((10_000 * permille) / 1_000)
    }),
  )
})

t.test('tolerances are dated data', async (test) => {
  const data = {
    defaultPermille: 10,
    tolerances: [
      { mcc: ['5812'], from: '2026-12-01', permille: 100 },
      { mcc: ['5812'], from: '2025-01-01', permille: 200 },
    ],
  }
  const tolerances = tolerancesOf(data)
  test.equal(tolerances.permilleOf('5812', TODAY), 200)
  test.equal(tolerances.permilleOf('5812', 20_261_201 as CivilDate), 100)
  test.equal(tolerances.permilleOf('5812', 20_241_231 as CivilDate), 10)
  test.equal(tolerances.permilleOf('5999', TODAY), 10)
  test.throws(() => tolerancesOf({ defaultPermille: 501, tolerances: [] }), { code: 'CONFIG_INVALID' })
  test.throws(
    () => tolerancesOf({ defaultPermille: 0, tolerances: [{ mcc: ['58'], from: '2025-01-01', permille: 1 }] }),
    {
      code: 'CONFIG_INVALID',
    },
  )
})
