import type { AnswerFields } from '../../src/authorization/answer.ts'
import type { Authentication } from '../../src/authorization/authentication.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { type Result, responseCodes } from '../../src/authorization/result.ts'
import { describeError } from '../../src/errors.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { loadDemoWorld } from '../../src/simulator/load-world.ts'
import { cardLaneLookup } from '../../src/store/card-lookup.ts'
import { commandInbox } from '../../src/store/command-inbox.ts'
import { awaitCommand, type CommandEnd, requestCommand } from '../../src/store/command-requests.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { dueClosingQuery } from '../../src/store/due-closings.ts'
import { dueHoldQuery } from '../../src/store/due-holds.ts'
import { laneOf } from '../../src/store/household-loader.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { saveReferenceData } from '../../src/store/reference-data.ts'
import { Authenticator } from '../../src/writer/authenticator.ts'
import { Writer, type WriterOptions } from '../../src/writer/writer.ts'
import { authenticationOf, catalogue, outletByAcceptor, outlets, policy, WORLD_SEED } from '../authorization/world.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'
import { panProtectionOf } from '../support/pan-keys.ts'

export const CUTOVER_MINUTES = 1_350
const protection = panProtectionOf('ledger tests')

/** Index of a card number in the databases of these tests. */
export function panIndexOf(pan: string): string {
  return protection.index(pan)
}

export interface Answered {
  readonly result: Result
  readonly fields: AnswerFields
}

/** Takes what requests of these tests bring for what it stands for: their cryptography is tested elsewhere. */
class TrustingAuthenticator extends Authenticator {
  constructor() {
    super(new SoftwareModule(new KeyRing(Buffer.alloc(32, 1)), () => 0))
  }

  override authenticate(request: AuthorizationRequest): Authentication {
    return authenticationOf(request)
  }
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
  /** Has the writer carry out a command for a household's card. */
  command(householdId: number, kind: string, detail?: Readonly<Record<string, unknown>>): Promise<CommandEnd>
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
  const world = { seed: WORLD_SEED, households, nowMs: startMs, programmes: catalogue, withCases: true }
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
  const closings = dueClosingQuery(url)
  const inbox = commandInbox(url)
  const startWriter = async () => {
    const made = newWriter({
      url,
      laneCount,
      cacheHouseholds,
      clock: { now: () => clock.nowMs },
      lookup: directory.lookup,
      dueHolds: holds.query,
      dueClosings: closings,
      closingsPerSecond: 400,
      inbox,
      observer: {
        laneFault: (_, error) => faults.push(describeError(error)),
        batchRefused: (_lane, _seq, _size, code, constraint, reason) => faults.push(`${code} ${constraint} ${reason}`),
      },
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
    await Promise.all([holds.close(), closings.close()])
    await inbox.close()
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
    command: async (householdId, kind, detail = {}) => {
      const lane = laneOf(householdId, laneCount)
      const requestedBy = 'tester'
      const asked = await requestCommand(client, { lane, kind, cardId: householdId, householdId, detail, requestedBy })
      const { end } = await awaitCommand(client, asked, { timeoutMs: 30_000 })
      if (end === undefined) throw new Error(`command ${asked.id} was not carried out`)
      return end
    },
    restart: async () => {
      await writer.stop()
      writer = await startWriter()
    },
    stop,
  }
}

function newWriter({
  cacheHouseholds,
  ...options
}: Omit<WriterOptions, 'authenticator' | 'limits' | 'rules' | 'timeBudgetMs' | 'commitTimeoutMs'> & {
  readonly cacheHouseholds: number
}): Writer {
  return new Writer({
    ...options,
    authenticator: new TrustingAuthenticator(),
    limits: {
      ringCapacity: 1_024,
      queueMs: 10_000,
      batchMax: 64,
      cacheHouseholds,
      recentKeys: 10_000,
      matchingDays: 400,
      cutoverMinutes: CUTOVER_MINUTES,
    },
    rules: { programmesOn: catalogue.on, policy, outletByAcceptor },
    timeBudgetMs: 60_000,
    commitTimeoutMs: 30_000,
  })
}
