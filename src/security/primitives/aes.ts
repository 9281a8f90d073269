import type { Cipheriv, Decipheriv } from 'node:crypto'
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { assert, MizanError } from '../../errors.ts'
import type { BlockKey } from './des.ts'

export const AES_BLOCK_BYTES = 16

/**
 * AES (FIPS 197) with a key of 16, 24 or 32 bytes, by native ciphers that are made once and kept: making one for each
 * call costs more than the encryption, and one that is given bytes costs five times one that is given a key object. In
 * ECB mode a cipher has no state, so it can be used for ever; in CBC mode its state is its last cipher text block,
 * which the next call cancels.
 */
export class AesKey implements BlockKey {
  readonly blockBytes = AES_BLOCK_BYTES
  readonly keyBytes: number
  readonly #key: Buffer
  #ecb: Cipheriv | undefined
  #ecbDecipher: Decipheriv | undefined
  #cbc: Cipheriv | undefined
  readonly #cbcState = Buffer.alloc(AES_BLOCK_BYTES)

  /** @param key 16, 24 or 32 bytes */
  constructor(key: Uint8Array) {
    assert(key.length === 16 || key.length === 24 || key.length === 32, 'an AES key has 16, 24 or 32 bytes')
    this.keyBytes = key.length
    this.#key = Buffer.from(key)
    this.#ecb = createCipheriv(`aes-${key.length * 8}-ecb`, createSecretKey(this.#key), null).setAutoPadding(false)
  }

  encryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    checkBlock(input, inputAt, output, outputAt)
    output.set(this.encrypt(input.subarray(inputAt, inputAt + AES_BLOCK_BYTES)), outputAt)
  }

  decryptBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
    checkBlock(input, inputAt, output, outputAt)
    output.set(this.decrypt(input.subarray(inputAt, inputAt + AES_BLOCK_BYTES)), outputAt)
  }

  /**
   * Encrypts whole blocks, each by itself (ECB).
   * @throws MizanError BAD_INPUT when the data are not whole blocks
   */
  encrypt(data: Uint8Array): Buffer {
    requireWholeBlocks(data, AES_BLOCK_BYTES)
    assert(this.#ecb !== undefined, 'the key has not been wiped')
    return this.#ecb.update(data)
  }

  /**
   * Decrypts whole blocks, each by itself (ECB).
   * @throws MizanError BAD_INPUT when the data are not whole blocks
   */
  decrypt(data: Uint8Array): Buffer {
    requireWholeBlocks(data, AES_BLOCK_BYTES)
    assert(this.#ecb !== undefined, 'the key has not been wiped')
    this.#ecbDecipher ??= createDecipheriv(
      `aes-${this.keyBytes * 8}-ecb`,
      createSecretKey(this.#key),
      null,
    ).setAutoPadding(false)
    return this.#ecbDecipher.update(data)
  }

  /**
   * Encrypts whole blocks, chained (CBC, NIST SP 800-38A 6.2).
   * @param iv 16 bytes
   * @throws MizanError BAD_INPUT when the data are not whole blocks
   */
  encryptChained(iv: Uint8Array, data: Uint8Array): Buffer {
    requireWholeBlocks(data, AES_BLOCK_BYTES)
    assert(this.#ecb !== undefined, 'the key has not been wiped')
    assert(iv.length === AES_BLOCK_BYTES, 'the initial vector has one block')
    if (data.length === 0) return Buffer.alloc(0)
    // The state is all zeros before the first call, so it can be the initial vector as well.
    this.#cbc ??= createCipheriv(
      `aes-${this.keyBytes * 8}-cbc`,
      createSecretKey(this.#key),
      this.#cbcState,
    ).setAutoPadding(false)
    const chained = Buffer.from(data)
    for (let at = 0; at < AES_BLOCK_BYTES; at++) {
      chained[at] = (chained[at] as number) ^ (iv[at] as number) ^ (this.#cbcState[at] as number)
    }
    const encrypted = this.#cbc.update(chained)
    chained.fill(0)
    encrypted.copy(this.#cbcState, 0, encrypted.length - AES_BLOCK_BYTES)
    return encrypted
  }

  wipe(): void {
    this.#key.fill(0)
    this.#cbcState.fill(0)
    this.#ecb = undefined
    this.#ecbDecipher = undefined
    this.#cbc = undefined
  }
}

/** @throws MizanError BAD_INPUT when the data are not whole blocks */
export function requireWholeBlocks(data: Uint8Array, blockBytes: number): void {
  if (data.length % blockBytes !== 0)
    throw new MizanError('BAD_INPUT', `the data must be whole ${blockBytes}-byte blocks`)
}

function checkBlock(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number): void {
  assert(inputAt >= 0 && inputAt + AES_BLOCK_BYTES <= input.length, 'the input has a whole block')
  assert(outputAt >= 0 && outputAt + AES_BLOCK_BYTES <= output.length, 'the output has room for a block')
}
