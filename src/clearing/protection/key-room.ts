import { MizanError } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { addClearingKey, type ClearingKey, OWN, readClearingKeys } from '../../store/clearing/deliver-keys.ts'
import { DAY_MS } from '../../time-units.ts'
import { type Certificate, type CertificateName, isNamed, type KeyPurpose, readCertificate } from './certificate.ts'
import type { Recipient } from './enveloped-reader.ts'
import type { KeySeal } from './key-seal.ts'
import { makeRsaKey, selfSigned } from './self-signed.ts'
import type { Signer } from './signed-data.ts'

/** A key with its number in the store. */
export type Numbered<T> = T & { readonly id: number }

/** The keys of an installation for clearing files, as of one moment. */
export interface KeyRoom {
  /** With what files are signed now. @throws MizanError CRYPTO_REFUSED with the way out */
  signer(): Numbered<Signer>
  /** With what files of ours are opened: also those under a retired key. */
  recipients(): readonly Numbered<Recipient>[]
  /** With what files that come in are opened: under a retired key nothing new is taken. */
  incomingRecipients(): readonly Numbered<Recipient>[]
  /** For whom files of a partner are encrypted: its newest certificate, and ours. @throws MizanError CRYPTO_REFUSED */
  encryptionFor(partner: string): readonly Numbered<{ readonly certificate: Certificate }>[]
  /** With what files are encrypted that are kept here. @throws MizanError CRYPTO_REFUSED with the way out */
  encryptionForUs(): Certificate
  /** Numbers of the keys that an encrypted file names. */
  numbersOf(named: readonly CertificateName[]): number[]
  /** Certificates that may have signed what a partner sends. */
  verifiers(partner: string): readonly Numbered<{ readonly certificate: Certificate }>[]
}

export interface KeyRoomOptions {
  readonly seal: KeySeal
  readonly nowMs: number
  /** Demo keys are refused. */
  readonly isProduction: boolean
}

const OWN_BITS = 3_072
const DEMO_BITS = 2_048
const DEMO_DAYS = 3_650

/**
 * Reads the keys.
 * @throws MizanError DEMO_REFUSED when a demo key is in use and this is production
 */
export async function openKeyRoom(client: Queryable, options: KeyRoomOptions): Promise<KeyRoom> {
  return keyRoomOf(await readClearingKeys(client), options)
}

function keyRoomOf(keys: readonly ClearingKey[], { seal, nowMs, isProduction }: KeyRoomOptions): KeyRoom {
  if (isProduction && keys.some(({ isDemo, status }) => isDemo && status !== 'revoked')) {
    const detail = 'keys of a demo world are among those for clearing files: mizan clearing keys revoke gives them up'
    throw new MizanError('DEMO_REFUSED', detail)
  }
  const inUse = (owner: string, purpose: KeyPurpose) =>
    keys.filter((key) => key.owner === owner && key.purpose === purpose && key.status === 'active')
  const newest = (owner: string, purpose: KeyPurpose) =>
    inUse(owner, purpose).findLast((key) => key.validFromMs <= nowMs && nowMs < key.validToMs)
  const numbered = (key: ClearingKey) => ({ id: key.id, certificate: readCertificate(key.certificate) })
  const opened = (key: ClearingKey) => {
    const { sealedKey, fingerprint } = key
    if (sealedKey === undefined) throw new MizanError('CRYPTO_REFUSED', `key ${key.id} has no private key`)
    return { ...numbered(key), privateKey: seal.open(sealedKey, fingerprint) }
  }
  return {
    signer() {
      const key = newest(OWN, 'sign')
      if (key !== undefined) return opened(key)
      throw new MizanError('CRYPTO_REFUSED', 'there is no key of ours to sign with: mizan clearing keys make sign')
    },
    recipients: () =>
      keys
        .filter(({ owner, purpose, status }) => owner === OWN && purpose === 'encrypt' && status !== 'revoked')
        .map(opened),
    incomingRecipients: () => inUse(OWN, 'encrypt').map(opened),
    encryptionFor(partner) {
      const theirs = newest(partner, 'encrypt')
      if (theirs === undefined) {
        const way = `mizan clearing keys import ${partner} encrypt --certificate FILE`
        throw new MizanError('CRYPTO_REFUSED', `there is no valid certificate of ${partner} to encrypt with: ${way}`)
      }
      const ours = newest(OWN, 'encrypt')
      return [theirs, ...(ours === undefined ? [] : [ours])].map(numbered)
    },
    encryptionForUs() {
      const ours = newest(OWN, 'encrypt')
      if (ours !== undefined) return readCertificate(ours.certificate)
      throw new MizanError(
        'CRYPTO_REFUSED',
        'there is no key of ours to encrypt with: mizan clearing keys make encrypt',
      )
    },
    numbersOf(named) {
      const known = keys.filter(({ purpose }) => purpose === 'encrypt').map(numbered)
      return named.flatMap((name) => {
        const found = known.find(({ certificate }) => isNamed(certificate, name))
        return found === undefined ? [] : [found.id]
      })
    },
    verifiers: (partner) => inUse(partner, 'sign').map(numbered),
  }
}

/** Who the institution of a file is: what follows a hyphen is a part of it, such as a programme. */
export function partnerOf(institution: string): string {
  return institution.split('-')[0] ?? institution
}

/** A new key of ours, with a certificate that partners may pin. */
export interface OwnKeyOptions {
  readonly purpose: KeyPurpose
  readonly name: string
  readonly organization: string
  readonly validFromMs: number
  readonly days: number
  readonly by: string
  /** @default 3072 */
  readonly bits?: number
}

/** Makes a key of ours and its certificate, and adds it, active. @throws MizanError CONFLICT when two are in use */
export async function makeOwnKey(client: Queryable, seal: KeySeal, options: OwnKeyOptions): Promise<ClearingKey> {
  return addOwn(client, seal, { bits: OWN_BITS, ...options, isDemo: false })
}

async function addOwn(
  client: Queryable,
  seal: KeySeal,
  options: OwnKeyOptions & { readonly bits: number; readonly isDemo: boolean },
): Promise<ClearingKey> {
  const { purpose, name, organization, validFromMs, days, by, bits, isDemo } = options
  const privateKey = await makeRsaKey(bits)
  const validToMs = validFromMs + days * DAY_MS
  const certificate = selfSigned(privateKey, { name, organization, purpose, validFromMs, validToMs })
  const sealedKey = seal.seal(privateKey, certificate.fingerprint)
  return addClearingKey(client, { ...factsOf(certificate), owner: OWN, purpose, sealedKey, isDemo, createdBy: by })
}

/** What is kept of a certificate. */
export function factsOf(certificate: Certificate) {
  const { der, fingerprint, subject, validFromMs, validToMs } = certificate
  return { certificate: der, fingerprint, subject: subject.slice(0, 500), validFromMs, validToMs }
}

/** Keys of a partner of the demo world: with the private ones, for whoever plays the partner. */
export interface DemoPartner {
  readonly partner: string
  readonly purpose: KeyPurpose
  readonly certificate: Certificate
  /** PKCS #8, PEM, not encrypted: it is no secret. */
  readonly keyPem: string
}

/**
 * Makes the keys that a demo world lacks: ours, and those of the partners of its files. Whoever has them is never
 * asked.
 * @param keep gets the keys of each new partner before they are put into the store
 */
export async function ensureDemoKeys(
  client: Queryable,
  seal: KeySeal,
  partners: readonly string[],
  nowMs: number,
  keep: (made: DemoPartner) => Promise<void>,
): Promise<void> {
  const keys = await readClearingKeys(client)
  const lacks = (owner: string, purpose: KeyPurpose) =>
    !keys.some((key) => key.owner === owner && key.purpose === purpose && key.status === 'active')
  const organization = 'Mizan demo, not for production'
  const validFromMs = nowMs - DAY_MS
  for (const purpose of ['sign', 'encrypt'] as const) {
    if (lacks(OWN, purpose)) {
      const name = `unified card clearing, ${purpose}`
      const options = { purpose, name, organization, validFromMs, days: DEMO_DAYS, by: 'system:demo' }
      await addOwn(client, seal, { ...options, bits: DEMO_BITS, isDemo: true })
    }
    for (const partner of new Set(partners)) {
      if (!lacks(partner, purpose)) continue
      const privateKey = await makeRsaKey(DEMO_BITS)
      const validToMs = validFromMs + DEMO_DAYS * DAY_MS
      const name = `${partner}, ${purpose}`
      const certificate = selfSigned(privateKey, { name, organization, purpose, validFromMs, validToMs })
      const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
      await keep({ partner, purpose, certificate, keyPem })
      const facts = factsOf(certificate)
      const key = { ...facts, owner: partner, purpose, sealedKey: undefined, isDemo: true, createdBy: 'system:demo' }
      await addClearingKey(client, key)
    }
  }
}
