import type { KeyAlgorithm } from '../key-blocks/header.ts'
import { hmacSha256 } from '../primitives/hmac.ts'
import { aesCmacKcv, tdesKcv } from '../primitives/key-checks.ts'

const ZEROS = new Uint8Array(16)

/**
 * Check value of a key by which two people can tell that they hold the same: the first three bytes of zeros enciphered
 * (TDES), of the CMAC of a block of zeros (AES; X9.24-1), or of the HMAC of 16 zeros.
 * @returns six upper-case hex digits
 */
export function checkValueOf(algorithm: KeyAlgorithm, key: Uint8Array): string {
  const value = algorithm === 'T' ? tdesKcv(key) : algorithm === 'A' ? aesCmacKcv(key) : hmacSha256(key, ZEROS)
  return value.toString('hex', 0, 3).toUpperCase()
}
