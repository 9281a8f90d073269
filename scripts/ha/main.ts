import os from 'node:os'
import path from 'node:path'
import { Command, Option } from 'commander'
import { describeError } from '../../src/errors.ts'
import { HaCluster } from './cluster.ts'

/** `npm run ha:cluster`: a database of several servers on this machine, to try what docs/availability.md says. */

interface Place {
  readonly folder: string
}

const program = new Command('ha:cluster')
  .description('PostgreSQL under Patroni and etcd on this machine: several servers, of which one is written')
  .showHelpAfterError('(npm run ha:cluster -- --help lists the commands)')

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--folder <folder>',
      'folder of the cluster',
      (folder) => path.resolve(folder),
      path.join(os.tmpdir(), 'mizan-ha'),
    )
}

command('up', 'make a cluster and start it; needs the packages patroni, etcd-server and postgresql')
  .addOption(new Option('--servers <n>', 'PostgreSQL servers').choices(['2', '3']).default('3'))
  .addOption(new Option('--etcds <n>', 'members of etcd').choices(['1', '3']).default('1'))
  .option('--bin <folder>', "folder of PostgreSQL's programs", '/usr/lib/postgresql/15/bin')
  .action(async (options: Place & { servers: string; etcds: string; bin: string }) => {
    const cluster = await HaCluster.make(options.folder, Number(options.servers), Number(options.etcds), options.bin)
    await show(cluster)
    process.stdout.write(`export DATABASE_URL='${cluster.url}'\n`)
  })

command('status', 'show the servers, and the URL of the database').action(async ({ folder }: Place) => {
  const cluster = HaCluster.at(folder)
  await show(cluster)
  process.stdout.write(`export DATABASE_URL='${cluster.url}'\n`)
})

command('kill-primary', 'kill -9 the server that is written')
  .option('--machine', 'its Patroni too, as when the machine dies', false)
  .action(async ({ folder, machine }: Place & { machine: boolean }) => {
    const name = await HaCluster.at(folder).killPrimary(machine ? 'machine' : 'postmaster')
    process.stdout.write(`${name} is killed\n`)
  })

command('rejoin', 'start the servers that were killed with their Patroni').action(async ({ folder }: Place) => {
  const cluster = HaCluster.at(folder)
  const started = cluster.rejoin()
  process.stdout.write(started.length === 0 ? 'all run\n' : `started ${started.join(', ')}\n`)
  await cluster.untilHealthy()
  await show(cluster)
})

command('down', 'stop everything and remove the folder').action(async ({ folder }: Place) => {
  await HaCluster.at(folder).remove()
})

async function show(cluster: HaCluster): Promise<void> {
  for (const { name, role, state, timeline, port } of await cluster.members()) {
    process.stdout.write(`${name}  port ${port}  ${role.padEnd(12)}  ${state}, timeline ${timeline ?? '-'}\n`)
  }
}

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`ha:cluster: ${describeError(error)}\n`)
  process.exitCode = 1
}
