import { assert } from '../errors.ts'
import { formatBerTlv } from '../iso8583/ber-tlv.ts'
import { ChipTags } from '../iso8583/chip-tags.ts'
import type { TagLookup } from '../security/emv/cryptogram-data.ts'
import { PSN } from './demo-issuer.ts'

/** Cryptogram versions of demo cards: what vendors call CVN 10, CVN 18, and hex 22. */
export const chipVersions = [0x0a, 0x12, 0x22] as const
export type ChipVersion = (typeof chipVersions)[number]

/** Cryptogram version of a household's card: the three go round. */
export function chipVersionOf(householdId: number): ChipVersion {
  return chipVersions[householdId % chipVersions.length] as ChipVersion
}

/** Which of the issuer's master keys the cards were made with. */
const KEY_INDEX = 0x01
/** Card verification results (VIS 1.6): the first cryptogram, and no second one yet. */
const ONLINE_REQUESTED = 0xa0
const DECLINED_OFFLINE = 0x80
const TRY_LIMIT_EXCEEDED = 0x40
const AUTHENTICATION_FAILED = 0x08
/**
 * Terminal verification results: byte 1, offline authentication was not performed; byte 3, an online PIN was entered.
 */
const NOT_AUTHENTICATED_OFFLINE = 0x80
const ONLINE_PIN_ENTERED = 0x04
/** Cardholder verification results: enciphered PIN verified online, outcome not known to the terminal; or none. */
const ONLINE_PIN_CVM = [0x02, 0x00, 0x00]
const NO_CVM = [0x1f, 0x00, 0x00]

/** Issuer application data of a version, card verification results as on a card's first transaction. */
function issuerData(version: ChipVersion): Buffer {
  if (version !== 0x22) return Buffer.from([0x06, KEY_INDEX, version, 0x03, ONLINE_REQUESTED, 0, 0])
  const data = Buffer.alloc(32)
  data.set([0x1f, version, KEY_INDEX, ONLINE_REQUESTED])
  return data
}

/** Cryptogram information data (9F27): the card asks the issuer, or has declined by itself. */
const REQUEST_CRYPTOGRAM = 0x80
const DECLINE_CRYPTOGRAM = 0x00

/** What the card has found in its own memory, for its verification results. */
export interface CardFindings {
  /** The card declines by itself. */
  readonly declined: boolean
  readonly tryLimitExceeded: boolean
  /** The issuer's last answer was not the issuer's. */
  readonly authenticationFailed: boolean
  /** Script commands of the last transaction that were carried out, 0 to 15. */
  readonly scriptCommands: number
}

/**
 * Chip data (DE55) of one version as one array whose values are written over for each transaction: a load generator
 * makes thousands a second. Terminal in Egypt (818), amounts in pounds.
 */
export class ChipRecord {
  readonly version: ChipVersion
  /** The whole BER-TLV. */
  readonly bytes: Buffer
  /** Finds a value, a view of {@link bytes}. */
  readonly value: TagLookup
  /** Tag 9F26, 8 bytes. */
  readonly cryptogram: Uint8Array
  readonly #amount: Uint8Array
  readonly #otherAmount: Uint8Array
  readonly #results: Uint8Array
  readonly #date: Uint8Array
  readonly #type: Uint8Array
  readonly #unpredictable: Uint8Array
  readonly #counter: Uint8Array
  readonly #issuerData: Uint8Array
  readonly #method: Uint8Array
  readonly #kind: Uint8Array

  constructor(version: ChipVersion) {
    this.version = version
    this.bytes = formatBerTlv([
      { tag: '9F02', value: Buffer.alloc(6) },
      { tag: '9F03', value: Buffer.alloc(6) },
      { tag: '9F1A', value: Buffer.from('0818', 'hex') },
      { tag: '95', value: Buffer.from([NOT_AUTHENTICATED_OFFLINE, 0, 0, 0, 0]) },
      { tag: '5F2A', value: Buffer.from('0818', 'hex') },
      { tag: '9A', value: Buffer.alloc(3) },
      { tag: '9C', value: Buffer.alloc(1) },
      { tag: '9F37', value: Buffer.alloc(4) },
      { tag: '82', value: Buffer.from('1C00', 'hex') },
      { tag: '9F36', value: Buffer.alloc(2) },
      { tag: '9F10', value: issuerData(version) },
      { tag: '9F26', value: Buffer.alloc(8) },
      { tag: '9F27', value: Buffer.from([REQUEST_CRYPTOGRAM]) },
      { tag: '9F33', value: Buffer.from('E040C8', 'hex') },
      { tag: '9F34', value: Buffer.from(NO_CVM) },
      { tag: '9F35', value: Buffer.from([0x22]) },
      { tag: '5F34', value: Buffer.from(PSN, 'hex') },
      { tag: '84', value: Buffer.from('A0000000031010', 'hex') },
    ])
    this.value = valuesOf(this.bytes)
    const view = (tag: number): Uint8Array => {
      const found = this.value(tag)
      assert(found !== undefined, 'the chip data has all its tags')
      return found
    }
    this.#amount = view(0x9f02)
    this.#otherAmount = view(0x9f03)
    this.#results = view(0x95)
    this.#date = view(0x9a)
    this.#type = view(0x9c)
    this.#unpredictable = view(0x9f37)
    this.#counter = view(0x9f36)
    this.#issuerData = view(0x9f10)
    this.#method = view(0x9f34)
    this.#kind = view(0x9f27)
    this.cryptogram = view(0x9f26)
  }

  /** @param other the cash part, of which `piasters` is the whole */
  setAmounts(piasters: number, other: number): void {
    putDigits(this.#amount, piasters)
    putDigits(this.#otherAmount, other)
  }

  /** @param date as the number yymmdd @param type first two digits of DE3, as a number */
  setKind(date: number, type: number): void {
    putDigits(this.#date, date)
    putDigits(this.#type, type)
  }

  /** @param unpredictable 32 bits */
  setTransaction(counter: number, unpredictable: number): void {
    this.#counter[0] = counter >>> 8
    this.#counter[1] = counter
    for (let at = 0; at < 4; at++) this.#unpredictable[at] = unpredictable >>> (24 - 8 * at)
  }

  /** Says whether the cardholder typed a PIN that goes to the issuer. */
  setOnlinePin(entered: boolean): void {
    this.#results[2] = entered ? ONLINE_PIN_ENTERED : 0
    this.#method.set(entered ? ONLINE_PIN_CVM : NO_CVM)
  }

  /** The five bytes of results of version hex 22 begin as the three of the others do. */
  setFindings({ declined, tryLimitExceeded, authenticationFailed, scriptCommands }: CardFindings): void {
    const resultsAt = this.version === 0x22 ? 3 : 4
    this.#kind[0] = declined ? DECLINE_CRYPTOGRAM : REQUEST_CRYPTOGRAM
    this.#issuerData[resultsAt] = declined ? DECLINED_OFFLINE : ONLINE_REQUESTED
    const second = (tryLimitExceeded ? TRY_LIMIT_EXCEEDED : 0) | (authenticationFailed ? AUTHENTICATION_FAILED : 0)
    this.#issuerData[resultsAt + 1] = second
    this.#issuerData[resultsAt + 2] = scriptCommands << 4
  }
}

/** Finds values of chip data by tag; made once for bytes that stay where they are. */
function valuesOf(bytes: Buffer): TagLookup {
  const tags = new ChipTags()
  assert(tags.read(bytes), 'the chip data is well formed')
  const values = new Map<number, Uint8Array>()
  for (const tag of DATA_TAGS) {
    const found = tags.value(tag)
    if (found !== undefined) values.set(tag, found)
  }
  return (tag) => values.get(tag)
}

const DATA_TAGS = [
  0x9f02, 0x9f03, 0x9f1a, 0x95, 0x5f2a, 0x9a, 0x9c, 0x9f37, 0x82, 0x9f36, 0x9f10, 0x9f26, 0x9f27, 0x9f34,
]

/** Writes a number as packed digits. */
function putDigits(target: Uint8Array, value: number): void {
  let rest = value
  for (let at = target.length - 1; at >= 0; at--) {
    const tens = Math.floor(rest / 10)
    const hundreds = Math.floor(rest / 100)
    target[at] = ((tens - hundreds * 10) << 4) | (rest - tens * 10)
    rest = hundreds
  }
}
