import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { assert, MizanError } from '../errors.ts'
import { assertUsable } from './key-blocks/usage.ts'
import type { KeyRing } from './keys/key-ring.ts'
import { PAN_ENCRYPTION_KEY, PAN_INDEX_BYTES, PAN_INDEX_KEY } from './pan-protection.ts'
import { hmacSha256 } from './primitives/hmac.ts'
import { preparedKey } from './primitives/prepared-key.ts'
import { wipe } from './primitives/secrets.ts'

/** A text as it rests. */
export interface SealedText {
  /** Version of the key `pan-encryption`, kept beside the bytes. */
  readonly keyVersion: number
  /** Nonce, ciphertext, tag. */
  readonly bytes: Buffer
}

/** What is found by a keyed hash; each has hashes of its own, and none is ever that of a card number. */
export const personalKinds = ['national-id', 'mobile', 'account', 'line'] as const
export type PersonalKind = (typeof personalKinds)[number]

/**
 * How facts about people are kept: found by a keyed hash, readable only through authenticated encryption. The keys are
 * those of card numbers, so that one rotation and one re-encryption serve both.
 */
export interface PersonalData {
  /** Version of `pan-encryption` under which is sealed now. @throws MizanError CRYPTO_REFUSED without one */
  readonly keyVersion: number
  /**
   * Keyed hash by which something is found, 16 bytes.
   * @throws MizanError CRYPTO_REFUSED when `pan-index` is not in use
   */
  indexOf(kind: PersonalKind, text: string): Buffer
  /**
   * AES-256-GCM under the newest version in use.
   * @param boundTo the hash that stands beside it: sealed texts cannot be swapped between rows
   * @throws MizanError CRYPTO_REFUSED when no version is in use
   */
  seal(text: string, boundTo: Uint8Array): SealedText
  /**
   * Reads a sealed text, under a retired key too.
   * @throws MizanError CRYPTO_REFUSED when the version is not there; BAD_INPUT when it is not of this key and row, or
   *   was changed
   */
  open(sealed: SealedText, boundTo: Uint8Array): string
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Part of what is authenticated: a sealed person is no encrypted card number, whatever row it is put into. */
const LABEL = Buffer.from('mizan person 1\0', 'latin1')

/**
 * Protection of personal data by the keys of a ring, as they are there at each call.
 * @param now milliseconds since 1970 UTC: keys have a time in which they are valid
 */
export function personalData(ring: KeyRing, now: () => number): PersonalData {
  const current = () => ring.current(PAN_ENCRYPTION_KEY, { usage: 'D0', operation: 'encrypt' }, now())
  return {
    get keyVersion() {
      return current().record.version
    },
    indexOf(kind, text) {
      const key = ring.current(PAN_INDEX_KEY, { usage: 'M7', operation: 'generate' }, now())
      // The label keeps the kinds apart, and all of them from card numbers, which are digits alone.
      return hmacSha256(key.bytes, Buffer.from(`mizan ${kind}\0${text}`, 'utf8')).subarray(0, PAN_INDEX_BYTES)
    },
    seal(text, boundTo) {
      assert(boundTo.length === PAN_INDEX_BYTES, 'a sealed text is bound to the hash beside it')
      const key = current()
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', preparedKey(key.bytes), nonce)
      cipher.setAAD(Buffer.concat([LABEL, boundTo]))
      const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return { keyVersion: key.record.version, bytes }
    },
    open({ keyVersion, bytes }, boundTo) {
      return opened(ring, keyVersion, bytes, boundTo)
    },
  }
}

function opened(ring: KeyRing, version: number, bytes: Buffer, boundTo: Uint8Array): string {
  const key = ring.versions(PAN_ENCRYPTION_KEY).find(({ record }) => record.version === version)
  if (key === undefined || key.record.status === 'pending') {
    throw new MizanError('CRYPTO_REFUSED', `there is no key ${PAN_ENCRYPTION_KEY} version ${version} to read with`)
  }
  assertUsable(key.header, { usage: 'D0', operation: 'decrypt' })
  try {
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', preparedKey(key.bytes), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.concat([LABEL, boundTo])).setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
    const clear = Buffer.concat([
      decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)),
      decipher.final(),
    ])
    const text = clear.toString('utf8')
    wipe(clear)
    return text
  } catch (cause) {
    throw new MizanError('BAD_INPUT', 'what is stored of a person cannot be read with its key', { cause })
  }
}
