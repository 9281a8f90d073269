import { type KeyObject, X509Certificate } from 'node:crypto'
import { MizanError } from '../../errors.ts'
import { decode, encode, integerOf, Members, type Node, sequence } from './asn1.ts'
import { ProtectionRefusal } from './refusal.ts'

/** What a certificate of a partner or of ours is for. */
export type KeyPurpose = 'sign' | 'encrypt'

/** A certificate as it is needed here. */
export interface Certificate {
  readonly der: Buffer
  /** SHA-256 of it, 64 lower-case hex digits: the id of the key in lists, logs and manifests. */
  readonly fingerprint: string
  /** Who it is for, on one line. */
  readonly subject: string
  /** DER of the issuer's name and content of the serial number: how CMS names a certificate. */
  readonly issuer: Buffer
  readonly serial: Buffer
  readonly publicKey: KeyObject
  readonly validFromMs: number
  readonly validToMs: number
}

const RSA_BITS_MIN = 2_048
const DIGITAL_SIGNATURE = 0x80
const KEY_ENCIPHERMENT = 0x20
const KEY_USAGE = '2.5.29.15'
const EXTENSIONS_TAG = 3
const VERSION_TAG = 0

/**
 * Reads an X.509 certificate, PEM or DER.
 * @throws MizanError BAD_INPUT when it is none, or its key is not RSA of 2048 bits or more
 */
export function readCertificate(bytes: Uint8Array | string): Certificate {
  let found: X509Certificate
  try {
    found = new X509Certificate(bytes)
  } catch (cause) {
    throw new MizanError('BAD_INPUT', 'this is no X.509 certificate, PEM or DER', { cause })
  }
  const { publicKey } = found
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0
  if (publicKey.asymmetricKeyType !== 'rsa' || bits < RSA_BITS_MIN) {
    throw new MizanError('BAD_INPUT', `the key of the certificate must be RSA of ${RSA_BITS_MIN} bits or more`)
  }
  const { issuer, serial } = namesOf(found.raw)
  return {
    der: found.raw,
    fingerprint: found.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: found.subject.replaceAll('\n', ', '),
    issuer,
    serial,
    publicKey,
    validFromMs: Date.parse(found.validFrom),
    validToMs: Date.parse(found.validTo),
  }
}

/** PEM of a certificate. */
export function certificatePem({ der }: Pick<Certificate, 'der'>): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** Refuses a certificate at a time when it is not valid. @throws ProtectionRefusal expired, not-yet-valid */
export function requireValid(certificate: Certificate, atMs: number): void {
  const { validFromMs, validToMs, subject } = certificate
  const dated = (ms: number) => new Date(ms).toISOString()
  if (atMs >= validToMs) throw new ProtectionRefusal('expired', `${subject}, valid to ${dated(validToMs)}`)
  if (atMs < validFromMs) throw new ProtectionRefusal('not-yet-valid', `${subject}, from ${dated(validFromMs)}`)
}

/** Refuses a certificate that says it is for something else (RFC 5280, 4.2.1.3). @throws ProtectionRefusal key-usage */
export function requireUsage(certificate: Certificate, purpose: KeyPurpose): void {
  const usage = keyUsageOf(certificate.der)
  const wanted = purpose === 'sign' ? DIGITAL_SIGNATURE : KEY_ENCIPHERMENT
  if (usage === undefined || (usage & wanted) !== 0) return
  const name = purpose === 'sign' ? 'digitalSignature' : 'keyEncipherment'
  throw new ProtectionRefusal('key-usage', `${certificate.subject} does not allow ${name}`)
}

/** How a signer or recipient is named: IssuerAndSerialNumber. */
export function issuerAndSerial({ issuer, serial }: Pick<Certificate, 'issuer' | 'serial'>): Node {
  return sequence(decode(issuer), integerOf(serial))
}

function namesOf(der: Buffer): Pick<Certificate, 'issuer' | 'serial'> {
  const body = new Members(decode(der), 'a certificate').sequence()
  body.optional(VERSION_TAG)
  const serial = body.integerBytes()
  body.sequence()
  return { serial, issuer: encode(body.next()) }
}

function keyUsageOf(der: Buffer): number | undefined {
  const body = new Members(decode(der), 'a certificate').sequence()
  const extensions = body.rest.find((node) => node.tagClass === 0x80 && Number(node.type) === EXTENSIONS_TAG)
  if (extensions === undefined) return undefined
  const list = new Members(extensions, 'a certificate').sequence()
  for (const one of list.rest) {
    const extension = new Members(one, 'an extension')
    if (extension.oid() !== KEY_USAGE) continue
    const value = extension.rest.at(-1)
    // An OCTET STRING that holds a BIT STRING: tag, length, unused bits, first byte.
    const bytes =
      value === undefined || typeof value.value !== 'string' ? undefined : Buffer.from(value.value, 'latin1')
    return bytes?.[3]
  }
  return undefined
}
