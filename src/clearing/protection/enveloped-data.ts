import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto'
import { encode, integer, type Node, octets, oid, oids, sequence, setOf, tagged } from './asn1.ts'
import { definite } from './ber-reader.ts'
import { type Certificate, issuerAndSerial } from './certificate.ts'

/** How the content of an encrypted file is enciphered: with its integrity (RFC 5084), or, for who cannot, without. */
export type ContentCipher = 'aes-256-gcm' | 'aes-256-cbc'

/** Bytes of an encrypted file as they come about. */
export interface Enveloper {
  /** What comes before the content: for whom, and how. */
  readonly head: Buffer
  /** The next piece of the content, enciphered and framed. */
  piece(clear: Buffer): Buffer[]
  /** What ends it; the content is whole by now. */
  tail(): Buffer
}

const KEY_BYTES = 32
const NONCE_BYTES = 12
const IV_BYTES = 16
export const TAG_BYTES = 16
const INDEFINITE = 0x80
const SEQUENCE_TAG = 0x30
const OCTETS_TAG = 0x04
const CONTEXT_0 = 0xa0
/** End-of-contents. */
const END = Buffer.from([0, 0])

/**
 * Begins an AuthEnvelopedData (RFC 5083) with AES-256-GCM, or an EnvelopedData (RFC 5652, 6) with AES-256-CBC. The key
 * of the content is random and travels by RSA-OAEP with SHA-256, once for each recipient. Lengths are indefinite, so
 * that a content of any size needs no memory.
 */
export function beginEnvelope(recipients: readonly Certificate[], cipherName: ContentCipher): Enveloper {
  const isGcm = cipherName === 'aes-256-gcm'
  const key = randomBytes(KEY_BYTES)
  const iv = randomBytes(isGcm ? NONCE_BYTES : IV_BYTES)
  const infos = setOf(...recipients.map((recipient) => recipientInfo(recipient, key)))
  const gcm = isGcm ? createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }) : undefined
  const cipher = gcm ?? createCipheriv('aes-256-cbc', key, iv)
  key.fill(0)
  const algorithm = isGcm
    ? sequence(oid(oids.aes256Gcm), sequence(octets(iv), integer(TAG_BYTES)))
    : sequence(oid(oids.aes256Cbc), octets(iv))
  const head = Buffer.concat([
    open(SEQUENCE_TAG),
    encode(oid(isGcm ? oids.authEnvelopedData : oids.envelopedData)),
    open(CONTEXT_0),
    open(SEQUENCE_TAG),
    encode(integer(0)),
    encode(infos),
    open(SEQUENCE_TAG),
    encode(oid(oids.data)),
    encode(algorithm),
    open(CONTEXT_0),
  ])
  const framed = (bytes: Buffer) => (bytes.length === 0 ? [] : [definite(OCTETS_TAG, bytes.length), bytes])
  return {
    head,
    piece: (clear) => framed(cipher.update(clear)),
    tail() {
      const last = framed(cipher.final())
      const mac = gcm === undefined ? [] : [encode(octets(gcm.getAuthTag()))]
      // Content and its info; then the tag; then the structure, its wrapper and the whole.
      return Buffer.concat([...last, END, END, ...mac, END, END, END])
    },
  }
}

function open(tag: number): Buffer {
  return Buffer.from([tag, INDEFINITE])
}

/** KeyTransRecipientInfo (RFC 5652, 6.2.1) with RSAES-OAEP (RFC 3560). */
function recipientInfo(recipient: Certificate, key: Buffer): Node {
  const { RSA_PKCS1_OAEP_PADDING: padding } = constants
  const encrypted = publicEncrypt({ key: recipient.publicKey, padding, oaepHash: 'sha256' }, key)
  return sequence(integer(0), issuerAndSerial(recipient), oaepSha256(), octets(encrypted))
}

function oaepSha256(): Node {
  const hash = () => sequence(oid(oids.sha256))
  const mask = sequence(oid(oids.mgf1), hash())
  return sequence(oid(oids.rsaOaep), sequence(tagged(0, hash()), tagged(1, mask)))
}
