import { Type } from 'typebox'
import { group } from './link-schema.ts'

const count = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })
const codes = (value: readonly string[], description: string) =>
  Type.Array(Type.String({ pattern: '^[0-9A-Z]{2}$' }), { default: [...value], maxItems: 50, description })

/** `forwarding`: messages that Mizan itself sends over its outbound links. */
export const forwarding = Type.Object(
  {
    window: count(
      1,
      64,
      1,
      'Messages to a destination that may await their answer at a time; 1 keeps their order whatever happens.',
    ),
    ratePerSecond: count(1, 10_000, 100, 'Messages to a destination that are begun in a second.'),
    maxAttempts: count(1, 10_000, 50, 'Sendings without an answer that counts, after which a message is given up.'),
    backoff: Type.Object(
      {
        minMs: count(10, 3_600_000, 1_000, 'First pause, in milliseconds.'),
        maxMs: count(10, 86_400_000, 60_000, 'Longest pause, in milliseconds.'),
      },
      {
        ...group,
        description: 'Pauses before a message is sent again; each is twice the one before, less a random share.',
      },
    ),
    acceptedCodes: codes(['00', '10'], 'DE39 with which a message is done.'),
    reversalAcceptedCodes: codes(['25'], 'DE39 with which a reversal is done besides: there was nothing to reverse.'),
    retryCodes: codes(['91', '96'], 'DE39 with which a message is sent again; any other refuses it for good.'),
    leaseMs: count(
      1_000,
      60_000,
      4_000,
      'How long a destination stays with the process that sends to it, after the process fell silent; in milliseconds.',
    ),
    stuckAfterMs: count(
      1_000,
      86_400_000,
      300_000,
      'Age of the oldest message, in milliseconds, from which a destination counts as stuck.',
    ),
    keepDays: count(1, 3_650, 30, 'Days for which messages that are done are kept.'),
  },
  {
    ...group,
    description: 'Messages that Mizan itself sends: advices, reversals, keys, cutover; see docs/forwarding.md.',
  },
)
