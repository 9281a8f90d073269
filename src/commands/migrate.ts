import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import { connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import { countWriters, migrate, readSchemaState } from '../store/migrations.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

interface MigrateOptions extends CommonOptions {
  readonly check?: true
  readonly apply?: true
}

/**
 * `mizan migrate`: whether a database has the schema of this version, and bringing it there beside a running switch.
 */
export function migrateCommand(io: CommandIo = processIo): Command {
  const command = new Command('migrate')
    .description(
      'compare the schema of the database with this version, or bring it up to date; mizan start does so too',
    )
    .option('--check', 'say what is to be done, change nothing; exit status 1 if the schema is not this version’s')
    .option('--apply', 'apply what is missing; beside a running switch only what goes with it')
  return withCommonOptions(command).action(async (options: MigrateOptions) => {
    if ((options.check === true) === (options.apply === true)) {
      throw new MizanError('BAD_INPUT', 'say what to do: --check or --apply')
    }
    const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
    const database = await openDatabase(config, { create: false })
    try {
      const client = await connect({ url: database.url, name: 'mizan migrations' })
      const work = options.apply === true ? apply : check
      await work(io, options, client).finally(() => client.end())
    } finally {
      await database.close()
    }
  })
}

type Client = Awaited<ReturnType<typeof connect>>

async function check(io: CommandIo, { json }: MigrateOptions, client: Client): Promise<void> {
  const state = await readSchemaState(client)
  const writers = await countWriters(client)
  const { pending, ahead } = state
  const besideTraffic = pending.every(({ compatible }) => compatible)
  if (pending.length > 0) process.exitCode = 1
  if (json) {
    io.out(`${JSON.stringify({ ...state, besideTraffic, writers })}\n`)
    return
  }
  for (const { name, compatible } of pending) {
    io.out(
      `${name}  missing; ${compatible ? 'goes with the version before' : 'every older process has to stop first'}\n`,
    )
  }
  for (const name of ahead) io.out(`${name}  of a newer version, which says that it goes with this one\n`)
  if (pending.length === 0) io.out('the schema is that of this version\n')
  else
    io.out(
      `${writers === 0 ? 'no switch writes this database' : 'a switch writes this database'}; mizan migrate --apply\n`,
    )
}

async function apply(io: CommandIo, { json }: MigrateOptions, client: Client): Promise<void> {
  const onRetry = (name: string, attempt: number) => io.note(`${name}: a table is in use; try ${attempt + 1} follows\n`)
  const applied = await migrate(client, { onRetry })
  if (json) io.out(`${JSON.stringify({ applied })}\n`)
  else io.out(applied.length === 0 ? 'the schema is that of this version\n' : `applied ${applied.join(', ')}\n`)
}
