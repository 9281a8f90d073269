import type { Clock } from '../calendar.ts'
import type { ContentSource } from '../clearing/outgoing/file-content.ts'
import type { WriteOffLimit } from '../clearing/reconciliation/write-off-limits.ts'
import type { PanProtection } from '../security/pan-protection.ts'
import type { PersonalData } from '../security/personal-data.ts'
import type { ApiDatabase } from '../store/access-pool.ts'
import type { SessionLimits } from '../store/access-sessions.ts'
import type { Enqueue } from '../store/notification-reader.ts'

/** What the routes work with; the composition root gives it. */
export interface ApiServices {
  readonly database: ApiDatabase
  /** For what still connects by itself. */
  readonly databaseUrl: string
  readonly pans: PanProtection
  /** Seals and opens what is known of people. */
  readonly personal: PersonalData
  readonly clock: Clock
  readonly laneCount: number
  /** Minutes after Cairo midnight at which the business day ends. */
  readonly cutoverMinutes: number
  readonly production: boolean
  readonly version: string
  readonly sessions: SessionLimits
  /** Has the switch of this process take over at once what people changed; it would by itself, within a second. */
  readonly refresh?: {
    programmes(): Promise<void>
    reference(): Promise<void>
  }
  /** Up to how much a second person may agree to write off; nothing where it is absent. */
  readonly writeOffLimits?: readonly WriteOffLimit[]
  /** Where clearing files stand, and how those are made again whose clear form is gone. */
  readonly clearing?: Omit<ContentSource, 'client'>
  /** Makes the jobs of messages that are sent again. */
  readonly enqueue: Enqueue
  /** Where files that are sent rest while they are dealt with; see openUploads. */
  readonly uploadFolder: string
  /** How long a route waits for a command before it answers 202, in milliseconds. */
  readonly commandWaitMs: number
}
