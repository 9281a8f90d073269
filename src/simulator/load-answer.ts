import type { FieldValues } from '../iso8583/dialect.ts'
import { VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { TPDU_BYTES } from '../link/tpdu.ts'
import type { LoadDialect } from './load-mix.ts'
import {
  CHIP_DATASET_HEAD,
  dialectOf,
  digitFinder,
  fieldsOf,
  type MessageTemplate,
  RUN_DIGITS,
} from './load-template.ts'

/** What the load reads of an answer. */
export interface AnswerValues {
  sequence: number
  /** Number of the run, from the start of DE37. */
  run: number
  /** The two characters of DE39 as char codes: first × 256 + second. */
  responseCode: number
  /** DE38 as a number in base 36; -1 without. */
  approvalCode: number
  amountPiasters: number
}

const BIT_38_BYTE = 4
const BIT_38_MASK = 0x04
const HEX_DIGIT_38 = 9
const HEX_MASK_38 = 0x4
const HEX_MASK_1 = 0x8

/** Reads answers of one dialect at known positions, without decoding them. */
export class AnswerReader {
  readonly #bitmapAt: number
  readonly #hexBitmap: boolean
  readonly #bitmapBytes: number
  readonly #amountAt: number
  readonly #amountBcd: boolean
  readonly #rrnAt: number
  readonly #ebcdic: boolean

  /** @param template any message of the dialect: its answer shows where the fields lie */
  constructor(template: MessageTemplate) {
    const name = template.source.dialect
    const dialect = dialectOf(name)
    const asked = fieldsOf(template.source)
    const answer: FieldValues = []
    for (const de of dialect.answerEcho) if (asked[de] !== undefined && de <= 64) answer[de] = asked[de]
    answer[38] = 'AAAAAA'
    answer[39] = '00'
    const message = dialect.encode('0210', answer)
    const before = name === 'visa-base1' ? VISA_HEADER_BYTES : name === 'iso87-bcd' ? TPDU_BYTES : 0
    const find = digitFinder(dialect, message, before)
    this.#hexBitmap = dialect.spec.bitmap !== 'bin8'
    this.#bitmapBytes = this.#hexBitmap ? 16 : 8
    this.#bitmapAt = before + (name === 'iso87-ascii' ? 4 : 2)
    this.#amountAt = find(4).at
    this.#amountBcd = find(4).form === 'bcd'
    this.#rrnAt = find(37).at
    this.#ebcdic = find(37).form === 'ebcdic'
  }

  /** Reads a frame without its framing header into `values`; false when it is too short to be an answer. */
  read(frame: Buffer, values: AnswerValues): boolean {
    const bitmapAt = this.#bitmapAt
    if (frame.length < bitmapAt + this.#bitmapBytes) return false
    const first = this.#bitmapByte(frame, bitmapAt, 0, HEX_MASK_1, 0, 0x80)
    const shift = first ? this.#bitmapBytes : 0
    const approved = this.#bitmapByte(frame, bitmapAt, HEX_DIGIT_38, HEX_MASK_38, BIT_38_BYTE, BIT_38_MASK)
    const rrnAt = this.#rrnAt + shift
    const codeAt = rrnAt + 12 + (approved ? 6 : 0)
    if (frame.length < codeAt + 2) return false
    values.run = digits(frame, rrnAt, RUN_DIGITS)
    values.sequence = digits(frame, rrnAt + RUN_DIGITS, 8)
    values.approvalCode = approved ? this.#base36(frame, rrnAt + 12) : -1
    values.responseCode = this.#character(frame, codeAt) * 256 + this.#character(frame, codeAt + 1)
    const amountAt = this.#amountAt + shift
    values.amountPiasters = this.#amountBcd ? packedDigits(frame, amountAt, 6) : digits(frame, amountAt, 12)
    return true
  }

  #bitmapByte(frame: Buffer, at: number, hexDigit: number, hexMask: number, byte: number, mask: number): boolean {
    if (!this.#hexBitmap) return ((frame[at + byte] as number) & mask) !== 0
    const code = frame[at + hexDigit] as number
    const nibble = code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57
    return (nibble & hexMask) !== 0
  }

  /** ASCII code of a character that is a digit or a capital letter. */
  #character(frame: Buffer, at: number): number {
    const code = frame[at] as number
    if (!this.#ebcdic) return code
    if (code >= 0xf0) return code - 0xf0 + 0x30
    const row = code >>> 4
    const column = code & 15
    return 0x41 + (row === 0xc ? column - 1 : row === 0xd ? column + 8 : column + 16)
  }

  #base36(frame: Buffer, at: number): number {
    let value = 0
    for (let i = at; i < at + 6; i++) {
      const code = this.#character(frame, i)
      value = value * 36 + (code <= 0x39 ? code - 0x30 : code - 0x37)
    }
    return value
  }
}

function digits(frame: Buffer, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 10 + ((frame[i] as number) & 15)
  return value
}

function packedDigits(frame: Buffer, at: number, bytes: number): number {
  let value = 0
  for (let i = at; i < at + bytes; i++) {
    const byte = frame[i] as number
    value = value * 100 + (byte >>> 4) * 10 + (byte & 15)
  }
  return value
}

/** DE55 of an answer as BER-TLV. */
export function chipDataOf(name: LoadDialect, frame: Buffer): Buffer | undefined {
  const visa = name === 'visa-base1'
  const before = visa ? VISA_HEADER_BYTES : name === 'iso87-bcd' ? TPDU_BYTES : 0
  const bytes = dialectOf(name).decode(frame, before).bytes(55)
  return visa ? bytes?.subarray(CHIP_DATASET_HEAD) : bytes
}
