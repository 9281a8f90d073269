import { addDays, type CivilDate, formatDate } from '../../calendar.ts'
import { describeError } from '../../errors.ts'
import { compareControlAccounts } from '../../store/clearing/reconciliation-control.ts'
import {
  compareFiles,
  compareNetworkTotals,
  datesWithFileNews,
  findRefusedFiles,
} from '../../store/clearing/reconciliation-files.ts'
import { compareInstructions } from '../../store/clearing/reconciliation-instructions.ts'
import { compareSchemeItems, compareSubsidyItems } from '../../store/clearing/reconciliation-items.ts'
import { mergeMatches, prepareMatches } from '../../store/clearing/reconciliation-matches.ts'
import { mergeBreaks } from '../../store/clearing/reconciliation-merge.ts'
import { compareNetworkItems, findOpenDisputes, findUncleared } from '../../store/clearing/reconciliation-network.ts'
import {
  checkStatements,
  datesWithOpenInstructions,
  findOtherEntries,
  findRefusedStatements,
} from '../../store/clearing/reconciliation-positions.ts'
import {
  beginRun,
  endRun,
  endTurn,
  type ReconciliationRun,
  readRun,
  takeTurn,
} from '../../store/clearing/reconciliation-runs.ts'
import { checkIssuance, compareSubsidyPayables } from '../../store/clearing/reconciliation-subsidies.ts'
import { findLeftUnpaid } from '../../store/clearing/reconciliation-waiting.ts'
import {
  type BreakScope,
  clearFound,
  countMatches,
  datesWithOpenExceptions,
  judgeDates,
  type LevelCounts,
  prepareWork,
  withoutLoops,
} from '../../store/clearing/reconciliation-work.ts'
import { type Client, connect } from '../../store/connection.ts'
import { previousBankingDay } from '../day/banking-calendar.ts'
import { type BreakName, breakNames, breakTypes, type Level } from './breaks.ts'
import { bankingDaysOn } from './view.ts'

/** What a run is asked for. */
export interface ReconcileOptions {
  readonly url: string
  readonly businessDate: CivilDate
  /** The date as of which money has to be at the bank: today, in Cairo. */
  readonly asOf: CivilDate
  /** Up to 64 characters. */
  readonly requestedBy: string
  readonly nowMs: () => number
  readonly settings: ReconcileSettings
  readonly signal?: AbortSignal
  /** Says how far it is. */
  readonly progress?: (words: string, done: number, total: number) => void
}

/** What of the configuration a run needs. */
export interface ReconcileSettings {
  /** Days after which a hold of the card scheme without a presentment is a break. */
  readonly presentmentDays: number
  /** Days back for which unfinished business is compared again. */
  readonly lookBackDays: number
}

/** Memory of one sort or hash; what does not fit goes to temporary files, never to more memory. */
const WORK_MEMORY = '48MB'

/** Breaks that say how things stand now; all others are judged by the business dates that are compared. */
const asThingsStand: readonly BreakName[] = [
  'authorised-not-cleared',
  'chargeback-open',
  'control-account-open',
  'issuance-not-conserved',
  'left-unpaid',
]

/** Breaks that are differences of the ledger itself: what was corrected of them is not found again. */
const inLedger: readonly BreakName[] = ['control-account-open', 'balance-differs']

const breakScopes: readonly BreakScope[] = breakNames.map((name) => ({
  name,
  number: breakTypes[name].number,
  level: breakTypes[name].level,
  judged: asThingsStand.includes(name) ? 'state' : 'dates',
  inLedger: inLedger.includes(name),
}))

interface Dates {
  readonly items: readonly string[]
  readonly files: readonly string[]
  readonly positions: readonly string[]
  readonly subsidies: readonly string[]
}

/** Levels whose breaks are merged before control accounts are compared: these count what those explain. */
const firstLevels: readonly Level[] = ['item', 'file', 'position', 'subsidy']

/**
 * Compares the three legs of a business date on every level, and of earlier dates with open exceptions; what it finds
 * become exceptions, what is gone is resolved. The same inputs give the same matches and no exception twice. Two runs
 * never overlap.
 * @throws TurnTaken when a run is under way; MizanError STORE_UNAVAILABLE
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconciliationRun> {
  const client = await connect({ url: options.url, name: 'mizan reconcile', role: 'mizan_app' })
  try {
    await takeTurn(client)
    await client.query(`set work_mem = '${WORK_MEMORY}'; set temp_buffers = '32MB'`)
    const now = () => new Date(options.nowMs())
    const id = await beginRun(client, {
      businessDate: formatDate(options.businessDate),
      requestedBy: options.requestedBy,
      now: now(),
    })
    try {
      await compareAndMerge(client, id, options)
    } catch (error) {
      await client.query('rollback').catch(() => undefined)
      await noteFailure(client, id, error, now())
      throw error
    }
    const run = await readRun(client, id)
    await endTurn(client)
    return run
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function noteFailure(client: Client, id: number, error: unknown, now: Date): Promise<void> {
  const nothing = { matched: 0, found: 0, opened: 0, resolved: 0, levels: {} }
  await endRun(client, id, { state: 'failed', ...nothing, words: describeError(error) }, now).catch(() => undefined)
}

async function compareAndMerge(client: Client, runId: number, options: ReconcileOptions): Promise<void> {
  const asOf = formatDate(options.asOf)
  await prepareWork(client, breakScopes)
  // What is compared is one moment's: nothing that is posted meanwhile makes a difference that is none.
  await client.query('begin isolation level repeatable read')
  const dates = await datesOf(client, options)
  const levels = await compareLevels(client, dates, options)
  await client.query('commit')
  options.signal?.throwIfAborted()
  const rules = await countMatches(client)
  await prepareMatches(client)
  await client.query('begin')
  const merge = { runId, asOf, now: new Date(options.nowMs()) }
  const matches = await mergeMatches(client, runId, { signal: options.signal })
  const first = await mergeBreaks(client, { ...merge, levels: firstLevels })
  await client.query('commit')
  await clearFound(client)
  await client.query('begin')
  levels.control = { compared: await compareControlAccounts(client, scopeOf(options, asOf)), matched: {} }
  const second = await mergeBreaks(client, { ...merge, levels: ['control'] })
  const opened = first.opened + first.reopened + second.opened + second.reopened
  const found = first.found + second.found
  const resolved = first.resolved + second.resolved
  const words = `${matches.total} matched, ${found} break(s): ${opened} new, ${resolved} resolved`
  const all = { ...levels, rules: { compared: {}, matched: rules } }
  const end = { state: 'done', levels: all, matched: matches.total, found, opened, resolved, words } as const
  await endRun(client, runId, end, new Date(options.nowMs()))
  await client.query('commit')
}

function scopeOf({ settings: { lookBackDays } }: ReconcileOptions, asOf: string) {
  return { asOf, lookBackDays }
}

/** The dates that each level is compared for; unfinished ones of before are compared again. */
async function datesOf(client: Client, { businessDate, asOf, settings }: ReconcileOptions): Promise<Dates> {
  const date = formatDate(businessDate)
  const scope = { businessDate: date, lookBackDays: settings.lookBackDays }
  const open = (level: Level) =>
    datesWithOpenExceptions(client, [level], { ...scope, businessDate: formatDate(addDays(asOf, 1)) })
  const since = datesUpTo(businessDate, asOf, settings.lookBackDays)
  const sorted = (...lists: readonly (readonly string[])[]) => [...new Set(lists.flat())].sort()
  return {
    items: sorted([date], await open('item')),
    files: sorted(since, await open('file'), await datesWithFileNews(client, scope)),
    positions: sorted(since, await open('position'), await datesWithOpenInstructions(client, scope)),
    subsidies: sorted([date], await open('subsidy')),
  }
}

/** From a date to another, both included; the last `max` of them. */
function datesUpTo(from: CivilDate, to: CivilDate, max: number): string[] {
  const dates: string[] = [formatDate(from)]
  for (let date = addDays(from, 1); date <= to; date = addDays(date, 1)) dates.push(formatDate(date))
  return dates.length > max + 1 ? [formatDate(from), ...dates.slice(-max)] : dates
}

type Levels = Partial<Record<Level | 'rules', LevelCounts>>

async function compareLevels(client: Client, dates: Dates, options: ReconcileOptions): Promise<Levels> {
  const { settings, signal, progress } = options
  const asOf = formatDate(options.asOf)
  const sums: Record<string, Record<string, number>> = {}
  const steps: (readonly [level: Level, name: string, work: () => Promise<LevelCounts['compared']>])[] = [
    ...dates.items.flatMap((date): typeof steps => [
      ['item', `card scheme ${date}`, () => withoutLoops(client, () => compareSchemeItems(client, date))],
      ['item', `subsidies ${date}`, () => withoutLoops(client, () => compareSubsidyItems(client, date))],
      ['item', `network ${date}`, () => withoutLoops(client, () => compareNetworkItems(client, date))],
    ]),
    [
      'item',
      'holds',
      () => findUncleared(client, { asOf, afterDays: settings.presentmentDays, lookBackDays: settings.lookBackDays }),
    ],
    ['item', 'disputes', () => findOpenDisputes(client)],
    ...dates.files.flatMap((date): typeof steps => [
      ['file', `files ${date}`, () => compareFiles(client, date)],
      ['file', `network totals ${date}`, () => compareNetworkTotals(client, date)],
    ]),
    ['file', 'refused files', () => findRefusedFiles(client, dates.files)],
    ['position', 'refused statements', () => findRefusedStatements(client, dates.positions)],
    ...dates.positions.flatMap((date): typeof steps => [
      ['position', `instructions ${date}`, () => withoutLoops(client, () => compareInstructions(client, date, asOf))],
      ['position', `bank entries ${date}`, () => findOtherEntries(client, date)],
    ]),
    ['position', 'statements', () => checkStatements(client, asOf)],
    ['position', 'left unpaid', async () => findLeftUnpaid(client, await bankingDayBefore(client, options.asOf))],
    ...dates.subsidies.map((date): (typeof steps)[number] => [
      'subsidy',
      `payables ${date}`,
      () => compareSubsidyPayables(client, date),
    ]),
    ['subsidy', 'issuance', () => checkIssuance(client, asOf)],
  ]
  for (const [level, list] of [
    ['item', dates.items],
    ['file', dates.files],
    ['position', dates.positions],
    ['subsidy', dates.subsidies],
  ] as const) {
    await judgeDates(client, level, list)
  }
  for (const [index, [level, name, work]] of steps.entries()) {
    signal?.throwIfAborted()
    progress?.(name, index, steps.length)
    addTo(sums, level, name.replace(/ \d{4}-\d\d-\d\d$/, ''), await work())
  }
  progress?.('exceptions', steps.length, steps.length)
  return Object.fromEntries(Object.entries(sums).map(([level, compared]) => [level, { compared, matched: {} }]))
}

/** Money whose value date is the last banking day before has had a whole banking day to move. */
async function bankingDayBefore(client: Client, date: CivilDate): Promise<string> {
  return formatDate(previousBankingDay(date, await bankingDaysOn(client, date)))
}

function addTo(
  sums: Record<string, Record<string, number>>,
  level: string,
  name: string,
  counts: Readonly<Record<string, number>>,
): void {
  sums[level] ??= {}
  const sum = sums[level]
  for (const [what, count] of Object.entries(counts)) {
    const key = `${name}: ${what}`
    sum[key] = (sum[key] ?? 0) + count
  }
}
