import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** Schema of an orderly stop; part of the configuration file's in schema.ts. */
export const shutdown = Type.Object(
  {
    noticeMs: Type.Integer({
      minimum: 0,
      maximum: 300_000,
      default: 0,
      description: 'How long /readyz says "stopping" before links are closed, for balancers that ask for it.',
    }),
    quietMs: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 300,
      description: 'A link on which nothing has come for this long, and nothing is in flight, is closed.',
    }),
    drainMs: Type.Integer({
      minimum: 0,
      maximum: 300_000,
      default: 5_000,
      description: 'Links that are not silent by then take no more requests and are closed when all are answered.',
    }),
    forceMs: Type.Integer({
      minimum: 1_000,
      maximum: 600_000,
      default: 60_000,
      description: 'A stop that takes longer is cut short with exit status 1.',
    }),
  },
  { ...group, description: 'An orderly stop (SIGTERM, SIGINT), in milliseconds; docs/operations.md, "Restart".' },
)
