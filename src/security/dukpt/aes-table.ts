import { assert } from '../../errors.ts'
import { wordAt, writeWord } from '../primitives/words.ts'

const BLOCK_BYTES = 16
const BLOCK_WORDS = 4
/** Words of the schedule of a 256-bit key, the longest. */
const SCHEDULE_WORDS = 60
/** Reduction polynomial of the field (FIPS 197, 4.2). */
const POLYNOMIAL = 0x11b

/** The S-box (FIPS 197, 5.1.1). */
const substitution = new Uint8Array(256)
/** S-box and column mixing of a byte in each row of a column (FIPS 197, 5.1.3), as one word. */
const mixed = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)] as const
fillTables()

/** Doubles a field element. */
function double(value: number): number {
  return (value << 1) ^ (value & 0x80 ? POLYNOMIAL : 0)
}

function fillTables(): void {
  // 3 generates the field, so its powers give logarithms, and these inverses.
  const powers = new Uint8Array(255)
  const logarithms = new Uint8Array(256)
  for (let exponent = 0, value = 1; exponent < 255; exponent++, value = double(value) ^ value) {
    powers[exponent] = value
    logarithms[value] = exponent
  }
  for (let value = 0; value < 256; value++) {
    const inverse = value === 0 ? 0 : (powers[(255 - (logarithms[value] as number)) % 255] as number)
    const s = affine(inverse)
    const word = (double(s) << 24) | (s << 16) | (s << 8) | (double(s) ^ s)
    substitution[value] = s
    for (const [row, table] of mixed.entries()) table[value] = (word >>> (8 * row)) | (word << (32 - 8 * row))
  }
}

/** The affine step of the S-box: the byte with four rotations of itself, and a constant. */
function affine(byte: number): number {
  const twice = byte | (byte << 8)
  return (byte ^ (twice >> 4) ^ (twice >> 5) ^ (twice >> 6) ^ (twice >> 7) ^ 0x63) & 0xff
}

/**
 * AES encryption (FIPS 197) of single blocks by tables, for keys that encrypt a block or two and are gone, as each step
 * of a DUKPT derivation has: a native cipher costs some thirty times as much to make. It is not constant-time; keys
 * that live longer belong in `AesKey`.
 */
export class TableAes {
  readonly #schedule = new Int32Array(SCHEDULE_WORDS)
  #rounds = 0

  /**
   * Takes a key in place of the one it had.
   * @param key 16, 24 or 32 bytes
   */
  setKey(key: Uint8Array): void {
    const words = key.length / 4
    assert(words === 4 || words === 6 || words === 8, 'an AES key has 16, 24 or 32 bytes')
    const schedule = this.#schedule
    this.#rounds = words + 6
    for (let at = 0; at < words; at++) schedule[at] = wordAt(key, 4 * at)
    for (let at = words, constant = 1; at < BLOCK_WORDS * (this.#rounds + 1); at++) {
      let word = schedule[at - 1] as number
      if (at % words === 0) {
        word = substitute((word << 8) | (word >>> 24)) ^ (constant << 24)
        constant = double(constant)
      } else if (words === 8 && at % words === 4) {
        word = substitute(word)
      }
      schedule[at] = (schedule[at - words] as number) ^ word
    }
  }

  /** Encrypts one block; input and output may be the same place. */
  encryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    assert(this.#rounds > 0, 'a key has been set')
    assert(inputAt >= 0 && inputAt + BLOCK_BYTES <= input.length, 'the input has a whole block')
    assert(outputAt >= 0 && outputAt + BLOCK_BYTES <= output.length, 'the output has room for a block')
    const schedule = this.#schedule
    const end = BLOCK_WORDS * this.#rounds
    let a = wordAt(input, inputAt) ^ (schedule[0] as number)
    let b = wordAt(input, inputAt + 4) ^ (schedule[1] as number)
    let c = wordAt(input, inputAt + 8) ^ (schedule[2] as number)
    let d = wordAt(input, inputAt + 12) ^ (schedule[3] as number)
    for (let at = BLOCK_WORDS; at < end; at += BLOCK_WORDS) {
      const nextA = mix(a, b, c, d) ^ (schedule[at] as number)
      const nextB = mix(b, c, d, a) ^ (schedule[at + 1] as number)
      const nextC = mix(c, d, a, b) ^ (schedule[at + 2] as number)
      d = mix(d, a, b, c) ^ (schedule[at + 3] as number)
      a = nextA
      b = nextB
      c = nextC
    }
    writeWord(output, outputAt, last(a, b, c, d) ^ (schedule[end] as number))
    writeWord(output, outputAt + 4, last(b, c, d, a) ^ (schedule[end + 1] as number))
    writeWord(output, outputAt + 8, last(c, d, a, b) ^ (schedule[end + 2] as number))
    writeWord(output, outputAt + 12, last(d, a, b, c) ^ (schedule[end + 3] as number))
  }

  /** Forgets the key. */
  wipe(): void {
    this.#schedule.fill(0)
    this.#rounds = 0
  }
}

/** A column of a round before its key: rows are taken from four columns, as they are shifted. */
function mix(first: number, second: number, third: number, fourth: number): number {
  return (
    (mixed[0][first >>> 24] as number) ^
    (mixed[1][(second >>> 16) & 0xff] as number) ^
    (mixed[2][(third >>> 8) & 0xff] as number) ^
    (mixed[3][fourth & 0xff] as number)
  )
}

/** The same in the last round, which mixes no columns. */
function last(first: number, second: number, third: number, fourth: number): number {
  return substitute((first & 0xff000000) | (second & 0x00ff0000) | (third & 0x0000ff00) | (fourth & 0x000000ff))
}

function substitute(word: number): number {
  return (
    ((substitution[word >>> 24] as number) << 24) |
    ((substitution[(word >>> 16) & 0xff] as number) << 16) |
    ((substitution[(word >>> 8) & 0xff] as number) << 8) |
    (substitution[word & 0xff] as number)
  )
}
