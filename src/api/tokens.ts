import { createHash, createHmac, randomBytes } from 'node:crypto'

const TOKEN_BYTES = 32
const KEY_ID_LENGTH = 12
/** Without letters that are taken for one another. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Forms of what a caller brings: a session's token, or a key's id and secret. */
const SESSION_TOKEN = /^mzs_([A-Za-z0-9_-]{43})$/
const API_KEY = /^mzk_([0-9a-z]{12})_([A-Za-z0-9_-]{43})$/

/** What a bearer is, as far as its form tells. */
export type Bearer =
  | { readonly kind: 'session'; readonly tokenHash: Buffer }
  | { readonly kind: 'key'; readonly id: string; readonly secretHash: Buffer }

/** A new token of a session: 256 bits that nobody can guess. */
export function newSessionToken(): { readonly token: string; readonly tokenHash: Buffer } {
  const secret = randomBytes(TOKEN_BYTES).toString('base64url')
  return { token: `mzs_${secret}`, tokenHash: sha256(secret) }
}

/** A new key for a program: `mzk_`, its id, and 256 bits that are shown once. */
export function newApiKey(): { readonly id: string; readonly key: string; readonly secretHash: Buffer } {
  const id = Array.from(randomBytes(KEY_ID_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
  const secret = randomBytes(TOKEN_BYTES).toString('base64url')
  return { id, key: `mzk_${id}_${secret}`, secretHash: sha256(secret) }
}

/** Reads what stands behind `Bearer`; undefined when it is neither a token nor a key. */
export function readBearer(text: string): Bearer | undefined {
  const [, token] = SESSION_TOKEN.exec(text) ?? []
  if (token !== undefined) return { kind: 'session', tokenHash: sha256(token) }
  const [, id, secret] = API_KEY.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { kind: 'key', id, secretHash: sha256(secret) }
}

/**
 * What a page has to send in a header along with its cookie: another site can make a browser send the cookie, but
 * cannot read this. It is bound to the session and needs no memory.
 */
export function csrfTokenOf(tokenHash: Buffer): string {
  return createHmac('sha256', tokenHash).update('mizan csrf').digest('base64url')
}

/** The secrets have 256 random bits: there is nothing to guess, and a slow hash would only cost. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
