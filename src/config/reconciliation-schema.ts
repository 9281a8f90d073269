import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** `clearing.reconciliation`: how the legs are compared, and what may be written off. */
export const reconciliation = Type.Object(
  {
    cron: Type.String({
      pattern: '^\\S+( \\S+){4}$',
      default: '30 9 * * *',
      description:
        'When the last closed business date is reconciled, in Cairo time: after the statements of the banks.',
    }),
    presentmentDays: Type.Integer({
      minimum: 1,
      maximum: 60,
      default: 3,
      description: 'Days after which a hold of the card scheme that was never presented is an exception.',
    }),
    lookBackDays: Type.Integer({
      minimum: 1,
      maximum: 400,
      default: 45,
      description: 'Days back for which open exceptions and instructions are compared again.',
    }),
    keepMatchesDays: Type.Integer({
      minimum: 1,
      maximum: 4_000,
      default: 90,
      description:
        'Days for which the matches of a business date are kept, item by item; never fewer than are compared again (`lookBackDays`), nor while an exception of the date is open. Runs and exceptions stay.',
    }),
    writeOffLimits: Type.Array(
      Type.Object(
        {
          role: Type.Enum(['enrolment', 'operator', 'settlement', 'analyst', 'auditor', 'admin'], {
            description: 'Role of the second person.',
          }),
          break: Type.Optional(
            Type.String({
              pattern: '^[a-z][a-z-]{2,39}$',
              description: 'Kind of break; absent = all that have no limit of their own.',
            }),
          ),
          piasters: Type.Integer({
            minimum: 0,
            maximum: 100_000_000_000,
            description: 'What one exception may come to.',
          }),
          dayPiasters: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 1_000_000_000_000,
              description:
                'What all that is written off on a day may come to, by whomever (of the kind of break, where one is named); absent = ten times `piasters`.',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      {
        maxItems: 100,
        default: [
          { role: 'settlement', piasters: 10_000 },
          { role: 'settlement', break: 'rounding', piasters: 100 },
          { role: 'operator', piasters: 1_000_000 },
        ],
        description: 'Up to how much the second person may agree to write off, by role and kind of break.',
      },
    ),
  },
  { ...group, description: 'Comparison of ledger, clearing and bank; see docs/reconciliation.md.' },
)
