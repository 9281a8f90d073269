import { Type } from 'typebox'
import { closed, group } from './link-schema.ts'

/** The parts of the configuration that concern jobs and notifications. */

const clockTime = (value: string, description: string) =>
  Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$', default: value, description })
const count = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })

const webhook = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[^@\\s]+$',
      maxLength: 500,
      description: 'Where messages are posted, without user and password; https in production.',
    }),
    secretFile: Type.String({
      minLength: 1,
      description: 'File of mode 0600 with the key of the signature, 32 to 256 characters.',
    }),
    caFile: Type.Optional(
      Type.String({ minLength: 1, description: 'Certificates to trust, PEM; absent = those of the machine.' }),
    ),
    timeoutMs: count(100, 120_000, 10_000, 'Time for an answer, in milliseconds.'),
    connections: count(1, 64, 4, 'Messages on their way at a time.'),
  },
  { ...closed, description: 'The provider that sends messages on as SMS; see docs/notifications.md.' },
)

/** `jobs` */
export const jobs = Type.Object(
  {
    enabled: Type.Boolean({
      default: true,
      description:
        'Whether this process runs scheduled jobs and sends notifications; one process of an installation does.',
    }),
  },
  { ...group, description: 'Work beside the lanes.' },
)

/** `notifications` */
export const notifications = Type.Object(
  {
    adapter: Type.Optional(
      Type.Enum(['webhook', 'file', 'none'], {
        description: 'Where messages go. Absent = webhook if it is set, else file; in production none.',
      }),
    ),
    webhook: Type.Optional(webhook),
    folder: Type.String({
      minLength: 1,
      default: 'notifications',
      description: 'Folder of the file adapter, relative to the data folder.',
    }),
    language: Type.Enum(['ar', 'en'], {
      default: 'ar',
      description: 'Language of messages to a household that has not chosen one.',
    }),
    digits: Type.Enum(['arab', 'latn'], { default: 'arab', description: 'Digits of Arabic messages: ٠١٢ or 012.' }),
    ratePerSecond: count(1, 5_000, 50, 'Messages handled in a second, sent or not.'),
    householdPerHour: count(
      1,
      1_000,
      12,
      'Unimportant messages that a household gets in an hour; further ones are not sent.',
    ),
    quietHours: Type.Object(
      {
        from: clockTime('22:00', 'Cairo time (HH:MM) from which unimportant messages wait.'),
        to: clockTime('08:00', 'Cairo time (HH:MM) until which they wait; the same as from = never.'),
      },
      { ...group, description: 'Hours of rest.' },
    ),
    attempts: count(1, 50, 10, 'Sendings of a message before it is given up.'),
    firstRetryMs: count(10, 3_600_000, 5_000, 'Wait after the first that failed, in milliseconds; doubles each time.'),
    longestRetryMs: count(10, 86_400_000, 3_600_000, 'Longest wait between two, in milliseconds.'),
    waitingMax: count(1_000, 10_000_000, 200_000, 'Messages that wait; beyond it unimportant ones are not taken on.'),
    remindDays: count(
      0,
      28,
      5,
      'Days before the last on which households are told what they have left, where a programme says so.',
    ),
    keepDays: count(1, 3_650, 90, 'Days for which it is kept what became of a message.'),
  },
  { ...group, description: 'Messages to households.' },
)
