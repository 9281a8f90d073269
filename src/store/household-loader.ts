import type { CivilMonth } from '../calendar.ts'
import type { AccountPlace, CardKind, CardStatus, HouseholdTerm, OldRationCard } from '../card/household.ts'
import { assert } from '../errors.ts'
import type { Unit } from '../money.ts'
import { BulkLane } from './bulk-lane.ts'

/** A card to be enrolled. */
export interface CardRecord {
  readonly id: number
  readonly kind: CardKind
  /** 16 bytes, latin1. */
  readonly panIndex: string
  readonly panMasked: string
  readonly panEncrypted: Buffer
  readonly keyVersion: number
  readonly expiry: string
  readonly sequenceNumber: string
  readonly serviceCode: string
  readonly status: CardStatus
  /** Index of the PIN verification key, and the PIN verification value; undefined for a card without a PIN. */
  readonly pvki?: number
  readonly pvv?: string
}

/** A credit that opens with the household, issued by the state for one period. */
export interface OpeningGrant {
  readonly programmeNumber: number
  readonly unit: Unit
  readonly amount: number
  readonly period: number
  /** Issued and lapsed to the state at once: the period is open and holds nothing. */
  readonly lapsed: boolean
}

/** A household to be enrolled, with what its accounts open with. */
export interface HouseholdRecord {
  readonly id: number
  readonly governorate: string
  /** Oldest first; the first date is that from which it is entitled. */
  readonly terms: readonly HouseholdTerm[]
  readonly classes: readonly string[]
  /** The month before the first whose wallets it has. */
  readonly closedMonth: CivilMonth
  readonly oldRationCard: OldRationCard
  /** @default local */
  readonly accountAt?: AccountPlace
  readonly cards: readonly CardRecord[]
  /** Opening money of the postal account, piasters. */
  readonly postalPiasters: number
  readonly grants: readonly OpeningGrant[]
}

/** Households of one transaction. */
const CHUNK_HOUSEHOLDS = 2_000

/** Lane of a household. */
export function laneOf(householdId: number, laneCount: number): number {
  return householdId % laneCount
}

/**
 * Enrols households in bulk, as the writer of their lanes: master data and opening postings, a few thousand households
 * in a transaction. Opening money comes from the postal funds, grants from their programme's funding; each household is
 * a command of the journal. No switch may run on the lanes meanwhile: the first batch of either would fence the other.
 * @param onProgress called after each chunk with the households done so far
 */
export async function loadHouseholds(options: {
  readonly url: string
  readonly laneCount: number
  readonly households: Iterable<HouseholdRecord>
  readonly nowMs: number
  readonly cutoverMinutes: number
  readonly onProgress?: (done: number) => void
}): Promise<number> {
  const { url, laneCount, nowMs, cutoverMinutes } = options
  const queues: LaneQueue<HouseholdRecord>[] = []
  const lanes: BulkLane[] = []
  let done = 0
  try {
    for (let lane = 0; lane < laneCount; lane++) {
      const bulk = await BulkLane.open(url, lane, { nowMs, cutoverMinutes })
      lanes.push(bulk)
      queues.push(
        new LaneQueue(async (households) => {
          await bulk.commit(households)
          done += households.length
          options.onProgress?.(done)
        }),
      )
    }
    for (const household of options.households) {
      const queue = queues[laneOf(household.id, laneCount)]
      assert(queue !== undefined, 'every household has a lane')
      await queue.add(household)
    }
    for (const queue of queues) await queue.flush()
    return done
  } finally {
    for (const queue of queues) await queue.settle()
    for (const lane of lanes) await lane.close()
  }
}

/** Gathers what is for one lane and gives it on in chunks: while one is being written, the next is gathered. */
export class LaneQueue<Item> {
  readonly #write: (items: readonly Item[]) => Promise<void>
  readonly #chunk: number
  #items: Item[] = []
  /** The chunk that is being written; it never rejects unseen, because the next call awaits it. */
  #writing: Promise<void> = Promise.resolve()

  constructor(write: (items: readonly Item[]) => Promise<void>, chunk = CHUNK_HOUSEHOLDS) {
    this.#write = write
    this.#chunk = chunk
  }

  /** Waits only while two chunks are ahead of the lane. @throws what writing threw */
  async add(item: Item): Promise<void> {
    this.#items.push(item)
    if (this.#items.length >= this.#chunk) await this.#next()
  }

  /** Writes what is left, and waits for it. @throws what writing threw */
  async flush(): Promise<void> {
    if (this.#items.length > 0) await this.#next()
    await this.#writing
  }

  /** Waits for what is being written, whatever comes of it. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined)
  }

  async #next(): Promise<void> {
    await this.#writing
    const items = this.#items
    this.#items = []
    this.#writing = this.#write(items)
    this.#writing.catch(() => undefined)
  }
}
