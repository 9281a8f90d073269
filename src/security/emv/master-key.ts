import { hash } from 'node:crypto'
import { assert } from '../../errors.ts'
import { decimaliseInto } from '../primitives/decimalise.ts'
import type { DesKey } from '../primitives/des.ts'
import { digitAt, PAN_MAX_DIGITS, PAN_MIN_DIGITS, requireDigits } from '../primitives/digits.ts'
import { setOddParity } from '../primitives/key-checks.ts'

/**
 * How an issuer's card keys come from its master key: `A` uses the rightmost 16 digits of PAN and sequence number, `B`
 * hashes a PAN of over 16 digits first. It is a parameter of the issuer's key, not of the cryptogram version.
 */
export type MasterKeyOption = 'A' | 'B'

/** Digits that go into the derivation block. */
const BLOCK_DIGITS = 16

/** Derivation block Y, then Y with each bit turned: one array, since both halves of the key are made from it. */
const blocks = new Uint8Array(16)
const hashInput = new Uint8Array((PAN_MAX_DIGITS + 1 + 2) / 2)
const hashDigits = new Uint8Array(BLOCK_DIGITS)

/**
 * Derives a card's master key from an issuer's (EMV Book 2, annex A1.4). Allocates nothing under option A.
 * @param issuerKey double-length issuer master key
 * @param pan 12 to 19 digits, without filler
 * @param psn the two digits of tag 5F34; `00` where the card has none
 * @param option what the issuer personalised the card with; `B` is the same as `A` up to 16 digits
 * @param out the 16 bytes of the card key, odd parity set on each
 * @throws MizanError BAD_INPUT when PAN or sequence number are not such digits
 */
export function deriveCardKey(
  issuerKey: DesKey,
  pan: string,
  psn: string,
  option: MasterKeyOption,
  out: Uint8Array,
): void {
  deriveUnadjustedCardKey(issuerKey, pan, psn, option, out)
  setOddParity(out)
}

/**
 * The same without the parity adjustment, for comparing with tools that leave it out; the key works the same.
 * @throws MizanError BAD_INPUT as {@link deriveCardKey}
 */
export function deriveUnadjustedCardKey(
  issuerKey: DesKey,
  pan: string,
  psn: string,
  option: MasterKeyOption,
  out: Uint8Array,
): void {
  assert(issuerKey.keyBytes === 16 && out.length === 16, 'issuer and card master keys have 16 bytes')
  requireDigits(pan, PAN_MIN_DIGITS, PAN_MAX_DIGITS, 'the card number for a card key')
  requireDigits(psn, 2, 2, 'the card sequence number')
  if (option === 'A' || pan.length <= BLOCK_DIGITS) packRightmost(pan, psn)
  else packHashed(pan, psn)
  for (let at = 0; at < 8; at++) blocks[8 + at] = (blocks[at] as number) ^ 0xff
  issuerKey.encryptBlock(blocks, 0, out, 0)
  issuerKey.encryptBlock(blocks, 8, out, 8)
  blocks.fill(0)
}

/** Y of option A: the rightmost 16 digits of PAN and sequence number, zeros to the left of a shorter one. */
function packRightmost(pan: string, psn: string): void {
  const skip = pan.length + psn.length - BLOCK_DIGITS
  for (let at = 0; at < 8; at++) {
    blocks[at] = (joinedDigit(pan, psn, skip + 2 * at) << 4) | joinedDigit(pan, psn, skip + 2 * at + 1)
  }
}

/** Y of option B: 16 digits of the SHA-1 over the packed digits, letters used only when the digits run out. */
function packHashed(pan: string, psn: string): void {
  const digits = pan.length + psn.length
  const bytes = (digits + 1) >> 1
  // An odd count gets its zero on the left, so the sequence number always ends the last byte.
  const skip = digits - 2 * bytes
  for (let at = 0; at < bytes; at++) {
    hashInput[at] = (joinedDigit(pan, psn, skip + 2 * at) << 4) | joinedDigit(pan, psn, skip + 2 * at + 1)
  }
  const digest = hash('sha1', hashInput.subarray(0, bytes), 'buffer')
  hashInput.fill(0)
  decimaliseInto(digest, BLOCK_DIGITS, hashDigits)
  for (let at = 0; at < 8; at++) {
    blocks[at] = ((hashDigits[2 * at] as number) << 4) | (hashDigits[2 * at + 1] as number)
  }
}

/** Value of a digit of card number and sequence number put together; zero before the first. */
function joinedDigit(pan: string, psn: string, at: number): number {
  if (at < 0) return 0
  return at < pan.length ? digitAt(pan, at) : digitAt(psn, at - pan.length)
}
