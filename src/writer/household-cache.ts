import { monthOfPeriod, periodKindOf } from '../benefit/entitlement.ts'
import { type CivilMonth, previousMonth } from '../calendar.ts'
import type { Card, Household } from '../card/household.ts'
import { assert } from '../errors.ts'
import { FLIGHTS_MAX } from './flights.ts'
import { NameTable, readHousehold, recordLength, writeHousehold } from './household-record.ts'
import { KeyTable } from './key-table.ts'
import { RecordPool } from './record-pool.ts'

/** A card and its household. */
export interface CachedCard {
  readonly card: Card
  readonly household: Household
}

/** What stands for a household without a card where cards are named: as long as a PAN index, and never one. */
export function householdKey(householdId: number): string {
  return `#${String(householdId).padStart(15, '0')}`
}

const NONE = -1
/** Batches that are being made durable and one that is being filled: what they touch is not in the database yet. */
const BATCHES_UNDER_WAY = FLIGHTS_MAX + 1
/** Numbers beyond a record's own that reading it may touch. */
const SCRATCH_SLACK = 16
const SCRATCH_NUMBERS = 1_024

/**
 * Households in memory; when it is full, the least recently used go. It runs ahead of the database by the batches under
 * way, and by nothing else: a batch changes copies of its households, the copies take their place when it is sent, and
 * if it then fails every household that it touched is dropped, to be read again.
 *
 * Households are kept as records of numbers in typed arrays because the garbage collector does not walk those: as
 * objects on its heap, a million households would stop the switch for tenths of a second every few seconds.
 */
export class HouseholdCache {
  readonly #capacity: number
  #records = new RecordPool()
  readonly #names = new NameTable()
  /** Entry by PAN index. */
  readonly #entries: KeyTable
  readonly #recordOf: Int32Array
  readonly #monthOf: Int32Array
  /** Neighbours in order of use: `newer` of the newest and `older` of the oldest are NONE. */
  readonly #newer: Int32Array
  readonly #older: Int32Array
  #newest = NONE
  #oldest = NONE
  #free: number[] = []
  #unused = 0
  #size = 0
  /**
   * Copies that the current batch works on, by entry. A new map for each: a cleared one keeps its old entries reachable
   * from a dead table, which V8 then moves to the old generation batch after batch.
   */
  #open = new Map<number, Household>()
  /** Entries that the batches before changed: until they are durable, the database does not know what memory knows. */
  #sent: readonly ReadonlySet<number>[] = []
  #scratch = new Float64Array(SCRATCH_NUMBERS)
  #hits = 0
  #misses = 0

  /**
   * @param capacity households that stay when room is made; never fewer than the batches under way may touch
   * @param slack how many more one batch may bring in before room is made
   */
  constructor(capacity: number, slack: number) {
    this.#capacity = Math.max(capacity, BATCHES_UNDER_WAY * slack)
    const entries = this.#capacity + slack
    this.#entries = new KeyTable(entries)
    this.#recordOf = new Int32Array(entries)
    this.#monthOf = new Int32Array(entries)
    this.#newer = new Int32Array(entries)
    this.#older = new Int32Array(entries)
  }

  get size(): number {
    return this.#size
  }

  /** Hits and misses since the last call. */
  takeCounts(): { cacheHits: number; cacheMisses: number } {
    const counts = { cacheHits: this.#hits, cacheMisses: this.#misses }
    this.#hits = 0
    this.#misses = 0
    return counts
  }

  /** Whether a household can be served from memory in this month. Counts a hit or a miss. */
  has(key: string, month: CivilMonth): boolean {
    const entry = this.#entries.get(key)
    const found = entry !== undefined && this.#isOf(entry, month)
    if (entry !== undefined && !found) this.#drop(entry)
    if (found) this.#hits++
    else this.#misses++
    return found
  }

  /**
   * Whether an entry is of this month. One of the month before is taken over: memory knows all that the next month
   * begins with, so that the first of a month does not read the whole country anew.
   */
  #isOf(entry: number, month: CivilMonth): boolean {
    if (this.#monthOf[entry] === month) return true
    if (this.#monthOf[entry] !== previousMonth(month)) return false
    const household = this.#open.get(entry) ?? this.#read(entry)
    forgetBefore(household, month)
    this.#records.replace(this.#recordOf[entry] ?? NONE, this.#scratch, this.#write(household))
    this.#monthOf[entry] = month
    return true
  }

  /** The card and its household for the current batch, marked as used; the same copy until the batch is over. */
  get(panIndex: string): CachedCard | undefined {
    const household = this.getHousehold(panIndex)
    if (household === undefined) return undefined
    const card = household.cards.find((held) => held.panIndex === panIndex)
    assert(card !== undefined, 'a household in memory has the card that it is known by')
    return { card, household }
  }

  /** A household by the PAN index of one of its cards, or by its {@link householdKey} when it has none. */
  getHousehold(key: string): Household | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    let household = this.#open.get(entry)
    if (household === undefined) {
      household = this.#read(entry)
      this.#open.set(entry, household)
      this.#unlink(entry)
      this.#linkNewest(entry)
    }
    return household
  }

  /** A household as it is now, only to be looked at: this does not count as a use. */
  peek(key: string): Household | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined ? undefined : (this.#open.get(entry) ?? this.#read(entry))
  }

  /** Takes in what was loaded of a month. One that is here already stays: it may be ahead of what was read. */
  add(household: Household, month: CivilMonth): void {
    const keys = keysOf(household)
    if (keys.some((key) => this.#entries.has(key))) return
    const entry = this.#free.pop() ?? this.#unused++
    assert(entry < this.#recordOf.length, 'room is made between batches')
    this.#size++
    for (const key of keys) this.#entries.set(key, entry)
    this.#monthOf[entry] = month
    const length = this.#write(household)
    this.#recordOf[entry] = this.#records.add(this.#scratch, length)
    this.#linkNewest(entry)
  }

  /** Ends the filling of a batch: what it changed is what the next one will see. */
  keep(changed: { has(household: Household): boolean }): void {
    const sent = new Set<number>()
    for (const [entry, household] of this.#open) {
      if (!changed.has(household)) continue
      sent.add(entry)
      const length = this.#write(household)
      this.#records.replace(this.#recordOf[entry] ?? NONE, this.#scratch, length)
      // A card that the batch has issued.
      for (const { panIndex } of household.cards) {
        if (!this.#entries.has(panIndex)) this.#entries.set(panIndex, entry)
      }
    }
    if (sent.size > 0) this.#sent = [sent, ...this.#sent].slice(0, FLIGHTS_MAX)
    this.#open = new Map()
  }

  /** Gives up the filling of a batch: its copies are forgotten. */
  forget(): void {
    this.#open = new Map()
  }

  /** Drops households whose batch failed; their next messages load them again. */
  drop(households: Iterable<Household>): void {
    for (const household of households) {
      for (const key of keysOf(household)) {
        const entry = this.#entries.get(key)
        if (entry !== undefined) this.#drop(entry)
      }
    }
  }

  /**
   * Makes room. What a batch under way works on or has changed stays, however much came after it: read again, it would
   * be as it was before that batch, and the next one would be decided on it.
   */
  trim(): void {
    while (this.#size > this.#capacity) {
      const entry = this.#oldest
      if (this.#open.has(entry) || this.#sent.some((sent) => sent.has(entry))) {
        this.#unlink(entry)
        this.#linkNewest(entry)
      } else {
        this.#drop(entry)
      }
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#records = new RecordPool()
    this.#open = new Map()
    this.#sent = []
    this.#free = []
    this.#unused = 0
    this.#size = 0
    this.#newest = NONE
    this.#oldest = NONE
  }

  #drop(entry: number): void {
    const household = this.#read(entry)
    for (const key of [householdKey(household.id), ...keysOf(household)]) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    }
    this.#records.delete(this.#recordOf[entry] ?? NONE)
    this.#unlink(entry)
    this.#open.delete(entry)
    this.#free.push(entry)
    this.#size--
  }

  #read(entry: number): Household {
    this.#records.read(this.#recordOf[entry] ?? NONE, this.#scratch)
    return readHousehold(this.#scratch, this.#names)
  }

  /** Fills the scratch. What was once written there also fits when it is read. */
  #write(household: Household): number {
    const needed = recordLength(household) + SCRATCH_SLACK
    if (needed > this.#scratch.length) this.#scratch = new Float64Array(needed * 2)
    return writeHousehold(household, this.#scratch, this.#names)
  }

  #linkNewest(entry: number): void {
    this.#newer[entry] = NONE
    this.#older[entry] = this.#newest
    if (this.#newest === NONE) this.#oldest = entry
    else this.#newer[this.#newest] = entry
    this.#newest = entry
  }

  #unlink(entry: number): void {
    const newer = this.#newer[entry] ?? NONE
    const older = this.#older[entry] ?? NONE
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
  }
}

/** Under what a household is known. */
function keysOf({ id, cards }: Household): string[] {
  return cards.length === 0 ? [householdKey(id)] : cards.map((card) => card.panIndex)
}

/** Lets go of what belongs to periods before a month. */
function forgetBefore(household: Household, month: CivilMonth): void {
  const { balances, usages } = household
  const kept = balances.filter(
    ({ period }) => period === 0 || periodKindOf(period) === 'span' || monthOfPeriod(period) >= month,
  )
  balances.splice(0, balances.length, ...kept)
  const counted = usages.filter(({ period }) => isCountedFrom(period, month))
  usages.splice(0, usages.length, ...counted)
}

/** Whether what was counted in a year (yyyy), a month or a day still counts in a month or later. */
function isCountedFrom(period: number, month: CivilMonth): boolean {
  return period <= 9_999 ? period >= Math.floor(month / 100) : monthOfPeriod(period) >= month
}
