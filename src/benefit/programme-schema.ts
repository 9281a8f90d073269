import { type Static, Type } from 'typebox'
import {
  AMOUNT_MAX,
  accountCode,
  amount,
  cash,
  category,
  classCode,
  closed,
  common,
  count,
  date,
  mcc,
  membersUpTo,
  name,
  outlets,
  verification,
} from './programme-schema-parts.ts'

/**
 * Schema of a programme file. `schemas/programme.schema.json` and the tables of docs/programmes.md are generated from
 * here. Amounts are whole units of the programme (piasters, loaves, kilograms), dates are yyyy-mm-dd of the Cairo
 * calendar, from and to inclusive.
 */

export { type OutletCategory, outletCategories } from './programme-schema-parts.ts'

const entitlement = Type.Object(
  {
    period: Type.Enum(['day', 'month', 'span'], {
      description: 'How long value can be drawn; the same in all versions.',
    }),
    span: Type.Optional(
      Type.Object({ from: date('First date'), to: date('Last date') }, { ...closed, description: 'Of period span.' }),
    ),
    perMember: Type.Optional(amount('Units for each member.')),
    tiers: Type.Optional(
      Type.Array(Type.Object({ membersUpTo, perMember: amount('Units for each member of this step.') }, closed), {
        minItems: 1,
        maxItems: 60,
        description: 'Units for each member, by how many come before.',
      }),
    ),
    perHousehold: Type.Optional(
      Type.Array(Type.Object({ membersUpTo, amount: amount('Units for the household.') }, closed), {
        minItems: 1,
        maxItems: 60,
        description: 'Units for the household, by its size.',
      }),
    ),
    classes: Type.Optional(
      Type.Array(classCode, { minItems: 1, maxItems: 64, uniqueItems: true, description: 'Only for these classes.' }),
    ),
  },
  {
    ...closed,
    description: 'What a household gets in a period. Without a rule, value comes from conversion or is granted.',
  },
)

const atPeriodEnd = Type.Object(
  {
    action: Type.Enum(['expire', 'convert', 'carry'], { description: 'What becomes of what is left.' }),
    to: Type.Optional(Type.String({ description: 'convert: code of the programme that gets it, in the month after.' })),
    piastersPerUnit: Type.Optional(amount('convert: what a unit becomes.', 1)),
    months: Type.Optional(count(1, 'carry: it can be drawn for one month longer, in the period after its own.')),
  },
  { ...closed, default: { action: 'expire' }, description: 'What becomes of what is left at the end of a period.' },
)

const steps = (description: string) =>
  Type.Array(Type.Object({ from: date('First date of the price'), piasters: amount('Price of a unit.', 1) }, closed), {
    minItems: 1,
    maxItems: 100,
    description,
  })

const product = Type.Object(
  {
    no: count(9_998, 'Number of its counter; never reused.'),
    code: Type.String({ pattern: '^[A-Z0-9][A-Z0-9.-]{0,13}$', description: 'Product code of DE48 IT.' }),
    name,
    stepThousandths: Type.Optional(count(999_999, 'Sold in multiples of so many thousandths.')),
    pricePiasters: Type.Optional(amount('Price of a unit.', 1)),
    perMember: Type.Optional(count(AMOUNT_MAX, 'Thousandths for each member and month.')),
    perCardMax: Type.Optional(count(AMOUNT_MAX, 'Thousandths for a household and month.')),
  },
  closed,
)

const basket = Type.Object(
  {
    lines: Type.Enum(['none', 'optional', 'required'], {
      default: 'none',
      description: 'Whether messages list goods.',
    }),
    products: Type.Optional(
      Type.Array(product, { minItems: 1, maxItems: 2_000, description: 'Goods that may be bought; absent = any.' }),
    ),
  },
  { ...closed, default: { lines: 'none' }, description: 'Goods.' },
)

const settlement = Type.Array(
  Type.Object(
    {
      from: date('First date of the tariff'),
      outletCategory: category,
      fuel: Type.Optional(Type.String({ pattern: '^[a-z][a-z-]{1,15}$', description: 'Only outlets that burn this.' })),
      piastersPerUnit: Type.Optional(amount('What the outlet gets for a unit.')),
      permilleOfValue: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 10_000, description: 'Thousandths of value.' }),
      ),
    },
    closed,
  ),
  { maxItems: 200, description: 'What the state pays to outlets for what they dispensed.' },
)

const wallet = Type.Object(
  {
    ...common,
    kind: Type.Literal('wallet', { description: 'A right to goods: counted units or value.' }),
    cash,
    accountCode,
    unit: Type.Enum(['EGP', 'LOAF', 'KG'], { description: 'Unit; EGP counts piasters. The same in all versions.' }),
    entitlement,
    atPeriodEnd: Type.Optional(atPeriodEnd),
    drawAheadDays: Type.Optional(
      Type.Array(Type.Object({ membersUpTo, days: count(31, 'Days of one draw.') }, closed), {
        minItems: 1,
        maxItems: 60,
        description: 'How many days one draw may name, by the size of the household; absent = 1.',
      }),
    ),
    tariff: Type.Optional(steps('Price of a unit to the citizen, by date; counted units need one.')),
    coPaymentTender: Type.Enum(['cash', 'postal'], {
      default: 'cash',
      description: 'How the price of counted units is paid when the message does not say.',
    }),
    outlets,
    basket: Type.Optional(basket),
    partialApproval: Type.Boolean({ default: false, description: 'Whether less than asked for may be granted.' }),
    splitTender: Type.Boolean({ default: false, description: 'Whether the postal account may pay the rest.' }),
    verification: Type.Optional(verification),
    offline: Type.Optional(
      Type.Object(
        {
          perDay: amount('Units that a household may draw offline on a day.'),
          withinHours: count(240, 'An offline draw that comes later is refused.'),
        },
        { ...closed, description: 'Draws that a terminal made on its own; absent = none.' },
      ),
    ),
    settlement: Type.Optional(settlement),
    exclusiveWith: Type.Optional(
      Type.String({ description: 'Code of the programme that a household gives up for the month by its first draw.' }),
    ),
    notify: Type.Optional(
      Type.Object(
        {
          dispense: Type.Boolean({ default: false, description: 'A message after each draw.' }),
          expiring: Type.Boolean({ default: false, description: 'A message before value lapses.' }),
        },
        { ...closed, description: 'What the head of the household is told.' },
      ),
    ),
  },
  { ...closed, title: 'Wallet' },
)

const service = Type.Object(
  {
    no: count(9_998, 'Number of its counter; never reused.'),
    code: Type.String({ pattern: '^[A-Z0-9]{2,4}$', description: 'Code of the service.' }),
    name,
    mccs: Type.Array(mcc, { maxItems: 32, uniqueItems: true, default: [], description: 'MCCs that mean it.' }),
    rates: Type.Array(
      Type.Object(
        {
          from: date('First date of the rate'),
          percent: Type.Integer({ minimum: 0, maximum: 100, description: 'What the household pays.' }),
          yearlyCapPiasters: Type.Optional(amount('The most that it pays in a calendar year; absent = no cap.')),
        },
        closed,
      ),
      { minItems: 1, maxItems: 100, description: 'Co-payments by date.' },
    ),
  },
  closed,
)

const cover = Type.Object(
  {
    ...common,
    kind: Type.Literal('cover', { description: 'Services that the state pays for, with a co-payment.' }),
    cash,
    accountCode,
    outlets,
    verification,
    services: Type.Array(service, { minItems: 1, maxItems: 200, description: 'What is covered.' }),
    exemptClasses: Type.Optional(
      Type.Array(classCode, { maxItems: 64, uniqueItems: true, description: 'Classes that pay nothing.' }),
    ),
  },
  { ...closed, title: 'Cover' },
)

const credit = Type.Object(
  {
    ...common,
    kind: Type.Literal('credit', { description: 'Money that is paid into postal accounts.' }),
    credit: Type.Object(
      {
        maxPiasters: count(AMOUNT_MAX, 'The most of one payment.'),
        perMonth: count(31, 'Payments to a household in a month.'),
      },
      { ...closed, description: 'What may be paid.' },
    ),
  },
  { ...closed, title: 'Credit' },
)

const payment = Type.Object(
  {
    ...common,
    kind: Type.Literal('payment', { description: 'Bills that are paid from postal accounts.' }),
    outlets,
    payment: Type.Object(
      {
        transactionType: Type.String({ pattern: '^\\d{2}$', description: 'First two digits of DE3.' }),
        mccs: Type.Array(mcc, { minItems: 1, maxItems: 32, uniqueItems: true, description: 'MCCs that mean it.' }),
        singlePiasters: count(AMOUNT_MAX, 'The most of one payment.'),
        feePiasters: Type.Integer({ minimum: 0, maximum: 100_000, default: 0, description: 'Fee of one payment.' }),
      },
      { ...closed, description: 'What is paid.' },
    ),
  },
  { ...closed, title: 'Payment' },
)

/** Schema of each kind of programme. */
export const programmeSchemas = { wallet, cover, credit, payment } as const
export type ProgrammeKind = keyof typeof programmeSchemas

export type WalletFile = Static<typeof wallet>
export type CoverFile = Static<typeof cover>
export type CreditFile = Static<typeof credit>
export type PaymentFile = Static<typeof payment>
/** A programme as its data file states it, after its defaults were filled in. */
export type ProgrammeFile = WalletFile | CoverFile | CreditFile | PaymentFile
