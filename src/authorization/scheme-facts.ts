import { parseChipData } from '../iso8583/ber-tlv.ts'
import { parsePositions } from '../iso8583/composites.ts'
import type { Message } from '../iso8583/message.ts'
import type { AuthorizationRequest } from './request.ts'

/**
 * What a message over the card scheme's rail says that no decision needs and its clearing file does: the circumstances,
 * the merchant as the acquirer names it, and the data of the chip. Never a card number, a track, a PIN or a name of a
 * person.
 */
export interface SchemeFacts {
  /** DE22, first two digits: how the card was read. */
  readonly entryMode?: string
  /** DE23, three digits. */
  readonly cardSequence?: string
  /** DE43. */
  readonly merchant?: { readonly name: string; readonly city: string; readonly country: string }
  /** DE60.2: how the terminal can read cards. */
  readonly terminalCapability?: string
  /** DE60.3: why a chip was not read. */
  readonly chipCondition?: string
  /** DE60.8, two digits: by mail, telephone or over the internet. */
  readonly remoteOrder?: string
  /** DE60.9. */
  readonly cardholderIdMethod?: string
  /** DE62.1. */
  readonly characteristics?: string
  /** DE62.3. */
  readonly validationCode?: string
  /** DE62.4. */
  readonly marketData?: string
  /** Which of how many captures of a hold it is. */
  readonly capture?: { readonly sequence: number; readonly count: number }
  /** Of DE55, by tag in hex: each as long as the scheme's file takes it, in hex. */
  readonly chip?: Readonly<Record<string, string>>
}

/**
 * Objects of chip data that the scheme's file has a place for, and how many bytes of each (EMV Book 3 annex A): what is
 * of another length is something else, and may be anything.
 */
const chipTagBytes: Readonly<Record<string, number>> = {
  '82': 2,
  '95': 5,
  '9A': 3,
  '9C': 1,
  '5F34': 1,
  '9F02': 6,
  '9F10': 32,
  '9F1A': 2,
  '9F1E': 8,
  '9F26': 8,
  '9F33': 3,
  '9F36': 2,
  '9F37': 4,
  '9F5B': 5,
  '9F6E': 4,
}
/** Of these there may be more or less. */
const varying: readonly string[] = ['9F10', '9F5B', '9F6E']
const SERIAL_NUMBER = '9F1E'
const ALPHANUMERIC = /^[A-Za-z0-9 -]*$/
const [NAME_END, CITY_END, COUNTRY_END] = [25, 38, 40]
/** Longer runs of digits have no place in a merchant's name: they might be a card's. */
const LONG_NUMBER = /\d{11,}/g

/**
 * Reads what only the scheme's clearing file needs. Never throws: what is malformed is left out.
 * @param service DE62 by part
 * @returns JSON of {@link SchemeFacts}; undefined when the message says nothing of it
 */
export function schemeFactsText(
  message: Message,
  service: ReadonlyMap<string, string> | undefined,
  capture: AuthorizationRequest['capture'],
): string | undefined {
  const point = positionsOf(message, 60)
  const facts: { [K in keyof SchemeFacts]: SchemeFacts[K] | undefined } = {
    entryMode: message.text(22)?.slice(0, 2),
    cardSequence: message.text(23),
    merchant: merchantOf(message),
    terminalCapability: point?.get('2'),
    chipCondition: point?.get('3'),
    remoteOrder: point?.get('8'),
    cardholderIdMethod: point?.get('9'),
    characteristics: service?.get('1'),
    validationCode: service?.get('3'),
    marketData: service?.get('4'),
    capture,
    chip: chipOf(message),
  }
  const text = JSON.stringify(facts)
  return text === '{}' ? undefined : text
}

/** What {@link schemeFactsText} wrote; nothing for a message that said nothing. */
export function schemeFactsOf(text: string | null): SchemeFacts {
  return text === null ? {} : (JSON.parse(text) as SchemeFacts)
}

function positionsOf(message: Message, de: number): ReadonlyMap<string, string> | undefined {
  const spec = message.has(de) ? message.dialect.subfields(de) : undefined
  return spec?.form === 'positions' ? parsePositions(spec.parts, message.text(de) ?? '') : undefined
}

function merchantOf(message: Message): SchemeFacts['merchant'] {
  const text = message.text(43)
  if (text === undefined || text.trim() === '') return undefined
  const part = (from: number, to: number) => text.slice(from, to).replaceAll(LONG_NUMBER, '').trim()
  return { name: part(0, NAME_END), city: part(NAME_END, CITY_END), country: part(CITY_END, COUNTRY_END) }
}

function chipOf(message: Message): SchemeFacts['chip'] {
  const bytes = message.bytes(55)
  if (bytes === undefined) return undefined
  const spec = message.dialect.subfields(55)
  const { list } = parseChipData(bytes, spec?.form === 'ber' && spec.wrapped === true)
  const chip: Record<string, string> = {}
  for (const { tag, value } of list) {
    const most = chipTagBytes[tag]
    if (most === undefined || (value.length !== most && !varying.includes(tag))) continue
    if (tag === SERIAL_NUMBER && !ALPHANUMERIC.test(value.toString('latin1'))) continue
    chip[tag] = value.toString('hex', 0, Math.min(most, value.length)).toUpperCase()
  }
  return chip['9F26'] === undefined ? undefined : chip
}
