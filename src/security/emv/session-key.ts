import { assert } from '../../errors.ts'
import { DesKey } from '../primitives/des.ts'
import { setOddParity } from '../primitives/key-checks.ts'

/**
 * How an application cryptogram's session key comes from the card key: `none` uses the card key itself (CVN 10 and 17),
 * `common` is EMV's derivation over the transaction counter.
 */
export type SessionKeyMethod = 'none' | 'common'

/** Bytes of a card or session key (two-key TDES). */
export const CARD_KEY_BYTES = 16
/** Value that stands in the third byte of R for the left half of a common session key. */
const LEFT_MARK = 0xf0
/** The same for the right half. */
const RIGHT_MARK = 0x0f

const block = new Uint8Array(8)

/**
 * Common session key derivation (EMV Book 2, annex A1.3.1): each half is R under the card key, with F0 or 0F as its
 * third byte. Allocates nothing.
 * @param cardKey double-length card master key
 * @param diversifier R, 8 bytes: see {@link cryptogramDiversifier}; the ARQC for secure messaging
 * @param out the 16 bytes of the session key, odd parity set on each
 */
export function deriveCommonSessionKey(cardKey: DesKey, diversifier: Uint8Array, out: Uint8Array): void {
  assert(diversifier.length === 8 && out.length === CARD_KEY_BYTES, 'R has 8 bytes and a session key 16')
  block.set(diversifier)
  block[2] = LEFT_MARK
  cardKey.encryptBlock(block, 0, out, 0)
  block[2] = RIGHT_MARK
  cardKey.encryptBlock(block, 0, out, 8)
  setOddParity(out)
}

/**
 * R of an application cryptogram's session key (EMV Book 2, annex A1.3.1): the transaction counter and zeros.
 * @param atc tag 9F36, 2 bytes
 * @param out 8 bytes
 */
export function cryptogramDiversifier(atc: Uint8Array, out: Uint8Array): void {
  assert(atc.length === 2 && out.length === 8, 'a transaction counter has 2 bytes and R 8')
  out.fill(0)
  out.set(atc)
}

/**
 * R of M/Chip's session key (M/Chip 4, SKD method): the transaction counter, two zeros, the unpredictable number. The
 * key itself is derived as {@link deriveCommonSessionKey} does.
 * @param atc tag 9F36, 2 bytes
 * @param unpredictable tag 9F37, 4 bytes
 * @param out 8 bytes
 */
export function mchipDiversifier(atc: Uint8Array, unpredictable: Uint8Array, out: Uint8Array): void {
  assert(unpredictable.length === 4, 'an unpredictable number has 4 bytes')
  cryptogramDiversifier(atc, out)
  out.set(unpredictable, 4)
}

/**
 * Visa's secure-messaging session key of issuer scripts for CVN 10 and 18 (VIS, appendix on secure messaging): the card
 * key with the transaction counter XORed into the end of its left half and the counter's complement into the end of
 * its right half. No encipherment: the card key shows to whoever learns one session key.
 * @param cardKey the 16 bytes of the card's master key for scripts
 * @param atc tag 9F36, 2 bytes
 * @param out the 16 bytes of the session key, odd parity set on each; may be `cardKey` itself
 */
export function deriveVisaScriptKey(cardKey: Uint8Array, atc: Uint8Array, out: Uint8Array): void {
  assert(cardKey.length === CARD_KEY_BYTES && out.length === CARD_KEY_BYTES, 'card and session keys have 16 bytes')
  assert(atc.length === 2, 'a transaction counter has 2 bytes')
  const high = atc[0] as number
  const low = atc[1] as number
  out.set(cardKey)
  out[6] = (out[6] as number) ^ high
  out[7] = (out[7] as number) ^ low
  out[14] = (out[14] as number) ^ high ^ 0xff
  out[15] = (out[15] as number) ^ low ^ 0xff
  setOddParity(out)
}

/** Shape of an EMV2000 key tree: `branch ** height` must cover the 16 bits of the transaction counter. */
export interface KeyTree {
  /** keys under each key: 2 or 4 */
  readonly branch: number
  /** levels: 16 for branch 2, 8 for branch 4 */
  readonly height: number
  /** initial value, 16 bytes; zeros for most issuers */
  readonly initialValue: Uint8Array
}

/**
 * Session key by the EMV2000 tree (EMV 4.0 Book 2, annex A1.3; "Visa cryptogram version 14"). Withdrawn by EMV
 * Specification Update 46; kept for cards personalised before it. The counter is walked from its most significant
 * digit in base `branch`; each level's key is made from the two levels above.
 * @param cardKey the 16 bytes of the card's master key
 * @param atc tag 9F36, 2 bytes
 * @param out the 16 bytes of the session key, odd parity set on each
 */
export function deriveTreeSessionKey(cardKey: Uint8Array, atc: Uint8Array, tree: KeyTree, out: Uint8Array): void {
  const { branch, height, initialValue } = tree
  assert(cardKey.length === CARD_KEY_BYTES && out.length === CARD_KEY_BYTES, 'card and session keys have 16 bytes')
  assert(atc.length === 2 && initialValue.length === 16, 'a counter has 2 bytes and an initial value 16')
  assert(branch >= 2 && branch ** height >= 0x10000, 'the tree must have a leaf for every counter')
  const counter = ((atc[0] as number) << 8) | (atc[1] as number)
  const key = new DesKey(cardKey)
  let parent = Uint8Array.from(cardKey)
  let grandparent = Uint8Array.from(initialValue)
  let child = new Uint8Array(CARD_KEY_BYTES)
  for (let level = height - 1; level >= 0; level--) {
    const digit = Math.floor(counter / branch ** level) % branch
    key.setKey(parent)
    treeStep(key, grandparent, digit, child)
    // The last level's result is XORed with its grandparent, so that a leaf does not give away its siblings' keys.
    if (level === 0) for (let at = 0; at < 16; at++) out[at] = (child[at] as number) ^ (grandparent[at] as number)
    const free = grandparent
    grandparent = parent
    parent = child
    child = free
  }
  setOddParity(out)
  key.wipe()
  parent.fill(0)
  grandparent.fill(0)
  child.fill(0)
}

/**
 * Phi of the tree: both halves of `value` under the key, the branch's digit in their last byte, F0 in the right one.
 */
function treeStep(key: DesKey, value: Uint8Array, digit: number, out: Uint8Array): void {
  out.set(value)
  out[7] = (out[7] as number) ^ digit
  out[15] = (out[15] as number) ^ digit ^ 0xf0
  key.encryptBlock(out, 0, out, 0)
  key.encryptBlock(out, 8, out, 8)
}
