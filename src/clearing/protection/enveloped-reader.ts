import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { decode, Members, malformed, type Node, oids } from './asn1.ts'
import { BerReader, type Header } from './ber-reader.ts'
import { type Certificate, type CertificateName, isNamed, nameInWords, readName } from './certificate.ts'
import { TAG_BYTES } from './enveloped-data.ts'
import { ProtectionRefusal } from './refusal.ts'

/** A key of ours under which files for us may be encrypted. */
export interface Recipient {
  readonly certificate: Certificate
  readonly privateKey: KeyObject
}

/** What was read of an encrypted file besides its content. */
export interface OpenedEnvelope {
  /** Ours, that it was encrypted for. */
  readonly recipient: Recipient
  /** Whether the cipher vouches for the content; what has only AES-CBC needs a signature. */
  readonly isAuthenticated: boolean
  /** All that it was encrypted for, as they are named. */
  readonly named: readonly CertificateName[]
}

const PART_BYTES_MAX = 262_144
const SEQUENCE_TAG = 0x30
const SET_TAG = 0x31
const OCTETS_TAG = 0x04
const CONSTRUCTED_OCTETS_TAG = 0x24
const INTEGER_TAG = 0x02
const OID_TAG = 0x06
const CONTEXT_0 = 0xa0
const CONTEXT_0_PRIMITIVE = 0x80
const CONTEXT_1 = 0xa1
const SEGMENT_DEPTH_MAX = 4

/** A value that was begun: where it ends, or undefined when an end-of-contents says so. */
type Frame = number | undefined

/**
 * Reads an encrypted file as it goes by, and gives its clear content piece by piece. **What was given counts only once
 * this returns**: the tag over the content stands at the end of the file.
 * @param write gets each piece; the buffer is used again afterwards
 * @throws ProtectionRefusal not-cms, unsupported, cut, trailing-bytes, not-for-us, wrong-key, altered
 */
export async function readEnvelope(
  file: FileHandle,
  ours: readonly Recipient[],
  write: (clear: Buffer) => Promise<void>,
): Promise<OpenedEnvelope> {
  const reader = new BerReader(file)
  const content = new FrameReader(reader)
  const outer = await content.begin(SEQUENCE_TAG)
  const type = new Members(wrapped(await content.value(OID_TAG)), 'the file').oid()
  if (type !== oids.authEnvelopedData && type !== oids.envelopedData) {
    throw new ProtectionRefusal('not-cms', 'it is no encrypted file')
  }
  const isAuthenticated = type === oids.authEnvelopedData
  const explicit = await content.begin(CONTEXT_0)
  const data = await content.begin(SEQUENCE_TAG)
  await content.value(INTEGER_TAG)
  const recipients = await content.valueAfter(CONTEXT_0, SET_TAG)
  const { recipient, key, named } = contentKey(decode(recipients), ours)
  const info = await content.begin(SEQUENCE_TAG)
  await content.value(OID_TAG)
  const decipher = decipherOf(
    new Members(decode(await content.value(SEQUENCE_TAG)), 'the cipher'),
    key,
    isAuthenticated,
  )
  await content.octetString(async (bytes) => {
    const clear = decipher.cipher.update(bytes)
    if (clear.length > 0) await write(clear)
  })
  await content.end(info)
  if (isAuthenticated) decipher.setTag(await content.tag())
  await write(finish(decipher.cipher))
  for (const frame of [data, explicit, outer]) await content.end(frame)
  if (!(await reader.isAtEnd())) throw new ProtectionRefusal('trailing-bytes', `after ${reader.position} bytes`)
  return { recipient, isAuthenticated, named }
}

/** A value as the one member of a sequence, to step through. */
function wrapped(bytes: Buffer): Node {
  const value = decode(bytes)
  return { ...value, value: [value] }
}

function finish(cipher: { final(): Buffer }): Buffer {
  try {
    return cipher.final()
  } catch (cause) {
    throw new ProtectionRefusal('altered', 'its content does not open', { cause })
  }
}

/** Steps into and out of values of both kinds of length. */
class FrameReader {
  readonly #reader: BerReader

  constructor(reader: BerReader) {
    this.#reader = reader
  }

  async begin(tag: number): Promise<Frame> {
    const header = await this.#expect(tag)
    return header.length === undefined ? undefined : this.#reader.position + header.length
  }

  /** Leaves a value; what it has besides, such as attributes that are not protected, is passed over. */
  async end(frame: Frame): Promise<void> {
    for (;;) {
      if (frame !== undefined && this.#reader.position === frame) return
      if (frame !== undefined && this.#reader.position > frame) throw malformed('a length')
      const header = await this.#reader.header()
      if (header.tag === 0 && header.length === 0 && frame === undefined) return
      await this.#reader.whole(header, PART_BYTES_MAX)
    }
  }

  async value(tag: number): Promise<Buffer> {
    return this.#reader.whole(await this.#expect(tag), PART_BYTES_MAX)
  }

  /** A value, after one of another tag that may stand before it. */
  async valueAfter(optional: number, tag: number): Promise<Buffer> {
    const first = await this.#reader.header()
    const whole = await this.#reader.whole(first, PART_BYTES_MAX)
    if (first.tag === tag) return whole
    if (first.tag !== optional) throw malformed('the file')
    return this.value(tag)
  }

  /** The tag over the content. */
  async tag(): Promise<Buffer> {
    const header = await this.#reader.header()
    if (header.tag === CONTEXT_1) {
      // They would have to be known before the content.
      throw new ProtectionRefusal('unsupported', 'it has authenticated attributes')
    }
    if (header.tag !== OCTETS_TAG || header.length !== TAG_BYTES) throw malformed('the tag over the content')
    return (await this.#reader.whole(header, TAG_BYTES)).subarray(2)
  }

  /** Content in one piece, or in pieces within pieces. */
  async octetString(take: (bytes: Buffer) => Promise<void>): Promise<void> {
    const header = await this.#reader.header()
    if (header.tag === CONTEXT_0_PRIMITIVE) return this.#content(header, take)
    if (header.tag !== CONTEXT_0) throw new ProtectionRefusal('not-cms', 'it has no content')
    await this.#segments(header, take, 0)
  }

  async #segments(header: Header, take: (bytes: Buffer) => Promise<void>, depth: number): Promise<void> {
    if (depth > SEGMENT_DEPTH_MAX) throw malformed('the content')
    const end = header.length === undefined ? undefined : this.#reader.position + header.length
    while (end === undefined || this.#reader.position < end) {
      const segment = await this.#reader.header()
      if (segment.tag === 0 && segment.length === 0 && end === undefined) return
      if (segment.tag === OCTETS_TAG) await this.#content(segment, take)
      else if (segment.tag === CONSTRUCTED_OCTETS_TAG) await this.#segments(segment, take, depth + 1)
      else throw malformed('the content')
    }
    if (this.#reader.position !== end) throw malformed('the content')
  }

  async #content({ length = 0 }: Header, take: (bytes: Buffer) => Promise<void>): Promise<void> {
    for (let left = length; left > 0; ) {
      const bytes = await this.#reader.some(left)
      left -= bytes.length
      await take(bytes)
    }
  }

  async #expect(tag: number): Promise<Header> {
    const header = await this.#reader.header()
    if (header.tag !== tag) throw malformed(`what stands at byte ${this.#reader.position}`)
    return header
  }
}

interface ContentKey {
  readonly recipient: Recipient
  readonly key: Buffer
  readonly named: readonly CertificateName[]
}

/** Versions of a recipient's info by how they name it (RFC 5652, 6.2.1). */
const namings: ReadonlyMap<number, 'serial' | 'key-id'> = new Map([
  [0, 'serial'],
  [2, 'key-id'],
])

/** Finds who of ours it is for, and opens the key of the content. */
function contentKey(infos: Node, ours: readonly Recipient[]): ContentKey {
  const named: CertificateName[] = []
  let found: Omit<ContentKey, 'named'> | undefined
  for (const one of new Members(infos, 'the recipients').rest) {
    // Those of other kinds are tagged; they are not for us.
    if (one.tagClass !== 0) continue
    const info = new Members(one, 'a recipient')
    const naming = namings.get(info.integer())
    if (naming === undefined) continue
    const name = readName(info, naming, 'a recipient')
    named.push(name)
    const recipient = ours.find(({ certificate }) => isNamed(certificate, name))
    if (recipient === undefined || found !== undefined) continue
    requireOaep(info.sequence())
    found = { recipient, key: unwrap(recipient, info.octets()) }
  }
  if (found !== undefined) return { ...found, named }
  const names = named.map(nameInWords).join(', ')
  throw new ProtectionRefusal('not-for-us', named.length === 0 ? 'no recipient' : `for ${names}`)
}

function requireOaep(algorithm: Members): void {
  if (algorithm.oid() !== oids.rsaOaep) throw new ProtectionRefusal('unsupported', 'its key is not under RSA-OAEP')
  const parameters = algorithm.sequence()
  const hash = parameters.optional(0)
  const mask = parameters.optional(1)
  const isSha256 =
    hash !== undefined && new Members(hash, 'OAEP').sequence().oid() === oids.sha256 && mask !== undefined
  const generator = mask === undefined ? undefined : new Members(mask, 'OAEP').sequence()
  if (!isSha256 || generator?.oid() !== oids.mgf1 || generator.sequence().oid() !== oids.sha256) {
    throw new ProtectionRefusal('unsupported', 'RSA-OAEP with another digest than SHA-256')
  }
}

const KEY_BYTES = 32
/** RFC 5084 asks for twelve; the cipher bears others, not any. */
const NONCE_BYTES_MIN = 8
const NONCE_BYTES_MAX = 64

function unwrap({ certificate, privateKey }: Recipient, encrypted: Buffer): Buffer {
  let key: Buffer
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    key = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, encrypted)
  } catch (cause) {
    throw new ProtectionRefusal('wrong-key', certificate.subject, { cause })
  }
  if (key.length !== KEY_BYTES) throw new ProtectionRefusal('wrong-key', 'it is no key of AES-256')
  return key
}

function decipherOf(algorithm: Members, key: Buffer, isAuthenticated: boolean) {
  const name = algorithm.oid()
  try {
    if (isAuthenticated && name === oids.aes256Gcm) {
      const parameters = algorithm.sequence()
      const nonce = parameters.octets()
      if (nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) throw malformed('the cipher')
      if (parameters.rest.length === 0 || parameters.integer() !== TAG_BYTES) {
        throw new ProtectionRefusal('unsupported', `a tag that has not ${TAG_BYTES} bytes`)
      }
      const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      return { cipher, setTag: (tag: Buffer) => void cipher.setAuthTag(tag) }
    }
    if (!isAuthenticated && name === oids.aes256Cbc) {
      const iv = algorithm.octets()
      if (iv.length !== 16) throw malformed('the cipher')
      return { cipher: createDecipheriv('aes-256-cbc', key, iv), setTag: () => undefined }
    }
  } finally {
    key.fill(0)
  }
  throw new ProtectionRefusal('unsupported', 'its cipher is neither AES-256-GCM nor AES-256-CBC')
}
