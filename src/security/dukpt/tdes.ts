import { assert, MizanError } from '../../errors.ts'
import { DesKey } from '../primitives/des.ts'
import { setBits } from '../primitives/words.ts'

/** Bytes of a TDES DUKPT key, whichever it is. */
export const DUKPT_TDES_KEY_BYTES = 16
/** Bytes of a key serial number. */
export const TDES_KSN_BYTES = 10
/** Shorter serial numbers, as old terminals send them without their leading FF FF. */
const KSN_BYTES_MIN = 8
/** Bits of the counter at the end of a serial number. */
const COUNTER_BITS = 21
/** Bits of the serial number's eighth byte that are the counter's top. */
const COUNTER_IN_EIGHTH_BYTE = 0x1f
/** XORed into bytes 0-3 and 8-11 of a key for the second key of a derivation. */
const DERIVATION_MASK = 0xc0

/** What a working key is for, as seen from the terminal: it sends requests and reads responses. */
export type TdesKeyUse = 'pin' | 'mac-request' | 'mac-response' | 'data-request' | 'data-response'

interface Variant {
  /** byte of each half that is turned */
  readonly at: number
  /** data keys go through one more encipherment, so that they do not lead back to the transaction key */
  readonly oneWay: boolean
}

/** X9.24-1:2009, annex A.4.1: which byte of each half the variant turns. */
const variants: Readonly<Record<TdesKeyUse, Variant>> = {
  pin: { at: 7, oneWay: false },
  'mac-request': { at: 6, oneWay: false },
  'mac-response': { at: 4, oneWay: false },
  'data-request': { at: 5, oneWay: true },
  'data-response': { at: 3, oneWay: true },
}

/** Keys on the longest way to a transaction key: the initial key and one after each bit of the counter. */
const PATH_BYTES = (COUNTER_BITS + 1) * DUKPT_TDES_KEY_BYTES

// Work space of derivations. A derivation never waits for anything, so one set serves all; each wipes what it used.
const halfKey = new DesKey(new Uint8Array(8))
const wholeKey = new DesKey(new Uint8Array(DUKPT_TDES_KEY_BYTES))
const serial = new Uint8Array(TDES_KSN_BYTES)
const register = new Uint8Array(8)
const work = new Uint8Array(DUKPT_TDES_KEY_BYTES)
const block = new Uint8Array(8)
const ownPath = new Uint8Array(PATH_BYTES)

/**
 * Counter of a key serial number: its low 21 bits.
 * @param ksn 8 to 10 bytes
 * @throws MizanError BAD_INPUT for another length
 */
export function tdesKsnCounter(ksn: Uint8Array): number {
  checkLength(ksn)
  const end = ksn.length
  return (
    (((ksn[end - 3] as number) & COUNTER_IN_EIGHTH_BYTE) << 16) |
    ((ksn[end - 2] as number) << 8) |
    (ksn[end - 1] as number)
  )
}

/**
 * Derives a terminal's initial key (X9.24-1:2009, annex A.6): the first eight bytes of its serial number, counter
 * cleared, under the base key and under the base key with C0 XORed in.
 * @param baseKey 16 bytes
 * @param ksn 8 to 10 bytes, a shorter one filled with FF on the left; its counter does not matter
 * @param out the 16 bytes of the initial key, no parity set: DUKPT does not adjust it
 * @throws MizanError BAD_INPUT when the serial number has another length
 */
export function deriveTdesInitialKey(baseKey: Uint8Array, ksn: Uint8Array, out: Uint8Array): void {
  assert(baseKey.length === DUKPT_TDES_KEY_BYTES && out.length === DUKPT_TDES_KEY_BYTES, 'DUKPT keys have 16 bytes')
  readSerial(ksn)
  serial[7] = (serial[7] as number) & ~COUNTER_IN_EIGHTH_BYTE
  work.set(baseKey)
  wholeKey.setKey(work)
  wholeKey.encryptBlock(serial, 0, out, 0)
  mask(work)
  wholeKey.setKey(work)
  wholeKey.encryptBlock(serial, 0, out, 8)
  wholeKey.wipe()
  work.fill(0)
}

/**
 * Derives the key of one transaction (X9.24-1:2009, annexes A.2 and A.3): from the initial key, one irreversible step
 * for each set bit of the counter, the most significant first. Terminals skip counters of more than ten set bits; a
 * host takes any.
 * @param initialKey 16 bytes, of {@link deriveTdesInitialKey}
 * @param ksn 8 to 10 bytes, a shorter one filled with FF on the left
 * @param out the 16 bytes of the transaction key; may be `initialKey` itself
 * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when its counter is 0, for
 *   which there is no transaction key
 */
export function deriveTdesTransactionKey(initialKey: Uint8Array, ksn: Uint8Array, out: Uint8Array): void {
  assert(initialKey.length === DUKPT_TDES_KEY_BYTES && out.length === DUKPT_TDES_KEY_BYTES, 'DUKPT keys have 16 bytes')
  const counter = requireCounter(ksn)
  readSerial(ksn)
  ownPath.set(initialKey)
  const at = walk(ownPath, counter, COUNTER_BITS, 0)
  for (let i = 0; i < DUKPT_TDES_KEY_BYTES; i++) out[i] = ownPath[at + i] as number
  ownPath.fill(0)
}

function requireCounter(ksn: Uint8Array): number {
  const counter = tdesKsnCounter(ksn)
  if (counter === 0) throw new MizanError('CRYPTO_REFUSED', 'a DUKPT key serial number with counter 0 has no key')
  return counter
}

/**
 * Walks from a key on the way of the terminal in {@link serial} to the transaction key, writing each key on the way
 * after the one it is made from.
 * @param bits how many of the counter's low bits are still to go; the key at `from` belongs to the bits above
 * @returns where in the path the transaction key is
 */
function walk(path: Uint8Array, counter: number, bits: number, from: number): number {
  const above = counter & ~((1 << bits) - 1)
  for (let at = 0; at < 8; at++) register[at] = serial[at + 2] as number
  register[5] = ((register[5] as number) & ~COUNTER_IN_EIGHTH_BYTE) | (above >> 16)
  register[6] = (above >> 8) & 0xff
  register[7] = above & 0xff
  let at = from
  for (let bit = bits - 1; bit >= 0; bit--) {
    if ((counter & (1 << bit)) === 0) continue
    const byte = 7 - (bit >> 3)
    register[byte] = (register[byte] as number) | (1 << (bit & 7))
    step(path, at)
    at += DUKPT_TDES_KEY_BYTES
  }
  halfKey.wipe()
  work.fill(0)
  block.fill(0)
  return at
}

/** One irreversible step: after the key comes G(key XOR C0) followed by G(key). */
function step(path: Uint8Array, at: number): void {
  const to = at + DUKPT_TDES_KEY_BYTES
  for (let i = 0; i < DUKPT_TDES_KEY_BYTES; i++) work[i] = path[at + i] as number
  generate(path, to + 8)
  mask(work)
  generate(path, to)
}

/** G: the register XOR the key's right half, under the key's left half, XOR the right half again. */
function generate(path: Uint8Array, to: number): void {
  for (let i = 0; i < 8; i++) block[i] = (register[i] as number) ^ (work[8 + i] as number)
  halfKey.setKey(work)
  halfKey.encryptBlock(block, 0, block, 0)
  for (let i = 0; i < 8; i++) path[to + i] = (block[i] as number) ^ (work[8 + i] as number)
}

function mask(key: Uint8Array): void {
  for (let at = 0; at < 4; at++) {
    key[at] = (key[at] as number) ^ DERIVATION_MASK
    key[at + 8] = (key[at + 8] as number) ^ DERIVATION_MASK
  }
}

/**
 * Makes the working key of one use out of a transaction key (X9.24-1:2009, annex A.4.1). Data keys take the further
 * one-way step: both halves of the variant under the variant itself.
 * @param transactionKey 16 bytes
 * @param out the 16 bytes of the working key; may be `transactionKey` itself
 */
export function deriveTdesWorkingKey(transactionKey: Uint8Array, use: TdesKeyUse, out: Uint8Array): void {
  assert(transactionKey.length === DUKPT_TDES_KEY_BYTES, 'DUKPT keys have 16 bytes')
  assert(out.length === DUKPT_TDES_KEY_BYTES, 'DUKPT keys have 16 bytes')
  const { at, oneWay } = variants[use]
  if (out !== transactionKey) for (let i = 0; i < DUKPT_TDES_KEY_BYTES; i++) out[i] = transactionKey[i] as number
  out[at] = (out[at] as number) ^ 0xff
  out[at + 8] = (out[at + 8] as number) ^ 0xff
  if (!oneWay) return
  wholeKey.setKey(out)
  wholeKey.encryptBlock(out, 0, out, 0)
  wholeKey.encryptBlock(out, 8, out, 8)
  wholeKey.wipe()
}

/** Puts a serial number into {@link serial}, FF to the left of a shorter one. */
function readSerial(ksn: Uint8Array): void {
  checkLength(ksn)
  const missing = TDES_KSN_BYTES - ksn.length
  for (let at = 0; at < TDES_KSN_BYTES; at++) serial[at] = at < missing ? 0xff : (ksn[at - missing] as number)
}

function checkLength(ksn: Uint8Array): void {
  if (ksn.length < KSN_BYTES_MIN || ksn.length > TDES_KSN_BYTES) {
    throw new MizanError('BAD_INPUT', 'a DUKPT key serial number has 8 to 10 bytes')
  }
}

/** Terminals whose keys are remembered unless told otherwise: some 1.5 MB. */
const TERMINALS_KEPT = 4096

interface Terminal {
  /** the initial key, then the keys on the way to the transaction key of `counter` */
  readonly path: Uint8Array
  counter: number
}

/**
 * The keys of all terminals under one base derivation key. For the terminals seen last, the keys on the way to their
 * last transaction key are remembered: a terminal's next counter shares all of that way but its end, so that its key
 * costs one step instead of one for each set bit. This gives away nothing that the base key beside it does not.
 */
export class TdesDukpt {
  readonly #baseKey: Uint8Array
  #wiped = false
  readonly #terminalsKept: number
  /** by the serial number without its counter; the one used longest ago first */
  readonly #terminals = new Map<string, Terminal>()

  /**
   * @param baseKey 16 bytes; copied
   * @param terminalsKept how many terminals are remembered, at least 1. @default 4096
   */
  constructor(baseKey: Uint8Array, terminalsKept = TERMINALS_KEPT) {
    assert(baseKey.length === DUKPT_TDES_KEY_BYTES, 'a base derivation key has 16 bytes')
    assert(terminalsKept >= 1, 'at least one terminal must be kept')
    this.#baseKey = Uint8Array.from(baseKey)
    this.#terminalsKept = terminalsKept
  }

  /** How many terminals are remembered now. */
  get terminals(): number {
    return this.#terminals.size
  }

  /**
   * Derives the working key of one use for one transaction. That the counter moves on is for the caller to check, who
   * knows the terminal's last one: here any counter may be asked for.
   * @param ksn 8 to 10 bytes
   * @param out the 16 bytes of the working key
   * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when its counter is 0
   */
  workingKey(ksn: Uint8Array, use: TdesKeyUse, out: Uint8Array): void {
    this.transactionKey(ksn, out)
    deriveTdesWorkingKey(out, use, out)
  }

  /**
   * Derives the key of one transaction, from which {@link deriveTdesWorkingKey} makes those of more than one use.
   * @param out the 16 bytes of the transaction key
   * @throws MizanError as {@link workingKey}
   */
  transactionKey(ksn: Uint8Array, out: Uint8Array): void {
    assert(!this.#wiped, 'the base key has not been wiped')
    assert(out.length === DUKPT_TDES_KEY_BYTES, 'DUKPT keys have 16 bytes')
    const counter = requireCounter(ksn)
    readSerial(ksn)
    const terminal = this.#terminal(ksn)
    const bits = 32 - Math.clz32(counter ^ terminal.counter)
    const shared = setBits(counter >> bits) * DUKPT_TDES_KEY_BYTES
    const at = walk(terminal.path, counter, bits, shared)
    terminal.counter = counter
    for (let i = 0; i < DUKPT_TDES_KEY_BYTES; i++) out[i] = terminal.path[at + i] as number
  }

  /** Overwrites the base key and all terminals' keys; the object is of no use after that. */
  wipe(): void {
    this.#wiped = true
    this.#baseKey.fill(0)
    for (const { path } of this.#terminals.values()) path.fill(0)
    this.#terminals.clear()
  }

  /** Terminal of the serial number in {@link serial}, moved to the end of those that may be forgotten. */
  #terminal(ksn: Uint8Array): Terminal {
    const name = terminalName()
    const known = this.#terminals.get(name)
    if (known !== undefined) {
      this.#terminals.delete(name)
      this.#terminals.set(name, known)
      return known
    }
    if (this.#terminals.size >= this.#terminalsKept) this.#forgetOldest()
    const terminal = { path: new Uint8Array(PATH_BYTES), counter: 0 }
    deriveTdesInitialKey(this.#baseKey, ksn, terminal.path.subarray(0, DUKPT_TDES_KEY_BYTES))
    this.#terminals.set(name, terminal)
    return terminal
  }

  #forgetOldest(): void {
    for (const [name, { path }] of this.#terminals) {
      path.fill(0)
      this.#terminals.delete(name)
      return
    }
  }
}

/** Serial number in {@link serial} without its counter, as a short text: the key of a map. */
function terminalName(): string {
  return String.fromCharCode(
    ((serial[0] as number) << 8) | (serial[1] as number),
    ((serial[2] as number) << 8) | (serial[3] as number),
    ((serial[4] as number) << 8) | (serial[5] as number),
    ((serial[6] as number) << 8) | ((serial[7] as number) & ~COUNTER_IN_EIGHTH_BYTE),
  )
}
