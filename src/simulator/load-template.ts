import { formatBitmapped } from '../iso8583/composites.ts'
import type { Dialect, FieldValues } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import { formatVisaHeaderInto, newVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { type FramingName, frameHeaderInto, framings } from '../link/framing.ts'
import { encodeTpdu, TPDU_BYTES } from '../link/tpdu.ts'
import { panOf } from './demo-world.ts'
import type { LoadContent, LoadDialect, LoadPlace } from './load-mix.ts'

/** How digits lie on the wire. */
type DigitForm = 'ascii' | 'bcd' | 'ebcdic'

interface DigitField {
  /** Position of the first digit's byte in the frame; -1 = the message has no such field. */
  readonly at: number
  readonly form: DigitForm
}

/** What changes from message to message. */
export interface MessageNumbers {
  householdId: number
  /** Last digit of the PAN. */
  checkDigit: number
  /** DE7 as a number, MMDDhhmmss. */
  transmission: number
  /** DE12 hhmmss and DE13 MMDD, as numbers. */
  localTime: number
  localDate: number
  stan: number
  /** Last eight digits of DE37 and of DE62.2. */
  sequence: number
  /** DE90 of a reversal. */
  originalStan: number
  originalTransmission: number
}

export const framingOf: Readonly<Record<LoadDialect, FramingName>> = {
  'iso87-ascii': 'len2',
  'iso87-bcd': 'len2',
  'visa-base1': 'visa',
}

const SOURCE_STATION = '400101'
const DESTINATION_STATION = '400102'
/** Expiry of the cards of the bench's world. */
const EXPIRY = '3012'
const ADVICE_ACQUIRER_DIGITS = 11

/** Digits of the run at the start of DE37; the sequence has the other eight. */
export const RUN_DIGITS = 4

/** Where a template's message comes from and what it says. */
export interface TemplateSource {
  readonly dialect: LoadDialect
  readonly place: LoadPlace
  readonly content: LoadContent
  /** MTI of the message that this one reverses. */
  readonly originalMti?: string
  /** Number of the run, the same in all its messages. */
  readonly run: number
}

/** A message encoded once, as a whole frame; a copy of it gets its numbers written over the digits. */
export class MessageTemplate {
  readonly source: TemplateSource
  readonly frame: Buffer
  readonly #pan: DigitField
  readonly #transmission: DigitField
  readonly #stan: DigitField
  readonly #localTime: DigitField
  readonly #localDate: DigitField
  readonly #rrn: DigitField
  readonly #networkReference: DigitField
  readonly #original: DigitField

  constructor(source: TemplateSource) {
    this.source = source
    const dialect = dialectOf(source.dialect)
    const message = dialect.encode(source.content.mti, fieldsOf(source))
    const { frame, start } = frameOf(source.dialect, message)
    this.frame = frame
    const find = digitFinder(dialect, message, start)
    this.#pan = find(2)
    this.#transmission = find(7)
    this.#stan = find(11)
    this.#localTime = find(12)
    this.#localDate = find(13)
    this.#rrn = find(37)
    this.#networkReference = find(62)
    this.#original = find(90)
  }

  /** Writes the frame with its numbers; returns the position behind it. */
  write(target: Buffer, at: number, numbers: MessageNumbers): number {
    const { frame } = this
    frame.copy(target, at)
    // PAN: 400000, nine digits of the household, the check digit.
    const card = numbers.householdId * 10 + numbers.checkDigit
    put(target, at, this.#pan, 6, 10, card)
    put(target, at, this.#transmission, 0, 10, numbers.transmission)
    put(target, at, this.#stan, 0, 6, numbers.stan)
    put(target, at, this.#localTime, 0, 6, numbers.localTime)
    put(target, at, this.#localDate, 0, 4, numbers.localDate)
    put(target, at, this.#rrn, RUN_DIGITS, 8, numbers.sequence)
    if (this.#networkReference.at >= 0) put(target, at, this.#networkReference, 0, 8, numbers.sequence)
    if (this.#original.at >= 0) {
      put(target, at, this.#original, 4, 6, numbers.originalStan)
      put(target, at, this.#original, 10, 10, numbers.originalTransmission)
    }
    return at + frame.length
  }
}

/** A shipped dialect by its name. */
export function dialectOf(name: LoadDialect): Dialect {
  const dialect = dialects[name]
  if (dialect === undefined) throw new RangeError(`there is no dialect ${name}`)
  return dialect
}

/** Every message of a dialect has the same fields up to DE37, so that DE37 of all answers lies at one place. */
export function fieldsOf({ dialect, place, content, originalMti, run }: TemplateSource): FieldValues {
  const visa = dialect === 'visa-base1'
  const fields: FieldValues = []
  fields[2] = panOf(1)
  fields[3] = content.processingCode
  fields[4] = String(content.amountPiasters).padStart(12, '0')
  fields[7] = '0101000000'
  fields[11] = '000000'
  fields[12] = '000000'
  fields[13] = '0101'
  fields[14] = EXPIRY
  fields[18] = place.mcc
  if (visa) fields[19] = '818'
  fields[22] = visa ? '0510' : '051'
  fields[25] = '00'
  fields[32] = place.acquirer
  fields[37] = String(run).padStart(RUN_DIGITS, '0').padEnd(12, '0')
  fields[41] = place.terminal
  fields[42] = place.acceptor
  fields[43] = 'BENCH OUTLET             CAIRO        EG'
  if (content.elements !== undefined) fields[48] = content.elements
  fields[49] = '818'
  if (visa) fields[62] = networkReferenceField()
  if (originalMti !== undefined) {
    const acquirer = place.acquirer.padStart(ADVICE_ACQUIRER_DIGITS, '0')
    fields[90] = `${originalMti}${'0'.repeat(16)}${acquirer}${'0'.repeat(ADVICE_ACQUIRER_DIGITS)}`
  }
  return fields
}

function networkReferenceField(): Buffer {
  const parts = dialectOf('visa-base1').subfields(62)
  if (parts?.form !== 'bitmap') throw new RangeError('DE62 of visa-base1 has a bitmap')
  return formatBitmapped(62, parts, new Map([['2', '400000000000000']]))
}

function frameOf(dialect: LoadDialect, message: Buffer): { frame: Buffer; start: number } {
  const framing = framings[framingOf[dialect]]
  const before = dialect === 'visa-base1' ? VISA_HEADER_BYTES : dialect === 'iso87-bcd' ? TPDU_BYTES : 0
  const frame = Buffer.alloc(framing.headerBytes + before + message.length)
  const at = frameHeaderInto(framing, frame, 0, before + message.length)
  if (dialect === 'visa-base1') {
    formatVisaHeaderInto(newVisaHeader(SOURCE_STATION, DESTINATION_STATION), message.length, frame, at)
  }
  if (dialect === 'iso87-bcd') encodeTpdu({ id: 0x60, destination: 0x0001, source: 0x0002 }).copy(frame, at)
  message.copy(frame, at + before)
  return { frame, start: at + before }
}

/** Where a message's fields of digits lie, in a frame in which the message begins at `start`. */
export function digitFinder(dialect: Dialect, message: Buffer, start: number): (de: number) => DigitField {
  const offsets = new Map(
    dialect
      .decode(message)
      .offsets()
      .map((entry) => [entry.field, entry]),
  )
  return (de) => {
    const found = offsets.get(String(de))
    if (found === undefined) return { at: -1, form: 'ascii' }
    const content = dialect.field(de)?.content ?? ''
    const form = content === 'ebcdic' ? 'ebcdic' : content.startsWith('bcd') || content === 'binary' ? 'bcd' : 'ascii'
    // DE62 of Visa: its only part, 15 digits in 8 bytes, is at the end; the last eight digits are the sequence.
    const at = de === 62 ? found.offset + found.lengthBytes + found.dataBytes - 4 : found.offset + found.lengthBytes
    return { at: start + at, form }
  }
}

/** Writes `digits` digits of a field from its digit `skip` on; packed fields have even positions and counts here. */
function put(target: Buffer, base: number, field: DigitField, skip: number, digits: number, value: number): void {
  let rest = value
  if (field.form === 'bcd') {
    const first = base + field.at + skip / 2
    for (let at = first + digits / 2 - 1; at >= first; at--) {
      const tens = Math.floor(rest / 10)
      const hundreds = Math.floor(rest / 100)
      target[at] = ((tens - hundreds * 10) << 4) | (rest - tens * 10)
      rest = hundreds
    }
    return
  }
  const zone = field.form === 'ebcdic' ? 0xf0 : 0x30
  const first = base + field.at + skip
  for (let at = first + digits - 1; at >= first; at--) {
    const tens = Math.floor(rest / 10)
    target[at] = zone | (rest - tens * 10)
    rest = tens
  }
}
