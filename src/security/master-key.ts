import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MizanError } from '../errors.ts'

/** Where the master key comes from. */
export interface MasterKeySource {
  /** 64 hex digits, from the environment. */
  readonly hex: string | undefined
  /** A file of mode 0600 with 64 hex digits. */
  readonly file: string | undefined
  /** Where a key may be generated when neither is given; undefined = refuse. */
  readonly generateAt: string | undefined
}

/**
 * Reads the 32-byte master key: environment first, then the file, else a key generated once into the data folder
 * (never in production).
 * @throws MizanError CONFIG_INVALID naming what is wrong and the way out
 */
export function loadMasterKey(source: MasterKeySource): Buffer {
  if (source.hex !== undefined) return parseKey(source.hex, 'MIZAN_MASTER_KEY')
  if (source.file !== undefined) return readKeyFile(source.file)
  if (source.generateAt === undefined) {
    throw new MizanError(
      'CONFIG_INVALID',
      'production needs a master key: set MIZAN_MASTER_KEY or security.masterKeyFile',
    )
  }
  const existing = readIfPresent(source.generateAt)
  if (existing !== undefined) return existing
  mkdirSync(path.dirname(source.generateAt), { recursive: true })
  const key = randomBytes(32)
  writeFileSync(source.generateAt, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  return key
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
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      throw new MizanError('CONFIG_INVALID', `the master key file ${file} is open to others: chmod 600 it`)
    }
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    throw new MizanError('CONFIG_INVALID', `the master key file ${file} cannot be read`, { cause })
  }
  return parseKey(text.trim(), file)
}

function parseKey(hex: string, where: string): Buffer {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new MizanError('CONFIG_INVALID', `the master key in ${where} must be 64 hex digits`)
  }
  return Buffer.from(hex, 'hex')
}
