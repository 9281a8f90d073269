import { DAY_MS, HOUR_MS } from '../time-units.ts'
import { midnightOf } from './cairo.ts'
import type { Chance } from './chance.ts'
import type { JournalFaults } from './journal.ts'
import type { WorkloadKind } from './kinds.ts'
import type { NetworkFaults } from './wire.ts'

/** Kinds of faults that can be left out, to find which of them a failure needs. */
export const faultNames = [
  'network',
  'peers',
  'journal',
  'crash',
  'fence',
  'outage',
  'clock',
  'skip',
  'keys',
  'cutover',
] as const
export type FaultName = (typeof faultNames)[number]

/** All that differs from one seed to the next: each is drawn anew, so that seeds are unlike each other. */
export interface Swarm {
  readonly startMs: number
  readonly laneCount: number
  readonly households: number
  readonly cutoverMinutes: number
  readonly ringCapacity: number
  readonly batchMax: number
  readonly queueMs: number
  readonly cacheHouseholds: number
  readonly recentKeys: number
  readonly matchingDays: number
  readonly timeBudgetMs: number
  readonly commitTimeoutMs: number
  readonly holdDays: number
  readonly maxInFlight: number
  readonly maxOutboundBytes: number
  readonly idleTimeoutMs: number
  readonly links: readonly ('ascii' | 'bcd' | 'visa')[]
  /** Links whose messages carry a MAC. */
  readonly macLinks: readonly string[]
  /** Whether a security module answers later than at once. */
  readonly lateModule: boolean
  /** Mean time between two new transactions. */
  readonly betweenMs: number
  readonly answerTimeoutMs: number
  readonly network: NetworkFaults
  readonly journal: JournalFaults
  /** Chances of what peers do to a message of theirs. */
  readonly duplicated: number
  readonly delayed: number
  readonly delayMs: number
  /** Chance, at each step of a commit, that the process dies there. */
  readonly crashAtStep: number
  /** Mean time between faults of the whole, 0 = never. */
  readonly crashEveryMs: number
  readonly fenceEveryMs: number
  readonly outageEveryMs: number
  readonly outageMs: number
  readonly clockEveryMs: number
  readonly clockJumpMs: number
  readonly skipEveryMs: number
  readonly keyEveryMs: number
  /** Mean time between days that are closed by hand, early or late. */
  readonly cutoverEveryMs: number
  readonly weights: Readonly<Partial<Record<WorkloadKind, number>>>
  /** Piasters in a postal account at the start, at most. */
  readonly postalMax: number
}

/** Instants at which something changes: the simulation begins shortly before one of them. */
const turns = [
  { date: 20_260_424, what: 'daylight time begins' },
  { date: 20_261_030, what: 'daylight time has ended' },
  { date: 20_270_101, what: 'a year begins' },
  { date: 20_260_301, what: 'a month of 28 days is over' },
  { date: 20_261_001, what: 'a month begins' },
  { date: 20_261_119, what: 'a day begins' },
  { date: 20_270_401, what: 'a span of a programme is over' },
] as const

/** Draws the parameters of a seed. */
export function drawSwarm(chance: Chance, without: ReadonlySet<FaultName>, kinds: readonly WorkloadKind[]): Swarm {
  const sometimes = (name: FaultName, low: number, high: number, share = 0.6) => {
    const drawn = chance.happens(share) ? chance.spread(low, high) : 0
    return without.has(name) ? 0 : drawn
  }
  const crowd = chance.happens(0.12)
  const links = (['ascii', 'bcd', 'visa'] as const).filter(() => chance.happens(0.7))
  const usedLinks = links.length === 0 ? (['ascii'] as const) : links
  const weights: Partial<Record<WorkloadKind, number>> = {}
  for (const kind of kinds) weights[kind] = chance.happens(0.2) ? 0 : chance.spread(0.3, 3)
  // What follows on another message is where most can go wrong.
  weights['follow-up'] = chance.spread(1, 10)
  const turn = chance.pick(turns)
  const before = chance.pick([5_000, 20_000, HOUR_MS, 8 * HOUR_MS, 30 * HOUR_MS])
  return {
    startMs: midnightOf(turn.date) - before,
    laneCount: chance.pick([1, 1, 1, 2, 3]),
    households: crowd ? 130 : chance.integer(2, 14),
    cutoverMinutes: chance.pick([1_350, 1_350, 0, 60]),
    ringCapacity: chance.pick([4, 32, 256]),
    batchMax: chance.pick([1, 4, 16, 64]),
    queueMs: chance.pick([200, 500, 2_000]),
    cacheHouseholds: chance.pick([1, 64, 4_096]),
    recentKeys: chance.pick([8, 64, 4_096]),
    matchingDays: chance.pick([20, 30]),
    timeBudgetMs: Math.round(chance.spread(300, 6_000)),
    commitTimeoutMs: Math.round(chance.spread(400, 3_000)),
    holdDays: chance.pick([1, 2, 7]),
    maxInFlight: chance.pick([1, 4, 64]),
    maxOutboundBytes: chance.pick([2_400, 65_536]),
    idleTimeoutMs: chance.pick([0, 5_000, 60_000]),
    links: usedLinks,
    macLinks: usedLinks.filter((link) => link !== 'visa' && chance.happens(0.4)),
    lateModule: chance.happens(0.3),
    betweenMs: chance.spread(3, 200),
    answerTimeoutMs: Math.round(chance.spread(300, 8_000)),
    network: {
      latencyMs: chance.spread(0.1, 60),
      jitterMs: chance.pick([0, 1, 40]),
      torn: sometimes('network', 0.01, 0.6),
      cut: sometimes('network', 0.001, 0.04),
      halfOpen: sometimes('network', 0.0005, 0.01, 0.4),
      slowReaderBytes: sometimes('network', 1_000, 40_000, 0.15),
    },
    journal: {
      readMs: chance.spread(0.1, 20),
      commitMs: chance.spread(0.3, 60),
      slow: sometimes('journal', 0.005, 0.2),
      slowMs: chance.spread(50, 6_000),
      refused: sometimes('journal', 0.003, 0.1, 0.4),
      lostBefore: sometimes('journal', 0.003, 0.1),
      lostAfter: sometimes('journal', 0.003, 0.15),
      lostReading: sometimes('journal', 0.002, 0.05, 0.4),
    },
    duplicated: sometimes('peers', 0.01, 0.3),
    delayed: sometimes('peers', 0.01, 0.4),
    delayMs: chance.spread(5, 6_000),
    crashAtStep: sometimes('crash', 0.001, 0.02, 0.4),
    crashEveryMs: sometimes('crash', 1_500, 60_000, 0.5),
    fenceEveryMs: sometimes('fence', 3_000, 60_000, 0.4),
    outageEveryMs: sometimes('outage', 3_000, 60_000, 0.4),
    outageMs: chance.spread(50, 8_000),
    clockEveryMs: sometimes('clock', 1_000, 30_000, 0.4),
    clockJumpMs: chance.pick([1_000, 30_000, HOUR_MS, DAY_MS]),
    skipEveryMs: sometimes('skip', 800, 20_000, 0.6),
    keyEveryMs: sometimes('keys', 500, 20_000, 0.5),
    weights,
    postalMax: chance.pick([3_000, 30_000, 800_000]),
    cutoverEveryMs: sometimes('cutover', 800, 30_000, 0.5),
  }
}
