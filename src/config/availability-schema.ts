import { Type } from 'typebox'
import { group } from './link-schema.ts'

/** Schema of how processes stand in for each other; part of the configuration file's in schema.ts. */
export const availability = Type.Object(
  {
    role: Type.Enum(['active', 'standby', 'auto'], {
      default: 'active',
      description:
        'active = take the lanes at the start, from whoever has them; standby = wait until they are free; auto = active unless another process is. `mizan start --standby` says standby.',
    }),
    heartbeatMs: Type.Integer({
      minimum: 50,
      maximum: 60_000,
      default: 500,
      description: 'Milliseconds between two heartbeats.',
    }),
    takeoverAfterMs: Type.Integer({
      minimum: 200,
      maximum: 600_000,
      default: 2_000,
      description:
        'A standby takes the lanes over after this many milliseconds without a heartbeat; at least three of them.',
    }),
    synchronousStandby: Type.Enum(['off', 'warn', 'require'], {
      default: 'off',
      description:
        'Whether commits must wait for a standby of the database: warn = say so and count it, require = do not start without.',
    }),
  },
  { ...group, description: 'A second process and a second database; see docs/availability.md.' },
)
