/**
 * The token of a fingerprint reader (interfaces.md, "Security"): version 1, key id 4, device id 8, decision 1, modality
 * 1, quality band 1, template hash 8, unix seconds 4, nonce 8, and 16 bytes of HMAC-SHA256 over the bytes before it and
 * the text of the message that carries it. All big-endian.
 */
export interface Assertion {
  /** 8 upper-case hex digits: which device key signed it */
  readonly keyId: string
  /** 16 lower-case hex digits */
  readonly deviceId: string
  readonly matched: boolean
  readonly signedAtMs: number
  /** 16 lower-case hex digits */
  readonly nonce: string
  /** what the MAC covers, the text of the message included */
  readonly signed: Uint8Array
  readonly mac: Uint8Array
}

/** Bytes of a token. */
const ASSERTION_BYTES = 52
const SIGNED_BYTES = 36
const VERSION = 1

/**
 * Reads a token. Nothing of it is to be believed before its MAC is verified.
 * @param boundTo the text `DE2|DE4|DE11|DE41` of the message that carries it
 * @returns undefined when it is not a token of a version that is known
 */
export function readAssertion(token: Uint8Array, boundTo: string): Assertion | undefined {
  if (token.length !== ASSERTION_BYTES || token[0] !== VERSION) return undefined
  const bytes = Buffer.from(token.buffer, token.byteOffset, token.length)
  return {
    keyId: bytes.toString('hex', 1, 5).toUpperCase(),
    deviceId: bytes.toString('hex', 5, 13),
    matched: bytes[13] === 1,
    signedAtMs: bytes.readUInt32BE(24) * 1_000,
    nonce: bytes.toString('hex', 28, 36),
    signed: Buffer.concat([bytes.subarray(0, SIGNED_BYTES), Buffer.from(boundTo, 'latin1')]),
    mac: bytes.subarray(SIGNED_BYTES),
  }
}
