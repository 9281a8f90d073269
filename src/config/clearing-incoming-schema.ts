import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** The part of the group `clearing` that concerns what the card network sends. */
export const incoming = Type.Object(
  {
    lateAfterDays: Type.Integer({
      minimum: 1,
      maximum: 365,
      default: 10,
      description:
        'Days after the purchase from which on a presentment is late: it is posted, marked, and may be disputed.',
    }),
    forcePostMaxPiasters: Type.Integer({
      minimum: 0,
      maximum: 100_000_000,
      default: 50_000,
      description:
        'Up to this a presentment without authorization is posted; beyond it is an exception. 0 = none is posted.',
    }),
    overTolerance: Type.Union([Type.Literal('exception'), Type.Literal('post')], {
      default: 'exception',
      description: 'What becomes of a presentment beyond the tolerance of its merchant category.',
    }),
    writerStallMs: Type.Integer({
      minimum: 1_000,
      maximum: 3_600_000,
      default: 60_000,
      description: 'How long receiving waits for the switch to post, while nothing moves, before it gives up for now.',
    }),
  },
  { ...group, description: 'Clearing files of the card network; docs/network-clearing.md.' },
)
