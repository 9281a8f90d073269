import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { businessDate, type CivilDate, formatDate } from '../calendar.ts'
import { type DayProgress, type DayRun, runDays } from '../clearing/day/machine.ts'
import { dayView, stepView } from '../clearing/day/view.ts'
import { MizanError } from '../errors.ts'
import { panProtection } from '../security/pan-protection.ts'
import { noteAudit } from '../store/audit-store.ts'
import {
  type BusinessDay,
  type DayStepRow,
  listClosingDays,
  listDays,
  readDay,
  readDayEvents,
  readSteps,
} from '../store/clearing/business-day.ts'
import {
  askCutoverWithin,
  type CutoverAnswer,
  type CutoverRequest,
  databaseNowMs,
} from '../store/clearing/business-day-ask.ts'
import type { Client } from '../store/connection.ts'
import { inTransaction } from '../store/transaction.ts'
import { daySteps } from '../switch-clearing.ts'
import { createLogger } from '../telemetry/logger.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'
import { cutoverBalanceCommand } from './cutover-balance.ts'
import { dayLines, eventLine, eventView, progressInWords } from './cutover-view.ts'
import { atDatabase } from './database-desk.ts'
import { atOpenKeyDesk, type OpenKeyDesk } from './keys-desk.ts'

interface CutoverOptions extends CommonOptions {
  readonly date?: string
  readonly wait: boolean
}

interface HistoryOptions extends CommonOptions {
  readonly date?: string
  readonly limit: string
}

/** Another process closes the day: how often it is looked at. */
const FOLLOW_MS = 250
/** What waits for somebody is looked at again after this. */
const WAIT_MS = 2_000
const LIMIT_MAX = 1_000
/** Clocks that differ by more are told. */
const SKEW_S = 60

/** `mizan cutover`: ends the business day, and says how far its end is. */
export function cutoverCommand(io: CommandIo = processIo): Command {
  const command = new Command('cutover')
    .description('end the business day: close it in the lanes, then trial balance, files, settlement and delivery')
    .option('--date <yyyy-mm-dd>', 'the day, and those before it that are open; default: what is over')
    .option('--wait', 'wait while a step waits for somebody, until the day is closed', false)
    .addHelpText('after', HELP)
    .addCommand(statusCommand(io))
    .addCommand(historyCommand(io))
    .addCommand(cutoverBalanceCommand(io))
  return withCommonOptions(command).action((options: CutoverOptions) =>
    atOpenKeyDesk(io, options, (desk) => cutOver(io, desk, options)),
  )
}

const HELP = `
Without --date, when no day is over, the open day ends before its time; in production such a day has to be named.
It works beside a running switch, whose lanes close the day, and goes on where an earlier run stopped; of several
runs at once one does the work, and the others follow it. Exit code 1: a step is blocked or failed, and its words
say the way out. docs/business-day.md`

async function cutOver(io: CommandIo, desk: OpenKeyDesk, options: CutoverOptions): Promise<void> {
  const { config, client } = desk
  const byClock = businessDate(await earlierClockMs(io, client), config.businessDay.cutoverMinutes)
  const answer = await askNoted(client, {
    ...{ date: dateOf(options.date), byClock, by: systemActor(io) },
    mayEndEarly: config.environment !== 'production',
  })
  const day = formatDate(answer.date)
  if (!options.json) io.note(`${askedInWords(answer, day)}\n`)
  const run = await carryOut(io, desk, answer.date, options)
  const found = await readOne(client, answer.date)
  if (options.json) io.out(`${JSON.stringify(withSteps(...found))}\n`)
  else io.out(`${dayLines(...found).join('\n')}\n`)
  if (found[0].state === 'closed') return
  const { stopped } = run
  if (!options.json && stopped !== undefined) {
    const { businessDate: of, step, words } = stopped
    io.note(`${run.state} at ${step} of ${formatDate(of)}: ${words}\n`)
  }
  if (run.state === 'blocked' || run.state === 'failed') process.exitCode = 1
}

/**
 * The earlier one of this machine's clock and the database's: a clock that is ahead ends no day that has not begun, or
 * is not over. The switch dates what it decides by its own, and its lanes refuse to close a day that has not begun
 * there.
 */
async function earlierClockMs(io: CommandIo, client: Client): Promise<number> {
  const [oursMs, theirsMs] = [Date.now(), await databaseNowMs(client)]
  const seconds = Math.round((oursMs - theirsMs) / 1_000)
  if (Math.abs(seconds) > SKEW_S) {
    const way = seconds > 0 ? 'ahead of' : 'behind'
    io.note(`the clock here is ${Math.abs(seconds)} s ${way} that of the database: the earlier one counts\n`)
  }
  return Math.min(oursMs, theirsMs)
}

/** Asks and notes who did, together. */
function askNoted(client: Client, request: CutoverRequest): Promise<CutoverAnswer> {
  return inTransaction(client, async () => {
    const answer = await askCutoverWithin(client, request)
    const detail = { businessDate: formatDate(answer.date), asked: answer.asked.map(formatDate) }
    const event = { actor: request.by, source: 'local', requestId: '', outcome: 'done' } as const
    await noteAudit(client, { ...event, action: 'cutover', detail })
    return answer
  })
}

function askedInWords({ asked, state }: CutoverAnswer, day: string): string {
  const [first] = asked
  if (asked.length > 1 && first !== undefined) return `business days ${formatDate(first)} to ${day} end`
  if (asked.length === 1) return `business day ${day} ends`
  return state === 'closed' ? `business day ${day} is closed already` : `business day ${day} was ended already`
}

/** Does what there is to do, or follows whoever does it. */
async function carryOut(io: CommandIo, desk: OpenKeyDesk, date: CivilDate, options: CutoverOptions): Promise<DayRun> {
  const { config, url, client, ring } = desk
  const protection = panProtection(ring, () => Date.now())
  const stopping = new AbortController()
  const stop = () => stopping.abort(new MizanError('CONFLICT', 'stopped; the next run goes on where this one was'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const say = progressTeller(io, options.json)
  const machine = {
    url,
    folder: config.clearing.folder,
    steps: daySteps({ config, protection }),
    log: createLogger({ level: 'silent' }),
    nowMs: () => Date.now(),
    signal: stopping.signal,
    onProgress: say,
  }
  try {
    for (;;) {
      const run = await runDays(machine)
      if ((await readDay(client, date))?.state === 'closed') return run
      if (run.state === 'busy') {
        await follow(client, date, say)
        await sleep(FOLLOW_MS, undefined, { signal: stopping.signal })
      } else if (run.state === 'waiting' && options.wait) {
        await sleep(WAIT_MS, undefined, { signal: stopping.signal })
      } else return run
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** Says what another process is at. */
async function follow(client: Client, date: CivilDate, say: (said: DayProgress) => void): Promise<void> {
  const running = (await readSteps(client, date)).find(({ state }) => state === 'running')
  if (running === undefined) return
  const { businessDate: of, step, progress } = running
  say({ businessDate: of, step, ...(progress ?? { words: 'running in another process' }) })
}

/** A line for each step and each change of its words, on standard error. */
function progressTeller(io: CommandIo, silent: boolean): (said: DayProgress) => void {
  let last = ''
  return ({ businessDate: of, step, ...progress }) => {
    const line = `${formatDate(of)} ${step}: ${progressInWords(progress)}`
    if (silent || line === last) return
    last = line
    io.note(`${line}\n`)
  }
}

function statusCommand(io: CommandIo): Command {
  const command = new Command('status')
    .description('how far the end of the day is, step by step')
    .option('--date <yyyy-mm-dd>', 'one day; default: those being closed, or else the newest two')
  return withCommonOptions(command).action((own: CommonOptions & { readonly date?: string }, self: Command) => {
    const options = { ...own, ...self.optsWithGlobals<CommonOptions & { readonly date?: string }>() }
    return atDatabase(io, options, 'mizan cutover status', async ({ client }) => {
      const days = await daysToShow(client, dateOf(options.date))
      const found = await Promise.all(
        days.map(async (day) => [day, await readSteps(client, day.businessDate)] as const),
      )
      if (options.json) io.out(`${JSON.stringify(found.map(([day, steps]) => withSteps(day, steps)))}\n`)
      else if (found.length === 0) io.out('no business day is known yet: the first cutover makes them known\n')
      else io.out(`${found.map(([day, steps]) => dayLines(day, steps).join('\n')).join('\n')}\n`)
    })
  })
}

async function daysToShow(client: Client, date: CivilDate | undefined): Promise<BusinessDay[]> {
  if (date !== undefined) return [(await readOne(client, date))[0]]
  const closing = await listClosingDays(client)
  return closing.length > 0 ? closing : listDays(client, 2)
}

function historyCommand(io: CommandIo): Command {
  const command = new Command('history')
    .description('the days and how they ended, the newest first; of one day, all that happened')
    .option('--date <yyyy-mm-dd>', 'all that happened to one day')
    .option('--limit <n>', `up to ${LIMIT_MAX}`, '30')
  return withCommonOptions(command).action((own: HistoryOptions, self: Command) => {
    const options = { ...own, ...self.optsWithGlobals<HistoryOptions>() }
    return atDatabase(io, options, 'mizan cutover history', async ({ client }) => {
      const limit = limitOf(options.limit)
      const date = dateOf(options.date)
      if (date === undefined) {
        const days = await listDays(client, limit)
        if (options.json) io.out(`${JSON.stringify(days.map((day) => withSteps(day, [])))}\n`)
        else for (const day of days) io.out(`${dayLines(day, []).join('')}\n`)
        return
      }
      const events = await readDayEvents(client, limit, date)
      if (options.json) io.out(`${JSON.stringify(events.map(eventView))}\n`)
      else for (const event of events) io.out(`${eventLine(event)}\n`)
    })
  })
}

/** A day with its steps, as `--json` shows it. */
const withSteps = (day: BusinessDay, steps: readonly DayStepRow[]) => ({ ...dayView(day), steps: steps.map(stepView) })

async function readOne(client: Client, date: CivilDate): Promise<[BusinessDay, DayStepRow[]]> {
  const day = await readDay(client, date)
  if (day === undefined) throw new MizanError('NOT_FOUND', `business day ${formatDate(date)} is not known`)
  return [day, await readSteps(client, date)]
}

function dateOf(text: string | undefined): CivilDate | undefined {
  if (text === undefined) return undefined
  return dateOption(text, '--date')
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new MizanError('BAD_INPUT', `--limit is 1 to ${LIMIT_MAX}`)
}
