import path from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { describeError } from '../../src/errors.ts'
import { type MixName, mixNames } from '../../src/simulator/load-mix.ts'
import { type CryptoKind, cryptoKinds } from '../options.ts'
import { note, table } from '../terminal.ts'
import { faultKinds } from './plan.ts'
import { chaosFigures, chaosTable } from './report.ts'
import { runChaos } from './run.ts'

function whole(low: number, high: number) {
  return (text: string) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`)
    }
    return value
  }
}

interface Options {
  readonly faults: number
  readonly seconds: number
  readonly seed?: number
  readonly rate: number
  readonly cards: number
  readonly mix: MixName
  readonly crypto: CryptoKind
  readonly only?: string[]
  readonly verifyEvery?: number
  readonly calm: number
  readonly var?: string
  readonly keep: boolean
  readonly json: boolean
}

const program = new Command('chaos')
  .description('break switch, database, disk and network under load, and compare every answer with the ledger')
  .option('--faults <n>', 'faults to play', whole(1, 10_000), 200)
  .option('--seconds <n>', 'time for them; over it the run fails', whole(10, 86_400), 840)
  .option('--seed <n>', 'what faults and load are drawn from; default: another one each time', whole(1, 0xffff_ffff))
  .option('--rate <n>', 'requests per second', whole(10, 5_000), 250)
  .option('--cards <n>', 'cards in the database', whole(500, 1_000_000), 10_000)
  .addOption(new Option('--mix <name>', 'what is asked for').choices([...mixNames]).default('national'))
  .addOption(
    new Option('--crypto <kind>', 'what a request brings to be verified').choices([...cryptoKinds]).default('none'),
  )
  .option('--only <kinds...>', 'only these kinds of faults; "list" lists them')
  .option(
    '--verify-every <n>',
    'audit ledger and record after so many faults; default: in a sixth of the time',
    whole(1, 10_000),
  )
  .option('--calm <ms>', 'load between a recovery and the next fault, milliseconds', whole(0, 60_000), 500)
  .option('--var <folder>', 'data folder; default: a new one, removed at the end', (folder) => path.resolve(folder))
  .option('--keep', 'leave the data folder, with the logs and the database', false)
  .option('--json', 'one JSON object on stdout', false)
  .showHelpAfterError('(npm run chaos -- --help lists the options)')
  .action(async (options: Options) => {
    if (!(await play(options))) process.exitCode = 1
  })

async function play(options: Options): Promise<boolean> {
  const { only = [], rate: ratePerSecond, calm: calmMs, seed = newSeed(), var: varDir, json, ...rest } = options
  if (only.includes('list')) {
    process.stdout.write(table(faultKinds.map(({ name, place, what }) => [name, place.padEnd(13), what])))
    return true
  }
  const unknown = only.filter((name) => !faultKinds.some((kind) => kind.name === name))
  if (unknown.length > 0) throw new Error(`there is no fault ${unknown.join(', ')}; --only list lists them`)
  const kinds = only.length === 0 ? faultKinds : faultKinds.filter(({ name }) => only.includes(name))
  note(`seed ${seed}: ${options.faults} faults of ${kinds.length} kinds under ${ratePerSecond}/s`)
  const place = varDir === undefined ? {} : { varDir }
  const result = await runChaos({ ...rest, ...place, ratePerSecond, calmMs, seed, kinds })
  process.stdout.write(json ? `${JSON.stringify(chaosFigures(result))}\n` : chaosTable(result))
  return result.violations.length === 0
}

function newSeed(): number {
  return (Date.now() % 0xffff_fffe) + 1
}

// A signal ends the process by way of its exit handlers, which stop the switch.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`chaos: ${describeError(error)}\n`)
  process.exitCode = 1
}
