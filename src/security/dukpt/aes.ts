import { assert, MizanError } from '../../errors.ts'
import type { AesKey } from '../primitives/aes.ts'
import { setBits } from '../primitives/words.ts'
import { TableAes } from './aes-table.ts'

/** Bytes of a key serial number: base key identifier 4, derivation identifier 4, transaction counter 4. */
export const AES_KSN_BYTES = 12
/** Bytes of an initial key identifier: a key serial number without its counter. */
const AES_IKID_BYTES = 8
/** Terminals skip counters with more set bits, so that no derivation has more steps (X9.24-3:2017, 6.1). */
const COUNTER_BITS_MAX = 16
/** The counter whose transaction key leads to the update key (X9.24-3:2017, 6.5.2). */
const UPDATE_COUNTER = 0xffffffff

/**
 * What a working key is for, as seen from the terminal: it generates the MAC of a request and verifies that of a
 * response.
 */
export type AesKeyUse =
  | 'key-encryption'
  | 'pin'
  | 'mac-generate'
  | 'mac-verify'
  | 'mac-both'
  | 'data-encrypt'
  | 'data-decrypt'
  | 'data-both'

/** Key usage indicators (X9.24-3:2017, 6.3.2, table 2). */
const usageIndicators: Readonly<Record<AesKeyUse, number>> = {
  'key-encryption': 0x0002,
  pin: 0x1000,
  'mac-generate': 0x2000,
  'mac-verify': 0x2001,
  'mac-both': 0x2002,
  'data-encrypt': 0x3000,
  'data-decrypt': 0x3001,
  'data-both': 0x3002,
}
const USAGE_DERIVATION = 0x8000
const USAGE_INITIAL_KEY = 0x8001

/** Algorithm and length of a working key. */
export type AesKeyType = '2TDEA' | '3TDEA' | 'AES128' | 'AES192' | 'AES256' | 'HMAC128' | 'HMAC192' | 'HMAC256'

interface TypeRule {
  /** Algorithm indicator (X9.24-3:2017, 6.3.2, table 2). */
  readonly indicator: number
  readonly bytes: number
  /** Bytes of the shortest derivation key that is not weaker (X9.24-3:2017, 6.1.3); 3TDEA has 112 bits of strength. */
  readonly parentBytes: 16 | 24 | 32
}

const types: Readonly<Record<AesKeyType, TypeRule>> = {
  '2TDEA': { indicator: 0, bytes: 16, parentBytes: 16 },
  '3TDEA': { indicator: 1, bytes: 24, parentBytes: 16 },
  AES128: { indicator: 2, bytes: 16, parentBytes: 16 },
  AES192: { indicator: 3, bytes: 24, parentBytes: 24 },
  AES256: { indicator: 4, bytes: 32, parentBytes: 32 },
  HMAC128: { indicator: 5, bytes: 16, parentBytes: 16 },
  HMAC192: { indicator: 5, bytes: 24, parentBytes: 24 },
  HMAC256: { indicator: 5, bytes: 32, parentBytes: 32 },
}

// Work space of derivations. A derivation never waits for anything, so one set serves all; each wipes what it used.
const stepKey = new TableAes()
const input = new Uint8Array(16)
const inputView = new DataView(input.buffer)
const derived = new Uint8Array(32)
const held = new Uint8Array(32)

/** Bytes of a working key of a type, which is how long `out` must be. */
export function aesKeyBytes(type: AesKeyType): number {
  return types[type].bytes
}

/**
 * Transaction counter of a key serial number: its last four bytes.
 * @param ksn 12 bytes
 * @throws MizanError BAD_INPUT for another length
 */
export function aesKsnCounter(ksn: Uint8Array): number {
  if (ksn.length !== AES_KSN_BYTES) throw new MizanError('BAD_INPUT', 'an AES DUKPT key serial number has 12 bytes')
  return counterOf(ksn)
}

/**
 * Derives a terminal's initial key (X9.24-3:2017, 6.3.3): the whole identifier under the base key.
 * @param baseKey base derivation key of 16, 24 or 32 bytes
 * @param ikid identifier of 8 bytes, or a key serial number of 12 that begins with it
 * @param out the initial key, as long as the base key
 * @throws MizanError BAD_INPUT when the identifier has another length
 */
export function deriveAesInitialKey(baseKey: AesKey, ikid: Uint8Array, out: Uint8Array): void {
  assert(out.length === baseKey.keyBytes, 'an initial key is as long as its base key')
  checkAesIdentifier(ikid)
  prepare(USAGE_INITIAL_KEY, aesIndicator(out.length), out.length)
  for (let at = 0; at < AES_IKID_BYTES; at++) input[8 + at] = ikid[at] as number
  deriveBy(baseKey, out)
  derived.fill(0)
}

/**
 * Derives the key of one transaction (X9.24-3:2017, 6.3.1 and 6.4): from the initial key, one step for each set bit of
 * the counter, the most significant first.
 * @param initialKey 16, 24 or 32 bytes
 * @param ksn 12 bytes
 * @param out the transaction key, as long as the initial key; may be `initialKey` itself
 * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when its counter is 0 or has
 *   more than 16 set bits, which no terminal uses
 */
export function deriveAesTransactionKey(initialKey: Uint8Array, ksn: Uint8Array, out: Uint8Array): void {
  walk(initialKey, ksn, aesTransactionCounter(ksn), out)
}

/**
 * Transaction counter of a key serial number that a terminal may use.
 * @param ksn 12 bytes
 * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when its counter is 0 or has
 *   more than 16 set bits
 */
export function aesTransactionCounter(ksn: Uint8Array): number {
  const counter = aesKsnCounter(ksn)
  if (counter === 0) throw new MizanError('CRYPTO_REFUSED', 'a DUKPT key serial number with counter 0 has no key')
  if (setBits(counter) > COUNTER_BITS_MAX) {
    throw new MizanError('CRYPTO_REFUSED', 'the counter of a DUKPT key serial number has more than 16 set bits')
  }
  return counter
}

/**
 * Makes the working key of one use out of a transaction key (X9.24-3:2017, 6.3.3).
 * @param transactionKey 16, 24 or 32 bytes, of {@link deriveAesTransactionKey}
 * @param ksn the 12 bytes it was derived for
 * @param out the working key, of {@link aesKeyBytes} bytes; may be `transactionKey` itself. No parity is set
 * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when the working key would be
 *   stronger than the transaction key
 */
export function deriveAesWorkingKey(
  transactionKey: Uint8Array,
  ksn: Uint8Array,
  use: AesKeyUse,
  type: AesKeyType,
  out: Uint8Array,
): void {
  deriveWorking(transactionKey, ksn, aesKsnCounter(ksn), use, type, out)
}

/**
 * Derives the key under which a terminal is given its next initial key (X9.24-3:2017, 6.5.3): the key encryption key of
 * the last counter of all, which is exempt from the limit on set bits.
 * @param initialKey 16, 24 or 32 bytes
 * @param ikid identifier of 8 bytes, or a key serial number of 12 that begins with it
 * @param out the update key, of {@link aesKeyBytes} bytes
 * @throws MizanError as {@link deriveAesWorkingKey}
 */
export function deriveAesUpdateKey(initialKey: Uint8Array, ikid: Uint8Array, type: AesKeyType, out: Uint8Array): void {
  checkAesIdentifier(ikid)
  const last = held.subarray(0, initialKey.length)
  walk(initialKey, ikid, UPDATE_COUNTER, last)
  try {
    deriveWorking(last, ikid, UPDATE_COUNTER, 'key-encryption', type, out)
  } finally {
    held.fill(0)
  }
}

/** The steps from an initial key to that of a counter. */
function walk(initialKey: Uint8Array, ikid: Uint8Array, counter: number, out: Uint8Array): void {
  assert(out.length === initialKey.length, 'a transaction key is as long as its initial key')
  prepare(USAGE_DERIVATION, aesIndicator(initialKey.length), initialKey.length)
  setIdentifier(ikid)
  if (out !== initialKey) for (let at = 0; at < out.length; at++) out[at] = initialKey[at] as number
  let reached = 0
  for (let bit = 31; bit >= 0; bit--) {
    if ((counter & (1 << bit)) === 0) continue
    reached |= 1 << bit
    inputView.setInt32(12, reached)
    stepKey.setKey(out)
    deriveBy(stepKey, out)
  }
  stepKey.wipe()
  derived.fill(0)
}

function deriveWorking(
  parent: Uint8Array,
  ikid: Uint8Array,
  counter: number,
  use: AesKeyUse,
  type: AesKeyType,
  out: Uint8Array,
): void {
  const { indicator, bytes, parentBytes } = types[type]
  assert(out.length === bytes, 'a working key is as long as its type says')
  if (parent.length < parentBytes) {
    throw new MizanError('CRYPTO_REFUSED', `a DUKPT key of ${parent.length} bytes is too weak for a ${type} key`)
  }
  prepare(usageIndicators[use], indicator, bytes)
  setIdentifier(ikid)
  inputView.setUint32(12, counter)
  stepKey.setKey(parent)
  deriveBy(stepKey, out)
  stepKey.wipe()
  derived.fill(0)
}

/**
 * Writes the derivation data (X9.24-3:2017, 6.3.2) up to what depends on the serial number: version, use, type, bits.
 */
function prepare(usage: number, indicator: number, bytes: number): void {
  input[0] = 1
  inputView.setUint16(2, usage)
  inputView.setUint16(4, indicator)
  inputView.setUint16(6, bytes * 8)
}

/** Writes the derivation identifier, the second half of the initial key identifier. */
function setIdentifier(ikid: Uint8Array): void {
  for (let at = 0; at < 4; at++) input[8 + at] = ikid[4 + at] as number
}

/** Encrypts the derivation data once per block of the derived key, under a running number, and cuts the last block. */
function deriveBy(key: TableAes | AesKey, out: Uint8Array): void {
  for (let at = 0, block = 1; at < out.length; at += 16, block++) {
    input[1] = block
    key.encryptBlock(input, 0, derived, at)
  }
  for (let at = 0; at < out.length; at++) out[at] = derived[at] as number
}

/** Algorithm indicator of a derivation key, by its length. */
function aesIndicator(bytes: number): number {
  return bytes === 16 ? 2 : bytes === 24 ? 3 : 4
}

function counterOf(ksn: Uint8Array): number {
  return (
    (((ksn[8] as number) << 24) | ((ksn[9] as number) << 16) | ((ksn[10] as number) << 8) | (ksn[11] as number)) >>> 0
  )
}

/** @throws MizanError BAD_INPUT when it is neither an initial key identifier nor a key serial number */
export function checkAesIdentifier(ikid: Uint8Array): void {
  if (ikid.length !== AES_IKID_BYTES && ikid.length !== AES_KSN_BYTES) {
    throw new MizanError('BAD_INPUT', 'an initial key identifier has 8 bytes')
  }
}
