import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { programmeCatalogue } from '../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../src/benefit/shipped-programmes.ts'
import { assert } from '../src/errors.ts'
import { loadMasterKey } from '../src/security/master-key.ts'
import { installDemoKeys } from '../src/simulator/demo-key-store.ts'
import { type DemoKeys, demoKeys } from '../src/simulator/demo-keys.ts'
import { demoHousehold } from '../src/simulator/demo-world.ts'
import { type CardSecrets, cardSecrets, type HighestCounter } from '../src/simulator/load-chip.ts'
import type { LoadCards, LoadCursors } from '../src/simulator/load-traffic.ts'
import { loadDemoWorld } from '../src/simulator/load-world.ts'
import { type DatabaseHandle, ensureDatabase, openDatabase, withClient } from '../src/store/database-location.ts'
import { prepareDatabase } from '../src/store/installation.ts'
import { readMigrations } from '../src/store/migrations.ts'
import { type OpenKeys, openKeys } from '../src/switch-keys.ts'
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
  /** Keys of the cards and links. */
  readonly keys: DemoKeys
  /** What the chips of all cards have counted up to. */
  readonly counter: HighestCounter
  /** PINs and chip values of the cards; made at the first call. */
  secrets(): CardSecrets
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
  /** Part of the database's name, for cards that are not those of the other runs. */
  readonly purpose?: string
}

interface WorldState {
  readonly fingerprint: string
  readonly loadedAt: string
  run: number
  cursors: LoadCursors
  /** Highest transaction counter of any chip. */
  counter: number
}

/** Passes over all cards after which quotas are mostly drawn: the cards are then loaded anew. */
const PASSES_MAX = 10
const RUNS_MAX = 9_999
/** A run that does not end as it should leaves the chips counted up by so much: more than any card is used in one. */
const COUNTER_RESERVE = 512
/** Chips count to 65,535. */
const COUNTER_MAX = 60_000
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
    const embedded = { port: 0, maxWalSizeMb: 4_096 }
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
  const database = ['bench', options.purpose, options.cards].filter((part) => part !== undefined).join('_')
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
    state = { fingerprint: wanted, loadedAt, run: 0, cursors: { ...noCursors }, counter: 0 }
    writeState(stateFile, state)
  }
  const held = state
  const keys = demoKeys(options.seed)
  const counter = { highest: held.counter }
  let secrets: CardSecrets | undefined
  return {
    varDir,
    database,
    url,
    adminUrl,
    serverPid: embedded.pid,
    serverVersion: server.serverVersion,
    cards: cardsOf(options),
    cursors: held.cursors,
    keys,
    counter,
    secrets: () => {
      secrets ??= cardSecrets(options.seed, options.cards, keys)
      return secrets
    },
    loadSeconds,
    nextRun: () => {
      held.run += 1
      writeState(stateFile, { ...held, counter: counter.highest + COUNTER_RESERVE })
      return held.run
    },
    save: () => writeState(stateFile, { ...held, counter: counter.highest }),
    close,
  }
}

function readState(file: string): WorldState | undefined {
  if (!existsSync(file)) return undefined
  const state = JSON.parse(readFileSync(file, 'utf8')) as WorldState
  return { ...state, counter: state.counter ?? 0 }
}

function writeState(file: string, state: WorldState): void {
  writeFileSync(file, `${JSON.stringify(state)}\n`)
}

function fingerprint({ seed, cards, laneCount }: WorldOptions): string {
  const schema = readMigrations().map((migration) => migration.checksum.slice(0, 8))
  return [seed, cards, laneCount, ...schema].join(' ')
}

function isUsedUp(state: WorldState, cards: number): boolean {
  if (state.run >= RUNS_MAX || state.counter > COUNTER_MAX) return true
  return Object.values(state.cursors).some((used) => used > PASSES_MAX * cards)
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
    programmes: programmeCatalogue(shippedProgrammes),
    protection: (await openBenchKeys(varDir, url, seed)).protection,
    onProgress: (done) => progress(`loading cards: ${done} of ${households}`),
  })
  progress('')
  await withClient(url, async (client) => {
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  })
}

/** The keys of a bench's database: those of the demo world of its seed, made at first use. */
export async function openBenchKeys(varDir: string, url: string, seed: number): Promise<OpenKeys> {
  const generateAt = path.join(varDir, 'keys', 'master.key')
  return openKeys({
    url,
    masterKey: await loadMasterKey({ hex: undefined, file: undefined, generateAt }),
    clock: { now: () => Date.now() },
    install: (client, module) => installDemoKeys(client, module, { seed, environment: 'test' }),
  })
}

/** The default of the configuration, 22:30. */
export const CUTOVER_MINUTES = 1_350

/** Cards of a world, as the load knows them. */
export function cardsOf({ cards: count, seed }: Pick<WorldOptions, 'cards' | 'seed'>): LoadCards {
  const members = new Uint8Array(count + 1)
  const checkDigits = new Uint8Array(count + 1)
  for (let id = 1; id <= count; id++) {
    const household = demoHousehold(seed, id, false)
    members[id] = household.members
    checkDigits[id] = Number(household.pan.at(-1))
  }
  return { count, members, checkDigits }
}
