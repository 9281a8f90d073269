/**
 * The format of a dialect table: what `schemas/iso8583/*.json` holds. A dialect is data; nothing of a network's fields
 * stands in code.
 */

/** How the bytes of a field's content stand for its value. */
export type Content =
  /** one ASCII byte a character */
  | 'ascii'
  /** one EBCDIC (code page 037) byte a character */
  | 'ebcdic'
  /** packed digits; an odd count has a padding nibble on the left */
  | 'bcd'
  /** packed digits; an odd count has a padding nibble on the right */
  | 'bcd-right'
  /** bytes as they are; the value's text is lower-case hex */
  | 'binary'
  /** bytes written as ASCII hex digits; the value is the same as for `binary` */
  | 'hex-ascii'
  /** packed digits with nibble D as the separator, shown as `D` */
  | 'track2'
  /** the same, shown as `=` */
  | 'track2-eq'
  /** one ASCII sign character, then packed digits */
  | 'signed-bcd'
  /** a two-byte tag, a BER length and that many bytes; the value is all of it, and there is no other length */
  | 'ber-length'

/** Length prefix: ASCII digits, EBCDIC digits, packed digits (bytes), big-endian binary (bytes). */
export type LengthPrefix = 'a1' | 'a2' | 'a3' | 'a4' | 'a5' | 'a6' | 'e1' | 'e2' | 'e3' | 'b1' | 'b2' | 'n1' | 'n2'

/** What a length prefix counts: digits of the value, characters on the wire, or bytes on the wire. */
export type LengthUnit = 'digits' | 'chars' | 'bytes'

/** What characters a value may hold; checked when a message is read and when it is written. */
export type ValueKind =
  /** digits */
  | 'numeric'
  /** C or D, then digits (ISO 8583's x+n) */
  | 'signed-numeric'
  /** letters and spaces */
  | 'alpha'
  /** letters, digits and spaces */
  | 'alphanumeric'
  /** any character but control characters */
  | 'text'
  /** track 2: digits and a separator */
  | 'track'
  /** bytes */
  | 'binary'
  /** not checked */
  | 'any'

/** How a value shorter than its fixed field is completed when it is written. It is never trimmed when read. */
export type Padding = 'none' | 'space-right' | 'space-left' | 'zero-left'

/** Why a field must be masked wherever a message is shown. */
export type Sensitivity = 'pan' | 'track' | 'pin' | 'chip' | 'secret' | 'private' | 'personal'

/** One part of a field made of parts. */
export interface PartSpec {
  /** number of the part: `2` of 62.2 */
  readonly id: string
  readonly name: string
  /** characters or digits of the value; bytes where the content is `binary` */
  readonly length: number
  /** only for parts of a field with its own bitmap; the parts of a positional field are cut from its text */
  readonly content?: 'ebcdic' | 'bcd' | 'binary'
  readonly sensitivity?: Sensitivity
  /** parts of the part, by position */
  readonly parts?: readonly PartSpec[]
}

/** How a field divides further; see `composites.ts` and `tlv.ts`. */
export type SubfieldSpec =
  /** parts at fixed positions of the text; a shorter text ends early */
  | { readonly form: 'positions'; readonly parts: readonly PartSpec[] }
  /** a bitmap of so many bytes, then the present parts */
  | { readonly form: 'bitmap'; readonly bytes: number; readonly parts: readonly PartSpec[] }
  /** BER-TLV chip data, for `wrapped` inside a dataset (identifier 01 and two-byte length) */
  | { readonly form: 'ber'; readonly wrapped?: boolean }
  /** tag 2, length 3 digits, value: DE48 of the domestic dialects */
  | { readonly form: 'elements' }
  /** datasets of one identifier byte and two-byte length: DE104 of Visa */
  | { readonly form: 'datasets' }
  /** groups of 20 characters: DE54 */
  | { readonly form: 'amounts' }

/** One data element. */
export interface FieldSpec {
  readonly name: string
  readonly kind: 'fixed' | 'variable'
  /** longest value (the only length of a fixed field): digits, characters, or bytes for `binary` and `hex-ascii` */
  readonly max: number
  readonly content: Content
  /** length prefix of a variable field */
  readonly length?: LengthPrefix
  readonly lengthUnit?: LengthUnit
  /** @default 'any' */
  readonly value?: ValueKind
  /** @default 'none' */
  readonly pad?: Padding
  /** side of the padding nibble of an odd track 2. @default 'right' */
  readonly oddPad?: 'left' | 'right'
  /** padding nibble of an odd count of digits: `0` or `f`. @default '0' */
  readonly padNibble?: '0' | 'f'
  readonly subfields?: SubfieldSpec
  readonly sensitivity?: Sensitivity
}

/** A dialect: how its messages look on the wire. */
export interface DialectSpec {
  readonly name: string
  readonly description?: string
  readonly mti: 'ascii' | 'bcd' | 'ebcdic'
  /** bitmaps of 8 bytes, of 16 ASCII hex digits, or of 16 EBCDIC hex digits */
  readonly bitmap: 'bin8' | 'hex16' | 'ebchex'
  /** bit 1 of a bitmap announces the next one, up to this many. @default 2 */
  readonly maxBitmaps?: number
  /** always this many bitmaps, and bit 1 announces nothing */
  readonly fixedGroups?: number
  /** header between the framing and the message */
  readonly header?: 'visa'
  /** what an answer repeats from its request, where the request has it */
  readonly answer?: { readonly echo: readonly number[] }
  readonly fields: Readonly<Record<string, FieldSpec>>
}

/** Highest data element: three bitmaps of 64. */
export const FIELD_MAX = 192

/** Length in characters of a list of parts. */
export function partsLength(parts: readonly PartSpec[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}
