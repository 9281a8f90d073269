import type { Coverage } from './coverage.ts'
import { type MessageKind, workloadKinds } from './kinds.ts'

/** Kinds of messages of which both approvals and declines must come up. */
const bothWays: readonly MessageKind[] = [
  'purchase',
  'hold',
  'cash',
  'bread',
  'bread-days',
  'bread-offline',
  'ration',
  'basket',
  'points',
  'visit',
  'reversal',
  'partial-reversal',
  'completion',
  'refund',
]

/** Faults that must come up. */
const faults = [
  'altered-repeat',
  'uploaded-again',
  'reversal-overtakes',
  'duplicated',
  'delayed',
  'link-torn',
  'link-cut',
  'link-half-open',
  'commit-slow',
  'commit-refused',
  'commit-no-room',
  'commit-lost-before',
  'commit-lost-after',
  'read-lost',
  'crash',
  'crash-commit-sent',
  'crash-commit-durable',
  'second-writer',
  'outage',
  'clock-ahead',
  'clock-behind',
  'clock-right',
  'day-passes',
  'month-passes',
  'key-rotation',
  'cutover',
] as const

/** Commands and chores that must come up. */
const commands = [
  'repeat',
  'key-reused',
  'month-closed',
  'hold-expired',
  'card-status',
  'pin-reset',
  'close-day',
] as const

/** Answers that terminals must get. */
const codes = ['00', '10', '13', '25', '51', '55', '57', '61', '62', '63', '75', '91', '94'] as const

export interface CoverageRow {
  readonly what: string
  readonly outcome: string
  readonly count: number
}

/** What a generator must bring about, and how often it did: a row of nought is a blind spot. */
export function requiredCoverage(coverage: Coverage): CoverageRow[] {
  const rows: CoverageRow[] = []
  const approvals = (kind: string) => {
    const found = coverage.of(kind)
    return (found.get('approved') ?? 0) + (found.get('partially-approved') ?? 0)
  }
  const all = (kind: string) => [...coverage.of(kind).values()].reduce((sum, count) => sum + count, 0)
  for (const kind of bothWays) {
    rows.push({ what: kind, outcome: 'approved', count: approvals(kind) })
    rows.push({ what: kind, outcome: 'declined', count: all(kind) - approvals(kind) })
  }
  const others = workloadKinds.filter(
    (kind) =>
      !(bothWays as readonly string[]).includes(kind) &&
      !['follow-up', 'altered-repeat', 'reversal-first', 'command', 'bad-mac'].includes(kind),
  )
  for (const kind of others) rows.push({ what: kind, outcome: 'any', count: all(kind) })
  const of = (what: string, names: readonly string[]) => {
    const found = coverage.of(what)
    for (const outcome of names) rows.push({ what, outcome, count: found.get(outcome) ?? 0 })
  }
  of('answer', codes)
  of('command', commands)
  of('fault', faults)
  return rows
}
