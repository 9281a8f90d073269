import { userInfo } from 'node:os'
import { type Config, loadConfig } from '../config/config.ts'
import { masterKeySource } from '../config/master-key-source.ts'
import { MizanError } from '../errors.ts'
import { familyOf } from '../security/keys/key-families.ts'
import type { KeyRecord } from '../security/keys/key-record.ts'
import { KeyRing } from '../security/keys/key-ring.ts'
import { versionsOf } from '../security/keys/rotation.ts'
import { KEY_BLOCK_PROTECTION, loadMasterKey } from '../security/master-key.ts'
import type { ProtectedKey } from '../security/security-module.ts'
import { requireSelfTest } from '../security/self-test.ts'
import { SoftwareModule } from '../security/software-module.ts'
import { assertNoDemoKeys } from '../simulator/demo-key-store.ts'
import { type Client, connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import { type KeyAuthor, readKeys, type StoredKey, saveKeys } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed } from './common-options.ts'

const AUTHOR_MAX = 64
const PROTECTION_BYTES = 32

/** The key store of an installation, open for one command. */
export interface KeyDesk {
  readonly config: Config
  readonly url: string
  readonly client: Client
  /** As of when the desk was opened. */
  readonly keys: readonly StoredKey[]
  readonly nowMs: number
}

/** A desk with the keys themselves open: what needs the master key. */
export interface OpenKeyDesk extends KeyDesk {
  readonly ring: KeyRing
  readonly module: SoftwareModule
}

/** Opens the key store without opening keys, does the work, and closes it. */
export async function atKeyDesk(
  io: CommandIo,
  options: Pick<CommonOptions, 'config'>,
  work: (desk: KeyDesk) => Promise<void>,
): Promise<void> {
  const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
  const database = await openDatabase(config, { create: false })
  try {
    const client = await connect({ url: database.url, name: 'mizan keys', role: 'mizan_app' })
    try {
      const { keys } = await readKeys(client)
      await work({ config, url: database.url, client, keys, nowMs: Date.now() })
    } finally {
      await client.end()
    }
  } finally {
    await database.close()
  }
}

/**
 * Opens the key store and its keys, after a self-test: nothing is made with algorithms that do not work.
 * @throws MizanError SELF_TEST_FAILED; CRYPTO_REFUSED when a key was made under another master key
 */
export async function atOpenKeyDesk(
  io: CommandIo,
  options: Pick<CommonOptions, 'config'>,
  work: (desk: OpenKeyDesk) => Promise<void>,
): Promise<void> {
  requireSelfTest()
  await atKeyDesk(io, options, async (desk) => {
    const masterKey = await loadMasterKey(masterKeySource(desk.config))
    const protectionKey = masterKey.derive(KEY_BLOCK_PROTECTION, PROTECTION_BYTES)
    const ring = new KeyRing(protectionKey)
    protectionKey.fill(0)
    ring.load(desk.keys)
    await work({ ...desk, ring, module: new SoftwareModule(ring, () => desk.nowMs) })
  })
}

/** In whose name a command acts: the operating-system user, and who that was before `sudo`. */
export function authorOf(io: CommandIo, custodians: readonly string[] = [], detail = ''): KeyAuthor {
  const { SUDO_USER } = io.env
  const user = userName()
  const before = SUDO_USER === undefined || SUDO_USER === user ? '' : ` (${SUDO_USER})`
  return { user: `${user}${before}`.slice(0, AUTHOR_MAX), custodians, detail }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A user id without a name, as containers have.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}

/** A new version of a key, as a command adds it. */
export interface NewVersion {
  readonly name: string
  readonly version: number
  readonly key: ProtectedKey
  readonly active: boolean
}

/**
 * Adds a key to the store.
 * @throws MizanError DEMO_REFUSED for a demo key in production; CRYPTO_REFUSED for a key that is there, or was
 */
export async function addKey(desk: KeyDesk, added: NewVersion, author: KeyAuthor): Promise<KeyRecord> {
  const { name, version, key, active } = added
  refuseSecond(name, version)
  refuseKnown(desk, name, key)
  const status = active ? 'active' : 'pending'
  const record: KeyRecord = { ...key, name, version, status, validFromMs: desk.nowMs, validToMs: undefined }
  refuseDemoKeys(desk.config, [record])
  await saveKeys(desk.client, [{ kind: 'insert', key: record }], author)
  return record
}

/**
 * One key under two versions would be a rotation that rotated nothing, and one that was given up must not come back by a
 * block or components that somebody kept.
 */
function refuseKnown({ keys }: KeyDesk, name: string, { algorithm, checkValue }: ProtectedKey): void {
  const known = versionsOf(keys, name).find((key) => key.algorithm === algorithm && key.checkValue === checkValue)
  if (known === undefined) return
  const ended = known.status === 'revoked' ? ', and is revoked' : ''
  throw new MizanError(
    'CRYPTO_REFUSED',
    `version ${known.version} of ${name} has the same check value ${checkValue}${ended}`,
  )
}

/** @throws MizanError CRYPTO_REFUSED when a key of this name has one version for life, and this is another */
export function refuseSecond(name: string, version: number): void {
  if (familyOf(name).single !== true || version === 1) return
  throw new MizanError('CRYPTO_REFUSED', `${name} has one version for the life of an installation`)
}

/** @throws MizanError DEMO_REFUSED when a record is a demo key and this is production */
export function refuseDemoKeys(config: Config, records: readonly KeyRecord[]): void {
  if (config.environment === 'production') assertNoDemoKeys(records, [config.demo.seed])
}

/**
 * A record by name and version.
 * @throws MizanError NOT_FOUND
 */
export function requireKey(desk: KeyDesk, name: string, version: number): StoredKey {
  const found = desk.keys.find((key) => key.name === name && key.version === version)
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no version ${version} of ${name}`)
  return found
}

/**
 * Reads the argument of an option that is a version.
 * @throws MizanError BAD_INPUT
 */
export function parseVersion(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new MizanError('BAD_INPUT', `${text} is no version: 1 to 9999`)
  return Number(text)
}

/** What a command says of a key that it made or changed. */
export function keyInWords(
  { name, version, usage, checkValue }: Pick<KeyRecord, 'name' | 'version' | 'usage' | 'checkValue'>,
  what: string,
): string {
  return `${name} version ${version} (${usage}, check value ${checkValue}) ${what}`
}

/** A key as commands print it for programs; never the key, nor its block. */
export function keyAsJson(key: KeyRecord) {
  const { name, version, status, usage, algorithm, modeOfUse, exportability, checkValue } = key
  return {
    name,
    version,
    status,
    usage,
    algorithm,
    modeOfUse,
    exportability,
    checkValue,
    validFrom: new Date(key.validFromMs).toISOString(),
    validTo: key.validToMs === undefined ? null : new Date(key.validToMs).toISOString(),
  }
}

/** Says of a key that a command made what became of it. */
export function printedKey(io: CommandIo, options: CommonOptions, key: KeyRecord): void {
  const what = key.status === 'active' ? 'is active' : 'is pending; activate it to use it'
  printed(io, options, keyAsJson(key), () => [keyInWords(key, what)])
}
