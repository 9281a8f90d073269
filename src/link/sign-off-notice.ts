import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import type { MessageMac } from './message-mac.ts'
import { networkCodes, type SessionState } from './session.ts'

/** A link that may be told. */
export interface NotifiedLink {
  readonly state: SessionState
  /** @returns false when the link is gone */
  send(body: Uint8Array): boolean
}

export interface SignOffNoticeOptions {
  readonly dialect: Dialect
  /** Present where messages must carry a MAC. */
  readonly mac?: MessageMac
  /** Six digits; where messages have a network header. */
  readonly stationId: string
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number
}

const STAN_MAX = 999_999
const PEER_STATION = '000000'

/**
 * Tells the peers of a listener that the switch is about to stop, by an 0800 with DE70 002: from then on a peer sends
 * no new request on that link, and connects again when it is closed.
 */
export class SignOffNotice {
  readonly #options: SignOffNoticeOptions
  #stan = 0

  constructor(options: SignOffNoticeOptions) {
    this.#options = options
  }

  /**
   * Sends the notice on a link that is signed on. Nobody waits for its answer: the link is closed when it is silent.
   * @throws MizanError when a MAC is needed and cannot be made
   */
  async send(link: NotifiedLink): Promise<void> {
    if (link.state !== 'signed-on') return
    const { dialect, mac, now } = this.#options
    this.#stan = (this.#stan % STAN_MAX) + 1
    const fields: FieldValues = []
    fields[7] = new Date(now()).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
    fields[11] = String(this.#stan).padStart(6, '0')
    fields[70] = networkCodes.signOff
    const isKeyed = mac !== undefined && (await mac.hasKey())
    if (isKeyed) mac.reserve(fields)
    const frame = this.#frame(dialect.encode('0800', fields))
    if (isKeyed) await mac.seal(frame, this.#options.dialect.spec.header === 'visa' ? VISA_HEADER_BYTES : 0)
    link.send(frame)
  }

  #frame(body: Buffer): Buffer {
    const { dialect, stationId } = this.#options
    if (dialect.spec.header !== 'visa') return body
    return Buffer.concat([formatVisaHeader(newVisaHeader(stationId, PEER_STATION), body.length), body])
  }
}
