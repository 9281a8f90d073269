import { EARLY_KEYS, isEarlyKey } from '../authorization/early-keys.ts'
import { keysOfTransmission, transmissionOfKey } from '../authorization/message-key.ts'
import { transmissionInstant } from '../calendar.ts'
import { KeyTable } from './key-table.ts'

/** How far ahead of ours a sender's clock may run before a key must be looked up. */
const SKEW_MS = 10_000
/** Of the capacity, one in so many for keys of senders that are further ahead. */
const AHEAD_ONE_IN = 16
const AHEAD_MIN = 64
/** A DE7 further ahead than this is no time of any clock, such as one of another year. */
const AHEAD_MAX_MS = 2 * 86_400_000
const FIRST_OF_YEAR = '0101000000'
const LAST_OF_YEAR = '1231235959'

interface Generation {
  readonly keys: KeyTable
  /** Nothing older than this is in it. */
  sinceMs: number
  /** How many of them are of reversals that named no original by its key. */
  earlyKeys: number
}

/**
 * The duplicate keys that this writer made durable lately. The lane has one writer, so a key whose DE7 lies in the time
 * this memory covers, and which is not in it, was never processed: the database need not be asked. Bounded: it keeps
 * two generations, and when the younger one is full the older one is forgotten.
 */
export class RecentKeys {
  readonly #generationMax: number
  readonly #aheadMax: number
  #younger: Generation
  #older: Generation
  /**
   * Keys whose DE7 lay ahead of our clock when they came, with the instant of that DE7. They are kept apart because the
   * generations go by when a key came: by the time that its DE7 names, its generation may be forgotten, and a repeat
   * would be taken for new.
   */
  readonly #ahead = new Map<string, number>()
  /**
   * The latest time of a batch since the clock was last set. It is kept because batches do not come in the order of
   * their times: one that was begun while the clock was behind may become durable after the clock was set right. A
   * generation that began by that batch's own time would vouch for a span in which keys came that it does not have.
   */
  #latestMs: number
  /** When there was no room in {@link #ahead} for a key, the journal is asked about every DE7 up to that key's. */
  #askedUntilMs = Number.NEGATIVE_INFINITY

  /**
   * @param capacity keys at most; at least half as many are remembered once that many came
   * @param nowMs start of the cover: what came before it is not known here
   */
  constructor(capacity: number, nowMs: number) {
    this.#generationMax = Math.max(1, Math.floor(capacity / 2))
    this.#aheadMax = Math.max(AHEAD_MIN, Math.floor(capacity / AHEAD_ONE_IN))
    this.#younger = { keys: new KeyTable(this.#generationMax), sinceMs: nowMs, earlyKeys: 0 }
    this.#older = { keys: new KeyTable(this.#generationMax), sinceMs: nowMs, earlyKeys: 0 }
    this.#latestMs = nowMs
  }

  get size(): number {
    return this.#younger.keys.size + this.#older.keys.size
  }

  /** Records a key that is durable now. `nowMs` is the time of its batch. */
  add(key: string, nowMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, nowMs)
    if (this.#younger.keys.size >= this.#generationMax) {
      const emptied = this.#older
      emptied.keys.clear()
      emptied.sinceMs = this.#latestMs
      emptied.earlyKeys = 0
      this.#older = this.#younger
      this.#younger = emptied
      this.#forgetPassed()
    }
    this.#younger.keys.set(key, 1)
    if (isEarlyKey(key)) this.#younger.earlyKeys++
    else this.#noteAhead(key, nowMs)
  }

  #noteAhead(key: string, nowMs: number): void {
    const sentMs = transmissionInstant(transmissionOfKey(key), nowMs)
    if (sentMs === undefined || sentMs <= nowMs + SKEW_MS || sentMs > nowMs + AHEAD_MAX_MS) return
    if (this.#ahead.size < this.#aheadMax) this.#ahead.set(key, sentMs)
    else this.#askedUntilMs = Math.max(this.#askedUntilMs, sentMs)
  }

  /** Those that are asked for anyway need not be remembered. */
  #forgetPassed(): void {
    for (const [key, sentMs] of this.#ahead) {
      if (sentMs < this.#older.sinceMs + SKEW_MS) this.#ahead.delete(key)
    }
  }

  /** Whether any of these came: almost always none is remembered, and nothing has to be computed. */
  hasAny(earlyKeysOf: () => readonly string[]): boolean {
    if (this.#younger.earlyKeys + this.#older.earlyKeys === 0) return false
    return earlyKeysOf().some((key) => this.#younger.keys.has(key) || this.#older.keys.has(key))
  }

  /** Whether the journal has to be asked about a key. `transmissionMs` is the instant of its DE7. */
  mustAsk(key: string, transmissionMs: number | undefined, nowMs: number): boolean {
    if (transmissionMs === undefined || transmissionMs > nowMs + SKEW_MS) return true
    if (transmissionMs < this.#older.sinceMs + SKEW_MS || transmissionMs <= this.#askedUntilMs) return true
    if (this.#ahead.has(key)) return true
    return this.#younger.keys.has(key) || this.#older.keys.has(key)
  }

  /**
   * Begins with what the journal knows and the clock does not tell: keys of senders that are ahead of it, and early
   * reversals. Of what was sent before, the journal is asked.
   * @param read keys of the journal from one to another, so many at most
   */
  async recall(
    nowMs: number,
    read: (from: string, to: string, limit: number) => Promise<readonly string[]>,
  ): Promise<void> {
    this.distrust(nowMs)
    const untilMs = nowMs + AHEAD_MAX_MS
    for (const [from, to] of [...keyRanges(nowMs + SKEW_MS, untilMs), EARLY_KEYS]) {
      const keys = await read(from, to, this.#aheadMax)
      for (const key of keys) this.add(key, nowMs)
      if (keys.length >= this.#aheadMax && from !== EARLY_KEYS[0]) {
        this.#askedUntilMs = Math.max(this.#askedUntilMs, untilMs)
      }
    }
  }

  /**
   * Vouches for nothing that was sent before an instant, which the clock says now: the clock that it went by was wrong.
   */
  distrust(untilMs: number): void {
    this.#latestMs = untilMs
    for (const generation of [this.#younger, this.#older]) generation.sinceMs = Math.max(generation.sinceMs, untilMs)
  }
}

/** Keys of all times from one to another; a DE7 has no year. */
function keyRanges(fromMs: number, toMs: number): (readonly [string, string])[] {
  const [from, to] = [de7Of(fromMs), de7Of(toMs)]
  const range = (first: string, last: string) => [keysOfTransmission(first)[0], keysOfTransmission(last)[1]] as const
  return from <= to ? [range(from, to)] : [range(from, LAST_OF_YEAR), range(FIRST_OF_YEAR, to)]
}

/** DE7 of an instant: MMDDhhmmss, UTC. */
function de7Of(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/\D/g, '').slice(4, 14)
}
