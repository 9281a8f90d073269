import type { CivilDate } from '../calendar.ts'
import type { Household, OneTimeCode } from '../card/household.ts'
import { MINUTE_MS } from '../time-units.ts'
import type { Authentication } from './authentication.ts'
import type { Decision, DecisionDraft, DecisionPolicy, Notice } from './decision.ts'

/**
 * The code of a message against the one that was sent last: it is good once, for its time and for so many tries. A try
 * counts whatever becomes of the request.
 * @returns the decline, or undefined when there is no code or it is right
 */
export function checkOneTimeCode(
  { oneTimeCode: given }: Authentication,
  { oneTimeCode: sent }: Household,
  draft: DecisionDraft,
): Decision | undefined {
  if (given === undefined) return undefined
  // What it was compared with may have been used, or followed by another, in the same batch.
  if (sent === undefined || sent.factor !== given.factor || sent.expiresAtMs <= draft.context.nowMs) {
    return draft.decline('pin-unverifiable', 'code.none')
  }
  if (given.verdict === 'unverifiable') return draft.decline('pin-unverifiable', 'code.unverifiable')
  if (given.verdict === 'matched') {
    draft.setCode({ ...sent, expiresAtMs: 0 })
    draft.note('code.matched')
    return undefined
  }
  const triesLeft = sent.triesLeft - 1
  draft.setCode({ ...sent, triesLeft, expiresAtMs: triesLeft > 0 ? sent.expiresAtMs : 0 })
  return draft.decline(triesLeft > 0 ? 'wrong-pin' : 'pin-tries-exceeded', 'code.wrong', triesLeft)
}

/**
 * Has a one-time code sent to the head of household (DE48 OT `SEND`): for a terminal whose holder has to be verified.
 */
export function sendCode(household: Household, draft: DecisionDraft): Decision {
  const { id: factor, nowMs, entitlementDate, policy } = draft.context
  const { validMs, perDayMax } = policy.oneTimeCode
  const code = orderedCode(household, policy.oneTimeCode, { factor, nowMs, entitlementDate })
  if (code === undefined) return draft.decline('count-limit', 'code.limit', perDayMax)
  draft.setCode(code)
  draft.set({ notice: codeNotice(factor, validMs) })
  draft.note('code.sent', code.sent, perDayMax)
  return draft.approve(0)
}

/**
 * The next code of a household, in the place of the one before.
 * @returns undefined when it was sent as many as it may be on a day
 */
export function orderedCode(
  { oneTimeCode: before }: Household,
  { validMs, triesMax, perDayMax }: DecisionPolicy['oneTimeCode'],
  { factor, nowMs, entitlementDate: day }: { factor: number; nowMs: number; entitlementDate: CivilDate },
): OneTimeCode | undefined {
  const sent = before?.day === day ? before.sent : 0
  if (sent >= perDayMax) return undefined
  return { factor, expiresAtMs: nowMs + validMs, triesLeft: triesMax, day, sent: sent + 1 }
}

/** What the head of household is told with a code, which is made of its factor when the message goes. */
export function codeNotice(factor: number, validMs: number): Notice {
  const detail = { code: { factor }, minutes: Math.max(1, Math.floor(validMs / MINUTE_MS)) }
  return { template: 'one-time-code', detail }
}
