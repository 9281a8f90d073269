import { MizanError } from '../../errors.ts'
import { ebcdicToLatin1 } from '../../iso8583/ebcdic.ts'

/** How the records of a file lie in its bytes. */
export interface Envelope {
  /**
   * `ctf`: records of 168 characters, between a centre and its edit package; `itf`: the same with a hash of two bytes
   * at 3 and 4, between edit package and network, 12 records a block.
   */
  readonly kind: 'ctf' | 'itf'
  readonly encoding: 'ascii' | 'ebcdic'
  /** Bytes of a record with what ends its line. */
  readonly stride: number
  /** Bytes of the record itself. */
  readonly recordBytes: 168 | 170
}

/** Bytes that {@link detectEnvelope} wants to see: two records with their line ends. */
export const ENVELOPE_BYTES = 344
const [CR, LF, ZERO, SPACE] = [0x0d, 0x0a, 0x30, 0x20]
const EBCDIC_NINE = 0xf9
const EBCDIC_ZERO = 0xf0

/**
 * Code page 500, which interchange files use: code page 037 but for seven signs. Letters, digits and everything else
 * stand in the same places.
 */
const codePage500 = Uint8Array.from(ebcdicToLatin1)
for (const [byte, sign] of Object.entries({ 74: '[', 79: '!', 90: ']', 95: '^', 176: '¢', 186: '¬', 187: '|' })) {
  codePage500[Number(byte)] = sign.charCodeAt(0)
}

/** Latin-1 code of each byte of code page 500. */
export const ebcdic500ToLatin1: Uint8Array = codePage500

/**
 * Tells from the beginning of a file how its records lie in it.
 * @param head its first {@link ENVELOPE_BYTES} bytes, or all of a shorter file
 * @param file for the error
 * @throws MizanError BAD_INPUT when it does not begin with a header of clearing records
 */
export function detectEnvelope(head: Uint8Array, file: string): Envelope {
  const encoding = encodingOf(head)
  if (encoding === undefined) {
    throw new MizanError('BAD_INPUT', `${file}: it does not begin with a header record (90), in ASCII or EBCDIC`)
  }
  const digit = (at: number) => isDigit(head[at] ?? 0, encoding)
  const digits = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i).every(digit)
  // The date of the header stands at 9 to 13, two later behind the hash of a record; what is behind it there is blank.
  if (digits(8, 13) && !(digit(13) && digit(14))) return ctfOf(head, encoding, file)
  if (digits(10, 15)) return { kind: 'itf', encoding, stride: 170, recordBytes: 170 }
  throw new MizanError('BAD_INPUT', `${file}: record 1 (90): the processing date is not five digits`)
}

function encodingOf(head: Uint8Array): Envelope['encoding'] | undefined {
  if (head[0] === ZERO + 9 && head[1] === ZERO) return 'ascii'
  if (head[0] === EBCDIC_NINE && head[1] === EBCDIC_ZERO) return 'ebcdic'
  return undefined
}

function ctfOf(head: Uint8Array, encoding: Envelope['encoding'], file: string): Envelope {
  const end = { kind: 'ctf', encoding, recordBytes: 168 } as const
  if (head[168] === CR && head[169] === LF) return { ...end, stride: 170 }
  if (head[168] === LF) return { ...end, stride: 169 }
  if (head.length < 336 || (isDigit(head[168] ?? 0, encoding) && isDigit(head[169] ?? 0, encoding))) {
    return { ...end, stride: 168 }
  }
  throw new MizanError('BAD_INPUT', `${file}: record 1 (90) is not followed by another record or the end of its line`)
}

function isDigit(byte: number, encoding: Envelope['encoding']): boolean {
  const zero = encoding === 'ascii' ? ZERO : EBCDIC_ZERO
  return byte >= zero && byte <= zero + 9
}

/** Whether bytes are what fills up the last block of a file: zeros or blanks of any code. */
export function isPadding(bytes: Uint8Array): boolean {
  const [first] = bytes
  if (first !== 0 && first !== ZERO && first !== SPACE && first !== EBCDIC_ZERO && first !== 0x40 && first !== 0x1a)
    return false
  return bytes.every((byte) => byte === first || byte === CR || byte === LF)
}
