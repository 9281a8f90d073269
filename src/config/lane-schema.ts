import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** How the lanes are written; part of the configuration file in schema.ts. */
export const lanes = Type.Object(
  {
    count: Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 1,
      description: 'Lanes that this process writes; fixed when a database is new.',
    }),
    ringCapacity: Type.Integer({
      minimum: 64,
      maximum: 1_048_576,
      default: 8_192,
      description:
        'Requests and advices that wait in a lane: half for new requests, a quarter more for reversals, a quarter for advices; beyond it the answer is 91.',
    }),
    queueMs: Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 500,
      description: 'A new request is answered 91 at once when those before it would take longer than this.',
    }),
    batchMax: Type.Integer({ minimum: 1, maximum: 1_024, default: 128, description: 'Requests in one commit.' }),
    timeBudgetMs: Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 3_000,
      description: 'A request not yet in a batch after this many milliseconds is answered 91.',
    }),
    cacheHouseholds: Type.Integer({
      minimum: 1_000,
      maximum: 10_000_000,
      default: 400_000,
      description: 'Households of a lane kept in memory.',
    }),
    recentKeys: Type.Integer({
      minimum: 1_000,
      maximum: 10_000_000,
      default: 200_000,
      description: 'Duplicate keys of a lane kept in memory.',
    }),
    closingsPerSecond: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 50,
      description: 'Households of a lane whose past month is closed in a second while nobody asks for them.',
    }),
    matchingDays: Type.Integer({
      minimum: 1,
      maximum: 400,
      default: 35,
      description: 'Business days back in which a repeat or the original of a reversal is looked for.',
    }),
  },
  { ...group, description: 'The writer.' },
)

const amount = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 999_999_999_999, default: value, description })

/** Limits of a card where its programme sets none; part of the configuration file in schema.ts. */
export const limits = Type.Object(
  {
    withdrawalDailyPiasters: amount(3_000_000, 'Cash a card may draw in a civil day, in piasters (30,000 EGP).'),
    withdrawalDailyCount: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 10,
      description: 'Withdrawals of a card in a civil day.',
    }),
    purchaseSinglePiasters: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 999_999_999_999,
        description:
          'Largest single purchase from a postal account, and return that names no purchase, in piasters; absent = no limit.',
      }),
    ),
    holdDays: Type.Integer({
      minimum: 1,
      maximum: 60,
      default: 7,
      description: 'Days until an uncaptured hold expires.',
    }),
  },
  { ...group, description: 'Limits of a card where its programme sets none.' },
)
