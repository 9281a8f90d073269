import { Type } from 'typebox'

/** Parts that the schemas of all kinds of programmes share: see programme-schema.ts. */

/** An object that takes no other keys. */
export const closed = { additionalProperties: false }

/** What kind of place an outlet is; master data. */
export const outletCategories = ['bakery', 'grocer', 'depot', 'health', 'shop', 'atm', 'post'] as const
export type OutletCategory = (typeof outletCategories)[number]

export const AMOUNT_MAX = 999_999_999
export const date = (description: string) =>
  Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$', description: `${description}, yyyy-mm-dd.` })
export const amount = (description: string, minimum = 0) => Type.Integer({ minimum, maximum: AMOUNT_MAX, description })
export const category = Type.Enum([...outletCategories])
const categories = (description: string) =>
  Type.Array(category, { minItems: 1, maxItems: outletCategories.length, uniqueItems: true, description })
const governorate = Type.String({ pattern: '^[A-Z]{1,3}$', description: 'ISO 3166-2:EG without the country.' })
export const mcc = Type.String({ pattern: '^\\d{4}$' })
export const classCode = Type.String({ pattern: '^[a-z][a-z0-9-]{1,31}$' })
const clockTime = (description: string) => Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$', description })
export const membersUpTo = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 60,
    description: 'Up to so many members; absent in the last step = any number.',
  }),
)
export const count = (maximum: number, description: string) => Type.Integer({ minimum: 1, maximum, description })

export const name = Type.Object(
  {
    en: Type.String({ minLength: 1, maxLength: 64, description: 'In English.' }),
    ar: Type.String({ minLength: 1, maxLength: 64, description: 'In Arabic.' }),
  },
  { ...closed, description: 'What people call it.' },
)

/** What every programme states, whatever its kind. */
export const common = {
  $schema: Type.Optional(Type.String({ description: 'For editors; ignored.' })),
  code: Type.String({
    pattern: '^[a-z][a-z0-9-]{1,31}$',
    description: 'What the programme is called in files, commands and the journal; the same in all versions.',
  }),
  number: Type.Integer({
    minimum: 1,
    maximum: 99,
    description: 'Last two digits of the kind of its accounts; the same in all versions, never reused.',
  }),
  version: Type.Integer({ minimum: 1, maximum: 9_999, description: 'Each version is one more than the last.' }),
  name,
  effectiveFrom: date('First date on which this version decides'),
  effectiveTo: Type.Optional(date('Last date of the programme; absent = until further notice')),
  funding: Type.Object(
    {
      owner: Type.Integer({ minimum: 0, maximum: 99_999_999_999, description: 'Owner digits of the funding account.' }),
      name: Type.String({ minLength: 1, maxLength: 64, description: 'Who pays for it.' }),
    },
    { ...closed, description: 'Where the value comes from.' },
  ),
}

export const cash = Type.Literal('never', {
  description: 'Subsidy value never leaves as cash: the only value there is.',
})
export const accountCode = Type.String({
  pattern: '^9[0-9]$',
  description: 'Account code of DE3 that names it; the same in all versions. Several grants may share one.',
})

export const outlets = Type.Object(
  {
    categories: categories('Where it may be used.'),
    defaultFor: Type.Optional(categories('Where it is meant when a message names no account.')),
    issuingGovernorateOnly: Type.Boolean({
      default: false,
      description: 'Whether only outlets of the household’s own governorate serve it.',
    }),
    exceptions: Type.Optional(
      Type.Array(
        Type.Object(
          {
            governorates: Type.Array(governorate, { minItems: 1, maxItems: 27, uniqueItems: true }),
            from: date('First date'),
            to: date('Last date'),
          },
          closed,
        ),
        { maxItems: 64, description: 'Where and when outlets also serve households of other governorates.' },
      ),
    ),
    hours: Type.Optional(
      Type.Object(
        {
          from: clockTime('First minute (HH:MM, Cairo).'),
          to: clockTime('First minute after (HH:MM, Cairo).'),
          enforced: Type.Boolean({ default: false, description: 'Whether a draw outside is refused.' }),
        },
        { ...closed, description: 'When outlets serve it.' },
      ),
    ),
  },
  { ...closed, description: 'Where it is used.' },
)

/** The ladder of ways in which a holder may be verified (product.md, "fingerprint"). */
export const verificationWays = ['fingerprint', 'pin', 'otp', 'exception'] as const

export const verification = Type.Object(
  {
    accept: Type.Array(Type.Enum([...verificationWays]), {
      maxItems: verificationWays.length,
      uniqueItems: true,
      default: [],
      description:
        'How the holder may be verified, best first: by fingerprint, PIN, a one-time code that was sent to the head of household (otp), or a supervised exception that two people gave.',
    }),
    required: Type.Boolean({ default: false, description: 'Whether one of them must have been given.' }),
  },
  { ...closed, description: 'Whether the holder must be verified.' },
)
