import { figure, table } from '../terminal.ts'
import { faultKinds } from './plan.ts'
import type { ChaosResult } from './run.ts'
import type { KindFigures } from './watch.ts'

const MICROSECONDS_PER_MS = 1_000

function ms(value: number): number {
  return Math.round(value)
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function latencies(histogram: KindFigures['during']) {
  const at = (share: number) => ms(histogram.percentile(share) / MICROSECONDS_PER_MS)
  return { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: ms(histogram.max / MICROSECONDS_PER_MS) }
}

function kindFigures(name: string, figures: KindFigures) {
  const { faults, recoveryMs, silenceMs, during, after, refused, repeats, reversals, linksLost } = figures
  return {
    fault: name,
    count: faults,
    recovery_p50_ms: ms(middle(recoveryMs)),
    recovery_max_ms: ms(Math.max(...recoveryMs)),
    silence_max_ms: ms(Math.max(...silenceMs)),
    during: latencies(during),
    after: latencies(after),
    refused,
    repeats,
    reversals,
    links_lost: linksLost,
  }
}

/** The run as one object for machines. */
export function chaosFigures(result: ChaosResult) {
  const { last } = result
  return {
    seed: result.seed,
    seconds: Math.round(result.seconds),
    faults: result.played.length,
    sent: result.sent,
    answered: result.answered,
    lost: last?.comparison.lost ?? null,
    phantom: last?.comparison.phantom ?? null,
    unanswered_but_posted: last?.comparison.unansweredButPosted ?? null,
    unsettled: last?.unsettled ?? null,
    invariants: (last?.invariants ?? []).map(({ name, ok }) => ({ name, ok })),
    audits: result.audits,
    repeats: result.counts.repeats,
    reversals: result.counts.reversals,
    links_lost: result.counts.linksLost,
    log_bytes: result.logBytes,
    kinds: kindsOf(result).map(([name, figures]) => kindFigures(name, figures)),
    skipped: result.skipped,
    played: result.played,
    violations: result.violations,
  }
}

function kindsOf({ figures }: ChaosResult): [string, KindFigures][] {
  return faultKinds.flatMap(({ name }): [string, KindFigures][] => {
    const found = figures.get(name)
    return found === undefined ? [] : [[name, found]]
  })
}

/** The run as tables for people. */
export function chaosTable(result: ChaosResult): string {
  const head = [
    'fault',
    'count',
    'recovery p50',
    'max ms',
    'silence max',
    'during p50',
    'p99',
    'max ms',
    'after p50',
    'p99',
    'max ms',
    '91/96',
    'repeats',
    'reversals',
    'links lost',
  ]
  const rows = kindsOf(result).map(([name, figures]) => {
    const one = kindFigures(name, figures)
    const { during, after } = one
    const numbers = [
      ...[one.count, one.recovery_p50_ms, one.recovery_max_ms, one.silence_max_ms],
      ...[during.p50_ms, during.p99_ms, during.max_ms, after.p50_ms, after.p99_ms, after.max_ms],
      ...[one.refused, one.repeats, one.reversals, one.links_lost],
    ]
    return [name, ...numbers.map(figure)]
  })
  return `${table([head, ...rows])}\n${summaryOf(result)}`
}

function summaryOf(result: ChaosResult): string {
  const { last, counts } = result
  const sound = last?.invariants.filter(({ ok }) => ok).length ?? 0
  const lines = [
    ['seed', String(result.seed)],
    ['faults', figure(result.played.length)],
    ['seconds', figure(Math.round(result.seconds))],
    ['requests', figure(result.sent)],
    ['answered', figure(result.answered)],
    ['repeats, reversals of the unanswered', `${figure(counts.repeats)}, ${figure(counts.reversals)}`],
    ['links lost', figure(counts.linksLost)],
    ['bytes logged by the switch', figure(result.logBytes)],
    ['audits', figure(result.audits)],
    ['lost', figure(last?.comparison.lost ?? Number.NaN)],
    ['phantom', figure(last?.comparison.phantom ?? Number.NaN)],
    ['posted, neither answered nor reversed', figure(last?.unsettled ?? Number.NaN)],
    ['invariants that hold', `${sound} of ${last?.invariants.length ?? 0}`],
  ]
  const skipped = Object.entries(result.skipped).map(([name, why]) => `not played: ${name}: ${why}\n`)
  return table(lines) + skipped.join('') + (result.violations.length === 0 ? 'held\n' : violationsOf(result))
}

/** What went wrong, and all that is needed to look for it: the seed and every fault. */
function violationsOf({ violations, played, seed }: ChaosResult): string {
  const faults = played.map(({ ordinal, name, detail, atSeconds }) =>
    `  ${ordinal} at ${atSeconds.toFixed(1)} s: ${name} ${detail}`.trimEnd(),
  )
  return [`FAILED, seed ${seed}`, ...violations.map((what) => `  ${what}`), 'faults:', ...faults, ''].join('\n')
}
