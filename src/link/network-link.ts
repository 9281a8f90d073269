import { MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, parseVisaHeader } from '../iso8583/visa-header.ts'
import { ClientLink } from './client.ts'
import type { ClientHooks, ClientOptions, SendRequest } from './client-options.ts'
import type { Exchange } from './exchange.ts'
import { checkValueIn, type KeyExchangeOutcome, keyExchangeFields, type ZoneKeyKind } from './key-exchange.ts'
import type { MessageMac } from './message-mac.ts'
import type { LinkObserver } from './observer.ts'
import { initialState, networkCodes, type SessionState } from './session.ts'

/** A link that Mizan opens to a network: it signs on, proves itself by echoes, and serves the requests that come in. */
export interface NetworkLinkOptions {
  readonly client: ClientOptions
  readonly dialect: Dialect
  /** Serves the peer's requests, as on a listener. */
  readonly exchange: Exchange
  /** Present where messages must carry a MAC; the same as the exchange's. */
  readonly mac?: MessageMac
  readonly signOn: boolean
  /** Longest wait for the answer to an 0800, milliseconds. */
  readonly timeoutMs: number
  readonly observer: LinkObserver
  readonly now: () => number
}

const STAN_MAX = 999_999
const APPROVED = '00'
const OWN_STATION = '000000'
const PEER_STATION = '000000'

/** Opens the link and keeps it open until it is closed. */
export function startNetworkLink(options: NetworkLinkOptions): NetworkLink {
  return new NetworkLink(options)
}

/** The link of {@link startNetworkLink}. */
export class NetworkLink extends ClientLink {
  readonly #management: NetworkManagement

  constructor(options: NetworkLinkOptions) {
    const { client, signOn, exchange, observer, now } = options
    const management = new NetworkManagement(options)
    let state: SessionState = initialState(false)
    const hooks: ClientHooks = {
      answerKey: (frame) => management.answerKey(frame),
      ...(signOn ? { signOn: (send: SendRequest) => management.manage(send, networkCodes.signOn) } : {}),
      ...(signOn ? { signOff: (send: SendRequest) => management.manage(send, networkCodes.signOff) } : {}),
      echo: (send) => management.manage(send, networkCodes.echo),
      onRequest: (frame, receivedAtMs) => {
        exchange.handle({
          frame,
          receivedAtMs,
          link: {
            state,
            setState: (next) => {
              state = next
            },
          },
          reply: (body) => this.send(body),
          drop: () => undefined,
        })
      },
    }
    super(client, hooks, observer, { clock: { now } })
    this.#management = management
  }

  /**
   * Sends the peer a new zone key in an 0800 with DE70 101 and awaits its 0810.
   * @param block TR-31 block under the link's key-encryption key
   * @returns DE39 and the check value that the peer computed; only when that is the key's own has the peer the key
   * @throws MizanError LINK_CLOSED when the link is not up, LINK_TIMEOUT
   */
  exchangeKey(kind: ZoneKeyKind, block: string): Promise<KeyExchangeOutcome> {
    return this.#management.exchangeKey((frame, key, timeoutMs) => this.request(frame, key, timeoutMs), kind, block)
  }
}

/** The 0800 messages of our own on one link. */
class NetworkManagement {
  readonly #options: NetworkLinkOptions
  readonly #hasHeader: boolean
  #stan = 0

  constructor(options: NetworkLinkOptions) {
    this.#options = options
    this.#hasHeader = options.dialect.spec.header === 'visa'
  }

  /** Sends an 0800 of a code that must be approved. */
  async manage(send: SendRequest, code: string): Promise<void> {
    const { answer, isKeyed } = await this.#ask(send, code, {})
    await this.#authenticate(answer, isKeyed, code)
    const responseCode = answer.text(39)
    if (responseCode !== APPROVED) {
      throw new MizanError('LINK_CLOSED', `network management ${code} was answered ${responseCode ?? 'without DE39'}`)
    }
  }

  async exchangeKey(send: SendRequest, kind: ZoneKeyKind, block: string): Promise<KeyExchangeOutcome> {
    const code = networkCodes.keyExchange
    const { answer, isKeyed } = await this.#ask(send, code, keyExchangeFields(this.#options.dialect, kind, block))
    // A peer that has taken a new MAC key may use it at once, before it is active here. The check value proves more.
    if (kind !== 'mak') await this.#authenticate(answer, isKeyed, code)
    return { responseCode: answer.text(39) ?? '', checkValue: checkValueIn(answer) }
  }

  /** The matching key of an answer, or undefined for a request of the peer. */
  answerKey(frame: Buffer): string | undefined {
    const message = this.#decode(frame)
    if (Number(message.mti[2]) % 2 === 0) return undefined
    return keyOf(message.mti, message.text(11) ?? '', message.text(7) ?? '')
  }

  /** Sends an 0800, with a MAC where the link has a key for one: before that there is none to sign on with. */
  async #ask(
    send: SendRequest,
    code: string,
    more: Readonly<Record<string, string>>,
  ): Promise<{ answer: Message; isKeyed: boolean }> {
    const { mac, timeoutMs, now } = this.#options
    this.#stan = (this.#stan % STAN_MAX) + 1
    const stan = String(this.#stan).padStart(6, '0')
    const transmission = new Date(now()).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
    const fields: FieldValues = []
    for (const de in more) fields[Number(de)] = more[de]
    fields[7] = transmission
    fields[11] = stan
    fields[70] = code
    const isKeyed = mac !== undefined && (await mac.hasKey())
    if (isKeyed) mac.reserve(fields)
    const frame = this.#frame(fields)
    if (isKeyed) await mac.seal(frame, this.#bodyStart(frame))
    const answer = this.#decode(await send(frame, keyOf('0810', stan, transmission), timeoutMs))
    return { answer, isKeyed }
  }

  #frame(fields: FieldValues): Buffer {
    const body = this.#options.dialect.encode('0800', fields)
    if (!this.#hasHeader) return body
    return Buffer.concat([formatVisaHeader(newVisaHeader(OWN_STATION, PEER_STATION), body.length), body])
  }

  async #authenticate(answer: Message, isKeyed: boolean, code: string): Promise<void> {
    const { mac } = this.#options
    if (mac === undefined || !isKeyed) return
    const fault = await mac.check(answer)
    if (fault !== undefined) {
      const said = answer.text(39) ?? 'without DE39'
      throw new MizanError('LINK_CLOSED', `network management ${code} was answered ${said}, not authentic: ${fault}`)
    }
  }

  #decode(frame: Buffer): Message {
    return this.#options.dialect.decode(frame, this.#bodyStart(frame))
  }

  #bodyStart(frame: Buffer): number {
    return this.#hasHeader ? parseVisaHeader(frame).bodyStart : 0
  }
}

/** Class, STAN and DE7 of an answer: unique among the network management requests of one link. */
function keyOf(mti: string, stan: string, transmission: string): string {
  return `${mti[1]}|${stan}|${transmission}`
}
