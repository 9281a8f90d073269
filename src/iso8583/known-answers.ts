import type { Dialect } from './dialect.ts'
import type { SubfieldSpec } from './dialect-spec.ts'
import type { Message } from './message.ts'
import { readSubfields } from './subfields.ts'
import type { VisaHeader } from './visa-header.ts'
import { formatVisaHeader, parseVisaHeader, VISA_HEADER_BYTES } from './visa-header.ts'

/** One known answer of a file; see docs/iso8583.md, "Known answers". */
export interface KnownAnswer {
  readonly id: string
  readonly dialect: string
  /** frame, header and message */
  readonly hex: string
  /** where the message begins. @default 0 */
  readonly bodyOffset?: number
  readonly expected: {
    readonly mti?: string
    readonly fields?: Readonly<Record<string, string>>
    /** parts by path, in the form of the file's source; those this program does not divide are not compared */
    readonly subfields?: Readonly<Record<string, string>>
    readonly header?: Readonly<Record<string, string | number>>
    /** present when reading must fail */
    readonly error?: string
    /** data element that is at fault */
    readonly field?: string
  }
}

/**
 * Reads a message whose answer is known and writes it again. Returns what differs, a line each without any value; empty
 * when all is as expected.
 * @param subfields how a field divides where the dialect's own table does not say
 */
export function checkKnownAnswer(
  answer: KnownAnswer,
  dialect: Dialect,
  subfields: (de: number) => SubfieldSpec | undefined = () => undefined,
): string[] {
  const { expected } = answer
  const start = answer.bodyOffset ?? 0
  const bytes = Buffer.from(answer.hex, 'hex')
  if (bytes.length * 2 !== answer.hex.length) return ['hex: not whole bytes of hex digits']
  const message = dialect.decode(bytes, start)
  if (expected.error !== undefined) return checkFailure(message, expected.field)
  if (message.failure !== undefined) return [`not read: ${message.failure.message}`]
  return [
    ...(message.mti === expected.mti ? [] : [`message type: ${message.mti}, expected ${expected.mti}`]),
    ...checkFields(message, expected.fields ?? {}),
    ...checkSubfields(message, expected.subfields ?? {}, subfields),
    ...(expected.header === undefined ? [] : checkHeader(bytes, start, expected.header)),
    ...checkRewrite(message),
  ]
}

function checkFailure(message: Message, field: string | undefined): string[] {
  if (message.failure === undefined) return ['was read, but must be refused']
  if (field === undefined || message.failure.field === field) return []
  return [`refused for field ${message.failure.field}, expected field ${field}`]
}

function checkFields(message: Message, expected: Readonly<Record<string, string>>): string[] {
  const problems: string[] = []
  for (const [key, value] of Object.entries(expected)) {
    const read = message.text(Number(key))
    if (read === undefined) problems.push(`field ${key}: missing`)
    else if (read !== value) problems.push(`field ${key}: differs`)
  }
  for (const de of message.fieldNumbers()) {
    if (expected[de] === undefined) problems.push(`field ${de}: not expected`)
  }
  return problems
}

function checkSubfields(
  message: Message,
  expected: Readonly<Record<string, string>>,
  otherwise: (de: number) => SubfieldSpec | undefined,
): string[] {
  const problems: string[] = []
  for (const [path, value] of Object.entries(expected)) {
    const de = Number.parseInt(path, 10)
    const result = readSubfields(message, de, message.dialect.subfields(de) ?? otherwise(de))
    if (result === undefined) continue
    const read = result.parts.find((part) => part.path === path || part.path === decimalTagPath(path))?.value
    if (read !== undefined && read.toLowerCase() !== value.toLowerCase()) problems.push(`part ${path}: differs`)
    if (read === undefined && result.failure !== undefined) problems.push(`part ${path}: not read`)
  }
  return problems
}

/** Some sources write the path of chip data as data element, dataset, decimal tag: `55.1.40706` for 55.9F02. */
function decimalTagPath(path: string): string | undefined {
  const tag = /^55\.1\.(\d+)$/.exec(path)?.[1]
  return tag === undefined ? undefined : `55.${Number(tag).toString(16).toUpperCase()}`
}

const headerFields: Readonly<Record<string, (header: VisaHeader) => string | number>> = {
  H1_length: () => VISA_HEADER_BYTES,
  H2_format: (header) => hex(header.format, 2),
  H3_textFormat: (header) => header.textFormat,
  H4_totalLength: (header) => header.totalLength,
  H5_destination: (header) => header.destination,
  H6_source: (header) => header.source,
  H7_roundTrip: (header) => hex(header.roundTrip, 2),
  H8_base1Flags: (header) => hex(header.baseFlags, 4),
  H9_statusFlags: (header) => hex(header.statusFlags, 6),
  H10_batch: (header) => hex(header.batch, 2),
  H11_reserved: (header) => hex(header.reserved, 6),
  H12_userInfo: (header) => hex(header.userInfo, 2),
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

function checkHeader(bytes: Buffer, bodyStart: number, expected: Readonly<Record<string, string | number>>): string[] {
  const start = bodyStart - VISA_HEADER_BYTES
  if (start < 0) return ['header: there is none before the message']
  const { header, failure } = parseVisaHeader(bytes, start)
  if (header === undefined) return [`header: ${failure?.message}`]
  const problems: string[] = []
  for (const [key, value] of Object.entries(expected)) {
    const read = headerFields[key]?.(header)
    if (read !== value) problems.push(`header ${key}: ${read}, expected ${value}`)
  }
  const written = formatVisaHeader(header, bytes.length - bodyStart)
  if (!written.equals(bytes.subarray(start, bodyStart))) problems.push('header: written again, the bytes differ')
  return problems
}

function checkRewrite(message: Message): string[] {
  const fields: (string | undefined)[] = []
  for (const de of message.fieldNumbers()) fields[de] = message.text(de)
  const original = message.buffer.subarray(message.start, message.end)
  const written = message.dialect.encode(message.mti, fields, message.bitmaps)
  if (written.equals(original)) return []
  let at = 0
  while (at < written.length && written[at] === original[at]) at++
  return [`written again, the bytes differ from offset ${at} on`]
}
