import { Type } from 'typebox'
import { type Forgivable, forgivable } from '../clearing/iso20022/bank-events.ts'
import { group } from './link-schema.ts'

/** The part of the group `clearing` that concerns what settlement banks send. */
export const bank = Type.Object(
  {
    writerStallMs: Type.Integer({
      minimum: 1_000,
      maximum: 3_600_000,
      default: 60_000,
      description:
        'How long booking a statement waits for the switch to post, while nothing moves, before it gives up for now.',
    }),
    forgive: Type.Array(
      Type.Object(
        {
          bank: Type.String({ pattern: '^[A-Z0-9]{2,11}$', description: 'Code of a settlement bank.' }),
          kinds: Type.Array(Type.Enum(Object.keys(forgivable) as Forgivable[]), {
            maxItems: 16,
            uniqueItems: true,
            description: 'What is forgiven of its files; docs/bank.md says what each is.',
          }),
        },
        group,
      ),
      {
        default: [],
        maxItems: 256,
        description:
          'Banks whose files are read although they do not follow the schemas in some way. Others are read strictly.',
      },
    ),
  },
  { ...group, description: 'What settlement banks send: statements, notifications, answers; docs/bank.md.' },
)
