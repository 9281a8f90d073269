import { type AnswerFields, answerFields, verificationFields } from '../authorization/answer.ts'
import { applyTransfers } from '../authorization/apply.ts'
import { type Authentication, notAuthenticated } from '../authorization/authentication.ts'
import type { Decision } from '../authorization/decision.ts'
import type { Forward } from '../authorization/forward.ts'
import type { AccountHostPolicy, HostAsk, HostRequest } from '../authorization/host.ts'
import { hostRequestFields, hostReversal, hostStamps } from '../authorization/host-messages.ts'
import { debtRecovery } from '../authorization/overdraft.ts'
import { returnToHost } from '../authorization/remote.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import { isApproval, type Result } from '../authorization/result.ts'
import type { CivilDate, CivilMonth } from '../calendar.ts'
import { balanceOf, type Card, type Household, type Usage } from '../card/household.ts'
import { assert } from '../errors.ts'
import { maskPan } from '../identifiers.ts'
import { type AccountNumber, balancePeriodOf, isHouseholdAccount, moneyAccount } from '../ledger/accounts.ts'
import { transferKinds } from '../ledger/posting-rules.ts'
import type { Balance, HoldEvent, Transfer } from '../ledger/transfer.ts'
import type {
  AssertionRow,
  AuthorizationRow,
  Batch,
  ChangeRow,
  CommandDoneRow,
  CommandRow,
  ForwardRow,
  HoldEventRow,
  HoldRow,
  NotificationRow,
  TransferRow,
} from '../store/batch.ts'
import type { InboxCommand } from '../store/command-inbox.ts'
import type { OpenHostRequest } from '../store/host-requests.ts'
import { ID_STEP } from '../store/lane-journal.ts'
import type { HostCall } from './account-host.ts'
import type { LaneRules } from './lane-rules.ts'

/** Head of a batch: where it stands in its lane, and its dates. */
export interface BatchHead {
  readonly lane: number
  readonly epoch: number
  readonly seq: number
  readonly firstId: number
  readonly atMs: number
  readonly businessDate: CivilDate
  readonly entitlementDate: CivilDate
}

/** What a decision was made on. */
export interface Decided {
  readonly request: AuthorizationRequest
  readonly decision: Decision
  readonly card: Card | undefined
  readonly household: Household | undefined
  readonly outletId: number | undefined
  readonly responseCodes: Readonly<Record<Result, string>>
  readonly originalKey: string | undefined
  readonly authentication: Authentication
}

/** What the account host is asked for. */
export interface Asked {
  readonly request: AuthorizationRequest
  readonly card: Card
  readonly household: Household
}

/** What the journal says of a command, besides who asked and what came of it. */
export type CommandNote = Readonly<Record<string, string | number>>

/** Turns decisions into the rows of one commit. */
export class BatchBuilder {
  readonly head: BatchHead
  #nextId: number
  readonly #authorizations: AuthorizationRow[] = []
  readonly #commands: CommandRow[] = []
  readonly #transfers: TransferRow[] = []
  readonly #holds: HoldRow[] = []
  readonly #holdEvents: HoldEventRow[] = []
  readonly #touched = new Set<Household>()
  readonly #changedBalances = new Set<Balance>()
  readonly #openedBalances = new Set<Balance>()
  readonly #shared = new Map<AccountNumber, number>()
  readonly #usageOf = new Set<Household>()
  readonly #stopOldCards: number[] = []
  /** Cards with other counters, or another script that waits, than before. */
  readonly #countedCards = new Set<Card>()
  readonly #restatedCards = new Set<Card>()
  readonly #assertions: AssertionRow[] = []
  readonly #commandsDone: CommandDoneRow[] = []
  readonly #usages = new Map<Usage, Household>()
  readonly #notifications: NotificationRow[] = []
  readonly #closings = new Map<Household, CivilMonth>()
  readonly #changes: ChangeRow[] = []
  readonly #forwards: ForwardRow[] = []
  /** Households whose one-time code is another than before. */
  readonly #codes = new Set<Household>()

  constructor(head: BatchHead) {
    this.head = head
    this.#nextId = head.firstId
  }

  /** Id that the next decision will have. */
  get nextId(): number {
    return this.#nextId
  }

  get isEmpty(): boolean {
    return this.#nextId === this.head.firstId
  }

  /** Households whose copies in memory this batch changed. */
  get touched(): ReadonlySet<Household> {
    return this.#touched
  }

  /** Names a household whose copy in memory is about to change, so that it is kept once the batch is durable. */
  touch(household: Household): void {
    this.#touched.add(household)
  }

  /** Adds a decision; its household's memory has been changed already. @returns the answer's own fields */
  add(decided: Decided): AnswerFields {
    const { decision, household } = decided
    const id = this.#takeId()
    const answer = answerFields(decision, id, decided.responseCodes, decided.request.schemeRail)
    const repeats = decision.trace[0]?.[0]
    this.#addHost(id, decision, household)
    if (repeats === 'duplicate.same' || repeats === 'duplicate.other') {
      this.#addRepeat(id, decided, answer)
      return answer
    }
    const whole = withVerification(answer, decided)
    this.#authorizations.push(authorizationRow(id, decided, whole))
    this.#addTransfers(id, decision.transfers, household)
    if (household !== undefined) this.#addHouseholdChanges(id, decision, household)
    const { card } = decided
    if (card !== undefined && (decision.counters ?? decision.script) !== undefined) this.countCard(card)
    return whole
  }

  /** Names a card whose counters, or the script that waits for it, are changed in memory. */
  countCard(card: Card): void {
    this.#countedCards.add(card)
  }

  /** Names a card whose status is changed in memory. */
  restateCard(card: Card): void {
    this.#restatedCards.add(card)
  }

  /** Names a household whose one-time code is changed in memory. */
  changeCode(household: Household): void {
    this.#codes.add(household)
  }

  /** A change beyond the ledger for `apply_change` of the same commit; it must never hold a number in clear. */
  change(kind: string, payload: Readonly<Record<string, unknown>>): void {
    this.#changes.push({ kind, payload: JSON.stringify(payload) })
  }

  /** What a household is to be told, by a template and its figures. */
  notify(householdId: number, template: string, detail: Readonly<Record<string, unknown>>): void {
    this.#notifications.push({ householdId, template, detail: JSON.stringify(detail) })
  }

  /** Closes a month of a household: its balances are changed in memory here. */
  addClosing(household: Household, month: CivilMonth, transfers: readonly Transfer[], note: object): void {
    const id = this.post(transfers, household)
    this.#takeId()
    const detail = JSON.stringify(note)
    this.#commands.push({ id, kind: 'month-closed', householdId: household.id, authorizationId: undefined, detail })
    this.#closings.set(household, month)
  }

  /**
   * Transfers of a command, and what they recover of the household's debt, or give to the host of its account; its
   * balances are changed in memory here.
   * @param accountHost rules for accounts that the account host holds, for what may come into one
   * @param freedPiasters what holds of the account reserve less from now on
   * @returns the id that the command's own row of the journal will have
   */
  post(
    transfers: readonly Transfer[],
    household: Household,
    accountHost?: AccountHostPolicy,
    freedPiasters = 0,
  ): number {
    const id = this.#nextId
    const recovery = debtRecovery(household, transfers, 0)
    const all = recovery === undefined ? [...transfers] : [...transfers, recovery]
    const piasters = household.accountAt === 'host' ? freedPiasters + comingIn(transfers, household.id) : 0
    if (piasters > 0) {
      assert(accountHost !== undefined, 'what comes into an account at the host goes on to it')
      const back = returnToHost(accountHost, household.id, piasters, { id, nowMs: this.head.atMs })
      all.push(back.transfer)
      this.change('host-advice', { id, household: household.id, direction: 'credit', piasters, standIn: false })
      this.#addForward(id, back.forward)
    }
    applyTransfers(all, household)
    this.#addTransfers(id, all, household)
    return id
  }

  /**
   * Ends a command of the inbox; what it did is in memory already.
   * @param outcome for whoever asked, 500 characters at most
   * @param note what the journal says of it besides
   */
  addCommand(command: InboxCommand, household: Household | undefined, outcome: string, note: CommandNote): void {
    const id = this.#takeId()
    const { id: commandId, kind, cardId, requestedBy } = command
    const detail = JSON.stringify({ command: commandId, by: requestedBy, card: cardId, ...note, outcome })
    this.#commands.push({ id, kind, householdId: household?.id, authorizationId: undefined, detail })
    this.#commandsDone.push({ commandId, doneId: id, outcome })
  }

  /** What the account host is asked, made durable before it is sent; what it says decides the request later. */
  askHost(ask: HostAsk, asked: Asked, { policy }: LaneRules): HostCall {
    const { atMs } = this.head
    const id = this.#takeId()
    const { request, card, household } = asked
    const whole: HostRequest = { ...ask, stamps: hostStamps(id, atMs) }
    const { kind, piasters, stamps } = whole
    const { stan, transmission, rrn } = stamps
    const { transactionType: type, acquirer, terminal, acceptor, mcc } = request
    const householdId = household.id
    const detail = JSON.stringify({ kind, piasters, stan, transmission, rrn, for: request.stan, terminal })
    this.#commands.push({ id, kind: 'host-asked', householdId, authorizationId: undefined, detail })
    const place = { type, acquirer, terminal, acceptor, mcc }
    const named = { id, household: householdId, card: card.id, kind, piasters, stan, transmission, rrn }
    this.change('host-request', { ...named, ...place })
    const institution = policy.accountHost?.institution ?? ''
    return { request: whole, fields: hostRequestFields(request, whole, householdId, atMs, institution) }
  }

  /** Ends a request to the account host that nobody waits for: what it may have booked is taken back. */
  abandonHostRequest(policy: AccountHostPolicy, open: OpenHostRequest): void {
    const id = this.#takeId()
    const { householdId, cardId, kind, piasters, stan, transmission, rrn, transactionType, place } = open
    const stamps = { requestId: open.id, stan, transmission, rrn }
    const reversed = kind === 'debit'
    const detail = JSON.stringify({ request: open.id, piasters, reversed })
    this.#commands.push({ id, kind: 'host-abandoned', householdId, authorizationId: undefined, detail })
    this.change('host-ending', { id: open.id, by: id, outcome: 'abandoned', used: false, reversed, paid: 0, said: '' })
    if (!reversed) return
    const nowMs = this.head.atMs
    this.#addForward(id, hostReversal(policy, { stamps, piasters, transactionType, place, householdId, cardId, nowMs }))
  }

  /**
   * Ends a hold whose time is over; it is ended in memory already. What it gives free pays a debt first, or goes back to
   * the host of the account.
   */
  addExpiry(household: Household, expiry: HoldEvent, accountHost?: AccountHostPolicy): void {
    this.post([], household, accountHost, expiry.released)
    const id = this.#takeId()
    const { id: holdId } = expiry.hold
    this.#addHoldEvent(id, expiry, household)
    const detail = JSON.stringify({ hold: holdId, released: expiry.released })
    this.#commands.push({ id, kind: 'hold-expired', householdId: household.id, authorizationId: holdId, detail })
  }

  #addHoldEvent(byId: number, event: HoldEvent, household: Household): void {
    const { hold, captured, cashback, released, ending } = event
    this.#holdEvents.push({ id: hold.id, byId, captured, cashback, released, ending })
    this.#touchBalance(household, hold.debit, 0)
  }

  /** The finished batch. */
  build(): Batch {
    return {
      ...this.head,
      nextId: this.#nextId,
      authorizations: this.#authorizations,
      commands: this.#commands,
      transfers: this.#transfers,
      holds: this.#holds,
      holdEvents: this.#holdEvents,
      changedBalances: [...this.#changedBalances],
      openedBalances: [...this.#openedBalances],
      sharedBalances: this.#shared,
      cashUsages: [...this.#usageOf].flatMap((household) => {
        const usage = household.cashUsage
        if (usage === undefined) return []
        const { day, withdrawnPiasters: withdrawn, withdrawals } = usage
        return [{ householdId: household.id, day, withdrawn, withdrawals }]
      }),
      stopOldCards: this.#stopOldCards,
      cardCounters: Array.from(this.#countedCards, ({ id, counters, scriptPending }) => ({
        cardId: id,
        counters,
        scriptPending,
      })),
      assertions: this.#assertions,
      cardStatuses: Array.from(this.#restatedCards, ({ id, status }) => ({ cardId: id, status })),
      commandsDone: this.#commandsDone,
      usages: Array.from(this.#usages, ([usage, { id }]) => ({ householdId: id, ...usage })),
      notifications: this.#notifications,
      closings: Array.from(this.#closings, ([{ id }, month]) => ({ householdId: id, month })),
      changes: this.#changes,
      forwards: this.#forwards,
      codes: [...this.#codes].flatMap(({ id, oneTimeCode: code }) =>
        code === undefined ? [] : [{ householdId: id, code }],
      ),
    }
  }

  #takeId(): number {
    const id = this.#nextId
    this.#nextId += ID_STEP
    return id
  }

  #addRepeat(id: number, decided: Decided, answer: AnswerFields): void {
    const { request, decision } = decided
    const first = decision.trace[0]
    const kind = first?.[0] === 'duplicate.same' ? 'repeat' : 'key-reused'
    const detail = JSON.stringify({ mti: request.mti, repeat: request.repeat, link: request.link, answer })
    const authorizationId = Number(first?.[1])
    this.#commands.push({ id, kind, householdId: decided.household?.id, authorizationId, detail })
  }

  #addTransfers(groupId: number, transfers: readonly Transfer[], household: Household | undefined): void {
    let leg = 0
    for (const { kind, debit, credit, amount, period } of transfers) {
      this.#transfers.push({ groupId, leg, kind: transferKinds[kind], debit, credit, amount, period })
      this.#addSide(debit, -amount, period, household)
      this.#addSide(credit, amount, period, household)
      leg++
    }
  }

  #addSide(account: AccountNumber, amount: number, period: number, household: Household | undefined): void {
    if (household !== undefined && isHouseholdAccount(account))
      this.#touchBalance(household, account, balancePeriodOf(account, period))
    else this.#shared.set(account, (this.#shared.get(account) ?? 0) + amount)
  }

  #addHouseholdChanges(id: number, decision: Decision, household: Household): void {
    const { hold, holdEvent } = decision
    if (hold !== undefined) {
      this.#holds.push({ ...hold, householdId: household.id, kind: transferKinds[hold.kind] })
      this.#touchBalance(household, hold.debit, 0)
    }
    if (holdEvent !== undefined) this.#addHoldEvent(id, holdEvent, household)
    if (decision.cashUsage !== undefined) this.#usageOf.add(household)
    for (const { counter, period } of decision.usages) {
      const usage = household.usages.find((one) => one.counter === counter && one.period === period)
      if (usage !== undefined) this.#usages.set(usage, household)
    }
    const { usedAssertion, notice } = decision
    if (notice !== undefined) this.notify(household.id, notice.template, notice.detail)
    if (decision.stopOldRationCard) {
      this.#stopOldCards.push(household.id)
      this.notify(household.id, 'old-card-stopped', {})
    }
    if (decision.oneTimeCode !== undefined) this.changeCode(household)
    if (usedAssertion !== undefined) this.#assertions.push({ householdId: household.id, ...usedAssertion })
  }

  #addForward(authorizationId: number, { destination, kind, mti, cardId, fields }: Forward): void {
    this.#forwards.push({ authorizationId, destination, kind, mti, cardId, fields: JSON.stringify(fields) })
  }

  /** What a decision has to do with other institutions: of a repeat too. */
  #addHost(
    id: number,
    { forwards, hostEnding, hostAdvice, standIn }: Decision,
    household: Household | undefined,
  ): void {
    for (const forward of forwards) this.#addForward(id, forward)
    if (hostEnding !== undefined) {
      const { request, outcome, used, reversed, paidPiasters: paid, said } = hostEnding
      this.change('host-ending', { id: request.stamps.requestId, by: id, outcome, used, reversed, paid, said })
    }
    if (hostAdvice === undefined) return
    const isStandIn = standIn !== undefined
    this.change('host-advice', { id, household: household?.id, ...hostAdvice, standIn: isStandIn })
  }

  /** A period that only lapses is not in memory, and its balance stays as it is. */
  #touchBalance(household: Household, account: AccountNumber, period: number): void {
    const balance = balanceOf(household, account, period)
    if (balance === undefined) return
    if (balance.isNew) this.#openedBalances.add(balance)
    else this.#changedBalances.add(balance)
  }
}

function withVerification(answer: AnswerFields, { request, decision, authentication }: Decided): AnswerFields {
  if (authentication === notAuthenticated) return answer
  return { ...answer, ...verificationFields(decision, authentication, request.schemeRail) }
}

function authorizationRow(id: number, decided: Decided, answer: AnswerFields): AuthorizationRow {
  const { request, decision } = decided
  return {
    id,
    receivedAtMs: request.receivedAtMs,
    link: request.link,
    mti: request.mti,
    key: request.key,
    contentHash: request.contentHash,
    acquirer: request.acquirer,
    terminal: request.terminal,
    acceptor: request.acceptor,
    outletId: decided.outletId,
    stan: request.stan,
    transmission: request.transmission,
    rrn: request.rrn,
    networkReference: request.networkReference,
    panMasked: maskPan(request.pan),
    cardId: decided.card?.id,
    householdId: decided.household?.id,
    transactionType: request.transactionType,
    accountCode: request.fromAccount,
    mcc: request.mcc,
    amount: request.amountPiasters,
    approvedAmount: decision.approvedPiasters,
    result: decision.result,
    responseCode: answer[39] ?? '',
    originalId: decision.originalId,
    originalKey: decided.originalKey,
    answer: JSON.stringify(answer),
    trace: JSON.stringify(decision.trace),
    basket: basketText(decision),
  }
}

/**
 * Lines of a basket for the journal: what was asked and granted, or what a refund takes back; undefined without any, and
 * for what was refused. */
function basketText({ lines, returnedLines, result }: Decision): string | undefined {
  if (lines.length + returnedLines.length === 0 || !isApproval(result)) return undefined
  const rows = [...lines, ...returnedLines].map((row) => [
    row.line,
    row.product,
    row.counter ?? null,
    row.quantity,
    row.unitPricePiasters,
    row.granted,
    row.grantedPiasters,
    row.reason,
  ])
  return JSON.stringify(rows)
}

/** What transfers bring into the postal account of a household, less what they take. */
function comingIn(transfers: readonly Transfer[], householdId: number): number {
  const account = moneyAccount('postalAccount', householdId)
  return transfers.reduce(
    (sum, { debit, credit, amount }) => sum + (credit === account ? amount : 0) - (debit === account ? amount : 0),
    0,
  )
}
