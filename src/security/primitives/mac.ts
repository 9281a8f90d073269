import { assert } from '../../errors.ts'
import { encryptCbc, xorBlock } from './block-modes.ts'
import type { BlockKey, DesKey } from './des.ts'
import { DES_BLOCK_BYTES } from './des.ts'

/**
 * Padding method of ISO/IEC 9797-1 section 6.3: 1 = zeros, none when the data fill their blocks; 2 = one bit 1, always,
 * then zeros; 3 = a first block with the length in bits, then zeros. No data at all give, by 1 and 3, a block of zeros.
 */
export type Padding = 1 | 2 | 3

/** The data filled to whole blocks. The result is a copy of its own. */
export function pad(data: Uint8Array, padding: Padding, blockBytes: number): Buffer {
  const before = padding === 3 ? blockBytes : 0
  const filled = Math.ceil((data.length + (padding === 2 ? 1 : 0)) / blockBytes) * blockBytes
  const padded = Buffer.alloc(before + Math.max(filled, blockBytes))
  padded.set(data, before)
  if (padding === 2) padded[data.length] = 0x80
  if (padding === 3) padded.writeBigUInt64BE(BigInt(data.length) * 8n, blockBytes - 8)
  return padded
}

/**
 * CBC-MAC, MAC algorithm 1 of ISO/IEC 9797-1: the last block of the chained encryption from a zero initial vector.
 * Safe only where all messages of a key have one length or the first block tells it.
 * @returns one block; the caller cuts it
 */
export function cbcMac(key: BlockKey, data: Uint8Array, padding: Padding): Buffer {
  return lastBlockOf(key, pad(data, padding, key.blockBytes))
}

const state = Buffer.alloc(DES_BLOCK_BYTES)

/**
 * Retail MAC, MAC algorithm 3 of ISO/IEC 9797-1: single DES chained under the key's first half, the last block by all
 * of it.
 * @param key 16 bytes
 * @returns 8 bytes; the caller cuts them
 */
export function retailMac(key: DesKey, data: Uint8Array, padding: Padding): Buffer {
  const mac = Buffer.allocUnsafe(DES_BLOCK_BYTES)
  retailMacInto(key, data, 0, data.length, padding, mac, 0)
  return mac
}

/**
 * {@link retailMac} over a part of the data, without making anything: for messages and cryptograms.
 * @param key 16 bytes
 * @param from first byte of the data that is covered
 * @param to first byte after those
 * @param mac takes 8 bytes at `macAt`
 */
export function retailMacInto(
  key: DesKey,
  data: Uint8Array,
  from: number,
  to: number,
  padding: Padding,
  mac: Uint8Array,
  macAt: number,
): void {
  assert(key.keyBytes === 16, 'the key of a retail MAC has 16 bytes')
  assert(from >= 0 && from <= to && to <= data.length, 'the covered part lies within the data')
  state.fill(0)
  if (padding === 3) {
    state.writeUInt32BE((to - from) * 8, 4)
    key.encryptWithFirst(state, 0, state, 0)
  }
  const length = to - from
  // With padding 1 and 3 a full last block is the last one; with padding 2 a block of padding alone follows it.
  const whole =
    padding === 2 ? Math.floor(length / DES_BLOCK_BYTES) : Math.max(Math.ceil(length / DES_BLOCK_BYTES) - 1, 0)
  key.chainWithFirst(data, from, whole, state)
  const tailAt = from + whole * DES_BLOCK_BYTES
  xorBlock(state, 0, data, tailAt, to - tailAt)
  if (padding === 2) state[to - tailAt] = (state[to - tailAt] as number) ^ 0x80
  key.encryptBlock(state, 0, mac, macAt)
  state.fill(0)
}

/**
 * MAC of ANSI X9.9: {@link cbcMac} by single DES with zeros as padding.
 * @param key 8 bytes
 * @returns 8 bytes, of which X9.9 uses the first 4
 */
export function x99Mac(key: DesKey, data: Uint8Array): Buffer {
  assert(key.keyBytes === 8, 'the key of an X9.9 MAC has 8 bytes')
  return cbcMac(key, data, 1)
}

/**
 * MAC of ANSI X9.19: {@link retailMac} with zeros as padding.
 * @param key 16 bytes
 * @returns 8 bytes
 */
export function x919Mac(key: DesKey, data: Uint8Array): Buffer {
  return retailMac(key, data, 1)
}

/**
 * CMAC (NIST SP 800-38B; RFC 4493 for AES), which is safe for messages of any length.
 * @returns one block; the caller cuts it
 */
export function cmac(key: BlockKey, data: Uint8Array): Buffer {
  const { blockBytes } = key
  const subkey = Buffer.alloc(blockBytes)
  key.encryptBlock(subkey, 0, subkey, 0)
  double(subkey)
  const whole = data.length > 0 && data.length % blockBytes === 0
  if (!whole) double(subkey)
  const padded = pad(data, whole ? 1 : 2, blockBytes)
  xorBlock(padded, padded.length - blockBytes, subkey, 0, blockBytes)
  subkey.fill(0)
  return lastBlockOf(key, padded)
}

/** Multiplies by x in the field of the block size (SP 800-38B 5.3): R is 87 for 16 bytes, 1B for 8. */
function double(bytes: Uint8Array): void {
  const carried = (bytes[0] as number) >> 7
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = ((bytes[at] as number) << 1) | ((bytes[at + 1] ?? 0) >> 7)
  }
  const last = bytes.length - 1
  bytes[last] = (bytes[last] as number) ^ (carried * (bytes.length === 16 ? 0x87 : 0x1b))
}

/** Wipes the padded data. */
function lastBlockOf(key: BlockKey, padded: Buffer): Buffer {
  const chained = encryptCbc(key, Buffer.alloc(key.blockBytes), padded)
  padded.fill(0)
  return Buffer.from(chained.subarray(chained.length - key.blockBytes))
}
