import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import { MizanError } from '../errors.ts'
import type { KeyRing } from './keys/key-ring.ts'
import { preparedKey } from './primitives/prepared-key.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Part of what is authenticated: the number belongs to this household, and this is what it was sealed for. */
function boundTo(householdId: number): Buffer {
  return Buffer.from(`mizan household ${householdId}`, 'latin1')
}

/**
 * Seals card numbers for a file: AES-256-GCM under the newest version of a transport key; nonce, ciphertext, tag.
 * @param name such as `pan-transport:personaliser`
 * @throws MizanError CRYPTO_REFUSED when no version is in use
 */
export function panSealer(ring: KeyRing, name: string, nowMs: number): (pan: string, householdId: number) => Buffer {
  const key = preparedKey(ring.current(name, { usage: 'D0', operation: 'encrypt' }, nowMs).bytes)
  return (pan, householdId) => {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(boundTo(householdId))
    const sealed = Buffer.concat([nonce, cipher.update(pan, 'latin1'), cipher.final()])
    return Buffer.concat([sealed, cipher.getAuthTag()])
  }
}

/**
 * Opens card numbers that {@link panSealer} or another maker of files sealed, under any version that is in use.
 * @throws MizanError CRYPTO_REFUSED when no version is in use; what it returns throws BAD_INPUT when bytes are not of
 *   this key and household, or were changed
 */
export function panOpener(ring: KeyRing, name: string, nowMs: number): (sealed: Buffer, householdId: number) => string {
  ring.current(name, { usage: 'D0', operation: 'decrypt' }, nowMs)
  const keys = ring.accepted(name, nowMs).map(({ bytes }) => preparedKey(bytes))
  return (sealed, householdId) => {
    for (const key of keys) {
      const pan = open(key, sealed, householdId)
      if (pan !== undefined) return pan
    }
    throw new MizanError('BAD_INPUT', `a card number is not sealed under ${name} for its household`)
  }
}

function open(key: KeyObject, sealed: Buffer, householdId: number): string | undefined {
  if (sealed.length <= NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(boundTo(householdId))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    const clear = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
    decipher.final()
    return clear.toString('latin1')
  } catch {
    return undefined
  }
}
