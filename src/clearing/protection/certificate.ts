import { type KeyObject, X509Certificate } from 'node:crypto'
import { MizanError } from '../../errors.ts'
import { contentOf, decode, encode, integerOf, Members, malformed, type Node, sequence } from './asn1.ts'
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
  /**
   * Its subject key identifier (RFC 5280, 4.2.1.2), the other way in which CMS names it; undefined where it has none.
   */
  readonly keyId: Buffer | undefined
  readonly publicKey: KeyObject
  readonly validFromMs: number
  readonly validToMs: number
}

/** How CMS names a signer or a recipient: by issuer and serial number, or by the identifier of its key. */
export type CertificateName = Pick<Certificate, 'issuer' | 'serial'> | { readonly keyId: Buffer }

const RSA_BITS_MIN = 2_048
const DIGITAL_SIGNATURE = 0x80
const KEY_ENCIPHERMENT = 0x20
const KEY_USAGE = '2.5.29.15'
const SUBJECT_KEY_IDENTIFIER = '2.5.29.14'
/** As RFC 5652 tags a name by key identifier. */
const KEY_ID_TAG = 0
const OCTETS = 0x04
/** A digest of 64 bytes is the longest that anybody makes one of. */
const KEY_ID_BYTES_MAX = 64
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
    keyId: keyIdOf(found.raw),
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

/**
 * Reads who a signer (RFC 5652, 5.3) or a recipient (6.2.1) is: IssuerAndSerialNumber, or SubjectKeyIdentifier under
 * the tag 0.
 * @param info its next member is the name
 * @param version of the info, which says in which of the two ways it is named
 * @throws ProtectionRefusal not-cms when the version says otherwise
 */
export function readName(info: Members, version: 'serial' | 'key-id', what: string): CertificateName {
  const tagged = info.optional(KEY_ID_TAG)
  if ((tagged !== undefined) !== (version === 'key-id')) throw malformed(what)
  if (tagged !== undefined) {
    const keyId = typeof tagged.value === 'string' ? contentOf(tagged) : Buffer.alloc(0)
    if (keyId.length === 0 || keyId.length > KEY_ID_BYTES_MAX) throw malformed(what)
    return { keyId }
  }
  const name = info.sequence()
  return { issuer: encode(name.next()), serial: name.integerBytes() }
}

/** Whether a certificate is the one that is named. */
export function isNamed({ issuer, serial, keyId }: Certificate, name: CertificateName): boolean {
  if ('keyId' in name) return keyId?.equals(name.keyId) === true
  return issuer.equals(name.issuer) && serial.equals(name.serial)
}

/** A name for refusals. */
export function nameInWords(name: CertificateName): string {
  return 'keyId' in name ? `key ${name.keyId.toString('hex')}` : `serial ${name.serial.toString('hex')}`
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

/** An OCTET STRING in the OCTET STRING of the extension. */
function keyIdOf(der: Buffer): Buffer | undefined {
  const bytes = extensionOf(der, SUBJECT_KEY_IDENTIFIER)
  const isWhole = bytes !== undefined && bytes[0] === OCTETS && bytes[1] === bytes.length - 2
  return isWhole && bytes.length > 2 ? bytes.subarray(2) : undefined
}

/** A BIT STRING in the OCTET STRING of the extension: tag, length, unused bits, first byte. */
function keyUsageOf(der: Buffer): number | undefined {
  return extensionOf(der, KEY_USAGE)?.[3]
}

/** What an extension of a certificate holds. */
function extensionOf(der: Buffer, wanted: string): Buffer | undefined {
  const body = new Members(decode(der), 'a certificate').sequence()
  const extensions = body.rest.find((node) => node.tagClass === 0x80 && Number(node.type) === EXTENSIONS_TAG)
  if (extensions === undefined) return undefined
  const list = new Members(extensions, 'a certificate').sequence()
  for (const one of list.rest) {
    const extension = new Members(one, 'an extension')
    if (extension.oid() !== wanted) continue
    const value = extension.rest.at(-1)
    return value === undefined || typeof value.value !== 'string' ? undefined : Buffer.from(value.value, 'latin1')
  }
  return undefined
}
