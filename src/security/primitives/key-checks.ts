import { assert, MizanError } from '../../errors.ts'
import { AES_BLOCK_BYTES, AesKey } from './aes.ts'
import { xorBlock } from './block-modes.ts'
import { DES_BLOCK_BYTES, DesKey } from './des.ts'
import { cmac } from './mac.ts'

const DES_KEY_BYTES = 8

/** Whether the number of bits 1 of a byte is odd. */
function isOdd(byte: number): boolean {
  let folded = byte ^ (byte >> 4)
  folded ^= folded >> 2
  return ((folded ^ (folded >> 1)) & 1) === 1
}

/** Sets the lowest bit of each byte of a DES key so that the number of its bits 1 is odd (FIPS 46-3). In place. */
export function setOddParity(key: Uint8Array): void {
  for (let at = 0; at < key.length; at++) {
    const byte = key[at] as number
    if (!isOdd(byte)) key[at] = byte ^ 1
  }
}

/** Whether each byte of a DES key has an odd number of bits 1. */
export function hasOddParity(key: Uint8Array): boolean {
  return key.every(isOdd)
}

/** Weak and semi-weak DES keys (NIST SP 800-67 section 3.3.2), with odd parity. */
const weakKeys: readonly Buffer[] = [
  '0101010101010101',
  'FEFEFEFEFEFEFEFE',
  'E0E0E0E0F1F1F1F1',
  '1F1F1F1F0E0E0E0E',
  '011F011F010E010E',
  '1F011F010E010E01',
  '01E001E001F101F1',
  'E001E001F101F101',
  '01FE01FE01FE01FE',
  'FE01FE01FE01FE01',
  '1FE01FE00EF10EF1',
  'E01FE01FF10EF10E',
  '1FFE1FFE0EFE0EFE',
  'FE1FFE1FFE0EFE0E',
  'E0FEE0FEF1FEF1FE',
  'FEE0FEE0FEF1FEF1',
].map((hex) => Buffer.from(hex, 'hex'))

/**
 * Whether a DES key must not be used: a part of it is a weak or semi-weak key (all zeros among them), or two parts that
 * follow each other are equal, which leaves single DES. Parity bits do not count.
 * @param key 8, 16 or 24 bytes
 */
export function isWeakDesKey(key: Uint8Array): boolean {
  assert(key.length > 0 && key.length <= 24 && key.length % DES_KEY_BYTES === 0, 'a DES key has 8, 16 or 24 bytes')
  let weak = false
  for (let at = 0; at < key.length; at += DES_KEY_BYTES) {
    for (const weakKey of weakKeys) weak = samePart(key, at, weakKey, 0) || weak
    if (at > 0) weak = samePart(key, at, key, at - DES_KEY_BYTES) || weak
  }
  return weak
}

/** Compares 8 key bytes without their parity bits. */
function samePart(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  let difference = 0
  for (let byte = 0; byte < DES_KEY_BYTES; byte++) {
    difference |= ((a[aAt + byte] as number) ^ (b[bAt + byte] as number)) & 0xfe
  }
  return difference === 0
}

/**
 * Check value of a DES key: the beginning of a block of zeros encrypted with it (ANSI X9.24-1 annex A).
 * @param key 8, 16 or 24 bytes
 * @param bytes how many to give; 3 is usual, EMV tools give 2
 */
export function tdesKcv(key: Uint8Array, bytes = 3): Buffer {
  const block = Buffer.alloc(DES_BLOCK_BYTES)
  const des = new DesKey(key)
  des.encryptBlock(block, 0, block, 0)
  des.wipe()
  return block.subarray(0, bytes)
}

/**
 * Check value of an AES key: the beginning of the CMAC of a block of zeros (ANSI X9.24-1:2017 annex A).
 * @param key 16, 24 or 32 bytes
 * @param bytes how many to give; 3 is usual, key blocks of ANSI X9.143 give 5
 */
export function aesCmacKcv(key: Uint8Array, bytes = 3): Buffer {
  const aes = new AesKey(key)
  const mac = cmac(aes, Buffer.alloc(AES_BLOCK_BYTES))
  aes.wipe()
  return mac.subarray(0, bytes)
}

/**
 * The older check value of an AES key: the beginning of a block of zeros encrypted with it. It is never equal in
 * meaning to {@link aesCmacKcv}; which one is meant has to be agreed.
 * @param key 16, 24 or 32 bytes
 */
export function aesZerosKcv(key: Uint8Array, bytes = 3): Buffer {
  const aes = new AesKey(key)
  const block = aes.encrypt(Buffer.alloc(AES_BLOCK_BYTES))
  aes.wipe()
  return block.subarray(0, bytes)
}

/**
 * Joins the components of a key, each held by another person, by exclusive or (PCI PIN requirement 6). Neither parity
 * nor weakness is checked: that follows, on the result.
 * @throws MizanError BAD_INPUT when there are fewer than two or their lengths differ
 */
export function combineComponents(components: readonly Uint8Array[]): Buffer {
  const first = components[0]
  if (first === undefined || components.length < 2)
    throw new MizanError('BAD_INPUT', 'a key needs two or more components')
  const key = Buffer.from(first)
  for (const component of components.slice(1)) {
    if (component.length !== key.length) throw new MizanError('BAD_INPUT', 'the components must have one length')
    xorBlock(key, 0, component, 0, key.length)
  }
  return key
}

/**
 * A variant of a DES key as the IBM 4700 family makes them: eight times the variant's number is added (exclusive or) to
 * the first byte of each 8 bytes.
 * @param variant 0 to 31
 * @throws MizanError BAD_INPUT for another variant
 */
export function ibmVariant(key: Uint8Array, variant: number): Buffer {
  if (!Number.isInteger(variant) || variant < 0 || variant > 31)
    throw new MizanError('BAD_INPUT', 'a variant is 0 to 31')
  const changed = Buffer.from(key)
  for (let at = 0; at < changed.length; at += DES_KEY_BYTES) changed[at] = (changed[at] as number) ^ (variant << 3)
  return changed
}
