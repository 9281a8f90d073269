import { assert, MizanError } from '../../errors.ts'
import type { DesKey } from '../primitives/des.ts'
import { retailMacInto } from '../primitives/mac.ts'
import { equalSecret } from '../primitives/secrets.ts'

/** Bytes of a card status update. */
const STATUS_UPDATE_BYTES = 4
/** EMV Book 2, 8.2.2: proprietary authentication data in tag 91 has at most 8 bytes. */
const PROPRIETARY_MAX = 8
const CRYPTOGRAM_BYTES = 8
const METHOD_2_BYTES = 4

/** What a card does with its offline counters. */
export type CounterUpdate = 'keep' | 'set to upper limit' | 'reset' | 'add transaction'

const counterBits: Readonly<Record<CounterUpdate, number>> = {
  keep: 0,
  'set to upper limit': 1,
  reset: 2,
  'add transaction': 3,
}
const counterUpdates: readonly CounterUpdate[] = ['keep', 'set to upper limit', 'reset', 'add transaction']

/** What the issuer tells the card to do (card status update, CSU: EMV Book 3, annex C10; VIS 1.6). */
export interface CardStatusUpdate {
  /** the card may complete the transaction; must agree with the response code of the message */
  readonly approve: boolean
  readonly counters: CounterUpdate
  /** PIN tries left, 0 to 15. @default the card keeps its own */
  readonly pinTries?: number
  /** @default false */
  readonly blockCard?: boolean
  /** @default false */
  readonly blockApplication?: boolean
  /** the next transaction must go online. @default false */
  readonly goOnlineNext?: boolean
  /** another party answers for the issuer. @default false */
  readonly byProxy?: boolean
  /** issuer's own byte. @default 0 */
  readonly discretionary?: number
}

/**
 * Writes a card status update: approval with counters reset is `00820000`, a plain decline `00000000`.
 * @param withProprietary whether tag 91 also holds proprietary authentication data
 * @throws MizanError BAD_INPUT when PIN tries are not 0 to 15 or the issuer's byte not 0 to 255
 */
export function formatStatusUpdate(update: CardStatusUpdate, withProprietary = false): Uint8Array {
  const { pinTries, discretionary = 0 } = update
  if (pinTries !== undefined && !(Number.isInteger(pinTries) && pinTries >= 0 && pinTries <= 15)) {
    throw new MizanError('BAD_INPUT', 'the PIN tries of a card status update must be 0 to 15')
  }
  if (!(Number.isInteger(discretionary) && discretionary >= 0 && discretionary <= 255)) {
    throw new MizanError('BAD_INPUT', "the issuer's byte of a card status update must be 0 to 255")
  }
  const out = new Uint8Array(STATUS_UPDATE_BYTES)
  out[0] = (withProprietary ? 0x80 : 0) | (pinTries ?? 0)
  out[1] =
    (update.approve ? 0x80 : 0) |
    (update.blockCard === true ? 0x40 : 0) |
    (update.blockApplication === true ? 0x20 : 0) |
    (pinTries !== undefined ? 0x10 : 0) |
    (update.goOnlineNext === true ? 0x08 : 0) |
    (update.byProxy === true ? 0x04 : 0) |
    counterBits[update.counters]
  out[3] = discretionary
  return out
}

/** A card status update as the card reads it. */
export interface ReadStatusUpdate extends CardStatusUpdate {
  /** tag 91 also holds proprietary authentication data */
  readonly withProprietary: boolean
}

/**
 * Reads a card status update; the opposite of {@link formatStatusUpdate}.
 * @throws MizanError BAD_INPUT when it has not 4 bytes
 */
export function parseStatusUpdate(bytes: Uint8Array): ReadStatusUpdate {
  const [first, second, third, fourth] = bytes
  if (bytes.length !== STATUS_UPDATE_BYTES || first === undefined || second === undefined || third === undefined) {
    throw new MizanError('BAD_INPUT', 'a card status update has 4 bytes')
  }
  return {
    withProprietary: (first & 0x80) !== 0,
    approve: (second & 0x80) !== 0,
    blockCard: (second & 0x40) !== 0,
    blockApplication: (second & 0x20) !== 0,
    ...((second & 0x10) !== 0 ? { pinTries: first & 0x0f } : {}),
    goOnlineNext: (second & 0x08) !== 0,
    byProxy: (second & 0x04) !== 0,
    counters: counterUpdates[second & 3] as CounterUpdate,
    discretionary: fourth ?? 0,
  }
}

const block = new Uint8Array(CRYPTOGRAM_BYTES)
const macInput = new Uint8Array(CRYPTOGRAM_BYTES + STATUS_UPDATE_BYTES + PROPRIETARY_MAX)

/**
 * Response cryptogram by method 1 (EMV Book 2, 8.2.1): the cryptogram with the response code XORed into its first two
 * bytes, under the key.
 * @param key session key of the cryptogram; the card's own key where the version has none (CVN 10)
 * @param cryptogram tag 9F26, 8 bytes
 * @param responseCode 2 bytes, as they go into tag 91
 * @param out the 8 bytes of the response cryptogram
 */
export function makeArpc1(key: DesKey, cryptogram: Uint8Array, responseCode: Uint8Array, out: Uint8Array): void {
  assert(cryptogram.length === CRYPTOGRAM_BYTES && responseCode.length === 2, 'method 1 takes 8 bytes and 2')
  for (let at = 0; at < CRYPTOGRAM_BYTES; at++) block[at] = cryptogram[at] as number
  block[0] = (block[0] as number) ^ (responseCode[0] as number)
  block[1] = (block[1] as number) ^ (responseCode[1] as number)
  key.encryptBlock(block, 0, out, 0)
}

/**
 * Response cryptogram by method 2 (EMV Book 2, 8.2.2): the first 4 bytes of a retail MAC, padding method 2, over
 * cryptogram, card status update and proprietary data.
 * @param key session key of the cryptogram
 * @param cryptogram tag 9F26, 8 bytes
 * @param statusUpdate 4 bytes, see {@link formatStatusUpdate}
 * @param proprietary proprietary authentication data, 0 to 8 bytes
 * @param out at least 8 bytes: takes the whole MAC, of which the first 4 are the response cryptogram
 */
export function makeArpc2(
  key: DesKey,
  cryptogram: Uint8Array,
  statusUpdate: Uint8Array,
  proprietary: Uint8Array,
  out: Uint8Array,
): void {
  assert(cryptogram.length === CRYPTOGRAM_BYTES, 'a cryptogram has 8 bytes')
  assert(statusUpdate.length === STATUS_UPDATE_BYTES, 'a card status update has 4 bytes')
  assert(proprietary.length <= PROPRIETARY_MAX, 'proprietary authentication data has at most 8 bytes')
  macInput.set(cryptogram)
  macInput.set(statusUpdate, CRYPTOGRAM_BYTES)
  macInput.set(proprietary, CRYPTOGRAM_BYTES + STATUS_UPDATE_BYTES)
  retailMacInto(key, macInput, 0, CRYPTOGRAM_BYTES + STATUS_UPDATE_BYTES + proprietary.length, 2, out, 0)
}

/** Issuer's decision on a transaction, as the card is told. */
export interface IssuerDecision {
  /** DE39 of the answer: two characters; goes into tag 91 by method 1 */
  readonly responseCode: string
  /** goes into tag 91 by method 2; its approval must agree with the response code */
  readonly statusUpdate: CardStatusUpdate
  /** proprietary authentication data of method 2, 1 to 8 bytes. @default none */
  readonly proprietary?: Uint8Array
}

const none = new Uint8Array(0)
const responseBytes = new Uint8Array(2)
const mac = new Uint8Array(8)

/**
 * Makes issuer authentication data, the value of tag 91 (EMV Book 3, annex A): response cryptogram, then what it was
 * made over: the response code by method 1; card status update and proprietary data by method 2.
 * @param key as {@link makeArpc1} and {@link makeArpc2}
 * @param cryptogram tag 9F26, 8 bytes
 * @throws MizanError BAD_INPUT when the decision does not fit
 */
export function makeIssuerAuthentication(
  method: 1 | 2,
  key: DesKey,
  cryptogram: Uint8Array,
  decision: IssuerDecision,
): Buffer {
  if (method === 1) {
    readResponseCode(decision.responseCode)
    const out = Buffer.allocUnsafe(CRYPTOGRAM_BYTES + 2)
    makeArpc1(key, cryptogram, responseBytes, out)
    out.set(responseBytes, CRYPTOGRAM_BYTES)
    return out
  }
  const proprietary = decision.proprietary ?? none
  if (proprietary.length > PROPRIETARY_MAX) {
    throw new MizanError('BAD_INPUT', 'proprietary authentication data has at most 8 bytes')
  }
  const update = formatStatusUpdate(decision.statusUpdate, proprietary.length > 0)
  makeArpc2(key, cryptogram, update, proprietary, mac)
  const out = Buffer.allocUnsafe(METHOD_2_BYTES + STATUS_UPDATE_BYTES + proprietary.length)
  for (let at = 0; at < METHOD_2_BYTES; at++) out[at] = mac[at] as number
  out.set(update, METHOD_2_BYTES)
  out.set(proprietary, METHOD_2_BYTES + STATUS_UPDATE_BYTES)
  return out
}

/** What of issuer authentication data is not the response cryptogram. */
export interface ReadIssuerAuthentication {
  /** two characters, by method 1 */
  readonly responseCode: string | undefined
  /** by method 2 */
  readonly statusUpdate: ReadStatusUpdate | undefined
  /** proprietary authentication data, by method 2; empty when there is none */
  readonly proprietary: Uint8Array
}

/**
 * Card's side of {@link makeIssuerAuthentication}: checks the response cryptogram and reads what it was made over.
 * @param value value of tag 91
 * @returns undefined when the response cryptogram is wrong
 * @throws MizanError BAD_INPUT when the value has not the length the method gives it
 */
export function readIssuerAuthentication(
  method: 1 | 2,
  key: DesKey,
  cryptogram: Uint8Array,
  value: Uint8Array,
): ReadIssuerAuthentication | undefined {
  if (method === 1) {
    if (value.length !== CRYPTOGRAM_BYTES + 2) throw new MizanError('BAD_INPUT', 'tag 91 by method 1 has 10 bytes')
    const code = value.subarray(CRYPTOGRAM_BYTES)
    makeArpc1(key, cryptogram, code, mac)
    if (!equalSecret(mac, value.subarray(0, CRYPTOGRAM_BYTES))) return undefined
    return { responseCode: String.fromCharCode(...code), statusUpdate: undefined, proprietary: none }
  }
  const from = METHOD_2_BYTES + STATUS_UPDATE_BYTES
  if (value.length < from || value.length > from + PROPRIETARY_MAX) {
    throw new MizanError('BAD_INPUT', 'tag 91 by method 2 has 8 to 16 bytes')
  }
  const update = value.subarray(METHOD_2_BYTES, from)
  const proprietary = value.subarray(from)
  makeArpc2(key, cryptogram, update, proprietary, mac)
  if (!equalSecret(mac.subarray(0, METHOD_2_BYTES), value.subarray(0, METHOD_2_BYTES))) return undefined
  return { responseCode: undefined, statusUpdate: parseStatusUpdate(update), proprietary }
}

function readResponseCode(code: string): void {
  if (code.length !== 2 || !isPrintable(code.charCodeAt(0)) || !isPrintable(code.charCodeAt(1))) {
    throw new MizanError('BAD_INPUT', 'the response code for a card has two characters')
  }
  responseBytes[0] = code.charCodeAt(0)
  responseBytes[1] = code.charCodeAt(1)
}

function isPrintable(character: number): boolean {
  return character > 0x20 && character < 0x7f
}
