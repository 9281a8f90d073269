import { createHash } from 'node:crypto'
import { type CivilDate, cairoOffsetMs, formatDate } from '../../calendar.ts'
import { assert, MizanError } from '../../errors.ts'
import { MINUTE_MS } from '../../time-units.ts'
import { latinOfArabic } from './arabic.ts'

/** Currency of all that Mizan settles. */
export const CURRENCY = 'EGP'
/** Longest message, payment and end-to-end identifier of ISO 20022 (Max35Text). */
const IDENTIFIER_MAX = 35

/** The Latin set that payment networks carry in FIN and therefore in ISO 20022 payments too. */
const OUTSIDE_LATIN = /[^A-Za-z0-9/\-?:().,'+ ]/g
const LATIN = /^[A-Za-z0-9/\-?:().,'+ ]*$/
const IDENTIFIER = /^[A-Za-z0-9\-?:().,'+ ]+(?:\/[A-Za-z0-9\-?:().,'+ ]+)*$/
const DECIMAL_DIGITS_MAX = 18

/**
 * Checks an identifier of a message: 1 to 35 characters of the Latin set, neither beginning nor ending with a slash or
 * a space, no two slashes in a row. It is never shortened or respelt: what comes back must be what went out.
 * @throws MizanError BAD_INPUT
 */
export function identifier(value: string, what: string): string {
  if (value.length > IDENTIFIER_MAX || !IDENTIFIER.test(value) || value !== value.trim()) {
    throw new MizanError('BAD_INPUT', `${what} "${value.slice(0, 60)}" must be 1 to 35 Latin characters`)
  }
  return value
}

/**
 * Text for people, in the Latin set: Arabic is spelt with Latin letters, marks are taken off letters, what has no Latin
 * form becomes a full stop; then it is cut to `max` characters.
 * @throws MizanError BAD_INPUT when nothing is left
 */
export function latinText(value: string, max: number, what: string): string {
  // Most of what is written is Latin already.
  const latin = LATIN.test(value) ? value.replaceAll(/ {2,}/g, ' ') : spelt(value)
  const cut = latin.trim().slice(0, max).trim()
  if (!/[A-Za-z0-9]/.test(cut)) throw new MizanError('BAD_INPUT', `${what} has no letters or digits to write`)
  return cut
}

function spelt(value: string): string {
  const marksOff = latinOfArabic(value).normalize('NFKD').replaceAll(/\p{M}/gu, '')
  return marksOff.replaceAll('&', '+').replaceAll('_', '-').replaceAll(/\s+/g, ' ').replaceAll(OUTSIDE_LATIN, '.')
}

/** Checks a code of ISO 20022's external lists: 1 to 4 capitals and digits. @throws MizanError BAD_INPUT */
export function externalCode(value: string, what: string): string {
  if (!/^[A-Z0-9]{1,4}$/.test(value)) throw new MizanError('BAD_INPUT', `${what} must be a code of up to 4 capitals`)
  return value
}

/**
 * Piasters as decimal pounds with exactly two places: `123456` → `1234.56`. Exact, without floating point.
 * @throws MizanError BAD_INPUT when negative, not whole, or of more than 18 digits (the direction stands in a field of
 * its own)
 */
export function decimalPounds(amountPiasters: number | bigint, what = 'an amount'): string {
  if (typeof amountPiasters === 'number') assert(Number.isSafeInteger(amountPiasters), `${what} must be whole piasters`)
  const digits = amountPiasters.toString().padStart(3, '0')
  if (amountPiasters < 0 || digits.length > DECIMAL_DIGITS_MAX) {
    throw new MizanError('BAD_INPUT', `${what} must be between 0 and 10^18 piasters, it is ${amountPiasters}`)
  }
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** Like {@link decimalPounds}, for an amount that is paid: zero is refused too. */
export function paidPounds(amountPiasters: number | bigint, what: string): string {
  if (amountPiasters <= 0) throw new MizanError('BAD_INPUT', `${what} must be more than 0, it is ${amountPiasters}`)
  return decimalPounds(amountPiasters, what)
}

/** ISODate. */
export const isoDate = (date: CivilDate): string => formatDate(date)

/** ISODateTime as Cairo's clocks show it, with their offset: `2026-11-22T22:30:00+02:00`. Milliseconds are cut off. */
export function isoDateTime(instantMs: number): string {
  const offsetMs = cairoOffsetMs(instantMs)
  const hours = String(Math.floor(offsetMs / (60 * MINUTE_MS))).padStart(2, '0')
  return `${new Date(instantMs + offsetMs).toISOString().slice(0, 19)}+${hours}:00`
}

/** ISODateTime in UTC, for the application header: `2026-11-22T20:30:00Z`. */
export const utcDateTime = (instantMs: number): string => `${new Date(instantMs).toISOString().slice(0, 19)}Z`

/**
 * Unique end-to-end transaction reference (a version 4 UUID in form) made of a text: the same payment written again has
 * the same one.
 */
export function uetrOf(seed: string): string {
  const bytes = createHash('sha256').update(`uetr:${seed}`).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
