import fc from 'fast-check'
import t from 'tap'
import { keyOf } from '../../src/authorization/message-key.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { closeMonth } from '../../src/benefit/closing.ts'
import type { CivilMonth } from '../../src/calendar.ts'
import type { Household } from '../../src/card/household.ts'
import { moneyAccount, subsidyAccount } from '../../src/ledger/accounts.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import { JournalModel } from './journal-model.ts'
import {
  cardOf,
  catalogue,
  household,
  householdWithMoney,
  outletOf,
  panIndexOf,
  policy,
  request,
  termOf,
  WORLD_SEED,
} from './world.ts'

/** A household of four, which may draw 20 loaves a day. */
const ID = 1_001
const pan = demoHousehold(WORLD_SEED, 7).pan
const postal = moneyAccount('postalAccount', ID)
const debt = moneyAccount('householdDebt', ID)
const bread = subsidyAccount('wallet', 'LOAF', 1, ID)
const advanced = subsidyAccount('advanced', 'LOAF', 1, ID)
const DAY_MS = 86_400_000

const place = (category: 'shop' | 'bakery' | 'atm' | 'post') => {
  const { acceptor, terminals, mcc } = outletOf(category, 'SUZ')
  return { acceptor, mcc, terminal: [...terminals][0] ?? '' }
}
const classes = {
  hold: { messageClass: 'authorization', mti: '0100' },
  standIn: { messageClass: 'authorization-advice', mti: '0120' },
  pay: { messageClass: 'financial', mti: '0200' },
  advice: { messageClass: 'financial-advice', mti: '0220' },
  reversal: { messageClass: 'reversal', mti: '0400' },
  told: { messageClass: 'reversal-advice', mti: '0420' },
} as const

/** One household, its journal, and a clock. */
class Scene {
  readonly model: JournalModel
  nowMs = Date.UTC(2026, 10, 11, 10)

  constructor(home: Household) {
    const card = cardOf(ID, panIndexOf(pan), { status: home.cards[0]?.status ?? 'active' })
    this.model = new JournalModel(new Map([[card.panIndex, { ...home, cards: [card] }]]))
  }

  say(kind: keyof typeof classes, amountPiasters: number, more: Partial<AuthorizationRequest> = {}) {
    const transmission = new Date(this.nowMs).toISOString().replaceAll(/\D/g, '').slice(4, 14)
    const base = { ...place('shop'), ...classes[kind], fromAccount: '20', transmission, receivedAtMs: this.nowMs }
    const asked = request({ pan, ...base, amountPiasters, ...more })
    const { decision, id } = this.model.submit(asked, this.nowMs)
    const codes = decision.trace.map(([code]) => code)
    return { ...decision, id, asked, codes, kinds: decision.transfers.map((row) => `${row.kind} ${row.amount}`) }
  }

  posted(account: number, period = 0): number {
    return this.model.balances.get(`${account}:${period}`)?.posted ?? 0
  }

  get held(): number {
    return this.model.balances.get(`${postal}:0`)?.held ?? 0
  }
}

/** What names an original by DE90. */
function naming({ asked }: { asked: AuthorizationRequest }): Partial<AuthorizationRequest> {
  const { mti, stan, transmission, acquirer, terminal } = asked
  const originalKey = keyOf(acquirer, terminal, stan, transmission, mti)
  return { original: { mti, stan, transmission, acquirer }, originalKey }
}

const part = (sequence: number, count: number) => ({ capture: { sequence, count } })
const scene = (piasters = 1_000) => new Scene(householdWithMoney(piasters, { id: ID }))

t.test('a hold is captured in parts; the last one releases what is left', async (t) => {
  const one = scene()
  const hold = one.say('hold', 900)
  t.match(one.say('advice', 300, { ...naming(hold), ...part(1, 3) }), {
    result: 'approved',
    holdEvent: { released: 0 },
  })
  t.equal(one.held, 600)
  t.equal(one.say('pay', 601, { ...naming(hold), ...part(2, 3) }).result, 'amount-limit', 'never more than is held')
  t.equal(one.say('pay', 200, { ...naming(hold), ...part(2, 3) }).result, 'approved')
  const last = one.say('advice', 100, { ...naming(hold), ...part(3, 3) })
  t.match(last.holdEvent, { captured: 100, released: 300, ending: 'captured' })
  t.same([one.held, one.posted(postal)], [0, 400])
  t.equal(one.say('advice', 100, { ...naming(hold), ...part(3, 3) }).result, 'already-reversed')
  const whole = scene()
  const other = whole.say('hold', 900)
  const all = whole.say('pay', 900, { ...naming(other), ...part(1, 3) })
  t.match(all.holdEvent, { captured: 900, released: 0, ending: 'captured' }, 'what leaves nothing open ends it')
})

t.test('what an advice captures beyond its hold, or after it, is posted too', async (t) => {
  const one = scene()
  const hold = one.say('hold', 800)
  const over = one.say('advice', 1_300, naming(hold))
  t.same(over.kinds, ['overdraftAdvance 300', 'purchase 1300'])
  t.match(over.codes.includes('advice.flagged'), true)
  t.same([one.held, one.posted(postal), one.posted(debt)], [0, 0, -300])

  const late = scene()
  const expired = late.say('hold', 800)
  late.nowMs += (policy.holdDays + 1) * DAY_MS
  t.equal(late.model.expireHolds(late.nowMs), 1)
  t.equal(late.say('pay', 800, naming(expired)).result, 'already-reversed')
  t.match(late.say('advice', 700, naming(expired)), {
    result: 'approved',
    kinds: ['purchase 700'],
    originalId: expired.id,
  })
  const told = late.say('advice', 700, naming(expired))
  t.equal(told.result, 'already-reversed', 'what is told a second time is posted once')
  const back = late.say('reversal', 800, naming(expired))
  t.same(back.kinds, ['moneyReversal 700'], 'the reversal of the hold finds it')
  t.equal(late.posted(postal), 1_000)

  const gone = scene()
  const voided = gone.say('hold', 800)
  gone.nowMs += (policy.holdDays + 1) * DAY_MS
  gone.model.expireHolds(gone.nowMs)
  t.equal(gone.say('reversal', 800, naming(voided)).result, 'approved', 'nothing to give back')
  t.equal(gone.say('advice', 800, naming(voided)).result, 'already-reversed', 'and nothing to capture after it')
})

t.test('cash that was handed out with goods is captured as cash, and given back as what it was', async (t) => {
  const one = scene()
  const cashback = { transactionType: '09', cashbackPiasters: 300 }
  const hold = one.say('hold', 900, cashback)
  const named = { ...naming(hold), transactionType: '09' }
  t.same(one.say('advice', 500, { ...named, ...part(1, 2) }).kinds, ['purchase 200', 'cashback 300'])
  t.same(one.say('advice', 400, { ...named, ...part(2, 2) }).kinds, ['purchase 400'])
  const back = one.say('reversal', 900, { ...named, transactionType: '09' })
  t.same(back.kinds, ['moneyReversal 400', 'moneyReversal 300', 'moneyReversal 200'])
  t.match(back.cashUsage, { amountPiasters: -300, count: -1 })
  t.equal(one.posted(postal), 1_000)
})

t.test('a partial reversal shrinks a hold to what it came to', async (t) => {
  const one = scene()
  const hold = one.say('hold', 800)
  t.match(one.say('reversal', 800, { ...naming(hold), replacementPiasters: 500 }), { approvedPiasters: 300 })
  t.equal(one.held, 500)
  t.match(one.say('reversal', 800, { ...naming(hold), replacementPiasters: 500 }), {
    result: 'approved',
    approvedPiasters: 0,
  })
  t.equal(one.say('pay', 501, naming(hold)).result, 'amount-limit')
  t.equal(one.say('pay', 450, { ...naming(hold), ...part(1, 2) }).result, 'approved')
  const more = one.say('reversal', 800, { ...naming(hold), replacementPiasters: 400 })
  t.same([more.approvedPiasters, more.kinds], [100, ['moneyReversal 50']], 'what is open first, then what was captured')
  t.equal(one.say('reversal', 800, naming(hold)).result, 'already-reversed', 'another amount')
  t.match(one.say('reversal', 800, { ...naming(hold), replacementPiasters: 400 }), {
    result: 'approved',
    approvedPiasters: 0,
  })
  t.same([one.held, one.posted(postal)], [0, 600])
})

t.test('each capture goes back once, with its own reversal or with that of its hold', async (t) => {
  const one = scene()
  const hold = one.say('hold', 900)
  const first = one.say('advice', 300, { ...naming(hold), ...part(1, 3) })
  const second = one.say('advice', 200, { ...naming(hold), ...part(2, 3) })
  t.same(one.say('reversal', 300, naming(first)).kinds, ['moneyReversal 300'])
  const void_ = one.say('reversal', 900, naming(hold))
  t.same([void_.kinds, void_.approvedPiasters], [['moneyReversal 200'], 600])
  t.match(void_.trace, [['reversal.reason', '2501']], 'an outlet that names its own transaction voids it')
  t.match(one.say('reversal', 200, naming(second)), { result: 'approved', approvedPiasters: 0 })
  t.match(one.say('reversal', 900, naming(hold)), { result: 'approved', approvedPiasters: 0 })
  t.equal(one.say('advice', 100, { ...naming(hold), ...part(3, 3) }).result, 'already-reversed')
  t.same([one.held, one.posted(postal)], [0, 1_000])
})

t.test(
  'in whatever order captures and reversals come, a reversal of the hold leaves nothing taken or held',
  async (t) => {
    const names = ['capture 1', 'capture 2', 'capture 3', 'reverse 1', 'reverse 2', 'reverse hold', 'late'] as const
    const anyOrder = () =>
      fc.assert(
        fc.property(fc.shuffledSubarray([...names, ...names]), fc.nat(900), (order, amount) => {
          const one = scene(2_000)
          const hold = one.say('hold', 900)
          const captures = new Map<string, { asked: AuthorizationRequest }>()
          for (const name of order) {
            const [what, number = ''] = name.split(' ')
            const captured = captures.get(number)
            if (what === 'late') one.nowMs += policy.holdDays * DAY_MS
            if (what === 'late') one.model.expireHolds(one.nowMs)
            if (what === 'capture') {
              const piasters = 1 + ((amount * Number(number)) % 1_200)
              const said = one.say('advice', piasters, { ...naming(hold), ...part(Number(number), 3) })
              if (said.result === 'approved') captures.set(number, said)
            }
            if (what === 'reverse' && number === 'hold') one.say('reversal', 900, naming(hold))
            else if (captured !== undefined) one.say('reversal', captured.asked.amountPiasters, naming(captured))
          }
          one.say('told', 900, naming(hold))
          const left = [one.held, one.posted(postal), one.posted(debt)]
          if (left.join() !== '0,2000,0') throw new Error(`left held, posted and owed: ${left.join()}`)
        }),
        { numRuns: 300 },
      )
    t.doesNotThrow(anyOrder)
  },
)

t.test('an advice is posted over the balance; what comes in pays the debt first', async (t) => {
  const one = scene(500)
  const told = one.say('advice', 1_200)
  t.same(told.kinds, ['overdraftAdvance 700', 'purchase 1200'])
  t.same([one.posted(postal), one.posted(debt)], [0, -700])
  t.equal(one.say('pay', 1).result, 'insufficient')
  const deposit = one.say('pay', 400, { transactionType: '21', ...place('atm') })
  t.same(deposit.kinds, ['deposit 400', 'overdraftRecovery 400'])
  t.match(deposit.balances, [{ accountCode: '20', amount: 0 }])
  const back = one.say('reversal', 1_200, naming(told))
  t.same(back.kinds, ['moneyReversal 1200', 'overdraftRecovery 300'], 'the advance goes back first')
  t.same([one.posted(postal), one.posted(debt)], [900, 0])
})

t.test('a stand-in authorization holds over the balance; what a hold gives free pays the debt', async (t) => {
  const one = scene(500)
  const stood = one.say('standIn', 800)
  t.match(stood.hold, { amount: 800 })
  t.same([one.posted(postal), one.held, one.posted(debt)], [800, 800, -300])
  one.nowMs += (policy.holdDays + 1) * DAY_MS
  one.model.expireHolds(one.nowMs)
  t.same([one.posted(postal), one.held, one.posted(debt)], [500, 0, 0])
})

t.test('a reversal advice of a deposit that was spent is posted, and the money owed', async (t) => {
  const one = scene(0)
  const deposit = one.say('pay', 400, { transactionType: '21', ...place('atm') })
  one.say('pay', 300)
  t.equal(one.say('reversal', 400, { ...naming(deposit), transactionType: '21' }).result, 'insufficient')
  const told = one.say('told', 400, { ...naming(deposit), transactionType: '21' })
  t.same(told.kinds, ['overdraftAdvance 300', 'depositReversal 400'])
  t.equal(one.posted(debt), -300)
})

t.test('what was decided elsewhere: refusals are recorded, approvals posted, cash from a subsidy never', async (t) => {
  const one = scene(5_000)
  const refusal = one.say('advice', 100, { adviceCode: '51' })
  t.match(refusal, { result: 'approved', approvedPiasters: 0, transfers: [] })
  t.match(one.say('reversal', 100, naming(refusal)), { result: 'approved', approvedPiasters: 0 })
  t.equal(one.say('advice', 100, { adviceCode: '10' }).approvedPiasters, 100)
  for (const transactionType of ['01', '09', '11', '40']) {
    for (const fromAccount of ['91', '92', '95']) {
      t.equal(one.say('advice', 100, { transactionType, fromAccount }).result, 'subsidy-not-cash')
      t.equal(one.say('standIn', 100, { transactionType, fromAccount }).result, 'subsidy-not-cash')
    }
  }
  t.equal(one.say('advice', 100, { pan: '4000001234567899', panIndex: 'of nobody at all' }).result, 'unknown-card')
  const withdrawn = one.say('advice', policy.withdrawalDailyPiasters + 1, { transactionType: '01', ...place('atm') })
  t.match(withdrawn, { result: 'approved', cashUsage: { amountPiasters: policy.withdrawalDailyPiasters + 1 } })
  t.ok(withdrawn.codes.includes('advice.flagged'))

  const home = householdWithMoney(5_000, { id: ID })
  const lost = new Scene({ ...home, cards: [cardOf(ID, panIndexOf(pan), { status: 'lost' })] })
  t.equal(lost.say('pay', 100).result, 'lost-card')
  const told = lost.say('advice', 100)
  t.equal(told.result, 'approved')
  t.match(
    told.trace.find(([code]) => code === 'advice.flagged'),
    ['advice.flagged', 'lost-card', 'card.status'],
  )
  const draw = { ...place('bakery'), fromAccount: '92', quantity: 5 }
  t.equal(lost.say('advice', 100, draw).result, 'lost-card', 'a draw needs the card, or a terminal that was offline')
  const stored = { ...draw, offlineSequence: 1, localTime: '1111080000' }
  t.equal(lost.say('advice', 100, stored).result, 'approved')
  const held = { ...stored, mti: '0120', messageClass: 'authorization-advice' } as const
  t.equal(lost.say('advice', 100, held).result, 'lost-card', 'which a 0120 does not tell of, whatever it carries')
  const poor = scene(0).say('advice', 100, { ...held, tender: 'postal' })
  t.equal(poor.result, 'insufficient', 'nor is its co-payment advanced')
  const issued = new Scene({ ...home, cards: [cardOf(ID, panIndexOf(pan), { status: 'issued' })] })
  t.equal(issued.say('advice', 100, stored).result, 'inactive-card', 'nobody had it in hand before it was activated')
})

/** The last evening of November. */
const LAST_EVENING = Date.UTC(2026, 10, 30, 18)
const offline = (quantity: number) => ({
  ...place('bakery'),
  fromAccount: '92',
  quantity,
  offlineSequence: 1,
  localTime: '1130193000',
})
const loaves = (quantity: number) => ({ ...place('bakery'), fromAccount: '92', quantity })

t.test('bread that a terminal gave beyond the month is recovered from the next month’s first days', async (t) => {
  const one = new Scene(household({ id: ID, terms: [termOf(4)] }))
  one.nowMs = LAST_EVENING
  t.equal(one.say('pay', 400, loaves(20)).result, 'approved')
  const told = one.say('advice', 300, offline(15))
  t.same(told.kinds, ['entitlementAdvance 15', 'subsidyRedemption 15'])
  t.equal(one.posted(advanced), -15)
  t.equal(one.say('advice', 20, offline(1)).result, 'amount-limit', 'the day’s cap of offline draws is kept')
  one.nowMs += DAY_MS
  const inquiry = one.say('pay', 0, { transactionType: '30', ...place('atm') })
  t.match(
    inquiry.balances.find(({ accountCode }) => accountCode === '92'),
    { amount: 5 },
  )
  t.equal(one.say('pay', 120, loaves(6)).result, 'insufficient')
  one.nowMs += DAY_MS
  const next = one.say('pay', 60, loaves(3))
  const opened = ['entitlementIssue 20', 'advanceRecovery 15', 'entitlementIssue 20', 'subsidyRedemption 3']
  t.same(next.kinds, opened, 'the first day pays, whichever day is drawn')
  t.same([one.posted(advanced), one.posted(bread, 20261201), one.posted(bread, 20261202)], [0, 5, 17])
})

t.test('the reversal of a refund does not take the day’s offline draws beyond their cap', async (t) => {
  const one = new Scene(household({ id: ID, terms: [termOf(4)] }))
  one.nowMs = LAST_EVENING
  const first = one.say('advice', 20, offline(1))
  const refund = one.say('pay', 20, { ...naming(first), ...place('bakery'), transactionType: '20', fromAccount: '92' })
  t.equal(refund.result, 'approved')
  t.equal(one.say('advice', 300, offline(15)).result, 'approved')
  const undo = { ...naming(refund), ...place('bakery'), transactionType: '20', fromAccount: '92' }
  t.equal(one.say('reversal', 20, undo).result, 'insufficient')
})

t.test('the reversal of a draw that was advanced gives the advance back first', async (t) => {
  const one = new Scene(household({ id: ID, terms: [termOf(4)] }))
  one.nowMs = LAST_EVENING
  one.say('pay', 400, loaves(20))
  const told = one.say('advice', 300, offline(15))
  const back = one.say('reversal', 300, { ...naming(told), ...place('bakery'), fromAccount: '92' })
  t.same(back.kinds, ['subsidyRestoration 15', 'advanceRecovery 15'])
  t.same([one.posted(advanced), one.posted(bread, 20261130)], [0, 0])

  const other = new Scene(household({ id: ID, terms: [termOf(4)] }))
  other.nowMs = LAST_EVENING
  const drawn = other.say('pay', 400, loaves(20))
  other.say('advice', 200, offline(10))
  other.nowMs += DAY_MS
  other.model.evict()
  const late = other.say('reversal', 400, { ...naming(drawn), ...place('bakery'), fromAccount: '92' })
  t.same(late.kinds, ['subsidyRestoration 20', 'advanceRecovery 10', 'entitlementExpiry 10'], 'then the rest lapses')
  t.equal(other.posted(advanced), 0)
})

t.test('a month that nobody drew on pays what was advanced before anything is converted', async (t) => {
  const home = household({ id: ID, terms: [termOf(4)], closedMonth: 202_611 as CivilMonth })
  home.balances.push({ account: advanced, period: 0, posted: -15, held: 0 })
  const rules = { programmesOn: catalogue.on, serviceLiveFrom: policy.serviceLiveFrom }
  const { transfers, programmes } = closeMonth(home, 202_612 as CivilMonth, rules)
  const ofBread = transfers.filter(({ debit, credit }) => debit === bread || credit === bread)
  t.same(
    ofBread.map(({ kind, amount }) => [kind, amount]),
    [
      ['entitlementIssue', 620],
      ['advanceRecovery', 15],
      ['entitlementConversion', 605],
    ],
  )
  t.match(
    programmes.find(({ code }) => code === 'bread'),
    { untouched: 620, recovered: 15, converted: 605 },
  )
})
