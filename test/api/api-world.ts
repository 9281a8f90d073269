import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { apiPlugin } from '../../src/api/api.ts'
import { buildHttpApp } from '../../src/api/http-server.ts'
import type { ApiServices } from '../../src/api/services.ts'
import { newSessionToken } from '../../src/api/tokens.ts'
import type { DeliveryOptions } from '../../src/clearing/delivery/options.ts'
import { keySeal } from '../../src/clearing/protection/key-seal.ts'
import { enqueueAt } from '../../src/jobs/scheduler.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { masterKeyOf } from '../../src/security/master-key.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { personalData } from '../../src/security/personal-data.ts'
import { ApiDatabase } from '../../src/store/access-pool.ts'
import { openSession } from '../../src/store/access-sessions.ts'
import { addUser, type Role, roles } from '../../src/store/access-users.ts'
import { connect } from '../../src/store/connection.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { TeardownHost } from '../support/database.ts'
import { bytesOf, panKeysOf } from '../support/pan-keys.ts'
import { writerWorld } from '../support/writer.ts'

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Idempotency key; a new one for each POST unless told. */
  readonly key?: string
}

export interface Told {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a route answers is for its test to know
  readonly body: any
}

export type Ask = (url: string, asked?: Asked) => Promise<Told>

export const PASSWORD = 'correct horse battery'

/** Longest wait for a command: a busy machine takes its time. */
const WAIT_MS = 60_000

let keys = 0

/** The API on a database with a small demo world, without a socket; a user of each role, and one who has two. */
export async function apiWorld(
  t: TeardownHost,
  options: { households?: number; commandWaitMs?: () => number; writeOffLimits?: ApiServices['writeOffLimits'] } = {},
) {
  const world = await writerWorld(t, { households: options.households ?? 12 })
  const database = new ApiDatabase({ url: world.url })
  t.teardown(() => database.close())
  const owner = await connect({ url: world.url, name: 'mizan test' })
  t.teardown(() => owner.end())
  // The keys under which the world keeps its cards.
  const ring = new KeyRing(bytesOf('writer tests'))
  ring.load(panKeysOf(ring, 'writer tests'))
  const logged: string[] = []
  const uploadFolder = mkdtempSync(path.join(tmpdir(), 'mizan-uploads-'))
  t.teardown(() => rmSync(uploadFolder, { recursive: true, force: true }))
  const services: ApiServices = {
    database,
    databaseUrl: world.url,
    pans: panProtection(ring, () => world.clock.now()),
    personal: personalData(ring, () => world.clock.now()),
    clock: world.clock,
    laneCount: 1,
    cutoverMinutes: 1_350,
    production: false,
    version: 'test',
    sessions: { idleS: 600, lifeS: 3_600 },
    ...(options.writeOffLimits === undefined ? {} : { writeOffLimits: options.writeOffLimits }),
    enqueue: enqueueAt(world.url),
    uploadFolder,
    get commandWaitMs() {
      return options.commandWaitMs?.() ?? WAIT_MS
    },
  }
  const app = await buildHttpApp({
    health: () => ({ checks: {} }),
    metrics: createMetrics(),
    plugins: [apiPlugin(services)],
    log: createLogger({ level: 'trace', destination: { write: (line) => logged.push(line) } }),
  })
  t.teardown(() => app.close())
  // Cheap to compute: these tests are not about how costly it is to try passwords.
  const hash = await hashSecret(Buffer.from(PASSWORD), 10)
  const tokens = new Map<string, string>()
  for (const name of [...roles, 'operator-2']) {
    const role = name.replace(/-2$/, '') as Role
    await addUser(database.queryable, { name, roles: [role], mustChange: false }, hash, 'system:test')
    tokens.set(name, await tokenOf(database, name))
  }
  return {
    ...world,
    services,
    database,
    owner,
    app,
    logged,
    /** Calls as a user, by name; without one, as nobody. */
    as: (user?: string): Ask => {
      const token = user === undefined ? undefined : tokens.get(user)
      return askWith(app, token === undefined ? {} : { authorization: `Bearer ${token}` })
    },
    with: (headers: Record<string, string>): Ask => askWith(app, headers),
  }
}

/** How files of a folder are signed and delivered: to nobody. */
export function deliveryAt(folder: string): DeliveryOptions {
  const seal = keySeal(masterKeyOf(Buffer.alloc(32, 7), 'a test'))
  return {
    ...{ folder, isProduction: false, cipher: 'aes-256-gcm', destinations: [], inboxes: [], releaseRequired: [] },
    ...{ attempts: 3, firstRetryMs: 1_000, longestRetryMs: 60_000, openSeal: async () => seal },
    demoFolder: path.join(folder, 'demo'),
  }
}

export type ApiWorld = Awaited<ReturnType<typeof apiWorld>>

/** A session without the tenth of a second that a login takes. */
async function tokenOf(database: ApiDatabase, user: string): Promise<string> {
  const { token, tokenHash } = newSessionToken()
  await openSession(database.queryable, { tokenHash, user, source: 'test' }, { idleS: 600, lifeS: 3_600 })
  return token
}

function askWith(app: FastifyInstance, who: Record<string, string>): Ask {
  return async (url, { method, body, headers, key } = {}) => {
    const verb = method ?? (body === undefined ? 'GET' : 'POST')
    keys++
    const answer = await app.inject({
      method: verb,
      url: url.startsWith('/api/') ? url : `/api/v1${url}`,
      headers: { ...who, ...(verb === 'GET' ? {} : { 'idempotency-key': key ?? `key-${keys}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    })
    const isJson = String(answer.headers['content-type']).includes('json')
    const told = isJson && answer.body !== '' ? JSON.parse(answer.body) : undefined
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: told }
  }
}
