import { createHash } from 'node:crypto'
import { addDays, type CivilDate, type CivilMonth, parseDate } from '../calendar.ts'
import type { Card, HouseholdTerm } from '../card/household.ts'
import type { HoldEnding } from '../ledger/transfer.ts'
import type { Batch, HoldEventRow, JournalContent, TransferRow } from '../store/batch.ts'
import type { CommitOutcome, LanePosition } from '../store/lane-journal.ts'
import { balanceKey, type HouseholdEntry, type LaneEntry, LedgerTables, pushTo } from './ledger-tables.ts'

const OWNER_SPAN = 100_000_000_000
const DEBT_KIND = 8_004
const ADVANCED_CLASS = 9
const LANE_STEP = 64
const NEVER_CLOSED = 20000101 as CivilDate

/** Why the rows of a batch cannot be: the name of the rule that a database would give. */
export class Refusal extends Error {
  readonly constraint: string

  constructor(constraint: string, detail: string) {
    super(`${constraint}: ${detail}`)
    this.constraint = constraint
  }
}

/** Gets each batch that became durable, before anybody is told. */
export type OnBatch = (batch: Batch, hash: Buffer) => void

/**
 * The journal of a simulation: in memory, whole or not at all for each batch, with the fence and the rules of the
 * database's own (schemas/sql). What a process of the simulation loses when it dies, this keeps.
 */
export class Ledger {
  readonly tables = new LedgerTables()
  readonly #onBatch: OnBatch
  readonly #onRefusal: (refusal: Refusal, batch: Batch) => void

  /** @param onRefusal gets what breaks a rule other than that of repeated keys: nothing ever should */
  constructor(laneCount: number, onBatch: OnBatch, onRefusal: (refusal: Refusal, batch: Batch) => void) {
    this.#onBatch = onBatch
    this.#onRefusal = onRefusal
    for (let lane = 0; lane < laneCount; lane++) {
      this.tables.lanes.set(lane, {
        epoch: 0,
        lastSeq: 0,
        lastHash: Buffer.alloc(32),
        nextId: LANE_STEP + lane,
        openDate: NEVER_CLOSED,
      })
    }
  }

  addHousehold(household: HouseholdEntry): void {
    this.tables.households.set(household.id, household)
    for (const card of household.cards) this.tables.householdOfCard.set(card.panIndex, household)
  }

  take(lane: number, expectedEpoch: number | undefined): LanePosition | undefined {
    const entry = this.tables.lanes.get(lane)
    if (entry === undefined || (expectedEpoch !== undefined && entry.epoch !== expectedEpoch)) return undefined
    entry.epoch++
    return { ...entry }
  }

  /** Whether a batch may be written: its writer owns the lane, and it follows the last. */
  isFenced({ lane, epoch, seq, firstId }: Batch): boolean {
    const entry = this.tables.lanes.get(lane)
    return entry === undefined || entry.epoch !== epoch || entry.lastSeq !== seq - 1 || entry.nextId !== firstId
  }

  /** Writes a batch whole, or says why not. */
  commit(batch: Batch, hash: Buffer): CommitOutcome {
    if (this.isFenced(batch)) return { kind: 'fenced' }
    try {
      this.#check(batch)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (!error.constraint.includes('dedupe')) this.#onRefusal(error, batch)
      return { kind: 'refused', code: '23505', constraint: error.constraint, reason: error.message }
    }
    this.#write(batch, hash)
    this.#onBatch(batch, hash)
    return { kind: 'committed' }
  }

  #check(batch: Batch): void {
    const { tables } = this
    const open = tables.lanes.get(batch.lane)?.openDate ?? NEVER_CLOSED
    if (batch.businessDate < open) throw new Refusal('lane_day_open', `${batch.businessDate} is closed before ${open}`)
    const keys = new Set<string>()
    for (const { key } of batch.authorizations) {
      const known = tables.byKey.get(laneKey(batch.lane, key))?.some((one) => one.businessDate === batch.businessDate)
      if (known === true || keys.has(key)) throw new Refusal('authorization_dedupe_key', 'a key comes twice')
      keys.add(key)
    }
    for (const row of batch.changedBalances) {
      const known = this.#householdOf(row.account).balances.has(balanceKey(row.account, row.period))
      if (!known) throw new Refusal('balance_known', `${row.account} in ${row.period} is not in the database`)
    }
    for (const row of batch.openedBalances) {
      const known = this.#householdOf(row.account).balances.has(balanceKey(row.account, row.period))
      if (known) throw new Refusal('balance_pkey', `${row.account} in ${row.period} is there already`)
    }
    for (const { account, posted, held } of [...batch.changedBalances, ...batch.openedBalances]) {
      const kind = Math.floor(account / OWNER_SPAN)
      const owes = kind === DEBT_KIND || Math.floor(kind / 1_000) === ADVANCED_CLASS
      const isFine = owes ? posted <= 0 && held === 0 : held >= 0 && posted - held >= 0
      if (!isFine) throw new Refusal('balance_allowed', `${account}: ${posted} posted, ${held} held`)
    }
    for (const { id } of batch.holds) if (tables.holds.has(id)) throw new Refusal('hold_pkey', `hold ${id}`)
    this.#checkEvents(batch)
    for (const { householdId, month } of batch.closings) {
      const closed = tables.households.get(householdId)?.closedMonth ?? 0
      if (closed >= month) throw new Refusal('month_closed_once', `${householdId} is closed to ${closed}, now ${month}`)
    }
    for (const { householdId, nonce } of batch.assertions) {
      const used = tables.households.get(householdId)?.assertions.some((one) => one.nonce === nonce)
      if (used === true) throw new Refusal('assertion_use_pkey', `assertion ${nonce} comes twice`)
    }
    for (const { commandId } of batch.commandsDone) {
      const open = tables.inbox.find(({ command }) => command.id === commandId)
      if (open === undefined || open.outcome !== undefined) throw new Refusal('command_open', `command ${commandId}`)
    }
  }

  #checkEvents({ holds, holdEvents }: Batch): void {
    const ended = new Set<number>()
    for (const { id, captured, cashback, released, ending } of holdEvents) {
      const hold = this.tables.holds.get(id)
      if (hold === undefined && !holds.some((one) => one.id === id)) throw new Refusal('hold_event_id', `no hold ${id}`)
      if (ending !== undefined && (hold?.ending !== undefined || ended.has(id))) {
        throw new Refusal('hold_event_ending', `hold ${id} ends twice`)
      }
      if (cashback < 0 || cashback > captured || released < 0 || captured + released <= 0) {
        throw new Refusal('hold_event_amounts', `hold ${id}: ${captured} captured, ${released} released`)
      }
      if (ending !== undefined) ended.add(id)
    }
  }

  #householdOf(account: number): HouseholdEntry {
    const household = this.tables.households.get(account % OWNER_SPAN)
    if (household === undefined) throw new Refusal('balance_allowed', `account ${account} has no household`)
    return household
  }

  #write(batch: Batch, hash: Buffer): void {
    const { tables } = this
    const lane = tables.lanes.get(batch.lane)
    if (lane === undefined) return
    lane.lastSeq = batch.seq
    lane.lastHash = hash
    lane.nextId = batch.nextId
    for (const { kind, payload } of batch.changes) if (kind === 'day-closed') closeDay(lane, JSON.parse(payload))
    tables.batches.push({ content: contentOf(batch), batch, hash })
    const groups = new Map<number, TransferRow[]>()
    for (const row of batch.transfers) pushTo(groups, row.groupId, row)
    for (const row of batch.authorizations) {
      const { businessDate, entitlementDate } = batch
      const entry = { row, lane: batch.lane, businessDate, entitlementDate, transfers: groups.get(row.id) ?? [] }
      tables.authorizations.push(entry)
      tables.byId.set(row.id, entry)
      pushTo(tables.byKey, laneKey(batch.lane, row.key), entry)
      if (row.originalId !== undefined) pushTo(tables.byOriginal, row.originalId, entry)
      else if (row.originalKey !== undefined) pushTo(tables.orphans, laneKey(batch.lane, row.originalKey), entry)
      if (row.householdId !== undefined) tables.households.get(row.householdId)?.authorizations.push(entry)
    }
    tables.commandRows.push(...batch.commands)
    for (const row of batch.holds) tables.holds.set(row.id, { row, lane: batch.lane, events: [], ending: undefined })
    for (const row of batch.holdEvents) this.#noteEvent(row)
    this.#writeBalances(batch)
    this.#writeHouseholds(batch)
    for (const { commandId, outcome } of batch.commandsDone) {
      const open = tables.inbox.find(({ command }) => command.id === commandId)
      if (open !== undefined) open.outcome = outcome
    }
  }

  #noteEvent(row: HoldEventRow): void {
    const hold = this.tables.holds.get(row.id)
    if (hold === undefined) return
    hold.events.push(row)
    if (row.ending !== undefined) hold.ending = row.ending as HoldEnding
  }

  #writeBalances({ changedBalances, openedBalances, sharedBalances }: Batch): void {
    for (const { account, period, posted, held } of [...changedBalances, ...openedBalances]) {
      const { id, balances } = this.#householdOf(account)
      balances.set(balanceKey(account, period), { householdId: id, account, period, posted, held })
    }
    for (const [account, difference] of sharedBalances) {
      this.tables.shared.set(String(account), (this.tables.shared.get(String(account)) ?? 0) + difference)
    }
  }

  #writeHouseholds(batch: Batch): void {
    const { households } = this.tables
    for (const { householdId, day, withdrawn, withdrawals } of batch.cashUsages) {
      const household = households.get(householdId)
      if (household !== undefined) household.cash = { day, withdrawn, withdrawals }
    }
    for (const id of batch.stopOldCards) {
      const household = households.get(id)
      if (household !== undefined) household.oldRationCard = 'stopped'
    }
    for (const { householdId, month } of batch.closings) {
      const household = households.get(householdId)
      if (household !== undefined) household.closedMonth = month
    }
    for (const { householdId, counter, period, used } of batch.usages) {
      households.get(householdId)?.usages.set(`${counter}:${period}`, { counter, period, used })
    }
    for (const { householdId, nonce, usedAtMs } of batch.assertions) {
      households.get(householdId)?.assertions.push({ nonce, usedAtMs })
    }
    const cards = this.#cardsOf(batch)
    for (const { cardId, counters, scriptPending } of batch.cardCounters) {
      const card = cards.get(cardId)
      if (card === undefined) continue
      card.counters = { ...counters }
      card.scriptPending = scriptPending
    }
    for (const { cardId, status } of batch.cardStatuses) {
      const card = cards.get(cardId)
      if (card !== undefined) card.status = status
    }
    for (const { kind, payload } of batch.changes) this.#change(kind, JSON.parse(payload))
  }

  #cardsOf({ cardCounters, cardStatuses }: Batch): ReadonlyMap<number, Card> {
    if (cardCounters.length + cardStatuses.length === 0) return new Map()
    return new Map([...this.tables.households.values()].flatMap((one) => one.cards.map((card) => [card.id, card])))
  }

  /** Of the changes beyond the ledger, those that decisions depend on. */
  #change(kind: string, payload: { household?: number; terms?: HouseholdTerm[] }): void {
    const household = this.tables.households.get(payload.household ?? 0)
    if (kind !== 'household-terms' || household === undefined || payload.terms === undefined) return
    const changed = payload.terms
    const kept = household.terms.filter((term) => !changed.some(({ from }) => from === term.from))
    household.terms = [...kept, ...changed].sort((a, b) => a.from - b.from)
  }

  /** Last month that is closed of each household of a lane. */
  openMonths(lane: number, until: CivilMonth): HouseholdEntry[] {
    return [...this.tables.households.values()].filter((one) => one.lane === lane && one.closedMonth < until)
  }
}

/** The lane's day ends: dates as the database would read them. */
function closeDay(lane: LaneEntry, { date }: { date: string }): void {
  const next = addDays(parseDate(date), 1)
  if (next > lane.openDate) lane.openDate = next
}

export function laneKey(lane: number, key: string): string {
  return `${lane} ${key}`
}

function contentOf(batch: Batch): JournalContent {
  const { lane, seq, epoch, firstId, nextId, atMs, businessDate, entitlementDate } = batch
  const { authorizations, commands, transfers, holds, holdEvents } = batch
  const head = { lane, seq, epoch, firstId, nextId, atMs, businessDate, entitlementDate }
  return { ...head, authorizations, commands, transfers, holds, holdEvents }
}

/** Hash of a batch: over the hash before it and all rows that the chain covers. */
export function chainHash(previous: Buffer, batch: JournalContent): Buffer {
  return createHash('sha256')
    .update(previous)
    .update(JSON.stringify(contentOf(batch as Batch)), 'latin1')
    .digest()
}
