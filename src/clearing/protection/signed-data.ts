import { constants, type KeyObject, sign, verify } from 'node:crypto'
import {
  decode,
  encode,
  integer,
  Members,
  malformed,
  type Node,
  nothing,
  octets,
  oid,
  oids,
  requireWhole,
  sequence,
  setOf,
  tagged,
} from './asn1.ts'
import {
  type Certificate,
  type CertificateName,
  isNamed,
  issuerAndSerial,
  nameInWords,
  readName,
  requireUsage,
  requireValid,
} from './certificate.ts'
import { ProtectionRefusal } from './refusal.ts'

/** Who signs: the private key, and the certificate that partners know. */
export interface Signer {
  readonly certificate: Certificate
  readonly privateKey: KeyObject
}

/** A detached signature, read and not yet verified. */
export interface DetachedSignature {
  /** SHA-256 of the file that was signed. */
  readonly messageDigest: Buffer
  readonly signer: CertificateName
  /** DER of the signed attributes, which is what the signature is over. */
  readonly attributes: Buffer
  readonly scheme: 'pkcs1' | 'pss'
  /** Of PSS; undefined for PKCS #1 v1.5. */
  readonly saltBytes: number | undefined
  readonly signature: Buffer
}

const DIGEST_BYTES = 32
/** A signature with a certificate or two has some 3 KB. */
export const SIGNATURE_BYTES_MAX = 65_536
const CONTENT_TAG = 0
const SALT_TAG = 2
const PSS_SALT_DEFAULT = 20
/** Versions of a signer's info by how it is named (RFC 5652, 5.3). */
const BY_SERIAL = 1
const BY_KEY_ID = 3

/**
 * A detached SignedData (RFC 5652, 5) over a file by its SHA-256: RSASSA-PKCS1-v1_5, whose bytes are the same each
 * time, over the attributes contentType and messageDigest. There is no signing time: a file that is made again has to
 * come out the same.
 * @param digest SHA-256 of the whole file
 * @returns DER
 */
export function signDigest(digest: Buffer, { certificate, privateKey }: Signer): Buffer {
  const attributes = setOf(attribute(oids.contentType, oid(oids.data)), attribute(oids.messageDigest, octets(digest)))
  const signature = sign('sha256', encode(attributes), { key: privateKey, padding: constants.RSA_PKCS1_PADDING })
  const signerInfo = sequence(
    integer(1),
    issuerAndSerial(certificate),
    sequence(oid(oids.sha256), nothing()),
    // Implicitly tagged: the members of the set under the tag 0.
    tagged(0, ...(attributes.value as Node[])),
    sequence(oid(oids.rsaEncryption), nothing()),
    octets(signature),
  )
  const signedData = sequence(
    integer(1),
    setOf(sequence(oid(oids.sha256), nothing())),
    sequence(oid(oids.data)),
    tagged(0, decode(certificate.der)),
    setOf(signerInfo),
  )
  return encode(sequence(oid(oids.signedData), tagged(0, signedData)))
}

function attribute(type: string, value: Node): Node {
  return sequence(oid(type), setOf(value))
}

/**
 * Reads a detached signature, DER or PEM, of one signer.
 * @throws ProtectionRefusal not-cms, cut, unsupported
 */
export function readSignature(bytes: Buffer): DetachedSignature {
  const outer = new Members(decode(derOf(bytes)), 'the signature')
  if (outer.oid() !== oids.signedData) throw new ProtectionRefusal('not-cms', 'it is no SignedData')
  const explicit = outer.optional(CONTENT_TAG)
  if (explicit === undefined) throw malformed('the signature')
  const data = new Members(explicit, 'the signature').sequence()
  data.integer()
  data.set()
  const content = data.sequence()
  if (content.oid() !== oids.data) throw new ProtectionRefusal('unsupported', 'it signs something else than data')
  if (content.rest.length > 0) throw new ProtectionRefusal('unsupported', 'the signature is not detached')
  data.optional(0)
  data.optional(1)
  const infos = data.set().rest
  const [info] = infos
  if (info === undefined || infos.length > 1) throw new ProtectionRefusal('unsupported', 'it has not one signer')
  return signerOf(new Members(info, 'the signer'))
}

function signerOf(info: Members): DetachedSignature {
  const version = info.integer()
  if (version !== BY_SERIAL && version !== BY_KEY_ID) throw malformed('the signer')
  const signer = readName(info, version === BY_SERIAL ? 'serial' : 'key-id', 'the signer')
  requireSha256(info.sequence(), 'its digest is not SHA-256')
  const tags = info.optional(0)
  if (tags === undefined) throw new ProtectionRefusal('unsupported', 'it has no signed attributes')
  const members = new Members(tags, 'the signed attributes').rest
  const scheme = schemeOf(info.sequence())
  return {
    signer,
    messageDigest: digestOf(members),
    // What is signed is the DER of the SET (RFC 5652, 5.4), not the tagged form.
    attributes: encode(setOf(...members)),
    ...scheme,
    signature: info.octets(),
  }
}

function schemeOf(algorithm: Members): Pick<DetachedSignature, 'scheme' | 'saltBytes'> {
  const name = algorithm.oid()
  if (name === oids.rsaEncryption || name === oids.sha256WithRsa) {
    algorithm.nothingElse()
    return { scheme: 'pkcs1', saltBytes: undefined }
  }
  if (name !== oids.rsaPss) throw new ProtectionRefusal('unsupported', 'it is not signed by RSA')
  const parameters = algorithm.sequence()
  const hash = parameters.optional(0)
  if (hash === undefined) throw new ProtectionRefusal('unsupported', 'PSS with SHA-1')
  requireSha256(new Members(hash, 'PSS').sequence(), 'PSS with another digest than SHA-256')
  const mask = parameters.optional(1)
  if (mask === undefined) throw new ProtectionRefusal('unsupported', 'PSS with a mask by SHA-1')
  const generator = new Members(mask, 'PSS').sequence()
  if (generator.oid() !== oids.mgf1) throw new ProtectionRefusal('unsupported', 'PSS with another mask than MGF1')
  requireSha256(generator.sequence(), 'PSS with a mask of another digest than SHA-256')
  const salt = parameters.optional(SALT_TAG)
  const saltBytes = salt === undefined ? PSS_SALT_DEFAULT : new Members(salt, 'PSS').integer()
  // Below zero stands for "any" in the library that verifies.
  if (saltBytes < 0) throw malformed('PSS')
  return { scheme: 'pss', saltBytes }
}

function requireSha256(algorithm: Members, otherwise: string): void {
  if (algorithm.oid() !== oids.sha256) throw new ProtectionRefusal('unsupported', otherwise)
  algorithm.nothingElse()
}

function digestOf(attributes: readonly Node[]): Buffer {
  const seen = new Map<string, Members>()
  for (const one of attributes) {
    const each = new Members(one, 'a signed attribute')
    const type = each.oid()
    // Of two of a kind readers might each believe another one (RFC 5652, 5.3).
    if (seen.has(type)) throw malformed('a signed attribute')
    seen.set(type, each.set())
  }
  const isData = seen.get(oids.contentType)?.only().oid() === oids.data
  const digest = seen.get(oids.messageDigest)?.only().octets()
  if (digest?.length !== DIGEST_BYTES || !isData) throw malformed('the signed attributes')
  return digest
}

/**
 * Verifies a signature over a file: the digest, the signer among the certificates that are known, the signature, and
 * the time of the certificate.
 * @param digest SHA-256 of the file as it is here
 * @param known certificates that may have signed
 * @param atMs when the signature counts, milliseconds since 1970 UTC
 * @returns the certificate that signed
 * @throws ProtectionRefusal unknown-signer, wrong-signature, altered, expired, not-yet-valid, key-usage
 */
export function verifySignature(
  read: DetachedSignature,
  digest: Buffer,
  known: readonly Certificate[],
  atMs: number,
): Certificate {
  // A certificate that was made anew with the name and number of the one before is told from it by its key.
  const named = known.filter((one) => isNamed(one, read.signer))
  const [first] = named
  if (first === undefined) throw new ProtectionRefusal('unknown-signer', nameInWords(read.signer))
  const padding =
    read.saltBytes === undefined
      ? { padding: constants.RSA_PKCS1_PADDING }
      : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: read.saltBytes }
  // The signature first: who altered the file could alter the digest that stands in an unsigned attribute set too.
  const signer = named.find(({ publicKey: key }) =>
    verify('sha256', read.attributes, { key, ...padding }, read.signature),
  )
  if (signer === undefined) throw new ProtectionRefusal('wrong-signature', first.subject)
  if (!digest.equals(read.messageDigest)) throw new ProtectionRefusal('altered', 'its SHA-256 is not the signed one')
  requireValid(signer, atMs)
  requireUsage(signer, 'sign')
  return signer
}

const HYPHEN = 0x2d
const PEM = /^-----BEGIN (?:CMS|PKCS7)-----([\sA-Za-z0-9+/=]*)-----END (?:CMS|PKCS7)-----\s*$/

function derOf(bytes: Buffer): Buffer {
  if (bytes.length === 0) throw new ProtectionRefusal('cut', 'it is empty')
  if (bytes.length > SIGNATURE_BYTES_MAX) throw new ProtectionRefusal('not-cms', 'it is too long for a signature')
  if (bytes[0] !== HYPHEN) return requireWhole(bytes)
  const armoured = PEM.exec(bytes.toString('latin1'))?.[1]
  if (armoured === undefined) throw new ProtectionRefusal('cut', 'its PEM has no end')
  return requireWhole(Buffer.from(armoured, 'base64'))
}
