import type { Clock } from '../calendar.ts'
import type { ApiDatabase } from '../store/access-pool.ts'
import type { SessionLimits } from '../store/access-sessions.ts'

/** What the routes work with; the composition root gives it. */
export interface ApiServices {
  readonly database: ApiDatabase
  /** For what still connects by itself. */
  readonly databaseUrl: string
  /** Keyed hash by which a card is found: 16 bytes as latin1. */
  readonly panIndexOf: (pan: string) => string
  readonly clock: Clock
  readonly laneCount: number
  readonly production: boolean
  readonly version: string
  readonly sessions: SessionLimits
  /** How long a route waits for a command before it answers 202, in milliseconds. */
  readonly commandWaitMs: number
}
