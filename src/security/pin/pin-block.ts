import { randomInt } from 'node:crypto'
import { assert, MizanError } from '../../errors.ts'
import { digitAt, isDigitText, nibbleAt, PAN_MAX_DIGITS, putNibble, requireDigits } from '../primitives/digits.ts'

/** PIN block formats of ISO 9564-1: 0 to 3 of 8 bytes, for DES; 4 of 16 bytes, for AES. */
export type PinBlockFormat = 0 | 1 | 2 | 3 | 4
/** The formats whose clear block is made from PIN and PAN alone; format 4 needs its key (`pin-cipher.ts`). */
export type DesPinBlockFormat = 0 | 1 | 2 | 3

export const PIN_MIN_DIGITS = 4
export const PIN_MAX_DIGITS = 12
export const PIN_BLOCK_BYTES = 8
export const AES_PIN_BLOCK_BYTES = 16

/** Digits of a PAN field: the 12 rightmost of the PAN without its check digit. */
const PAN_FIELD_DIGITS = 12
const NIBBLES = 16
const FORMAT4_FILL = 10

/** A number from `min` to below `end`. */
export type RandomNibble = (min: number, end: number) => number

/**
 * Makes a clear PIN block (ISO 9564-1 section 9). Formats 0 and 3 bind the PIN to the PAN; formats 1 and 2 ignore it.
 * @param pin digit values 0 to 9; the first `pinLength`, 4 to 12, are the PIN
 * @param pan whole PAN, check digit included; a short one is filled with zeros on the left
 * @param block takes 8 bytes
 * @param random fill of formats 1 and 3
 * @throws MizanError BAD_INPUT when PIN or PAN are not such digits
 */
export function encodePinBlock(
  format: DesPinBlockFormat,
  pin: Uint8Array,
  pinLength: number,
  pan: string,
  block: Uint8Array,
  random: RandomNibble = randomInt,
): void {
  assert(block.length === PIN_BLOCK_BYTES, 'the PIN block has 8 bytes')
  if (format === 0 || format === 3) requirePan(pan)
  startPinField(format, pin, pinLength, block)
  for (let nibble = 2 + pinLength; nibble < NIBBLES; nibble++) {
    if (format === 1) putNibble(block, nibble, random(0, 16))
    else putNibble(block, nibble, format === 3 ? random(10, 16) : 15)
  }
  if (format === 0 || format === 3) addPanField(pan, block)
}

const clear = new Uint8Array(PIN_BLOCK_BYTES)

/**
 * Reads a clear PIN block (ISO 9564-1 section 9) in a time that does not depend on its content, but for the length of
 * the PIN.
 * @param block 8 bytes
 * @param pan whole PAN, check digit included; formats 1 and 2 ignore it
 * @param pin takes the digit values; at least 12 bytes, those behind the PIN become zero
 * @returns the length of the PIN
 * @throws MizanError CRYPTO_REFUSED, one and the same whatever is wrong with block or PAN, so that it tells nothing of
 * the PIN; `pin` holds zeros then
 */
export function decodePinBlock(format: DesPinBlockFormat, block: Uint8Array, pan: string, pin: Uint8Array): number {
  const bindsPan = format === 0 || format === 3
  if (block.length !== PIN_BLOCK_BYTES || (bindsPan && !isPan(pan))) throw unreadablePinBlock(pin)
  clear.set(block)
  if (bindsPan) addPanField(pan, clear)
  const length = readPinField(format, clear, pin)
  clear.fill(0)
  if (length === 0) throw unreadablePinBlock(pin)
  return length
}

/**
 * Writes the PIN field of format 4 (ISO 9564-1 section 9.4.2).
 * @param pin digit values 0 to 9; the first `pinLength`, 4 to 12, are the PIN
 * @param random 8 bytes, new for each block
 * @param field takes 16 bytes
 * @throws MizanError BAD_INPUT when the PIN is not such digits
 */
export function encodePinField4(pin: Uint8Array, pinLength: number, random: Uint8Array, field: Uint8Array): void {
  assert(field.length === AES_PIN_BLOCK_BYTES && random.length === 8, 'the PIN field has 16 bytes, 8 of them random')
  startPinField(4, pin, pinLength, field)
  for (let nibble = 2 + pinLength; nibble < NIBBLES; nibble++) putNibble(field, nibble, FORMAT4_FILL)
  field.set(random, 8)
}

/**
 * Reads the PIN field of format 4.
 * @param pin takes the digit values, as {@link decodePinBlock} says
 * @returns the length of the PIN; 0 when the field is not valid
 */
export function readPinField4(field: Uint8Array, pin: Uint8Array): number {
  return readPinField(4, field, pin)
}

/**
 * Writes the PAN field of format 4 (ISO 9564-1 section 9.4.3): how many digits over 12, the whole PAN with its check
 * digit, zeros.
 * @param field takes 16 bytes
 * @throws MizanError BAD_INPUT when the PAN is not 1 to 19 digits
 */
export function encodePanField4(pan: string, field: Uint8Array): void {
  assert(field.length === AES_PIN_BLOCK_BYTES, 'the PAN field has 16 bytes')
  requirePan(pan)
  field.fill(0)
  putNibble(field, 0, Math.max(pan.length - PAN_FIELD_DIGITS, 0))
  const start = 1 + Math.max(PAN_FIELD_DIGITS - pan.length, 0)
  for (let at = 0; at < pan.length; at++) putNibble(field, start + at, digitAt(pan, at))
}

/** Whether a text can be the PAN of a PIN block. */
export function isPan(pan: string): boolean {
  return isDigitText(pan, 1, PAN_MAX_DIGITS)
}

function requirePan(pan: string): void {
  requireDigits(pan, 1, PAN_MAX_DIGITS, 'the card number of a PIN block')
}

/** The one error of reading PIN blocks. Wipes the PIN's array. */
export function unreadablePinBlock(pin: Uint8Array): MizanError {
  pin.fill(0)
  return new MizanError('CRYPTO_REFUSED', 'the PIN block cannot be read')
}

/** Control digit, length and PIN; the rest of the block is zero. */
function startPinField(format: PinBlockFormat, pin: Uint8Array, pinLength: number, block: Uint8Array): void {
  requirePin(pin, pinLength)
  block.fill(0)
  putNibble(block, 0, format)
  putNibble(block, 1, pinLength)
  for (let at = 0; at < pinLength; at++) putNibble(block, 2 + at, pin[at] as number)
}

/**
 * Refuses what is not a PIN.
 * @throws MizanError BAD_INPUT
 */
export function requirePin(pin: Uint8Array, pinLength: number): void {
  let valid = pinLength >= PIN_MIN_DIGITS && pinLength <= PIN_MAX_DIGITS && pinLength <= pin.length
  for (let at = 0; at < pinLength; at++) valid = (pin[at] as number) <= 9 && valid
  if (!valid) throw new MizanError('BAD_INPUT', 'a PIN must be 4 to 12 digits')
}

/** Adds (exclusive or) the PAN field of formats 0 and 3: four zeros and 12 digits without the check digit. */
function addPanField(pan: string, block: Uint8Array): void {
  const first = pan.length - 1 - PAN_FIELD_DIGITS
  for (let at = 0; at < PAN_FIELD_DIGITS; at++) {
    if (first + at < 0) continue
    const nibble = 4 + at
    const digit = digitAt(pan, first + at)
    block[nibble >> 1] = (block[nibble >> 1] as number) ^ ((nibble & 1) === 0 ? digit << 4 : digit)
  }
}

/** Length of the PIN in a PIN field's first 8 bytes, whose digits it copies; 0 when anything of the field is wrong. */
function readPinField(format: PinBlockFormat, field: Uint8Array, pin: Uint8Array): number {
  assert(pin.length >= PIN_MAX_DIGITS, 'there is room for 12 digits')
  pin.fill(0)
  const length = nibbleAt(field, 1)
  let valid = nibbleAt(field, 0) === format && length >= PIN_MIN_DIGITS && length <= PIN_MAX_DIGITS
  for (let at = 0; at < NIBBLES - 2; at++) {
    const nibble = nibbleAt(field, 2 + at)
    if (at >= length) valid = isFill(format, nibble) && valid
    else valid = nibble <= 9 && valid
    if (at < length && at < PIN_MAX_DIGITS) pin[at] = nibble
  }
  return valid ? length : 0
}

function isFill(format: PinBlockFormat, nibble: number): boolean {
  if (format === 1) return true
  if (format === 3) return nibble >= 10
  return nibble === (format === 4 ? FORMAT4_FILL : 15)
}
