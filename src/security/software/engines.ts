import { AesDukpt } from '../dukpt/aes-terminals.ts'
import { TdesDukpt } from '../dukpt/tdes.ts'
import { ApplicationCryptograms } from '../emv/arqc.ts'
import type { LoadedKey } from '../keys/key-ring.ts'
import { AesKey } from '../primitives/aes.ts'
import { DesKey } from '../primitives/des.ts'

/**
 * What is made of a key once and used for each message: key schedules and work space. Kept as long as the key itself is
 * in the ring, and no longer.
 */
export class Engines<T> {
  readonly #made = new WeakMap<Uint8Array, T>()
  readonly #make: (key: LoadedKey) => T

  constructor(make: (key: LoadedKey) => T) {
    this.#make = make
  }

  of(key: LoadedKey): T {
    const known = this.#made.get(key.bytes)
    if (known !== undefined) return known
    const made = this.#make(key)
    this.#made.set(key.bytes, made)
    return made
  }
}

/** Ciphers by the key's algorithm. */
export const cipherOf = ({ header, bytes }: LoadedKey): DesKey | AesKey =>
  header.algorithm === 'A' ? new AesKey(bytes) : new DesKey(bytes)

export const desOf = ({ bytes }: LoadedKey): DesKey => new DesKey(bytes)

/** Cards of up to 16 digits have the same key by both options; option B is what EMV says for longer numbers. */
export const cryptogramsOf = ({ bytes }: LoadedKey): ApplicationCryptograms => new ApplicationCryptograms(bytes, 'B')

/** Terminals' keys under a base derivation key. */
export const terminalsOf = ({ header, bytes }: LoadedKey): TdesDukpt | AesDukpt =>
  header.algorithm === 'A' ? new AesDukpt(bytes) : new TdesDukpt(bytes)
