import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** Settlement: how the institution names itself to its banks; part of the clearing group. */
export const settlement = Type.Object(
  {
    name: Type.String({
      pattern: "^[A-Za-z0-9/?:().,'+ -]{1,70}$",
      default: 'UNIFIED CARD SETTLEMENT',
      description: 'Name of the institution in payment messages.',
    }),
    bic: Type.Optional(
      Type.String({
        pattern: '^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$',
        description: 'Its BIC. Absent = banks know it by name and `clearing.centre`.',
      }),
    ),
    purpose: Type.String({
      pattern: '^[A-Z0-9]{1,4}$',
      default: 'SUPP',
      description: 'Purpose of payments to outlets: a code of the external list of ISO 20022.',
    }),
    writerStallMs: Type.Integer({
      minimum: 1_000,
      maximum: 3_600_000,
      default: 60_000,
      description: 'How long a run waits for the switch to post, while nothing moves, before it gives up for now.',
    }),
  },
  { ...group, description: 'Payments to outlets, acquirers and the card scheme; docs/settlement.md.' },
)
