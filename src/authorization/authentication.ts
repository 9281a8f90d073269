import { afterAtc, type CardCounters, judgeAtc } from '../card/card-counters.ts'
import type { Card, CardScript, Household } from '../card/household.ts'
import type { Decision, DecisionDraft } from './decision.ts'
import { checkOneTimeCode } from './one-time-code.ts'
import type { AuthorizationRequest } from './request.ts'

/** Whether something was there, and what came of verifying it. */
export type Verified = 'absent' | 'matched' | 'not-matched' | 'unverifiable'

/** What the chip said beside its cryptogram. */
export interface ChipFacts {
  /** application transaction counter, 9F36 */
  readonly atc: number
  /** cryptogram information data, 9F27: what the card decided */
  readonly kind: 'request' | 'approved-offline' | 'declined-offline' | 'unknown'
  /** offline authentication of the card failed: SDA, DDA or CDA (tag 95, terminal verification results, byte 1) */
  readonly offlineAuthenticationFailed: boolean
  /** amount that the cryptogram covers, piasters; undefined when it is said to be in another currency */
  readonly amountPiasters: number | undefined
}

/** Single use number of a biometric assertion, and when it was signed. */
export interface AssertionFacts {
  /** 8 bytes as 16 hex digits */
  readonly nonce: string
  readonly signedAtMs: number
}

/** What came of a one-time code, and which one it was compared with: another may have been sent meanwhile. */
export interface CodeFacts {
  readonly factor: number
  readonly verdict: Exclude<Verified, 'absent'>
}

/**
 * What verifying a message gave, before the decision: facts about this message only. What they mean for a card with its
 * counters is for the decision to say, in order, so that two messages of one card cannot both use up the last PIN try.
 */
export interface Authentication {
  readonly pin: Verified
  readonly cardValue: Verified
  readonly cryptogram: Verified
  readonly chip: ChipFacts | undefined
  readonly fingerprint: 'absent' | 'matched' | 'not-matched' | 'forged' | 'out-of-time'
  readonly assertion: AssertionFacts | undefined
  /** Undefined without a code. */
  readonly oneTimeCode: CodeFacts | undefined
  /** hex of tag 91 for each outcome; absent without a right cryptogram */
  readonly answers: { readonly approved: string; readonly declined: string } | undefined
  /** hex of the issuer script template that waits for this card, made for this transaction; undefined without one */
  readonly script: string | undefined
}

/** A message that brings nothing to verify. */
export const notAuthenticated: Authentication = {
  pin: 'absent',
  cardValue: 'absent',
  cryptogram: 'absent',
  chip: undefined,
  fingerprint: 'absent',
  assertion: undefined,
  oneTimeCode: undefined,
  answers: undefined,
  script: undefined,
}

/** How long before and after its signing an assertion is good (interfaces.md, "Security"). */
export const ASSERTION_VALID_MS = 120_000

/**
 * The security checks of a request from a card that may be used: chip, stripe, PIN, fingerprint, in this order. What a
 * right cryptogram or a PIN try does to the card's counters holds whatever becomes of the request.
 * @returns the decline, or undefined when the decision may go on
 */
export function checkAuthentication(
  request: AuthorizationRequest,
  card: Card,
  household: Household,
  draft: DecisionDraft,
): Decision | undefined {
  const { authentication } = draft.context
  if (authentication === notAuthenticated) return checkRequired(request, draft)
  return (
    checkChip(request, authentication, card, draft) ??
    checkCardValue(authentication, draft) ??
    checkRequired(request, draft) ??
    checkPin(authentication, card, draft) ??
    checkOneTimeCode(authentication, household, draft) ??
    checkAssertion(authentication, household, draft)
  )
}

function checkChip(
  request: AuthorizationRequest,
  { cryptogram, chip }: Authentication,
  card: Card,
  draft: DecisionDraft,
): Decision | undefined {
  if (cryptogram === 'absent') return undefined
  if (cryptogram !== 'matched' || chip === undefined) {
    return draft.decline('card-authentication-failed', 'chip.cryptogram', cryptogram)
  }
  const counters = draft.counters ?? card.counters
  const verdict = judgeAtc(counters, chip.atc)
  if (verdict === 'seen' || verdict === 'too-old') {
    return draft.decline('card-authentication-failed', 'chip.replayed', chip.atc, counters.atc)
  }
  draft.count(afterAtc(counters, chip.atc))
  if (chip.offlineAuthenticationFailed) return draft.decline('card-authentication-failed', 'chip.offline-failed')
  const advice = request.messageClass.endsWith('advice')
  if (!advice && chip.kind !== 'request') return draft.decline('card-authentication-failed', 'chip.kind', chip.kind)
  const { amountPiasters } = chip
  if (!request.schemeRail && amountPiasters !== request.amountPiasters) {
    return amountPiasters === undefined
      ? draft.decline('card-authentication-failed', 'chip.currency', request.amountPiasters)
      : draft.decline('card-authentication-failed', 'chip.amount', amountPiasters, request.amountPiasters)
  }
  draft.note('chip.matched', chip.atc)
  if (!advice && card.scriptPending !== undefined) offerScript(draft.context.authentication, card.scriptPending, draft)
  return undefined
}

/**
 * A script goes out with an approval. On a decline, or when it could not be made, it waits for the next transaction.
 */
function offerScript({ script }: Authentication, pending: CardScript, draft: DecisionDraft): void {
  if (script === undefined) draft.note('chip.script-waits', pending)
  else draft.set({ script: pending })
}

function checkCardValue({ cardValue }: Authentication, draft: DecisionDraft): Decision | undefined {
  if (cardValue === 'absent') return undefined
  if (cardValue !== 'matched') return draft.decline('card-authentication-failed', 'stripe.value', cardValue)
  draft.note('stripe.matched')
  return undefined
}

/** What the configuration asks of a message beyond what it brings. */
function checkRequired(request: AuthorizationRequest, draft: DecisionDraft): Decision | undefined {
  const { authentication, policy } = draft.context
  if (request.messageClass.endsWith('advice')) return undefined
  if (request.chipRead && authentication.cryptogram === 'absent' && policy.chipDataRequired) {
    return draft.decline('card-authentication-failed', 'chip.absent')
  }
  if (authentication.pin === 'absent' && policy.pinRequired(request.transactionType)) {
    return draft.decline('pin-unverifiable', 'pin.absent', request.transactionType)
  }
  return undefined
}

function checkPin({ pin }: Authentication, card: Card, draft: DecisionDraft): Decision | undefined {
  if (pin === 'absent') return undefined
  const counters: CardCounters = draft.counters ?? card.counters
  const { pinTriesMax } = draft.context.policy
  if (counters.pinFailures >= pinTriesMax) {
    return draft.decline('pin-tries-exceeded', 'pin.exceeded', counters.pinFailures, pinTriesMax)
  }
  // A block that cannot be opened says nothing about the cardholder.
  if (pin === 'unverifiable') return draft.decline('pin-unverifiable', 'pin.unverifiable')
  if (pin === 'not-matched') {
    const pinFailures = counters.pinFailures + 1
    draft.count({ ...counters, pinFailures })
    const last = pinFailures >= pinTriesMax
    return draft.decline(last ? 'pin-tries-exceeded' : 'wrong-pin', 'pin.wrong', pinFailures, pinTriesMax)
  }
  if (counters.pinFailures > 0) draft.count({ ...counters, pinFailures: 0 })
  draft.note('pin.matched')
  return undefined
}

function checkAssertion(
  { fingerprint, assertion }: Authentication,
  household: Household,
  draft: DecisionDraft,
): Decision | undefined {
  if (fingerprint === 'absent') return undefined
  if (fingerprint === 'forged' || fingerprint === 'out-of-time' || assertion === undefined) {
    return draft.decline('security-violation', 'assertion.refused', fingerprint)
  }
  if (household.usedAssertions.some((used) => used.nonce === assertion.nonce)) {
    return draft.decline('security-violation', 'assertion.refused', 'used before')
  }
  draft.set({ usedAssertion: { nonce: assertion.nonce, usedAtMs: draft.context.nowMs } })
  draft.note('assertion.verified', fingerprint)
  return undefined
}
