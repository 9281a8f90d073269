import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { runSeed, type SeedResult } from './run-seed.ts'
import { type FaultName, faultNames } from './swarm.ts'

/** The least that still breaks the same promise. */
export interface Shrunk {
  readonly events: number
  readonly without: readonly FaultName[]
  readonly result: SeedResult
}

/**
 * Makes a failing seed smaller: leaves out kinds of faults one after the other, then halves the transactions, as long
 * as the same promise is broken.
 */
export async function shrink(
  catalogue: ProgrammeCatalogue,
  seed: number,
  failing: { readonly events: number; readonly without: readonly FaultName[]; readonly promise: string },
  onStep: (what: string) => void,
): Promise<Shrunk | undefined> {
  const attempt = async (events: number, without: readonly FaultName[]) => {
    const result = await runSeed(catalogue, { seed, events, without: new Set(without) })
    return result.promise === failing.promise ? result : undefined
  }
  let { events } = failing
  let without = [...failing.without]
  let best = await attempt(events, without)
  if (best === undefined) return undefined
  for (const name of faultNames) {
    if (without.includes(name)) continue
    const found = await attempt(events, [...without, name])
    if (found === undefined) continue
    best = found
    without = [...without, name]
    onStep(`without ${name}: still broken`)
  }
  let low = 0
  while (low + 1 < events) {
    const middle = Math.floor((low + events) / 2)
    const found = await attempt(middle, without)
    if (found === undefined) {
      low = middle
    } else {
      best = found
      events = middle
      onStep(`${events} transactions: still broken`)
    }
  }
  return { events, without, result: best }
}
