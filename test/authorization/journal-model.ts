import { type AnswerFields, answerFields } from '../../src/authorization/answer.ts'
import { applyDecision, applyHoldExpiry, applyTransfers } from '../../src/authorization/apply.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { DecidedLine, Decision, StoredAuthorization, StoredLine } from '../../src/authorization/decision.ts'
import { earlyKeysOf } from '../../src/authorization/early-keys.ts'
import { debtRecovery } from '../../src/authorization/overdraft.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { responseCodes } from '../../src/authorization/result.ts'
import { lineValue } from '../../src/benefit/basket.ts'
import { periodKindOf } from '../../src/benefit/entitlement.ts'
import type { ProgrammeCatalogue } from '../../src/benefit/programme-book.ts'
import { type CivilDate, civilDate, monthOf } from '../../src/calendar.ts'
import type { Card, Household, Usage } from '../../src/card/household.ts'
import { type AccountNumber, balancePeriodOf, isDebtAccount, isHouseholdAccount } from '../../src/ledger/accounts.ts'
import { type HoldEvent, holdAfter, type OpenHold, type Transfer } from '../../src/ledger/transfer.ts'
import { authenticationOf, catalogue, outletByAcceptor, policy } from './world.ts'

/** A row of the model's journal. */
export interface Entry {
  readonly id: number
  readonly request: AuthorizationRequest
  readonly decision: Decision
  readonly household: Household | undefined
  readonly card: Card | undefined
  /** Whether the old ration card was good before it. */
  readonly wasActive: boolean
  readonly answer: AnswerFields
  readonly entitlementDate: CivilDate
  readonly original: StoredAuthorization | undefined
}

interface BalanceRow {
  readonly account: AccountNumber
  readonly period: number
  posted: number
  held: number
}

const codes = responseCodes('iso87-ascii')

/**
 * The store and the writer in a few lines: what a repeat, reversal, refund or completion finds in the journal, what of
 * a household is in memory (this month's balances and the money), and which balances a commit writes.
 */
export class JournalModel {
  readonly entries: Entry[] = []
  /** Transfers in order, with the entry that posted them. */
  readonly transfers: { readonly entry: Entry | undefined; readonly row: Transfer }[] = []
  readonly endings = new Map<number, HoldEvent['ending']>()
  /** Every hold with what is open of it; undefined once it has ended. */
  readonly holds = new Map<number, { made: OpenHold; hold: OpenHold | undefined; householdId: number }>()
  /** Balance rows as commits wrote them, by account and period. */
  readonly balances = new Map<string, BalanceRow>()
  /** What was used of caps, by household, counter and period. */
  readonly usages = new Map<string, Usage & { readonly householdId: number }>()
  /** Households whose old ration card is stopped. */
  readonly #stopped = new Set<number>()
  readonly #catalogue: ProgrammeCatalogue
  readonly #cashUsage = new Map<string, { withdrawnPiasters: number; withdrawals: number }>()
  readonly #cached = new Map<number, { household: Household; month: number }>()
  readonly #base = new Map<string, Household>()
  readonly #byKey = new Map<string, Entry>()
  readonly #orphans = new Set<string>()
  #nextId = 64

  /** @param households by the PAN indexes of their cards, with their opening balances */
  constructor(households: ReadonlyMap<string, Household>, programmes: ProgrammeCatalogue = catalogue) {
    this.#catalogue = programmes
    for (const [panIndex, household] of households) {
      this.#base.set(panIndex, household)
      for (const row of household.balances) this.balances.set(`${row.account}:${row.period}`, { ...row })
    }
  }

  /** Decides and commits one request. @returns what a repeat of it would have to get, and the decision */
  submit(request: AuthorizationRequest, nowMs: number): Entry {
    const entitlementDate = civilDate(nowMs)
    const household = this.#load(request.panIndex, entitlementDate)
    const card = household?.cards.find(({ panIndex }) => panIndex === request.panIndex)
    const original = this.#findOriginal(request, household)
    const id = this.#nextId
    this.#nextId += 64
    const context = {
      id,
      nowMs,
      entitlementDate,
      programmes: this.#catalogue.on(entitlementDate),
      policy,
      card,
      household,
      outlet: outletByAcceptor(request.acceptor),
      previous: this.#stored(this.#byKey.get(request.key)),
      reversedEarly: [request.key, ...earlyKeysOf(request)].some((key) => this.#orphans.has(key)),
      original,
      authentication: authenticationOf(request),
    }
    const before = JSON.stringify(household)
    const decision = decide(request, context)
    if (JSON.stringify(household) !== before) throw new Error('deciding changed the household')
    if (JSON.stringify(decide(request, context)) !== JSON.stringify(decision)) throw new Error('deciding is not pure')
    const answer = answerFields(decision, id, codes, request)
    const wasActive = household?.oldRationCard === 'active'
    const entry: Entry = { id, request, decision, household, card, wasActive, answer, entitlementDate, original }
    if (household !== undefined) applyDecision(decision, household, card)
    if (context.previous !== undefined) return entry
    this.#commit(entry)
    return entry
  }

  /** Ends the holds whose time is over, as the writer's sweep does. @returns how many */
  expireHolds(nowMs: number): number {
    let ended = 0
    for (const { hold, householdId } of this.holds.values()) {
      if (hold === undefined || hold.expiresAtMs > nowMs) continue
      const panIndex = [...this.#base].find(([, household]) => household.id === householdId)?.[0]
      const household = panIndex === undefined ? undefined : this.#load(panIndex, civilDate(nowMs))
      const open = household?.holds.find((one) => one.id === hold.id)
      if (household === undefined || open === undefined) throw new Error('an open hold is not with its household')
      this.#changeHold(applyHoldExpiry(household, open))
      const recovery = debtRecovery(household, [], 0)
      const rows = recovery === undefined ? [] : [recovery]
      applyTransfers(rows, household)
      for (const row of rows) this.transfers.push({ entry: undefined, row })
      this.#writeBalances(household, [[hold.debit, 0], ...rows.map((row) => [row.credit, 0] as const)])
      ended++
    }
    return ended
  }

  /** Drops every household from memory, as eviction, a failure or a restart does. */
  evict(): void {
    this.#cached.clear()
  }

  #load(panIndex: string, date: CivilDate): Household | undefined {
    const base = this.#base.get(panIndex)
    if (base === undefined) return undefined
    const cached = this.#cached.get(base.id)
    const month = monthOf(date)
    if (cached?.month === month) return cached.household
    const inMemory = ({ period }: BalanceRow) =>
      period === 0 || period === month || Math.floor(period / 100) === month || periodKindOf(period) === 'span'
    const owned = [...this.balances.values()].filter((row) => row.account % 100_000_000_000 === base.id)
    const usage = this.#cashUsage.get(`${base.id}:${date}`)
    const household: Household = {
      ...base,
      oldRationCard: this.#stopped.has(base.id) ? 'stopped' : base.oldRationCard,
      balances: owned.filter((row) => isHouseholdAccount(row.account) && inMemory(row)).map((row) => ({ ...row })),
      holds: [...this.holds.values()].filter((one) => one.householdId === base.id).flatMap((one) => one.hold ?? []),
      cashUsage: usage === undefined ? undefined : { day: date, ...usage },
      usages: [...this.usages.values()]
        .filter(({ householdId, period }) => householdId === base.id && isCurrent(period, date))
        .map(({ counter, period, used }) => ({ counter, period, used })),
    }
    this.#cached.set(base.id, { household, month })
    return household
  }

  #commit(entry: Entry): void {
    const { request, decision, household, id } = entry
    this.entries.push(entry)
    this.#byKey.set(request.key, entry)
    const isReversal = request.mti.startsWith('04')
    const named = request.originalKey ?? earlyKeysOf(request)[0]
    if (isReversal && entry.original === undefined && named !== undefined) this.#orphans.add(named)
    for (const row of decision.transfers) this.transfers.push({ entry, row })
    if (household === undefined) return
    const { hold, holdEvent, cashUsage } = decision
    if (decision.stopOldRationCard) this.#stopped.add(household.id)
    if (hold !== undefined) this.holds.set(id, { made: hold, hold, householdId: household.id })
    if (holdEvent !== undefined) this.#changeHold(holdEvent)
    const touched: [AccountNumber, number][] = decision.transfers.flatMap((row) => [
      [row.debit, balancePeriodOf(row.debit, row.period)],
      [row.credit, balancePeriodOf(row.credit, row.period)],
    ])
    for (const changed of [hold, holdEvent?.hold]) if (changed !== undefined) touched.push([changed.debit, 0])
    this.#writeBalances(household, touched)
    for (const { counter, period } of decision.usages) {
      const usage = household.usages.find((one) => one.counter === counter && one.period === period)
      if (usage === undefined || usage.used < 0) throw new Error('what was counted is not in memory')
      this.usages.set(`${household.id}:${counter}:${period}`, { ...usage, householdId: household.id })
    }
    if (cashUsage !== undefined && household.cashUsage !== undefined) {
      const { day, withdrawnPiasters, withdrawals } = household.cashUsage
      if (withdrawnPiasters < 0 || withdrawals < 0) throw new Error('cash usage below zero')
      this.#cashUsage.set(`${household.id}:${day}`, { withdrawnPiasters, withdrawals })
    }
  }

  #changeHold(event: HoldEvent): void {
    const kept = this.holds.get(event.hold.id)
    if (kept?.hold === undefined) throw new Error('a hold ended twice')
    kept.hold = holdAfter(event)
    if (event.ending !== undefined) this.endings.set(event.hold.id, event.ending)
  }

  #writeBalances(household: Household, touched: readonly (readonly [AccountNumber, number])[]): void {
    for (const [account, period] of touched) {
      const row = household.balances.find((one) => one.account === account && one.period === period)
      if (row === undefined || !isHouseholdAccount(account)) continue
      const owes = isDebtAccount(account)
      if (owes ? row.posted > 0 : row.held < 0 || row.posted - row.held < 0) {
        throw new Error('a household balance below zero, or a debt above')
      }
      this.balances.set(`${account}:${period}`, { ...row })
    }
  }

  #findOriginal(request: AuthorizationRequest, household: Household | undefined): StoredAuthorization | undefined {
    const named = request.mti.startsWith('04') || request.original !== undefined || request.transactionType === '20'
    if (!named && request.messageClass !== 'financial-advice') return undefined
    const { originalKey } = request
    const byKey = originalKey === undefined ? undefined : this.#byKey.get(originalKey)
    if (byKey !== undefined) return this.#stored(byKey)
    const own = this.entries.filter(
      (entry) =>
        entry.household !== undefined &&
        entry.household.id === household?.id &&
        entry.request.panIndex === request.panIndex &&
        !entry.request.mti.startsWith('04') &&
        entry.request.transactionType !== '20',
    )
    const { networkReference, rrn, acceptor } = request
    const isMeant = (entry: Entry) => isMeantBy(request, entry)
    const byReference = own.filter((entry) => entry.request.networkReference === networkReference)
    if (networkReference !== '' && byReference.length > 0) {
      return this.#stored(byReference.findLast(isMeant) ?? byReference.at(-1))
    }
    if (originalKey !== undefined || rrn === '') return undefined
    const byRrn = own.filter((entry) => entry.request.rrn === rrn && entry.request.acceptor === acceptor)
    return this.#stored(byRrn.findLast(isMeant) ?? byRrn.at(-1))
  }

  /** What was posted for a hold. */
  #takenFor(id: number): Entry[] {
    return this.entries.filter(
      ({ request, decision }) =>
        decision.originalId === id &&
        request.mti.startsWith('02') &&
        request.transactionType !== '20' &&
        decision.approvedPiasters > 0,
    )
  }

  #returnedOf(id: number): Transfer[] {
    const later = this.entries.filter((one) => one.decision.originalId === id && one.decision.result === 'approved')
    const isStanding = (one: Entry) =>
      one.request.mti.startsWith('04') ||
      (one.request.transactionType === '20' && !this.entries.some((undo) => isApprovedReversalOf(undo, one.id)))
    return later.filter(isStanding).flatMap(moneyBack)
  }

  #captureOf({ request, decision, id }: Entry): StoredAuthorization['capture'] {
    const held = this.entries.find((one) => one.id === decision.originalId)
    if (held?.request.mti.startsWith('01') !== true || !request.mti.startsWith('02')) return undefined
    if (request.transactionType === '20') return undefined
    const back = this.entries.filter(
      (one) => one.id > id && isApprovedReversalOf(one, held.id) && moneyBack(one).length > 0,
    )
    const isFull = back.some(({ decision: { trace } }) => trace.some(([code]) => code === 'reversal.full'))
    const reversedWithHold = back.length === 0 ? undefined : isFull ? 'all' : 'part'
    return { heldOn: held.entitlementDate, reversedWithHold }
  }

  #stored(entry: Entry | undefined): StoredAuthorization | undefined {
    if (entry === undefined) return undefined
    const { id, request, decision, household } = entry
    const later = this.entries.filter((one) => one.decision.originalId === id && one.decision.result === 'approved')
    const reversals = later.filter((one) => one.request.mti.startsWith('04'))
    const refunds = later.filter((one) => one.request.transactionType === '20' && !one.request.mti.startsWith('04'))
    const standing = refunds.filter((one) => !this.entries.some((undo) => isApprovedReversalOf(undo, one.id)))
    const sum = (entries: readonly Entry[]) => entries.reduce((total, one) => total + one.decision.approvedPiasters, 0)
    return {
      id,
      contentHash: request.contentHash,
      mti: request.mti,
      transactionType: request.transactionType,
      result: decision.result,
      householdId: household?.id,
      cardId: entry.card?.id,
      acceptor: request.acceptor,
      amountPiasters: request.amountPiasters,
      approvedPiasters: decision.approvedPiasters,
      answer: entry.answer,
      transfers: decision.transfers,
      hold: this.holds.get(id)?.made,
      holdEnding: this.endings.get(id),
      captures: (this.holds.has(id) ? this.#takenFor(id) : []).map((one) => ({
        id: one.id,
        transfers: one.decision.transfers,
        returned: this.#returnedOf(one.id),
      })),
      returned: this.holds.has(id) ? this.#returnedOf(id) : [],
      capture: this.#captureOf(entry),
      reversedPiasters: reversals.length === 0 ? undefined : sum(reversals),
      refundedPiasters: sum(standing),
      refunds: standing.flatMap((one) => one.decision.transfers),
      lines: decision.lines.map((line) => ({ ...line, returned: returnedOf(line.line, standing) })),
      usages: decision.usages,
      entitlementDate: entry.entitlementDate,
    }
  }
}

/** Of several with one reference a completion means the hold, a reversal the one of its amount. */
function isMeantBy(
  { mti, transactionType, amountPiasters }: AuthorizationRequest,
  { request, decision }: Entry,
): boolean {
  if (mti.startsWith('04')) {
    return amountPiasters === 0 || [request.amountPiasters, decision.approvedPiasters].includes(amountPiasters)
  }
  return transactionType === '20' || request.mti.startsWith('01')
}

function moneyBack({ decision }: Entry): Transfer[] {
  return decision.transfers.filter(({ kind }) => kind === 'refund' || kind === 'moneyReversal')
}

function isCurrent(period: number, date: CivilDate): boolean {
  const month = monthOf(date)
  return [month, Math.floor(month / 100)].includes(period) || Math.floor(period / 100) === month
}

/** What refunds took back of a line. */
function returnedOf(line: number, refunds: readonly Entry[]): StoredLine['returned'] {
  const rows = refunds.flatMap((one) => one.decision.returnedLines).filter((one) => one.line === line)
  const sum = (of: (row: DecidedLine) => number) => rows.reduce((total, row) => total + of(row), 0)
  return {
    quantity: sum((row) => row.quantity),
    granted: sum((row) => row.granted),
    piasters: sum((row) => lineValue(row.quantity, row.unitPricePiasters)),
    grantedPiasters: sum((row) => row.grantedPiasters),
  }
}

function isApprovedReversalOf(entry: Entry, originalId: number): boolean {
  const { decision, request } = entry
  return request.mti.startsWith('04') && decision.originalId === originalId && decision.result === 'approved'
}
