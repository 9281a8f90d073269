import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { assert, MizanError } from '../errors.ts'
import { assertUsable } from './key-blocks/usage.ts'
import type { KeyRing, LoadedKey } from './keys/key-ring.ts'
import { HmacSha256 } from './primitives/hmac.ts'
import { preparedKey } from './primitives/prepared-key.ts'
import { equalSecret, wipe } from './primitives/secrets.ts'

/** Name of the key by which cards are found. It has one version for the life of an installation. */
export const PAN_INDEX_KEY = 'pan-index'
/**
 * Name of the keys under which card numbers rest; a rotation adds a version, and re-encryption moves the rows to it.
 */
export const PAN_ENCRYPTION_KEY = 'pan-encryption'

/** Bytes of a PAN's index; half of HMAC-SHA256 leaves no practical chance of two cards meeting. */
export const PAN_INDEX_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A PAN as it rests. */
export interface EncryptedPan {
  /** Version of the key `pan-encryption`, kept beside the bytes. */
  readonly keyVersion: number
  /** Nonce, ciphertext, tag. */
  readonly bytes: Buffer
}

/**
 * How a PAN is kept: found by a keyed hash, readable only through authenticated encryption (PCI DSS 3.5.1). The two
 * have keys of their own in the ring, so neither reveals the other.
 */
export interface PanProtection {
  /** Version of `pan-encryption` under which a PAN is encrypted now. @throws MizanError CRYPTO_REFUSED without one */
  readonly keyVersion: number
  /**
   * Keyed hash by which a card is found: 16 bytes as latin1.
   * @throws MizanError CRYPTO_REFUSED when `pan-index` is not in use
   */
  index(pan: string): string
  /**
   * AES-256-GCM under the newest version in use. The PAN's index is authenticated with it, so rows cannot be swapped.
   * @throws MizanError CRYPTO_REFUSED when no version is in use
   */
  encrypt(pan: string): EncryptedPan
  /**
   * Reads a PAN back, under a retired key too.
   * @param index the 16 bytes that stand beside it
   * @throws MizanError CRYPTO_REFUSED when the version is not there; BAD_INPUT when the ciphertext is not of this key
   *   and index, or was changed
   */
  decrypt(encrypted: EncryptedPan, index: Uint8Array): string
}

/**
 * Protection of PANs by the keys of a ring, as they are there at each call.
 * @param now milliseconds since 1970 UTC: keys have a time in which they are valid
 * @throws MizanError CRYPTO_REFUSED when the ring does not hold exactly one `pan-index`
 */
export function panProtection(ring: KeyRing, now: () => number): PanProtection {
  let hasher = preparedHasher(ring, now())
  const current = () => ring.current(PAN_ENCRYPTION_KEY, { usage: 'D0', operation: 'encrypt' }, now())
  const index = (pan: string): string => {
    const nowMs = now()
    // The ring gives the same list until something about it changes.
    if (ring.accepted(PAN_INDEX_KEY, nowMs) !== hasher.accepted) hasher = preparedHasher(ring, nowMs, hasher)
    return hasher.hashOf(pan)
  }
  return {
    get keyVersion() {
      return current().record.version
    },
    index,
    encrypt(pan) {
      const key = current()
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', preparedKey(key.bytes), nonce)
      cipher.setAAD(Buffer.from(index(pan), 'latin1'))
      const bytes = Buffer.concat([nonce, cipher.update(pan, 'latin1'), cipher.final(), cipher.getAuthTag()])
      return { keyVersion: key.record.version, bytes }
    },
    decrypt({ keyVersion, bytes }, panIndex) {
      const pan = decipher(readingKey(ring, keyVersion), bytes, panIndex)
      // The tag says that whoever wrote it held the key; the index must be that of this very number too.
      if (!equalSecret(Buffer.from(index(pan), 'latin1'), panIndex)) throw unreadable()
      return pan
    },
  }
}

function readingKey(ring: KeyRing, version: number): LoadedKey {
  const key = ring.versions(PAN_ENCRYPTION_KEY).find(({ record }) => record.version === version)
  if (key === undefined || key.record.status === 'pending') {
    throw new MizanError('CRYPTO_REFUSED', `there is no key ${PAN_ENCRYPTION_KEY} version ${version} to read with`)
  }
  assertUsable(key.header, { usage: 'D0', operation: 'decrypt' })
  return key
}

function decipher(key: LoadedKey, bytes: Buffer, panIndex: Uint8Array): string {
  try {
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const tag = bytes.subarray(bytes.length - TAG_BYTES)
    const cipher = createDecipheriv('aes-256-gcm', preparedKey(key.bytes), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(panIndex).setAuthTag(tag)
    const body = bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)
    const clear = Buffer.concat([cipher.update(body), cipher.final()])
    const pan = clear.toString('latin1')
    wipe(clear)
    return pan
  } catch (cause) {
    throw unreadable(cause)
  }
}

function unreadable(cause?: unknown): MizanError {
  return new MizanError('BAD_INPUT', 'a stored card number cannot be decrypted with its key', { cause })
}

/** What is prepared from `pan-index`. */
interface PreparedHasher {
  readonly accepted: readonly LoadedKey[]
  readonly key: LoadedKey
  hashOf(pan: string): string
}

/** Cards are found under one index key only: with a second one, some would be found and others not. */
function preparedHasher(ring: KeyRing, nowMs: number, before?: PreparedHasher): PreparedHasher {
  const accepted = ring.accepted(PAN_INDEX_KEY, nowMs)
  const key = ring.current(PAN_INDEX_KEY, { usage: 'M7', operation: 'generate' }, nowMs)
  if (ring.versions(PAN_INDEX_KEY).length > 1) {
    throw new MizanError('CRYPTO_REFUSED', `the key ${PAN_INDEX_KEY} has a second version`)
  }
  return { accepted, key, hashOf: before?.key.bytes === key.bytes ? before.hashOf : panHasher(key.bytes) }
}

/** A PAN has up to 19 digits (ISO/IEC 7812-1); a bad track 2, of up to 37 characters, may bring more. */
const PAN_MAX = 37

/** HMAC-SHA256 of a PAN, cut to the index's length. */
function panHasher(key: Uint8Array): (pan: string) => string {
  const hmac = new HmacSha256(key)
  return (pan) => {
    assert(pan.length <= PAN_MAX, 'a PAN is no longer than a track 2')
    return hmac.macOfText(pan).slice(0, PAN_INDEX_BYTES)
  }
}
