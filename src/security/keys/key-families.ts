import { MizanError } from '../../errors.ts'
import { type Exportability, type KeyUsage, keyAlgorithms, type ModeOfUse } from '../key-blocks/header.ts'
import type { KeyName } from '../security-module.ts'

/** Algorithms of symmetric keys, as TR-31 writes them. */
export type SymmetricAlgorithm = 'T' | 'A' | 'H'

/** What keys of one kind are for; their names begin with the kind. */
export interface KeyFamily {
  readonly family: string
  /** What follows the family in a name, after a colon. */
  readonly owner: 'none' | 'link' | 'link or none' | 'device key id'
  readonly usage: KeyUsage
  readonly modeOfUse: ModeOfUse
  /** Lengths in bytes that will do, by algorithm; the first of the first is made unless another is asked for. */
  readonly lengths: readonly (readonly [SymmetricAlgorithm, readonly number[]])[]
  /** Of keys that are made here: E where a counterparty needs the key too, N where it never leaves. */
  readonly exportability: Exportability
  /** There is one version for the life of an installation, which is never given up. */
  readonly single?: true
  readonly purpose: string
}

const TDES: KeyFamily['lengths'] = [['T', [16]]]
const TDES_OR_AES: KeyFamily['lengths'] = [
  ['T', [16, 24]],
  ['A', [16, 24, 32]],
]
const HMAC: KeyFamily['lengths'] = [['H', [32]]]

/**
 * Every kind of key that this program knows. A name of another kind is refused, and with it a key without a purpose.
 */
export const keyFamilies: readonly KeyFamily[] = [
  {
    family: 'kek',
    owner: 'link',
    usage: 'K0',
    modeOfUse: 'B',
    lengths: [
      ['A', [32, 16, 24]],
      ['T', [16, 24]],
    ],
    exportability: 'N',
    purpose: 'zone master key of a link: wraps the keys exchanged with it',
  },
  {
    family: 'zpk',
    owner: 'link',
    usage: 'P0',
    modeOfUse: 'B',
    lengths: TDES_OR_AES,
    exportability: 'E',
    purpose: 'zone PIN key of a link: PIN blocks in DE52',
  },
  {
    family: 'mak',
    owner: 'link',
    usage: 'M3',
    modeOfUse: 'C',
    lengths: TDES,
    exportability: 'E',
    purpose: 'message authentication key of a link: DE64 and DE128',
  },
  {
    family: 'bdk',
    owner: 'link or none',
    usage: 'B0',
    modeOfUse: 'X',
    lengths: TDES,
    exportability: 'E',
    purpose: 'base derivation key of triple DES DUKPT terminals',
  },
  {
    family: 'bdk-aes',
    owner: 'link or none',
    usage: 'B0',
    modeOfUse: 'X',
    lengths: [['A', [16, 24, 32]]],
    exportability: 'E',
    purpose: 'base derivation key of AES DUKPT terminals',
  },
  {
    family: 'pvk',
    owner: 'none',
    usage: 'V2',
    modeOfUse: 'C',
    lengths: TDES,
    exportability: 'E',
    purpose: 'PIN verification key: Visa PVV',
  },
  {
    family: 'cvk',
    owner: 'none',
    usage: 'C0',
    modeOfUse: 'C',
    lengths: TDES,
    exportability: 'E',
    purpose: 'card verification key: CVV, iCVV, CVV2',
  },
  {
    family: 'imk-ac',
    owner: 'none',
    usage: 'E0',
    modeOfUse: 'X',
    lengths: TDES,
    exportability: 'E',
    purpose: 'issuer master key: application cryptograms',
  },
  {
    family: 'imk-smi',
    owner: 'none',
    usage: 'E2',
    modeOfUse: 'X',
    lengths: TDES,
    exportability: 'E',
    purpose: 'issuer master key: integrity of scripts',
  },
  {
    family: 'imk-smc',
    owner: 'none',
    usage: 'E1',
    modeOfUse: 'X',
    lengths: TDES,
    exportability: 'E',
    purpose: 'issuer master key: confidentiality of scripts',
  },
  {
    family: 'bio',
    owner: 'device key id',
    usage: 'M7',
    modeOfUse: 'C',
    lengths: HMAC,
    exportability: 'E',
    purpose: 'key of biometric devices: assertions in BM',
  },
  {
    family: 'one-time-code',
    owner: 'none',
    usage: 'M7',
    modeOfUse: 'C',
    lengths: HMAC,
    exportability: 'N',
    purpose: 'one-time codes that holders are sent',
  },
  {
    family: 'pan-index',
    owner: 'none',
    usage: 'M7',
    modeOfUse: 'C',
    lengths: HMAC,
    exportability: 'N',
    single: true,
    purpose: 'index by which cards are found; one for the life of an installation',
  },
  {
    family: 'pan-encryption',
    owner: 'none',
    usage: 'D0',
    modeOfUse: 'B',
    lengths: [['A', [32]]],
    exportability: 'N',
    purpose: 'card numbers at rest',
  },
  {
    family: 'pan-transport',
    owner: 'link',
    usage: 'D0',
    modeOfUse: 'B',
    lengths: [['A', [32]]],
    exportability: 'E',
    purpose: 'card numbers in files of whoever makes the cards',
  },
]

const ownerPatterns: Readonly<Record<KeyFamily['owner'], RegExp>> = {
  none: /^$/,
  link: /^:[a-z0-9][a-z0-9-]{0,31}$/,
  'link or none': /^(:[a-z0-9][a-z0-9-]{0,31})?$/,
  'device key id': /^:[0-9A-F]{8}$/,
}
const ownerWords: Readonly<Record<KeyFamily['owner'], string>> = {
  none: '',
  link: ':<link>',
  'link or none': '[:<link>]',
  'device key id': ':<8 hex digits, upper case>',
}

/** How names of a family are written, for people. */
export function nameFormOf(family: KeyFamily): string {
  return family.family + ownerWords[family.owner]
}

/**
 * The family that a name belongs to.
 * @throws MizanError BAD_INPUT for a name of no family, with what there is
 */
export function familyOf(name: KeyName): KeyFamily {
  const at = name.indexOf(':')
  const word = at < 0 ? name : name.slice(0, at)
  const family = keyFamilies.find((known) => known.family === word)
  if (family === undefined) {
    throw new MizanError('BAD_INPUT', `there are no keys ${word}; there are ${keyFamilies.map(nameFormOf).join(', ')}`)
  }
  if (!ownerPatterns[family.owner].test(name.slice(word.length))) {
    throw new MizanError('BAD_INPUT', `keys ${word} are named ${nameFormOf(family)}`)
  }
  return family
}

/**
 * Algorithm and length of a new key: what is asked for, or else the family's own.
 * @throws MizanError BAD_INPUT when keys of the family are not such
 */
export function lengthOf(
  family: KeyFamily,
  algorithm?: SymmetricAlgorithm,
  bytes?: number,
): { algorithm: SymmetricAlgorithm; bytes: number } {
  const entry = algorithm === undefined ? family.lengths[0] : family.lengths.find(([known]) => known === algorithm)
  const length = bytes ?? entry?.[1][0]
  if (entry === undefined || length === undefined || !entry[1].includes(length)) {
    const known = family.lengths.map(([name, lengths]) => `${keyAlgorithms[name]} of ${lengths.join(', ')} bytes`)
    throw new MizanError('BAD_INPUT', `keys ${family.family} may be ${known.join('; ')}`)
  }
  return { algorithm: entry[0], bytes: length }
}
