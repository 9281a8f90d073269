import t from 'tap'
import { applyDecision } from '../../src/authorization/apply.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { Decision, DecisionContext, StoredAuthorization } from '../../src/authorization/decision.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { civilDate } from '../../src/calendar.ts'
import type { Household } from '../../src/card/household.ts'
import { moneyAccount, subsidyAccount } from '../../src/ledger/accounts.ts'
import {
  authenticationOf,
  context,
  householdWithMoney,
  nothingSince,
  outletOf,
  request,
  withAssertion,
} from './world.ts'

/** A small dialogue with one household: what was decided is applied, and can be named by what follows. */
class Dialogue {
  readonly household: Household
  nowMs = Date.UTC(2026, 10, 11, 10)
  #id = 64
  readonly #stored = new Map<number, StoredAuthorization>()

  constructor(household: Household) {
    this.household = household
  }

  say(fields: Partial<AuthorizationRequest>, more: Partial<DecisionContext> = {}): Decision & { id: number } {
    const asked = request(fields)
    const id = this.#id
    this.#id += 64
    const decision = decide(
      asked,
      context(this.household, { id, nowMs: this.nowMs, authentication: authenticationOf(asked), ...more }),
    )
    applyDecision(decision, this.household, this.household.cards[0])
    this.#remember(id, asked, decision)
    return { ...decision, id }
  }

  stored(id: number, changes: Partial<StoredAuthorization> = {}): StoredAuthorization {
    const found = this.#stored.get(id)
    if (found === undefined) throw new RangeError(`no authorization ${id}`)
    return { ...found, ...changes }
  }

  money(): number {
    const postal = moneyAccount('postalAccount', this.household.id)
    return this.household.balances.find((row) => row.account === postal)?.posted ?? 0
  }

  #remember(id: number, asked: AuthorizationRequest, decision: Decision): void {
    this.#stored.set(id, {
      id,
      contentHash: asked.contentHash,
      mti: asked.mti,
      transactionType: asked.transactionType,
      result: decision.result,
      householdId: this.household.id,
      cardId: this.household.id,
      acceptor: asked.acceptor,
      amountPiasters: asked.amountPiasters,
      approvedPiasters: decision.approvedPiasters,
      ...nothingSince,
      transfers: decision.transfers,
      hold: decision.hold,
      usages: decision.usages,
      entitlementDate: civilDate(this.nowMs),
    })
  }
}

const shop = outletOf('shop', 'SUZ')
const grocer = outletOf('grocer', 'SUZ')
const bakery = outletOf('bakery', 'SUZ')
const clinic = outletOf('health', 'SUZ')
const at = (outlet: typeof shop) => ({
  acceptor: outlet.acceptor,
  terminal: [...outlet.terminals][0] ?? '',
  mcc: outlet.mcc,
})
const reversal = { messageClass: 'reversal', mti: '0400' } as const
const hold = { messageClass: 'authorization', mti: '0100' } as const
const completion = { messageClass: 'financial-advice', mti: '0220' } as const
const kindsOf = ({ transfers }: Decision) => transfers.map(({ kind, amount }) => [kind, amount])

t.test('the last pound that a hold reserves can be captured', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(1_000))
  const held = dialogue.say({ ...at(shop), ...hold, fromAccount: '20', amountPiasters: 1_000 }, { outlet: shop })
  t.equal(held.result, 'approved')
  const original = dialogue.stored(held.id)
  const captured = dialogue.say({ ...at(shop), ...completion, amountPiasters: 1_000 }, { outlet: shop, original })
  t.equal(captured.result, 'approved')
  t.equal(dialogue.money(), 0)
})

t.test('a hold is a promise: it is completed when the card is lost meanwhile', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(1_000))
  const held = dialogue.say({ ...at(shop), ...hold, fromAccount: '20', amountPiasters: 800 }, { outlet: shop })
  const [card] = dialogue.household.cards
  const lost = card === undefined ? {} : { card: { ...card, status: 'lost' as const } }
  const named = { outlet: shop, original: dialogue.stored(held.id), ...lost }
  t.equal(dialogue.say({ ...at(shop), ...completion, amountPiasters: 800 }, named).result, 'approved')
  t.equal(
    dialogue.say({ ...at(shop), fromAccount: '20', amountPiasters: 10 }, { outlet: shop, ...lost }).result,
    'lost-card',
  )
})

t.test('a partial reversal shrinks a hold, a full one releases what is left', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(1_000))
  const held = dialogue.say({ ...at(shop), ...hold, fromAccount: '20', amountPiasters: 800 }, { outlet: shop })
  const original = dialogue.stored(held.id)
  const part = dialogue.say({ ...reversal, amountPiasters: 800, replacementPiasters: 500 }, { original })
  t.match(part, { result: 'approved', approvedPiasters: 300, holdEvent: { released: 300, ending: undefined } })
  const more = dialogue.say({ ...reversal, amountPiasters: 800, replacementPiasters: 900 }, { original })
  t.equal(more.result, 'bad-amount')
  const whole = dialogue.say({ ...reversal, amountPiasters: 800 }, { original })
  t.match(whole, { result: 'approved', approvedPiasters: 500, holdEvent: { released: 500, ending: 'voided' } })
})

t.test('what was refunded cannot be reversed again, not even in part', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(0))
  const draw = dialogue.say({ ...at(grocer), fromAccount: '91', amountPiasters: 1_000 }, { outlet: grocer })
  const refunded = dialogue.stored(draw.id, { refundedPiasters: 600 })
  for (const replacementPiasters of [undefined, 100]) {
    const again = dialogue.say({ ...reversal, amountPiasters: 1_000, replacementPiasters }, { original: refunded })
    t.equal(again.result, 'already-reversed')
  }
})

t.test('a full reversal after a partial one is no repeat of it', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(5_000))
  const bought = dialogue.say({ ...at(shop), fromAccount: '20', amountPiasters: 1_000 }, { outlet: shop })
  const original = dialogue.stored(bought.id, { reversedPiasters: 400 })
  const same = dialogue.say({ ...reversal, amountPiasters: 1_000, replacementPiasters: 600 }, { original })
  t.match(same, { result: 'approved', approvedPiasters: 0, transfers: [] })
  t.equal(dialogue.say({ ...reversal, amountPiasters: 1_000 }, { original }).result, 'already-reversed')
})

t.test('a refund is reversed whole or not at all, a deposit only while it is there', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(0))
  const refund = { ...at(shop), transactionType: '20', fromAccount: '20', amountPiasters: 1_000 }
  const given = dialogue.say(refund, { outlet: shop })
  const part = { ...reversal, transactionType: '20', amountPiasters: 1_000, replacementPiasters: 900 }
  t.equal(dialogue.say(part, { original: dialogue.stored(given.id) }).result, 'invalid-transaction')
  const empty = new Dialogue(householdWithMoney(0))
  const atm = outletOf('atm', 'SUZ')
  const deposit = { ...at(atm), transactionType: '21', fromAccount: '20', amountPiasters: 500 }
  const paid = empty.say(deposit, { outlet: atm })
  t.equal(paid.result, 'approved')
  empty.say({ ...at(shop), fromAccount: '20', amountPiasters: 450 }, { outlet: shop })
  const back = { ...reversal, transactionType: '21', amountPiasters: 500, replacementPiasters: 100 }
  t.equal(empty.say(back, { original: empty.stored(paid.id) }).result, 'insufficient')
})

t.test('value that comes back after its month lapses and leaves that month’s balance alone', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(0))
  const draw = dialogue.say({ ...at(grocer), fromAccount: '91', amountPiasters: 1_000 }, { outlet: grocer })
  const original = dialogue.stored(draw.id)
  // In the new month memory holds the balances of that month alone.
  dialogue.household.balances.length = 0
  dialogue.nowMs = Date.UTC(2026, 11, 2, 10)
  const late = dialogue.say({ ...reversal, amountPiasters: 1_000 }, { original })
  t.same(kindsOf(late), [
    ['subsidyRestoration', 1_000],
    ['entitlementExpiry', 1_000],
  ])
  const wallet = subsidyAccount('wallet', 'EGP', 4, dialogue.household.id)
  t.notOk(
    dialogue.household.balances.some((row) => row.account === wallet),
    'no balance that would replace the true one',
  )
})

t.test('cash that comes back on another day opens no figures of that day', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(100_000))
  const cash = { mcc: '6011', acceptor: 'X', transactionType: '01', fromAccount: '20', amountPiasters: 40_000 }
  const drawn = dialogue.say(cash)
  t.match(dialogue.household.cashUsage, { withdrawnPiasters: 40_000, withdrawals: 1 })
  dialogue.household.cashUsage = undefined
  dialogue.nowMs += 86_400_000
  const back = dialogue.say(
    { ...reversal, transactionType: '01', amountPiasters: 40_000 },
    { original: dialogue.stored(drawn.id) },
  )
  t.equal(back.result, 'approved')
  t.equal(dialogue.household.cashUsage, undefined)
})

t.test('the reversal of a refund takes loaves and co-payment again', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(1_000))
  const bread = { ...at(bakery), fromAccount: '92', quantity: 5, amountPiasters: 100, tender: 'postal' as const }
  const draw = dialogue.say(bread, { outlet: bakery })
  t.equal(dialogue.money(), 900)
  const refund = { ...at(bakery), transactionType: '20', fromAccount: '92', amountPiasters: 100 }
  const given = dialogue.say(refund, { outlet: bakery, original: dialogue.stored(draw.id) })
  t.same(kindsOf(given), [
    ['subsidyRestoration', 5],
    ['refund', 100],
  ])
  t.equal(dialogue.money(), 1_000)
  const again = dialogue.say({ ...reversal, amountPiasters: 100 }, { original: dialogue.stored(given.id) })
  t.same(kindsOf(again), [
    ['restorationReversal', 5],
    ['refundReversal', 100],
  ])
  t.equal(dialogue.money(), 900)
})

t.test('bread returned and flour drawn instead: the return stands', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(0))
  const draw = dialogue.say({ ...at(bakery), fromAccount: '92', quantity: 5, amountPiasters: 100 }, { outlet: bakery })
  const refund = { ...at(bakery), transactionType: '20', fromAccount: '92', amountPiasters: 100 }
  const given = dialogue.say(refund, { outlet: bakery, original: dialogue.stored(draw.id) })
  const flour = { ...at(bakery), fromAccount: '93', quantity: 10, amountPiasters: 3_000 }
  t.equal(dialogue.say(flour, { outlet: bakery }).result, 'approved')
  const again = dialogue.say({ ...reversal, amountPiasters: 100 }, { original: dialogue.stored(given.id) })
  t.match(again, { result: 'insufficient', transfers: [] })
  t.equal(again.trace.at(-1)?.[0], 'exclusive.chosen')
})

t.test('what comes back for no purchase that is named is no more than one purchase may be', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(0))
  const limit = context(undefined).policy.purchaseSinglePiasters
  const refund = { ...at(shop), transactionType: '20', fromAccount: '20' }
  const refused = dialogue.say({ ...refund, amountPiasters: limit + 1 }, { outlet: shop })
  t.match(refused, { result: 'amount-limit', transfers: [] })
  t.equal(dialogue.say({ ...refund, amountPiasters: limit }, { outlet: shop }).result, 'approved')
  const told = { ...refund, messageClass: 'financial-advice', mti: '0220', amountPiasters: limit + 1 } as const
  const posted = dialogue.say(told, { outlet: shop })
  t.equal(posted.result, 'approved', 'an advice tells of what was given back')
  t.has(
    posted.trace.find(([code]) => code === 'advice.flagged'),
    ['advice.flagged', 'amount-limit', 'limit.refund'],
  )
  t.equal(dialogue.money(), 2 * limit + 1)
})

t.test('goods can be refunded, the cash part of a purchase cannot', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(10_000))
  const purchase = {
    ...at(shop),
    transactionType: '09',
    fromAccount: '20',
    amountPiasters: 1_000,
    cashbackPiasters: 400,
  }
  const bought = dialogue.say(purchase, { outlet: shop })
  const refund = (amountPiasters: number, earlier?: Decision) => {
    const returned = earlier && { refundedPiasters: earlier.approvedPiasters, refunds: earlier.transfers }
    return dialogue.say(
      { ...at(shop), transactionType: '20', fromAccount: '20', amountPiasters },
      { outlet: shop, original: dialogue.stored(bought.id, returned) },
    )
  }
  const goods = refund(600)
  t.equal(goods.result, 'approved')
  t.equal(refund(400, goods).result, 'amount-limit')
})

t.test('a health co-payment can be refunded', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(10_000))
  const care = { ...at(clinic), fromAccount: '96', amountPiasters: 2_000, security: withAssertion } as const
  const paid = dialogue.say(care, { outlet: clinic })
  t.equal(paid.result, 'approved')
  const given = dialogue.say({ ...care, transactionType: '20' }, { outlet: clinic, original: dialogue.stored(paid.id) })
  t.same(kindsOf(given), [['refund', 2_000]])
})

t.test('an outlet that takes partial approvals gets them on a domestic link', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(700))
  const asked = { ...at(grocer), fromAccount: '91', amountPiasters: 25_000 }
  t.equal(dialogue.say(asked, { outlet: grocer }).result, 'insufficient')
  t.equal(
    dialogue.say({ ...asked, schemeRail: true }, { outlet: { ...grocer, partialApproval: true } }).result,
    'insufficient',
  )
  const granted = dialogue.say(asked, { outlet: { ...grocer, partialApproval: true } })
  t.match(granted, { result: 'partially-approved', approvedPiasters: 20_000 })
})

t.test('a co-payment that cannot be paid leaves no trace of a draw', async (t) => {
  const dialogue = new Dialogue(householdWithMoney(50))
  const bread = { ...at(bakery), fromAccount: '92', quantity: 5, amountPiasters: 100, tender: 'postal' as const }
  const refused = dialogue.say(bread, { outlet: bakery })
  t.equal(refused.result, 'insufficient')
  t.notOk(refused.trace.some(([code]) => code === 'wallet.drawn'))
})

t.test('no type and no account takes a subsidy out as money', async (t) => {
  for (const fromAccount of ['91', '92', '93', '94', '95']) {
    for (const transactionType of ['01', '09', '11', '21', '28', '40']) {
      for (const outlet of [shop, grocer, bakery, undefined]) {
        const dialogue = new Dialogue(householdWithMoney(10_000))
        const decision = dialogue.say({ transactionType, fromAccount, amountPiasters: 100 }, { outlet })
        t.match(decision, { result: 'subsidy-not-cash', transfers: [] }, `${transactionType} on ${fromAccount}`)
      }
    }
  }
})
