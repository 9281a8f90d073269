import type { Clock } from '../calendar.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'
import type { HostAccess } from './account-host.ts'
import type { Authenticator } from './authenticator.ts'
import type { LaneRules } from './lane-rules.ts'
import type { LaneObserver } from './observer.ts'

/** Limits of a lane (architecture.md, "Limits on everything"). */
export interface LaneLimits {
  /** Requests and advices that wait, at most. */
  readonly ringCapacity: number
  /** A new request is refused when those before it would take longer than this. */
  readonly queueMs: number
  /** From receipt to the moment its batch is sent; later a request is answered 91. */
  readonly timeBudgetMs: number
  readonly batchMax: number
  readonly cacheHouseholds: number
  readonly recentKeys: number
  /** Business days back in which an original or a first is looked for. */
  readonly matchingDays: number
  readonly cutoverMinutes: number
}

export interface LaneOptions {
  readonly lane: number
  readonly store: LaneJournal
  readonly rules: LaneRules
  readonly authenticator: Authenticator
  readonly limits: LaneLimits
  readonly clock: Clock
  readonly timing: Timing
  readonly observer: LaneObserver
  /** The account host, where accounts are held there. */
  readonly host?: HostAccess | undefined
}

/** `recovering`: the connection was lost; requests wait for it, each at most to its deadline. */
export type LaneState = 'starting' | 'running' | 'recovering' | 'fenced' | 'stopped'
