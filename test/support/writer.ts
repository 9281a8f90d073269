import type pg from 'pg'
import { keyOf } from '../../src/authorization/message-key.ts'
import { messageClassOf } from '../../src/authorization/mti.ts'
import { type AuthorizationRequest, unsaid } from '../../src/authorization/request.ts'
import { type Result, responseCodes } from '../../src/authorization/result.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { businessDate, civilDate } from '../../src/calendar.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { KEY_BLOCK_PROTECTION, masterKeyOf } from '../../src/security/master-key.ts'
import type { SecurityModule } from '../../src/security/security-module.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { demoKeysByName } from '../../src/simulator/demo-key-store.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { demoHousehold, demoOutlets, panOf } from '../../src/simulator/demo-world.ts'
import { loadDemoWorld } from '../../src/simulator/load-world.ts'
import { cardLaneLookup } from '../../src/store/card-lookup.ts'
import { commandInbox } from '../../src/store/command-inbox.ts'
import { connect } from '../../src/store/connection.ts'
import { dueClosingQuery } from '../../src/store/due-closings.ts'
import { dueHoldQuery } from '../../src/store/due-holds.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { loadReferenceData } from '../../src/store/reference-data.ts'
import { systemTiming, type Timing } from '../../src/timing.ts'
import { Authenticator } from '../../src/writer/authenticator.ts'
import type { LaneLimits } from '../../src/writer/lane-options.ts'
import type { LaneObserver } from '../../src/writer/observer.ts'
import { Writer } from '../../src/writer/writer.ts'
import { createTestDatabase, type TeardownHost } from './database.ts'
import { bytesOf, keyRecordOf, panKeysOf, panProtectionOf } from './pan-keys.ts'

/** A clock that a test moves. */
export class TestClock {
  #offsetMs = 0
  #passedMs = 0
  /** Timers of the machine, by whose clock that time has passed too that a test let pass. */
  readonly timing: Timing = { ...systemTiming, monotonicMs: () => systemTiming.monotonicMs() + this.#passedMs }

  now(): number {
    return Date.now() + this.#offsetMs
  }

  /** Sets the clock. */
  advance(ms: number): void {
    this.#offsetMs += ms
  }

  /** Lets time pass: no clock is set. */
  pass(ms: number): void {
    this.#offsetMs += ms
    this.#passedMs += ms
  }
}

export interface WriterOverrides {
  readonly limits?: Partial<LaneLimits>
  readonly observer?: LaneObserver
  readonly timeBudgetMs?: number
  readonly holdDays?: number
  /** @default 400 */
  readonly closingsPerSecond?: number
  /** @default software with the keys of these tests */
  readonly security?: SecurityModule
  /** Where the inbox is read from. @default the database's own URL */
  readonly inboxUrl?: string
  /** Where the lanes connect. @default the database's own URL */
  readonly laneUrl?: string
}

/** Seed of the worlds of these tests, of which all cards have a chip and a PIN. */
export const SEED = 1
/** Name of the link that requests of these tests come by. */
export const LINK = 'test'
const CUTOVER_MINUTES = 1_350
const protection = panProtectionOf('writer tests')
/** Master key of these tests, 64 hex digits. */
export const masterKeyHex = bytesOf('writer tests, master key').toString('hex')
/** What key blocks are under, with a master key of 64 hex digits. */
export function protectionKeyOf(masterKey: string): Buffer {
  return masterKeyOf(Buffer.from(masterKey, 'hex'), 'tests').derive(KEY_BLOCK_PROTECTION, 32)
}
const ring = new KeyRing(protectionKeyOf(masterKeyHex))
/** Keys of these tests: those of card numbers, and of the demo world. */
export const testKeys = [
  ...panKeysOf(ring, 'writer tests'),
  ...Array.from(demoKeysByName(demoKeys(SEED), [LINK]), ([name, hex]) =>
    keyRecordOf(ring, name, Buffer.from(hex, 'hex')),
  ),
]
ring.load(testKeys)
const programmes = programmeCatalogue(shippedProgrammes)
const codes = responseCodes('iso87-ascii')
const outlets = demoOutlets()

/**
 * A database with a small demo world, and writers on it.
 * @param options beforeCutover for a test that closes days: its business date is the date, at whatever hour it runs
 */
export async function writerWorld(
  t: TeardownHost,
  options: { households?: number; laneCount?: number; beforeCutover?: boolean } = {},
) {
  const { households = 40, laneCount = 1, beforeCutover = false } = options
  const { url } = await createTestDatabase(t)
  const clock = new TestClock()
  const nowMs = clock.now()
  if (beforeCutover && businessDate(nowMs, CUTOVER_MINUTES) !== civilDate(nowMs)) clock.advance(-2 * 3_600_000)
  await prepareDatabase(url, laneCount)
  await loadDemoWorld({
    url,
    laneCount,
    seed: SEED,
    households,
    withCases: false,
    nowMs: clock.now(),
    cutoverMinutes: CUTOVER_MINUTES,
    programmes,
    protection,
  })
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  const reference = await loadReferenceData(client)
  await client.end()
  return {
    url,
    clock,
    async start(overrides: WriterOverrides = {}): Promise<Writer> {
      const directory = cardLaneLookup(url)
      const holds = dueHoldQuery(url)
      const closings = dueClosingQuery(url)
      const inbox = commandInbox(overrides.inboxUrl ?? url)
      const security = overrides.security ?? new SoftwareModule(ring, () => clock.now())
      const writer = new Writer({
        url: overrides.laneUrl ?? url,
        laneCount,
        limits: {
          ringCapacity: 1_024,
          queueMs: 10_000,
          batchMax: 128,
          cacheHouseholds: 1_000,
          recentKeys: 1_000,
          matchingDays: 35,
          cutoverMinutes: CUTOVER_MINUTES,
          ...overrides.limits,
        },
        authenticator: new Authenticator(security),
        rules: {
          programmesOn: programmes.on,
          outletByAcceptor: reference.outletByAcceptor,
          policy: {
            withdrawalDailyPiasters: 3_000_000,
            withdrawalDailyCount: 10,
            purchaseSinglePiasters: Number.MAX_SAFE_INTEGER,
            holdDays: overrides.holdDays ?? 7,
            oneTimeCode: { validMs: 300_000, triesMax: 3, perDayMax: 5 },
            pinTriesMax: 3,
            chipDataRequired: false,
            pinRequired: () => false,
            serviceLiveFrom: reference.serviceLiveFrom,
          },
        },
        clock,
        timing: clock.timing,
        observer: overrides.observer ?? {},
        timeBudgetMs: overrides.timeBudgetMs ?? 10_000,
        commitTimeoutMs: 20_000,
        lookup: directory.lookup,
        dueHolds: holds.query,
        dueClosings: closings,
        closingsPerSecond: overrides.closingsPerSecond ?? 400,
        inbox,
      })
      await writer.start()
      t.teardown(async () => {
        await writer.stop()
        await directory.close()
        await holds.close()
        await closings.close()
        await inbox.close()
      })
      return writer
    },
  }
}

let lastStan = 0

/** DE7 of an instant. */
export function transmissionOf(instantMs: number): string {
  return new Date(instantMs).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
}

/** A purchase of a household at a shop, paid from the postal account; anything may be overridden. */
export function purchaseOf(
  householdId: number,
  nowMs: number,
  overrides: Partial<AuthorizationRequest> = {},
): AuthorizationRequest {
  const shop = outlets.find((outlet) => outlet.category === 'shop')
  const pan = panOf(householdId)
  lastStan++
  const stan = overrides.stan ?? String(lastStan).padStart(6, '0')
  const transmission = overrides.transmission ?? transmissionOf(nowMs)
  const mti = overrides.mti ?? '0200'
  const terminal = shop?.terminals[0] ?? ''
  const base = {
    ...unsaid,
    messageClass: messageClassOf(mti) ?? 'financial',
    mti,
    link: LINK,
    schemeRail: false,
    receivedAtMs: nowMs,
    pan,
    panIndex: protection.index(pan),
    expiry: demoHousehold(SEED, householdId, false).expiry,
    transactionType: '00',
    fromAccount: '20',
    toAccount: '00',
    amountPiasters: 1_000,
    stan,
    transmission,
    rrn: `R${stan}`,
    acquirer: '81800001',
    terminal,
    acceptor: shop?.acceptor ?? '',
    mcc: shop?.mcc ?? '',
  }
  const key = keyOf(base.acquirer, terminal, stan, transmission, mti)
  return { ...base, key, contentHash: keyOf('content', String(householdId), stan, transmission, mti), ...overrides }
}

/** Submits a request and waits for its answer; `refused` when the writer has no room. */
export function ask(
  writer: Writer,
  request: AuthorizationRequest,
): Promise<{ result: Result | 'refused'; fields: Readonly<Record<string, string>> }> {
  return new Promise((resolve) => {
    const taken = writer.submit(request, codes, (result, fields) => resolve({ result, fields }))
    if (!taken) resolve({ result: 'refused', fields: {} })
  })
}

/** Whether a batch waits at a lock of the database. @param owner sees what all connections do */
export async function isLaneAtLock(owner: pg.Client): Promise<boolean> {
  // A transaction goes on seeing what it saw first.
  await owner.query('select pg_stat_clear_snapshot()')
  const { rowCount } = await owner.query(
    "select from pg_stat_activity where datname = current_database() and application_name like 'mizan lane _' and wait_event_type = 'Lock'",
  )
  return rowCount !== 0
}
