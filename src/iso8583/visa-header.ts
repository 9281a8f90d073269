import { MizanError } from '../errors.ts'
import { bcdValue, NOT_DIGITS } from './digits.ts'
import type { DecodeFailure } from './failure.ts'
import { failure } from './failure.ts'
import { digitText } from './field-text.ts'

/** Bytes of the header between Visa's framing and the message. */
export const VISA_HEADER_BYTES = 22
/** Bytes of the header that a rejected message comes back with; the original header and message follow it. */
const VISA_REJECT_HEADER_BYTES = 26

/** Bitmap style of DE62, the usual text format. */
const TEXT_FORMAT_BITMAP = 2

/** The header of a Visa message; H numbers as Visa names the fields (docs/iso8583.md, "Visa header"). */
export interface VisaHeader {
  /** H2 header flag and format: 1 */
  readonly format: number
  /** H3 text format: 2 for DE62 with a bitmap, 1 for fixed DE62 */
  readonly textFormat: number
  /** H4 length of header and message as it was received; computed when written */
  readonly totalLength: number
  /** H5 destination station, six digits */
  readonly destination: string
  /** H6 source station, six digits */
  readonly source: string
  /** H7 round-trip control information, 8 bits */
  readonly roundTrip: number
  /** H8 BASE I flags, 16 bits */
  readonly baseFlags: number
  /** H9 message status flags, 24 bits */
  readonly statusFlags: number
  /** H10 batch number, 8 bits */
  readonly batch: number
  /** H11 reserved for Visa, 24 bits */
  readonly reserved: number
  /** H12 user information, 8 bits */
  readonly userInfo: number
}

/** What a reject header adds: our message was refused before it was processed. */
export interface VisaReject {
  /** H13, 16 bits */
  readonly bitmap: number
  /** H14, four digits */
  readonly code: string
  /** header of the message that was refused */
  readonly original: VisaHeader
}

/** Result of {@link parseVisaHeader}. */
export interface VisaHeaderResult {
  /** undefined when it could not be read */
  readonly header: VisaHeader | undefined
  readonly reject: VisaReject | undefined
  /** position of the message type behind the header or headers */
  readonly bodyStart: number
  /** whether H4 is not the length that was received: worth an alarm, but the framing decides */
  readonly lengthDiffers: boolean
  readonly failure: DecodeFailure | undefined
}

/** A header for messages of our own. */
export function newVisaHeader(source: string, destination: string): VisaHeader {
  return {
    format: 1,
    textFormat: TEXT_FORMAT_BITMAP,
    totalLength: 0,
    destination,
    source,
    roundTrip: 0,
    baseFlags: 0,
    statusFlags: 0,
    batch: 0,
    reserved: 0,
    userInfo: 0,
  }
}

/**
 * Reads the 22-byte header, or the 26-byte reject header and the original header behind it. Never throws. Paths of
 * failures are `H1` to `H14`; offsets count from `start`.
 */
export function parseVisaHeader(buffer: Buffer, start = 0, end = buffer.length): VisaHeaderResult {
  const bad = (
    field: string,
    offset: number,
    what: string,
    kind: 'short' | 'content' = 'content',
  ): VisaHeaderResult => ({
    header: undefined,
    reject: undefined,
    bodyStart: start,
    lengthDiffers: false,
    failure: failure(kind, field, offset, what),
  })
  if (end - start < VISA_HEADER_BYTES) return bad('H1', 0, 'the header is cut off', 'short')
  const size = buffer[start] as number
  if (size !== VISA_HEADER_BYTES && size !== VISA_REJECT_HEADER_BYTES) return bad('H1', 0, 'must be 22 or 26')
  const rejected = size === VISA_REJECT_HEADER_BYTES
  if (rejected && end - start < VISA_REJECT_HEADER_BYTES + VISA_HEADER_BYTES) {
    return bad('H1', 0, 'the original header is cut off', 'short')
  }
  const problem = headerProblem(buffer, start)
  if (problem !== undefined) return bad(problem[0], problem[1], problem[2])
  const header = readHeader(buffer, start)
  const lengthDiffers = header.totalLength !== end - start
  if (!rejected) {
    return { header, reject: undefined, bodyStart: start + size, lengthDiffers, failure: undefined }
  }
  const inner = start + size
  const innerProblem = headerProblem(buffer, inner)
  if (innerProblem !== undefined) return bad(innerProblem[0], size + innerProblem[1], innerProblem[2])
  if (!areDigits(buffer, start + 24, 2)) return bad('H14', 24, 'must be four digits')
  const reject = {
    bitmap: buffer.readUInt16BE(start + 22),
    code: digitText(buffer, start + 24, 2),
    original: readHeader(buffer, inner),
  }
  return { header, reject, bodyStart: inner + VISA_HEADER_BYTES, lengthDiffers, failure: undefined }
}

/** Field, offset and reason of what cannot be read. */
function headerProblem(buffer: Buffer, at: number): [string, number, string] | undefined {
  const format = buffer[at + 1] as number
  if ((format & 0x80) !== 0) return ['H2', 1, 'a further header is not supported']
  if (format !== 1) return ['H2', 1, 'must be 1']
  const textFormat = buffer[at + 2] as number
  if (textFormat !== 1 && textFormat !== TEXT_FORMAT_BITMAP) return ['H3', 2, 'must be 1 or 2']
  if (!areDigits(buffer, at + 5, 3)) return ['H5', 5, 'must be six digits']
  if (!areDigits(buffer, at + 8, 3)) return ['H6', 8, 'must be six digits']
  return undefined
}

function areDigits(buffer: Buffer, at: number, bytes: number): boolean {
  for (let i = at; i < at + bytes; i++) if (bcdValue[buffer[i] as number] === NOT_DIGITS) return false
  return true
}

function readHeader(buffer: Buffer, at: number): VisaHeader {
  return {
    format: buffer[at + 1] as number,
    textFormat: buffer[at + 2] as number,
    totalLength: buffer.readUInt16BE(at + 3),
    destination: digitText(buffer, at + 5, 3),
    source: digitText(buffer, at + 8, 3),
    roundTrip: buffer[at + 11] as number,
    baseFlags: buffer.readUInt16BE(at + 12),
    statusFlags: buffer.readUIntBE(at + 14, 3),
    batch: buffer[at + 17] as number,
    reserved: buffer.readUIntBE(at + 18, 3),
    userInfo: buffer[at + 21] as number,
  }
}

/**
 * Writes the 22-byte header into `target` at `offset`; H4 is computed.
 * @param bodyBytes length of the message that follows
 * @throws MizanError CODEC_ENCODE_FAILED when a value does not fit
 */
export function formatVisaHeaderInto(header: VisaHeader, bodyBytes: number, target: Buffer, offset: number): void {
  writeHeader(header, VISA_HEADER_BYTES, VISA_HEADER_BYTES + bodyBytes, target, offset)
}

/** Writes the 22-byte header; see {@link formatVisaHeaderInto}. */
export function formatVisaHeader(header: VisaHeader, bodyBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(VISA_HEADER_BYTES)
  formatVisaHeaderInto(header, bodyBytes, bytes, 0)
  return bytes
}

function writeHeader(header: VisaHeader, size: number, total: number, target: Buffer, at: number): void {
  if (total > 0xffff || at + size > target.length) throw new MizanError('CODEC_ENCODE_FAILED', 'H4: too long')
  target[at] = size
  target[at + 1] = header.format
  target[at + 2] = header.textFormat
  target.writeUInt16BE(total, at + 3)
  writeStation(header.destination, 'H5', target, at + 5)
  writeStation(header.source, 'H6', target, at + 8)
  target[at + 11] = header.roundTrip
  target.writeUInt16BE(header.baseFlags, at + 12)
  target.writeUIntBE(header.statusFlags, at + 14, 3)
  target[at + 17] = header.batch
  target.writeUIntBE(header.reserved, at + 18, 3)
  target[at + 21] = header.userInfo
}

function writeStation(station: string, field: string, target: Buffer, at: number): void {
  if (!/^\d{6}$/.test(station)) throw new MizanError('CODEC_ENCODE_FAILED', `${field}: must be six digits`)
  for (let i = 0; i < 3; i++) {
    target[at + i] = ((station.charCodeAt(2 * i) & 15) << 4) | (station.charCodeAt(2 * i + 1) & 15)
  }
}

/**
 * Header of the answer to a request: source and destination change places, the text format, flags, batch number and
 * user information are repeated, the length is computed when it is written.
 */
export function answerHeader(request: VisaHeader): VisaHeader {
  return { ...request, totalLength: 0, destination: request.source, source: request.destination }
}

/**
 * Writes what sends a message back as rejected: the reject header, then the message as it came, header included.
 * @param message header and body as received
 * @param code reject code of H14, four digits
 * @throws MizanError CODEC_ENCODE_FAILED when a value does not fit
 */
export function formatReject(original: VisaHeader, message: Buffer, code: string, bitmap = 0): Buffer {
  if (!/^\d{4}$/.test(code)) throw new MizanError('CODEC_ENCODE_FAILED', 'H14: must be four digits')
  const bytes = Buffer.allocUnsafe(VISA_REJECT_HEADER_BYTES + message.length)
  writeHeader(answerHeader(original), VISA_REJECT_HEADER_BYTES, bytes.length, bytes, 0)
  bytes.writeUInt16BE(bitmap, 22)
  bytes.write(code, 24, 'hex')
  message.copy(bytes, VISA_REJECT_HEADER_BYTES)
  return bytes
}
