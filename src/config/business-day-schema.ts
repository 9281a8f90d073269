import { Type } from 'typebox'
import { group } from './link-schema.ts'

const link = { minLength: 1, maxLength: 32 }

/** `businessDay`: when it ends, and who says so. */
export const businessDay = Type.Object(
  {
    cutover: Type.String({
      pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
      default: '22:30',
      description: 'Cairo time (HH:MM) at which the business day ends; not from 23:00 to 01:00.',
    }),
    automatic: Type.Boolean({
      default: true,
      description: 'Whether the day is closed by itself at its time; else somebody says `mizan cutover`.',
    }),
    cutoverOnMessageOf: Type.Optional(
      Type.String({
        ...link,
        description:
          'Link whose cutover message (0800 with DE70 201) ends the day as well; absent = messages are only noted.',
      }),
    ),
    cutoverMessageDate: Type.Enum(['ended', 'next'], {
      default: 'ended',
      description: 'What DE15 of that message names: the day that has ended, or the one that begins.',
    }),
    tellCutover: Type.Array(Type.String(link), {
      default: [],
      maxItems: 64,
      description: 'Outbound links that are told with an 0800 (DE70 201) when a day is closed in all lanes.',
    }),
    lookAgainSeconds: Type.Integer({
      minimum: 1,
      maximum: 3_600,
      default: 15,
      description: 'Pause after which a day that waits, is blocked or failed is looked at again, in seconds.',
    }),
  },
  { ...group, description: 'The business day; see docs/business-day.md.' },
)
