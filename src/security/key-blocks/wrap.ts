import { randomBytes } from 'node:crypto'
import { assert, MizanError } from '../../errors.ts'
import { encryptCbc } from '../primitives/block-modes.ts'
import { cbcMac, cmac } from '../primitives/mac.ts'
import { wipe } from '../primitives/secrets.ts'
import type { ProtectionKey } from './derive.ts'
import { formatHeader, type KeyAlgorithm, type KeyBlockHeader } from './header.ts'

/** Bytes of the field before the key, which holds the key's length in bits. */
export const LENGTH_BYTES = 2

/** Settings of {@link wrapKeyBlock} that only known answers and special partners need. */
export interface WrapOptions {
  /** Replaces the random padding; length field, key and padding must fill whole cipher blocks. */
  readonly padding?: Uint8Array
  /**
   * Pads the key to at least so many bytes, to hide its length. Default: the longest key of the algorithm, as
   * X9.143:2021 (6.1) asks; 0 pads to the end of the cipher block only.
   */
  readonly maskBytes?: number
  /** Lets a triple DES key be of single length, which no real key may be. */
  readonly allowSingleLength?: boolean
}

/** Bytes of the authenticator: 4, 8 or 16. */
export function macBytes(version: KeyBlockHeader['version']): number {
  return version === 'D' ? 16 : version === 'B' ? 8 : 4
}

/** Whether keys of an algorithm are private keys in an encoding of their own; such blocks are opened, but not made. */
export function isAsymmetric(algorithm: KeyAlgorithm): boolean {
  return algorithm === 'E' || algorithm === 'R' || algorithm === 'S'
}

/**
 * Whether a symmetric key of an algorithm may have so many bytes.
 * @param allowSingleLength whether a triple DES key of 8 bytes passes
 */
export function fitsAlgorithm(algorithm: KeyAlgorithm, bytes: number, allowSingleLength: boolean): boolean {
  if (algorithm === 'T') return bytes === 16 || bytes === 24 || (bytes === 8 && allowSingleLength)
  if (algorithm === 'A') return bytes === 16 || bytes === 24 || bytes === 32
  if (algorithm === 'H') return bytes >= 16 && bytes <= 128
  return algorithm === 'D' && bytes === 8 && allowSingleLength
}

/**
 * Wraps a symmetric key in a key block (TR-31:2018, 5.3; X9.143:2021).
 * @param header its version must be that of the protection key
 * @param key left as it is; the caller wipes it
 * @returns the key block as text
 * @throws MizanError BAD_INPUT when header, key length or padding do not fit; CRYPTO_REFUSED when the protection key
 *   is weaker than the key
 */
export function wrapKeyBlock(
  protection: ProtectionKey,
  header: KeyBlockHeader,
  key: Uint8Array,
  options: WrapOptions = {},
): string {
  assert(header.version === protection.version, 'a key block has the version of its protection key')
  if (!fitsAlgorithm(header.algorithm, key.length, options.allowSingleLength === true)) {
    throw new MizanError('BAD_INPUT', `a key of ${key.length} bytes does not fit algorithm ${header.algorithm}`)
  }
  if (isWeaker(protection, header.algorithm, key.length)) {
    throw new MizanError('CRYPTO_REFUSED', 'the protection key is weaker than the key')
  }
  const payload = buildPayload(protection, header.algorithm, key, options)
  try {
    const head = formatHeader(header, 2 * (payload.length + macBytes(header.version)))
    return header.version === 'A' || header.version === 'C'
      ? bindByVariant(protection, head, payload)
      : bindByDerivation(protection, head, payload)
  } finally {
    wipe(payload)
  }
}

/** Length in bits, key, padding, up to whole cipher blocks. */
function buildPayload(
  protection: ProtectionKey,
  algorithm: KeyAlgorithm,
  key: Uint8Array,
  { padding, maskBytes = longestKey(algorithm) }: WrapOptions,
): Buffer {
  const block = protection.encryption.blockBytes
  const least = LENGTH_BYTES + (padding === undefined ? Math.max(key.length, maskBytes) : key.length + padding.length)
  const payload = Buffer.alloc(Math.ceil(least / block) * block)
  if (padding !== undefined && payload.length !== least) {
    throw new MizanError('BAD_INPUT', 'the padding does not fill whole cipher blocks')
  }
  payload.writeUInt16BE(key.length * 8)
  payload.set(key, LENGTH_BYTES)
  payload.set(padding ?? randomBytes(payload.length - LENGTH_BYTES - key.length), LENGTH_BYTES + key.length)
  return payload
}

function longestKey(algorithm: KeyAlgorithm): number {
  if (algorithm === 'A') return 32
  return algorithm === 'T' || algorithm === 'D' ? 24 : 0
}

/** X9.24-1 and PCI PIN 10: a key is never protected by a weaker one. Any AES key is stronger than any TDES key. */
function isWeaker(protection: ProtectionKey, algorithm: KeyAlgorithm, keyBytes: number): boolean {
  const isTdes = algorithm === 'T' || algorithm === 'D'
  if (protection.version === 'D') return !isTdes && keyBytes > protection.keyBytes && protection.keyBytes < 32
  return !isTdes || keyBytes > protection.keyBytes
}

/** Versions A and C: encrypts with the header as vector, then authenticates header and ciphertext. */
function bindByVariant(protection: ProtectionKey, head: string, payload: Buffer): string {
  const headBytes = Buffer.from(head, 'latin1')
  const encrypted = encryptCbc(protection.encryption, headBytes.subarray(0, 8), payload)
  const mac = cbcMac(protection.authentication, Buffer.concat([headBytes, encrypted]), 1)
  return head + upperHex(encrypted) + upperHex(mac.subarray(0, macBytes('A')))
}

/** Versions B and D: authenticates header and clear payload, then encrypts with the MAC as vector. */
function bindByDerivation(protection: ProtectionKey, head: string, payload: Buffer): string {
  const authenticated = Buffer.concat([Buffer.from(head, 'latin1'), payload])
  const mac = cmac(protection.authentication, authenticated)
  wipe(authenticated)
  return head + upperHex(encryptCbc(protection.encryption, mac, payload)) + upperHex(mac)
}

function upperHex(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase()
}
