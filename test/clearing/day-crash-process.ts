import pg from 'pg'
import { runDays } from '../../src/clearing/day/machine.ts'
import { loadConfig } from '../../src/config/config.ts'
import { daySteps } from '../../src/switch-clearing.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { panProtectionOf } from '../support/pan-keys.ts'

/**
 * A process that closes days and dies, as a power cut would have it, before its n-th word to the database: in the middle of
 * steps and between them. Arguments: database, configuration, n (0 = never).
 */
const [url = '', file = '', at = '0'] = process.argv.slice(2)
const killAt = Number(at)
let said = 0
const { prototype } = pg.Client
const query = prototype.query as (...given: unknown[]) => unknown
prototype.query = function dying(this: pg.Client, ...given: unknown[]): unknown {
  said++
  if (said === killAt) process.kill(process.pid, 'SIGKILL')
  return query.apply(this, given)
} as typeof prototype.query

const config = loadConfig({ env: { DATABASE_URL: url, MIZAN_MASTER_KEY: 'a5'.repeat(32) }, file })
const run = await runDays({
  url,
  folder: config.clearing.folder,
  steps: daySteps({ config, protection: panProtectionOf('writer tests') }),
  log: createLogger({ level: 'silent' }),
  // The clock stands still, so that what is written does not differ by it.
  nowMs: () => Date.parse(`${process.env.DAY ?? '2026-11-22'}T20:30:00Z`),
  signal: new AbortController().signal,
})
process.stdout.write(`${JSON.stringify({ ...run, said })}\n`)
