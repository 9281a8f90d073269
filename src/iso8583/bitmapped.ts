import type { PartSpec, SubfieldSpec } from './dialect-spec.ts'
import { bcdValue, hexValue, NOT_DIGITS } from './digits.ts'
import { decodeEbcdic, encodeEbcdic } from './ebcdic.ts'
import type { DecodeFailure } from './failure.ts'
import { failEncode, failure } from './failure.ts'
import { digitText, oddDigitText } from './field-text.ts'

/** A field with its own bitmap: `dialect.subfields(62)` of Visa. */
export type BitmapSpec = Extract<SubfieldSpec, { form: 'bitmap' }>

/** What the table does not know; it ends the reading, for without its length nothing behind it can be found. */
export interface UnknownParts {
  /** numbers of the parts whose bits are set, from the first unknown one on */
  readonly ids: readonly number[]
  /** their bytes, as they are */
  readonly bytes: Buffer
}

/** Parts of a field with its own bitmap. */
export interface Bitmapped {
  /** by number of the part: EBCDIC as text, packed digits as digits, binary as lower-case hex */
  readonly values: Map<string, string>
  readonly unknown: UnknownParts | undefined
  readonly failure: DecodeFailure | undefined
}

/**
 * Reads a field that begins with its own bitmap (Visa DE62, 63, 126): the parts that the table knows, and the rest byte
 * for byte from the first unknown one on.
 * @param de data element that failures name
 */
export function parseBitmapped(de: number, spec: BitmapSpec, bytes: Buffer): Bitmapped {
  const values = new Map<string, string>()
  if (bytes.length < spec.bytes) {
    return { values, unknown: undefined, failure: failure('short', `${de}.0`, 0, `needs ${spec.bytes} bytes`) }
  }
  const present: number[] = []
  for (let id = 1; id <= spec.bytes * 8; id++) if (bitIsSet(bytes, id)) present.push(id)
  let at = spec.bytes
  for (const [index, id] of present.entries()) {
    const part = spec.parts.find((candidate) => candidate.id === String(id))
    if (part === undefined) {
      return { values, unknown: { ids: present.slice(index), bytes: bytes.subarray(at) }, failure: undefined }
    }
    const size = partBytes(part)
    const path = `${de}.${id}`
    if (bytes.length - at < size) {
      const what = `needs ${size} bytes, ${bytes.length - at} are left`
      return { values, unknown: undefined, failure: failure('short', path, at, what) }
    }
    const value = partText(part, bytes, at, size)
    if (value === undefined) {
      return { values, unknown: undefined, failure: failure('content', path, at, 'the digits are malformed') }
    }
    values.set(part.id, value)
    at += size
  }
  if (at === bytes.length) return { values, unknown: undefined, failure: undefined }
  const what = `${bytes.length - at} bytes follow the last part`
  return { values, unknown: undefined, failure: failure('trailing', String(de), at, what) }
}

function bitIsSet(bytes: Buffer, id: number): boolean {
  return ((bytes[(id - 1) >> 3] as number) & (0x80 >> ((id - 1) & 7))) !== 0
}

function partBytes(part: PartSpec): number {
  return part.content === 'bcd' ? (part.length + 1) >> 1 : part.length
}

function partText(part: PartSpec, bytes: Buffer, at: number, size: number): string | undefined {
  if (part.content === 'ebcdic') return decodeEbcdic(bytes.subarray(at, at + size))
  if (part.content === 'binary') return bytes.toString('hex', at, at + size)
  for (let i = at; i < at + size; i++) if (bcdValue[bytes[i] as number] === NOT_DIGITS) return undefined
  if ((part.length & 1) === 0) return digitText(bytes, at, size)
  return (bytes[at] as number) >> 4 === 0 ? oddDigitText(bytes, at, size) : undefined
}

/**
 * Writes a field with its own bitmap from the values of its parts, then the unknown parts as they were read.
 * @param de data element that a failure names
 * @throws MizanError CODEC_ENCODE_FAILED when a value does not fit its part or the table has no such part
 */
export function formatBitmapped(
  de: number,
  spec: BitmapSpec,
  values: ReadonlyMap<string, string>,
  unknown?: UnknownParts,
): Buffer {
  const bitmap = Buffer.alloc(spec.bytes)
  const chunks: Buffer[] = [bitmap]
  for (const key of values.keys()) {
    if (!spec.parts.some((part) => part.id === key)) failEncode(de, `part ${key} is not in the table`)
  }
  const parts = [...spec.parts].sort((a, b) => Number(a.id) - Number(b.id))
  for (const part of parts) {
    const value = values.get(part.id)
    if (value === undefined) continue
    setBit(bitmap, Number(part.id))
    chunks.push(partContent(de, part, value))
  }
  if (unknown !== undefined) {
    for (const id of unknown.ids) setBit(bitmap, id)
    chunks.push(unknown.bytes)
  }
  return Buffer.concat(chunks)
}

function setBit(bitmap: Buffer, id: number): void {
  const index = (id - 1) >> 3
  bitmap[index] = (bitmap[index] as number) | (0x80 >> ((id - 1) & 7))
}

function partContent(de: number, part: PartSpec, value: string): Buffer {
  const length = part.content === 'binary' ? value.length / 2 : value.length
  if (length !== part.length) failEncode(de, `part ${part.id} must have a length of ${part.length}`)
  if (part.content === 'ebcdic') {
    const bytes = encodeEbcdic(value)
    return bytes ?? failEncode(de, `part ${part.id} has a character that EBCDIC does not have`)
  }
  const digits = value.padStart(2 * partBytes(part), '0')
  const limit = part.content === 'bcd' ? 9 : 15
  for (let i = 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i)
    if (code > 0xff || (hexValue[code] as number) > limit) failEncode(de, `part ${part.id} has a wrong digit`)
  }
  return Buffer.from(digits, 'hex')
}
