import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Coverage } from './coverage.ts'
import type { SeedResult } from './run-seed.ts'
import type { FaultName } from './swarm.ts'

export interface CampaignOptions {
  readonly from: number
  readonly seeds: number
  readonly events: number
  readonly without: readonly FaultName[]
  /** Threads. @default as many as the machine has processors */
  readonly threads?: number
  /** Ends with the first seed that breaks a promise. */
  readonly stopAtFirst?: boolean
  /** Called after each seed. */
  readonly onResult?: (result: SeedResult, done: number) => void
}

export interface CampaignResult {
  readonly seeds: number
  readonly failures: readonly SeedResult[]
  readonly messages: number
  readonly approvals: number
  readonly virtualMs: number
  readonly coverage: Coverage
}

/** What a thread is told to do. */
export interface SeedOrder {
  readonly seed: number
  readonly events: number
  readonly without: readonly FaultName[]
}

/** Simulates many seeds on all processors; each seed is a world of its own. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { from, seeds, events, without, onResult, stopAtFirst = false } = options
  const threads = Math.min(seeds, options.threads ?? availableParallelism())
  const coverage = new Coverage()
  const failures: SeedResult[] = []
  const sums = { messages: 0, approvals: 0, virtualMs: 0 }
  let next = from
  let done = 0
  let isOver = false
  const take = (result: SeedResult) => {
    done++
    sums.messages += result.messages
    sums.approvals += result.approvals
    sums.virtualMs += result.virtualMs
    coverage.add(result.coverage)
    if (!result.ok) failures.push(result)
    if (!result.ok && stopAtFirst) isOver = true
    onResult?.(result, done)
  }
  const order = (): SeedOrder | undefined =>
    isOver || next >= from + seeds ? undefined : { seed: next++, events, without }
  await Promise.all(Array.from({ length: threads }, () => runThread(order, take)))
  failures.sort((a, b) => a.seed - b.seed)
  return { seeds: done, failures, coverage, ...sums }
}

/** One thread takes seed after seed. */
function runThread(order: () => SeedOrder | undefined, take: (result: SeedResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url))
    const give = () => {
      const next = order()
      if (next === undefined) void worker.terminate().then(() => resolve())
      else worker.postMessage(next)
    }
    worker.on('message', (result: SeedResult) => {
      take(result)
      give()
    })
    worker.on('error', reject)
    give()
  })
}
