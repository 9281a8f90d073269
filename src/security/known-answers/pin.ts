import { MizanError } from '../../errors.ts'
import { naturalPin, pinFromOffset, pinOffset } from '../pin/ibm3624.ts'
import type { DesPinBlockFormat } from '../pin/pin-block.ts'
import {
  decodePinBlock,
  encodePanField4,
  encodePinBlock,
  PIN_BLOCK_BYTES,
  PIN_MAX_DIGITS,
  PIN_MIN_DIGITS,
} from '../pin/pin-block.ts'
import type { PinBlockKey } from '../pin/pin-cipher.ts'
import { decipherPinBlock4, encipherPinBlock4, pinBlockBytes, translatePinBlock } from '../pin/pin-cipher.ts'
import { generatePvv } from '../pin/pvv.ts'
import { decimaliseTwoScan, digitsText } from '../primitives/decimalise.ts'
import { digitAt, isDigitText } from '../primitives/digits.ts'
import { aesKeyInput, desKeyInput } from './keys.ts'
import type { Inputs, KnownAlgorithm, KnownAlgorithms } from './runner.ts'
import { hasInput, hexInput, numberInput, textInput, toHex } from './runner.ts'

const pinKeyLengths = [16, 24]

/** PIN blocks, their change from one key to another, and PIN verification. */
export const pinAlgorithms: KnownAlgorithms = {
  'pinblock.iso0.encode': encode(0),
  'pinblock.iso0.decode': decode(0),
  'pinblock.iso1.encode': encode(1),
  'pinblock.iso1.decode': decode(1),
  'pinblock.iso2.encode': encode(2),
  'pinblock.iso2.decode': decode(2),
  'pinblock.iso3.encode': encode(3),
  'pinblock.iso3.decode': decode(3),
  'pinblock.iso4.panfield': (inputs) => {
    const field = Buffer.alloc(pinBlockBytes(4))
    encodePanField4(textInput(inputs, 'pan'), field)
    return { pan_field: toHex(field) }
  },
  'pinblock.iso4.encipher': (inputs) => {
    const block = Buffer.alloc(pinBlockBytes(4))
    const pin = pinInput(inputs)
    const random = hexInput(inputs, 'random8')
    if (random.length !== 8) throw new MizanError('BAD_INPUT', 'random8 must have 8 bytes')
    encipherPinBlock4(aesKeyInput(inputs, 'key'), pin, pin.length, textInput(inputs, 'pan'), block, random)
    return { pin_block: toHex(block) }
  },
  'pinblock.iso4.decipher': (inputs) => {
    const pin = new Uint8Array(PIN_MAX_DIGITS)
    const block = hexInput(inputs, 'pin_block')
    const length = decipherPinBlock4(aesKeyInput(inputs, 'key'), block, textInput(inputs, 'pan'), pin)
    return { pin: digitsText(pin, length) }
  },
  'pin.translate.iso0_iso0': translate(0, 0),
  'pin.translate.iso0_iso3': translate(0, 3),
  'pin.translate.iso3_iso0': translate(3, 0),
  'pin.visa_pvv': (inputs) => {
    const key = desKeyInput(inputs, 'pvk', [16])
    return { pvv: generatePvv(key, textInput(inputs, 'pan'), textInput(inputs, 'pvki'), pinInput(inputs)) }
  },
  'pin.decimalise.two_scan': (inputs) => {
    const bytes = hexInput(inputs, 'hex')
    const count = numberInput(inputs, 'count')
    if (count > bytes.length * 2) throw new MizanError('BAD_INPUT', 'count must not be over the hex digits')
    return { digits: decimaliseTwoScan(bytes, count) }
  },
  'pin.ibm3624.natural': (inputs) => {
    const length = hasInput(inputs, 'pin_length') ? numberInput(inputs, 'pin_length') : PIN_MIN_DIGITS
    const pin = new Uint8Array(PIN_MAX_DIGITS)
    naturalPin(...ibm3624Inputs(inputs), length, pin)
    return { pin: digitsText(pin, length) }
  },
  'pin.ibm3624.pin_from_offset': (inputs) => {
    const offset = textInput(inputs, 'offset')
    const pin = new Uint8Array(PIN_MAX_DIGITS)
    pinFromOffset(...ibm3624Inputs(inputs), offset, pin)
    return { pin: digitsText(pin, offset.length) }
  },
  'pin.ibm3624.offset': (inputs) => {
    const pin = pinInput(inputs)
    return { offset: pinOffset(...ibm3624Inputs(inputs), pin, pin.length) }
  },
}

/** The fill of formats 1 and 3 is the entry's `fill`, a hex digit for each place. */
function encode(format: DesPinBlockFormat): KnownAlgorithm {
  return (inputs) => {
    const block = Buffer.alloc(PIN_BLOCK_BYTES)
    const pin = pinInput(inputs)
    encodePinBlock(format, pin, pin.length, panInput(inputs, format), block, fillInput(inputs))
    return { pin_block: toHex(block) }
  }
}

function decode(format: DesPinBlockFormat): KnownAlgorithm {
  return (inputs) => {
    const pin = new Uint8Array(PIN_MAX_DIGITS)
    const length = decodePinBlock(format, hexInput(inputs, 'pin_block'), panInput(inputs, format), pin)
    return { pin: digitsText(pin, length) }
  }
}

function translate(from: 0 | 3, to: 0 | 3): KnownAlgorithm {
  return (inputs) => {
    const source: PinBlockKey = { format: from, key: desKeyInput(inputs, 'source_key', pinKeyLengths) }
    const target: PinBlockKey = { format: to, key: desKeyInput(inputs, 'target_key', pinKeyLengths) }
    const block = Buffer.alloc(PIN_BLOCK_BYTES)
    // The 12 digits of a PAN field lack the check digit, which the block does not hold either.
    const pan = hasInput(inputs, 'pan12') ? `${textInput(inputs, 'pan12')}0` : textInput(inputs, 'pan')
    translatePinBlock(source, target, hexInput(inputs, 'pin_block'), pan, block)
    return { pin_block: toHex(block) }
  }
}

function ibm3624Inputs(inputs: Inputs): [ReturnType<typeof desKeyInput>, string, Buffer] {
  const key = desKeyInput(inputs, 'pvk', [8, 16, 24])
  return [key, textInput(inputs, 'decimalisation_table'), hexInput(inputs, 'validation_data')]
}

function panInput(inputs: Inputs, format: DesPinBlockFormat): string {
  return format === 1 || format === 2 ? '' : textInput(inputs, 'pan')
}

/** The digit values of `pin`. */
function pinInput(inputs: Inputs): Uint8Array {
  const text = textInput(inputs, 'pin')
  if (!isDigitText(text, PIN_MIN_DIGITS, PIN_MAX_DIGITS))
    throw new MizanError('BAD_INPUT', 'pin must be 4 to 12 digits')
  return Uint8Array.from({ length: text.length }, (_, at) => digitAt(text, at))
}

function fillInput(inputs: Inputs): (min: number, end: number) => number {
  const fill = hasInput(inputs, 'fill') ? textInput(inputs, 'fill') : ''
  let at = 0
  return (min, end) => {
    const value = Number.parseInt(fill.charAt(at++), 16)
    if (value >= min && value < end) return value
    throw new MizanError('BAD_INPUT', 'fill must be a hex digit of the format for each place')
  }
}
