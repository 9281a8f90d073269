import { keyOf, messageClassOf } from '../../src/authorization/inbound.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { type Result, responseCodes } from '../../src/authorization/result.ts'
import { programmeBook, shippedProgrammes } from '../../src/benefit/programme.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { demoHousehold, demoOutlets, panOf } from '../../src/simulator/demo-world.ts'
import { loadDemoWorld } from '../../src/simulator/load-world.ts'
import { cardLaneLookup } from '../../src/store/card-lookup.ts'
import { connect } from '../../src/store/connection.ts'
import { dueHoldQuery } from '../../src/store/due-holds.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { loadReferenceData } from '../../src/store/reference-data.ts'
import type { LaneLimits } from '../../src/writer/lane-options.ts'
import type { LaneObserver } from '../../src/writer/observer.ts'
import { Writer } from '../../src/writer/writer.ts'
import { createTestDatabase, type TeardownHost } from './database.ts'

/** A clock that a test moves. */
export class TestClock {
  #offsetMs = 0

  now(): number {
    return Date.now() + this.#offsetMs
  }

  advance(ms: number): void {
    this.#offsetMs += ms
  }
}

export interface WriterOverrides {
  readonly limits?: Partial<LaneLimits>
  readonly observer?: LaneObserver
  readonly timeBudgetMs?: number
  readonly holdDays?: number
}

const SEED = 1
const CUTOVER_MINUTES = 1_350
const protection = panProtection(Buffer.alloc(32, 9))
const programmes = programmeBook(shippedProgrammes)
const codes = responseCodes('iso87-ascii')
const outlets = demoOutlets()

/** A database with a small demo world, and writers on it. */
export async function writerWorld(t: TeardownHost, options: { households?: number; laneCount?: number } = {}) {
  const { households = 40, laneCount = 1 } = options
  const { url } = await createTestDatabase(t)
  const clock = new TestClock()
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
      const writer = new Writer({
        url,
        laneCount,
        limits: {
          ringCapacity: 1_024,
          batchMax: 128,
          cacheHouseholds: 1_000,
          recentKeys: 1_000,
          matchingDays: 35,
          cutoverMinutes: CUTOVER_MINUTES,
          ...overrides.limits,
        },
        rules: {
          programmes,
          outletByAcceptor: reference.outletByAcceptor,
          policy: {
            withdrawalDailyPiasters: 3_000_000,
            withdrawalDailyCount: 10,
            purchaseSinglePiasters: Number.MAX_SAFE_INTEGER,
            holdDays: overrides.holdDays ?? 7,
            serviceLiveFrom: reference.serviceLiveFrom,
          },
        },
        clock,
        observer: overrides.observer ?? {},
        timeBudgetMs: overrides.timeBudgetMs ?? 10_000,
        commitTimeoutMs: 20_000,
        lookup: directory.lookup,
        dueHolds: holds.query,
      })
      await writer.start()
      t.teardown(async () => {
        await writer.stop()
        await directory.close()
        await holds.close()
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
    messageClass: messageClassOf(mti) ?? 'financial',
    mti,
    repeat: false,
    link: 'test',
    schemeRail: false,
    receivedAtMs: nowMs,
    pan,
    panIndex: protection.index(pan),
    expiry: demoHousehold(SEED, householdId, false).expiry,
    transactionType: '00',
    fromAccount: '20',
    toAccount: '00',
    amountPiasters: 1_000,
    cashbackPiasters: 0,
    stan,
    transmission,
    rrn: `R${stan}`,
    acquirer: '81800001',
    terminal,
    acceptor: shop?.acceptor ?? '',
    mcc: shop?.mcc ?? '',
    networkReference: '',
    partialAllowed: false,
    quantity: undefined,
    days: 1,
    coPaymentFromPostal: false,
    basketPiasters: undefined,
    fingerprint: 'absent' as const,
    original: undefined,
    replacementPiasters: undefined,
    originalKey: undefined,
    fault: undefined,
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
