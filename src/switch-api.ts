import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { apiPlugin } from './api/api.ts'
import type { RoutePlugin } from './api/http-server.ts'
import type { ApiServices } from './api/services.ts'
import { openUploads } from './api/upload.ts'
import { writeOffLimitsOf } from './clearing/reconciliation/write-off-limits.ts'
import type { Config } from './config/config.ts'
import { MizanError } from './errors.ts'
import { enqueueAt } from './jobs/scheduler.ts'
import { hashSecret } from './security/keys/custodian-secret.ts'
import { personalData } from './security/personal-data.ts'
import { ApiDatabase } from './store/access-pool.ts'
import { addUser, type Role, roles } from './store/access-users.ts'
import { withClient } from './store/database-location.ts'
import { inTransaction } from './store/transaction.ts'
import { fileStepOptions } from './switch-clearing-files.ts'
import type { OpenKeys } from './switch-keys.ts'
import { writeWholeFile } from './whole-file.ts'

const MINUTE_S = 60
const HOUR_S = 3_600
/** How long a caller waits for the writer: it takes milliseconds, unless it is busy with something else. */
const COMMAND_WAIT_MS = 5_000

/** What the HTTP API needs of a switch. */
export interface ApiWiring extends Pick<ApiServices, 'clock' | 'version' | 'refresh'> {
  readonly config: Config
  readonly url: string
  readonly keys: Pick<OpenKeys, 'protection' | 'ring'>
}

/** Builds the API on connections of its own; `close` ends them. */
export function openApi({ config, url, keys, ...wiring }: ApiWiring): {
  readonly plugin: RoutePlugin
  close(): Promise<void>
} {
  const { statementTimeoutMs } = config.database
  const uploadFolder = path.join(config.varDir, 'uploads')
  openUploads(uploadFolder)
  const database = new ApiDatabase({
    url,
    // People wait for seconds, whatever the writer may take.
    ...(statementTimeoutMs < 10_000 ? { statementTimeoutMs } : {}),
  })
  const plugin = apiPlugin({
    ...wiring,
    database,
    databaseUrl: url,
    pans: keys.protection,
    personal: personalData(keys.ring, () => wiring.clock.now()),
    laneCount: config.lanes.count,
    cutoverMinutes: config.businessDay.cutoverMinutes,
    production: config.environment === 'production',
    sessions: { idleS: config.http.sessionIdleMinutes * MINUTE_S, lifeS: config.http.sessionHours * HOUR_S },
    writeOffLimits: writeOffLimitsOf(config.clearing.reconciliation.writeOffLimits),
    clearing: {
      folder: config.clearing.folder,
      options: fileStepOptions(config, keys.protection),
    },
    enqueue: enqueueAt(url),
    uploadFolder,
    commandWaitMs: COMMAND_WAIT_MS,
  })
  return { plugin, close: () => database.close() }
}

/** 128 bits: nobody finds it by trying, so its hash need not be slow. */
const PASSWORD_BYTES = 16
const DEMO_LOG_N = 10

/**
 * Adds demo users to a new database, one for each role and a second person where two are needed, with passwords that
 * `demo/access.json` of the data folder holds.
 * @returns the file
 * @throws MizanError DEMO_REFUSED in production
 */
export async function makeDemoUsers(config: Config, url: string): Promise<string> {
  if (config.environment === 'production') throw new MizanError('DEMO_REFUSED')
  const second: readonly Role[] = ['operator', 'settlement', 'enrolment', 'admin']
  const users = [
    ...roles.map((role) => ({ name: role, roles: [role] })),
    ...second.map((role) => ({ name: `${role}-2`, roles: [role] })),
  ].map((user) => ({ ...user, password: randomBytes(PASSWORD_BYTES).toString('base64url') }))
  const hashes = await Promise.all(users.map(({ password }) => hashSecret(Buffer.from(password), DEMO_LOG_N)))
  await withClient(url, async (client) => {
    await inTransaction(client, async () => {
      for (const [at, { name, roles: given }] of users.entries()) {
        await addUser(client, { name, roles: given, mustChange: false }, hashes[at] ?? '', 'system:demo')
      }
    })
  })
  const file = path.join(config.varDir, 'demo', 'access.json')
  mkdirSync(path.dirname(file), { recursive: true })
  const note = 'demo users of this installation; refused in production'
  // Also where a file of another mode stood.
  writeWholeFile(file, `${JSON.stringify({ note, users }, null, 2)}\n`, 0o600)
  return file
}
