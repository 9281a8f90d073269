import { assert } from '../../errors.ts'
import { AesKey } from '../primitives/aes.ts'
import {
  type AesKeyType,
  type AesKeyUse,
  aesTransactionCounter,
  checkAesIdentifier,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
} from './aes.ts'

/** Terminals whose initial keys are remembered unless told otherwise. */
const TERMINALS_KEPT = 4096

/**
 * The keys of all terminals under one base derivation key. Initial keys are remembered for the terminals seen last. The
 * base key is used for each new terminal, so it is a native cipher; the keys of the steps live too short for one.
 */
export class AesDukpt {
  readonly #baseKey: AesKey
  readonly #terminalsKept: number
  /** initial keys by their identifier; the one used longest ago first */
  readonly #initialKeys = new Map<string, Uint8Array>()
  readonly #transactionKey: Uint8Array

  /**
   * @param baseKey 16, 24 or 32 bytes; copied
   * @param terminalsKept how many terminals' initial keys are remembered, at least 1. @default 4096
   */
  constructor(baseKey: Uint8Array, terminalsKept = TERMINALS_KEPT) {
    assert(terminalsKept >= 1, 'at least one terminal must be kept')
    this.#baseKey = new AesKey(baseKey)
    this.#terminalsKept = terminalsKept
    this.#transactionKey = new Uint8Array(baseKey.length)
  }

  /** How many initial keys are remembered now. */
  get remembered(): number {
    return this.#initialKeys.size
  }

  /**
   * Whether a terminal's initial key is remembered; asking does not count as use.
   * @param ikid identifier of 8 bytes, or a key serial number of 12 that begins with it
   */
  remembers(ikid: Uint8Array): boolean {
    return this.#initialKeys.has(terminalOf(ikid))
  }

  /**
   * Derives the working key of one use for one transaction; allocates nothing for a terminal that is remembered but
   * its name. That the counter moves on is for the caller to check: it knows the terminal's last one.
   * @param ksn 12 bytes
   * @param out the working key, of {@link aesKeyBytes} bytes
   * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED when its counter is 0 or has
   *   more than 16 set bits, or when the working key would be stronger than the base key
   */
  workingKey(ksn: Uint8Array, use: AesKeyUse, type: AesKeyType, out: Uint8Array): void {
    this.transactionKey(ksn, this.#transactionKey)
    try {
      deriveAesWorkingKey(this.#transactionKey, ksn, use, type, out)
    } finally {
      this.#transactionKey.fill(0)
    }
  }

  /**
   * Derives the key of one transaction, from which {@link deriveAesWorkingKey} makes those of more than one use.
   * @param out the transaction key, as long as the base key
   * @throws MizanError BAD_INPUT when the serial number has another length; CRYPTO_REFUSED for its counter
   */
  transactionKey(ksn: Uint8Array, out: Uint8Array): void {
    // Refused before the cache is asked: a forged serial number must not push a terminal out of it.
    aesTransactionCounter(ksn)
    deriveAesTransactionKey(this.#initialKey(ksn), ksn, out)
  }

  /**
   * Derives a terminal's update key, see {@link deriveAesUpdateKey}.
   * @param ikid identifier of 8 bytes, or a key serial number of 12 that begins with it
   */
  updateKey(ikid: Uint8Array, type: AesKeyType, out: Uint8Array): void {
    checkAesIdentifier(ikid)
    deriveAesUpdateKey(this.#initialKey(ikid), ikid, type, out)
  }

  /** Overwrites the base key and all initial keys; the object is of no use after that. */
  wipe(): void {
    this.#baseKey.wipe()
    for (const key of this.#initialKeys.values()) key.fill(0)
    this.#initialKeys.clear()
  }

  #initialKey(ikid: Uint8Array): Uint8Array {
    const terminal = terminalOf(ikid)
    const known = this.#initialKeys.get(terminal)
    if (known !== undefined) {
      this.#initialKeys.delete(terminal)
      this.#initialKeys.set(terminal, known)
      return known
    }
    const key = this.#roomForKey()
    deriveAesInitialKey(this.#baseKey, ikid, key)
    this.#initialKeys.set(terminal, key)
    return key
  }

  /** An array for another initial key: that of the terminal used longest ago when the limit is reached. */
  #roomForKey(): Uint8Array {
    if (this.#initialKeys.size < this.#terminalsKept) return new Uint8Array(this.#baseKey.keyBytes)
    for (const [terminal, key] of this.#initialKeys) {
      this.#initialKeys.delete(terminal)
      return key
    }
    return new Uint8Array(this.#baseKey.keyBytes)
  }
}

/** Identifier as a short text: the key of a map. */
function terminalOf(ikid: Uint8Array): string {
  return String.fromCharCode(
    ((ikid[0] as number) << 8) | (ikid[1] as number),
    ((ikid[2] as number) << 8) | (ikid[3] as number),
    ((ikid[4] as number) << 8) | (ikid[5] as number),
    ((ikid[6] as number) << 8) | (ikid[7] as number),
  )
}
