import { randomBytes } from 'node:crypto'
import { assert, MizanError } from '../../errors.ts'
import { AesKey } from '../primitives/aes.ts'
import { xorBlock } from '../primitives/block-modes.ts'
import type { BlockKey } from '../primitives/des.ts'
import type { DesPinBlockFormat, PinBlockFormat } from './pin-block.ts'
import {
  AES_PIN_BLOCK_BYTES,
  decodePinBlock,
  encodePanField4,
  encodePinBlock,
  encodePinField4,
  isPan,
  PIN_BLOCK_BYTES,
  PIN_MAX_DIGITS,
  readPinField4,
  unreadablePinBlock,
} from './pin-block.ts'
import { translationAllowed } from './translation.ts'

/** A PIN block format and the key under which blocks come or go. */
export interface PinBlockKey {
  readonly format: PinBlockFormat
  /** double or triple length DES for formats 0 to 3, AES for format 4 */
  readonly key: BlockKey
}

/** Bytes of a block of a format. */
export function pinBlockBytes(format: PinBlockFormat): 8 | 16 {
  return format === 4 ? AES_PIN_BLOCK_BYTES : PIN_BLOCK_BYTES
}

const panField = new Uint8Array(AES_PIN_BLOCK_BYTES)
const field = new Uint8Array(AES_PIN_BLOCK_BYTES)

/**
 * Makes an enciphered PIN block of format 4 (ISO 9564-1 section 9.4): AES of the PIN field, the PAN field added, AES
 * again.
 * @param pin digit values 0 to 9; the first `pinLength`, 4 to 12, are the PIN
 * @param pan whole PAN, check digit included
 * @param block takes 16 bytes
 * @param random 8 bytes, new for each block
 * @throws MizanError BAD_INPUT when PIN or PAN are not such digits
 */
export function encipherPinBlock4(
  key: AesKey,
  pin: Uint8Array,
  pinLength: number,
  pan: string,
  block: Uint8Array,
  random: Uint8Array = randomBytes(8),
): void {
  encodePanField4(pan, panField)
  encodePinField4(pin, pinLength, random, field)
  key.encryptBlock(field, 0, field, 0)
  xorBlock(field, 0, panField, 0, AES_PIN_BLOCK_BYTES)
  key.encryptBlock(field, 0, block, 0)
  field.fill(0)
}

/**
 * Reads an enciphered PIN block of format 4.
 * @param pin takes the digit values; at least 12 bytes, those behind the PIN become zero
 * @returns the length of the PIN
 * @throws MizanError CRYPTO_REFUSED as `decodePinBlock` does
 */
export function decipherPinBlock4(key: AesKey, block: Uint8Array, pan: string, pin: Uint8Array): number {
  if (block.length !== AES_PIN_BLOCK_BYTES || !isPan(pan)) throw unreadablePinBlock(pin)
  encodePanField4(pan, panField)
  key.decryptBlock(block, 0, field, 0)
  xorBlock(field, 0, panField, 0, AES_PIN_BLOCK_BYTES)
  key.decryptBlock(field, 0, field, 0)
  const length = readPinField4(field, pin)
  field.fill(0)
  if (length === 0) throw unreadablePinBlock(pin)
  return length
}

const clear = new Uint8Array(PIN_BLOCK_BYTES)

/**
 * Makes an enciphered PIN block of any format: formats 0 to 3 by TDEA in ECB mode, format 4 by AES (PCI PIN
 * requirement 2-3).
 * @param pin digit values 0 to 9; the first `pinLength`, 4 to 12, are the PIN
 * @param pan whole PAN, check digit included
 * @param block takes {@link pinBlockBytes} bytes
 * @throws MizanError BAD_INPUT when PIN or PAN are not such digits; CRYPTO_REFUSED when the key is not for the format
 */
export function encipherPinBlock(
  by: PinBlockKey,
  pin: Uint8Array,
  pinLength: number,
  pan: string,
  block: Uint8Array,
): void {
  const { format, key } = by
  assert(block.length === pinBlockBytes(format), 'the block has the size of its format')
  if (format === 4) {
    encipherPinBlock4(requireAes(key), pin, pinLength, pan, block)
    return
  }
  requireTdea(key)
  encodePinBlock(format, pin, pinLength, pan, clear)
  key.encryptBlock(clear, 0, block, 0)
  clear.fill(0)
}

/**
 * Reads an enciphered PIN block of any format.
 * @param pin takes the digit values; at least 12 bytes, those behind the PIN become zero
 * @returns the length of the PIN
 * @throws MizanError CRYPTO_REFUSED: one and the same for all that can be wrong with block and PAN; another when the
 * key is not for the format
 */
export function decipherPinBlock(by: PinBlockKey, block: Uint8Array, pan: string, pin: Uint8Array): number {
  const { format, key } = by
  if (format === 4) return decipherPinBlock4(requireAes(key), block, pan, pin)
  requireTdea(key)
  if (block.length !== PIN_BLOCK_BYTES) throw unreadablePinBlock(pin)
  key.decryptBlock(block, 0, clear, 0)
  try {
    return decodePinBlock(format satisfies DesPinBlockFormat, clear, pan, pin)
  } finally {
    clear.fill(0)
  }
}

const translated = new Uint8Array(PIN_MAX_DIGITS)

/**
 * Makes the PIN block of one link into that of another. The PAN is one for both, as PCI PIN requirement 3-3 demands.
 * @param block the block that came
 * @param result takes {@link pinBlockBytes} bytes of the format that leaves
 * @throws MizanError CRYPTO_REFUSED when the change of format is not allowed, the block cannot be read, or a key is not
 * for its format
 */
export function translatePinBlock(
  from: PinBlockKey,
  to: PinBlockKey,
  block: Uint8Array,
  pan: string,
  result: Uint8Array,
): void {
  if (!translationAllowed(from.format, to.format)) {
    throw new MizanError('CRYPTO_REFUSED', `a PIN block of format ${from.format} may not become format ${to.format}`)
  }
  try {
    encipherPinBlock(to, translated, decipherPinBlock(from, block, pan, translated), pan, result)
  } finally {
    translated.fill(0)
  }
}

function requireAes(key: BlockKey): AesKey {
  if (key instanceof AesKey) return key
  throw new MizanError('CRYPTO_REFUSED', 'PIN blocks of format 4 need an AES key')
}

function requireTdea(key: BlockKey): void {
  if (key.blockBytes !== 8 || key.keyBytes < 16) {
    throw new MizanError('CRYPTO_REFUSED', 'PIN blocks of formats 0 to 3 need a DES key of double or triple length')
  }
}
