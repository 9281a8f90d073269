/** Something that is to be done later, until it is done or cancelled. */
export interface Timer {
  /** Alone, it keeps no program alive. */
  unref(): unknown
}

/**
 * What a part of the program needs of time besides the date: injected, so that a simulation can own it. Milliseconds
 * throughout. The rooms that a simulation drives use no other timers (biome.json).
 */
export interface Timing {
  /** A clock that only goes forward and says nothing about the date. */
  monotonicMs(): number
  /** Calls once. */
  after(delayMs: number, work: () => void): Timer
  /** Calls again and again; alone it keeps no program alive. */
  every(periodMs: number, work: () => void): Timer
  /** Calls once the event loop has seen to what arrived. */
  endOfTurn(work: () => void): void
  /** Ends a timer, whatever has become of it. */
  cancel(timer: Timer | undefined): void
}

/** The timers of the machine. */
export const systemTiming: Timing = {
  monotonicMs: () => performance.now(),
  after: (delayMs, work) => setTimeout(work, delayMs),
  every: (periodMs, work) => setInterval(work, periodMs).unref(),
  endOfTurn: (work) => {
    setImmediate(work)
  },
  cancel: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
}

/** The date and time of the machine. */
export const systemClock = { now: () => Date.now() }

/** Chance of the machine, from 0 to below 1; not for secrets. */
export function systemRandom(): number {
  return Math.random()
}
