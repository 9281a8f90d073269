import { assert, MizanError } from '../../errors.ts'
import type { DesKey } from '../primitives/des.ts'
import { digitAt, requireDigits } from '../primitives/digits.ts'
import { retailMacInto } from '../primitives/mac.ts'

/** A CVC3 is a number of two bytes. */
const CVC3_VALUES = 0x10000
const CVC3_MAX_DIGITS = 5

/** What a CVC3 is made from. */
export interface Cvc3Inputs {
  /** the track data of the card as they are personalised, without dynamic data */
  readonly track: Uint8Array
  /** application transaction counter, tag 9F36: 0 to 65535 */
  readonly atc: number
  /** unpredictable number, 4 bytes */
  readonly unpredictableNumber: Uint8Array
}

const block = new Uint8Array(8)

/**
 * CVC3 of contactless cards that give magnetic-stripe data (Mastercard): the last two bytes of a MAC over the track
 * data, with unpredictable number and transaction counter encrypted, the last two bytes of which are the value.
 * @param cardKey the card's double-length CVC3 key
 * @returns 0 to 65535; a track carries its last digits, {@link cvc3Digits} of them
 * @throws MizanError BAD_INPUT when the unpredictable number has not 4 bytes
 */
export function cvc3(cardKey: DesKey, inputs: Cvc3Inputs): number {
  const { track, atc, unpredictableNumber } = inputs
  assert(Number.isInteger(atc) && atc >= 0 && atc <= 0xffff, 'a transaction counter has two bytes')
  if (unpredictableNumber.length !== 4) throw new MizanError('BAD_INPUT', 'an unpredictable number has 4 bytes')
  retailMacInto(cardKey, track, 0, track.length, 2, block, 0)
  block.copyWithin(0, 6, 8)
  block.set(unpredictableNumber, 2)
  block[6] = atc >> 8
  block[7] = atc & 0xff
  cardKey.encryptBlock(block, 0, block, 0)
  const value = ((block[6] as number) << 8) | (block[7] as number)
  block.fill(0)
  return value
}

/**
 * The last digits of a CVC3, as a track carries them.
 * @param count 1 to 5
 */
export function cvc3Digits(value: number, count: number): string {
  assert(value >= 0 && value < CVC3_VALUES && count >= 1 && count <= CVC3_MAX_DIGITS, 'a CVC3 has five digits')
  return String(value).padStart(CVC3_MAX_DIGITS, '0').slice(-count)
}

/**
 * Whether the CVC3 digits of a track are right; compares in constant time.
 * @param digits the last 3 to 5 digits: as many as the issuer personalises, which the caller has checked
 * @throws MizanError BAD_INPUT when `digits` are not 3 to 5 digits, or as {@link cvc3}
 */
export function verifyCvc3(cardKey: DesKey, inputs: Cvc3Inputs, digits: string): boolean {
  requireDigits(digits, 3, CVC3_MAX_DIGITS, 'a CVC3')
  let value = cvc3(cardKey, inputs)
  let difference = 0
  for (let at = digits.length - 1; at >= 0; at--) {
    difference |= (value % 10) ^ digitAt(digits, at)
    value = Math.floor(value / 10)
  }
  return difference === 0
}
