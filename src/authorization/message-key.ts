import { hash } from 'node:crypto'
import type { AuthorizationRequest } from './request.ts'

/** Of the hash in a key, behind its time. */
const HASH_CHARACTERS = 12
/** DE11 as it must be. */
export const STAN = /^\d{6}$/
/** A day that some year has (a leap day is one: the message does not say of which year), MMDD. */
const DAY = '(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1\\d|2\\d)|(?:0[13-9]|1[0-2])30|(?:0[13578]|1[02])31)'
/** hhmmss. */
const TIME = '(?:[01]\\d|2[0-3])(?:[0-5]\\d){2}'
/** DE7 as a date and a time: MMDDhhmmss. */
export const TRANSMISSION = new RegExp(`^${DAY}${TIME}$`)
/** DE13, MMDD. */
export const LOCAL_DATE = new RegExp(`^${DAY}$`)
/** DE12, hhmmss. */
export const LOCAL_TIME = new RegExp(`^${TIME}$`)

/**
 * Duplicate key of interfaces.md ("Matching"): acquirer, terminal, STAN, DE7 and message class, as 16 bytes. The first
 * four are the time of DE7, so that the journal's index grows at its end.
 */
export function keyOf(acquirer: string, terminal: string, stan: string, transmission: string, mti: string): string {
  const text = `${acquirer}|${terminal}|${stan}|${transmission}|${mti[1] ?? ''}`
  const digest = hash('sha256', text, 'binary')
  const time = Number(transmission) || 0
  return (
    String.fromCharCode((time >>> 24) & 255, (time >>> 16) & 255, (time >>> 8) & 255, time & 255) +
    digest.slice(0, HASH_CHARACTERS)
  )
}

/** First and last key of messages with a DE7, of ten digits. */
export function keysOfTransmission(transmission: string): readonly [string, string] {
  const time = Number(transmission)
  const start = String.fromCharCode((time >>> 24) & 255, (time >>> 16) & 255, (time >>> 8) & 255, time & 255)
  return [start + '\0'.repeat(HASH_CHARACTERS), start + '\xff'.repeat(HASH_CHARACTERS)]
}

/** DE7 of the message that a key is of, as {@link keyOf} wrote it down; no date for one that had none. */
export function transmissionOfKey(key: string): string {
  const byte = (index: number) => key.charCodeAt(index)
  const time = byte(0) * 0x1_00_00_00 + (byte(1) << 16) + (byte(2) << 8) + byte(3)
  return String(time).padStart(10, '0')
}

/** Whether a message has a STAN and a DE7 to be known by. */
export function isKeyed({ stan, transmission }: Pick<AuthorizationRequest, 'stan' | 'transmission'>): boolean {
  return STAN.test(stan) && TRANSMISSION.test(transmission)
}

/** Messages without a STAN or DE7 that can be read would all share one key: their content stands in for it. */
export function unkeyed(contentHash: string): string {
  return `\0\0\0\0${contentHash.slice(0, 12)}`
}
