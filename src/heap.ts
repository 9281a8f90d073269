import { setFlagsFromString } from 'node:v8'

/** A full collection waits until the old generation has grown by this much, in percent of what the last one left. */
const GROWTH_PERCENT = 1_000

/**
 * Tells V8 how the memory of a switch is used: what it makes lives for milliseconds, but for some 30 MB that stay
 * (households are records outside the heap). Must be called before the heap has grown.
 *
 * The old generation is collected rarely; left to itself, V8 marks it every second or two, and each time answers come
 * tens of milliseconds late. And nothing is made in the old generation at once: V8 does so where most objects of a line
 * of code were still in use at a collection, as when a commit takes long, and from then on what hangs on those objects
 * is kept and copied too, until the next full collection.
 */
export function tuneHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  setFlagsFromString('--no-allocation-site-pretenuring')
}
