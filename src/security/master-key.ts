import { hkdfSync, randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, MizanError } from '../errors.ts'
import { openPkcs11MasterKey, type Pkcs11Source } from './pkcs11-master-key.ts'
import { readSecretFile } from './secret-file.ts'

/**
 * The key above all others, wherever it is kept. It is never given out: what is needed of it are keys derived from it,
 * each for a purpose of its own, so that none reveals another or the master key.
 */
export interface MasterKey {
  /** What keeps it, for the log and for people. */
  readonly description: string
  /**
   * The same bytes each time for the same purpose and number of bytes; the caller wipes them.
   * @param purpose a text that no other use has, with a version
   * @throws MizanError CRYPTO_REFUSED when the token that keeps the key does not answer
   */
  derive(purpose: string, bytes: number): Buffer
}

/** Purpose of the key under which all keys at rest are (TR-31 version D, 32 bytes). */
export const KEY_BLOCK_PROTECTION = 'mizan key block protection v1'

/** Where the master key comes from: the first that is given. */
export interface MasterKeySource {
  /** 64 hex digits, from the environment. */
  readonly hex: string | undefined
  /** A token that keeps it; never together with another source. */
  readonly pkcs11?: Pkcs11Source | undefined
  /** A file of mode 0600 with 64 hex digits. */
  readonly file: string | undefined
  /** Where a key may be generated when none of these is given; undefined = refuse. */
  readonly generateAt: string | undefined
}

const CHECK_VALUE = 'mizan master key check value v1'
const CHECK_VALUE_BYTES = 3

/** Six hex digits that tell one master key from another and nothing of the key. */
export function masterKeyCheckValue(masterKey: MasterKey): string {
  return masterKey.derive(CHECK_VALUE, CHECK_VALUE_BYTES).toString('hex').toUpperCase()
}

const KEY_BYTES = 32
/** HKDF makes at most 255 hashes. */
const DERIVED_MAX = 255 * 32

/**
 * Opens the master key: from the environment, a PKCS#11 token or a file, else a key generated once into the data folder
 * (never in production).
 * @throws MizanError CONFIG_INVALID naming what is wrong and the way out
 */
export async function loadMasterKey(source: MasterKeySource): Promise<MasterKey> {
  if (source.pkcs11 !== undefined) {
    if (source.hex !== undefined || source.file !== undefined) {
      throw new MizanError('CONFIG_INVALID', 'the master key is in a PKCS#11 token: give no other one beside it')
    }
    return openPkcs11MasterKey(source.pkcs11)
  }
  if (source.hex !== undefined) {
    return masterKeyOf(parseKey(source.hex, 'MIZAN_MASTER_KEY'), 'the variable MIZAN_MASTER_KEY')
  }
  if (source.file !== undefined) return masterKeyOf(readKeyFile(source.file), `the file ${source.file}`)
  const { generateAt } = source
  if (generateAt === undefined) {
    throw new MizanError(
      'CONFIG_INVALID',
      'production needs a master key: set MIZAN_MASTER_KEY, security.masterKeyFile or security.pkcs11',
    )
  }
  return masterKeyOf(readIfPresent(generateAt) ?? generateKey(generateAt), `the file ${generateAt}, generated`)
}

/**
 * A master key in the memory of this process. Derives by HKDF-SHA256 (RFC 5869) without salt, the purpose as info.
 * @param key 32 bytes, copied; the caller wipes its own
 */
export function masterKeyOf(key: Uint8Array, description: string): MasterKey {
  assert(key.length === KEY_BYTES, 'the master key has 32 bytes')
  const own = Buffer.from(key)
  return {
    description,
    derive(purpose, bytes) {
      assert(purpose !== '' && Number.isInteger(bytes) && bytes > 0 && bytes <= DERIVED_MAX, 'what to derive is named')
      return Buffer.from(hkdfSync('sha256', own, '', purpose, bytes))
    },
  }
}

/** Written aside and then named, so that another process that starts at the same time sees all of it or nothing. */
function generateKey(file: string): Buffer {
  const key = randomBytes(KEY_BYTES)
  const unfinished = `${file}.${randomBytes(4).toString('hex')}`
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(unfinished, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(unfinished, file)
    return key
  } catch (error) {
    // The other process was first: its key is the one.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readKeyFile(file)
    throw new MizanError('CONFIG_INVALID', `the master key cannot be written to ${file}`, { cause: error })
  } finally {
    rmSync(unfinished, { force: true })
  }
}

function readIfPresent(file: string): Buffer | undefined {
  try {
    return readKeyFile(file)
  } catch (error) {
    const cause = error instanceof MizanError ? error.cause : undefined
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw error
  }
}

function readKeyFile(file: string): Buffer {
  return parseKey(readSecretFile(file, 'the master key'), file)
}

function parseKey(hex: string, where: string): Buffer {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new MizanError('CONFIG_INVALID', `the master key in ${where} must be 64 hex digits`)
  }
  return Buffer.from(hex, 'hex')
}
