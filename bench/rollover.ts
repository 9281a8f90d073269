import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type CivilDate, civilDate, firstDay, monthOf, nextMonth } from '../src/calendar.ts'
import { checkInvariants } from './invariants.ts'
import type { BenchOptions } from './options.ts'
import { proofTable, runFigures } from './report.ts'
import { Session } from './session.ts'
import { OFFSET_VARIABLE, shiftClock } from './shifted-clock.ts'
import { figure, note, table } from './terminal.ts'
import { openWorld } from './world.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** The switch starts and fills its memory in this time. */
const START_MS = 25_000
/** The second run begins so long before midnight. */
const LEAD_MS = 3_000
const SHIFTED_CLOCK = fileURLToPath(new URL('./shifted-clock.ts', import.meta.url))

/** The instant at which a civil date begins in Cairo, even where that is not 00:00. */
function startOfDay(date: CivilDate): number {
  let at = Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100) - DAY_MS / 4
  while (civilDate(at) !== date) at += MINUTE_MS
  return at
}

/**
 * `npm run bench -- rollover`: the load before the end of a month, and over it. Nothing may happen at midnight at once:
 * wallets open as they are drawn on, past months are closed for who needs it and by a paced sweep.
 */
export async function runRollover(options: BenchOptions): Promise<boolean> {
  const { rate, seconds, warmup, mix, cards, crypto, seed } = options
  const startedMs = Date.now()
  const midnightMs = startOfDay(firstDay(nextMonth(monthOf(civilDate(startedMs)))))
  shiftClock(midnightMs - DAY_MS / 2 - startedMs)
  const world = await openWorld({ ...options, laneCount: 1, purpose: 'rollover', reload: true })
  try {
    shiftClock(
      midnightMs -
        LEAD_MS -
        (seconds + warmup) * 1_000 -
        START_MS -
        Math.round(performance.timeOrigin + performance.now()),
    )
    process.env[OFFSET_VARIABLE] = String(Date.now() - Math.round(performance.timeOrigin + performance.now()))
    const capacity = Math.ceil(rate * (2 * seconds + warmup)) + 1_000
    const nodeFlags = ['--import', SHIFTED_CLOCK]
    const session = await Session.open({
      world,
      mix,
      crypto,
      seed,
      capacity,
      linksPerDialect: options.links,
      nodeFlags,
    })
    try {
      note(`${rate}/s of ${mix}, crypto ${crypto}, ${warmup} + ${seconds} s before midnight and ${seconds} s over it`)
      const before = runFigures(await session.step({ ratePerSecond: rate, warmupSeconds: warmup, seconds }), seconds)
      const waitMs = midnightMs - LEAD_MS - Date.now()
      if (waitMs < 0) throw new Error('the switch took too long to start: the month has ended already')
      await sleep(waitMs)
      const over = runFigures(await session.step({ ratePerSecond: rate, warmupSeconds: 0, seconds }), seconds)
      const { rows } = await session.client.query<{ closed: number }>(
        "select count(*)::integer as closed from command_journal where kind = 'month-closed'",
      )
      const comparison = await session.finish()
      const checks = options.verify ? await checkInvariants(world.url) : []
      const closed = rows[0]?.closed ?? 0
      const { lost, phantom } = comparison
      const ok = lost === 0 && phantom === 0 && checks.every((check) => check.ok)
      if (options.json) {
        const invariants = checks.map(({ name, ok: holds }) => ({ name, ok: holds }))
        process.stdout.write(`${JSON.stringify({ before, over, closed, lost, phantom, invariants, cards })}\n`)
      } else {
        const row = (name: string, of: (run: typeof before) => number) => [name, figure(of(before)), figure(of(over))]
        process.stdout.write(
          table([
            [`${mix}, crypto ${crypto}, ${rate}/s, ${cards} cards`, 'before', 'over midnight'],
            row('latency p50, ms', (run) => run.p50_ms),
            row('latency p99, ms', (run) => run.p99_ms),
            row('latency p99.9, ms', (run) => run.p999_ms),
            row('latency max, ms', (run) => run.max_ms),
            row('errors', (run) => run.errors),
            row('database wal bytes per auth', (run) => run.pg.wal_bytes_per_auth),
            ['households closed meanwhile', '', figure(closed)],
          ]),
        )
        process.stdout.write(proofTable(comparison, checks))
      }
      return ok
    } finally {
      await session.close()
    }
  } finally {
    await world.close()
  }
}
