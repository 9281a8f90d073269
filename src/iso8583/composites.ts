import type { PartSpec } from './dialect-spec.ts'
import type { DecodeFailure } from './failure.ts'
import { failEncode, failure } from './failure.ts'

export type { Bitmapped, BitmapSpec, UnknownParts } from './bitmapped.ts'
export { formatBitmapped, parseBitmapped } from './bitmapped.ts'

/** DE3. */
export interface ProcessingCode {
  /** 00 purchase, 01 cash, …; docs/iso8583.md, "Processing code" */
  readonly type: string
  readonly from: string
  readonly to: string
}

/** Writes DE3. */
export function formatProcessingCode({ type, from, to }: ProcessingCode): string {
  return type + from + to
}

/** DE90: the message that a reversal reverses. */
export interface OriginalData {
  readonly mti: string
  readonly stan: string
  /** DE7 of the original, MMDDhhmmss */
  readonly transmission: string
  /** DE32 of the original, as {@link institutionKey} gives it */
  readonly acquirer: string
  /** DE33 of the original, in the same form; empty when there was none */
  readonly forwarder: string
}

/** Divides DE90 (ISO 8583: 4 + 6 + 10 + 11 + 11 digits); undefined when it is not 42 digits. */
export function parseOriginalData(text: string): OriginalData | undefined {
  if (!/^\d{42}$/.test(text)) return undefined
  return {
    mti: text.slice(0, 4),
    stan: text.slice(4, 10),
    transmission: text.slice(10, 20),
    acquirer: institutionKey(text.slice(20, 31)),
    forwarder: institutionKey(text.slice(31, 42)),
  }
}

/**
 * Writes DE90; institutions are right-justified and filled with zeros.
 * @throws MizanError CODEC_ENCODE_FAILED when a part does not fit
 */
export function formatOriginalData(original: OriginalData): string {
  const text =
    original.mti +
    original.stan +
    original.transmission +
    original.acquirer.padStart(11, '0') +
    original.forwarder.padStart(11, '0')
  if (!/^\d{42}$/.test(text)) failEncode(90, 'a part does not fit its place')
  return text
}

/**
 * An institution identification without its leading zeros: DE32 and DE33 have a length, their copies in DE90 are filled
 * with zeros, and only this form compares.
 */
export function institutionKey(text: string): string {
  let zeros = 0
  while (zeros < text.length && text.charCodeAt(zeros) === 0x30) zeros++
  return text.slice(zeros)
}

/** One group of DE54. */
export interface AdditionalAmount {
  /** two characters: 20 postal account, or the wallet's code */
  readonly accountType: string
  /** two characters: 01 ledger balance, 02 available balance, 57 original amount of a partial approval */
  readonly amountType: string
  /** three digits: 818, or 999 for counted units */
  readonly currency: string
  /** C for credit (positive), D for debit */
  readonly sign: 'C' | 'D'
  /** minor units or counted units, never negative */
  readonly amount: number
}

const AMOUNT_GROUP = 20
const AMOUNT_GROUPS_MAX = 6

/** Divides DE54 into its groups of 20 characters; malformed text gives a failure value with path `54.1` to `54.6`. */
export function parseAmounts(text: string): { amounts: AdditionalAmount[]; failure: DecodeFailure | undefined } {
  const amounts: AdditionalAmount[] = []
  for (let at = 0; at < text.length; at += AMOUNT_GROUP) {
    const group = text.slice(at, at + AMOUNT_GROUP)
    const path = `54.${amounts.length + 1}`
    if (group.length < AMOUNT_GROUP) return { amounts, failure: failure('short', path, at, 'needs 20 characters') }
    const parts = /^([\s\S]{2})([\s\S]{2})(\d{3})([CD])(\d{12})$/.exec(group)
    if (parts === null) return { amounts, failure: failure('content', path, at, 'is not a group of an amount') }
    const [, accountType = '', amountType = '', currency = '', sign, amount] = parts
    amounts.push({ accountType, amountType, currency, sign: sign === 'D' ? 'D' : 'C', amount: Number(amount) })
  }
  return { amounts, failure: undefined }
}

/**
 * Writes DE54.
 * @throws MizanError CODEC_ENCODE_FAILED when a group does not fit or there are more than six
 */
export function formatAmounts(amounts: readonly AdditionalAmount[]): string {
  if (amounts.length > AMOUNT_GROUPS_MAX) failEncode(54, `there are more than ${AMOUNT_GROUPS_MAX} groups`)
  let text = ''
  for (const { accountType, amountType, currency, sign, amount } of amounts) {
    if (!Number.isSafeInteger(amount) || amount < 0) failEncode(54, 'an amount must be a whole number, not negative')
    text += accountType + amountType + currency + sign + String(amount).padStart(12, '0')
  }
  if (text.length !== AMOUNT_GROUP * amounts.length) failEncode(54, 'a group does not fit its 20 characters')
  return text
}

/**
 * Cuts a positional field (DE3, 22, 43, 44, 53, 60, 90, 95) into its parts. A text that ends early has the parts that
 * it still begins; parts of parts come as `6.4`.
 * @param parts `dialect.subfields(de).parts`
 */
export function parsePositions(parts: readonly PartSpec[], text: string): Map<string, string> {
  const values = new Map<string, string>()
  let at = 0
  for (const part of parts) {
    if (at >= text.length) break
    const value = text.slice(at, at + part.length)
    values.set(part.id, value)
    if (part.parts !== undefined) {
      for (const [id, inner] of parsePositions(part.parts, value)) values.set(`${part.id}.${id}`, inner)
    }
    at += part.length
  }
  return values
}

/** Track 2: what DE35 says. */
export interface Track2 {
  readonly pan: string
  /** YYMM */
  readonly expiry: string
  readonly serviceCode: string
  readonly discretionary: string
}

/** Divides track 2 with either separator, `D` or `=` (ISO/IEC 7813); undefined when it is not one. */
export function parseTrack2(text: string): Track2 | undefined {
  const parts = /^(\d{12,19})[=D](\d{4})(\d{3})(\d*)$/.exec(text)
  if (parts === null) return undefined
  const [, pan = '', expiry = '', serviceCode = '', discretionary = ''] = parts
  return { pan, expiry, serviceCode, discretionary }
}
