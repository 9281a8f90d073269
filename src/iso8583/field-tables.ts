import { highestField } from './dialect-check.ts'
import type { Content, DialectSpec, FieldSpec, LengthPrefix, ValueKind } from './dialect-spec.ts'
import { FIELD_MAX } from './dialect-spec.ts'
import { ebcdicHexValue, hexValue } from './digits.ts'
import { ebcdicToLatin1 } from './ebcdic.ts'

/** Numbers of the contents in the flat tables; 0 is a field that the dialect does not have. */
const contentCodes = {
  ascii: 1,
  ebcdic: 2,
  bcd: 3,
  'bcd-right': 4,
  binary: 5,
  'hex-ascii': 6,
  track2: 7,
  'track2-eq': 8,
  'signed-bcd': 9,
  'ber-length': 10,
} as const satisfies Record<Content, number>

export const ASCII = contentCodes.ascii
export const EBCDIC = contentCodes.ebcdic
export const BCD = contentCodes.bcd
export const BCD_RIGHT = contentCodes['bcd-right']
export const BINARY = contentCodes.binary
export const HEX_ASCII = contentCodes['hex-ascii']
export const TRACK2 = contentCodes.track2
export const TRACK2_EQUALS = contentCodes['track2-eq']
export const SIGNED_BCD = contentCodes['signed-bcd']
export const BER_LENGTH = contentCodes['ber-length']

/** How a length prefix is written. */
export const PREFIX_ASCII = 1
export const PREFIX_EBCDIC = 2
export const PREFIX_BCD = 3
export const PREFIX_BINARY = 4

/** What a length prefix counts. */
export const COUNT_VALUE = 0
export const COUNT_HEX = 1
export const COUNT_PACKED_BYTES = 2
export const COUNT_SIGNED_BYTES = 3

/** How a short value is completed. */
export const PAD_NONE = 0
export const PAD_SPACE_RIGHT = 1
export const PAD_SPACE_LEFT = 2
const PAD_ZERO_LEFT = 3

/** Classes of characters, one bit each, as `checks` and the class tables hold them. */
export const NUMERIC = 1
const ALPHA = 2
const ALPHANUMERIC = 4
const TEXT = 8
const TRACK = 16
/** C or D. */
export const SIGN = 32
/** C or D first, then digits: a check of its own, not a class of characters. */
export const SIGNED = 255

const checkOfKind: Record<ValueKind, number> = {
  numeric: NUMERIC,
  'signed-numeric': SIGNED,
  alpha: ALPHA,
  alphanumeric: ALPHANUMERIC,
  text: TEXT,
  track: TRACK,
  binary: 0,
  any: 0,
}

/** Classes that each Latin-1 character belongs to. */
export const latin1Classes: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => classesOf(code))
/** Classes of the character that each EBCDIC byte stands for. */
export const ebcdicClasses: Uint8Array = Uint8Array.from(ebcdicToLatin1, (code) => classesOf(code))

function classesOf(code: number): number {
  const character = String.fromCharCode(code)
  let classes = 0
  if (/\d/.test(character)) classes |= NUMERIC
  if (/[A-Za-z ]/.test(character)) classes |= ALPHA
  if (/[A-Za-z0-9 ]/.test(character)) classes |= ALPHANUMERIC
  if (code >= 0x20 && !(code >= 0x7f && code < 0xa0)) classes |= TEXT
  if (/[0-9=D]/.test(character)) classes |= TRACK
  if (/[CD]/.test(character)) classes |= SIGN
  return classes
}

/** A dialect compiled to flat tables; index = data element. */
export interface FieldTables {
  readonly mti: number
  readonly bitmapHex: Uint8Array | undefined
  readonly bitmapBytes: number
  readonly bitmapEbcdic: boolean
  readonly fixedGroups: number
  readonly maxGroups: number
  readonly highest: number
  readonly content: Uint8Array
  readonly prefixKind: Uint8Array
  readonly prefixBytes: Uint8Array
  readonly counts: Uint8Array
  readonly max: Int32Array
  readonly check: Uint8Array
  readonly pad: Uint8Array
  /** 1 where an odd count of digits is padded on the left */
  readonly padLeft: Uint8Array
  readonly padNibble: Uint8Array
  /** bytes of the fields that the quick path of decode.ts reads: fixed, and checked as `quickCheck` says; else 0 */
  readonly quickBytes: Int32Array
  readonly quickCheck: Uint8Array
}

/** What the quick path checks: nothing, packed digits, or (with the class in the low bits) the characters. */
export const QUICK_DIGITS = 128
export const QUICK_EBCDIC = 64

const paddingCodes = { none: PAD_NONE, 'space-right': PAD_SPACE_RIGHT, 'space-left': PAD_SPACE_LEFT } as const

/** Compiles a checked table. */
export function fieldTables(spec: DialectSpec): FieldTables {
  const size = FIELD_MAX + 1
  const tables = {
    mti: spec.mti === 'bcd' ? BCD : spec.mti === 'ebcdic' ? EBCDIC : ASCII,
    bitmapHex: spec.bitmap === 'bin8' ? undefined : spec.bitmap === 'hex16' ? hexValue : ebcdicHexValue,
    bitmapBytes: spec.bitmap === 'bin8' ? 8 : 16,
    bitmapEbcdic: spec.bitmap === 'ebchex',
    fixedGroups: spec.fixedGroups ?? 0,
    maxGroups: spec.fixedGroups ?? spec.maxBitmaps ?? 2,
    highest: highestField(spec),
    content: new Uint8Array(size),
    prefixKind: new Uint8Array(size),
    prefixBytes: new Uint8Array(size),
    counts: new Uint8Array(size),
    max: new Int32Array(size),
    check: new Uint8Array(size),
    pad: new Uint8Array(size),
    padLeft: new Uint8Array(size),
    padNibble: new Uint8Array(size),
    quickBytes: new Int32Array(size),
    quickCheck: new Uint8Array(size),
  }
  for (const [key, field] of Object.entries(spec.fields)) {
    const de = Number(key)
    tables.content[de] = contentCodes[field.content]
    tables.max[de] = field.max
    tables.check[de] = checkOfKind[field.value ?? 'any']
    tables.pad[de] = field.pad === 'zero-left' ? PAD_ZERO_LEFT : paddingCodes[field.pad ?? 'none']
    tables.padNibble[de] = field.padNibble === 'f' ? 15 : 0
    const track = field.content === 'track2' || field.content === 'track2-eq'
    tables.padLeft[de] =
      field.content === 'bcd' || field.content === 'signed-bcd' || (track && field.oddPad === 'left') ? 1 : 0
    tables.counts[de] = countOf(field)
    if (field.length !== undefined) {
      tables.prefixKind[de] = prefixKind(field.length)
      tables.prefixBytes[de] = Number(field.length[1])
    }
    markQuick(tables, de, field)
  }
  return tables
}

function markQuick(tables: FieldTables, de: number, field: FieldSpec): void {
  const content = tables.content[de] as number
  const check = tables.check[de] as number
  const packed = content === BCD && field.max % 2 === 0
  const plain = (content === ASCII || content === EBCDIC) && check !== SIGNED
  if (field.kind !== 'fixed' || !(packed || plain || content === BINARY)) return
  tables.quickBytes[de] = wireBytes(content, field.max)
  if (packed) tables.quickCheck[de] = QUICK_DIGITS
  else if (check !== 0) tables.quickCheck[de] = check | (content === EBCDIC ? QUICK_EBCDIC : 0)
}

function countOf(field: FieldSpec): number {
  if (field.content === 'hex-ascii') return COUNT_HEX
  if (field.lengthUnit !== 'bytes') return COUNT_VALUE
  if (field.content === 'signed-bcd') return COUNT_SIGNED_BYTES
  return ['bcd', 'bcd-right', 'track2', 'track2-eq'].includes(field.content) ? COUNT_PACKED_BYTES : COUNT_VALUE
}

function prefixKind(prefix: LengthPrefix): number {
  return { a: PREFIX_ASCII, e: PREFIX_EBCDIC, b: PREFIX_BCD, n: PREFIX_BINARY }[prefix[0] as 'a' | 'e' | 'b' | 'n']
}

/** Bytes on the wire of a value of `length` digits, characters or bytes. */
export function wireBytes(content: number, length: number): number {
  switch (content) {
    case BCD:
    case BCD_RIGHT:
    case TRACK2:
    case TRACK2_EQUALS:
      return (length + 1) >> 1
    case HEX_ASCII:
      return length * 2
    case SIGNED_BCD:
      return length === 0 ? 0 : 1 + (length >> 1)
    default:
      return length
  }
}

/** Whether values of the content are bytes. */
export function isBinary(content: number): boolean {
  return content === BINARY || content === HEX_ASCII || content === BER_LENGTH
}

/** Whether a number 0 to 9999 is a message type that exists; see {@link isMessageType}. */
const messageTypes: Uint8Array = Uint8Array.from({ length: 10_000 }, (_, value) =>
  /^[01289][1-8]\d\d$/.test(String(value).padStart(4, '0')) ? 1 : 0,
)

/**
 * Whether a number can be a message type: version 0, 1, 2 (ISO 8583:1987, 1993, 2003) or 8, 9 (national and private
 * use), class 1 to 8.
 */
export function isMessageType(value: number): boolean {
  return messageTypes[value] === 1
}
