import { type AnswerFields, answerFields } from '../authorization/answer.ts'
import { applyTransfers } from '../authorization/apply.ts'
import type { Decision } from '../authorization/decision.ts'
import type { Forward } from '../authorization/forward.ts'
import type { AccountHostPolicy } from '../authorization/host.ts'
import { debtRecovery } from '../authorization/overdraft.ts'
import { returnToHost } from '../authorization/remote.ts'
import { addDays, type CivilDate, type CivilMonth, formatDate } from '../calendar.ts'
import { balanceOf, type Card, type Household, type Usage } from '../card/household.ts'
import { assert } from '../errors.ts'
import { ID_STEP } from '../identifiers.ts'
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
import { authorizationRow, type Decided, withVerification } from './authorization-row.ts'

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
  #openDate: CivilDate | undefined

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
    const answer = answerFields(decision, id, decided.responseCodes, decided.request)
    const repeats = decision.trace[0]?.[0]
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

  /**
   * Closes a business day of the lane, and those before it: the batches after this one are of the next day at the
   * earliest.
   */
  closeDay(date: CivilDate): void {
    const next = addDays(date, 1)
    if (this.#openDate === undefined || next > this.#openDate) this.#openDate = next
    this.change('day-closed', { date: formatDate(date) })
  }

  /** What a household is to be told, by a template and its figures. */
  notify(householdId: number, template: string, detail: Readonly<Record<string, unknown>>): void {
    this.#notifications.push({ householdId, template, detail: JSON.stringify(detail) })
  }

  /** Closes a month of a household: its balances are changed in memory here. */
  addClosing(household: Household, month: CivilMonth, transfers: readonly Transfer[], note: object): void {
    this.post(transfers, household)
    this.note('month-closed', household.id, undefined, note)
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
      this.forward(id, back.forward)
    }
    applyTransfers(all, household)
    this.#addTransfers(id, all, household)
    return id
  }

  /** Transfers of a command between accounts that are no household's. */
  postShared(transfers: readonly Transfer[]): void {
    this.#addTransfers(this.#nextId, transfers, undefined)
  }

  /**
   * A row of the journal for what is no authorization.
   * @returns its id
   */
  note(kind: string, householdId: number | undefined, authorizationId: number | undefined, detail: object): number {
    const id = this.#takeId()
    this.#commands.push({ id, kind, householdId, authorizationId, detail: JSON.stringify(detail) })
    return id
  }

  /** A message of our own that goes out after the commit. */
  forward(authorizationId: number, { destination, kind, mti, cardId, fields }: Forward): void {
    this.#forwards.push({ authorizationId, destination, kind, mti, cardId, fields: JSON.stringify(fields) })
  }

  /**
   * Ends a command of the inbox; what it did is in memory already.
   * @param outcome for whoever asked, 500 characters at most
   * @param note what the journal says of it besides
   */
  addCommand(command: InboxCommand, household: Household | undefined, outcome: string, note: CommandNote): void {
    const { id: commandId, kind, cardId, requestedBy } = command
    const detail = { command: commandId, by: requestedBy, card: cardId, ...note, outcome }
    const id = this.note(kind, household?.id, undefined, detail)
    this.#commandsDone.push({ commandId, doneId: id, outcome })
  }

  /**
   * Ends a hold whose time is over; it is ended in memory already. What it gives free pays a debt first, or goes back
   * to the host of the account.
   */
  addExpiry(household: Household, expiry: HoldEvent, accountHost?: AccountHostPolicy): void {
    this.post([], household, accountHost, expiry.released)
    const { id: holdId } = expiry.hold
    const detail = { hold: holdId, released: expiry.released }
    this.#addHoldEvent(this.note('hold-expired', household.id, holdId, detail), expiry, household)
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
      ...(this.#openDate === undefined ? {} : { openDate: this.#openDate }),
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

  /** A period that only lapses is not in memory, and its balance stays as it is. */
  #touchBalance(household: Household, account: AccountNumber, period: number): void {
    const balance = balanceOf(household, account, period)
    if (balance === undefined) return
    if (balance.isNew) this.#openedBalances.add(balance)
    else this.#changedBalances.add(balance)
  }
}

/** What transfers bring into the postal account of a household, less what they take. */
function comingIn(transfers: readonly Transfer[], householdId: number): number {
  const account = moneyAccount('postalAccount', householdId)
  return transfers.reduce(
    (sum, { debit, credit, amount }) => sum + (credit === account ? amount : 0) - (debit === account ? amount : 0),
    0,
  )
}
