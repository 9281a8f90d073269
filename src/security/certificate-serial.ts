import { randomBytes } from 'node:crypto'

const SERIAL_BYTES = 16

/** A certificate's serial number, hex: random, positive and at most 20 bytes long (RFC 5280, 4.1.2.2). */
export function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes.toString('hex')
}
