import { balanceOf, type Card, type Household } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { type Balance, type Transfer, transfer } from '../ledger/transfer.ts'
import { applyDecision } from './apply.ts'
import { isInquiry } from './checks.ts'
import type { BalanceGroup, Decision, DecisionContext, StoredAuthorization } from './decision.ts'
import { POSTAL_ACCOUNT_TYPE, refused } from './decision.ts'
import type { Forward } from './forward.ts'
import type { AccountHostPolicy, HostAnswer, HostAsk, HostEnding, HostVerdict } from './host.ts'
import { hostAdvice, hostReversal } from './host-messages.ts'
import { postalAvailable, postalGroup } from './postal.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'
import { standIn } from './stand-in.ts'
import type { TraceEntry } from './trace.ts'

/** More than any message can ask for: whether the money is there, the account host says and not the ledger. */
const PLENTY_PIASTERS = 10_000_000_000_000

type DecideHere = (request: AuthorizationRequest, context: DecisionContext) => Decision

/** A context of a household whose account the host holds. */
interface Remote {
  readonly request: AuthorizationRequest
  readonly context: DecisionContext
  readonly household: Household
  readonly policy: AccountHostPolicy
}

/**
 * Decides a request for a household whose postal account is held at the Post's account host. Everything but the money
 * is decided as for any other, as if the account held plenty; then what the account would pay is asked for
 * (`askHost`), or, with the host's verdict, funded in the same group. So between transactions a remote account holds
 * what is held for open authorizations and nothing else: what a transaction gives back, or takes less than the host
 * paid, goes back to the host.
 */
export function decideAtHost(
  request: AuthorizationRequest,
  context: DecisionContext,
  decideHere: DecideHere,
): Decision {
  const { household, policy, host } = context
  if (household === undefined) return decideHere(request, context)
  const view = viewOf(household, host)
  const { original } = context
  const decision = decideHere(request, {
    ...context,
    household: view,
    original: original === undefined ? undefined : withoutHost(original),
  })
  const accountHost = policy.accountHost
  // What the view's money became tells what the account paid or was paid, whatever the rules posted or held.
  const taken = takenBy(decision, view, context.card) - postalAvailable(household)
  if (accountHost === undefined) return withoutPolicy(decision, taken)
  const remote: Remote = { request, context, household, policy: accountHost }
  const told = host?.answer.kind === 'approved' && host.answer.balancePiasters !== undefined
  const shown = told ? decision : withoutMoney(decision)
  if (isInquiry(request.transactionType)) return decideInquiry(shown, remote)
  return settle(shown, taken, remote)
}

/** A household as if its account held plenty, or what the host's answer lets it spend. */
function viewOf(household: Household, host: HostVerdict | undefined): Household {
  const account = moneyAccount('postalAccount', household.id)
  const held = balanceOf(household, account, 0)
  const { answer } = host ?? {}
  const money = answer?.kind === 'approved' ? answer.piasters + (answer.balancePiasters ?? 0) : PLENTY_PIASTERS
  const posted = (held?.posted ?? 0) + money
  const postal: Balance = { account, period: 0, posted, held: held?.held ?? 0 }
  return { ...household, balances: [postal, ...household.balances.filter((one) => one !== held)] }
}

/** How much less a household's account has after a decision: below zero when it has more. */
function takenBy(decision: Decision, view: Household, card: Card | undefined): number {
  if (decision.transfers.length === 0 && decision.hold === undefined && decision.holdEvent === undefined) return 0
  const after = structuredClone(view)
  applyDecision(decision, after, card === undefined ? undefined : after.cards.find(({ id }) => id === card.id))
  return postalAvailable(view) - postalAvailable(after)
}

/** An original as it would be without the money that came from the host or went back to it. */
function withoutHost(original: StoredAuthorization): StoredAuthorization {
  const isOwn = ({ kind }: Transfer) => kind !== 'hostFunding' && kind !== 'hostReturn'
  return { ...original, transfers: original.transfers.filter(isOwn), refunds: original.refunds.filter(isOwn) }
}

/** A remote account without rules for the host: nothing can be paid, and nothing given back. */
function withoutPolicy(decision: Decision, taken: number): Decision {
  if (taken !== 0) return refused(withoutMoney(decision), 'not-in-time', ['host.none'])
  return withoutMoney(decision)
}

/** Figures of an account that nobody knows, in what a decision says: rules took them from the view. */
const moneyNotes: readonly string[] = ['postal.balance', 'copay.postal', 'split.postal', 'split.posted']

function withoutMoney(decision: Decision): Decision {
  const { balances, trace, notice } = decision
  const isTold = ({ accountCode, amountType }: BalanceGroup) =>
    accountCode !== POSTAL_ACCOUNT_TYPE || amountType === '57'
  const detail = notice === undefined ? {} : { ...notice.detail, balance: undefined }
  return {
    ...decision,
    balances: balances.filter(isTold),
    trace: trace.map((entry) => (moneyNotes.includes(entry[0]) ? ['host.amount', entry[1] ?? 0] : entry)),
    notice: notice?.template === 'account-debited' ? { ...notice, detail } : notice,
  }
}

/** Balances: the wallets' are known here, the account's the host knows; without its answer it is left out. */
function decideInquiry(decision: Decision, remote: Remote): Decision {
  const { host, card } = remote.context
  if (!isApproval(decision.result) || decision.replay !== undefined || card?.kind === 'ration') {
    return ended(decision, false, remote)
  }
  if (host === undefined) return { ...refused(decision, 'not-in-time', ['host.asked', 0]), askHost: INQUIRY }
  const { answer } = host
  const note: TraceEntry =
    answer.kind === 'approved' ? ['host.balance', answer.balancePiasters ?? 0] : ['host.no-balance', answer.kind]
  return ended({ ...decision, trace: [...decision.trace, note] }, false, remote)
}

const INQUIRY: HostAsk = { kind: 'inquiry', piasters: 0 }

/** Funds what the account pays, or gives back what it was paid. */
function settle(decision: Decision, taken: number, remote: Remote): Decision {
  const { request, context } = remote
  if (taken <= 0) return finish(decision, { funding: 0, back: -taken }, remote)
  if (isForced(request)) {
    const noted = { ...decision, trace: [...decision.trace, ['host.advised', taken] as const] }
    return finish(noted, { funding: taken, back: 0, told: true }, remote)
  }
  const { host } = context
  if (host === undefined) {
    const askHost: HostAsk = { kind: 'debit', piasters: taken }
    return { ...refused(decision, 'not-in-time', ['host.asked', taken]), askHost }
  }
  const { answer } = host
  if (answer.kind === 'approved') {
    const { piasters, reference } = answer
    if (taken > piasters) return declined(decision, 'not-in-time', ['host.short', taken, piasters], remote)
    const noted = { ...decision, trace: [...decision.trace, ['host.approved', piasters, reference] as const] }
    return finish(noted, { funding: piasters, back: piasters - taken, used: true }, remote)
  }
  if (answer.kind !== 'declined') return byStandIn(decision, taken, answer, remote)
  const { code, result, balancePiasters } = answer
  const refusal = declined(decision, result, ['host.declined', code, taken], remote)
  return balancePiasters === undefined ? refusal : { ...refusal, balances: [postalGroup(balancePiasters)] }
}

/** Of what took place already nobody is asked: the host is told. */
function isForced({ messageClass }: AuthorizationRequest): boolean {
  return messageClass !== 'authorization' && messageClass !== 'financial'
}

function byStandIn(
  decision: Decision,
  taken: number,
  answer: HostAnswer & { kind: 'unanswered' | 'unreachable' },
  remote: Remote,
): Decision {
  const { request, context, household } = remote
  const { card } = context
  const silence: TraceEntry =
    answer.kind === 'unanswered' ? ['host.unanswered', taken] : ['host.unreachable', taken, answer.why]
  const noted = { ...decision, trace: [...decision.trace, silence] }
  if (card === undefined) return declined(noted, 'not-in-time', ['card.unknown'], remote)
  const outcome = standIn(request, decision, taken, card, household, context)
  if (!outcome.granted) return declined(noted, 'not-in-time', outcome.why, remote)
  const counted = outcome.usages.map((use): TraceEntry => ['usage.counted', use.counter, use.period, use.change])
  const granted: Decision = {
    ...noted,
    standIn: answer.kind === 'unanswered' ? STAND_IN_TIMEOUT : STAND_IN_UNAVAILABLE,
    usages: [...decision.usages, ...outcome.usages],
    trace: [...noted.trace, outcome.note, ...counted],
  }
  return finish(granted, { funding: taken, back: 0, told: true }, remote)
}

/**
 * DE44.1: who answered for the issuer (visa-base1.md, section 6): stand-in after a timeout, or while it was
 * unavailable.
 */
const STAND_IN_TIMEOUT = '1'
const STAND_IN_UNAVAILABLE = '4'

/** What comes from the host and goes to it in one group. */
interface HostMoney {
  readonly funding: number
  readonly back: number
  /** The host was not asked for the funding: it is told. */
  readonly told?: boolean
  /** The funding is what the host paid when it was asked. */
  readonly used?: boolean
}

/** Completes a decision: funding first, then what was decided, then what goes back. */
function finish(decision: Decision, { funding, back, told, used }: HostMoney, remote: Remote): Decision {
  const { household } = remote
  const account = moneyAccount('postalAccount', household.id)
  const due = moneyAccount('accountHostDue', 0)
  const transfers = [...decision.transfers]
  if (funding > 0) transfers.unshift(transfer('hostFunding', due, account, funding))
  if (back > 0) transfers.push(transfer('hostReturn', account, due, back))
  const trace = back > 0 ? [...decision.trace, ['host.returned', back] as const] : decision.trace
  const whole = { ...decision, transfers, trace }
  if (back === 0 && told !== true) return ended(whole, used === true, remote)
  const direction = back > 0 ? 'credit' : 'debit'
  const hostAdvice = { direction, piasters: back > 0 ? back : funding } as const
  const forwards = [...decision.forwards, advice(hostAdvice, decision.standIn, remote)]
  return ended({ ...whole, hostAdvice, forwards }, used === true, remote)
}

function advice(what: NonNullable<Decision['hostAdvice']>, standInCode: string | undefined, remote: Remote): Forward {
  const { request, context, household, policy } = remote
  const { id, nowMs, card } = context
  const of = { householdId: household.id, cardId: card?.id, id, nowMs, request }
  return hostAdvice(policy, { ...what, ...of, ...(standInCode === undefined ? {} : { standIn: standInCode }) })
}

function declined(decision: Decision, result: Decision['result'], why: TraceEntry, remote: Remote): Decision {
  return ended({ ...refused(decision, result, why), balances: [] }, false, remote)
}

/**
 * Ends the request that was sent to the host, in the same commit. What it booked, or may have booked, for nothing is
 * taken back by a reversal; that goes before any advice, so that the host sees them in their order.
 */
function ended(decision: Decision, used: boolean, remote: Remote): Decision {
  const { request, context, household, policy } = remote
  const { answer, request: sent } = context.host ?? {}
  if (answer === undefined || sent === undefined) return decision
  const mayBeBooked = (answer.kind === 'approved' && !used) || answer.kind === 'unanswered'
  const reversed = sent.kind === 'debit' && mayBeBooked
  const said = answer.kind === 'approved' ? answer.reference : answer.kind === 'declined' ? answer.code : ''
  const paidPiasters = answer.kind === 'approved' ? answer.piasters : 0
  const hostEnding: HostEnding = { request: sent, outcome: answer.kind, used, reversed, paidPiasters, said }
  if (!reversed) return { ...decision, hostEnding }
  const reversal = hostReversal(policy, {
    stamps: sent.stamps,
    piasters: sent.piasters,
    transactionType: request.transactionType,
    place: request,
    householdId: household.id,
    cardId: context.card?.id,
    nowMs: context.nowMs,
  })
  return { ...decision, hostEnding, forwards: [reversal, ...decision.forwards] }
}

/** Money of a remote account that no message moves (a hold that expired, a benefit): it goes to the host at once. */
export function returnToHost(
  policy: AccountHostPolicy,
  householdId: number,
  piasters: number,
  { id, nowMs }: { readonly id: number; readonly nowMs: number },
): { readonly transfer: Transfer; readonly forward: Forward } {
  const account = moneyAccount('postalAccount', householdId)
  const due = moneyAccount('accountHostDue', 0)
  return {
    transfer: transfer('hostReturn', account, due, piasters),
    forward: hostAdvice(policy, { direction: 'credit', piasters, householdId, cardId: undefined, id, nowMs }),
  }
}
