import { MizanError } from '../errors.ts'
import { SECOND_MS } from '../time-units.ts'

const TIMEOUT_MAX_S = 3_600

/** Reads a whole number of a command line. @throws MizanError BAD_INPUT */
export function numberOption(text: string, what: string, max = Number.MAX_SAFE_INTEGER, min = 1): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  const from = min === 0 ? '' : ` from ${min}`
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` ${min === 0 ? 'up to' : 'to'} ${max}`
  throw new MizanError('BAD_INPUT', `${what} must be a whole number${from}${upTo}`)
}

/**
 * Reads a whole number that may be 0: of what is not there under it, the command says so.
 * @throws MizanError BAD_INPUT
 */
export function wholeNumber(text: string, what: string, max = Number.MAX_SAFE_INTEGER): number {
  return numberOption(text, what, max, 0)
}

/** Reads `--timeout`, in seconds. @returns milliseconds @throws MizanError BAD_INPUT */
export function timeoutOption(text: string): number {
  const seconds = Number(text)
  if (/^\d{1,4}$/.test(text) && seconds <= TIMEOUT_MAX_S) return seconds * SECOND_MS
  throw new MizanError('BAD_INPUT', `--timeout is 0 to ${TIMEOUT_MAX_S} seconds`)
}
