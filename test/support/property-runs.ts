/**
 * How often random tests do their work. `npm run properties -- --runs N` sets MIZAN_PROPERTY_RUNS, which is read here and
 * nowhere else; `fast-check-runs.ts` gives it to the properties of fast-check.
 */
const factor = factorOf(process.env.MIZAN_PROPERTY_RUNS)

/** So often a random test does its work: as often as it says, times what the run asks for. */
export function propertyRuns(runs = 1): number {
  return runs * factor
}

/** Seed of a random test that does not draw by fast-check: another one each time, unless MIZAN_TEST_SEED states it. */
export function randomSeed(): number {
  const stated = process.env.MIZAN_TEST_SEED
  return stated === undefined || stated === '' ? Date.now() % 2 ** 31 : Number(stated)
}

function factorOf(text = '1'): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > 100_000) {
    throw new RangeError(`MIZAN_PROPERTY_RUNS is a whole number from 1 to 100000, not "${text}"`)
  }
  return value
}
