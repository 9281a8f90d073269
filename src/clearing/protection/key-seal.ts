import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { MizanError } from '../../errors.ts'
import type { MasterKey } from '../../security/master-key.ts'
import { wipe } from '../../security/primitives/secrets.ts'

/** Purpose of the key under which private keys of clearing rest. */
const PURPOSE = 'mizan clearing private keys v1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Keeps private keys under the master key: PKCS #8 in AES-256-GCM, bound to the certificate that they belong to. */
export interface KeySeal {
  /** @returns nonce, ciphertext, tag */
  seal(privateKey: KeyObject, fingerprint: string): Buffer
  /** @throws MizanError CRYPTO_REFUSED when it was sealed under another master key or for another certificate */
  open(sealed: Buffer, fingerprint: string): KeyObject
}

/** The seal of an installation. */
export function keySeal(masterKey: MasterKey): KeySeal {
  const derived = masterKey.derive(PURPOSE, KEY_BYTES)
  const key = createSecretKey(derived)
  wipe(derived)
  return {
    seal(privateKey, fingerprint) {
      const clear = privateKey.export({ type: 'pkcs8', format: 'der' })
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(fingerprint))
      const sealed = Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()])
      clear.fill(0)
      return sealed
    },
    open(sealed, fingerprint) {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
        decipher.setAAD(Buffer.from(fingerprint)).setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
        const clear = Buffer.concat([
          decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)),
          decipher.final(),
        ])
        const opened = createPrivateKey({ key: clear, format: 'der', type: 'pkcs8' })
        clear.fill(0)
        return opened
      } catch (cause) {
        const detail = `the private key ${fingerprint.slice(0, 16)} does not open: it rests under another master key`
        throw new MizanError('CRYPTO_REFUSED', detail, { cause })
      }
    },
  }
}
