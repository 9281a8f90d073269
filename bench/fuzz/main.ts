import { Command, InvalidArgumentError } from 'commander'
import { describeError } from '../../src/errors.ts'
import { loadDialects } from '../../src/simulator/load-mix.ts'
import { figure, note, progress, table } from '../terminal.ts'
import { fuzzLinks, type LinkFuzzResult } from './run.ts'

function whole(low: number, high: number) {
  return (text: string) => {
    const value = Number(text.replaceAll('_', ''))
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`)
    }
    return value
  }
}

interface Options {
  readonly bytes: number
  readonly seed: number
  readonly attackers: number
  readonly canary: number
  readonly cards: number
  readonly json: boolean
}

const MEBIBYTE = 1_024 ** 2

const program = new Command('fuzz-links')
  .description('throw random and mutated bytes at the listeners of a switch while others use them')
  .option('--bytes <n>', 'bytes to each listener', whole(1_000, 1e12), 100_000_000)
  .option('--seed <n>', 'what the bytes are drawn from', whole(1, 0xffff_ffff), 1)
  .option('--attackers <n>', 'attackers on each listener at once', whole(1, 64), 8)
  .option('--canary <n>', 'well-formed requests a second meanwhile', whole(1, 1_000), 30)
  .option('--cards <n>', 'cards in the database', whole(500, 1_000_000), 5_000)
  .option('--json', 'one JSON object on stdout', false)
  .showHelpAfterError('(npm run fuzz:links -- --help lists the options)')
  .action(async ({ canary: canaryPerSecond, json, ...options }: Options) => {
    note(`seed ${options.seed}: ${figure(options.bytes)} bytes to each of ${loadDialects.length} listeners`)
    const result = await fuzzLinks({ ...options, canaryPerSecond })
    progress('')
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : summaryOf(result))
    if (result.violations.length > 0) process.exitCode = 1
  })

function summaryOf(result: LinkFuzzResult): string {
  const { canary, heapBytes, descriptors, invariants } = result
  const rows = [
    ['listener', 'bytes sent', 'connections', 'refused'],
    ...loadDialects.map((dialect) => {
      const { bytes, connections, refused } = result.listeners[dialect]
      return [dialect, figure(bytes), figure(connections), figure(refused)]
    }),
  ]
  const mebibytes = (bytes: number) => (bytes / MEBIBYTE).toFixed(1)
  const facts = [
    ['seconds', figure(Math.round(result.seconds))],
    ['well-formed requests, answered', `${figure(canary.sent)}, ${figure(canary.answered)}`],
    ['their latency p99, max, ms', `${figure(canary.p99Ms)}, ${figure(canary.maxMs)}`],
    ['frames refused by the switch', figure(result.framesRefused)],
    ['heap in use, MiB, after a tenth and at the end', `${mebibytes(heapBytes.warm)}, ${mebibytes(heapBytes.end)}`],
    [
      'descriptors before, after a tenth, at the end',
      [descriptors.before, descriptors.warm, descriptors.end].map(figure).join(', '),
    ],
    ['bytes logged', figure(result.logBytes)],
    ['invariants that hold', `${invariants.filter(({ ok }) => ok).length} of ${invariants.length}`],
  ]
  const verdict =
    result.violations.length === 0
      ? 'held\n'
      : `FAILED, seed ${result.seed}\n${result.violations.map((what) => `  ${what}\n`).join('')}`
  return `${table(rows)}\n${table(facts)}${verdict}`
}

// A signal ends the process by way of its exit handlers, which stop the switch.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`fuzz-links: ${describeError(error)}\n`)
  process.exitCode = 1
}
