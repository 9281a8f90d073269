import { readFileSync } from 'node:fs'
import type { Clock } from './calendar.ts'
import type { Config } from './config/config.ts'
import { describeError, MizanError } from './errors.ts'
import type { NotificationAdapter } from './jobs/adapter.ts'
import type { DeliveryOptions } from './jobs/delivery-options.ts'
import { fileAdapter } from './jobs/file-adapter.ts'
import { noticeExpiryJob } from './jobs/notice-expiry-job.ts'
import { outboundPurgeJob } from './jobs/purge-job.ts'
import { type ReminderOptions, reminderJob } from './jobs/reminder-job.ts'
import { type Jobs, startJobs } from './jobs/runtime.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import { webhookAdapter } from './jobs/webhook-adapter.ts'
import { compileTemplates } from './notification/catalogue.ts'
import { personalData } from './security/personal-data.ts'
import { readSecretFile } from './security/secret-file.ts'
import { type KeptConnection, keptConnection } from './store/kept-connection.ts'
import { readRecipients } from './store/people-register.ts'
import type { OpenKeys } from './switch-keys.ts'
import type { Logger } from './telemetry/logger.ts'
import type { NotificationMetrics } from './telemetry/notification-metrics.ts'

/** What the switch gives to jobs. */
export interface JobsWiring {
  readonly config: Config
  readonly url: string
  /** Those of other parts of the program. */
  readonly jobs: readonly NamedJob[]
  /** What is kept of people is sealed under them. */
  readonly keys: Pick<OpenKeys, 'ring' | 'protection' | 'module'>
  readonly programmesOn: ReminderOptions['programmesOn']
  readonly clock: Clock
  readonly metrics: NotificationMetrics
  readonly log: Logger
}

const SECRET_MIN = 32
const SECRET_MAX = 256

/**
 * Starts jobs and notifications as the configuration says, without waiting for them; undefined when another process has
 * them.
 * @throws MizanError CONFIG_INVALID when a template or a file of the webhook is not in order
 */
export function openJobs(wiring: JobsWiring): Jobs | undefined {
  const { config, url, keys, programmesOn, jobs, clock, metrics, log } = wiring
  // A fault in the templates shows at the start of every process, not only in that which sends.
  const catalogue = compileTemplates()
  if (!config.jobs.enabled) return undefined
  const { notifications } = config
  const recipients = keptConnection({
    url,
    name: 'mizan notification recipients',
    role: 'mizan_app',
    queryTimeoutMs: 5_000,
  })
  const personal = personalData(keys.ring, () => clock.now())
  const { attempts, firstRetryMs, longestRetryMs } = notifications
  const delivery: DeliveryOptions = {
    url,
    catalogue,
    rules: { ...notifications, retry: { attempts, firstRetryMs, longestRetryMs } },
    adapter: openAdapter(notifications, clock),
    concurrency: notifications.webhook?.connections ?? 1,
    recipientsOf: (householdIds) => recipients.use((client) => readRecipients({ client, personal }, householdIds)),
    codeOf: (factor) => keys.module.makeOneTimeCode('one-time-code', factor),
    clock,
    metrics,
    log,
  }
  const desk = { personal, pans: keys.protection, now: () => clock.now() }
  const reminder = { url, clock, programmesOn, daysBefore: notifications.remindDays }
  const purge = outboundPurgeJob({ url, clock, keepDays: config.forwarding.keepDays })
  const all = [...jobs, noticeExpiryJob(url, desk), reminderJob(reminder), purge]
  return closing(startJobs({ url, jobs: all, delivery, log }), recipients)
}

/** Jobs that take a connection along when they end. */
function closing(jobs: Jobs, connection: KeptConnection): Jobs {
  return {
    ...jobs,
    async close() {
      await jobs.close()
      await connection.close()
    },
  }
}

function openAdapter(settings: Config['notifications'], clock: Clock): NotificationAdapter | undefined {
  const { adapter, webhook, folder } = settings
  if (adapter === 'none') return undefined
  if (adapter === 'file' || webhook === undefined) return fileAdapter(folder, clock)
  const { url, secretFile, caFile, timeoutMs, connections } = webhook
  const secret = readSecretFile(secretFile, 'the key of the notification webhook')
  if (secret.length < SECRET_MIN || secret.length > SECRET_MAX) {
    throw new MizanError('CONFIG_INVALID', `${secretFile} must hold ${SECRET_MIN} to ${SECRET_MAX} characters`)
  }
  const ca = caFile === undefined ? {} : { ca: readAuthorities(caFile) }
  return webhookAdapter({ url, secret, timeoutMs, connections, ...ca })
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MizanError('CONFIG_INVALID', `${file} cannot be read: ${describeError(cause)}`, { cause })
  }
}
