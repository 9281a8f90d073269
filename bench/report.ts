import type { CheckResult } from '../src/store/verify.ts'
import type { Comparison } from './compare.ts'
import { grown } from './probes.ts'
import type { StepResult } from './session.ts'
import { figure, table } from './terminal.ts'

const MICROSECONDS_PER_MS = 1_000
const percentiles = { p50_ms: 0.5, p90_ms: 0.9, p99_ms: 0.99, p999_ms: 0.999 } as const

/** Latencies in milliseconds, from the intended sending to the answer. */
export function latencyFigures({ latency }: StepResult) {
  const ms = (microseconds: number) => round(microseconds / MICROSECONDS_PER_MS, 3)
  const figures = Object.entries(percentiles).map(([name, share]) => [name, ms(latency.percentile(share))] as const)
  return {
    ...(Object.fromEntries(figures) as Record<keyof typeof percentiles, number>),
    max_ms: ms(latency.max),
  }
}

const stageNames = ['decode', 'prefetch', 'decide', 'commit', 'encode', 'total'] as const

/** What the switch says about itself over the run: averages per batch or request, in microseconds. */
function switchFigures({ metrics: { from, to }, switchMib }: StepResult) {
  const stages = Object.fromEntries(
    stageNames.map((stage) => {
      const count = grown(from, to, `mizan_stage_seconds_count{stage="${stage}"}`)
      const sum = grown(from, to, `mizan_stage_seconds_sum{stage="${stage}"}`)
      return [`${stage}_us`, count === 0 ? 0 : round((sum / count) * 1e6, 1)]
    }),
  )
  const hits = grown(from, to, 'mizan_cache_hits_total')
  const misses = grown(from, to, 'mizan_cache_misses_total')
  return { ...stages, cache_hit_share: hits + misses === 0 ? 0 : round(hits / (hits + misses), 3), rss_mib: switchMib }
}

/** What the database did over the run, warm-up included. */
function databaseFigures({ database: { from, to }, metrics }: StepResult) {
  const requests = grown(metrics.from, metrics.to, 'mizan_batch_size_sum')
  const batches = to.batches - from.batches
  const walBytes = to.walBytes - from.walBytes
  return {
    commits: to.commits - from.commits,
    batches,
    avg_batch: batches === 0 ? 0 : round(requests / batches, 1),
    wal_bytes_per_auth: requests === 0 ? 0 : Math.round(walBytes / requests),
    wal_records_per_auth: requests === 0 ? 0 : round((to.walRecords - from.walRecords) / requests, 1),
    wal_full_pages: to.walFullPages - from.walFullPages,
    database_bytes_per_auth: requests === 0 ? 0 : Math.round((to.databaseBytes - from.databaseBytes) / requests),
    pages_read_per_auth: requests === 0 ? 0 : round((to.pagesRead - from.pagesRead) / requests, 2),
    wal_segment_writes: to.segmentWrites - from.segmentWrites,
  }
}

/** What the load itself took of the machine, and what it checked of the answers. */
function generatorFigures({ outcome, cpu }: StepResult) {
  const perSecond = outcome.answersPerSecond
  return {
    make_us: round(outcome.makeMicroseconds, 1),
    cpu_us: cpu === null || perSecond === 0 ? null : round((cpu.generator * 1e6) / perSecond, 1),
    answers_checked: outcome.answersChecked,
    answers_wrong: outcome.answersWrong,
  }
}

/** The figures of one run, in the names of docs/benchmarks.md. */
export function runFigures(step: StepResult, seconds: number) {
  const { outcome, cpu } = step
  return {
    offered: outcome.offered,
    completed: outcome.completed,
    tps: Math.round(outcome.answersPerSecond),
    approved: outcome.approved,
    declined: outcome.declined,
    errors: outcome.errors + outcome.linksLost,
    ...latencyFigures(step),
    seconds,
    cpu,
    pg: databaseFigures(step),
    switch: switchFigures(step),
    generator: generatorFigures(step),
    codes: outcome.codes,
    unmatched: outcome.unmatched,
  }
}

/** Prints a run as a table for people. */
export function runTable(
  title: string,
  figures: ReturnType<typeof runFigures> & { readonly p99_ms_by_second?: readonly number[] },
): string {
  const { cpu, pg, codes } = figures
  const rows: string[][] = [
    ['offered', figure(figures.offered)],
    ['completed', figure(figures.completed)],
    ['answers per second', figure(figures.tps)],
    ['approved', figure(figures.approved)],
    ['declined', figure(figures.declined)],
    ['errors', figure(figures.errors)],
    ...(['p50_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms'] as const).map((name) => [
      `latency ${name.replace('_ms', '')}, ms`,
      figure(figures[name]),
    ]),
    ...(figures.p99_ms_by_second === undefined ? [] : [['p99 of each second, ms', figures.p99_ms_by_second.join(' ')]]),
    ...Object.entries(cpu ?? {}).map(([name, cores]) => [`cores used by ${name}`, cores.toFixed(2)]),
    ...Object.entries(pg).map(([name, value]) => [`database ${name.replaceAll('_', ' ')}`, figure(value)]),
    ...Object.entries(figures.switch).map(([name, value]) => [
      `switch ${name.replaceAll('_', ' ')}`,
      figure(value ?? 0),
    ]),
    ...Object.entries(figures.generator).map(([name, value]) => [
      `generator ${name.replaceAll('_', ' ')}`,
      figure(value ?? 0),
    ]),
    [
      'answers by code',
      Object.entries(codes)
        .map(([code, count]) => `${code} ${figure(count)}`)
        .join(', '),
    ],
  ]
  return `${title}\n${table(rows)}`
}

/** Prints comparison and invariants. */
export function proofTable(comparison: Comparison, checks: readonly CheckResult[]): string {
  const rows = [
    ['answers compared with the ledger', figure(comparison.rows)],
    ['lost', figure(comparison.lost)],
    ['phantom', figure(comparison.phantom)],
    ['unanswered but posted', figure(comparison.unansweredButPosted)],
    ...comparison.examples.map((example) => ['', example]),
    ...checks.map(({ name, ok, detail }) => [`invariant: ${name}`, ok ? 'ok' : `FAILS ${detail}`]),
  ]
  return table(rows)
}

function round(value: number, decimals: number): number {
  const factor = 10 ** decimals
  return Math.round(value * factor) / factor
}
