import { assert, MizanError } from '../../errors.ts'
import { AesKey } from '../primitives/aes.ts'
import { DesKey } from '../primitives/des.ts'
import { cmac } from '../primitives/mac.ts'
import { wipe } from '../primitives/secrets.ts'
import { cipherBlockBytes, type KeyBlockVersion } from './header.ts'

/** The two keys under which one key block is made. */
export interface BlockKeys {
  /** Encrypts the payload. */
  readonly kbek: Buffer
  /** Authenticates header and payload. */
  readonly kbak: Buffer
}

/** What every byte of the protection key is combined with to make the two key variants. */
const ENCRYPTION_VARIANT = 0x45
const AUTHENTICATION_VARIANT = 0x4d

/** Key usage indicators of the derivation. */
const USE_ENCRYPTION = 0x0000
const USE_AUTHENTICATION = 0x0001

/**
 * Derives the encryption and the authentication key of a key block from its protection key: by key variants for
 * versions A and C, by CMAC in counter mode for B (TR-31:2018, 5.3.2.1) and D (TR-31:2018, 5.3.2.3).
 * @param kbpk 16 or 24 bytes for A, B and C; 16, 24 or 32 bytes for D
 * @returns keys as long as the protection key; the caller wipes them
 * @throws MizanError BAD_INPUT when the length does not fit the version
 */
export function deriveBlockKeys(version: KeyBlockVersion, kbpk: Uint8Array): BlockKeys {
  if (!protectionLengths(version).includes(kbpk.length)) {
    throw new MizanError('BAD_INPUT', `a protection key of ${kbpk.length} bytes does not fit version ${version}`)
  }
  if (version === 'A' || version === 'C') {
    return { kbek: variant(kbpk, ENCRYPTION_VARIANT), kbak: variant(kbpk, AUTHENTICATION_VARIANT) }
  }
  const key = version === 'B' ? new DesKey(kbpk) : new AesKey(kbpk)
  try {
    const label = version === 'B' ? tdesLabel(kbpk.length) : aesLabel(kbpk.length)
    return {
      kbek: deriveByCmac(key, label, USE_ENCRYPTION, kbpk.length),
      kbak: deriveByCmac(key, label, USE_AUTHENTICATION, kbpk.length),
    }
  } finally {
    key.wipe()
  }
}

function protectionLengths(version: KeyBlockVersion): readonly number[] {
  return version === 'D' ? [16, 24, 32] : [16, 24]
}

function variant(kbpk: Uint8Array, mask: number): Buffer {
  const key = Buffer.alloc(kbpk.length)
  for (let at = 0; at < key.length; at++) key[at] = (kbpk[at] as number) ^ mask
  return key
}

/** Algorithm indicator of the derived key: 2-key and 3-key TDES. */
function tdesLabel(bytes: number): number {
  return bytes === 16 ? 0x0000 : 0x0001
}

/** Algorithm indicator of the derived key: AES-128, AES-192, AES-256. */
function aesLabel(bytes: number): number {
  return bytes === 16 ? 0x0002 : bytes === 24 ? 0x0003 : 0x0004
}

/** CMAC over counter, use, separator, algorithm and length in bits, once per block of the derived key. */
function deriveByCmac(key: DesKey | AesKey, algorithm: number, use: number, bytes: number): Buffer {
  const input = Buffer.alloc(8)
  input.writeUInt16BE(use, 1)
  input.writeUInt16BE(algorithm, 4)
  input.writeUInt16BE(bytes * 8, 6)
  const derived = Buffer.alloc(bytes)
  for (let at = 0, counter = 1; at < bytes; at += key.blockBytes, counter++) {
    input[0] = counter
    const block = cmac(key, input)
    // The last block of a 192-bit AES key is cut.
    derived.set(block.subarray(0, Math.min(key.blockBytes, bytes - at)), at)
    wipe(block)
  }
  return derived
}

/**
 * A key block protection key, opened for one version: no key may serve more than one binding method. Holds the
 * schedules of both derived keys, so that many blocks cost one derivation.
 */
export class ProtectionKey {
  readonly version: KeyBlockVersion
  readonly keyBytes: number
  /** Encrypts payloads. */
  readonly encryption: DesKey | AesKey
  /** Authenticates headers and payloads. */
  readonly authentication: DesKey | AesKey

  /**
   * @param kbpk lengths as in {@link deriveBlockKeys}; copied, so the caller may wipe it
   * @throws MizanError BAD_INPUT when the length does not fit the version
   */
  constructor(version: KeyBlockVersion, kbpk: Uint8Array) {
    const { kbek, kbak } = deriveBlockKeys(version, kbpk)
    this.version = version
    this.keyBytes = kbpk.length
    this.encryption = version === 'D' ? new AesKey(kbek) : new DesKey(kbek)
    this.authentication = version === 'D' ? new AesKey(kbak) : new DesKey(kbak)
    assert(this.encryption.blockBytes === cipherBlockBytes(version), 'the cipher fits the version')
    wipe(kbek, kbak)
  }

  /** Forgets the keys; the object is of no use afterwards. */
  wipe(): void {
    this.encryption.wipe()
    this.authentication.wipe()
  }
}
