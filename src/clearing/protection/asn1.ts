import forge from 'node-forge'
import { ProtectionRefusal } from './refusal.ts'

/** An ASN.1 value as node-forge has it. */
export type Node = forge.asn1.Asn1

const { asn1 } = forge
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class
const { Type } = asn1
/** First length byte: of an indefinite length; above it the number of length bytes that follow. */
export const LONG_FORM = 0x80
/** Lengths beyond 2^48 are none. */
export const LENGTH_BYTES_MAX = 6

/** Object identifiers of CMS (RFC 5652, 5083, 5084, 3447) by what they are called here. */
export const oids = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  envelopedData: '1.2.840.113549.1.7.3',
  authEnvelopedData: '1.2.840.113549.1.9.16.1.23',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  sha256: '2.16.840.1.101.3.4.2.1',
  rsaEncryption: '1.2.840.113549.1.1.1',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  rsaPss: '1.2.840.113549.1.1.10',
  rsaOaep: '1.2.840.113549.1.1.7',
  mgf1: '1.2.840.113549.1.1.8',
  aes256Gcm: '2.16.840.1.101.3.4.1.46',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const

export function sequence(...values: Node[]): Node {
  return asn1.create(UNIVERSAL, Type.SEQUENCE, true, values)
}

/** A SET OF: its members in the order of their encodings, as DER asks (X.690, 11.6). */
export function setOf(...values: Node[]): Node {
  const sorted = values
    .map((value) => ({ value, bytes: encode(value) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ value }) => value)
  return asn1.create(UNIVERSAL, Type.SET, true, sorted)
}

export function oid(text: string): Node {
  return asn1.create(UNIVERSAL, Type.OID, false, asn1.oidToDer(text).getBytes())
}

export function integer(value: number): Node {
  return asn1.create(UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes())
}

/** An INTEGER whose content bytes are given, such as the serial number of a certificate. */
export function integerOf(content: Uint8Array): Node {
  return asn1.create(UNIVERSAL, Type.INTEGER, false, binary(content))
}

export function octets(bytes: Uint8Array): Node {
  return asn1.create(UNIVERSAL, Type.OCTETSTRING, false, binary(bytes))
}

export function nothing(): Node {
  return asn1.create(UNIVERSAL, Type.NULL, false, '')
}

/** A constructed value under a context-specific tag. */
export function tagged(tag: number, ...values: Node[]): Node {
  return asn1.create(CONTEXT_SPECIFIC, tag as forge.asn1.Type, true, values)
}

/** DER of a value. */
export function encode(value: Node): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1')
}

/**
 * Reads one whole value, DER or BER.
 * @throws ProtectionRefusal not-cms
 */
export function decode(bytes: Uint8Array): Node {
  try {
    return asn1.fromDer(binary(bytes))
  } catch (cause) {
    throw new ProtectionRefusal('not-cms', 'its ASN.1 cannot be read', { cause })
  }
}

/**
 * Refuses bytes that end before the value that they begin with, of definite length.
 * @throws ProtectionRefusal cut, trailing-bytes
 */
export function requireWhole(bytes: Buffer): Buffer {
  const first = bytes[1]
  if (first === undefined) throw new ProtectionRefusal('cut')
  const more = first > LONG_FORM ? first - LONG_FORM : 0
  if (first === LONG_FORM || more > LENGTH_BYTES_MAX) return bytes
  if (bytes.length < 2 + more) throw new ProtectionRefusal('cut')
  const whole = 2 + more + (more === 0 ? first : bytes.readUIntBE(2, more))
  if (bytes.length < whole) throw new ProtectionRefusal('cut', `${bytes.length} of ${whole} bytes`)
  if (bytes.length > whole) throw new ProtectionRefusal('trailing-bytes', `after ${whole} bytes`)
  return bytes
}

/** Steps through the members of a constructed value; each that is not as it must be is refused. */
export class Members {
  readonly #values: readonly Node[]
  readonly #what: string
  #at = 0

  /** @param what names the value in refusals */
  constructor(value: Node, what: string) {
    if (!Array.isArray(value.value)) throw malformed(what)
    this.#values = value.value
    this.#what = what
  }

  /** The members that were not asked for yet. */
  get rest(): readonly Node[] {
    return this.#values.slice(this.#at)
  }

  /** The same, refused unless it has one member. */
  only(): Members {
    if (this.rest.length !== 1) throw malformed(this.#what)
    return this
  }

  next(): Node {
    const value = this.#values[this.#at++]
    if (value === undefined) throw malformed(this.#what)
    return value
  }

  /** The next member when it has this context-specific tag. */
  optional(tag: number): Node | undefined {
    const value = this.#values[this.#at]
    if (value === undefined || value.tagClass !== CONTEXT_SPECIFIC || Number(value.type) !== tag) return undefined
    this.#at++
    return value
  }

  sequence(): Members {
    return new Members(this.#of(Type.SEQUENCE), this.#what)
  }

  set(): Members {
    return new Members(this.#of(Type.SET), this.#what)
  }

  oid(): string {
    const value = this.#of(Type.OID)
    try {
      return asn1.derToOid(value.value as string)
    } catch (cause) {
      throw malformed(this.#what, cause)
    }
  }

  /** A small INTEGER. */
  integer(): number {
    const content = contentOf(this.#of(Type.INTEGER))
    if (content.length === 0 || content.length > 4) throw malformed(this.#what)
    return content.readIntBE(0, content.length)
  }

  /** Content bytes of an INTEGER of any size. */
  integerBytes(): Buffer {
    return contentOf(this.#of(Type.INTEGER))
  }

  octets(): Buffer {
    return contentOf(this.#of(Type.OCTETSTRING))
  }

  /** Refuses whatever follows but a NULL, as parameters of an algorithm that has none. */
  nothingElse(): void {
    const [value, ...more] = this.rest
    if (value === undefined) return
    const isNull = value.tagClass === UNIVERSAL && value.type === Type.NULL && value.value === ''
    if (!isNull || more.length > 0) throw malformed(this.#what)
  }

  #of(type: forge.asn1.Type): Node {
    const value = this.next()
    if (value.tagClass !== UNIVERSAL || value.type !== type) throw malformed(this.#what)
    return value
  }
}

/** Content bytes of a primitive value; of a constructed string those of its parts. */
export function contentOf(value: Node): Buffer {
  if (typeof value.value === 'string') return Buffer.from(value.value, 'latin1')
  return Buffer.concat(value.value.map(contentOf))
}

export function malformed(what: string, cause?: unknown): ProtectionRefusal {
  return new ProtectionRefusal('not-cms', `${what} is not built as RFC 5652 says`, { cause })
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
