import { assert } from '../../errors.ts'
import { SCHEDULE_WORDS, scheduleParts, substitution } from './des-tables.ts'
import { wordAt, writeWord } from './words.ts'

/** Encrypts single blocks. */
export interface BlockKey {
  readonly blockBytes: 8 | 16
  readonly keyBytes: number
  /** Encrypts one block; input and output may be the same place. */
  encryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void
  /** Decrypts one block; input and output may be the same place. */
  decryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void
  /** Forgets the key; it cannot be used after. */
  wipe(): void
}

export const DES_BLOCK_BYTES = 8

/**
 * The state of the computation, `des-tables.ts` says how it is kept. Module variables instead of results, because
 * a function that returns two numbers would make an object for each block.
 */
let left = 0
let right = 0

// Names of this module, not of another's: the compiler then knows the arrays, and leaves the checks of bounds out.
const [s1, s2, s3, s4, s5, s6, s7, s8] = substitution
const keyParts = scheduleParts

/**
 * DES (FIPS 46-3) and TDEA (NIST SP 800-67) with a key of 8, 16 (K1 K2 K1) or 24 bytes, by tables, with a prepared key
 * schedule. Parity bits are ignored. One block costs a tenth of what `node:crypto` needs for a new cipher, and nothing
 * is allocated. It is not constant-time, as table look-ups go through the processor's cache: where an attacker may run
 * code on the same machine, the keys belong in a hardware module.
 */
export class DesKey implements BlockKey {
  readonly blockBytes = DES_BLOCK_BYTES
  readonly keyBytes: number
  readonly #schedule: Int32Array
  /** Where in the schedule the keys of the second and third pass begin; 0, 0 for single DES. */
  readonly #second: number
  readonly #third: number
  #ready = false

  /** @param key 8, 16 or 24 bytes */
  constructor(key: Uint8Array) {
    const bytes = key.length
    assert(bytes === 8 || bytes === 16 || bytes === 24, 'a DES key has 8, 16 or 24 bytes')
    this.keyBytes = bytes
    this.#schedule = new Int32Array((bytes / 8) * SCHEDULE_WORDS)
    this.#second = bytes === 8 ? 0 : SCHEDULE_WORDS
    this.#third = bytes === 24 ? SCHEDULE_WORDS * 2 : 0
    this.setKey(key)
  }

  /**
   * Takes another key of the same length in place of the one it has, without allocating: for derived keys that are used
   * once.
   * @param at where in `key` the key begins
   */
  setKey(key: Uint8Array, at = 0): void {
    assert(at >= 0 && key.length - at >= this.keyBytes, 'there are enough key bytes')
    for (let from = 0; from < this.keyBytes; from += 8) writeSchedule(key, at + from, this.#schedule, from * 4)
    this.#ready = true
  }

  encryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    this.#check(input, inputAt, output, outputAt)
    const schedule = this.#schedule
    load(input, inputAt)
    encryptRounds(schedule, 0)
    if (this.#second !== 0) {
      decryptRounds(schedule, this.#second)
      encryptRounds(schedule, this.#third)
    }
    store(output, outputAt)
  }

  decryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    this.#check(input, inputAt, output, outputAt)
    const schedule = this.#schedule
    load(input, inputAt)
    if (this.#second !== 0) {
      decryptRounds(schedule, this.#third)
      encryptRounds(schedule, this.#second)
    }
    decryptRounds(schedule, 0)
    store(output, outputAt)
  }

  /** Encrypts one block by single DES under the first 8 bytes of the key, as CVV, DUKPT and retail MAC need. */
  encryptWithFirst(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    this.#check(input, inputAt, output, outputAt)
    load(input, inputAt)
    encryptRounds(this.#schedule, 0)
    store(output, outputAt)
  }

  /**
   * Chains blocks by single DES under the first 8 bytes of the key, as the CBC part of a retail MAC does: the state is
   * replaced by E(state ^ block) for each block.
   * @param state 8 bytes
   */
  chainWithFirst(data: Uint8Array, at: number, blocks: number, state: Uint8Array): void {
    this.#check(state, 0, state, 0)
    assert(at >= 0 && data.length - at >= blocks * DES_BLOCK_BYTES, 'there are enough blocks')
    const schedule = this.#schedule
    load(state, 0)
    for (let block = 0; block < blocks; block++) {
      // The initial permutation is linear, so it need not be undone between two blocks.
      const stateLeft = left
      const stateRight = right
      load(data, at + block * DES_BLOCK_BYTES)
      left ^= stateLeft
      right ^= stateRight
      encryptRounds(schedule, 0)
    }
    store(state, 0)
  }

  wipe(): void {
    this.#schedule.fill(0)
    this.#ready = false
  }

  #check(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    assert(this.#ready, 'the key has not been wiped')
    assert(inputAt >= 0 && inputAt + DES_BLOCK_BYTES <= input.length, 'the input has a whole block')
    assert(outputAt >= 0 && outputAt + DES_BLOCK_BYTES <= output.length, 'the output has room for a block')
  }
}

/** Writes the schedule of the 8 key bytes at `at` as {@link SCHEDULE_WORDS} words. */
function writeSchedule(key: Uint8Array, at: number, schedule: Int32Array, to: number): void {
  const parts = keyParts
  const a = part(key, at, 0)
  const b = part(key, at, 1)
  const c = part(key, at, 2)
  const d = part(key, at, 3)
  const e = part(key, at, 4)
  const f = part(key, at, 5)
  const g = part(key, at, 6)
  const h = part(key, at, 7)
  for (let word = 0; word < SCHEDULE_WORDS; word++) {
    schedule[to + word] =
      (parts[a + word] as number) ^
      (parts[b + word] as number) ^
      (parts[c + word] as number) ^
      (parts[d + word] as number) ^
      (parts[e + word] as number) ^
      (parts[f + word] as number) ^
      (parts[g + word] as number) ^
      (parts[h + word] as number)
  }
}

/** Where the row of a key byte begins. */
function part(key: Uint8Array, at: number, byte: number): number {
  return (byte * 128 + ((key[at + byte] as number) >> 1)) * SCHEDULE_WORDS
}

/** Reads a block through the initial permutation, by five exchanges of bits, and rotates the halves. */
function load(input: Uint8Array, at: number): void {
  let l = wordAt(input, at)
  let r = wordAt(input, at + 4)
  let swapped = ((l >>> 4) ^ r) & 0x0f0f0f0f
  r ^= swapped
  l ^= swapped << 4
  swapped = ((l >>> 16) ^ r) & 0x0000ffff
  r ^= swapped
  l ^= swapped << 16
  swapped = ((r >>> 2) ^ l) & 0x33333333
  l ^= swapped
  r ^= swapped << 2
  swapped = ((r >>> 8) ^ l) & 0x00ff00ff
  l ^= swapped
  r ^= swapped << 8
  swapped = ((l >>> 1) ^ r) & 0x55555555
  r ^= swapped
  l ^= swapped << 1
  left = (l >>> 1) | (l << 31)
  right = (r >>> 1) | (r << 31)
}

/** Undoes what {@link load} does. */
function store(output: Uint8Array, at: number): void {
  let l = (left << 1) | (left >>> 31)
  let r = (right << 1) | (right >>> 31)
  let swapped = ((l >>> 1) ^ r) & 0x55555555
  r ^= swapped
  l ^= swapped << 1
  swapped = ((r >>> 8) ^ l) & 0x00ff00ff
  l ^= swapped
  r ^= swapped << 8
  swapped = ((r >>> 2) ^ l) & 0x33333333
  l ^= swapped
  r ^= swapped << 2
  swapped = ((l >>> 16) ^ r) & 0x0000ffff
  r ^= swapped
  l ^= swapped << 16
  swapped = ((l >>> 4) ^ r) & 0x0f0f0f0f
  r ^= swapped
  l ^= swapped << 4
  writeWord(output, at, l)
  writeWord(output, at + 4, r)
  left = 0
  right = 0
}

/** The round function of a half, with the two words of the round's key. */
function mix(half: number, odd: number, even: number): number {
  const a = half ^ odd
  const b = ((half << 4) | (half >>> 28)) ^ even
  return (
    (s1[a >>> 26] as number) ^
    (s3[(a >>> 18) & 63] as number) ^
    ((s5[(a >>> 10) & 63] as number) ^ (s7[(a >>> 2) & 63] as number)) ^
    ((s2[b >>> 26] as number) ^
      (s4[(b >>> 18) & 63] as number) ^
      ((s6[(b >>> 10) & 63] as number) ^ (s8[(b >>> 2) & 63] as number)))
  )
}

/** Sixteen rounds and the exchange of the halves. */
function encryptRounds(schedule: Int32Array, from: number): void {
  let l = left
  let r = right
  for (let at = from; at < from + SCHEDULE_WORDS; at += 4) {
    l ^= mix(r, schedule[at] as number, schedule[at + 1] as number)
    r ^= mix(l, schedule[at + 2] as number, schedule[at + 3] as number)
  }
  left = r
  right = l
}

/** The same with the round keys in reverse. */
function decryptRounds(schedule: Int32Array, from: number): void {
  let l = left
  let r = right
  for (let at = from + SCHEDULE_WORDS - 4; at >= from; at -= 4) {
    l ^= mix(r, schedule[at + 2] as number, schedule[at + 3] as number)
    r ^= mix(l, schedule[at] as number, schedule[at + 1] as number)
  }
  left = r
  right = l
}
