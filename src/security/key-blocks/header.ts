import { MizanError } from '../../errors.ts'

/** Format versions: A and C bind header and key by key variants, B by a derived TDES key, D by a derived AES key. */
export type KeyBlockVersion = 'A' | 'B' | 'C' | 'D'

/** What a key is for (X9.143:2021 table 2), with the name an operator reads. Proprietary usages are not accepted. */
export const keyUsages = {
  B0: 'base derivation key',
  B1: 'initial DUKPT key',
  B2: 'base key variant key',
  B3: 'key derivation key',
  C0: 'card verification key',
  D0: 'data encryption key',
  D1: 'asymmetric key for data encryption',
  D2: 'encryption key of decimalisation tables',
  D3: 'encryption key of sensitive data',
  E0: 'issuer master key: application cryptograms',
  E1: 'issuer master key: confidentiality of scripts',
  E2: 'issuer master key: integrity of scripts',
  E3: 'issuer master key: data authentication code',
  E4: 'issuer master key: dynamic numbers',
  E5: 'issuer master key: card personalisation',
  E6: 'issuer master key: other',
  E7: 'asymmetric key pair for PIN encryption on cards',
  I0: 'initialisation vector',
  K0: 'key encryption or wrapping key',
  K1: 'key block protection key',
  K2: 'asymmetric key of a receiving device',
  K3: 'asymmetric key for key wrapping or agreement',
  K4: 'key block protection key of ISO 20038',
  M0: 'MAC key: ISO 16609 algorithm 1',
  M1: 'MAC key: ISO 9797-1 algorithm 1',
  M2: 'MAC key: ISO 9797-1 algorithm 2',
  M3: 'MAC key: ISO 9797-1 algorithm 3',
  M4: 'MAC key: ISO 9797-1 algorithm 4',
  M5: 'MAC key: ISO 9797-1:1999 algorithm 5',
  M6: 'MAC key: CMAC',
  M7: 'MAC key: HMAC',
  M8: 'MAC key: ISO 9797-1 algorithm 6',
  P0: 'PIN encryption key',
  P1: 'PIN generation key',
  S0: 'asymmetric key pair for signatures',
  S1: 'asymmetric key pair of a certification authority',
  S2: 'asymmetric key pair for other purposes',
  V0: 'PIN verification key: other',
  V1: 'PIN verification key: IBM 3624',
  V2: 'PIN verification key: Visa PVV',
  V3: 'PIN verification key: X9.132 algorithm 1',
  V4: 'PIN verification key: X9.132 algorithm 2',
  V5: 'PIN verification key: X9.132 algorithm 3',
} as const

export type KeyUsage = keyof typeof keyUsages

/** Algorithms a key is for (X9.143:2021 table 3). */
export const keyAlgorithms = {
  A: 'AES',
  D: 'DES',
  E: 'elliptic curve',
  H: 'HMAC',
  R: 'RSA',
  S: 'DSA',
  T: 'triple DES',
} as const

export type KeyAlgorithm = keyof typeof keyAlgorithms

/** What may be done with a key, within its usage (X9.143:2021 table 4). */
export const modesOfUse = {
  B: 'encrypt and decrypt, wrap and unwrap',
  C: 'generate and verify',
  D: 'decrypt or unwrap only',
  E: 'encrypt or wrap only',
  G: 'generate only',
  N: 'all that the usage allows',
  S: 'sign only',
  T: 'sign and decrypt',
  V: 'verify only',
  X: 'derive keys',
  Y: 'make key variants',
} as const

export type ModeOfUse = keyof typeof modesOfUse

/** `E`: under a trusted key in a key block; `N`: not at all; `S`: also in forms that X9.24 does not allow (table 6). */
export type Exportability = 'E' | 'N' | 'S'

/** Where a key block may be used: `0` follows the wrapping key, `1` storage only, `2` exchange only (table 1). */
export type KeyContext = '0' | '1' | '2'

/** An optional block: an identifier of two characters and printable ASCII, without the length. */
export interface OptionalBlock {
  readonly id: string
  readonly data: string
}

/** All that a key block says of its key in clear. */
export interface KeyBlockHeader {
  readonly version: KeyBlockVersion
  readonly usage: KeyUsage
  readonly algorithm: KeyAlgorithm
  readonly modeOfUse: ModeOfUse
  /** Two letters or digits; `00` = without version, `c1` to `c9` = a component, not a whole key. */
  readonly keyVersion: string
  readonly exportability: Exportability
  readonly keyContext: KeyContext
  /** In their order; a padding block `PB` comes last. */
  readonly optionalBlocks: readonly OptionalBlock[]
}

/** A header read from the beginning of a key block. */
export interface ParsedHeader {
  readonly header: KeyBlockHeader
  /** Characters of the whole key block, as it says itself. */
  readonly blockLength: number
  /** Characters of the header with its optional blocks. */
  readonly headerLength: number
}

const FIXED_LENGTH = 16
const PADDING_ID = 'PB'
const LENGTH_MAX = 9999
const OPTIONAL_COUNT_MAX = 99
/** Identifier and length of an optional block, short form. */
const SHORT_PREFIX = 4
/** The same with the extended length: `00` and two digits that say how many make the length, here four. */
const EXTENDED_COUNT_END = 6
const EXTENDED_PREFIX = 10
const SHORT_MAX = 0xff
const EXTENDED_MAX = 0xffff

const fixedPattern = /^([A-D])(\d{4})([A-Z]\d)([A-Z])([A-Z])([0-9A-Za-z]{2})([ENS])(\d{2})([012])0/
const identifierPattern = /^[0-9A-Za-z]{2}$/
const printablePattern = /^[\x20-\x7e]*$/

/** Bytes of the cipher block by which a version encrypts, to which optional blocks are padded too. */
export function cipherBlockBytes(version: KeyBlockVersion): 8 | 16 {
  return version === 'D' ? 16 : 8
}

/**
 * Reads the header at the beginning of a key block (X9.143:2021, 6.2 and 6.3). What follows it is not looked at, and
 * nothing of it is authentic before the MAC is verified.
 * @throws MizanError BAD_INPUT naming the part that is malformed
 */
export function parseHeader(text: string): ParsedHeader {
  const match = fixedPattern.exec(text)
  if (match === null) throw malformed('the fixed part')
  const [, version, length, usage, algorithm, modeOfUse, keyVersion, exportability, count, keyContext] = match
  if (usage === undefined || !isUsage(usage)) throw malformed('the key usage')
  if (algorithm === undefined || !isAlgorithm(algorithm)) throw malformed('the algorithm')
  if (modeOfUse === undefined || !isModeOfUse(modeOfUse)) throw malformed('the mode of use')
  const optional = parseOptionalBlocks(text, Number(count))
  const header: KeyBlockHeader = {
    version: version as KeyBlockVersion,
    usage,
    algorithm,
    modeOfUse,
    keyVersion: keyVersion as string,
    exportability: exportability as Exportability,
    keyContext: keyContext as KeyContext,
    optionalBlocks: optional.blocks,
  }
  if ((optional.end - FIXED_LENGTH) % cipherBlockBytes(header.version) !== 0) {
    throw malformed('the padding of the optional blocks')
  }
  return { header, blockLength: Number(length), headerLength: optional.end }
}

function parseOptionalBlocks(text: string, count: number): { blocks: OptionalBlock[]; end: number } {
  const blocks: OptionalBlock[] = []
  let at = FIXED_LENGTH
  for (let index = 0; index < count; index++) {
    const id = text.slice(at, at + 2)
    const { length, prefix } = parseOptionalLength(text, at)
    const data = text.slice(at + prefix, at + length)
    if (length < prefix || data.length !== length - prefix) throw malformed('the length of an optional block')
    if (!identifierPattern.test(id) || !printablePattern.test(data)) throw malformed('an optional block')
    if (blocks.some((block) => block.id === id)) throw malformed('an optional block that is there twice')
    if (id === PADDING_ID && index !== count - 1) throw malformed('the padding block, which is not the last')
    blocks.push({ id, data })
    at += length
  }
  return { blocks, end: at }
}

/**
 * The length of an optional block, which counts its own prefix. The examples of X9.143:2021 (8.5, 8.6) write an
 * extended length as `00`, the number of its bytes and two hex digits for each; `04` is also read as the number of
 * digits, as some write it. A key block has at most 9999 characters, so two bytes always do.
 */
function parseOptionalLength(text: string, at: number): { length: number; prefix: number } {
  const short = parseHex(text.slice(at + 2, at + SHORT_PREFIX), 2)
  if (short !== 0) return { length: short, prefix: SHORT_PREFIX }
  const count = text.slice(at + SHORT_PREFIX, at + EXTENDED_COUNT_END)
  const digits = count === '01' ? 2 : count === '02' || count === '04' ? 4 : 0
  if (digits === 0) throw malformed('the extended length of an optional block')
  const prefix = EXTENDED_COUNT_END + digits
  return { length: parseHex(text.slice(at + EXTENDED_COUNT_END, at + prefix), digits), prefix }
}

function parseHex(text: string, digits: number): number {
  if (text.length !== digits || !/^[0-9A-F]+$/.test(text)) throw malformed('the length of an optional block')
  return Number.parseInt(text, 16)
}

/**
 * Writes a header (X9.143:2021, 6.2). Optional blocks that do not fill whole cipher blocks get a padding block `PB`.
 * @param bodyLength characters of payload and MAC that will follow, for the length field
 * @throws MizanError BAD_INPUT when a part does not fit its field or the key block becomes too long
 */
export function formatHeader(header: KeyBlockHeader, bodyLength: number): string {
  let count = header.optionalBlocks.length
  let optional = header.optionalBlocks.map(formatOptionalBlock).join('')
  const blockBytes = cipherBlockBytes(header.version)
  if (optional.length % blockBytes !== 0) {
    optional += paddingBlock(optional.length, blockBytes)
    count++
  }
  const length = FIXED_LENGTH + optional.length + bodyLength
  if (count > OPTIONAL_COUNT_MAX || length > LENGTH_MAX) throw new MizanError('BAD_INPUT', 'the key block is too long')
  const text =
    `${header.version}${String(length).padStart(4, '0')}${header.usage}${header.algorithm}${header.modeOfUse}` +
    `${header.keyVersion}${header.exportability}${String(count).padStart(2, '0')}${header.keyContext}0${optional}`
  // Reading it back applies every rule once more, among them those on texts that a type cannot express.
  const { headerLength } = parseHeader(text)
  if (headerLength !== text.length) throw malformed('the fixed part')
  return text
}

function formatOptionalBlock({ id, data }: OptionalBlock): string {
  if (!identifierPattern.test(id)) throw malformed('an optional block')
  const short = data.length + SHORT_PREFIX
  if (short <= SHORT_MAX) return `${id}${hexDigits(short, 2)}${data}`
  const extended = data.length + EXTENDED_PREFIX
  if (extended > EXTENDED_MAX) throw new MizanError('BAD_INPUT', 'the key block is too long')
  return `${id}0002${hexDigits(extended, 4)}${data}`
}

/** The least padding block after so many characters. Its content protects nothing, so it is all `0`. */
function paddingBlock(length: number, blockBytes: number): string {
  const filled = Math.ceil((length + SHORT_PREFIX) / blockBytes) * blockBytes
  return formatOptionalBlock({ id: PADDING_ID, data: '0'.repeat(filled - length - SHORT_PREFIX) })
}

function hexDigits(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

function isUsage(text: string): text is KeyUsage {
  return Object.hasOwn(keyUsages, text)
}

function isAlgorithm(text: string): text is KeyAlgorithm {
  return Object.hasOwn(keyAlgorithms, text)
}

function isModeOfUse(text: string): text is ModeOfUse {
  return Object.hasOwn(modesOfUse, text)
}

function malformed(what: string): MizanError {
  return new MizanError('BAD_INPUT', `the header of the key block is malformed: ${what}`)
}
