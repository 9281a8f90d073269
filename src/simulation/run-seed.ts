import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { describeError } from '../errors.ts'
import { Chance } from './chance.ts'
import { Coverage } from './coverage.ts'
import { workloadKinds } from './kinds.ts'
import { Violation } from './record.ts'
import { Simulation } from './simulation.ts'
import { drawSwarm, type FaultName } from './swarm.ts'

export interface SeedOptions {
  readonly seed: number
  /** Transactions that are begun. */
  readonly events: number
  /** Kinds of faults that are left out. */
  readonly without?: ReadonlySet<FaultName>
  readonly onEvent?: (line: string) => void
}

/** What became of a seed. */
export interface SeedResult {
  readonly seed: number
  readonly ok: boolean
  /** The promise that was broken, and how. */
  readonly promise: string | undefined
  readonly detail: string | undefined
  /** Hash of all that happened. */
  readonly digest: string
  readonly happened: number
  readonly messages: number
  readonly approvals: number
  readonly virtualMs: number
  readonly coverage: Readonly<Record<string, number>>
  /** The last of what happened, where a promise was broken. */
  readonly last: readonly string[]
}

/** Transactions of a seed, unless it is said otherwise. */
export const EVENTS = 220

/** Simulates one seed. */
export async function runSeed(catalogue: ProgrammeCatalogue, options: SeedOptions): Promise<SeedResult> {
  const { seed, events, without = new Set<FaultName>(), onEvent } = options
  const chance = new Chance(seed)
  const swarm = drawSwarm(chance.fork('swarm'), without, workloadKinds)
  const coverage = new Coverage()
  const simulation = new Simulation(swarm, chance, catalogue, coverage, onEvent)
  let broken: { promise: string; detail: string } | undefined
  try {
    await simulation.run(events)
  } catch (error) {
    broken =
      error instanceof Violation
        ? { promise: error.promise, detail: error.message.slice(error.promise.length + 2) }
        : {
            promise: 'the simulation itself runs',
            detail: error instanceof Error ? (error.stack ?? '') : describeError(error),
          }
  }
  const { record, auditor, agenda } = simulation
  return {
    seed,
    ok: broken === undefined,
    promise: broken?.promise,
    detail: broken?.detail,
    happened: record.count,
    messages: simulation.sent,
    approvals: auditor.approvals,
    virtualMs: Math.round(agenda.nowMs),
    coverage: coverage.toJSON(),
    last: broken === undefined ? [] : record.last,
    digest: record.digest(),
  }
}
