import { TPDU_BYTES, type Tpdu } from '../../src/link/tpdu.ts'

/** The TPDU at the start of a frame, read apart from the code that writes one; undefined when the frame is too short. */
export function parseTpdu(frame: Buffer): Tpdu | undefined {
  if (frame.length < TPDU_BYTES) return undefined
  return { id: frame.readUInt8(0), destination: frame.readUInt16BE(1), source: frame.readUInt16BE(3) }
}
