import { MizanError } from '../../errors.ts'
import { decryptCbc } from '../primitives/block-modes.ts'
import { cbcMac, cmac } from '../primitives/mac.ts'
import { equalSecret, wipe } from '../primitives/secrets.ts'
import type { ProtectionKey } from './derive.ts'
import { type KeyBlockHeader, parseHeader } from './header.ts'
import { fitsAlgorithm, isAsymmetric, LENGTH_BYTES, macBytes } from './wrap.ts'

/** A key with what its block says of it, both authentic. */
export interface OpenedKeyBlock {
  readonly header: KeyBlockHeader
  /** The caller's to wipe. */
  readonly key: Buffer
}

/** Settings of {@link unwrapKeyBlock}. */
export interface UnwrapOptions {
  /** Lets a triple DES key be of single length, as in old published examples. */
  readonly allowSingleLength?: boolean
}

/** The parts of a key block after its form was checked. */
interface Parts {
  readonly header: KeyBlockHeader
  /** The header as it is authenticated. */
  readonly head: Buffer
  readonly encrypted: Buffer
  readonly mac: Buffer
}

/**
 * Opens a key block (TR-31:2018, 5.3; X9.143:2021). The caller must still ask `assertUsable` whether the key may be
 * used.
 * @param protection opened for the version of the block
 * @throws MizanError BAD_INPUT when the form of the block is wrong or its version is not that of the protection key;
 *   CRYPTO_REFUSED, always the same, when the MAC does not verify or the payload holds no key of the algorithm
 */
export function unwrapKeyBlock(protection: ProtectionKey, block: string, options: UnwrapOptions = {}): OpenedKeyBlock {
  const parts = splitBlock(protection, block)
  const { algorithm } = parts.header
  const byVariant = protection.version === 'A' || protection.version === 'C'
  const payload = byVariant ? openByVariant(protection, parts) : openByDerivation(protection, parts)
  try {
    const bits = payload.readUInt16BE()
    const bytes = bits >> 3
    const fits =
      bits % 8 === 0 &&
      bytes <= payload.length - LENGTH_BYTES &&
      (fitsAlgorithm(algorithm, bytes, options.allowSingleLength === true) || (isAsymmetric(algorithm) && bytes > 0))
    if (!fits) throw refused()
    const key = Buffer.alloc(bytes)
    payload.copy(key, 0, LENGTH_BYTES, LENGTH_BYTES + bytes)
    return { header: parts.header, key }
  } finally {
    wipe(payload)
  }
}

/** Checks all that anyone can check without a key. */
function splitBlock(protection: ProtectionKey, block: string): Parts {
  const { header, blockLength, headerLength } = parseHeader(block)
  if (header.version !== protection.version) {
    throw new MizanError('BAD_INPUT', `the protection key is not for key blocks of version ${header.version}`)
  }
  if (blockLength !== block.length) throw new MizanError('BAD_INPUT', 'the key block has another length than it says')
  const body = block.slice(headerLength)
  const macDigits = 2 * macBytes(header.version)
  const payloadDigits = body.length - macDigits
  const blockDigits = 2 * protection.encryption.blockBytes
  if (payloadDigits < blockDigits || payloadDigits % blockDigits !== 0 || !/^[0-9A-F]*$/.test(body)) {
    throw new MizanError('BAD_INPUT', 'the body of the key block is malformed')
  }
  return {
    header,
    head: Buffer.from(block.slice(0, headerLength), 'latin1'),
    encrypted: Buffer.from(body.slice(0, payloadDigits), 'hex'),
    mac: Buffer.from(body.slice(payloadDigits), 'hex'),
  }
}

/** Versions A and C authenticate the ciphertext, so nothing is decrypted before the MAC is verified. */
function openByVariant(protection: ProtectionKey, { head, encrypted, mac }: Parts): Buffer {
  const computed = cbcMac(protection.authentication, Buffer.concat([head, encrypted]), 1)
  if (!equalSecret(computed.subarray(0, mac.length), mac)) throw refused()
  return decryptCbc(protection.encryption, head.subarray(0, 8), encrypted)
}

/** Versions B and D authenticate the clear payload, so nothing of it is looked at before the MAC is verified. */
function openByDerivation(protection: ProtectionKey, { head, encrypted, mac }: Parts): Buffer {
  const payload = decryptCbc(protection.encryption, mac, encrypted)
  const authenticated = Buffer.concat([head, payload])
  const computed = cmac(protection.authentication, authenticated)
  const isAuthentic = equalSecret(computed, mac)
  // The right MAC of a changed block would let its sender make a valid one.
  wipe(authenticated, computed)
  if (!isAuthentic) {
    wipe(payload)
    throw refused()
  }
  return payload
}

/** One error for all that depends on the protection key, so that no answer tells how far a forged block came. */
function refused(): MizanError {
  return new MizanError('CRYPTO_REFUSED', 'the key block is refused')
}
