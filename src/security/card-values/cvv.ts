import { assert } from '../../errors.ts'
import type { MasterKeyOption } from '../emv/master-key.ts'
import { deriveCardKey } from '../emv/master-key.ts'
import { xorBlock } from '../primitives/block-modes.ts'
import { decimaliseInto, digitsText } from '../primitives/decimalise.ts'
import { DesKey } from '../primitives/des.ts'
import { digitAt, PAN_MAX_DIGITS, PAN_MIN_DIGITS, putNibble, requireDigits } from '../primitives/digits.ts'
import { equalDigitValues } from '../primitives/secrets.ts'

const CVV_DIGITS = 3
/** Digits that some tools print instead of three. */
const CVV_MAX_DIGITS = 4

/** Service codes that stand in the calculation for those of a track. */
const CVV2_SERVICE_CODE = '000'
const ICVV_SERVICE_CODE = '999'

const EXPIRY_DIGITS = 4
const SERVICE_CODE_DIGITS = 3

const block = new Uint8Array(16)
const cipherText = block.subarray(0, 8)
const digits = new Uint8Array(CVV_MAX_DIGITS)

/**
 * Card verification value of the Visa method: PAN, expiry and service code, the first 8 bytes by single DES under the
 * key's first half, the second 8 bytes added, all of it by TDEA, decimalised by two scans.
 * @param key double-length card verification key
 * @param pan 12 to 19 digits
 * @param expiry four digits in the order the value was made with: YYMM as on the track for CVV and iCVV; for CVV2 the
 * issuer says which
 * @param serviceCode three digits, as on the track
 * @param count digits to give, 3 or 4
 * @throws MizanError BAD_INPUT when an input is not such digits
 */
export function cvv(key: DesKey, pan: string, expiry: string, serviceCode: string, count: 3 | 4 = CVV_DIGITS): string {
  requireCardDigits(pan, expiry, serviceCode)
  packCard(pan, 0, 0, expiry, serviceCode)
  compute(key, count)
  return takeText(count)
}

/**
 * Whether a CVV is right; compares in constant time. Parameters as {@link cvv}.
 * @param value three digits; anything else is false
 * @throws MizanError BAD_INPUT when another input is not such digits
 */
export function verifyCvv(key: DesKey, pan: string, expiry: string, serviceCode: string, value: string): boolean {
  requireCardDigits(pan, expiry, serviceCode)
  packCard(pan, 0, 0, expiry, serviceCode)
  compute(key, CVV_DIGITS)
  return takeEqual(value)
}

/** The value printed on the card: {@link cvv} with service code 000. */
export function cvv2(key: DesKey, pan: string, expiry: string): string {
  return cvv(key, pan, expiry, CVV2_SERVICE_CODE)
}

/** Whether the value printed on the card is right, as {@link verifyCvv}. */
export function verifyCvv2(key: DesKey, pan: string, expiry: string, value: string): boolean {
  return verifyCvv(key, pan, expiry, CVV2_SERVICE_CODE, value)
}

/** The value of the track inside the chip: {@link cvv} with service code 999. */
export function icvv(key: DesKey, pan: string, expiry: string): string {
  return cvv(key, pan, expiry, ICVV_SERVICE_CODE)
}

/** Whether the value of the track inside the chip is right, as {@link verifyCvv}. */
export function verifyIcvv(key: DesKey, pan: string, expiry: string, value: string): boolean {
  return verifyCvv(key, pan, expiry, ICVV_SERVICE_CODE, value)
}

/** What a dynamic CVV is made from; digits as {@link cvv} says. */
export interface DynamicCvvInputs {
  /** how the card's key comes from the issuer's */
  readonly option: MasterKeyOption
  readonly pan: string
  /** the two digits of tag 5F34; 00 where the card has none */
  readonly psn: string
  /** application transaction counter, tag 9F36: 0 to 65535 */
  readonly atc: number
  readonly expiry: string
  readonly serviceCode: string
}

const cardKeyBytes = new Uint8Array(16)
const cardKey = new DesKey(cardKeyBytes)

/**
 * Dynamic CVV of contactless cards that give magnetic-stripe data: {@link cvv} under the card's own key, the first four
 * digits of the PAN replaced by the transaction counter in hex.
 * @param issuerKey double-length issuer master key
 * @throws MizanError BAD_INPUT when an input is not such digits or the counter not of two bytes
 */
export function dcvv(issuerKey: DesKey, inputs: DynamicCvvInputs): string {
  computeDynamic(issuerKey, inputs)
  return takeText(CVV_DIGITS)
}

/**
 * Whether a dynamic CVV is right; compares in constant time. That the counter goes forward is for the caller to see.
 * @param value three digits; anything else is false
 * @throws MizanError BAD_INPUT as {@link dcvv}
 */
export function verifyDcvv(issuerKey: DesKey, inputs: DynamicCvvInputs, value: string): boolean {
  computeDynamic(issuerKey, inputs)
  return takeEqual(value)
}

function computeDynamic(issuerKey: DesKey, inputs: DynamicCvvInputs): void {
  const { pan, atc, expiry, serviceCode } = inputs
  requireCardDigits(pan, expiry, serviceCode)
  assert(Number.isInteger(atc) && atc >= 0 && atc <= 0xffff, 'a transaction counter has two bytes')
  deriveCardKey(issuerKey, pan, inputs.psn, inputs.option, cardKeyBytes)
  cardKey.setKey(cardKeyBytes)
  cardKeyBytes.fill(0)
  packCard(pan, 4, atc, expiry, serviceCode)
  compute(cardKey, CVV_DIGITS)
  cardKey.wipe()
}

function requireCardDigits(pan: string, expiry: string, serviceCode: string): void {
  requireDigits(pan, PAN_MIN_DIGITS, PAN_MAX_DIGITS, 'the card number of a card verification value')
  requireDigits(expiry, EXPIRY_DIGITS, EXPIRY_DIGITS, 'the expiry date of a card verification value')
  requireDigits(serviceCode, SERVICE_CODE_DIGITS, SERVICE_CODE_DIGITS, 'the service code of a card verification value')
}

/**
 * Fills the block: PAN, expiry and service code, then zeros.
 * @param replaced how many digits of the PAN the hex digits of `prefix` replace
 */
function packCard(pan: string, replaced: number, prefix: number, expiry: string, serviceCode: string): void {
  block.fill(0)
  for (let at = 0; at < replaced; at++) putNibble(block, at, (prefix >> (4 * (replaced - 1 - at))) & 15)
  for (let at = replaced; at < pan.length; at++) putNibble(block, at, digitAt(pan, at))
  for (let at = 0; at < EXPIRY_DIGITS; at++) putNibble(block, pan.length + at, digitAt(expiry, at))
  const codeAt = pan.length + EXPIRY_DIGITS
  for (let at = 0; at < SERVICE_CODE_DIGITS; at++) putNibble(block, codeAt + at, digitAt(serviceCode, at))
}

/** Leaves the digits of the value in `digits`. */
function compute(key: DesKey, count: number): void {
  assert(key.keyBytes === 16, 'a card verification key has 16 bytes')
  key.encryptWithFirst(block, 0, block, 0)
  xorBlock(block, 0, block, 8, 8)
  key.encryptBlock(block, 0, block, 0)
  decimaliseInto(cipherText, count, digits)
  block.fill(0)
}

function takeText(count: number): string {
  const text = digitsText(digits, count)
  digits.fill(0)
  return text
}

function takeEqual(value: string): boolean {
  const equal = equalDigitValues(digits, CVV_DIGITS, value)
  digits.fill(0)
  return equal
}
