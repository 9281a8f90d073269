import { describeError, MizanError } from '../errors.ts'
import { connect } from './connection.ts'
import { poolTarget } from './primary.ts'

/** Schema of the queue's own tables. */
export const JOB_SCHEMA = 'jobs'

/** Any number will do as long as no other program uses it in this database: "jobs" on a telephone keypad. */
const LOCK_KEY = 5627

/**
 * Brings the tables of the queue to the version that its package wants, as the owner of the database, and lets the
 * program use them. Two processes may do so at once.
 * @throws MizanError STORE_UNAVAILABLE, STORE_MIGRATION_FAILED
 */
export async function prepareJobSchema(url: string): Promise<void> {
  const client = await connect({ url, name: 'mizan job schema' })
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY])
    try {
      await install(url)
    } catch (cause) {
      throw new MizanError('STORE_MIGRATION_FAILED', `schema ${JOB_SCHEMA}: ${describeError(cause)}`, { cause })
    }
    await client.query(`
      grant usage on schema ${JOB_SCHEMA} to mizan_app;
      grant select, insert, update, delete on all tables in schema ${JOB_SCHEMA} to mizan_app;
      grant usage on all sequences in schema ${JOB_SCHEMA} to mizan_app;
      grant execute on all functions in schema ${JOB_SCHEMA} to mizan_app`)
  } finally {
    await client.end()
  }
}

/** Starting the package installs or migrates; nothing else of it runs here. */
async function install(url: string): Promise<void> {
  const { PgBoss } = await import('pg-boss')
  const installer = new PgBoss({
    ...poolTarget(url),
    application_name: 'mizan job schema',
    schema: JOB_SCHEMA,
    max: 1,
    schedule: false,
    supervise: false,
  })
  const failed: unknown[] = []
  installer.on('error', (error) => failed.push(error))
  await installer.start()
  await installer.stop({ graceful: false })
  if (failed.length > 0) throw failed[0]
}
