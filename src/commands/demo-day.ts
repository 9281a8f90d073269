import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { formatDate } from '../calendar.ts'
import { lastClosedDate } from '../clearing/reconciliation/view.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import { listRuns } from '../store/clearing/settlement-runs.ts'
import { type Client, connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import type { CommandIo } from './command-io.ts'
import { printed } from './common-options.ts'

interface DayOptions {
  readonly var?: string
  readonly json: boolean
}

/** A step that was taken, as --json prints it. */
interface Step {
  readonly command: string
  /** Each object that it printed: some print one for each file. */
  readonly results: readonly unknown[]
}

/** More than a demo has of a few days. */
const RUNS = 100
const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))

/**
 * `mizan demo day`: the end of a business day as its people see it, each step the command that they would type. It
 * fails when a step does, or when reconciliation leaves anything open.
 */
export function demoDayCommand(io: CommandIo): Command {
  return new Command('day')
    .description('end the business day of a running demo: files, settlement banks that answer, reconciliation')
    .option('--var <folder>', 'data folder of the switch (default: MIZAN_VAR, else var)')
    .option('--json', 'print one JSON object, with what each command printed', false)
    .action((options: DayOptions) => runDay(io, options))
}

async function runDay(io: CommandIo, options: DayOptions): Promise<void> {
  const env = options.var === undefined ? io.env : { ...io.env, MIZAN_VAR: options.var }
  const config = loadConfig({ env })
  if (config.environment === 'production') throw new MizanError('DEMO_REFUSED')
  const steps: Step[] = []
  const mizan = async (say: string, ...args: readonly string[]) => {
    const words = `mizan ${args.join(' ')}`
    if (!options.json) io.out(`\n${say}\n$ ${words}\n`)
    const said = await step(args, env, options.json)
    if (options.json) steps.push({ command: words, results: said.split('\n').filter(Boolean).map(parsed) })
  }
  await mizan('The card network left a file: what it presents is posted, and ends its holds.', 'clearing', 'receive')
  await mizan('The day ends: lanes close it, files are written, signed, released and delivered.', 'cutover', '--wait')
  const { businessDate, valueDate } = await atDatabase(config, closedDay)
  const folder = path.resolve(config.varDir, config.clearing.folder)
  const into = path.join(folder, 'in')
  const delivered = path.join(folder, 'delivered')
  for (const bank of existsSync(delivered) ? readdirSync(delivered).sort() : []) {
    const said = `Settlement bank ${bank} answers the payments it was given, and closes its day.`
    const place = ['--in', path.join(delivered, bank), '--out', into]
    if (!(await atDatabase(config, (client) => isBank(client, bank)))) continue
    await mizan(said, 'bank', 'simulate', '--bank', bank, ...place, '--date', valueDate)
  }
  await mizan('What the banks say is read, matched to the payments, and booked.', 'bank', 'receive')
  const dates = ['--date', businessDate, '--as-of', valueDate]
  await mizan('Ledger, clearing and banks are held against each other.', 'reconcile', 'run', ...dates)
  const result = { businessDate, valueDate, steps }
  printed(io, options, result, () => [`\nThe day of ${businessDate} is closed and settled, and nothing is open`])
}

const parsed = (line: string): unknown => JSON.parse(line)

/** The day that was closed last, and when its money is at the banks. */
async function closedDay(client: Client): Promise<{ readonly businessDate: string; readonly valueDate: string }> {
  const date = await lastClosedDate(client)
  const run = (await listRuns(client, RUNS)).find((one) => one.businessDate === date)
  if (run === undefined) throw new MizanError('NOT_FOUND', `the day of ${formatDate(date)} was not settled`)
  return { businessDate: formatDate(date), valueDate: formatDate(run.valueDate) }
}

async function isBank(client: Client, code: string): Promise<boolean> {
  const { rows } = await client.query('select from settlement_bank where code = $1 limit 1', [code])
  return rows.length > 0
}

async function atDatabase<T>(config: Config, work: (client: Client) => Promise<T>): Promise<T> {
  const database = await openDatabase(config, { create: false })
  try {
    const client = await connect({ url: database.url, name: 'mizan demo', role: 'mizan_app' })
    return await work(client).finally(() => client.end())
  } finally {
    await database.close()
  }
}

/**
 * Runs a command as a person would.
 * @returns what it printed as JSON, when asked for it
 * @throws MizanError CONFLICT when it fails
 */
async function step(args: readonly string[], env: CommandIo['env'], json: boolean): Promise<string> {
  const child = spawn(process.execPath, [CLI, ...args, ...(json ? ['--json'] : [])], {
    env,
    stdio: ['inherit', json ? 'pipe' : 'inherit', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  const said = child.stdout === null ? '' : await text(child.stdout)
  const code = await ended
  if (code !== 0)
    throw new MizanError('CONFLICT', `mizan ${args.slice(0, 2).join(' ')} ended with ${code ?? 'a signal'}`)
  return said
}
