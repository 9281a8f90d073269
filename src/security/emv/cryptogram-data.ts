import { assert, MizanError } from '../../errors.ts'
import type { IssuerDataLayout } from './issuer-data.ts'
import { issuerDataLayout } from './issuer-data.ts'
import type { SessionKeyMethod } from './session-key.ts'

/** Finds the value of a tag (`0x9f02`) in chip data already parsed; undefined when the terminal sent none. */
export type TagLookup = (tag: number) => Uint8Array | undefined

/** A data element with which a cryptogram is made, or that is needed to check one. */
export interface ChipElement {
  readonly tag: number
  readonly name: string
  /** bytes it must have: one byte more or less would shift all that follows it in the MAC */
  readonly bytes: number
}

/** What of tag 9F10 goes into the MAC, at its end. */
export type IssuerPart = 'cvr with its length' | 'first cvr byte' | 'whole'

/** How issuer scripts of a cryptogram version are secured. */
export interface ScriptMethod {
  /** `visa`: card key XOR transaction counter; `common`: EMV's derivation over the cryptogram */
  readonly sessionKey: 'visa' | 'common'
  /** block of a new PIN set without the current one; with the current one it is always Visa's */
  readonly pinBlock: 'visa' | 'iso 2'
}

/** A cryptogram version (CVN) as data: a new one is a row of {@link cryptogramVersions}, not code. */
export interface CryptogramVersion {
  readonly cvn: number
  readonly issuerDataFormat: IssuerDataLayout['format']
  /** in the order of the MAC; the part of 9F10 follows them */
  readonly elements: readonly ChipElement[]
  readonly issuerPart: IssuerPart
  /** ISO/IEC 9797-1 padding method of the MAC */
  readonly padding: 1 | 2
  readonly sessionKey: SessionKeyMethod
  /** how the response cryptogram (tag 91) is made */
  readonly arpcMethod: 1 | 2
  readonly script: ScriptMethod
}

const amount = { tag: 0x9f02, name: 'amount, authorised', bytes: 6 }
const otherAmount = { tag: 0x9f03, name: 'amount, other', bytes: 6 }
const country = { tag: 0x9f1a, name: 'terminal country code', bytes: 2 }
const verificationResults = { tag: 0x95, name: 'terminal verification results', bytes: 5 }
const currency = { tag: 0x5f2a, name: 'transaction currency code', bytes: 2 }
const date = { tag: 0x9a, name: 'transaction date', bytes: 3 }
const type = { tag: 0x9c, name: 'transaction type', bytes: 1 }
const unpredictableNumber = { tag: 0x9f37, name: 'unpredictable number', bytes: 4 }
const interchangeProfile = { tag: 0x82, name: 'application interchange profile', bytes: 2 }
/** Card's transaction counter. */
export const transactionCounter: ChipElement = { tag: 0x9f36, name: 'application transaction counter', bytes: 2 }
/** The card's cryptogram itself. */
export const applicationCryptogram: ChipElement = { tag: 0x9f26, name: 'application cryptogram', bytes: 8 }
/** Issuer application data, of either layout. */
export const ISSUER_DATA_TAG = 0x9f10

const contactElements: readonly ChipElement[] = [
  amount,
  otherAmount,
  country,
  verificationResults,
  currency,
  date,
  type,
  unpredictableNumber,
  interchangeProfile,
  transactionCounter,
]
const contactlessElements: readonly ChipElement[] = [amount, unpredictableNumber, transactionCounter]

/**
 * Visa's cryptogram versions (VIS 1.6 appendix on cryptogram versions; VCPS for 0x11). The lower half of a number names
 * the cryptogram's algorithm, the upper half the layout of tag 9F10 and the script's algorithm. Numbers are
 * hexadecimal: what vendors call "CVN 10", "17" and "18" is 0x0A, 0x11 and 0x12, but their "CVN 22" is 0x22.
 */
export const cryptogramVersions: readonly CryptogramVersion[] = [
  {
    cvn: 0x0a,
    issuerDataFormat: '0/1/3',
    elements: contactElements,
    issuerPart: 'cvr with its length',
    padding: 1,
    sessionKey: 'none',
    arpcMethod: 1,
    script: { sessionKey: 'visa', pinBlock: 'visa' },
  },
  {
    cvn: 0x11,
    issuerDataFormat: '0/1/3',
    elements: contactlessElements,
    issuerPart: 'first cvr byte',
    padding: 1,
    sessionKey: 'none',
    arpcMethod: 1,
    script: { sessionKey: 'visa', pinBlock: 'visa' },
  },
  {
    cvn: 0x12,
    issuerDataFormat: '0/1/3',
    elements: contactElements,
    issuerPart: 'whole',
    padding: 2,
    sessionKey: 'common',
    arpcMethod: 2,
    script: { sessionKey: 'visa', pinBlock: 'visa' },
  },
  {
    cvn: 0x22,
    issuerDataFormat: '2/4',
    elements: contactElements,
    issuerPart: 'whole',
    padding: 2,
    sessionKey: 'common',
    arpcMethod: 2,
    script: { sessionKey: 'common', pinBlock: 'iso 2' },
  },
]

/** Room for the longest data of any version: 33 bytes of elements and 32 of tag 9F10. */
export const CRYPTOGRAM_DATA_MAX = 80

const byNumber = new Map(cryptogramVersions.map((version) => [version.cvn, version]))

/**
 * Cryptogram version that a card's issuer application data names; allocates nothing.
 * @param issuerData value of tag 9F10
 * @throws MizanError BAD_INPUT when 9F10 is malformed; CRYPTO_REFUSED when the version is unknown, or is not one that
 *   goes with the layout (a CVN read at the other layout's place would otherwise pass for a real one)
 */
export function cryptogramVersionOf(issuerData: Uint8Array): CryptogramVersion {
  const layout = issuerDataLayout(issuerData)
  const cvn = issuerData[layout.cvnAt] as number
  const version = byNumber.get(cvn)
  if (version === undefined) {
    throw new MizanError('CRYPTO_REFUSED', `cryptogram version ${hexOf(cvn)} is not supported`)
  }
  if (version.issuerDataFormat !== layout.format) {
    throw new MizanError(
      'CRYPTO_REFUSED',
      `cryptogram version ${hexOf(cvn)} does not go with issuer application data of format ${layout.format}`,
    )
  }
  return version
}

/**
 * Value of a chip element, present and of its exact length.
 * @throws MizanError BAD_INPUT naming the tag
 */
export function requireElement(chip: TagLookup, { tag, name, bytes }: ChipElement): Uint8Array {
  const value = chip(tag)
  if (value === undefined) throw new MizanError('BAD_INPUT', `the chip data has no tag ${hexOf(tag)} (${name})`)
  if (value.length !== bytes) {
    throw new MizanError('BAD_INPUT', `tag ${hexOf(tag)} (${name}) must have ${bytes} bytes, not ${value.length}`)
  }
  return value
}

/**
 * Issuer application data of a card.
 * @throws MizanError BAD_INPUT when the terminal sent none
 */
export function requireIssuerData(chip: TagLookup): Uint8Array {
  const value = chip(ISSUER_DATA_TAG)
  if (value === undefined) {
    throw new MizanError('BAD_INPUT', 'the chip data has no tag 9F10 (issuer application data)')
  }
  return value
}

/**
 * Writes the data over which an application cryptogram is the MAC (VIS 1.6 appendix on cryptogram versions), without
 * padding. All values are the terminal's own, of the chip data: amount and currency of the message may differ.
 * @param out at least {@link CRYPTOGRAM_DATA_MAX} bytes
 * @returns how many bytes were written
 * @throws MizanError BAD_INPUT when a tag is missing, named, or not of its length
 */
export function writeCryptogramData(version: CryptogramVersion, chip: TagLookup, out: Uint8Array): number {
  assert(out.length >= CRYPTOGRAM_DATA_MAX, 'there must be room for the longest cryptogram data')
  let at = 0
  for (const element of version.elements) {
    const value = requireElement(chip, element)
    for (let from = 0; from < value.length; from++) out[at++] = value[from] as number
  }
  const issuerData = requireIssuerData(chip)
  const { cvrAt, cvrBytes } = issuerDataLayout(issuerData)
  let from = 0
  let to = issuerData.length
  if (version.issuerPart === 'first cvr byte') {
    from = cvrAt
    to = cvrAt + 1
  } else if (version.issuerPart === 'cvr with its length') {
    from = cvrAt - 1
    to = cvrAt + cvrBytes
  }
  while (from < to) out[at++] = issuerData[from++] as number
  return at
}

function hexOf(number: number): string {
  return number.toString(16).toUpperCase().padStart(2, '0')
}
