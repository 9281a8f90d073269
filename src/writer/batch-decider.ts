import type { AnswerFields } from '../authorization/answer.ts'
import { applyHoldExpiry } from '../authorization/apply.ts'
import { notAuthenticated } from '../authorization/authentication.ts'
import { earlyKeysOf } from '../authorization/early-keys.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import type { OpenHostRequest } from '../store/host-requests.ts'
import type { HostCall } from './account-host.ts'
import type { BatchBuilder } from './batch-builder.ts'
import type { Chore } from './chores.ts'
import { addDecided, decideNext } from './decide-request.ts'
import { carryOut } from './handlers/carry-out.ts'
import type { HostDesk } from './host-desk.ts'
import { abandonHostRequest, askHost } from './host-rows.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { LaneRules } from './lane-rules.ts'
import type { Lookups } from './lookups.ts'
import { closeMonths } from './month-closing.ts'
import { decidePresented, isToDecide } from './presentment.ts'
import { isReversal, type Portion, type Work } from './work.ts'

/** How a request is to be answered once its batch is durable. */
export interface Answer {
  readonly result: Result
  readonly fields: AnswerFields
  /** What the account host is asked first, once this is durable: there is no answer yet. */
  readonly call?: HostCall
  /** Approved in the account host's place. */
  readonly standInPiasters?: number
}

/** What is decided by, beside what was looked up. */
export interface DecideBy {
  readonly builder: BatchBuilder
  readonly cache: HouseholdCache
  readonly rules: LaneRules
  /** Requests at the account host; undefined where there is none. */
  readonly desk: HostDesk | undefined
}

/**
 * Decides a portion in order, chores first: each decision changes its household in memory at once, so the next one sees
 * it. Throws only on a defect; the caller then forgets the cache's copies.
 * @returns an answer for each request
 */
export function decideBatch({ works, chores }: Portion, lookups: Lookups, by: DecideBy): Answer[] {
  const { builder, cache, rules } = by
  const programmes = rules.programmesOn(builder.head.entitlementDate)
  for (const chore of chores) {
    if (chore.kind === 'command' && isToDecide(chore)) decidePresented(chore, lookups, by, programmes)
    else if (chore.kind === 'command') carryOut(chore, builder, cache, rules)
    else if (chore.kind === 'expire-hold') expireHold(chore, by)
    else if (chore.kind === 'abandon-host-request') abandonAtHost(chore.request, by)
    else closeMonths(cache.getHousehold(chore.householdKey ?? ''), lookups.past, builder, rules)
  }
  return works.map((work) => decideOne(work, lookups, by, programmes))
}

function decideOne(work: Work, lookups: Lookups, by: DecideBy, programmes: ProgrammeBook): Answer {
  const { request, responseCodes } = work
  const { builder, cache, rules, desk } = by
  const found = cache.get(request.panIndex)
  if (lookups.past.size > 0) closeMonths(found?.household, lookups.past, builder, rules)
  const original = lookups.originals.get(work)
  const known = {
    previous: lookups.previous.get(request.key),
    reversedEarly: isReversedEarly(request, lookups),
    original,
    authentication: lookups.authentications.get(work) ?? notAuthenticated,
    host: work.host ?? (found?.household.accountAt === 'host' ? desk?.refusal() : undefined),
  }
  const deciding = decideNext(request, found, known, { builder, rules, programmes })
  const { decision } = deciding
  const { result } = decision
  if (decision.askHost !== undefined && found !== undefined) {
    const call = askHost(builder, decision.askHost, { request, card: found.card, household: found.household }, rules)
    return { result, fields: { 39: responseCodes[result] }, call }
  }
  // A reversal without its original is remembered by what it names: the original, if it comes, is refused.
  const orphan = isReversal(request) && original === undefined
  const originalKey = orphan ? (request.originalKey ?? earlyKeysOf(request)[0]) : undefined
  const { fields } = addDecided(deciding, builder, responseCodes, originalKey)
  if (decision.standIn === undefined) return { result, fields }
  return { result, fields, standInPiasters: decision.hostAdvice?.piasters ?? 0 }
}

function isReversedEarly(request: AuthorizationRequest, { reversedEarly }: Lookups): boolean {
  if (reversedEarly.size === 0) return false
  return reversedEarly.has(request.key) || earlyKeysOf(request).some((key) => reversedEarly.has(key))
}

function expireHold(
  { householdKey, holdId }: Chore & { kind: 'expire-hold' },
  { builder, cache, rules }: DecideBy,
): void {
  const household = householdKey === undefined ? undefined : cache.getHousehold(householdKey)
  const hold = household?.holds.find((open) => open.id === holdId)
  if (household === undefined || hold === undefined || hold.expiresAtMs > builder.head.atMs) return
  const { accountHost } = rules.policy
  // What a remote account held goes back to its host; without rules for that it stays as it is.
  if (household.accountAt === 'host' && accountHost === undefined) return
  builder.touch(household)
  builder.addExpiry(household, applyHoldExpiry(household, hold), accountHost)
}

/** Whoever asked is gone: what the host may have booked is taken back there. */
function abandonAtHost(request: OpenHostRequest, { builder, rules, desk }: DecideBy): void {
  const { accountHost } = rules.policy
  if (accountHost !== undefined && desk?.owns(request.id) !== true) abandonHostRequest(builder, accountHost, request)
}
