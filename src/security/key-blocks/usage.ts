import { MizanError } from '../../errors.ts'
import { isWeakDesKey } from '../primitives/key-checks.ts'
import type { KeyAlgorithm, KeyBlockHeader, KeyUsage, ModeOfUse } from './header.ts'
import { fitsAlgorithm } from './wrap.ts'

/** What a key can be asked to do. Wrapping is of keys, encrypting of anything else. */
export type KeyOperation = 'encrypt' | 'decrypt' | 'wrap' | 'unwrap' | 'generate' | 'verify' | 'derive'

/** What a caller is about to do with a key. */
export interface IntendedUse {
  /** The usage the caller needs, or all that will do. */
  readonly usage: KeyUsage | readonly KeyUsage[]
  readonly operation: KeyOperation
}

interface UsageRule {
  readonly algorithms: readonly KeyAlgorithm[]
  readonly operations: readonly KeyOperation[]
}

const CIPHER: readonly KeyOperation[] = ['encrypt', 'decrypt']
const WRAPPING: readonly KeyOperation[] = ['wrap', 'unwrap']
const CHECKING: readonly KeyOperation[] = ['generate', 'verify']
const DERIVING: readonly KeyOperation[] = ['derive']
const TDES: readonly KeyAlgorithm[] = ['T']
const TDES_OR_AES: readonly KeyAlgorithm[] = ['T', 'A']

/**
 * The usages that have a function here, and for each what X9.143:2021 (tables 2 and 4) lets its keys do. Card check
 * values, PIN verification and the retail MAC are defined on DES only. Single DES and asymmetric keys have no use.
 */
const rules: Readonly<Partial<Record<KeyUsage, UsageRule>>> = {
  B0: { algorithms: TDES_OR_AES, operations: DERIVING },
  B1: { algorithms: TDES_OR_AES, operations: DERIVING },
  B3: { algorithms: TDES_OR_AES, operations: DERIVING },
  C0: { algorithms: TDES, operations: CHECKING },
  D0: { algorithms: TDES_OR_AES, operations: CIPHER },
  D3: { algorithms: TDES_OR_AES, operations: CIPHER },
  E0: { algorithms: TDES_OR_AES, operations: DERIVING },
  E1: { algorithms: TDES_OR_AES, operations: DERIVING },
  E2: { algorithms: TDES_OR_AES, operations: DERIVING },
  E3: { algorithms: TDES_OR_AES, operations: DERIVING },
  E4: { algorithms: TDES_OR_AES, operations: DERIVING },
  E5: { algorithms: TDES_OR_AES, operations: DERIVING },
  E6: { algorithms: TDES_OR_AES, operations: DERIVING },
  K0: { algorithms: TDES_OR_AES, operations: WRAPPING },
  K1: { algorithms: TDES_OR_AES, operations: WRAPPING },
  M0: { algorithms: TDES, operations: CHECKING },
  M1: { algorithms: TDES_OR_AES, operations: CHECKING },
  M3: { algorithms: TDES, operations: CHECKING },
  M6: { algorithms: TDES_OR_AES, operations: CHECKING },
  M7: { algorithms: ['H'], operations: CHECKING },
  P0: { algorithms: TDES_OR_AES, operations: CIPHER },
  V1: { algorithms: TDES, operations: CHECKING },
  V2: { algorithms: TDES, operations: CHECKING },
}

/** What each mode lets do, whatever the usage. `N` adds no limit of its own; the modes not named let nothing. */
const operationsOfMode: Readonly<Partial<Record<ModeOfUse, readonly KeyOperation[]>>> = {
  B: ['encrypt', 'decrypt', 'wrap', 'unwrap'],
  C: ['generate', 'verify'],
  D: ['decrypt', 'unwrap'],
  E: ['encrypt', 'wrap'],
  G: ['generate'],
  N: ['encrypt', 'decrypt', 'wrap', 'unwrap', 'generate', 'verify', 'derive'],
  V: ['verify'],
  X: ['derive'],
}

/**
 * Refuses a key whose usage, algorithm and mode of use do not go together (X9.143:2021, 6.3), or that is a component.
 * To be asked once, when a key is loaded; {@link assertUsable} includes it.
 * @throws MizanError CRYPTO_REFUSED
 */
export function assertCombination(header: KeyBlockHeader): void {
  const { usage, algorithm, modeOfUse } = header
  const rule = rules[usage]
  if (rule === undefined) throw new MizanError('CRYPTO_REFUSED', `keys of usage ${usage} are not used here`)
  if (!rule.algorithms.includes(algorithm)) {
    throw new MizanError('CRYPTO_REFUSED', `a key of usage ${usage} may not be of algorithm ${algorithm}`)
  }
  const operations = operationsOfMode[modeOfUse]
  if (operations === undefined || !rule.operations.some((operation) => operations.includes(operation))) {
    throw new MizanError('CRYPTO_REFUSED', `a key of usage ${usage} may not have mode of use ${modeOfUse}`)
  }
  if (header.keyVersion.startsWith('c')) {
    throw new MizanError('CRYPTO_REFUSED', 'a key component may not be used as a key')
  }
}

/**
 * Refuses a key that may not be used for what the caller is about to do: key separation of PCI PIN and X9.24-1. To be
 * asked when a key is loaded, for all that it is loaded for, and again at each call.
 * @throws MizanError CRYPTO_REFUSED
 */
export function assertUsable(header: KeyBlockHeader, { usage, operation }: IntendedUse): void {
  assertCombination(header)
  const isIntended = typeof usage === 'string' ? usage === header.usage : usage.includes(header.usage)
  const isPermitted =
    rules[header.usage]?.operations.includes(operation) === true &&
    operationsOfMode[header.modeOfUse]?.includes(operation) === true
  if (!isIntended || !isPermitted) {
    const what = `a key of usage ${header.usage} and mode of use ${header.modeOfUse}`
    const use = `${operation} as ${typeof usage === 'string' ? usage : usage.join(' or ')}`
    throw new MizanError('CRYPTO_REFUSED', `${what} may not ${use}`)
  }
}

/**
 * Refuses to give a key to another party when its block says that it stays (X9.143:2021 table 6).
 * @throws MizanError CRYPTO_REFUSED
 */
export function assertExportable(header: KeyBlockHeader): void {
  if (header.exportability === 'N') {
    throw new MizanError('CRYPTO_REFUSED', `a key of usage ${header.usage} is not exportable`)
  }
}

/**
 * Refuses a key that protects nothing: of a length that its algorithm does not have, triple DES with equal halves or a
 * weak or semi-weak DES key in it (ANSI X9.24-1, NIST SP 800-67), or all zeros.
 * @throws MizanError CRYPTO_REFUSED, the same for each reason
 */
export function assertSound(algorithm: KeyAlgorithm, key: Uint8Array): void {
  const fits = fitsAlgorithm(algorithm, key.length, false)
  if (!fits || (algorithm === 'T' ? isWeakDesKey(key) : key.every((byte) => byte === 0))) {
    throw new MizanError('CRYPTO_REFUSED', 'the key is weak or of a wrong length')
  }
}
