import type { Clock } from '../calendar.ts'
import type { DigitStyle } from '../notification/numbers.ts'
import type { Language } from '../notification/plural.ts'
import type { QuietHours, RetryPolicy } from '../notification/policy.ts'
import type { Catalogue } from '../notification/template.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { NotificationMetrics } from '../telemetry/notification-metrics.ts'
import type { NotificationAdapter } from './adapter.ts'

/** Whom a household's messages go to: its head. */
export interface Recipient {
  /** `+201…` */
  readonly mobile: string
  readonly language?: Language
}

/** The rules of delivery, from the configuration. */
export interface DeliveryRules {
  readonly language: Language
  readonly digits: DigitStyle
  readonly ratePerSecond: number
  /** Unimportant messages that a household gets within an hour; those beyond it are not sent. */
  readonly householdPerHour: number
  readonly quietHours: QuietHours
  readonly retry: RetryPolicy
  /** Beyond so many waiting, unimportant ones are not taken on. */
  readonly waitingMax: number
  readonly keepDays: number
}

/** What delivery works with. */
export interface DeliveryOptions {
  readonly url: string
  readonly catalogue: Catalogue
  readonly rules: DeliveryRules
  /** Absent = nothing is sent, and each message is written down as suppressed. */
  readonly adapter: NotificationAdapter | undefined
  /** Exchanges with the provider at a time. */
  readonly concurrency: number
  /** Reads whom the messages of households go to. @returns undefined of a household of which nobody has a number */
  readonly recipientsOf: (householdIds: readonly number[]) => Promise<(householdId: number) => Recipient | undefined>
  /** The one-time code of a factor: a message keeps the factor alone. */
  readonly codeOf: (factor: number) => string | Promise<string>
  readonly clock: Clock
  readonly metrics: NotificationMetrics
  readonly log: Logger
}
