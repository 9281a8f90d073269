import type { CivilDate, CivilMonth } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { Batch } from '../store/batch.ts'
import type { Commit, CommitOutcome, LaneJournal, LanePosition } from '../store/lane-journal.ts'
import type { Prefetched, PrefetchQuery } from '../store/prefetch.ts'
import type { Agenda } from './agenda.ts'
import type { Chance } from './chance.ts'
import { chainHash, type Ledger } from './ledger.ts'
import { loadHousehold, readKeysWithin, readPastWallets, readPrefetch } from './ledger-reads.ts'

/** How a database treats what it is asked. Milliseconds and chances. */
export interface JournalFaults {
  readonly readMs: number
  readonly commitMs: number
  /** Chance of a commit that takes `slowMs`. */
  readonly slow: number
  readonly slowMs: number
  /** Chance of a commit that is rolled back: no resources, or a defect of the database. */
  readonly refused: number
  /** Chance that the connection is lost before the commit is done, or after it: the writer is not told which. */
  readonly lostBefore: number
  readonly lostAfter: number
  /** Chance that the connection is lost while something is read. */
  readonly lostReading: number
}

/** The database server of a simulation, which may be away. */
export interface Server {
  readonly ledger: Ledger
  readonly agenda: Agenda
  readonly chance: Chance
  readonly faults: () => JournalFaults
  /** Until when nobody can connect. */
  awayUntilMs: number
  /** Until when a commit of a lane holds its row, by lane. */
  readonly busyUntilMs: Map<number, number>
  readonly onFault: (what: string) => void
  /** Called at each step of a commit, where a process may die. */
  readonly onStep: (step: 'commit-sent' | 'commit-durable' | 'commit-told') => void
}

/** One lane's journal as one process sees it. When the process dies, nothing comes back from here any more. */
export class SimulatedJournal implements LaneJournal {
  readonly #server: Server
  readonly #lane: number
  readonly #timeoutMs: number
  readonly #isAlive: () => boolean
  #connection = 0
  #lineFreeAtMs = 0
  #isUp = false
  readonly #pending = new Set<() => void>()

  constructor(server: Server, lane: number, timeoutMs: number, isAlive: () => boolean) {
    this.#server = server
    this.#lane = lane
    this.#timeoutMs = timeoutMs
    this.#isAlive = isAlive
  }

  get connected(): boolean {
    return this.#isUp
  }

  async take(expectedEpoch?: number): Promise<LanePosition | undefined> {
    this.drop()
    const { agenda, ledger, busyUntilMs } = this.#server
    await this.#pause(this.#server.faults().readMs)
    if (agenda.nowMs < this.#server.awayUntilMs) throw unavailable('the server is away')
    // The row of the lane is locked until a commit that runs is done.
    for (let busy = busyUntilMs.get(this.#lane) ?? 0; busy > agenda.nowMs; busy = busyUntilMs.get(this.#lane) ?? 0) {
      await this.#pause(busy - agenda.nowMs + 0.01)
    }
    const position = ledger.take(this.#lane, expectedEpoch)
    await this.#pause(this.#server.faults().readMs)
    if (position !== undefined) {
      this.#isUp = true
      this.#connection++
    }
    return position
  }

  commit(batch: Batch, previousHash: Buffer): Commit {
    const hash = chainHash(previousHash, batch)
    if (!this.#isUp) return { hash, outcome: Promise.resolve({ kind: 'unknown', reason: 'not connected' }) }
    const outcome = new Promise<CommitOutcome>((resolve) => {
      const lost = () => settle({ kind: 'unknown', reason: 'connection lost' })
      const settle = (ended: CommitOutcome) => {
        if (!this.#pending.delete(lost)) return
        if (this.#isAlive()) resolve(ended)
      }
      this.#pending.add(lost)
      this.#server.onStep('commit-sent')
      this.#carryOut(batch, hash, settle)
    })
    return { hash, outcome }
  }

  #carryOut(batch: Batch, hash: Buffer, settle: (outcome: CommitOutcome) => void): void {
    const { agenda, chance, ledger, busyUntilMs, onFault, onStep } = this.#server
    const faults = this.#server.faults()
    const isSlow = chance.happens(faults.slow)
    if (isSlow) onFault('commit-slow')
    const tookMs = faults.commitMs * (0.5 + chance.next()) + (isSlow ? faults.slowMs * chance.next() : 0)
    // What comes behind another on the same connection begins when that one is done.
    const waitsMs = Math.max(0, this.#lineFreeAtMs - agenda.nowMs)
    const doneMs = waitsMs + tookMs
    this.#lineFreeAtMs = agenda.nowMs + doneMs
    const connection = this.#connection
    const lose = (why: string) => {
      onFault(why)
      if (connection === this.#connection) this.drop()
    }
    if (chance.happens(faults.lostBefore)) {
      agenda.after(waitsMs + tookMs * chance.next(), () => lose('commit-lost-before'))
      return
    }
    if (chance.happens(faults.refused)) {
      const code = chance.pick(['53100', '57014', 'XX000'])
      agenda.after(doneMs, () => {
        onFault(code === 'XX000' ? 'commit-refused' : 'commit-no-room')
        settle({ kind: 'refused', code, constraint: '', reason: 'the simulation refuses it' })
      })
      return
    }
    const isLostAfter = chance.happens(faults.lostAfter)
    const arrivesMs = waitsMs + tookMs * 0.2
    // A statement that is on its way arrives although its sender is gone, and then meets the fence.
    agenda.after(arrivesMs, () => {
      if (ledger.isFenced(batch)) {
        agenda.after(faults.readMs, () => settle({ kind: 'fenced' }))
        return
      }
      busyUntilMs.set(this.#lane, agenda.nowMs + doneMs - arrivesMs)
      agenda.after(doneMs - arrivesMs, () => {
        const outcome = ledger.commit(batch, hash)
        onStep('commit-durable')
        if (isLostAfter) {
          lose('commit-lost-after')
          return
        }
        settle(outcome)
        onStep('commit-told')
      })
    })
    agenda.after(this.#timeoutMs, () => {
      if (connection === this.#connection && this.#pending.size > 0 && doneMs >= this.#timeoutMs) lose('commit-timeout')
    })
  }

  prefetch(query: PrefetchQuery): Promise<Prefetched> {
    return this.#read(() => readPrefetch(this.#server.ledger, this.#lane, query))
  }

  pastWallets(
    closedMonths: ReadonlyMap<number, CivilMonth>,
    until: CivilMonth,
  ): Promise<Map<number, readonly Balance[]>> {
    return this.#read(() => readPastWallets(this.#server.ledger, closedMonths, until))
  }

  loadAfter(householdId: number, limit: number, entitlementDate: CivilDate): Promise<readonly Household[]> {
    const { tables } = this.#server.ledger
    return this.#read(() =>
      [...tables.households.values()]
        .filter(({ lane, id }) => lane === this.#lane && id > householdId)
        .sort((a, b) => a.id - b.id)
        .slice(0, limit)
        .map((entry) => loadHousehold(tables, entry, entitlementDate)),
    )
  }

  keysWithin(since: CivilDate, from: string, to: string, limit: number): Promise<readonly string[]> {
    return this.#read(() => readKeysWithin(this.#server.ledger, this.#lane, since, { from, to, limit }))
  }

  async hasBatch(seq: number, hash: Buffer): Promise<boolean> {
    const { agenda, ledger } = this.#server
    await this.#pause(this.#server.faults().readMs)
    if (agenda.nowMs < this.#server.awayUntilMs) throw unavailable('the server is away')
    return ledger.tables.batches.some(
      ({ batch, hash: kept }) => batch.lane === this.#lane && batch.seq === seq && kept.equals(hash),
    )
  }

  ensurePartitions(): Promise<string | undefined> {
    return this.#read(() => undefined)
  }

  drop(): void {
    this.#isUp = false
    this.#connection++
    for (const lost of [...this.#pending]) lost()
  }

  async close(): Promise<void> {
    this.drop()
  }

  #read<T>(work: () => T): Promise<T> {
    const { agenda, chance, onFault } = this.#server
    const { readMs, lostReading } = this.#server.faults()
    if (!this.#isUp) return Promise.reject(unavailable('the lane is not connected'))
    return new Promise((resolve, reject) => {
      let isOpen = true
      const lost = () => {
        this.#pending.delete(lost)
        if (isOpen && this.#isAlive()) reject(unavailable('connection lost'))
        isOpen = false
      }
      this.#pending.add(lost)
      const isLost = chance.happens(lostReading)
      agenda.after(readMs * (0.5 + chance.next()), () => {
        if (!isOpen) return
        if (isLost) {
          onFault('read-lost')
          this.drop()
          return
        }
        isOpen = false
        this.#pending.delete(lost)
        if (this.#isAlive()) resolve(work())
      })
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#server.agenda.after(ms, () => {
        if (this.#isAlive()) resolve()
      })
    })
  }
}

function unavailable(why: string): MizanError {
  return new MizanError('STORE_UNAVAILABLE', why)
}
