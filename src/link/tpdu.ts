import { assert } from '../errors.ts'

/** Bytes of a TPDU: protocol identifier 1, destination address 2, source address 2. */
export const TPDU_BYTES = 5

/** A transport protocol data unit header as values; addresses are 16 bits, usually read as 4 BCD digits. */
export interface Tpdu {
  /** Protocol identifier; 0x60 for financial traffic. Echoed, never checked: acquirers use their own. */
  readonly id: number
  readonly destination: number
  readonly source: number
}

/** A TPDU as its 5 bytes. */
export function encodeTpdu(tpdu: Tpdu): Buffer {
  const bytes = Buffer.allocUnsafe(TPDU_BYTES)
  bytes.writeUInt8(tpdu.id, 0)
  bytes.writeUInt16BE(tpdu.destination, 1)
  bytes.writeUInt16BE(tpdu.source, 3)
  return bytes
}

/**
 * Writes the answer's TPDU: the request's, with source and destination swapped (interfaces.md, Listeners).
 * @param request a frame, or at least its first 5 bytes
 * @returns the offset after the TPDU
 */
export function answerTpduInto(target: Buffer, at: number, request: Buffer): number {
  assert(request.length >= TPDU_BYTES, 'a TPDU has 5 bytes')
  target[at] = request[0] as number
  target[at + 1] = request[3] as number
  target[at + 2] = request[4] as number
  target[at + 3] = request[1] as number
  target[at + 4] = request[2] as number
  return at + TPDU_BYTES
}
