import { assert } from '../../errors.ts'
import { AesKey, requireWholeBlocks } from './aes.ts'
import type { BlockKey } from './des.ts'

/**
 * Encrypts whole blocks, each by itself (ECB, NIST SP 800-38A 6.1).
 * @throws MizanError BAD_INPUT when the data are not whole blocks
 */
export function encryptEcb(key: BlockKey, data: Uint8Array): Buffer {
  if (key instanceof AesKey) return key.encrypt(data)
  requireWholeBlocks(data, key.blockBytes)
  const output = Buffer.allocUnsafe(data.length)
  for (let at = 0; at < data.length; at += key.blockBytes) key.encryptBlock(data, at, output, at)
  return output
}

/**
 * Undoes {@link encryptEcb}.
 * @throws MizanError BAD_INPUT when the data are not whole blocks
 */
export function decryptEcb(key: BlockKey, data: Uint8Array): Buffer {
  if (key instanceof AesKey) return key.decrypt(data)
  requireWholeBlocks(data, key.blockBytes)
  const output = Buffer.allocUnsafe(data.length)
  for (let at = 0; at < data.length; at += key.blockBytes) key.decryptBlock(data, at, output, at)
  return output
}

/**
 * Encrypts whole blocks, chained (CBC, NIST SP 800-38A 6.2).
 * @param iv one block
 * @throws MizanError BAD_INPUT when the data are not whole blocks
 */
export function encryptCbc(key: BlockKey, iv: Uint8Array, data: Uint8Array): Buffer {
  if (key instanceof AesKey) return key.encryptChained(iv, data)
  const { blockBytes } = key
  requireWholeBlocks(data, blockBytes)
  assert(iv.length === blockBytes, 'the initial vector has one block')
  const output = Buffer.from(data)
  for (let at = 0; at < output.length; at += blockBytes) {
    xorBlock(output, at, at === 0 ? iv : output, at === 0 ? 0 : at - blockBytes, blockBytes)
    key.encryptBlock(output, at, output, at)
  }
  return output
}

/**
 * Undoes {@link encryptCbc}.
 * @param iv one block
 * @throws MizanError BAD_INPUT when the data are not whole blocks
 */
export function decryptCbc(key: BlockKey, iv: Uint8Array, data: Uint8Array): Buffer {
  const { blockBytes } = key
  assert(iv.length === blockBytes, 'the initial vector has one block')
  const output = decryptEcb(key, data)
  for (let at = 0; at < output.length; at += blockBytes) {
    xorBlock(output, at, at === 0 ? iv : data, at === 0 ? 0 : at - blockBytes, blockBytes)
  }
  return output
}

/** Adds (exclusive or) `count` bytes of `other` to `bytes`. */
export function xorBlock(bytes: Uint8Array, at: number, other: Uint8Array, otherAt: number, count: number): void {
  for (let byte = 0; byte < count; byte++) {
    bytes[at + byte] = (bytes[at + byte] as number) ^ (other[otherAt + byte] as number)
  }
}
