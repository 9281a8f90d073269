import { assert } from '../../errors.ts'
import { decimaliseInto, digitsText } from '../primitives/decimalise.ts'
import type { DesKey } from '../primitives/des.ts'
import { digitAt, PAN_MAX_DIGITS, PAN_MIN_DIGITS, putNibble, requireDigits } from '../primitives/digits.ts'
import { equalDigitValues } from '../primitives/secrets.ts'
import { PIN_MIN_DIGITS, requirePin } from './pin-block.ts'

const PVV_DIGITS = 4
/** Digits of the PAN that go in: the rightmost but the check digit. */
const PAN_DIGITS = 11

const block = new Uint8Array(8)
const digits = new Uint8Array(PVV_DIGITS)

/**
 * PIN verification value of the Visa method: of the PAN's 11 rightmost digits without the check digit, the key's index
 * and the first four digits of the PIN, encrypted and decimalised by two scans.
 * @param key double-length PIN verification key
 * @param pan 12 to 19 digits, check digit included
 * @param keyIndex the digit that says which key it is (PVKI)
 * @param pin digit values 0 to 9, the first four of which count
 * @throws MizanError BAD_INPUT when PAN, index or PIN are not such digits
 */
export function generatePvv(key: DesKey, pan: string, keyIndex: string, pin: Uint8Array): string {
  computePvv(key, pan, keyIndex, pin)
  const pvv = digitsText(digits, PVV_DIGITS)
  digits.fill(0)
  return pvv
}

/**
 * Whether a PIN gives the value that is known of it; compares in constant time. Other parameters as {@link
 * generatePvv}.
 * @param pvv four digits; anything else is false
 * @throws MizanError BAD_INPUT when PAN, index or PIN are not such digits
 */
export function verifyPvv(key: DesKey, pan: string, keyIndex: string, pin: Uint8Array, pvv: string): boolean {
  computePvv(key, pan, keyIndex, pin)
  const equal = equalDigitValues(digits, PVV_DIGITS, pvv)
  digits.fill(0)
  return equal
}

function computePvv(key: DesKey, pan: string, keyIndex: string, pin: Uint8Array): void {
  assert(key.keyBytes === 16, 'a PIN verification key has 16 bytes')
  requireDigits(pan, PAN_MIN_DIGITS, PAN_MAX_DIGITS, 'the card number of a PVV')
  requireDigits(keyIndex, 1, 1, 'the index of a PIN verification key')
  requirePin(pin, PIN_MIN_DIGITS)
  block.fill(0)
  const first = pan.length - 1 - PAN_DIGITS
  for (let at = 0; at < PAN_DIGITS; at++) putNibble(block, at, digitAt(pan, first + at))
  putNibble(block, PAN_DIGITS, digitAt(keyIndex, 0))
  for (let at = 0; at < PIN_MIN_DIGITS; at++) putNibble(block, PAN_DIGITS + 1 + at, pin[at] as number)
  key.encryptBlock(block, 0, block, 0)
  decimaliseInto(block, PVV_DIGITS, digits)
  block.fill(0)
}
