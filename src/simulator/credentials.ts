import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Element } from '../iso8583/tlv.ts'
import type { FingerprintReader } from './fingerprint-reader.ts'
import { type EnteredPin, securityControl } from './pin-pad.ts'

/** Card data that a terminal reads; clear, so of test cards only. */
export interface TestCard {
  readonly pan: string
  /** YYMM */
  readonly expiry: string
  /** Of the stripe. */
  readonly track2: string
  /** Of the chip (tag 57). @default that of the stripe, as some terminals send */
  readonly track2Chip?: string
  /** Card sequence number, two digits. @default none */
  readonly psn?: string
}

/** How the card's data got into the terminal. */
export type CardEntry = 'manual' | 'stripe' | 'chip' | 'contactless'

/** DE22 positions 1 and 2 the entry, 3 whether the terminal takes PINs (visa-base1.md, section 5). */
const entryModes: Readonly<Record<CardEntry, string>> = {
  manual: '012',
  stripe: '901',
  chip: '051',
  contactless: '071',
}

/** A finger on the reader of a terminal. */
export interface FingerprintReading {
  readonly reader: FingerprintReader
  /** Whose finger it is. */
  readonly person: string
  readonly matched: boolean
}

/** What card and cardholder bring to a message. */
export interface Credentials {
  readonly card: TestCard
  /** Track 2 in DE35 and no DE2: the same as `entry: 'stripe'`. */
  readonly swiped?: boolean
  /** @default 'manual' */
  readonly entry?: CardEntry
  /** DE52, with DE53 or DE48 KS. */
  readonly pin?: EnteredPin
  /** DE55 as BER-TLV: what the card's chip made for this one message. */
  readonly chip?: Buffer
  /** DE48 BM. */
  readonly fingerprint?: FingerprintReading
}

/** Card and cardholder are not there any more when a terminal reverses or completes: only the number is known. */
export function withoutCredentials<T extends Credentials>(intent: T): T {
  const { pin: _pin, chip: _chip, fingerprint: _finger, entry: _entry, ...kept } = intent
  return kept as T
}

/** Puts what the terminal reads of the card, and the PIN, into the fields of a dialect. */
export function putCredentials(fields: FieldValues, credentials: Credentials, dialect: Dialect): void {
  const { card, pin, chip, swiped = false, entry = swiped ? 'stripe' : 'manual' } = credentials
  const scheme = dialect.spec.header === 'visa'
  fields[22] = scheme ? `${entryModes[entry]}0` : entryModes[entry]
  if (entry !== 'stripe') {
    fields[2] = card.pan
    fields[14] = card.expiry
  }
  if (entry === 'stripe') fields[35] = card.track2
  if (entry === 'chip' || entry === 'contactless') {
    fields[35] = card.track2Chip ?? card.track2
    if (card.psn !== undefined) fields[23] = card.psn.padStart(3, '0')
  }
  if (chip !== undefined) {
    const form = dialect.subfields(55)
    fields[55] = wrappedChipData(chip, form?.form === 'ber' && form.wrapped === true)
  }
  if (pin === undefined) return
  fields[52] = pin.block
  if (scheme && pin.serial === undefined) fields[53] = securityControl(pin)
}

/** Dataset of the chip data in Visa's DE55 (visa-base1.md, section 9). */
const CHIP_DATASET = 0x01

function wrappedChipData(chip: Buffer, wrapped: boolean): Buffer {
  return wrapped ? Buffer.concat([Buffer.from([CHIP_DATASET, chip.length >> 8, chip.length & 0xff]), chip]) : chip
}

/**
 * DE48 KS and BM.
 * @param fields those that BM is bound to are in already
 */
export function credentialElements(
  { pin, card, fingerprint }: Credentials,
  fields: FieldValues,
  terminalId: string,
): Element[] {
  const elements: Element[] = []
  if (pin?.serial !== undefined) elements.push({ tag: 'KS', value: pin.serial })
  if (fingerprint !== undefined) {
    const { reader, person, matched } = fingerprint
    const boundTo = `${card.pan}|${fields[4] ?? ''}|${fields[11] ?? ''}|${terminalId.padEnd(8)}`
    elements.push({ tag: 'BM', value: reader.read(person, matched, boundTo) })
  }
  return elements
}
