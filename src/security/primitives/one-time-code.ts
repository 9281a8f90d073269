import type { HmacSha256 } from './hmac.ts'

const FACTOR_BYTES = 8

/**
 * One-time code of a moving factor: HOTP (RFC 4226, section 5.3) over HMAC-SHA256, as RFC 6238 extends it.
 * @param factor never used twice for the same receiver; a safe integer
 * @param digits 6 to 8
 */
export function oneTimeCode(key: HmacSha256, factor: number, digits = 6): string {
  const message = Buffer.alloc(FACTOR_BYTES)
  message.writeBigUInt64BE(BigInt(factor))
  const mac = key.mac(message)
  const at = (mac[mac.length - 1] as number) & 0x0f
  const truncated = mac.readUInt32BE(at) & 0x7f_ff_ff_ff
  return String(truncated % 10 ** digits).padStart(digits, '0')
}
