import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Registry } from 'prom-client'
import t from 'tap'
import { businessDate } from '../../src/calendar.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { PanProtection } from '../../src/security/pan-protection.ts'
import { readDay, readDayEvents, readSteps } from '../../src/store/clearing/business-day.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { connect } from '../../src/store/connection.ts'
import { findProgramme } from '../../src/store/programme-reader.ts'
import { addSimulation, readSimulation } from '../../src/store/programme-simulations.ts'
import { startSwitch } from '../../src/switch.ts'
import { BackgroundProcess } from '../../src/switch-background.ts'
import { networkFolder } from '../../src/switch-network-clearing.ts'
import { inBackground, receivingJobs, receivingMetrics } from '../../src/switch-receiving.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/timing.ts'
import { createTestDatabase } from '../support/database.ts'
import { MASTER_KEY } from '../support/switch.ts'

const WAIT_MS = 120_000
const never = new AbortController().signal

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const endMs = Date.now() + WAIT_MS; !(await holds()); await sleep(20)) {
    if (Date.now() > endMs) throw new Error(`${what} did not come about`)
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'mizan-background-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const { url } = await createTestDatabase(t)
const file = path.join(folder, 'config.json')
const businessDay = { automatic: false, lookAgainSeconds: 1 }
const demo = { households: 20 }
writeFileSync(file, JSON.stringify({ varDir: 'var', businessDay, demo, log: { level: 'silent' } }))
const ports = Object.fromEntries(['ASCII', 'VISA', 'BCD', 'HTTP'].map((name) => [`MIZAN_PORT_${name}`, '0']))
const config = loadConfig({ env: { DATABASE_URL: url, MIZAN_MASTER_KEY: MASTER_KEY, ...ports }, file })
const log = createLogger({ level: 'silent' })
const running = await startSwitch(config, 'test')
t.teardown(() => running.stop('test'))
const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
t.teardown(() => client.end())
const today = () => businessDate(Date.now(), config.businessDay.cutoverMinutes)

t.test('a switch that goes by the clock of the system closes days in another process', async (t) => {
  const { date } = await askCutover(client, { date: today(), byClock: today(), by: 'test' })
  await until('the day is closed', async () => (await readDay(client, date))?.state === 'closed')
  const by = new Set(
    (await readDayEvents(client, 100, date)).filter(({ step }) => step !== undefined).map((one) => one.by),
  )
  t.equal(by.size, 1, 'one process did all of it')
  const [, pid] = [...by].join().split(' ')
  t.match(pid, /^\d+$/)
  t.not(pid, String(process.pid), 'and not the one that authorizes')
})

t.test('whoever waits for an authorization comes before it', async (t) => {
  const background = new BackgroundProcess({ config, url, log })
  t.match(await background.run('days', undefined, never), { state: /idle|busy/ })
  t.equal(os.getPriority(background.pid), 10)
  await background.close()
  t.equal(background.pid, undefined)
  await t.rejects(background.run('days', undefined, never), { code: 'BACKGROUND_ENDED' }, 'it is not begun again')
})

t.test('files of others are taken in by it, and counted where they would be', async (t) => {
  const background = new BackgroundProcess({ config, url, log })
  const registry = new Registry()
  const { networkClearing, ...metrics } = receivingMetrics(registry)
  networkClearing.files.child('processed').inc()
  metrics.deliveries.failed.set(3)
  // Keys are those of the other process; here nothing is read.
  const keys = { protection: {} as PanProtection }
  const wiring = { config, url, keys, clock: systemClock, log, networkClearing, ...metrics }
  const failed = async () => (await metrics.deliveries.failed.get()).values[0]?.value
  const jobs = inBackground(receivingJobs(wiring), background, registry)
  for (const { name, run } of jobs) t.match(await run(never), /^(no|nothing)\b/, `nothing waits for ${name}`)
  t.equal(background.pid, undefined, 'no process is begun for nothing')
  t.equal(await failed(), 0, 'but how delivery stands was looked at')
  metrics.deliveries.failed.set(3)
  const [network] = jobs.filter(({ name }) => name === 'network-clearing')
  mkdirSync(networkFolder(config), { recursive: true })
  writeFileSync(path.join(networkFolder(config), 'UC.CTF.400000.20261118.1.001'), 'this is no file of a network\n')
  t.equal(await network?.run(never), '0 file(s) of the network processed, 1 refused')
  const { values } = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'mizan_network_files_total') ?? {}
  const counted = Object.fromEntries((values ?? []).map(({ labels, value }) => [String(labels.result), Number(value)]))
  t.equal(counted.processed, 1, 'what was counted before is still there')
  t.equal(
    Object.values(counted).reduce((sum, value) => sum + value, 0),
    2,
    'and the refusal is added',
  )
  t.equal(await failed(), 3, 'a gauge that this job does not set stays as it was')
  const bankFile = path.join(networkFolder(config), 'statement.xml')
  writeFileSync(bankFile, '<no statement')
  t.equal(
    await jobs.find(({ name }) => name === 'bank-files')?.run(never),
    '0 file(s) of banks received, 1 refused',
    'so are those of banks',
  )
  await background.close()
})

t.test('past draws are decided again by it, as somebody asked', async (t) => {
  const background = new BackgroundProcess({ config, url, log })
  const registry = new Registry()
  const wiring = { config, url, keys: { protection: {} as PanProtection }, clock: systemClock, log }
  const jobs = inBackground(receivingJobs({ ...wiring, ...receivingMetrics(registry) }), background, registry)
  const job = jobs.find(({ name }) => name === 'programme-simulations')
  t.equal(await job?.run(never), 'nothing was asked for')
  t.equal(background.pid, undefined, 'no process is begun for nothing')
  const { code, version, checksum } = await findProgramme(client, 'bread')
  const day = today()
  const { id } = await addSimulation(client, { code, version, checksum, from: day, to: day, askedBy: 'test' })
  t.equal(await job?.run(never), 'bread version 1: done')
  t.match(await readSimulation(client, id), { state: 'done', report: { draws: 0, comparedWith: 1 } })
  await background.close()
})

t.test('it is there only while there is work', async (t) => {
  const background = new BackgroundProcess({ config, url, log, idleMs: 10 })
  await background.run('days', undefined, never)
  await until('it is gone', () => background.pid === undefined)
  t.match(await background.run('days', undefined, never), { state: /idle|busy/ }, 'and comes again')
  await background.close()
})

t.test('killed or told to stop while it works: that is told, and the next run goes on', async (t) => {
  await running.stop('test')
  const background = new BackgroundProcess({ config, url, log })
  // Without a switch nobody closes the lanes: its first step is under way until it is stopped.
  const { rows } = await client.query<{ next: string }>(
    `insert into business_day (business_date, state, asked_by, asked_at)
     select max(business_date) + 1, 'closing', 'test', now() from business_day
     returning to_char(business_date, 'YYYYMMDD') as next`,
  )
  const date = Number(rows[0]?.next) as ReturnType<typeof today>
  const isUnderWay = async () => (await readSteps(client, date)).some(({ state }) => state === 'running')

  const killed = background.run('days', undefined, never)
  const told = t.rejects(killed, { code: 'BACKGROUND_ENDED', message: /SIGKILL/ })
  await until('a step is under way', isUnderWay)
  process.kill(background.pid ?? 0, 'SIGKILL')
  await told

  const stopping = new AbortController()
  const stopped = background.run('days', undefined, stopping.signal)
  const refused = t.rejects(stopped, /enough/)
  await until('it is under way again', async () => ((await readSteps(client, date))[0]?.attempts ?? 0) > 1)
  stopping.abort(new Error('enough'))
  await refused
  await background.close()
})
