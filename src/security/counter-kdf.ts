import { assert } from '../errors.ts'
import { wipe } from './primitives/secrets.ts'

/** A keyed function of which the key stays where it is: a MAC made in a token. Gives 16 bytes of its own. */
export type PseudorandomFunction = (input: Buffer) => Buffer

const BLOCK_BYTES = 16
const COUNTER_BYTES = 4

/**
 * Derives a key in counter mode (NIST SP 800-108r1, 4.1): the function over a counter of 32 bits and the fixed input,
 * as often as bytes are needed.
 * @param bytes how many are derived
 */
export function deriveInCounterMode(prf: PseudorandomFunction, fixedInput: Uint8Array, bytes: number): Buffer {
  assert(Number.isInteger(bytes) && bytes > 0, 'at least one byte is derived')
  const input = Buffer.alloc(COUNTER_BYTES + fixedInput.length)
  input.set(fixedInput, COUNTER_BYTES)
  const derived = Buffer.alloc(bytes)
  for (let at = 0, counter = 1; at < bytes; at += BLOCK_BYTES, counter++) {
    input.writeUInt32BE(counter)
    const block = prf(input)
    assert(block.length === BLOCK_BYTES, 'the function gives whole blocks')
    derived.set(block.subarray(0, Math.min(BLOCK_BYTES, bytes - at)), at)
    wipe(block)
  }
  return derived
}

/**
 * The fixed input of SP 800-108r1, 4: label, a zero byte, context, and the length of the derived key in 32 bits. The
 * length is part of it, so that a shorter key is not the beginning of a longer one.
 * @param label what the key is for
 * @param bytes of the derived key
 */
export function fixedInputOf(label: string, context: string, bytes: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes * 8)
  return Buffer.concat([Buffer.from(label, 'utf8'), Buffer.alloc(1), Buffer.from(context, 'utf8'), length])
}
