import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import { MizanError } from '../errors.ts'

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
  /** Keyed hash by which a card is found: 16 bytes. */
  index(pan: string): Buffer
  /** AES-256-GCM: nonce, ciphertext, tag. The PAN's index is authenticated with it, so rows cannot be swapped. */
  encrypt(pan: string): Buffer
  /** @throws MizanError BAD_INPUT when the ciphertext is not of this key or was changed */
  decrypt(encrypted: Buffer, index: Buffer): string
}

/** @param masterKey 32 bytes */
export function panProtection(masterKey: Buffer): PanProtection {
  if (masterKey.length !== 32) throw new MizanError('CONFIG_INVALID', 'the master key must be 32 bytes')
  // A key object is prepared once; a plain buffer would be wrapped anew for each message.
  const indexKey = createSecretKey(Buffer.from(hkdfSync('sha256', masterKey, '', 'mizan pan index v1', 32)))
  const encryptionKey = Buffer.from(hkdfSync('sha256', masterKey, '', 'mizan pan encryption v1', 32))
  const index = (pan: string) => createHmac('sha256', indexKey).update(pan).digest().subarray(0, PAN_INDEX_BYTES)
  return {
    keyVersion: 1,
    index,
    encrypt(pan) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', encryptionKey, nonce).setAAD(index(pan))
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
