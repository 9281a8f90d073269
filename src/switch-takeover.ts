import type { LaneSighting } from './store/availability.ts'
import type { NamedProcess } from './telemetry/availability-events.ts'

/** The lanes are to be taken over, if they are still under these epochs. */
export interface Takeover {
  readonly reason: 'silent' | 'released'
  readonly silentMs: number
  readonly from: NamedProcess | undefined
  /** By lane. */
  readonly epochs: readonly number[]
}

interface TakeoverTimes {
  readonly heartbeatMs: number
  readonly takeoverAfterMs: number
}

/** Heartbeats of our own that may be late before what we did not see proves nothing. */
const LATE_BEATS = 3

/**
 * Judges from what a standby sees whether the lanes are free. Silence is counted by this process's own clock and only
 * while its own heartbeats go through: when the database is away or slow for everybody, nobody is taken for dead.
 */
export class TakeoverWatch {
  readonly #self: string
  readonly #times: TakeoverTimes
  #signs = ''
  #aliveMs: number | undefined
  #seenMs: number | undefined

  /** @param self instance of this process: lanes that it released itself are left to others for a while */
  constructor(self: string, times: TakeoverTimes) {
    this.#self = self
    this.#times = times
  }

  /** Begins to count anew. */
  reset(): void {
    this.#signs = ''
    this.#aliveMs = undefined
    this.#seenMs = undefined
  }

  /**
   * Takes in what was seen.
   * @param nowMs monotonic
   * @returns whether to take over, and why
   */
  see(lanes: readonly LaneSighting[], nowMs: number): Takeover | undefined {
    const { heartbeatMs, takeoverAfterMs } = this.#times
    const sinceMs = nowMs - (this.#seenMs ?? nowMs)
    this.#seenMs = nowMs
    const signs = lanes
      .map(({ epoch, lastSeq, writer }) => `${epoch} ${lastSeq} ${writer?.instance} ${writer?.beats}`)
      .join()
    const wasBlind = sinceMs > Math.max(LATE_BEATS * heartbeatMs, takeoverAfterMs / 2)
    if (this.#aliveMs === undefined || wasBlind || signs !== this.#signs) this.#aliveMs = nowMs
    this.#signs = signs
    const silentMs = nowMs - this.#aliveMs
    const writer = lanes[0]?.writer
    const from = writer === undefined ? undefined : { instance: writer.instance, host: writer.host, pid: writer.pid }
    const found = { silentMs, from, epochs: lanes.map(({ epoch }) => epoch) }
    // Whoever hands over must not be the one who takes at once.
    const isFree = lanes.length > 0 && lanes.every((lane) => lane.writer?.released === true)
    if (isFree && writer?.instance !== this.#self) return { ...found, reason: 'released' }
    return lanes.length > 0 && silentMs > takeoverAfterMs ? { ...found, reason: 'silent' } : undefined
  }
}
