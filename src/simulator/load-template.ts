import { formatBitmapped } from '../iso8583/composites.ts'
import type { Dialect, FieldValues } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import { formatVisaHeaderInto, newVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { type FramingName, frameHeaderInto, framings } from '../link/framing.ts'
import { encodeTpdu, TPDU_BYTES } from '../link/tpdu.ts'
import { ChipRecord, chipVersions } from './chip-record.ts'
import { PSN, SERVICE_CODE } from './demo-issuer.ts'
import { panOf } from './demo-world.ts'
import type { Presented } from './load-chip.ts'
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
  /** The same day as YYMMDD, for the chip. */
  date: number
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
/** DE53 of Visa: zone-encrypted, TDES, ISO format 0, zone key 1. */
const ZONE_PIN_FORMAT_0 = '2001010100000000'

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
  /** Whether the message carries chip data, the chip's track 2 and a PIN. */
  readonly chip: boolean
}

/** A message as a whole frame, and where what changes lies in it. */
interface WireForm {
  readonly frame: Buffer
  readonly pan: DigitField
  readonly transmission: DigitField
  readonly stan: DigitField
  readonly localTime: DigitField
  readonly localDate: DigitField
  readonly rrn: DigitField
  readonly networkReference: DigitField
  readonly original: DigitField
  readonly track2: DigitField
  /** Positions of DE52 and of the BER-TLV in DE55; -1 without. */
  readonly pinAt: number
  readonly chipAt: number
}

/** Where digits of track 2 change: PAN from its seventh digit; PVKI, PVV and CVV behind the service code. */
const TRACK2_PAN_AT = 6
const TRACK2_VALUES_AT = 24
/** Identifier and length of the dataset around Visa's chip data. */
export const CHIP_DATASET_HEAD = 3

/** A message encoded once, as a whole frame; a copy of it gets its numbers written over the digits. */
export class MessageTemplate {
  readonly source: TemplateSource
  /** One for each length of chip data; one where there are none. */
  readonly #forms: readonly WireForm[]
  readonly #hex: boolean

  constructor(source: TemplateSource) {
    this.source = source
    this.#hex = source.dialect === 'iso87-ascii'
    this.#forms = source.chip
      ? chipVersions.map((version) => wireForm(source, new ChipRecord(version).bytes))
      : [wireForm(source, undefined)]
  }

  /**
   * Writes the frame with its numbers; returns the position behind it.
   * @param presented the card of the numbers; needed where the message carries chip data
   */
  write(target: Buffer, at: number, numbers: MessageNumbers, presented?: Presented): number {
    const form = this.#forms[presented?.form ?? 0] as WireForm
    form.frame.copy(target, at)
    // PAN: 400000, nine digits of the household, the check digit.
    const card = numbers.householdId * 10 + numbers.checkDigit
    put(target, at, form.pan, 6, 10, card)
    put(target, at, form.transmission, 0, 10, numbers.transmission)
    put(target, at, form.stan, 0, 6, numbers.stan)
    put(target, at, form.localTime, 0, 6, numbers.localTime)
    put(target, at, form.localDate, 0, 4, numbers.localDate)
    put(target, at, form.rrn, RUN_DIGITS, 8, numbers.sequence)
    if (form.networkReference.at >= 0) put(target, at, form.networkReference, 0, 8, numbers.sequence)
    if (form.original.at >= 0) {
      put(target, at, form.original, 4, 6, numbers.originalStan)
      put(target, at, form.original, 10, 10, numbers.originalTransmission)
    }
    if (presented !== undefined && form.chipAt >= 0) {
      put(target, at, form.track2, TRACK2_PAN_AT, 10, card)
      put(target, at, form.track2, TRACK2_VALUES_AT, 8, presented.discretionary)
      this.#putBytes(target, at + form.pinAt, presented.pinBlock)
      this.#putBytes(target, at + form.chipAt, presented.chipData)
    }
    return at + form.frame.length
  }

  #putBytes(target: Buffer, at: number, bytes: Uint8Array): void {
    if (!this.#hex) {
      target.set(bytes, at)
      return
    }
    for (let from = 0, to = at; from < bytes.length; from++, to += 2) {
      const byte = bytes[from] as number
      target[to] = hexDigits[byte >>> 4] as number
      target[to + 1] = hexDigits[byte & 15] as number
    }
  }
}

const hexDigits = Uint8Array.from('0123456789ABCDEF', (digit) => digit.charCodeAt(0))

function wireForm(source: TemplateSource, chipData: Buffer | undefined): WireForm {
  const dialect = dialectOf(source.dialect)
  const message = dialect.encode(source.content.mti, fieldsOf(source, chipData))
  const { frame, start } = frameOf(source.dialect, message)
  const find = digitFinder(dialect, message, start)
  const chipHead = source.dialect === 'visa-base1' ? CHIP_DATASET_HEAD : 0
  return {
    frame,
    pan: find(2),
    transmission: find(7),
    stan: find(11),
    localTime: find(12),
    localDate: find(13),
    rrn: find(37),
    networkReference: find(62),
    original: find(90),
    track2: find(35),
    pinAt: find(52).at,
    chipAt: chipData === undefined ? -1 : find(55).at + chipHead,
  }
}

/** A shipped dialect by its name. */
export function dialectOf(name: LoadDialect): Dialect {
  const dialect = dialects[name]
  if (dialect === undefined) throw new RangeError(`there is no dialect ${name}`)
  return dialect
}

/**
 * Every answer of a dialect has the same fields up to DE37, so that DE37 of all answers lies at one place.
 * @param chipData what the card's chip gives; undefined = the card's number is typed
 */
export function fieldsOf(source: TemplateSource, chipData?: Buffer): FieldValues {
  const { dialect, place, content, originalMti, run } = source
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
  const entry = chipData === undefined ? '012' : '051'
  fields[22] = visa ? `${entry}0` : entry
  fields[25] = '00'
  fields[32] = place.acquirer
  fields[37] = String(run).padStart(RUN_DIGITS, '0').padEnd(12, '0')
  fields[41] = place.terminal
  fields[42] = place.acceptor
  fields[43] = 'BENCH OUTLET             CAIRO        EG'
  if (content.elements !== undefined) fields[48] = content.elements
  fields[49] = '818'
  if (chipData !== undefined) putChip(fields, chipData, visa)
  if (visa) fields[62] = networkReferenceField()
  if (originalMti !== undefined) {
    const acquirer = place.acquirer.padStart(ADVICE_ACQUIRER_DIGITS, '0')
    fields[90] = `${originalMti}${'0'.repeat(16)}${acquirer}${'0'.repeat(ADVICE_ACQUIRER_DIGITS)}`
  }
  return fields
}

function putChip(fields: FieldValues, chipData: Buffer, visa: boolean): void {
  const head = Buffer.from([0x01, chipData.length >> 8, chipData.length & 0xff])
  fields[23] = PSN.padStart(3, '0')
  fields[35] = `${panOf(1)}=${EXPIRY}${SERVICE_CODE}0000000000`
  fields[52] = new Uint8Array(8)
  if (visa) fields[53] = ZONE_PIN_FORMAT_0
  fields[55] = visa ? Buffer.concat([head, chipData]) : chipData
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

const packed = /^(bcd|binary|track2$)/

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
    const form = content === 'ebcdic' ? 'ebcdic' : packed.test(content) ? 'bcd' : 'ascii'
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
