import { Type } from 'typebox'
import { closed } from './link-schema.ts'

/** Base backups and the archive of the journal. */
export const backup = Type.Optional(
  Type.Object(
    {
      folder: Type.String({
        minLength: 1,
        description: 'Backup folder, on another disk than the data folder and outside it. One for each database.',
      }),
      archiveTimeoutSeconds: Type.Integer({
        minimum: 10,
        maximum: 86_400,
        default: 300,
        description:
          'Seconds after which the embedded server archives a journal segment that is not full: what the loss of its disk may cost.',
      }),
      schedule: Type.Optional(
        Type.String({
          pattern: '^[0-9*/,-]+( [0-9*/,-]+){4}$',
          description:
            'Times of base backups in five fields, Cairo time, such as "30 3 * * *"; absent = none by itself.',
        }),
      ),
      keep: Type.Integer({
        minimum: 1,
        maximum: 1_000,
        default: 7,
        description: 'Base backups kept, with the journal since the oldest, when older ones are pruned.',
      }),
      maxAgeHours: Type.Integer({
        minimum: 1,
        maximum: 8_760,
        default: 26,
        description: 'A last base backup older than this is told.',
      }),
      megabytesPerSecond: Type.Integer({
        minimum: 0,
        maximum: 100_000,
        default: 50,
        description: 'Fastest copying in MB a second, beside the commits of the lanes; 0 = as fast as the disk.',
      }),
    },
    { ...closed, description: 'Present = the embedded server archives its journal, and base backups can be made.' },
  ),
)
