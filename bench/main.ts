import path from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { describeError } from '../src/errors.ts'
import { tuneHeap } from '../src/heap.ts'
import { mixNames } from '../src/simulator/load-mix.ts'
import { runBankBench } from './bank.ts'
import { runBaseline } from './baseline.ts'
import { runClearingBench } from './clearing.ts'
import { benchCodec } from './codec.ts'
import { benchCrypto } from './crypto.ts'
import { runCutoverBench } from './cutover.ts'
import { runMax } from './max.ts'
import { type BenchOptions, type CryptoKind, cryptoKinds } from './options.ts'
import { runOverload } from './overload.ts'
import { runProtect } from './protect.ts'
import { runReconcileBench } from './reconcile.ts'
import { runRestartBench } from './restart.ts'
import { runRollover } from './rollover.ts'
import { runBench } from './run.ts'

// The generator shares the processors with what it measures: its own collections would be charged to the switch.
tuneHeap()

const RATE_MAX = 200_000
const SECONDS_MAX = 3_600
const PROTECT_BYTES_MAX = 100_000_000_000
const CARDS_MAX = 10_000_000
const ITEMS_MAX = 100_000_000

function whole(low: number, high: number) {
  return (text: string) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`)
    }
    return value
  }
}

/** @param crypto what requests bring unless said otherwise */
function withOptions(command: Command, crypto: CryptoKind = 'chip-pin'): Command {
  return command
    .option('--rate <n>', 'requests per second', whole(1, RATE_MAX), 3_000)
    .option('--seconds <n>', 'measured seconds', whole(1, SECONDS_MAX), 30)
    .option('--warmup <n>', 'seconds at the same rate before', whole(0, SECONDS_MAX), 10)
    .addOption(new Option('--mix <name>', 'what is asked for').choices([...mixNames]).default('national'))
    .addOption(
      new Option('--crypto <kind>', 'what a request brings to be verified').choices([...cryptoKinds]).default(crypto),
    )
    .option('--cards <n>', 'cards in the database', whole(100, CARDS_MAX), 200_000)
    .option('--seed <n>', 'seed of cards and mix', whole(1, 0xffff_ffff), 1)
    .option('--links <n>', 'links for each dialect', whole(1, 64), 3)
    .option('--config <file>', "the switch's configuration; default: its defaults")
    .option('--var <folder>', 'folder of the bench, with its databases; default: var/bench', (folder) =>
      path.resolve(folder),
    )
    .option('--reload', 'load the cards anew', false)
    .option('--no-verify', 'leave out the invariants')
    .option('--cpu-prof', 'let the switch write a CPU profile under var/bench/profiles', false)
    .option('--json', 'one JSON object on stdout', false)
}

type RawOptions = Omit<BenchOptions, 'varDir'> & { readonly var?: string }

function action(work: (options: BenchOptions) => Promise<boolean>) {
  return async (options: RawOptions) => {
    const { var: varDir, ...rest } = options
    const placed = varDir === undefined ? rest : { ...rest, varDir }
    if (!(await work(placed))) process.exitCode = 1
  }
}

const codec = new Command('codec')
  .description('time encode and decode of each dialect')
  .option('--seconds <n>', 'seconds for each row', whole(1, SECONDS_MAX), 2)
  .option('--json', 'one JSON array on stdout', false)
  .action(async (options: { seconds: number; json: boolean }) => void (await benchCodec(options)))

const verbs = new Command('crypto')
  .description('time the verbs of the security module, beside node:crypto used per call')
  .option('--seconds <n>', 'seconds for each row', whole(1, SECONDS_MAX), 1)
  .option('--json', 'one JSON array on stdout', false)
  .action(async (options: { seconds: number; json: boolean }) => void (await benchCrypto(options)))

const program = withOptions(new Command('bench'))
  .description('drive a switch at a fixed rate and compare its answers with its ledger')
  .showHelpAfterError('(npm run bench -- --help lists the options)')
  .enablePositionalOptions()
  .action(action(runBench))
  .addCommand(
    withOptions(new Command('max')).description('find the highest rate with p99 under 20 ms').action(action(runMax)),
  )
  .addCommand(
    // The design that the switch is compared with verifies nothing either.
    withOptions(new Command('baseline'), 'none')
      .description('compare with one database transaction per authorization')
      .action(action(runBaseline)),
  )

program.addCommand(
  withOptions(new Command('rollover'))
    .description('play the load over the end of a month, as if it were tonight')
    .action(action(runRollover)),
)
program.addCommand(
  withOptions(new Command('overload'), 'none')
    .description('offer a multiple of what the switch can decide, and watch it during and after')
    .option('--max <n>', 'decisions a second at most; default: measured first', whole(10, RATE_MAX))
    .option('--factor <n>', 'how many times that is offered', whole(1, 20), 3)
    .action((options: RawOptions & { max?: number; factor: number }) => {
      const { max, factor } = options
      const flood = { factor, ...(max === undefined ? {} : { max }) }
      return action((checked) => runOverload({ ...checked, ...flood }))(options)
    }),
)
program.addCommand(
  withOptions(new Command('restart'), 'none')
    .description('restart the switch in order under load, and count what a well-behaved client notices')
    .action(action(runRestartBench)),
)
program.addCommand(
  withOptions(new Command('cutover'), 'none')
    .description('load the switch while it ends a day of many transactions: select, write, read back, sign')
    .option('--items <n>', 'transactions of the day', whole(1, ITEMS_MAX), 1_000_000)
    .option('--network <percent>', "how many in a hundred are the card scheme's", whole(0, 100), 50)
    .action((options: RawOptions & { items: number; network: number }) => {
      const { items, network } = options
      return action((checked) => runCutoverBench({ ...checked, items, network }))(options)
    }),
)
program.addCommand(
  new Command('clearing')
    .description('make the files of a day in a database of its own: select, write, read back, sign; time and memory')
    .option('--items <n>', 'transactions of the day', whole(1, ITEMS_MAX), 1_000_000)
    .option('--network <percent>', "how many in a hundred are the card scheme's", whole(0, 100), 50)
    .option('--cards <n>', 'cards in the database', whole(100, CARDS_MAX), 20_000)
    .option('--seed <n>', 'seed of the cards', whole(1, 0xffff_ffff), 1)
    .option('--var <folder>', 'folder of the bench; default: var/bench', (folder) => path.resolve(folder))
    .option('--json', 'one JSON object on stdout', false)
    .action(
      async (options: { items: number; network: number; cards: number; seed: number; var?: string; json: boolean }) => {
        const { var: varDir, ...rest } = options
        if (!(await runClearingBench(varDir === undefined ? rest : { ...rest, varDir }))) process.exitCode = 1
      },
    ),
)
program.addCommand(
  new Command('protect')
    .description('time signing, encrypting, opening and verifying a clearing file, with the memory it takes')
    .option('--bytes <n>', 'size of the file', whole(1, PROTECT_BYTES_MAX), 1_000_000_000)
    .option('--var <folder>', 'folder of the bench; default: var/bench', (folder) => path.resolve(folder))
    .option('--json', 'one JSON object on stdout', false)
    .action(
      ({ bytes, json, var: varDir = path.resolve('var/bench') }: { bytes: number; json: boolean; var?: string }) =>
        runProtect({ bytes, varDir, json }),
    ),
)
program.addCommand(
  new Command('reconcile')
    .description('reconcile a business date of many items, twice, and report time and memory')
    .option('--items <n>', 'items of the date', whole(1_000, 100_000_000), 1_000_000)
    .option('--var <folder>', 'folder of the bench, with its databases; default: var/bench', (folder) =>
      path.resolve(folder),
    )
    .option('--json', 'one JSON object on stdout', false)
    .action(async (options: { items: number; json: boolean; var?: string }) => {
      if (!(await runReconcileBench(options))) process.exitCode = 1
    }),
)
program.addCommand(
  new Command('bank')
    .description("receive a bank's statement of many payments: read, match, store and book it; time and memory")
    .option('--entries <n>', 'bookings of the statement', whole(1, 10_000_000), 100_000)
    .option('--var <folder>', 'folder of the bench; default: var/bench', (folder) => path.resolve(folder))
    .option('--json', 'one JSON object on stdout', false)
    .action(async ({ var: varDir, ...options }: { entries: number; json: boolean; var?: string }) => {
      if (!(await runBankBench(varDir === undefined ? options : { ...options, varDir }))) process.exitCode = 1
    }),
)
program.addCommand(codec).addCommand(verbs)

// A signal ends the process by way of its exit handlers, which stop the switch.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`bench: ${describeError(error)}\n`)
  process.exitCode = 1
}
