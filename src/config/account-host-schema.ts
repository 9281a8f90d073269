import { Type } from 'typebox'
import { closed } from './link-schema.ts'

/** The part of the configuration that concerns accounts held at the Post's account host. */

const milliseconds = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })
const piasters = (description: string) => Type.Integer({ minimum: 0, maximum: 999_999_999_999, description })

const standInRule = Type.Object(
  {
    programmes: Type.Array(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }), {
      minItems: 1,
      maxItems: 99,
      default: ['postal'],
      description: 'Codes of programmes; postal = payments that belong to none.',
    }),
    cardKinds: Type.Array(Type.Enum(['family', 'device', 'ration']), {
      minItems: 1,
      maxItems: 3,
      default: ['family'],
      description: 'Kinds of card.',
    }),
    transactionTypes: Type.Array(Type.String({ pattern: '^[0-9]{2}$' }), {
      minItems: 1,
      maxItems: 20,
      default: ['00'],
      description: 'Transaction types (DE3, first two digits).',
    }),
    perTransactionPiasters: piasters('Most of one transaction, in piasters.'),
    perDayPiasters: piasters('Most of a household’s cards of a kind in a civil day, in piasters.'),
    perDayCount: Type.Integer({ minimum: 1, maximum: 10_000, description: 'Most times in a civil day.' }),
  },
  { ...closed, description: 'What is approved without the host; the first rule that fits counts.' },
)

/** `accountHost` */
export const accountHost = Type.Object(
  {
    link: Type.String({
      pattern: '^[a-z0-9][a-z0-9-]*$',
      maxLength: 32,
      description: 'Name of the outbound link to it.',
    }),
    institution: Type.String({
      pattern: '^[0-9]{1,11}$',
      default: '818',
      description: 'DE32 of messages that no acquirer caused.',
    }),
    timeoutMs: milliseconds(
      50,
      30_000,
      2_000,
      'Longest wait for its answer, in milliseconds; at least 500 below lanes.timeBudgetMs.',
    ),
    inFlightMax: Type.Integer({
      minimum: 1,
      maximum: 512,
      default: 128,
      description: 'Requests of a lane that may be at the host at once; beyond it stand-in decides.',
    }),
    openAfter: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 5,
      description: 'Failures in a row after which the host is not asked any more.',
    }),
    probeMs: milliseconds(20, 600_000, 1_000, 'Time between echoes while it is not asked, in milliseconds.'),
    closeAfter: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 3,
      description: 'Echoes answered in a row after which it is asked again.',
    }),
    standIn: Type.Array(standInRule, {
      maxItems: 100,
      default: [],
      description: 'What is approved while it cannot be asked; empty = nothing.',
    }),
  },
  { ...closed, description: 'Present = postal accounts may be held at the Post’s account host; docs/account-host.md.' },
)
