import type { DecodeFailure } from './failure.ts'
import { failEncode, failure } from './failure.ts'

/** One BER-TLV object of DE55. */
export interface BerTlv {
  /** upper-case hex: `9F26` */
  readonly tag: string
  /** content of a primitive, or of a template as it is; a view of what was read */
  readonly value: Buffer
}

/** Objects in the order of the message, unknown tags included. */
export interface BerTlvResult {
  readonly list: BerTlv[]
  /** what is malformed, if anything; the objects before it are in `list` */
  readonly failure: DecodeFailure | undefined
}

const LENGTH_BYTES_MAX = 3
const TAG_BYTES_MAX = 4

/**
 * Reads BER-TLV (ISO/IEC 8825-1 as EMV Book 3 annex B restricts it): tags of 1 to 4 bytes, lengths in the short form or
 * in 1 to 3 bytes. Zero bytes between objects are skipped, as EMV asks. Templates are not opened.
 * @param path data element that failures name. @default '55'
 */
export function parseBerTlv(bytes: Buffer, path = '55'): BerTlvResult {
  const list: BerTlv[] = []
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] === 0) {
      at++
      continue
    }
    const tagEnd = endOfTag(bytes, at)
    if (tagEnd < 0) return { list, failure: failure('short', path, at, 'a tag is cut off or over four bytes') }
    const tag = bytes.toString('hex', at, tagEnd).toUpperCase()
    const length = readLength(bytes, tagEnd)
    if (length.value < 0) {
      return { list, failure: failure('length', `${path}.${tag}`, tagEnd, 'the length is cut off or not definite') }
    }
    const from = tagEnd + length.bytes
    if (bytes.length - from < length.value) {
      const what = `needs ${length.value} bytes, ${bytes.length - from} are left`
      return { list, failure: failure('short', `${path}.${tag}`, from, what) }
    }
    list.push({ tag, value: bytes.subarray(from, from + length.value) })
    at = from + length.value
  }
  return { list, failure: undefined }
}

function endOfTag(bytes: Buffer, at: number): number {
  if (((bytes[at] as number) & 0x1f) !== 0x1f) return at + 1
  for (let i = at + 1; i < at + TAG_BYTES_MAX && i < bytes.length; i++) {
    if (((bytes[i] as number) & 0x80) === 0) return i + 1
  }
  return -1
}

function readLength(bytes: Buffer, at: number): { value: number; bytes: number } {
  const first = bytes[at]
  if (first === undefined) return { value: -1, bytes: 0 }
  if (first < 0x80) return { value: first, bytes: 1 }
  const more = first & 0x7f
  if (more === 0 || more > LENGTH_BYTES_MAX || bytes.length - at - 1 < more) return { value: -1, bytes: 0 }
  return { value: bytes.readUIntBE(at + 1, more), bytes: 1 + more }
}

/**
 * Writes BER-TLV in the given order, each length in its shortest form.
 * @throws MizanError CODEC_ENCODE_FAILED when a tag is not one BER tag or a value is over 16 MB
 */
export function formatBerTlv(list: readonly BerTlv[]): Buffer {
  return Buffer.concat(
    list.flatMap(({ tag, value }) => {
      const tagBytes = Buffer.from(tag, 'hex')
      if (
        tag.length !== 2 * tagBytes.length ||
        tag === '' ||
        tag === '00' ||
        endOfTag(tagBytes, 0) !== tagBytes.length
      ) {
        failEncode(55, 'a tag must be one BER tag in hex')
      }
      return [tagBytes, lengthBytes(value.length), value]
    }),
  )
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  if (length < 0x100) return Buffer.from([0x81, length])
  if (length < 0x10000) return Buffer.from([0x82, length >> 8, length & 255])
  if (length < 0x1000000) return Buffer.from([0x83, length >> 16, (length >> 8) & 255, length & 255])
  return failEncode(55, 'a value is longer than its length can say')
}

/** First value of a tag (upper-case hex), undefined when there is none. */
export function berValue(list: readonly BerTlv[], tag: string): Buffer | undefined {
  return list.find((object) => object.tag === tag)?.value
}

/** Dataset identifier of the chip data in Visa's DE55. */
const CHIP_DATASET = 0x01
const WRAPPER_BYTES = 3

/**
 * Reads DE55, where `wrapped` says that the BER-TLV stands inside Visa's dataset: identifier 01, length in two bytes.
 * The dialect's table has the flag: `dialect.subfields(55)`.
 */
export function parseChipData(bytes: Buffer, wrapped: boolean): BerTlvResult {
  if (!wrapped) return parseBerTlv(bytes)
  if (bytes.length < WRAPPER_BYTES || bytes[0] !== CHIP_DATASET) {
    return { list: [], failure: failure('content', '55', 0, 'the chip data must be in dataset 01') }
  }
  const length = bytes.readUInt16BE(1)
  if (length !== bytes.length - WRAPPER_BYTES) {
    return { list: [], failure: failure('length', '55', 1, 'the length of the dataset is not that of its content') }
  }
  const result = parseBerTlv(bytes.subarray(WRAPPER_BYTES))
  const bad = result.failure
  if (bad === undefined) return result
  const text = bad.message.slice(bad.message.indexOf(': ') + 2)
  return { list: result.list, failure: failure(bad.kind, bad.field, bad.offset + WRAPPER_BYTES, text) }
}

/**
 * Writes DE55; see {@link parseChipData}.
 * @throws MizanError CODEC_ENCODE_FAILED when it does not fit the dataset
 */
export function formatChipData(list: readonly BerTlv[], wrapped: boolean): Buffer {
  const content = formatBerTlv(list)
  if (!wrapped) return content
  if (content.length > 0xffff) failEncode(55, 'the chip data is longer than its dataset can say')
  return Buffer.concat([Buffer.from([CHIP_DATASET, content.length >> 8, content.length & 255]), content])
}
