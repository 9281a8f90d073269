import { createHash } from 'node:crypto'
import type { AnswerFields } from '../../src/authorization/answer.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { type Result, responseCodes } from '../../src/authorization/result.ts'
import type { Clock } from '../../src/calendar.ts'
import { describeError } from '../../src/errors.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { loadDemoWorld } from '../../src/simulator/load-world.ts'
import { cardLaneLookup } from '../../src/store/card-lookup.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { dueHoldQuery } from '../../src/store/due-holds.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { saveReferenceData } from '../../src/store/reference-data.ts'
import type { LaneObserver } from '../../src/writer/observer.ts'
import { Writer } from '../../src/writer/writer.ts'
import { outletByAcceptor, outlets, policy, programmes, WORLD_SEED } from '../authorization/world.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

export const CUTOVER_MINUTES = 1_350
const protection = panProtection(createHash('sha256').update('a key of these tests').digest())

/** Index of a card number in the databases of these tests. */
export function panIndexOf(pan: string): string {
  return protection.index(pan)
}

export interface Answered {
  readonly result: Result
  readonly fields: AnswerFields
}

/** A database with the demo world, the real writer on it, and a clock that the test moves. */
export interface LiveLedger {
  readonly url: string
  readonly clock: { nowMs: number }
  /** What the writer reported: refused batches and defects. */
  readonly faults: readonly string[]
  /** As superuser, for looking and for tampering. */
  readonly client: Client
  submit(request: AuthorizationRequest): Promise<Answered>
  /** Stops the writer and starts another: holds that are over end, memory is empty, the epoch rises. */
  restart(): Promise<void>
  /** Ends the writer and every connection to the database. Idempotent. */
  stop(): Promise<void>
}

export interface LiveLedgerOptions {
  readonly laneCount?: number
  readonly households?: number
  readonly startMs?: number
  /** Room in memory; a small one makes households come and go. */
  readonly cacheHouseholds?: number
}

/** Makes a ledger of its own for a test. */
export async function openLedger(t: TeardownHost, options: LiveLedgerOptions = {}): Promise<LiveLedger> {
  const { laneCount = 1, households = 30, startMs = Date.UTC(2026, 10, 18, 9), cacheHouseholds = 1_000 } = options
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, laneCount)
  const world = { seed: WORLD_SEED, households, nowMs: startMs, programmes, withCases: true }
  await loadDemoWorld({ ...world, url, laneCount, cutoverMinutes: CUTOVER_MINUTES, protection })
  const client = await connect({ url, name: 'mizan test' })
  await saveReferenceData(client, {
    acquirers: [],
    outlets: outlets.map((outlet) => ({ ...outlet, name: outlet.acceptor, terminals: [...outlet.terminals] })),
    services: [],
  })
  const clock = { nowMs: startMs }
  const faults: string[] = []
  const directory = cardLaneLookup(url)
  const holds = dueHoldQuery(url)
  const startWriter = async () => {
    const made = newWriter(url, laneCount, cacheHouseholds, { now: () => clock.nowMs }, directory.lookup, holds.query, {
      laneFault: (_, error) => faults.push(describeError(error)),
      batchRefused: (_lane, _seq, _size, code, constraint, reason) => faults.push(`${code} ${constraint} ${reason}`),
    })
    await made.start()
    return made
  }
  let writer = await startWriter()
  let stopped = false
  const stop = async () => {
    if (stopped) return
    stopped = true
    await writer.stop()
    await directory.close()
    await holds.close()
    await client.end().catch(() => undefined)
  }
  t.teardown(stop)
  return {
    url,
    clock,
    client,
    faults,
    submit: (request) =>
      new Promise((resolve, reject) => {
        const taken = writer.submit(request, responseCodes('iso87-ascii'), (result, fields) =>
          resolve({ result, fields }),
        )
        if (!taken) reject(new Error('the writer takes no requests'))
      }),
    restart: async () => {
      await writer.stop()
      writer = await startWriter()
    },
    stop,
  }
}

function newWriter(
  url: string,
  laneCount: number,
  cacheHouseholds: number,
  clock: Clock,
  lookup: ReturnType<typeof cardLaneLookup>['lookup'],
  dueHolds: ReturnType<typeof dueHoldQuery>['query'],
  observer: LaneObserver,
): Writer {
  return new Writer({
    url,
    laneCount,
    limits: {
      ringCapacity: 1_024,
      batchMax: 64,
      cacheHouseholds,
      recentKeys: 10_000,
      matchingDays: 400,
      cutoverMinutes: CUTOVER_MINUTES,
    },
    rules: { programmes, policy, outletByAcceptor },
    clock,
    observer,
    timeBudgetMs: 60_000,
    commitTimeoutMs: 30_000,
    lookup,
    dueHolds,
  })
}
