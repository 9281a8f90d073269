/** What the tests of PIN blocks and of PIN verification share. */
import fc from 'fast-check'
import type { DesPinBlockFormat } from '../../src/security/pin/pin-block.ts'
import { decodePinBlock, encodePinBlock } from '../../src/security/pin/pin-block.ts'
import { decipherPinBlock4 } from '../../src/security/pin/pin-cipher.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { digitsText } from '../../src/security/primitives/decimalise.ts'
import { DesKey } from '../../src/security/primitives/des.ts'

export const hex = (text: string | undefined) => Buffer.from(text ?? '', 'hex')
export const pinOf = (text: string | undefined) => Uint8Array.from(text ?? '', Number)
export const upper = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase()
export const anyPin = fc.stringMatching(/^[0-9]{4,12}$/)
export const anyPan = fc.stringMatching(/^[0-9]{13,19}$/)
export const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
export const refused = { code: 'CRYPTO_REFUSED' }
export const formats = [0, 1, 2, 3, 4] as const
export const pan = '4000001234567899'
export const tdes = new DesKey(hex('0123456789ABCDEFFEDCBA9876543210'))
export const otherTdes = new DesKey(hex('ABCDEF09876543210123456789ABCDEF'))
export const aes = new AesKey(hex('C1D0F8FB4958670DBA40AB1F3752EF0D'))

export function encode(format: DesPinBlockFormat, pin: string, ofPan: string, fill = ''): string {
  const block = Buffer.alloc(8)
  const random = fill === '' ? [] : [() => Number.parseInt(fill.charAt(at++), 16)]
  let at = 0
  encodePinBlock(format, pinOf(pin), pin.length, ofPan, block, ...random)
  return upper(block)
}

export function decode(format: DesPinBlockFormat, block: string, ofPan: string): string {
  const pin = new Uint8Array(12)
  return digitsText(pin, decodePinBlock(format, hex(block), ofPan, pin))
}

export function decipher4(key: AesKey, block: Uint8Array, ofPan: string): string {
  const pin = new Uint8Array(12)
  return digitsText(pin, decipherPinBlock4(key, block, ofPan, pin))
}
