import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../calendar.ts'

const SIGNED_BYTES = 36
const MAC_BYTES = 16
const VERSION = 1
const FINGERPRINT = 1
const GOOD_QUALITY = 3
const DEVICE_BYTES = 8

/** A fingerprint reader at a terminal: signs what it found, bound to the message that carries it (interfaces.md). */
export class FingerprintReader {
  readonly #keyId: string
  readonly #key: Buffer
  readonly #device: Buffer
  readonly #clock: Clock

  /** @param keyId 8 hex digits @param key hex @param device up to 8 characters */
  constructor(keyId: string, key: string, device: string, clock: Clock) {
    this.#keyId = keyId
    this.#key = Buffer.from(key, 'hex')
    this.#device = Buffer.from(device.padEnd(DEVICE_BYTES).slice(0, DEVICE_BYTES), 'latin1')
    this.#clock = clock
  }

  /**
   * The token of one reading.
   * @param person whose finger it was: stands for the template
   * @param boundTo the text `DE2|DE4|DE11|DE41` of the message that carries it
   * @returns DE48 BM: 52 bytes as hex
   */
  read(person: string, matched: boolean, boundTo: string): string {
    const token = Buffer.alloc(SIGNED_BYTES + MAC_BYTES)
    token[0] = VERSION
    token.write(this.#keyId, 1, 'hex')
    this.#device.copy(token, 5)
    token.set([matched ? 1 : 0, FINGERPRINT, GOOD_QUALITY], 13)
    createHash('sha256').update(`template of ${person}`).digest().copy(token, 16, 0, 8)
    token.writeUInt32BE(Math.floor(this.#clock.now() / 1_000), 24)
    randomBytes(8).copy(token, 28)
    const mac = createHmac('sha256', this.#key)
      .update(token.subarray(0, SIGNED_BYTES))
      .update(boundTo, 'latin1')
      .digest()
    mac.copy(token, SIGNED_BYTES, 0, MAC_BYTES)
    return token.toString('hex').toUpperCase()
  }
}
