import path from 'node:path'
import { Command } from 'commander'
import { type Result, responseCodes } from '../authorization/result.ts'
import { traceInWords } from '../authorization/trace.ts'
import { businessDate, formatDate } from '../calendar.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { maskPan } from '../identifiers.ts'
import type { AdditionalAmount } from '../iso8583/composites.ts'
import { COUNTED_UNITS, formatPiasters, formatQuantity } from '../money.ts'
import { Counterparty } from '../simulator/counterparty.ts'
import { readListeners, readWorld } from '../simulator/demo-files.ts'
import { entryInWords, type LedgerAuthorization, readAuthorizations } from '../simulator/ledger-reader.ts'
import { leaveNetworkFile } from '../simulator/network-outbox.ts'
import { type Rail, rails } from '../simulator/rails.ts'
import { isAsExpected, playTour, type TourStep } from '../simulator/tour.ts'
import { type Client, connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import { readCatalogue } from '../store/programme-reader.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { demoDayCommand } from './demo-day.ts'

interface DemoOptions {
  readonly host: string
  readonly var?: string
  readonly json?: boolean
}

const clock = { now: () => Date.now() }

/** `mizan demo`: plays the tour against a running switch; fails unless every answer is the expected one. */
export function demoCommand(io: CommandIo = processIo): Command {
  return (
    new Command('demo')
      .description('play a scripted tour against a running switch')
      .option('--host <address>', 'where the switch listens', '127.0.0.1')
      .option('--var <folder>', 'data folder of the switch (default: MIZAN_VAR, else var)')
      .option('--json', 'print one JSON object')
      // What stands behind "day" is for it: it has options of the same names, and would end the day of another switch.
      .enablePositionalOptions()
      .addCommand(demoDayCommand(io))
      .action((options: DemoOptions) => runDemo(io, options))
  )
}

async function runDemo(io: CommandIo, options: DemoOptions): Promise<void> {
  const env = options.var === undefined ? io.env : { ...io.env, MIZAN_VAR: options.var }
  const config = loadConfig({ env })
  const ports = readListeners(config.varDir)
  const world = readWorld(config.varDir)
  const database = await openDatabase(config, { create: false })
  try {
    const client = await connect({ url: database.url, name: 'mizan demo', role: 'mizan_analyst' })
    try {
      const steps: TourStep[] = []
      const programmes = await readCatalogue(client)
      await withCounterparties(options.host, ports, async (counterparties) => {
        const tour = playTour({ world, programmes, clock, ...counterparties })
        for await (const step of tour) {
          steps.push(step)
          if (options.json !== true) print(io, stepInWords(steps.length, step))
        }
      })
      const left = await leaveForClearing(config, client, steps)
      await conclude(io, client, steps, options.json === true, left)
    } finally {
      await client.end()
    }
  } finally {
    await database.close()
  }
}

/** Connects a counterparty on each rail, and closes all in the end. */
async function withCounterparties(
  host: string,
  ports: Readonly<Record<Rail['listener'], number>>,
  work: (counterparties: { pos: Counterparty; atm: Counterparty; visa: Counterparty }) => Promise<void>,
): Promise<void> {
  const opened: Counterparty[] = []
  const open = async (rail: Rail) => {
    const counterparty = await Counterparty.connect({ rail, host, port: ports[rail.listener] })
    opened.push(counterparty)
    return counterparty
  }
  try {
    await work({ pos: await open(rails.pos), atm: await open(rails.atm), visa: await open(rails.visa) })
  } finally {
    for (const counterparty of opened) counterparty.close()
  }
}

/** The network's side: what stays held at the end of the tour is in its next file. */
async function leaveForClearing(
  { varDir, clearing, businessDay }: Config,
  client: Client,
  steps: readonly TourStep[],
): Promise<string | undefined> {
  const records = steps.flatMap((step) => (step.clearing === undefined || !isAsExpected(step) ? [] : [step.clearing]))
  if (records.length === 0) return undefined
  const date = businessDate(clock.now(), businessDay.cutoverMinutes)
  const { rows } = await client.query<{ last: number | null }>(
    "select max(sequence) as last from clearing_files where direction = 'in' and type = 'ITF' and business_date = $1",
    [formatDate(date)],
  )
  const folder = path.resolve(varDir, clearing.folder, 'in')
  const { processingBin } = clearing
  return leaveNetworkFile(records, { folder, processingBin, date, lastTaken: rows[0]?.last ?? 0 })
}

/** Shows what the tour left in the ledger, and whether all came out as it should. */
async function conclude(
  io: CommandIo,
  client: Client,
  steps: readonly TourStep[],
  json: boolean,
  left?: string,
): Promise<void> {
  const messages = steps.flatMap((step) => (step.stamps === undefined ? [] : [step.stamps]))
  const authorizations = await readAuthorizations(client, messages)
  const unexpected = steps.filter((step) => !isAsExpected(step)).length
  if (json) {
    const network = left === undefined ? {} : { networkFile: left }
    print(io, JSON.stringify({ passed: unexpected === 0, steps: steps.map(stepAsJson), authorizations, ...network }))
  } else {
    print(io, 'What the ledger says of it\n')
    for (const authorization of authorizations) print(io, authorizationInWords(authorization))
    const verdict = unexpected === 0 ? 'every answer is the expected one' : `${unexpected} not as expected`
    if (left !== undefined) print(io, `\nThe network left ${left} in clearing/in: mizan clearing receive takes it now`)
    print(io, `\n${steps.length} exchanges: ${verdict}`)
  }
  if (unexpected > 0) process.exitCode = 1
}

function print(io: CommandIo, text: string): void {
  io.out(`${text}\n`)
}

function stepInWords(number: number, step: TourStep): string {
  const { answer, check } = step
  const asked = [
    step.mti,
    ...(step.quantity === undefined ? [] : [formatQuantity(step.quantity, 'LOAF')]),
    ...(step.amountPiasters === undefined ? [] : [formatQuantity(step.amountPiasters, 'EGP')]),
    ...(step.pan === undefined ? [] : [`card ${maskPan(step.pan)}`]),
    `(${step.who})`,
  ]
  const balances = answer.amounts.map(amountInWords).join(', ')
  const lines = [
    `${String(number).padStart(2)}. ${step.title}`,
    `    ${asked.join('  ')}`,
    `    ${answer.mti}  ${answer.code} ${meaningOf(step)}  ${answer.tookMs.toFixed(1)} ms`,
    ...(balances === '' ? [] : [`    available: ${balances}`]),
    ...(check === undefined ? [] : [`    ${check.holds ? 'checked' : 'NOT SO'}: ${check.what}`]),
    ...(answer.code === step.expectedCode ? [] : [`    NOT AS EXPECTED: should be ${step.expectedCode}`]),
  ]
  return `${lines.join('\n')}\n`
}

/** Accounts of DE54 as people call them (interfaces.md, "Processing code"). */
const accountNames: Readonly<Record<string, string>> = {
  20: 'postal account',
  91: 'ration',
  92: 'bread today',
  93: 'flour',
  94: 'bread points',
  95: 'grants',
}

function amountInWords({ accountType, currency, amount }: AdditionalAmount): string {
  const name = accountNames[accountType] ?? accountType
  if (currency !== COUNTED_UNITS) return `${name} ${formatPiasters(amount)} EGP`
  return `${name} ${formatQuantity(amount, accountType === '93' ? 'KG' : 'LOAF')}`
}

const namesByCode = new Map<string, string[]>()
for (const [result, code] of Object.entries(responseCodes('iso87-ascii')) as [Result, string][]) {
  namesByCode.set(code, [...(namesByCode.get(code) ?? []), result.replaceAll('-', ' ')])
}

/** What an answer says. Several results share a code; the one that was expected is the likely one. */
function meaningOf({ answer, expected, expectedCode }: TourStep): string {
  if (answer.code === expectedCode) return expected.replaceAll('-', ' ')
  return namesByCode.get(answer.code)?.join(' or ') ?? 'unknown'
}

function authorizationInWords(authorization: LedgerAuthorization): string {
  const { id, mti, responseCode, result, originalId, entries, trace } = authorization
  const about = originalId === undefined ? '' : ` of authorization ${originalId}`
  const head = `  authorization ${id}: ${mti}${about}, ${responseCode} ${result}`
  const reason = trace.at(-1)
  const why = responseCode === '00' || reason === undefined ? [] : [`    ${traceInWords(reason, formatPiasters)}`]
  return [head, ...why, ...entries.map((entry) => `    ${entryInWords(entry)}`)].join('\n')
}

function stepAsJson(step: TourStep): Record<string, unknown> {
  const { answer, pan, stamps, clearing: _, ...rest } = step
  return {
    ...rest,
    ...(pan === undefined ? {} : { card: maskPan(pan) }),
    ...(stamps === undefined ? {} : { stan: stamps.stan, transmission: stamps.transmission, rrn: answer.text(37) }),
    responseCode: answer.code,
    meaning: meaningOf(step),
    balances: answer.amounts,
    tookMs: Math.round(answer.tookMs * 100) / 100,
    asExpected: isAsExpected(step),
  }
}
