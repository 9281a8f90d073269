import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { programmeBook, shippedProgrammes } from '../src/benefit/programme.ts'
import { assert } from '../src/errors.ts'
import { loadMasterKey } from '../src/security/master-key.ts'
import { panProtection } from '../src/security/pan-protection.ts'
import { demoHousehold } from '../src/simulator/demo-world.ts'
import type { LoadCards, LoadCursors } from '../src/simulator/load-traffic.ts'
import { loadDemoWorld } from '../src/simulator/load-world.ts'
import { type DatabaseHandle, ensureDatabase, openDatabase, withClient } from '../src/store/database-location.ts'
import { prepareDatabase } from '../src/store/installation.ts'
import { readMigrations } from '../src/store/migrations.ts'
import { claimFolder } from './folder-lock.ts'
import { note, progress } from './terminal.ts'

/** Data folder of the benchmarks, beside that of the switch. */
export const benchFolder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'var', 'bench')

/** A database with cards for the load, and what the runs on it so far have used up. */
export interface BenchWorld {
  readonly varDir: string
  readonly database: string
  readonly url: string
  readonly adminUrl: string
  /** Process of the PostgreSQL server. */
  readonly serverPid: number
  readonly serverVersion: number
  readonly cards: LoadCards
  readonly cursors: LoadCursors
  /** How long the cards took to load, when this run had to. */
  readonly loadSeconds: number | undefined
  /** Takes the number of a new run: it marks the run's messages. */
  nextRun(): number
  /** Remembers what was used up. */
  save(): void
  close(): Promise<void>
}

export interface WorldOptions {
  readonly cards: number
  readonly seed: number
  readonly laneCount: number
  /** Loads the cards anew even if there are some. */
  readonly reload?: boolean
  readonly varDir?: string
}

interface WorldState {
  readonly fingerprint: string
  readonly loadedAt: string
  run: number
  cursors: LoadCursors
}

/** Passes over all cards after which quotas are mostly drawn: the cards are then loaded anew. */
const PASSES_MAX = 10
const RUNS_MAX = 9_999
const noCursors: LoadCursors = { bread: 0, ration: 0, purchase: 0, schemePurchase: 0, cash: 0 }

/**
 * Opens the bench's database, loading the cards at first use, after a change of the schema, and when earlier runs have
 * used the quotas up.
 */
export async function openWorld(options: WorldOptions): Promise<BenchWorld> {
  const varDir = options.varDir ?? benchFolder
  mkdirSync(varDir, { recursive: true })
  const release = claimFolder(varDir)
  let server: DatabaseHandle | undefined
  const close = async () => {
    await server?.close()
    release()
  }
  try {
    const embedded = { port: 0, sharedBuffersMb: 256, maxWalSizeMb: 4_096 }
    server = await openDatabase({ varDir, database: { embedded } })
    return await openIn(server, varDir, options, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function openIn(
  server: DatabaseHandle,
  varDir: string,
  options: WorldOptions,
  close: () => Promise<void>,
): Promise<BenchWorld> {
  const { embedded } = server
  assert(embedded !== undefined, 'the bench runs on an embedded database')
  const database = `bench_${options.cards}`
  const adminUrl = embedded.url('postgres')
  const url = embedded.url(database)
  const stateFile = path.join(varDir, `${database}.json`)
  // Before loading: a schema that changes meanwhile must not pass for the loaded one.
  const wanted = fingerprint(options)
  let state = readState(stateFile)
  const usable =
    state !== undefined &&
    options.reload !== true &&
    state.fingerprint === wanted &&
    !isUsedUp(state, options.cards) &&
    (await hasDatabase(adminUrl, database))
  let loadSeconds: number | undefined
  if (state === undefined || !usable) {
    const beganMs = performance.now()
    await load(varDir, adminUrl, database, url, options)
    loadSeconds = (performance.now() - beganMs) / 1_000
    note(`loaded ${options.cards} cards in ${loadSeconds.toFixed(1)} s`)
    const loadedAt = new Date().toISOString()
    state = { fingerprint: wanted, loadedAt, run: 0, cursors: { ...noCursors } }
    writeState(stateFile, state)
  }
  const held = state
  return {
    varDir,
    database,
    url,
    adminUrl,
    serverPid: embedded.pid,
    serverVersion: server.serverVersion,
    cards: cardsOf(options),
    cursors: held.cursors,
    loadSeconds,
    nextRun: () => {
      held.run += 1
      writeState(stateFile, held)
      return held.run
    },
    save: () => writeState(stateFile, held),
    close,
  }
}

function readState(file: string): WorldState | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as WorldState) : undefined
}

function writeState(file: string, state: WorldState): void {
  writeFileSync(file, `${JSON.stringify(state)}\n`)
}

function fingerprint({ seed, cards, laneCount }: WorldOptions): string {
  const schema = readMigrations().map((migration) => migration.checksum.slice(0, 8))
  return [seed, cards, laneCount, ...schema].join(' ')
}

function isUsedUp(state: WorldState, cards: number): boolean {
  return state.run >= RUNS_MAX || Object.values(state.cursors).some((used) => used > PASSES_MAX * cards)
}

async function hasDatabase(adminUrl: string, name: string): Promise<boolean> {
  return withClient(adminUrl, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    return rowCount === 1
  })
}

async function load(
  varDir: string,
  adminUrl: string,
  database: string,
  url: string,
  options: WorldOptions,
): Promise<void> {
  const { cards: households, seed, laneCount } = options
  await withClient(adminUrl, (client) => client.query(`drop database if exists ${database} with (force)`))
  await ensureDatabase(adminUrl, database)
  await prepareDatabase(url, laneCount)
  await loadDemoWorld({
    url,
    laneCount,
    seed,
    households,
    withCases: false,
    nowMs: Date.now(),
    cutoverMinutes: CUTOVER_MINUTES,
    programmes: programmeBook(shippedProgrammes),
    protection: panProtection(
      loadMasterKey({ hex: undefined, file: undefined, generateAt: path.join(varDir, 'keys', 'master.key') }),
    ),
    onProgress: (done) => progress(`loading cards: ${done} of ${households}`),
  })
  progress('')
  await withClient(url, async (client) => {
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  })
}

/** The default of the configuration, 22:30. */
export const CUTOVER_MINUTES = 1_350

function cardsOf({ cards: count, seed }: WorldOptions): LoadCards {
  const members = new Uint8Array(count + 1)
  const checkDigits = new Uint8Array(count + 1)
  for (let id = 1; id <= count; id++) {
    const household = demoHousehold(seed, id, false)
    members[id] = household.members
    checkDigits[id] = Number(household.pan.at(-1))
  }
  return { count, members, checkDigits }
}
