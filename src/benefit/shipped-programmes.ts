import breadFile from '../../schemas/programmes/bread.json' with { type: 'json' }
import pointsFile from '../../schemas/programmes/bread-points.json' with { type: 'json' }
import flourFile from '../../schemas/programmes/flour.json' with { type: 'json' }
import grantsFile from '../../schemas/programmes/grants.json' with { type: 'json' }
import healthFile from '../../schemas/programmes/health.json' with { type: 'json' }
import pensionFile from '../../schemas/programmes/pension.json' with { type: 'json' }
import ramadanFile from '../../schemas/programmes/ramadan-2027.json' with { type: 'json' }
import rationFile from '../../schemas/programmes/ration.json' with { type: 'json' }
import billFile from '../../schemas/programmes/utility-bill.json' with { type: 'json' }
import { readProgramme } from './programme-check.ts'
import type { ProgrammeFile } from './programme-schema.ts'

/** The programmes that ship with Mizan: the published versions of an empty database. */
export const shippedProgrammes: readonly ProgrammeFile[] = [
  breadFile,
  flourFile,
  pointsFile,
  rationFile,
  grantsFile,
  ramadanFile,
  healthFile,
  pensionFile,
  billFile,
].map(readProgramme)
