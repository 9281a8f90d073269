import { maskCardNumbers, maskPan } from '../identifiers.ts'
import { printable } from '../printable.ts'
import type { Sensitivity } from './dialect-spec.ts'
import type { Message } from './message.ts'
import type { Subfield } from './subfields.ts'
import { readSubfields } from './subfields.ts'
import type { VisaHeader, VisaReject } from './visa-header.ts'

/** Nothing of a message is left out. */
const WHOLE = Number.POSITIVE_INFINITY

/** Options of {@link describeMessage}. */
export interface DescribeOptions {
  /** shows what is otherwise masked. @default false */
  readonly clear?: boolean
}

/**
 * A message for people: message type, then a line for each field and each of its parts, and at last what is wrong, if
 * anything. PAN, tracks, PIN blocks, the sensitive parts of DE48, 55, 104 and 126, and card numbers in any text are masked
 * unless `clear`.
 */
export function describeMessage(message: Message, options: DescribeOptions = {}): string {
  const clear = options.clear === true
  const lines = [`0   message type ${message.mti === '' ? '(not readable)' : message.mti}`]
  for (const de of message.fieldNumbers()) {
    const spec = message.dialect.field(de)
    lines.push(`${String(de).padEnd(3)} ${spec?.name ?? ''} = ${printable(shownValue(message, de, clear), WHOLE)}`)
    const divided = readSubfields(message, de)
    for (const part of divided?.parts ?? []) lines.push(partLine(message, de, part, clear))
    if (divided?.failure !== undefined) lines.push(`      ${divided.failure.message}`)
  }
  if (message.failure !== undefined) lines.push(`malformed: ${message.failure.message}`)
  return lines.join('\n')
}

function partLine(message: Message, de: number, part: Subfield, clear: boolean): string {
  const value = clear ? part.value : shownPart(message, de, part)
  return `      ${part.path}${part.name === '' ? '' : ` ${part.name}`} = ${printable(value, WHOLE)}`
}

function shownPart(message: Message, de: number, part: Subfield): string {
  const sensitivity = partSensitivity(message, de, part)
  if (sensitivity !== undefined) return maskValue(part.value, sensitivity)
  const form = message.dialect.subfields(de)?.form
  if (form === 'elements' || form === 'datasets') return maskCardNumbers(part.value)
  // A number that goes over the border of two parts is in neither.
  const isCut = form === 'positions' && shownValue(message, de, false) !== message.text(de)
  return isCut ? part.value.replaceAll(/\d/g, '*') : part.value
}

/** A tagged part says itself whether it may be shown; any other part is as sensitive as its field. */
function partSensitivity(message: Message, de: number, part: Subfield): Sensitivity | undefined {
  const form = message.dialect.subfields(de)?.form
  const own = form !== 'positions' && form !== 'amounts'
  return part.sensitivity ?? (own ? undefined : message.dialect.field(de)?.sensitivity)
}

/** Value of a field as it may be shown. */
export function shownValue(message: Message, de: number, clear: boolean): string {
  const value = message.text(de) ?? ''
  const spec = message.dialect.field(de)
  if (clear) return value
  const isFree = spec?.sensitivity === undefined && spec !== undefined && freeText.has(spec.value ?? 'any')
  return isFree ? maskCardNumbers(value) : maskValue(value, spec?.sensitivity)
}

/**
 * Masks a value: a PAN to its first six and last four digits; a track to the masked PAN and nothing of the rest;
 * anything else that is sensitive to its length.
 */
export function maskValue(value: string, sensitivity: Sensitivity | undefined): string {
  if (sensitivity === undefined) return value
  if (sensitivity === 'pan') return maskPan(value)
  if (sensitivity === 'track') {
    const pan = /^%?[A-Z]?(\d{13,19})(?=[=D^])/i.exec(value)?.[1]
    return pan === undefined ? '*'.repeat(value.length) : `${maskPan(pan)}${'*'.repeat(value.length - pan.length)}`
  }
  return '*'.repeat(value.length)
}

/** Kinds of value that may hold what somebody wrote; amounts and references are of other kinds. */
const freeText: ReadonlySet<string> = new Set(['alphanumeric', 'text', 'any'])

/** The Visa header for people, one line; a second line says why a message came back. */
export function describeVisaHeader(header: VisaHeader, reject?: VisaReject): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  const line =
    `header: to ${header.destination}, from ${header.source}, text format ${header.textFormat}, length ` +
    `${header.totalLength}, round trip ${hex(header.roundTrip, 2)}, flags ${hex(header.baseFlags, 4)}, status ` +
    `${hex(header.statusFlags, 6)}, batch ${hex(header.batch, 2)}, reserved ${hex(header.reserved, 6)}, user ` +
    `${hex(header.userInfo, 2)}`
  if (reject === undefined) return line
  return `${line}\nrejected with code ${reject.code}, bitmap ${hex(reject.bitmap, 4)}`
}
