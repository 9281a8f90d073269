import { Command } from 'commander'
import { programmeCatalogue } from '../benefit/programme-book.ts'
import { shippedProgrammes } from '../benefit/shipped-programmes.ts'
import { civilDate } from '../calendar.ts'
import { writeAtomically } from '../clearing/atomic-file.ts'
import { loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import { panSealer } from '../security/pan-transport.ts'
import { DemoIssuer } from '../simulator/demo-issuer.ts'
import { demoKeys } from '../simulator/demo-keys.ts'
import { householdFileLines } from '../simulator/household-file.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk } from './keys-desk.ts'
import { progressLine } from './load-progress.ts'

interface SampleOptions extends CommonOptions {
  readonly count: number
  readonly first: number
  readonly out: string
  readonly panKey?: string
}

type Seal = (pan: string, householdId: number) => Buffer

const HOUSEHOLDS_MAX = 10_000_000
const PROGRESS_LINES = 1_000

/** `mizan household sample`: a file of demo households, to try a load with; never in production. */
export function householdSampleCommand(io: CommandIo): Command {
  const command = new Command('sample')
    .description('write a file of demo households for mizan household load; refused in production')
    .requiredOption('--out <file>', 'file to write, ending in .ndjson')
    .option('--count <households>', 'how many', (text) => numberIn(text, HOUSEHOLDS_MAX), 1_000)
    .option('--first <number>', 'number of the first household', (text) => numberIn(text, 900_000_000), 1)
    .option('--pan-key <name>', 'seal card numbers under this transport key of the key store')
  return withCommonOptions(command).action((options: SampleOptions) => sample(io, options))
}

async function sample(io: CommandIo, options: SampleOptions): Promise<void> {
  const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
  if (config.environment === 'production') throw new MizanError('DEMO_REFUSED', 'sample households are demo data')
  const { panKey } = options
  if (panKey === undefined) return write(io, config.demo.seed, options)
  await atOpenKeyDesk(io, options, async ({ ring, nowMs }) => {
    await write(io, config.demo.seed, options, panSealer(ring, panKey, nowMs))
  })
}

async function write(io: CommandIo, seed: number, options: SampleOptions, seal?: Seal): Promise<void> {
  const { count, first, out } = options
  const today = civilDate(Date.now())
  const lines = householdFileLines({
    seed,
    first,
    count,
    today,
    programmes: programmeCatalogue(shippedProgrammes).on(today),
    issuer: new DemoIssuer(demoKeys(seed)),
    ...(seal === undefined ? {} : { seal }),
  })
  const progress = progressLine(io, 'households')
  // Its card numbers are demo ones, and yet nobody else's business, whatever the mode of a file that stood there.
  await writeAtomically(out, async (sink) => {
    let done = 0
    for (const line of lines) {
      await sink.text(line)
      if (++done % PROGRESS_LINES === 0) progress(done, done / count)
    }
  })
  printed(io, options, { file: out, households: count, first }, () => [
    `${count} households from ${first} on are in ${out}`,
  ])
}

function numberIn(text: string, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= most) return value
  throw new MizanError('BAD_INPUT', `${text} is not a number from 1 to ${most}`)
}
