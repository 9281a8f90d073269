import { setFlagsFromString } from 'node:v8'

/** A full collection waits until the old generation has grown by this much, in percent of what the last one left. */
const GROWTH_PERCENT = 1_000

/**
 * Tells V8 to collect the old generation rarely. What lives long in a switch is some 30 MB, kept small on purpose
 * (households are records outside the heap); left to itself, V8 marks it every second or two, and each time answers
 * come tens of milliseconds late. Young objects are collected as always. Must be called before the heap has grown.
 */
export function collectRarely(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
