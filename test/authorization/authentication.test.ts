import fc from 'fast-check'
import t from 'tap'
import { verificationFields } from '../../src/authorization/answer.ts'
import { applyDecision } from '../../src/authorization/apply.ts'
import {
  type Authentication,
  type ChipFacts,
  notAuthenticated,
  type Verified,
} from '../../src/authorization/authentication.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { Decision, DecisionContext } from '../../src/authorization/decision.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import type { Card, Household } from '../../src/card/household.ts'
import { context, householdWithMoney, outletOf, policy, request } from './world.ts'

const AMOUNT = 1_000
const shop = outletOf('shop', 'SUZ')

const facts: ChipFacts = { atc: 10, kind: 'request', offlineAuthenticationFailed: false, amountPiasters: AMOUNT }

/** A right cryptogram with a counter. */
function chip(atc: number, changes: Partial<ChipFacts> = {}): Partial<Authentication> {
  return { cryptogram: 'matched', chip: { ...facts, atc, ...changes } }
}

function only(household: Household): Card {
  const [card] = household.cards
  if (card === undefined) throw new Error('a household of these tests has a card')
  return card
}

interface Asked {
  readonly request?: Partial<AuthorizationRequest>
  readonly context?: Partial<DecisionContext>
}

/** Decides a purchase that brings this, and changes the household as the writer would. */
function pay(household: Household, brings: Partial<Authentication>, asked: Asked = {}): Decision {
  const purchase = request({
    amountPiasters: AMOUNT,
    fromAccount: '20',
    acceptor: shop.acceptor,
    terminal: [...shop.terminals][0] ?? '',
    mcc: shop.mcc,
    ...asked.request,
  })
  const authentication = { ...notAuthenticated, ...brings }
  const decision = decide(purchase, context(household, { outlet: shop, authentication, ...asked.context }))
  applyDecision(decision, household, only(household))
  return decision
}

const codesOf = ({ trace }: Decision) => trace.map(([code]) => code)
const served = (card: Partial<Card> = {}): Household => {
  const made = householdWithMoney(1_000_000)
  return { ...made, cards: made.cards.map((one) => ({ ...one, ...card })) }
}

t.test('a message that brings nothing is decided on its merits', async (t) => {
  const household = served()
  t.match(pay(household, {}), { result: 'approved', counters: undefined, usedAssertion: undefined })
})

t.test('chip, stripe, what is required, PIN, fingerprint: the first that fails decides', async (t) => {
  const used = { nonce: '00'.repeat(8), signedAtMs: 0 }
  /** In the order of the checks: what fails each, and what is answered. */
  const checks: { brings: Partial<Authentication>; result: string; code: string }[] = [
    {
      brings: { cryptogram: 'not-matched', chip: facts },
      result: 'card-authentication-failed',
      code: 'chip.cryptogram',
    },
    { brings: { cardValue: 'not-matched' }, result: 'card-authentication-failed', code: 'stripe.value' },
    { brings: { pin: 'not-matched' }, result: 'wrong-pin', code: 'pin.wrong' },
    { brings: { fingerprint: 'forged', assertion: used }, result: 'security-violation', code: 'assertion.refused' },
  ]
  for (const [first, { result, code }] of checks.entries()) {
    const failing = checks.slice(first).map(({ brings }) => brings)
    const decision = pay(served(), Object.assign({}, ...failing))
    t.equal(decision.result, result)
    t.equal(codesOf(decision).at(-1), code, 'and it is the last that was looked at')
  }
  const required = { ...policy, pinRequired: () => true }
  const withoutPin = pay(served(), { cardValue: 'not-matched' }, { context: { policy: required } })
  t.equal(withoutPin.result, 'card-authentication-failed', 'the stripe before what is required')
  const forged = pay(served(), { fingerprint: 'forged' }, { context: { policy: required } })
  t.equal(forged.result, 'pin-unverifiable', 'what is required before the fingerprint')
})

t.test('a card that may not be used is refused before anything it brings is looked at', async (t) => {
  for (const status of ['lost', 'stolen', 'restricted', 'issued', 'closed'] as const) {
    const household = served({ status })
    const decision = pay(household, { pin: 'not-matched', ...chip(10) })
    t.equal(codesOf(decision).at(-1), 'card.status')
    t.equal(decision.counters, undefined, 'its PIN tries are not used up')
  }
})

t.test('wrong PINs: 55, 55, 75, and 75 for a right one after that', async (t) => {
  const household = served()
  const tryPin = (pin: Verified) => pay(household, { pin }).result
  t.same(
    [tryPin('not-matched'), tryPin('not-matched'), tryPin('not-matched')],
    ['wrong-pin', 'wrong-pin', 'pin-tries-exceeded'],
  )
  t.equal(only(household).counters.pinFailures, 3)
  t.same([tryPin('matched'), tryPin('not-matched'), tryPin('unverifiable')], Array(3).fill('pin-tries-exceeded'))
  t.equal(only(household).counters.pinFailures, 3, 'it stays until it is reset')
  only(household).counters = { ...only(household).counters, pinFailures: 0 }
  t.equal(tryPin('matched'), 'approved')
})

t.test('a right PIN gives the tries back; a block that cannot be opened takes none', async (t) => {
  const household = served()
  const failures = () => only(household).counters.pinFailures
  pay(household, { pin: 'not-matched' })
  pay(household, { pin: 'not-matched' })
  t.equal(failures(), 2)
  t.match(pay(household, { pin: 'unverifiable' }), { result: 'pin-unverifiable' })
  t.equal(failures(), 2)
  t.equal(pay(household, {}).result, 'approved')
  t.equal(failures(), 2, 'nor does a message without a PIN')
  t.equal(pay(household, { pin: 'matched' }).result, 'approved')
  t.equal(failures(), 0)
  t.equal(pay(household, { pin: 'matched' }).counters, undefined, 'nothing to write when nothing changed')
})

t.test('counters move on declines too', async (t) => {
  const household = served({ counters: { pinFailures: 1, atc: 5, atcSeen: 0 } })
  const poor = pay(household, { ...chip(6), pin: 'matched' }, { request: { amountPiasters: 0 } })
  t.not(poor.result, 'approved')
  t.equal(only(household).counters.atc, 6, 'a chip counter, on whatever decline')
  const tooMuch = { amountPiasters: 9_000_000_00 }
  const declined = pay(household, { ...chip(7, tooMuch), pin: 'matched' }, { request: tooMuch })
  t.not(declined.result, 'approved')
  t.same(only(household).counters, { pinFailures: 0, atc: 7, atcSeen: 0b11 }, 'and a right PIN counts')
  const wrong = pay(household, { ...chip(8), pin: 'not-matched' })
  t.equal(wrong.result, 'wrong-pin')
  t.same(only(household).counters, { pinFailures: 1, atc: 8, atcSeen: 0b111 }, 'both at once')
})

t.test('a cryptogram is good once; one that was overtaken is good, once, within the window', async (t) => {
  const household = served()
  const outcome = (atc: number) => {
    const decision = pay(household, chip(atc))
    return decision.result === 'approved' ? 'approved' : codesOf(decision).at(-1)
  }
  t.equal(outcome(100), 'approved')
  t.equal(outcome(100), 'chip.replayed')
  t.equal(outcome(90), 'approved', 'late')
  t.equal(outcome(90), 'chip.replayed', 'late, again')
  t.equal(outcome(100 - 32), 'approved', 'the last of the window')
  t.equal(outcome(100 - 33), 'chip.replayed', 'behind the window')
  t.equal(outcome(101), 'approved')
  t.equal(outcome(100), 'chip.replayed')
  t.equal(only(household).counters.atc, 101, 'what is late does not turn it back')
})

t.test('a cryptogram that is not right moves no counter', async (t) => {
  for (const cryptogram of ['not-matched', 'unverifiable'] as const) {
    const household = served()
    const decision = pay(household, { cryptogram, chip: { ...facts, atc: 60_000 } })
    t.match(decision, { result: 'card-authentication-failed', counters: undefined })
    t.equal(only(household).counters.atc, 0)
  }
  const household = served()
  t.equal(pay(household, { cryptogram: 'matched' }).result, 'card-authentication-failed', 'nor one without a counter')
})

t.test('what the terminal and the card found out for themselves', async (t) => {
  const household = served()
  const offline = pay(household, chip(1, { offlineAuthenticationFailed: true }))
  t.equal(offline.result, 'card-authentication-failed')
  t.equal(codesOf(offline).at(-1), 'chip.offline-failed')
  t.equal(only(household).counters.atc, 1, 'its counter is used up')
  for (const [at, kind] of (['approved-offline', 'declined-offline', 'unknown'] as const).entries()) {
    t.equal(codesOf(pay(household, chip(2 + at, { kind }))).at(-1), 'chip.kind', kind)
  }
  const advice = { messageClass: 'financial-advice', mti: '0220' } as const
  const told = pay(household, chip(8, { kind: 'approved-offline' }), { request: advice })
  t.equal(told.result, 'approved', 'an advice tells of what was decided already')
})

t.test('the amount that the card saw must be the message’s, on domestic links', async (t) => {
  const household = served()
  const seen = (atc: number, amountPiasters: number | undefined, schemeRail: boolean) =>
    pay(household, chip(atc, { amountPiasters }), { request: { schemeRail } })
  const other = seen(1, AMOUNT - 1, false)
  t.equal(other.result, 'card-authentication-failed')
  t.same(other.trace.at(-1), ['chip.amount', AMOUNT - 1, AMOUNT])
  t.equal(only(household).counters.atc, 1)
  t.equal(seen(2, AMOUNT, false).result, 'approved')
  const foreign = seen(3, undefined, false)
  t.equal(foreign.result, 'card-authentication-failed', 'nor may it be in another currency')
  t.same(foreign.trace.at(-1), ['chip.currency', AMOUNT])
  t.equal(seen(4, AMOUNT - 1, true).result, 'approved', 'the scheme may have converted it')
  t.equal(seen(5, undefined, true).result, 'approved')
})

t.test('the value on the stripe has to be right, and to be there to be verified', async (t) => {
  const result = (cardValue: Verified) => pay(served(), { cardValue }).result
  t.equal(result('matched'), 'approved')
  t.equal(result('not-matched'), 'card-authentication-failed')
  t.equal(result('unverifiable'), 'card-authentication-failed')
})

t.test('what the configuration asks for must be there', async (t) => {
  const strict = { ...policy, chipDataRequired: true, pinRequired: (type: string) => type === '00' }
  const asked = (fields: Partial<AuthorizationRequest>, brings: Partial<Authentication>) =>
    pay(served(), brings, { request: fields, context: { policy: strict } })
  t.equal(asked({}, { pin: 'matched' }).result, 'approved', 'a stripe needs no chip data')
  t.same(asked({}, {}).trace.at(-1), ['pin.absent', '00'])
  t.equal(asked({}, {}).result, 'pin-unverifiable')
  t.equal(asked({ chipRead: true }, { pin: 'matched' }).result, 'card-authentication-failed')
  t.equal(asked({ chipRead: true }, { pin: 'matched', ...chip(1) }).result, 'approved')
  t.equal(asked({ chipRead: true }, chip(1)).result, 'pin-unverifiable')
  t.equal(asked({ transactionType: '30' }, {}).result, 'approved', 'another type needs no PIN')
  const advice = { messageClass: 'financial-advice', mti: '0220', chipRead: true } as const
  t.equal(asked(advice, {}).result, 'approved', 'an advice needs neither')
  const lax = pay(served(), {}, { request: { chipRead: true } })
  t.equal(lax.result, 'approved', 'nor does anybody where it is not asked for')
})

t.test('a fingerprint’s nonce is good once, whatever becomes of the request', async (t) => {
  const household = served()
  const nowMs = Date.UTC(2026, 10, 11, 10)
  const assertion = (nonce: string) => ({ nonce: nonce.repeat(8), signedAtMs: nowMs })
  const matched = { fingerprint: 'matched', assertion: assertion('0a') } as const
  t.match(pay(household, matched), { result: 'approved', usedAssertion: { nonce: '0a'.repeat(8), usedAtMs: nowMs } })
  const again = pay(household, matched)
  t.equal(again.result, 'security-violation')
  t.equal(again.usedAssertion, undefined)
  t.equal(
    pay(household, { ...matched, assertion: assertion('0b') }, { request: { amountPiasters: 0 } }).result,
    'bad-amount',
  )
  t.equal(pay(household, { ...matched, assertion: assertion('0b') }).result, 'security-violation', 'used by a decline')
  t.equal(
    pay(household, { fingerprint: 'not-matched', assertion: assertion('0c') }).result,
    'approved',
    'where none is needed',
  )
  for (const fingerprint of ['forged', 'out-of-time'] as const) {
    const refused = pay(household, { fingerprint, assertion: assertion('0d') })
    t.match(refused, { result: 'security-violation', usedAssertion: undefined })
  }
  t.equal(pay(household, { fingerprint: 'matched' }).result, 'security-violation', 'a match without its facts is none')
})

t.test('a script that waits goes out with an approval of a chip transaction, once', async (t) => {
  const waiting = () => served({ scriptPending: 'pin-unblock' })
  const right = { ...chip(1), script: '720f' }
  const approved = waiting()
  const sent = pay(approved, right)
  t.match(sent, { result: 'approved', script: 'pin-unblock' })
  t.equal(only(approved).scriptPending, undefined)
  t.same(sent.trace.at(-1), ['chip.script-sent', 'pin-unblock'])
  t.equal(pay(approved, { ...chip(2), script: '720f' }).script, undefined, 'also when it was made for both')

  const stays = (brings: Partial<Authentication>, asked: Asked = {}) => {
    const household = waiting()
    const decision = pay(household, brings, asked)
    t.equal(decision.script, undefined)
    t.equal(only(household).scriptPending, 'pin-unblock')
    return decision
  }
  t.equal(stays(right, { request: { amountPiasters: 0 } }).result, 'card-authentication-failed')
  t.equal(stays({ ...right, pin: 'not-matched' }).result, 'wrong-pin', 'a decline')
  t.equal(stays({ cardValue: 'matched' }).result, 'approved', 'no chip')
  const unmade = stays(chip(1))
  t.equal(unmade.result, 'approved', 'it could not be made')
  t.ok(codesOf(unmade).includes('chip.script-waits'))
  const advice = { messageClass: 'financial-advice', mti: '0220' } as const
  t.equal(stays(right, { request: advice }).result, 'approved', 'no card waits for the answer to an advice')
  stays({ cryptogram: 'not-matched', chip: facts, script: '720f' })
})

t.test('the answer carries the cryptogram of the outcome, and the script with an approval alone', async (t) => {
  const answers = { approved: 'aabb', declined: 'ccdd' }
  const found = { ...notAuthenticated, ...chip(1), answers, script: '720f' }
  const fields = (result: Decision['result'], script: Decision['script'], schemeRail = false) =>
    verificationFields({ result, script }, found, schemeRail)
  t.same(fields('approved', 'pin-unblock'), { 55: '9102aabb720f' })
  t.same(fields('approved', undefined), { 55: '9102aabb' }, 'made, but not for this decision')
  t.same(fields('partially-approved', 'pin-unblock'), { 55: '9102aabb720f' })
  t.same(fields('insufficient', undefined), { 55: '9102ccdd' })
  t.match(fields('approved', 'pin-unblock', true), { 55: '9102aabb720f', 44: /^5 {7}2$/ })
  t.same(verificationFields({ result: 'approved', script: undefined }, notAuthenticated, true), {})
})

t.test(
  'whatever is brought in whatever order, no cryptogram or nonce is good twice, and tries never pass the limit',
  async () => {
    const brought = fc.record({
      atc: fc.integer({ min: 1, max: 60 }),
      chip: fc.constantFrom<Verified>('absent', 'matched', 'matched', 'not-matched'),
      pin: fc.constantFrom<Verified>('absent', 'matched', 'not-matched', 'unverifiable'),
      nonce: fc.integer({ min: 0, max: 9 }),
      fingerprint: fc.constantFrom<Authentication['fingerprint']>('absent', 'matched', 'not-matched', 'forged'),
      amountPiasters: fc.constantFrom(0, AMOUNT, 90_000_000),
    })
    fc.assert(
      fc.property(fc.array(brought, { maxLength: 60 }), (messages) => {
        const household = served()
        const counters = new Set<number>()
        const nonces = new Set<number>()
        let failures = 0
        for (const { atc, chip: cryptogram, pin, nonce, fingerprint, amountPiasters } of messages) {
          const decision = pay(
            household,
            {
              pin,
              cryptogram,
              chip: cryptogram === 'absent' ? undefined : { ...facts, atc, amountPiasters },
              fingerprint,
              assertion: { nonce: String(nonce).padStart(16, '0'), signedAtMs: 0 },
            },
            { request: { amountPiasters } },
          )
          const codes = codesOf(decision)
          if (codes.includes('chip.matched')) {
            if (counters.has(atc)) return false
            counters.add(atc)
          }
          if (codes.includes('assertion.verified')) {
            if (nonces.has(nonce)) return false
            nonces.add(nonce)
          }
          if (codes.includes('pin.matched')) failures = 0
          else if (codes.includes('pin.wrong')) failures++
          const card = only(household)
          if (card.counters.pinFailures !== failures || failures > policy.pinTriesMax) return false
          if (decision.result === 'approved' && pin !== 'absent' && pin !== 'matched') return false
        }
        return true
      }),
      { numRuns: 300 },
    )
  },
)
