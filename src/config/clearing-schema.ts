import { Type } from 'typebox'
import { bank } from './clearing-bank-schema.ts'
import { delivery, release } from './clearing-delivery-schema.ts'
import { incoming } from './clearing-incoming-schema.ts'
import { group } from './link-schema.ts'
import { reconciliation } from './reconciliation-schema.ts'
import { settlement } from './settlement-schema.ts'

/** Clearing files; each part of the room has a group of its own in here. */
export const clearing = Type.Object(
  {
    folder: Type.String({
      minLength: 1,
      default: 'clearing',
      description: 'Clearing files: `out`, `in` and `keys`. Relative to the data folder.',
    }),
    processingBin: Type.String({
      pattern: '^[0-9]{6}$',
      default: '400000',
      description: 'Identifier of this centre in files for the card scheme, six digits.',
    }),
    centre: Type.String({
      pattern: '^[A-Z0-9]{2,11}$',
      default: 'MIZAN',
      description: 'Name of this centre in files of its own.',
    }),
    batchItems: Type.Integer({
      minimum: 1,
      maximum: 950,
      default: 950,
      description: 'Transactions in a batch of a file for the card scheme.',
    }),
    testFiles: Type.Optional(
      Type.Boolean({
        description: 'Whether files for the card scheme are marked as a test. Absent = yes outside production.',
      }),
    ),
    bank,
    incoming,
    release,
    delivery,
    reconciliation,
    settlement,
  },
  { ...group, description: 'Nightly files for the card scheme and the settlement banks.' },
)
