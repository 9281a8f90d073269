/**
 * Moves this process's clock by MIZAN_BENCH_CLOCK_OFFSET_MS, before anything else runs: with it a bench meets the end of
 * a month on any day. Only Date.now is moved, from which the switch and the load take the time of day; what is measured
 * comes from performance.now.
 */
export const OFFSET_VARIABLE = 'MIZAN_BENCH_CLOCK_OFFSET_MS'

const systemNow = Date.now

/** Moves the clock of this process from now on. */
export function shiftClock(offsetMs: number): void {
  Date.now = () => systemNow() + offsetMs
}

const offset = Number(process.env[OFFSET_VARIABLE] ?? 0)
if (offset !== 0) shiftClock(offset)
