import { randomBytes, scrypt } from 'node:crypto'
import { MizanError } from '../../errors.ts'
import { equalSecret } from '../primitives/secrets.ts'

/** Shortest secret of a custodian, in characters (PCI DSS 4.0, 8.3.6). */
const SECRET_MIN = 12
const SECRET_MAX = 256
const SALT_BYTES = 16
const HASH_BYTES = 32

/** scrypt (RFC 7914) with 32 MiB: a tenth of a second here, and costly to try by the million. */
const cost = { logN: 15, r: 8, p: 1 }
/** More than any cost that is written here; a row with another one is refused rather than obeyed. */
const LOG_N_MAX = 18

/**
 * Hashes a custodian's secret, or a user's password, for storage: `scrypt$log2(N)$r$p$salt$hash`, the last two in hex.
 * @param logN cost; a secret that is 128 random bits needs less than one that a person thought of
 * @throws MizanError BAD_INPUT when the secret is too short or too long
 */
export async function hashSecret(secret: Uint8Array, logN = cost.logN): Promise<string> {
  if (secret.length < SECRET_MIN || secret.length > SECRET_MAX) {
    throw new MizanError('BAD_INPUT', `a secret has ${SECRET_MIN} to ${SECRET_MAX} characters`)
  }
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(secret, salt, logN, cost.r, cost.p)
  return ['scrypt', logN, cost.r, cost.p, salt.toString('hex'), hash.toString('hex')].join('$')
}

/** Hash of no secret: checked in place of an unknown custodian's, so that time does not tell who exists. */
const NOBODY = `scrypt$${cost.logN}$${cost.r}$${cost.p}$${'00'.repeat(SALT_BYTES)}$${'00'.repeat(HASH_BYTES)}`

/**
 * Whether a secret is the one that was hashed, in constant time.
 * @param stored as {@link hashSecret} made it; undefined = there is no such custodian: false, after the same time
 */
export async function verifySecret(stored: string | undefined, secret: Uint8Array): Promise<boolean> {
  const match = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([0-9a-f]{32})\$([0-9a-f]{64})$/.exec(stored ?? NOBODY)
  const [, logN, r, p, salt = '', hash = ''] = match ?? []
  if (match === null || Number(logN) > LOG_N_MAX || Number(r) > cost.r || Number(p) > cost.p) {
    throw new MizanError('CRYPTO_REFUSED', 'the stored hash of a secret is malformed')
  }
  const computed = await derive(secret, Buffer.from(salt, 'hex'), Number(logN), Number(r), Number(p))
  return equalSecret(computed, Buffer.from(hash, 'hex')) && stored !== undefined
}

function derive(secret: Uint8Array, salt: Uint8Array, logN: number, r: number, p: number): Promise<Buffer> {
  const N = 2 ** logN
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}
