import { MizanError } from '../../errors.ts'
import type { Field, Layout } from './layout.ts'

const ZERO = 0x30
const SPACE = 0x20

/** Puts an empty record of a layout into a buffer; the fields are put over it. */
export function beginRecord(buffer: Buffer, at: number, layout: Layout): void {
  buffer.set(layout.template, at)
}

/**
 * Puts digits: a whole number that is not negative, right-justified over the zeros of the template.
 * @param at where the record begins
 * @throws MizanError CODEC_ENCODE_FAILED when it does not fit; the value is not in the message
 */
export function putNumber(buffer: Buffer, at: number, field: Field, value: number | bigint): void {
  if (typeof value === 'bigint') {
    putDigits(buffer, at, field, String(value))
    return
  }
  if (!Number.isSafeInteger(value) || value < 0) throw unfit(field, 'takes a whole number that is not negative')
  let rest = value
  const first = at + field.at
  for (let index = first + field.length - 1; index >= first; index--) {
    const tenth = Math.floor(rest / 10)
    buffer[index] = ZERO + (rest - tenth * 10)
    rest = tenth
  }
  if (rest > 0) throw unfit(field, `has room for ${field.length} digits`)
}

/** Puts a text of digits, right-justified. @throws MizanError CODEC_ENCODE_FAILED */
export function putDigits(buffer: Buffer, at: number, field: Field, digits: string): void {
  if (digits.length > field.length) throw unfit(field, `has room for ${field.length} digits`)
  const first = at + field.at
  const from = first + field.length - digits.length
  for (let index = first; index < from; index++) buffer[index] = ZERO
  for (let index = 0; index < digits.length; index++) {
    const code = digits.charCodeAt(index)
    if (code < ZERO || code > ZERO + 9) throw unfit(field, 'takes digits only')
    buffer[from + index] = code
  }
}

/**
 * Puts text, left-justified and filled with blanks. Characters outside of printable ASCII are refused.
 * @throws MizanError CODEC_ENCODE_FAILED
 */
export function putText(buffer: Buffer, at: number, field: Field, text: string): void {
  if (text.length > field.length) throw unfit(field, `has room for ${field.length} characters`)
  const first = at + field.at
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < SPACE || code > 0x7e) throw unfit(field, 'takes printable ASCII only')
    buffer[first + index] = code
  }
  for (let index = text.length; index < field.length; index++) buffer[first + index] = SPACE
}

/** Puts a value as its field's format wants it. @throws MizanError CODEC_ENCODE_FAILED */
export function putField(buffer: Buffer, at: number, field: Field, value: string): void {
  if (field.format === 'hx' && value !== '' && !(value.length === field.length && /^[0-9A-F]*$/.test(value))) {
    throw unfit(field, `takes ${field.length} hexadecimal digits in capitals, or nothing`)
  }
  if (field.format === 'n') putDigits(buffer, at, field, value)
  else putText(buffer, at, field, value)
}

/**
 * What a record can hold of a text: Latin letters lose their marks, what is not printable ASCII becomes a blank, blanks
 * run together, and what is too long is cut.
 */
export function recordText(text: string, length: number): string {
  if (text.length <= length && PLAIN.test(text)) return text
  const plain = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\x21-\x7e]+/g, ' ')
  return plain.trim().slice(0, length).trimEnd()
}
const PLAIN = /^([\x21-\x7e]+( [\x21-\x7e]+)*)?$/

function unfit({ layout, name }: Field, what: string): MizanError {
  return new MizanError('CODEC_ENCODE_FAILED', `clearing record ${layout}, field ${name}: ${what}`)
}
