import { assert, MizanError } from '../../errors.ts'
import { digitsText } from '../primitives/decimalise.ts'
import type { DesKey } from '../primitives/des.ts'
import { digitAt, isDigitText, nibbleAt, requireDigits } from '../primitives/digits.ts'
import { PIN_MAX_DIGITS, PIN_MIN_DIGITS, requirePin } from './pin-block.ts'

const TABLE_DIGITS = 16
const TABLE_MIN_DIFFERENT = 8
const TABLE_MAX_SAME = 4

/**
 * Checks a decimalisation table that is to be taken into use: 16 digits, at least 8 different ones and none more than 4
 * times. A table that maps many values to few digits lets whoever may choose it search for the PIN. Tables of cards
 * already issued may be worse; those need only {@link naturalPin}'s check.
 * @throws MizanError CRYPTO_REFUSED
 */
export function checkNewDecimalisationTable(table: string): void {
  const counts = new Uint8Array(10)
  if (isDigitText(table, TABLE_DIGITS, TABLE_DIGITS)) {
    for (let at = 0; at < TABLE_DIGITS; at++) {
      const digit = digitAt(table, at)
      counts[digit] = (counts[digit] as number) + 1
    }
  }
  const different = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)
  if (different >= TABLE_MIN_DIFFERENT && counts.every((count) => count <= TABLE_MAX_SAME)) return
  throw new MizanError('CRYPTO_REFUSED', 'a decimalisation table needs 16 digits, 8 different, none more than 4 times')
}

const encrypted = new Uint8Array(8)
const natural = new Uint8Array(PIN_MAX_DIGITS)

/**
 * The PIN that key and card give of themselves (IBM 3624): the validation data encrypted, and each hex digit replaced
 * by the table's digit at its place.
 * @param key PIN generation key of 8, 16 or 24 bytes
 * @param table 16 digits
 * @param validationData 8 bytes: digits of the PAN the issuer chose, filled by the issuer's rule
 * @param pinLength 4 to 12 digits
 * @param pin takes the digit values from its beginning
 * @throws MizanError BAD_INPUT when table, data or length are not so
 */
export function naturalPin(
  key: DesKey,
  table: string,
  validationData: Uint8Array,
  pinLength: number,
  pin: Uint8Array,
): void {
  requireDigits(table, TABLE_DIGITS, TABLE_DIGITS, 'a decimalisation table')
  if (validationData.length !== 8) throw new MizanError('BAD_INPUT', 'PIN validation data must have 8 bytes')
  if (pinLength < PIN_MIN_DIGITS || pinLength > PIN_MAX_DIGITS) {
    throw new MizanError('BAD_INPUT', 'a PIN must be 4 to 12 digits')
  }
  assert(pinLength <= pin.length, 'there is room for the PIN')
  key.encryptBlock(validationData, 0, encrypted, 0)
  for (let at = 0; at < pinLength; at++) pin[at] = digitAt(table, nibbleAt(encrypted, at))
  encrypted.fill(0)
}

/**
 * The offset of a PIN the cardholder chose: PIN less natural PIN, digit by digit without carry. The other parameters
 * are those of {@link naturalPin}.
 * @param pin digit values 0 to 9, the first `pinLength` of which are the PIN
 * @returns as many digits as the PIN has
 * @throws MizanError BAD_INPUT when an input is not as it must be
 */
export function pinOffset(
  key: DesKey,
  table: string,
  validationData: Uint8Array,
  pin: Uint8Array,
  pinLength: number,
): string {
  requirePin(pin, pinLength)
  naturalPin(key, table, validationData, pinLength, natural)
  for (let at = 0; at < pinLength; at++) natural[at] = ((pin[at] as number) + 10 - (natural[at] as number)) % 10
  const offset = digitsText(natural, pinLength)
  natural.fill(0)
  return offset
}

/**
 * The PIN that belongs to an offset: natural PIN plus offset, digit by digit without carry. The other parameters are
 * those of {@link naturalPin}; the PIN has as many digits as the offset.
 * @param offset 4 to 12 digits
 * @param pin takes the digit values from its beginning
 * @throws MizanError BAD_INPUT when an input is not as it must be
 */
export function pinFromOffset(
  key: DesKey,
  table: string,
  validationData: Uint8Array,
  offset: string,
  pin: Uint8Array,
): void {
  requireDigits(offset, PIN_MIN_DIGITS, PIN_MAX_DIGITS, 'a PIN offset')
  naturalPin(key, table, validationData, offset.length, pin)
  for (let at = 0; at < offset.length; at++) pin[at] = ((pin[at] as number) + digitAt(offset, at)) % 10
}

/**
 * Whether a PIN is that of an offset; compares in constant time. Where the offset is shorter than the PIN, it belongs
 * to the PIN's last digits and only those are compared. Parameters as {@link pinOffset}.
 * @param offset 4 to 12 digits, no more than the PIN has
 * @throws MizanError BAD_INPUT when an input is not as it must be
 */
export function verifyPinOffset(
  key: DesKey,
  table: string,
  validationData: Uint8Array,
  offset: string,
  pin: Uint8Array,
  pinLength: number,
): boolean {
  requirePin(pin, pinLength)
  requireDigits(offset, PIN_MIN_DIGITS, pinLength, 'a PIN offset')
  naturalPin(key, table, validationData, pinLength, natural)
  const first = pinLength - offset.length
  let difference = 0
  for (let at = 0; at < offset.length; at++) {
    const expected = ((natural[first + at] as number) + digitAt(offset, at)) % 10
    difference |= expected ^ (pin[first + at] as number)
  }
  natural.fill(0)
  return difference === 0
}
