import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto'
import { assert, MizanError } from '../errors.ts'

/** Bytes of a PAN's index; half of HMAC-SHA256 leaves no practical chance of two cards meeting. */
export const PAN_INDEX_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * How a PAN is kept: found by a keyed hash, readable only through authenticated encryption (PCI DSS 3.5). Both keys
 * come from the master key by HKDF (RFC 5869), so neither reveals the other.
 */
export interface PanProtection {
  /** Version of the encryption key, stored with each ciphertext. */
  readonly keyVersion: number
  /** Keyed hash by which a card is found: 16 bytes as latin1. */
  index(pan: string): string
  /** AES-256-GCM: nonce, ciphertext, tag. The PAN's index is authenticated with it, so rows cannot be swapped. */
  encrypt(pan: string): Buffer
  /** @throws MizanError BAD_INPUT when the ciphertext is not of this key or was changed */
  decrypt(encrypted: Buffer, index: Buffer): string
}

/** @param masterKey 32 bytes */
export function panProtection(masterKey: Buffer): PanProtection {
  if (masterKey.length !== 32) throw new MizanError('CONFIG_INVALID', 'the master key must be 32 bytes')
  const index = panHasher(Buffer.from(hkdfSync('sha256', masterKey, '', 'mizan pan index v1', 32)))
  const encryptionKey = Buffer.from(hkdfSync('sha256', masterKey, '', 'mizan pan encryption v1', 32))
  return {
    keyVersion: 1,
    index,
    encrypt(pan) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', encryptionKey, nonce).setAAD(Buffer.from(index(pan), 'latin1'))
      return Buffer.concat([nonce, cipher.update(pan, 'ascii'), cipher.final(), cipher.getAuthTag()])
    },
    decrypt(encrypted, panIndex) {
      try {
        const nonce = encrypted.subarray(0, NONCE_BYTES)
        const tag = encrypted.subarray(encrypted.length - TAG_BYTES)
        const decipher = createDecipheriv('aes-256-gcm', encryptionKey, nonce, { authTagLength: TAG_BYTES })
        decipher.setAAD(panIndex).setAuthTag(tag)
        const body = encrypted.subarray(NONCE_BYTES, encrypted.length - TAG_BYTES)
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('ascii')
      } catch (cause) {
        throw new MizanError('BAD_INPUT', 'a stored card number cannot be decrypted with this master key', { cause })
      }
    },
  }
}

const BLOCK_BYTES = 64
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
const HASH_BYTES = 32
/** A PAN has up to 19 digits (ISO/IEC 7812-1); a bad track 2, of up to 37 characters, may bring more. */
const PAN_MAX = 37

/**
 * HMAC-SHA256 (RFC 2104) of a PAN, cut to the index's length, by two plain hashes over prepared blocks: each message
 * needs one, and making an HMAC object for it costs more than twice as much.
 */
function panHasher(key: Buffer): (pan: string) => string {
  const inner = Buffer.alloc(BLOCK_BYTES + PAN_MAX)
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES)
  for (let at = 0; at < BLOCK_BYTES; at++) {
    inner[at] = (key[at] ?? 0) ^ INNER_PAD
    outer[at] = (key[at] ?? 0) ^ OUTER_PAD
  }
  return (pan) => {
    assert(pan.length <= PAN_MAX, 'a PAN is no longer than a track 2')
    const written = inner.write(pan, BLOCK_BYTES, 'latin1')
    outer.write(hash('sha256', inner.subarray(0, BLOCK_BYTES + written), 'binary'), BLOCK_BYTES, 'latin1')
    inner.fill(0, BLOCK_BYTES)
    return hash('sha256', outer, 'binary').slice(0, PAN_INDEX_BYTES)
  }
}
