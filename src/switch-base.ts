import { programmeCatalogue } from './benefit/programme-book.ts'
import { shippedProgrammes } from './benefit/shipped-programmes.ts'
import type { Clock } from './calendar.ts'
import type { Config } from './config/config.ts'
import { masterKeySource } from './config/master-key-source.ts'
import { loadMasterKey, type MasterKey } from './security/master-key.ts'
import { requireSelfTest } from './security/self-test.ts'
import { assertNoDemoKeys, installDemoKeys } from './simulator/demo-key-store.ts'
import { loadDemoWorld, writeWorldFile } from './simulator/load-world.ts'
import { isWritten } from './store/availability.ts'
import { type DatabaseHandle, openDatabase } from './store/database-location.ts'
import { prepareDatabase, requireInstallation } from './store/installation.ts'
import type { LiveProgrammes } from './store/programme-watch.ts'
import { makeDemoUsers } from './switch-api.ts'
import { openBackups, type SwitchBackups } from './switch-backup.ts'
import { type KeyOptions, KeyService, type OpenKeys, openKeys } from './switch-keys.ts'
import type { Parts } from './switch-parts.ts'
import { openProgrammes } from './switch-programmes.ts'
import { type LiveReference, openReferenceData } from './switch-reference.ts'
import { reviveWhenDead } from './switch-revive.ts'
import * as events from './telemetry/events.ts'
import { keysOpened } from './telemetry/key-events.ts'
import type { Logger } from './telemetry/logger.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

/** What everything else is built from. */
export interface SwitchSettings {
  readonly config: Config
  readonly version: string
  readonly clock: Clock
  readonly log: Logger
}

/** What a switch has whether it writes lanes or not: it answers nobody yet. */
export interface SwitchBase extends SwitchSettings {
  /** Whether it takes the lanes at once. */
  readonly begins: 'active' | 'standby'
  readonly metrics: Metrics
  readonly database: DatabaseHandle
  readonly keys: OpenKeys
  readonly keyService: KeyService
  readonly reference: LiveReference
  readonly programmes: LiveProgrammes
  readonly backups: SwitchBackups
}

/**
 * Opens the database, the keys and the master data, which follow what people change from then on.
 * @param parts gets what has to be stopped
 * @throws MizanError with what is wrong and the way out
 */
export async function openBase(settings: SwitchSettings, parts: Parts): Promise<SwitchBase> {
  const { config, clock, log } = settings
  const metrics = createMetrics()
  requireSelfTest()
  const masterKey = await loadMasterKey(masterKeySource(config))
  const database = await openDatabase(config, { onLog: (step) => events.databaseProgress(log, { step }) })
  parts.add(() => database.close())
  reviveWhenDead(config, database, log, parts)
  const begins = await beginsAs(config, database.url)
  const opened = { config, database, masterKey, clock, log }
  const keys = begins === 'active' ? await prepare(opened) : await join(opened)
  const reference = await openReferenceData(database.url, metrics, log)
  parts.add(() => reference.watch.close())
  const programmes = await openProgrammes(database.url, metrics, log)
  parts.add(() => programmes.close())
  const keyService = new KeyService(database.url, keys, clock, log)
  parts.add(() => keyService.close())
  const backups = openBackups(config, database.url, masterKey, metrics.backups, log)
  parts.add(() => backups.close())
  return { ...settings, begins, metrics, database, keys, keyService, reference, programmes, backups }
}

/** Of `auto`: active, unless another process writes the lanes and has been heard of lately. */
async function beginsAs(
  { availability: { role, takeoverAfterMs } }: Config,
  url: string,
): Promise<'active' | 'standby'> {
  if (role !== 'auto') return role
  return (await isWritten(url, takeoverAfterMs)) ? 'standby' : 'active'
}

interface Opened {
  readonly config: Config
  readonly database: DatabaseHandle
  readonly masterKey: MasterKey
  readonly clock: Clock
  readonly log: Logger
}

/** A process that joins another one finds the database as it must be, and changes nothing. */
async function join({ config, database, masterKey, clock, log }: Opened): Promise<OpenKeys> {
  await requireInstallation(database.url, config.lanes.count)
  const keys = await openKeys({ url: database.url, masterKey, clock, ...keyCheck(config) })
  keysOpened(log, { keys: keys.count, custody: masterKey.description, module: keys.module.description })
  return keys
}

function keyCheck({ environment, demo }: Config): Pick<KeyOptions, 'check'> {
  return environment === 'production' ? { check: (records) => assertNoDemoKeys(records, [demo.seed]) } : {}
}

async function prepare({ config, database, masterKey, clock, log }: Opened): Promise<OpenKeys> {
  const beganMs = performance.now()
  const installation = await prepareDatabase(database.url, config.lanes.count)
  for (const name of installation.migrations) {
    events.migrationApplied(log, { name, tookMs: Math.round(performance.now() - beganMs) })
  }
  const { environment, demo } = config
  const makesDemo = installation.isNew && demo.enabled
  const keys = await openKeys({
    url: database.url,
    masterKey,
    clock,
    ...keyCheck(config),
    ...(makesDemo
      ? { install: (client, module) => installDemoKeys(client, module, { seed: demo.seed, environment }) }
      : {}),
  })
  keysOpened(log, { keys: keys.count, custody: masterKey.description, module: keys.module.description })
  if (!makesDemo) return keys
  const worldMs = performance.now()
  const world = {
    seed: config.demo.seed,
    households: config.demo.households,
    remoteEvery: config.demo.remoteEvery,
    nowMs: clock.now(),
    // Those that a new database begins with.
    programmes: programmeCatalogue(shippedProgrammes),
  }
  await loadDemoWorld({
    ...world,
    url: database.url,
    laneCount: config.lanes.count,
    withCases: true,
    cutoverMinutes: config.businessDay.cutoverMinutes,
    protection: keys.protection,
  })
  await makeDemoUsers(config, database.url)
  const file = writeWorldFile(config.varDir, world)
  const tookMs = Math.round(performance.now() - worldMs)
  events.demoWorldMade(log, { households: config.demo.households, file, tookMs })
  return keys
}
