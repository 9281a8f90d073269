import { hash } from 'node:crypto'
import type { AuthorizationRequest } from './request.ts'

/** First byte of these keys: that of a duplicate key is the month of a time, and never so high. */
const MARK = 0xff
const HASH_BYTES = 15

/** The first and the last that there can be. */
export const EARLY_KEYS: readonly [string, string] = [
  String.fromCharCode(MARK) + '\0'.repeat(HASH_BYTES),
  String.fromCharCode(MARK).repeat(1 + HASH_BYTES),
]

type Named = Pick<
  AuthorizationRequest,
  'panIndex' | 'networkReference' | 'amountPiasters' | 'rrn' | 'terminal' | 'acceptor'
>

/**
 * Keys by which a reversal that names no original (DE90), and came before it, is found when the original comes: the
 * scheme's reference with the card, and card, amount, RRN, terminal and acceptor (interfaces.md, "Matching"). 16 bytes
 * as latin1 strings, the surest one first; none when the message has too little to be told from others by.
 */
export function earlyKeysOf(request: Named): string[] {
  const { panIndex, networkReference, amountPiasters: amount, rrn, terminal, acceptor } = request
  const keys: string[] = []
  if (networkReference !== '') keys.push(keyFrom(`${panIndex}|${networkReference}`))
  if (rrn !== '' && amount > 0) keys.push(keyFrom(`${panIndex}|${amount}|${rrn}|${terminal}|${acceptor}`))
  return keys
}

/** Whether a key of the journal is one of these, and not a duplicate key. */
export function isEarlyKey(key: string): boolean {
  return key.charCodeAt(0) === MARK
}

function keyFrom(text: string): string {
  return String.fromCharCode(MARK) + hash('sha256', text, 'binary').slice(0, HASH_BYTES)
}
