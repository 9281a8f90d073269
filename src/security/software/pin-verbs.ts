import { MizanError } from '../../errors.ts'
import { AES_KSN_BYTES } from '../dukpt/aes.ts'
import { AesDukpt } from '../dukpt/aes-terminals.ts'
import { assertUsable } from '../key-blocks/usage.ts'
import type { KeyRing, LoadedKey } from '../keys/key-ring.ts'
import { verifyPinOffset } from '../pin/ibm3624.ts'
import { AES_PIN_BLOCK_BYTES, PIN_MAX_DIGITS } from '../pin/pin-block.ts'
import { decipherPinBlock, type PinBlockKey, pinBlockBytes, translatePinBlock } from '../pin/pin-cipher.ts'
import { verifyPvv } from '../pin/pvv.ts'
import { AesKey } from '../primitives/aes.ts'
import { DesKey } from '../primitives/des.ts'
import type { OnlinePinFormat, PinCheck, PinKey, PinReference, PinTranslation, Verdict } from '../security-module.ts'
import { cipherOf, desOf, Engines, terminalsOf } from './engines.ts'

const AES_PIN_KEY_BYTES = 16
/** Formats that a block of 8 bytes may have when the message does not say. */
const desFormats: readonly OnlinePinFormat[] = [0, 3]

/** Verbs with PINs. A clear PIN lives in one array of this object, for the length of one call. */
export class PinVerbs {
  readonly #ring: KeyRing
  readonly #now: () => number
  readonly #onNewestUsed: (key: LoadedKey) => void
  readonly #ciphers = new Engines(cipherOf)
  readonly #references = new Engines(desOf)
  readonly #terminals = new Engines(terminalsOf)
  readonly #pin = new Uint8Array(PIN_MAX_DIGITS)
  readonly #terminalKeyBytes = new Uint8Array(AES_PIN_KEY_BYTES)
  readonly #terminalKey = new DesKey(new Uint8Array(16))

  /** @param onNewestUsed gets the newest of several versions in use when a PIN block opens under it */
  constructor(ring: KeyRing, now: () => number, onNewestUsed: (key: LoadedKey) => void) {
    this.#onNewestUsed = onNewestUsed
    this.#ring = ring
    this.#now = now
  }

  verify({ key, block, format, pan, reference }: PinCheck): Verdict {
    try {
      const length = this.#decipher(key, block, format, pan)
      if (length === 0) return 'unverifiable'
      return this.#matches(this.#pin.subarray(0, length), pan, reference) ? 'matched' : 'not-matched'
    } catch (error) {
      // What is wrong with a block, a key or a reference is not for the sender to know.
      if (error instanceof MizanError && error.code !== 'ASSERTION_FAILED') return 'unverifiable'
      throw error
    } finally {
      this.#pin.fill(0)
      this.#terminalKey.wipe()
      this.#terminalKeyBytes.fill(0)
    }
  }

  translate({ from, block, fromFormat, to, toFormat, pan }: PinTranslation): Uint8Array {
    const target = this.#ring.current(to, { usage: 'P0', operation: 'encrypt' }, this.#now())
    const result = new Uint8Array(pinBlockBytes(toFormat))
    for (const { cipher: source } of this.#keysFor(from, block.length)) {
      for (const format of formatsOf(block, fromFormat)) {
        try {
          translatePinBlock(
            { format, key: source },
            { format: toFormat, key: this.#ciphers.of(target) },
            block,
            pan,
            result,
          )
          return result
        } catch (error) {
          if (!(error instanceof MizanError) || error.code === 'ASSERTION_FAILED') throw error
        }
      }
    }
    throw new MizanError('CRYPTO_REFUSED', 'the PIN block cannot be translated')
  }

  /** Tries the keys in use, the newest first, in the formats that may be. @returns the PIN's length, 0 for no PIN */
  #decipher(by: PinKey, block: Uint8Array, format: OnlinePinFormat | undefined, pan: string): number {
    for (const { cipher, superseding } of this.#keysFor(by, block.length)) {
      for (const tried of formatsOf(block, format)) {
        const length = this.#tryDecipher({ format: tried, key: cipher }, block, pan)
        if (length === 0) continue
        if (superseding !== undefined) this.#onNewestUsed(superseding)
        return length
      }
    }
    return 0
  }

  #tryDecipher(by: PinBlockKey, block: Uint8Array, pan: string): number {
    if ((by.format === 4) !== by.key instanceof AesKey) return 0
    try {
      return decipherPinBlock(by, block, pan, this.#pin)
    } catch (error) {
      if (error instanceof MizanError && error.code !== 'ASSERTION_FAILED') return 0
      throw error
    }
  }

  *#keysFor(by: PinKey, blockBytes: number): Generator<TriedKey> {
    const accepted = this.#ring.accepted(by.name, this.#now())
    if (by.kind === 'zone') {
      for (const key of accepted) {
        if (by.version !== undefined && key.record.version !== by.version) continue
        if (by.index !== undefined && !isAtIndex(key, by.index)) continue
        assertUsable(key.header, { usage: 'P0', operation: 'decrypt' })
        const superseding = accepted.length > 1 && key === accepted[0] ? key : undefined
        yield { cipher: this.#ciphers.of(key), superseding }
      }
      return
    }
    const algorithm = by.serial.length === AES_KSN_BYTES ? 'A' : 'T'
    const shared = by.shared === undefined ? [] : this.#ring.accepted(by.shared, this.#now())
    for (const key of [...accepted, ...shared]) {
      if (key.header.algorithm !== algorithm) continue
      assertUsable(key.header, { usage: 'B0', operation: 'derive' })
      yield { cipher: this.#deriveTerminalKey(key, by.serial, blockBytes), superseding: undefined }
    }
  }

  /** Under an AES base key a terminal has a PIN key for each size of block (X9.24-3, table 2). */
  #deriveTerminalKey(base: LoadedKey, serial: Uint8Array, blockBytes: number): DesKey | AesKey {
    const terminals = this.#terminals.of(base)
    const isAes = blockBytes === AES_PIN_BLOCK_BYTES
    if (terminals instanceof AesDukpt) {
      terminals.workingKey(serial, 'pin', isAes ? 'AES128' : '2TDEA', this.#terminalKeyBytes)
      if (isAes) return new AesKey(this.#terminalKeyBytes)
    } else {
      terminals.workingKey(serial, 'pin', this.#terminalKeyBytes)
    }
    this.#terminalKey.setKey(this.#terminalKeyBytes)
    return this.#terminalKey
  }

  #matches(pin: Uint8Array, pan: string, reference: PinReference): boolean {
    const usage = reference.method === 'pvv' ? 'V2' : 'V1'
    const key = this.#references.of(this.#ring.current(reference.name, { usage, operation: 'verify' }, this.#now()))
    if (reference.method === 'pvv') return verifyPvv(key, pan, String(reference.keyIndex), pin, reference.pvv)
    const { decimalisationTable, validationData, offset } = reference
    return verifyPinOffset(key, decimalisationTable, Buffer.from(validationData, 'hex'), offset, pin, pin.length)
  }
}

interface TriedKey {
  readonly cipher: DesKey | AesKey
  /** The key itself when it is the newest of several in use: its first message shows that the peer has it. */
  readonly superseding: LoadedKey | undefined
}

/**
 * Whether a zone key is at the index that a message names. A peer with two places puts each new key into the other one:
 * the second has the versions of even number. One with a single place says 1 before and after a change, so that the first
 * stands for every key in use.
 */
function isAtIndex({ record }: LoadedKey, index: number): boolean {
  return index === 1 || (index === 2 && record.version % 2 === 0)
}

function formatsOf(block: Uint8Array, said: OnlinePinFormat | undefined): readonly OnlinePinFormat[] {
  if (said !== undefined) return pinBlockBytes(said) === block.length ? [said] : []
  if (block.length === pinBlockBytes(4)) return [4]
  return block.length === pinBlockBytes(0) ? desFormats : []
}
