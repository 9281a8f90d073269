import t from 'tap'
import { applyDecision } from '../../src/authorization/apply.ts'
import { type Authentication, notAuthenticated } from '../../src/authorization/authentication.ts'
import { checkVerification } from '../../src/authorization/checks.ts'
import { decide } from '../../src/authorization/decide.ts'
import { type DecisionContext, DecisionDraft } from '../../src/authorization/decision.ts'
import { addDays } from '../../src/calendar.ts'
import type { Household } from '../../src/card/household.ts'
import { context, household, policy, request } from './world.ts'

const rule = policy.oneTimeCode
const nowMs = context(household()).nowMs

/** A household that asks for a code, and the answers to what it sends then. */
function opened(fields: Partial<Household> = {}) {
  const home = household(fields)
  const ask = (changes: Partial<DecisionContext> = {}) => {
    const asked = request({ transactionType: '30', amountPiasters: 0, wantsCode: true })
    const decision = decide(asked, { ...context(home), ...changes })
    applyDecision(decision, home, home.cards[0])
    return decision
  }
  const give = (verdict: 'matched' | 'not-matched' | 'unverifiable', changes: Partial<DecisionContext> = {}) => {
    const facts = { factor: home.oneTimeCode?.factor ?? 0, verdict }
    const authentication: Authentication = { ...notAuthenticated, oneTimeCode: facts }
    const inquiry = request({ transactionType: '30', amountPiasters: 0 })
    const decision = decide(inquiry, { ...context(home), authentication, ...changes })
    applyDecision(decision, home, home.cards[0])
    return decision.result
  }
  return { home, ask, give }
}

t.test('a code is sent, and told by its factor alone', async (t) => {
  const { home, ask } = opened()
  const decision = ask({ id: 640 })
  t.equal(decision.result, 'approved')
  t.same(decision.notice, { template: 'one-time-code', detail: { code: { factor: 640 }, minutes: 5 } })
  t.match(home.oneTimeCode, { factor: 640, expiresAtMs: nowMs + rule.validMs, triesLeft: rule.triesMax, sent: 1 })
  t.same(decision.transfers, [])
})

t.test('it is good once', async (t) => {
  const { ask, give } = opened()
  ask()
  t.equal(give('matched'), 'approved')
  t.equal(give('matched'), 'pin-unverifiable', 'used')
})

t.test('it is good for its time, and only the last one counts', async (t) => {
  const { home, ask, give } = opened()
  ask({ id: 64 })
  t.equal(give('matched', { nowMs: nowMs + rule.validMs }), 'pin-unverifiable', 'out of time')
  const before = home.oneTimeCode
  ask({ id: 128 })
  const authentication = {
    ...notAuthenticated,
    oneTimeCode: { factor: before?.factor ?? 0, verdict: 'matched' } as const,
  }
  t.equal(give('matched', { authentication }), 'pin-unverifiable', 'another was sent since')
  t.equal(give('matched'), 'approved')
})

t.test('wrong tries end it, whatever else is wrong', async (t) => {
  const { home, ask, give } = opened()
  ask()
  for (let tries = 1; tries < rule.triesMax; tries++) t.equal(give('not-matched'), 'wrong-pin')
  t.equal(give('unverifiable'), 'pin-unverifiable', 'what cannot be verified is no try')
  t.equal(home.oneTimeCode?.triesLeft, 1)
  t.equal(give('not-matched'), 'pin-tries-exceeded')
  t.equal(give('matched'), 'pin-unverifiable', 'right, but too late')
})

t.test('so many a day', async (t) => {
  const { home, ask } = opened()
  for (let sent = 0; sent < rule.perDayMax; sent++) t.equal(ask().result, 'approved')
  t.equal(ask().result, 'count-limit')
  t.equal(home.oneTimeCode?.sent, rule.perDayMax)
  const tomorrow = addDays(context(home).entitlementDate, 1)
  t.equal(ask({ entitlementDate: tomorrow }).result, 'approved')
})

t.test('the ladder: a finger, a PIN, a code, or an exception that is good today', async (t) => {
  const today = context(household()).entitlementDate
  const ladder = {
    code: 'ration',
    number: 4,
    verification: { accept: ['fingerprint', 'pin', 'otp', 'exception'], required: true },
  } as const
  const judge = (
    authentication: Partial<Authentication>,
    home: Household = household(),
    asked: Parameters<typeof checkVerification>[0] = ladder,
  ) => {
    const draft = new DecisionDraft({ ...context(home), authentication: { ...notAuthenticated, ...authentication } })
    return checkVerification(asked, request(), draft)?.result
  }
  t.equal(judge({}), 'pin-unverifiable')
  t.equal(judge({ fingerprint: 'matched' }), undefined)
  t.equal(judge({ pin: 'matched' }), undefined)
  t.equal(judge({ oneTimeCode: { factor: 64, verdict: 'matched' } }), undefined)
  const excepted = (programme: number, from = today, until = today) =>
    household({ exceptions: [{ id: 7, programme, from, until }] })
  t.equal(judge({}, excepted(0)), undefined, 'for all programmes')
  t.equal(judge({}, excepted(4)), undefined, 'for this one')
  t.equal(judge({}, excepted(5)), 'pin-unverifiable', 'for another one')
  t.equal(judge({}, excepted(0, addDays(today, 1), addDays(today, 9))), 'pin-unverifiable', 'not yet')
  t.equal(judge({}, excepted(0, addDays(today, -9), addDays(today, -1))), 'pin-unverifiable', 'no more')
  const cover = { code: 'health', number: 6, verification: { accept: ['fingerprint'], required: true } } as const
  t.equal(judge({ oneTimeCode: { factor: 64, verdict: 'matched' } }, excepted(0), cover), 'fingerprint-required')
  const lenient = { ...cover, verification: { accept: ['fingerprint', 'exception'], required: true } } as const
  t.equal(judge({}, excepted(0), lenient), undefined)
  t.equal(judge({}, household(), lenient), 'fingerprint-required')
})
