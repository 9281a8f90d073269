import { decodeEbcdic, encodeEbcdic } from './ebcdic.ts'
import type { DecodeFailure } from './failure.ts'
import { failEncode, failure } from './failure.ts'

export type { BerTlv, BerTlvResult } from './ber-tlv.ts'
export { berValue, formatBerTlv, formatChipData, parseBerTlv, parseChipData } from './ber-tlv.ts'

/** One tagged value of DE48 on the domestic dialects, and of dataset 71 of DE104 on Visa. */
export interface Element {
  /** two characters */
  readonly tag: string
  readonly value: string
}

/** Elements in the order of the message, repeats and unknown tags included. */
export interface ElementsResult {
  readonly elements: Element[]
  /** what is malformed, if anything; the elements before it are in `elements` */
  readonly failure: DecodeFailure | undefined
}

const ELEMENT_HEAD = 5

/**
 * Reads DE48 of the domestic dialects: tag 2 characters, length 3 digits, value; docs/iso8583.md, "DE48 and DE104".
 * Malformed text gives a failure value, whose path is `48` or `48.QT`.
 */
export function parseElements48(text: string): ElementsResult {
  const elements: Element[] = []
  const bad = (kind: 'short' | 'length', field: string, at: number, what: string): ElementsResult => ({
    elements,
    failure: failure(kind, field, at, what),
  })
  let at = 0
  while (at < text.length) {
    if (text.length - at < ELEMENT_HEAD) return bad('short', '48', at, 'an element needs a tag and a length')
    const tag = text.slice(at, at + 2)
    const path = /^[A-Z0-9]{2}$/.test(tag) ? `48.${tag}` : '48'
    const digits = text.slice(at + 2, at + ELEMENT_HEAD)
    if (!/^\d{3}$/.test(digits)) return bad('length', path, at + 2, 'the length is not a number')
    const from = at + ELEMENT_HEAD
    const length = Number(digits)
    if (text.length - from < length) {
      return bad('short', path, from, `needs ${length} characters, ${text.length - from} are left`)
    }
    elements.push({ tag, value: text.slice(from, from + length) })
    at = from + length
  }
  return { elements, failure: undefined }
}

/**
 * Writes DE48 of the domestic dialects.
 * @throws MizanError CODEC_ENCODE_FAILED when a tag is not two characters or a value is longer than 999
 */
export function formatElements48(elements: readonly Element[]): string {
  let text = ''
  for (const { tag, value } of elements) {
    if (tag.length !== 2) failEncode(48, 'a tag must be two characters')
    if (value.length > 999) failEncode(48, `the value of ${tag} is longer than 999`)
    text += `${tag}${String(value.length).padStart(3, '0')}${value}`
  }
  return text
}

/** First value of a tag, undefined when there is none. */
export function elementValue(elements: readonly Element[], tag: string): string | undefined {
  return elements.find((element) => element.tag === tag)?.value
}

/** Dataset of DE104 that carries the elements of DE48. */
const ELEMENTS_DATASET = 0x71

/** One dataset as it is on the wire. */
export interface Dataset {
  readonly id: number
  /** content without identifier and length; a view of what was read */
  readonly value: Buffer
}

/** What DE104 holds. */
export interface DatasetsResult {
  /** all datasets in order, byte for byte, that with the elements included */
  readonly datasets: Dataset[]
  /** elements of all datasets of identifier 71 */
  readonly elements: Element[]
  readonly failure: DecodeFailure | undefined
}

/**
 * Reads DE104 of Visa: datasets of identifier (1 byte), length (2 bytes, big-endian) and content. Dataset 71 holds our
 * elements: tag as 2 EBCDIC characters, 1-byte length, EBCDIC value. Others are kept byte for byte.
 */
export function parseDataset(bytes: Buffer): DatasetsResult {
  const datasets: Dataset[] = []
  const elements: Element[] = []
  let at = 0
  while (at < bytes.length) {
    const path = `104.${bytes.toString('hex', at, at + 1)}`
    if (bytes.length - at < 3) {
      const what = 'a dataset needs an identifier and a length'
      return { datasets, elements, failure: failure('short', '104', at, what) }
    }
    const length = bytes.readUInt16BE(at + 1)
    const from = at + 3
    if (bytes.length - from < length) {
      const what = `needs ${length} bytes, ${bytes.length - from} are left`
      return { datasets, elements, failure: failure('short', path, from, what) }
    }
    const dataset: Dataset = { id: bytes[at] as number, value: bytes.subarray(from, from + length) }
    datasets.push(dataset)
    if (dataset.id === ELEMENTS_DATASET) {
      const bad = readEbcdicElements(dataset.value, elements, path, from)
      if (bad !== undefined) return { datasets, elements, failure: bad }
    }
    at = from + length
  }
  return { datasets, elements, failure: undefined }
}

function readEbcdicElements(bytes: Buffer, into: Element[], path: string, base: number): DecodeFailure | undefined {
  let at = 0
  while (at < bytes.length) {
    if (bytes.length - at < 3) return failure('short', path, base + at, 'an element needs a tag and a length')
    const tag = decodeEbcdic(bytes.subarray(at, at + 2))
    const length = bytes[at + 2] as number
    const from = at + 3
    if (bytes.length - from < length) {
      return failure('short', path, base + from, `needs ${length} bytes, ${bytes.length - from} are left`)
    }
    into.push({ tag, value: decodeEbcdic(bytes.subarray(from, from + length)) })
    at = from + length
  }
  return undefined
}

/**
 * Writes DE104 of Visa: the other datasets as they are, then dataset 71 with the elements when there are any.
 * @throws MizanError CODEC_ENCODE_FAILED when a tag, a value or the whole does not fit
 */
export function formatDataset(elements: readonly Element[], others: readonly Dataset[] = []): Buffer {
  const chunks: Buffer[] = []
  for (const { id, value } of others) chunks.push(datasetHead(id, value.length), value)
  if (elements.length > 0) {
    const content = Buffer.concat(elements.map(ebcdicElement))
    chunks.push(datasetHead(ELEMENTS_DATASET, content.length), content)
  }
  return Buffer.concat(chunks)
}

function datasetHead(id: number, length: number): Buffer {
  if (length > 0xffff) failEncode(104, 'a dataset is longer than its length can say')
  return Buffer.from([id, length >> 8, length & 255])
}

function ebcdicElement({ tag, value }: Element): Buffer {
  const [head, content] = [encodeEbcdic(tag), encodeEbcdic(value)]
  if (head?.length !== 2) failEncode(104, 'a tag must be two characters')
  if (content === undefined) failEncode(104, `the value of ${tag} has a character that EBCDIC does not have`)
  if (content.length > 255) failEncode(104, `the value of ${tag} is longer than 255`)
  return Buffer.concat([head as Buffer, Buffer.from([content.length]), content])
}
