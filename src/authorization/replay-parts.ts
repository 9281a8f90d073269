import type { Card, CardKind } from '../card/household.ts'
import type { DecisionPolicy } from './decision.ts'
import { type AuthorizationRequest, unsaid } from './request.ts'

/** Money is not what is tried out: there is always enough. */
export const PLENTY_PIASTERS = 1_000_000_000_000

/** What the journal does not keep of a message and no wallet's decision depends on. */
export const blankRequest = {
  ...unsaid,
  link: 'replay',
  schemeRail: false,
  pan: '',
  panIndex: '',
  toAccount: '00',
  stan: '',
  transmission: '',
  rrn: '',
  acquirer: '',
  key: '',
  contentHash: '',
} as const satisfies Partial<AuthorizationRequest>

/** A card in order. */
export function replayCard(kind: CardKind): Card {
  return {
    id: 0,
    kind,
    panIndex: '',
    expiry: '9912',
    status: 'active',
    sequenceNumber: '01',
    serviceCode: '201',
    pinReference: undefined,
    counters: { pinFailures: 0, atc: 0, atcSeen: 0 },
    scriptPending: undefined,
  }
}

/** Limits of money that nothing reaches. */
export function replayPolicy(serviceLiveFrom: DecisionPolicy['serviceLiveFrom']): DecisionPolicy {
  return {
    withdrawalDailyPiasters: PLENTY_PIASTERS,
    withdrawalDailyCount: PLENTY_PIASTERS,
    purchaseSinglePiasters: PLENTY_PIASTERS,
    holdDays: 1,
    oneTimeCode: { validMs: 0, triesMax: 1, perDayMax: 0 },
    pinTriesMax: 1,
    chipDataRequired: false,
    pinRequired: () => false,
    serviceLiveFrom,
  }
}
