import { shippedProgrammes } from '../benefit/shipped-programmes.ts'
import { MizanError } from '../errors.ts'
import { ID_STEP } from '../identifiers.ts'
import { connect } from './connection.ts'
import { migrate, readSchemaState } from './migrations.ts'
import { installProgrammes } from './programme-store.ts'

/** What a database was set up with. */
export interface Installation {
  readonly laneCount: number
  /** Migrations applied by this call. */
  readonly migrations: readonly string[]
  /** True when the database held nothing before. */
  readonly isNew: boolean
}

/**
 * Brings a database to the current schema and makes sure of its lanes and, where there are none, of the programmes that
 * come with Mizan. The number of lanes is fixed when a database is
 * new: households belong to lanes for good.
 * @param laneCount 1 to 64
 * @throws MizanError STORE_UNAVAILABLE, STORE_MIGRATION_FAILED, STORE_SCHEMA_MISMATCH
 */
export async function prepareDatabase(url: string, laneCount: number): Promise<Installation> {
  const client = await connect({ url, name: 'mizan migrations' })
  try {
    const migrations = await migrate(client)
    const inserted = await client.query('insert into installation (lane_count) values ($1) on conflict do nothing', [
      laneCount,
    ])
    const { rows } = await client.query<{ lane_count: number }>('select lane_count from installation')
    checkLaneCount(rows[0]?.lane_count, laneCount)
    await client.query(
      'insert into lane (lane, next_id) select n, n + $2 from generate_series(0, $1 - 1) n on conflict do nothing',
      [laneCount, ID_STEP],
    )
    await installProgrammes(client, shippedProgrammes)
    return { laneCount, migrations, isNew: inserted.rowCount === 1 }
  } finally {
    await client.end()
  }
}

/**
 * Looks whether a database is what this version of the program works on; changes nothing.
 * @throws MizanError STORE_UNAVAILABLE, STORE_SCHEMA_MISMATCH
 */
export async function requireInstallation(url: string, laneCount: number): Promise<void> {
  const client = await connect({ url, name: 'mizan schema check' })
  try {
    const { pending } = await readSchemaState(client)
    if (pending.length > 0) {
      const names = pending.map(({ name }) => name).join(', ')
      const detail = `it lacks ${names}: run mizan migrate --apply, or start the active process of this version first, which brings it up to date`
      throw new MizanError('STORE_SCHEMA_MISMATCH', detail)
    }
    const { rows } = await client.query<{ lane_count: number }>('select lane_count from installation')
    checkLaneCount(rows[0]?.lane_count, laneCount)
  } finally {
    await client.end()
  }
}

function checkLaneCount(found: number | undefined, wanted: number): void {
  if (found === wanted) return
  throw new MizanError(
    'STORE_SCHEMA_MISMATCH',
    `it was set up with ${found} lane(s) and the configuration says ${wanted}: set lanes.count to ${found}`,
  )
}
