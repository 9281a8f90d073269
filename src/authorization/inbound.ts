import { hash } from 'node:crypto'
import { isLuhnValid } from '../identifiers.ts'
import { isChipData } from '../iso8583/chip-tags.ts'
import { institutionKey, parseBitmapped, parseOriginalData, parseTrack2 } from '../iso8583/composites.ts'
import type { Message } from '../iso8583/message.ts'
import { subfield } from '../iso8583/subfields.ts'
import { type Amounts, amountsOf, type Fault } from './amounts.ts'
import { type Elements, elementsOf, numberElement } from './elements.ts'
import { isAdvice } from './elsewhere.ts'
import { isKeyed, keyOf, LOCAL_DATE, LOCAL_TIME, STAN, TRANSMISSION, unkeyed } from './message-key.ts'
import { baseMti, messageClassOf } from './mti.ts'
import type { AuthorizationRequest, MessageClass, OriginalReference, SecurityData } from './request.ts'
import { isWithoutAmount } from './routing.ts'
import { schemeFactsText } from './scheme-facts.ts'
import { pinControlOf, securityControlOf } from './security-control.ts'

/** What a link knows of the messages it brings. */
export interface LinkProfile {
  readonly name: string
  /** The card scheme's rails (`visa-base1`). */
  readonly schemeRail: boolean
  /** Keyed hash by which a card is found, 16 bytes as latin1. */
  panIndexOf(pan: string): string
}

/** Part of DE60 by which the requester says that it takes less than it asks for (visa-base1.md, section 5). */
const PARTIAL_INDICATOR = '60.10'
/** Parts of DE62 by which a capture says which of how many it is (visa-base1.md, section 5). */
const [CAPTURE_SEQUENCE, CAPTURE_COUNT] = ['11', '12']
/** Part of DE63 that says why a message was sent (visa-base1.md, section 8). */
const MESSAGE_REASON = '63.3'

/** DE48 OT of who wants to be sent a one-time code. */
const WANTS_CODE = 'SEND'

/** DE22: contact chip, contactless chip, chip whose data may be unreliable. */
const CHIP_ENTRY = /^(05|07|95)/
/** Dataset 01 and its length of two bytes. */
const [CHIP_DATASET, DATASET_HEAD_BYTES] = [0x01, 3]

/**
 * Reads a decoded message as a request for a decision. Never throws: what is wrong becomes the request's `fault`, so
 * that it is recorded and answered like any other decline.
 */
export function requestOf(message: Message, link: LinkProfile, receivedAtMs: number): AuthorizationRequest {
  const mti = baseMti(message.mti)
  const messageClass = messageClassOf(mti) ?? 'authorization'
  const text = (de: number) => message.text(de)?.trim() ?? ''
  const processing = message.text(3) ?? ''
  const elements = elementsOf(message)
  const track2 = message.has(35) ? parseTrack2(message.text(35) ?? '') : undefined
  const pan = message.text(2) ?? track2?.pan ?? ''
  const transactionType = processing.slice(0, 2)
  const hasAssertion = elements.first('BM') !== undefined
  const { schemeRail } = link
  const read = amountsOf(message, { messageClass, transactionType, schemeRail, hasAssertion })
  const { fault: amountFault, malformed, ...amounts } = read
  const acquirer = institutionKey(text(32))
  const terminal = text(41)
  const stan = text(11)
  const transmission = text(7)
  const original = messageClass.startsWith('reversal') || message.has(90) ? originalOf(message, acquirer) : undefined
  const service = serviceOf(message)
  const capture = captureOf(elements, link.schemeRail ? service : undefined)
  const base = {
    messageClass,
    mti,
    repeat: message.mti !== mti,
    link: link.name,
    schemeRail: link.schemeRail,
    receivedAtMs,
    pan,
    panIndex: link.panIndexOf(pan),
    expiry: message.text(14) ?? track2?.expiry,
    transactionType,
    fromAccount: processing.slice(2, 4),
    toAccount: processing.slice(4, 6),
    ...amounts,
    stan,
    transmission,
    rrn: text(37),
    acquirer,
    terminal,
    acceptor: text(42),
    mcc: text(18),
    networkReference: service?.get('2') ?? '',
    partialAllowed: link.schemeRail && subfield(message, PARTIAL_INDICATOR) === '1',
    ...askedIn(elements),
    localTime: text(13) + text(12),
    chipRead: CHIP_ENTRY.test(message.text(22) ?? ''),
    security: securityOf(message, elements, track2, pan),
    adviceCode: isAdvice({ messageClass }) ? adviceCodeOf(message) : undefined,
    capture,
    reason: link.schemeRail && message.has(63) ? (subfield(message, MESSAGE_REASON) ?? '') : '',
    original,
    key: keyOf(acquirer, terminal, stan, transmission, mti),
    originalKey:
      original === undefined
        ? undefined
        : keyOf(original.acquirer, terminal, original.stan, original.transmission, original.mti),
    // What is taken back goes out with the facts of what it was.
    schemeFacts:
      link.schemeRail && movesMoney(messageClass, processing) ? schemeFactsText(message, service, capture) : undefined,
  }
  const fault = faultOf(message, base, elements, { fault: amountFault, malformed })
  const contentHash = contentHashOf(base, message)
  return { ...base, key: isKeyed(base) ? base.key : unkeyed(contentHash), contentHash, fault }
}

/** What a domestic message asks for in DE48 (interfaces.md, "DE48 on the domestic dialects"). */
function askedIn(elements: Elements) {
  return {
    quantity: numberElement(elements, 'QT'),
    days: numberElement(elements, 'DY') ?? 1,
    tender: tenderOf(elements),
    basket: elements.basket,
    wantsCode: elements.first('OT') === WANTS_CODE,
    service: elements.first('HS'),
    costPiasters: numberElement(elements, 'HC'),
    offlineSequence: numberElement(elements, 'FL'),
  }
}

function tenderOf(elements: Elements): AuthorizationRequest['tender'] {
  const tender = elements.first('CP')
  if (tender === undefined) return undefined
  return tender === 'A' ? 'postal' : 'cash'
}

/** DE39 of an advice; undefined when it is absent or blank. */
function adviceCodeOf(message: Message): string | undefined {
  const code = message.text(39)?.trim() ?? ''
  return code === '' ? undefined : code
}

/** Which of how many captures of a hold a message is: sequence and count. */
function captureOf(elements: Elements, service: ServiceFields | undefined): AuthorizationRequest['capture'] {
  const said = `${service?.get(CAPTURE_SEQUENCE) ?? ''}${service?.get(CAPTURE_COUNT) ?? ''}`
  const text = said.length === 4 ? said : elements.first('MC')
  if (text === undefined) return undefined
  return { sequence: Number(text.slice(0, 2)), count: Number(text.slice(2)) }
}

/** DE90; a zero acquirer in it means the reversal's own. Undefined leaves the original to the other matching rules. */
function originalOf(message: Message, acquirer: string): OriginalReference | undefined {
  const named = parseOriginalData(message.text(90) ?? '')
  if (named === undefined) return undefined
  return { ...named, mti: baseMti(named.mti), acquirer: named.acquirer === '' ? acquirer : named.acquirer }
}

/** What the message brings to be verified, or undefined when that is nothing: most of it is then never looked at. */
function securityOf(
  message: Message,
  elements: Elements,
  track2: ReturnType<typeof parseTrack2>,
  pan: string,
): SecurityData | undefined {
  const token = elements.first('BM')
  const given = elements.first('OT')
  const oneTimeCode = given === WANTS_CODE ? undefined : given
  const isNothing = track2 === undefined && token === undefined && oneTimeCode === undefined
  if (isNothing && !message.has(52) && !message.has(55)) return undefined
  const serial = elements.first('KS')
  return {
    pinBlock: message.bytes(52),
    securityControl: securityControlOf(message.text(53)),
    keySerial: serial === undefined ? undefined : Buffer.from(serial, 'hex'),
    chip: chipDataOf(message),
    sequenceNumber: message.text(23)?.slice(-2),
    track2,
    oneTimeCode,
    assertion:
      token === undefined ? undefined : { token: Buffer.from(token, 'hex'), boundTo: boundTextOf(message, pan) },
  }
}

/** What an assertion is bound to: `DE2|DE4|DE11|DE41` (interfaces.md, "Security"). */
function boundTextOf(message: Message, pan: string): string {
  return [pan, ...[4, 11, 41].map((de) => message.text(de) ?? '')].join('|')
}

/**
 * DE55 without the dataset that some dialects wrap around it (visa-base1.md, section 9); empty when that is not what is
 * wrapped around it.
 */
function chipDataOf(message: Message): Buffer | undefined {
  const bytes = message.has(55) ? message.bytes(55) : undefined
  const form = message.dialect.subfields(55)
  if (bytes === undefined || form?.form !== 'ber' || form.wrapped !== true) return bytes
  const { length } = bytes
  const isWrapped =
    length >= DATASET_HEAD_BYTES && bytes[0] === CHIP_DATASET && bytes.readUInt16BE(1) === length - DATASET_HEAD_BYTES
  return bytes.subarray(isWrapped ? DATASET_HEAD_BYTES : length)
}

/** DE62 of Visa by part, read once: the scheme's transaction identifier (2), which capture (11 of 12), and more. */
function serviceOf(message: Message): ServiceFields | undefined {
  const parts = message.has(62) ? message.dialect.subfields(62) : undefined
  if (parts?.form !== 'bitmap') return undefined
  return parseBitmapped(62, parts, message.bytes(62) ?? Buffer.alloc(0)).values
}
type ServiceFields = ReadonlyMap<string, string>

type RequestBase = Omit<AuthorizationRequest, 'contentHash' | 'fault'>

/** What must be equal for a message to be a repeat: card, type, amounts, outlet, and what the elements ask for. */
function contentHashOf(base: RequestBase, message: Message): string {
  const text = [
    base.panIndex,
    base.transactionType,
    base.fromAccount,
    base.toAccount,
    base.amountPiasters,
    base.cashbackPiasters,
    base.acceptor,
    base.quantity ?? '',
    base.days,
    base.tender ?? '',
    base.wantsCode ? WANTS_CODE : '',
    basketText(base.basket),
    base.service ?? '',
    base.costPiasters ?? '',
    base.offlineSequence ?? '',
    base.replacementPiasters ?? '',
    base.adviceCode ?? '',
    base.capture === undefined ? '' : `${base.capture.sequence}/${base.capture.count}`,
    base.foreign?.amount ?? '',
    message.text(49) ?? '',
    message.text(51) ?? '',
    message.text(90) ?? '',
    message.text(95) ?? '',
  ].join('|')
  return hash('sha256', text, 'binary').slice(0, 16)
}

function basketText(basket: RequestBase['basket']): string {
  if (basket === undefined) return ''
  return basket.map(({ product, quantity, unitPricePiasters: price }) => `${product}*${quantity}*${price}`).join(';')
}

/** The first to the last of at least one. */
function isCapture(capture: RequestBase['capture']): boolean {
  return capture === undefined || (capture.sequence >= 1 && capture.sequence <= capture.count)
}

function movesMoney(messageClass: MessageClass, processing: string): boolean {
  return !messageClass.startsWith('reversal') && !isWithoutAmount(processing.slice(0, 2))
}

function faultOf(
  message: Message,
  base: RequestBase,
  elements: Elements,
  amounts: Pick<Amounts, 'fault' | 'malformed'>,
): Fault | undefined {
  const format = (field: string): Fault => ({ result: 'format-error', field })
  const isReversal = base.messageClass.startsWith('reversal')
  if (!/^\d{6}$/.test(message.text(3) ?? '')) return format('3')
  if (!STAN.test(base.stan)) return format('11')
  if (!TRANSMISSION.test(base.transmission)) return format('7')
  if (message.text(2) === '' || (!message.has(2) && !message.has(35))) return format('2')
  if (elements.fault !== undefined) return format(elements.fault)
  if (message.has(90) && base.original === undefined) return format('90')
  if (amounts.malformed !== undefined) return amounts.malformed
  // What happened already is not lost for the time that a terminal says, or for what nobody verifies any more.
  const malformed = isReversal || isAdvice(base) ? undefined : (wrongTime(message) ?? unreadableSecurity(base.security))
  if (malformed !== undefined) return format(malformed)
  if (base.wantsCode && !isWithoutAmount(base.transactionType)) return format('OT')
  if (!isCapture(base.capture)) return format(base.schemeRail ? '62' : '48.MC')
  if (!message.has(4) && !isReversal && !isWithoutAmount(base.transactionType)) return format('4')
  if (amounts.fault !== undefined) return amounts.fault
  if (!isLuhnValid(base.pan)) return { result: 'unknown-card', field: '2' }
  return undefined
}

/** DE12 or DE13 that no clock shows. */
function wrongTime(message: Message): '12' | '13' | undefined {
  if (message.has(12) && !LOCAL_TIME.test(message.text(12) ?? '')) return '12'
  return message.has(13) && !LOCAL_DATE.test(message.text(13) ?? '') ? '13' : undefined
}

/** The field of what a message brings to be verified and nobody can read. */
function unreadableSecurity(security: SecurityData | undefined): string | undefined {
  if (security?.chip !== undefined && !isChipData(security.chip)) return '55'
  return isControlUnknown(security) ? '53' : undefined
}

/** A PIN block whose DE53 says that it is of a kind unknown here. With a terminal's own key (KS) DE53 has nothing to say. */
function isControlUnknown(security: SecurityData | undefined): boolean {
  if (security?.pinBlock === undefined || security.keySerial !== undefined) return false
  return security.securityControl !== undefined && pinControlOf(security.securityControl) === undefined
}
