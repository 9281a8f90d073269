import { Command } from 'commander'
import { programmeCatalogue } from '../benefit/programme-book.ts'
import { shippedProgrammes } from '../benefit/shipped-programmes.ts'
import { MizanError } from '../errors.ts'
import { runCampaign } from '../simulation/campaign.ts'
import type { Coverage } from '../simulation/coverage.ts'
import { requiredCoverage } from '../simulation/coverage-table.ts'
import { EVENTS, runSeed, type SeedResult } from '../simulation/run-seed.ts'
import { shrink } from '../simulation/shrink.ts'
import { type FaultName, faultNames } from '../simulation/swarm.ts'

interface Options {
  readonly seed?: number
  readonly seeds: number
  readonly from: number
  readonly events: number
  readonly without: readonly FaultName[]
  readonly threads?: number
  readonly trace: boolean
  readonly shrink: boolean
  readonly coverage: boolean
  readonly stop: boolean
  readonly json: boolean
}

const PROGRESS_EVERY_MS = 5_000
const NAME_WIDTH = 18

/** `mizan sim`: simulates the switch with faults from a seed; exit status 1 if a promise is broken. */
export function simCommand(): Command {
  return new Command('sim')
    .description('simulate the switch, its journal, its links and its terminals with faults; one seed is one world')
    .option('--seed <n>', 'simulate this seed', wholeNumber)
    .option('--seeds <n>', 'simulate so many seeds, on all processors', wholeNumber, 100)
    .option('--from <n>', 'the first of several seeds', wholeNumber, 1)
    .option('--events <n>', 'transactions that are begun in each', wholeNumber, EVENTS)
    .option(
      '--without <faults>',
      `leave out kinds of faults, separated by commas: ${faultNames.join(', ')}`,
      faultList,
      [],
    )
    .option('--threads <n>', 'threads to use for several seeds', wholeNumber)
    .option('--trace', 'print all that happens in the one seed', false)
    .option('--shrink', 'make a failing seed smaller', false)
    .option('--stop', 'end with the first seed that breaks a promise', false)
    .option('--coverage', 'print what came up how often', false)
    .option('--json', 'print one JSON object', false)
    .addHelpText('after', '\nA seed that fails fails again: mizan sim --seed N prints what led to it.')
    .action(async (options: Options) => {
      const ok = options.seed === undefined ? await runMany(options) : await runOne(options, options.seed)
      if (!ok) process.exitCode = 1
    })
}

async function runOne(options: Options, seed: number): Promise<boolean> {
  const { events, without, trace, json } = options
  const catalogue = programmeCatalogue(shippedProgrammes)
  const onEvent = trace ? { onEvent: (line: string) => print(line) } : {}
  const result = await runSeed(catalogue, { seed, events, without: new Set(without), ...onEvent })
  if (json) print(JSON.stringify(result))
  else printResult(result, options)
  if (options.shrink && result.promise !== undefined) {
    const { promise } = result
    const step = (what: string) => process.stderr.write(`${what}\n`)
    const smaller = await shrink(catalogue, seed, { events, without, promise }, step)
    if (smaller !== undefined && !json) {
      printResult(smaller.result, { ...options, events: smaller.events, without: smaller.without })
    }
  }
  return result.ok
}

async function runMany(options: Options): Promise<boolean> {
  const { seeds, from, events, without, threads, json } = options
  const startedMs = performance.now()
  let saidMs = startedMs
  const result = await runCampaign({
    seeds,
    from,
    events,
    without,
    stopAtFirst: options.stop,
    ...(threads === undefined ? {} : { threads }),
    onResult: (one, done) => {
      if (!one.ok && !json) printResult(one, options)
      if (performance.now() - saidMs < PROGRESS_EVERY_MS) return
      saidMs = performance.now()
      process.stderr.write(`${done} of ${seeds} seeds, ${Math.round((saidMs - startedMs) / 1_000)} s\n`)
    },
  })
  const { failures, messages, approvals, virtualMs, coverage } = result
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  const summary = { seeds: result.seeds, failed: failures.length, messages, approvals, virtualMs, seconds }
  if (json) {
    const failed = failures.map(({ seed, promise, detail }) => ({ seed, promise, detail }))
    print(JSON.stringify({ ...summary, failures: failed, coverage: options.coverage ? coverage : undefined }))
    return failures.length === 0
  }
  if (options.coverage) printCoverage(coverage)
  const hours = Math.round(virtualMs / 360_000) / 10
  print(
    `${result.seeds} seeds, ${failures.length} failed; ${messages} messages, ${approvals} approvals that arrived, ` +
      `${hours} h of virtual time in ${seconds} s`,
  )
  if (failures.length > 0) print(`failing seeds: ${failures.map(({ seed }) => seed).join(' ')}`)
  return failures.length === 0
}

function printResult(
  result: SeedResult,
  { events, without, coverage }: Pick<Options, 'events' | 'without' | 'coverage'>,
) {
  const { seed, ok, promise, detail, digest, happened, messages, approvals, virtualMs, last } = result
  const said = `${messages} messages, ${approvals} approvals that arrived, ${happened} events, ${virtualMs} ms`
  if (ok) {
    print(`seed ${seed}: every promise holds; ${said}; ${digest}`)
  } else {
    for (const line of last) print(line)
    print(`seed ${seed}: broken: ${promise}`)
    print(`  ${detail}`)
    const more = without.length === 0 ? '' : ` --without ${without.join(',')}`
    print(`  again: mizan sim --seed ${seed} --events ${events}${more} --trace; ${digest}`)
  }
  if (coverage && ok) for (const [key, count] of Object.entries(result.coverage)) print(`${key} ${count}`)
}

function printCoverage(coverage: Coverage): void {
  for (const { what, outcome, count } of requiredCoverage(coverage)) {
    print(
      `${what.padEnd(NAME_WIDTH)}${outcome.padEnd(NAME_WIDTH)} ${String(count).padStart(8)}${count === 0 ? '  NEVER' : ''}`,
    )
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text)) throw new MizanError('BAD_INPUT', `${text} is not a whole number`)
  return value
}

function faultList(text: string): FaultName[] {
  return text.split(',').map((name) => {
    const found = faultNames.find((one) => one === name.trim())
    if (found === undefined) throw new MizanError('BAD_INPUT', `there is no fault ${name}: ${faultNames.join(', ')}`)
    return found
  })
}
