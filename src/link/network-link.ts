import { MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, parseVisaHeader } from '../iso8583/visa-header.ts'
import { ClientLink } from './client.ts'
import type { ClientHooks, ClientOptions, PeerConnection, SendRequest } from './client-options.ts'
import type { Exchange, ExchangeRequest } from './exchange.ts'
import { neutralFields } from './key-exchange.ts'
import type { MacFault, MessageMac } from './message-mac.ts'
import type { LinkObserver } from './observer.ts'
import { isNetworkManagement, networkCodes, type SessionState } from './session.ts'

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

/** A request or advice of our own. */
export interface OwnMessage {
  readonly mti: string
  /** By data element, in no dialect: DE48 as its elements. 7 and 11 must be there; together they name the message. */
  readonly fields: Readonly<Record<number, string>>
}

/** STANs of live requests of our own; those above are of queued messages (schemas/sql/0012-outbound-messages.sql). */
export const LIVE_STAN_MAX = 499_999
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
    let unanswered = 0
    const hooks: ClientHooks = {
      answerKey: (frame) => management.answerKey(frame),
      ...(signOn ? { signOn: (send: SendRequest) => management.manage(send, networkCodes.signOn) } : {}),
      ...(signOn ? { signOff: (send: SendRequest) => management.manage(send, networkCodes.signOff) } : {}),
      echo: (send) => management.manage(send, networkCodes.echo),
      onUnmatched: (frame) => {
        // What cannot be read or checked is no answer.
        management.late(frame).catch(() => undefined)
      },
      busy: () => unanswered > 0,
      onRequest: (frame, receivedAtMs, connection) => {
        unanswered += 1
        const request = new PeerRequest(frame, receivedAtMs, connection, () => {
          unanswered -= 1
        })
        try {
          exchange.handle(request)
        } catch (error) {
          // It awaits no answer any more, and a drain must not wait for one.
          request.drop()
          throw error
        }
      },
    }
    super(client, hooks, observer, { clock: { now } })
    this.#management = management
  }

  /** Gets an authentic answer that no request awaits, such as one that came too late, while the link is open. */
  set onLateAnswer(listener: ((answer: Message) => void) | undefined) {
    this.#management.onLateAnswer = listener
  }

  /**
   * Sends a request or advice of our own, with a MAC where the link has one, and awaits its answer.
   * @returns the answer, whatever its DE39
   * @throws MizanError LINK_CLOSED when the link is not up or goes down, LINK_TIMEOUT (also when the answer is not
   *   authentic), LINK_BUSY, LINK_DUPLICATE_KEY, CODEC_ENCODE_FAILED, CRYPTO_REFUSED without a MAC key
   */
  ask(message: OwnMessage, timeoutMs: number): Promise<Message> {
    return this.#management.ask((frame, key, waitMs) => this.request(frame, key, waitMs), message, timeoutMs)
  }

  /**
   * Proves that the peer answers, by an 0800 with DE70 301.
   * @throws MizanError LINK_CLOSED when the link is not up or the echo is refused, LINK_TIMEOUT
   */
  probe(): Promise<void> {
    return this.#management.manage((frame, key, timeoutMs) => this.request(frame, key, timeoutMs), networkCodes.echo)
  }
}

/**
 * A request of the peer, bound to the connection it came by: the peer awaits nothing of an old one, and may have used its STAN
 * again over the next.
 */
class PeerRequest implements ExchangeRequest {
  readonly frame: Buffer
  readonly receivedAtMs: number
  readonly link: ExchangeRequest['link']
  readonly #connection: PeerConnection
  readonly #settled: () => void
  #open = true

  constructor(frame: Buffer, receivedAtMs: number, connection: PeerConnection, settled: () => void) {
    this.frame = frame
    this.receivedAtMs = receivedAtMs
    this.#connection = connection
    this.#settled = settled
    this.link = {
      id: connection.identity.id,
      get state(): SessionState {
        return connection.peerState
      },
      // Answers wait for the writer alone, which has its own limits for each link.
      crowded: false,
      setState: (next) => {
        connection.peerState = next
      },
    }
  }

  reply(body: Uint8Array): boolean {
    if (!this.#open) return false
    const sent = this.#connection.answer(body)
    this.drop()
    return sent
  }

  drop(): void {
    if (!this.#open) return
    this.#open = false
    this.#settled()
  }
}

/** Messages of our own on one link. */
class NetworkManagement {
  readonly #options: NetworkLinkOptions
  readonly #hasHeader: boolean
  #stan = 0
  onLateAnswer: ((answer: Message) => void) | undefined

  constructor(options: NetworkLinkOptions) {
    this.#options = options
    this.#hasHeader = options.dialect.spec.header === 'visa'
  }

  /** Sends an 0800 of a code that must be approved. */
  async manage(send: SendRequest, code: string): Promise<void> {
    const { timeoutMs, now } = this.#options
    this.#stan = (this.#stan % LIVE_STAN_MAX) + 1
    const stan = String(this.#stan).padStart(6, '0')
    const transmission = new Date(now()).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
    const message = { mti: '0800', fields: { 7: transmission, 11: stan, 70: code } }
    const { answer, fault } = await this.#exchange(send, message, timeoutMs)
    const said = answer.text(39) ?? 'without DE39'
    const what = `network management ${code} was answered ${said}`
    if (fault !== undefined) throw new MizanError('LINK_CLOSED', `${what}, not authentic: ${fault}`)
    if (said !== APPROVED) throw new MizanError('LINK_CLOSED', what)
  }

  async ask(send: SendRequest, message: OwnMessage, timeoutMs: number): Promise<Message> {
    const { answer, fault } = await this.#exchange(send, message, timeoutMs)
    if (fault === undefined) return answer
    throw new MizanError('LINK_TIMEOUT', `the answer to ${message.mti} is not authentic: ${fault}`)
  }

  /** An answer that nobody awaits; whoever listens may take it for what it is, if it is authentic. */
  async late(frame: Buffer): Promise<void> {
    if (this.onLateAnswer === undefined) return
    const answer = this.#decode(frame)
    if ((await this.#options.mac?.check(answer)) === undefined) this.onLateAnswer?.(answer)
  }

  /** The matching key of an answer, or undefined for a request of the peer. */
  answerKey(frame: Buffer): string | undefined {
    const message = this.#decode(frame)
    if (Number(message.mti[2]) % 2 === 0) return undefined
    return keyOf(message.mti, message.text(11) ?? '', message.text(7) ?? '')
  }

  /**
   * Sends a message, with a MAC where the link has them; network management without one as long as there is no key: before
   * that there is none to sign on with.
   */
  async #exchange(
    send: SendRequest,
    { mti, fields: given }: OwnMessage,
    timeoutMs: number,
  ): Promise<{ answer: Message; fault: MacFault | undefined }> {
    const { mac, dialect } = this.#options
    const values = neutralFields(dialect, given)
    const fields: FieldValues = []
    for (const de in values) fields[Number(de)] = values[de]
    const isKeyed = mac !== undefined && (!isNetworkManagement(mti) || (await mac.hasKey()))
    if (isKeyed) mac.reserve(fields)
    const frame = this.#frame(mti, fields)
    if (isKeyed) await mac.seal(frame, this.#bodyStart(frame))
    const answer = this.#decode(await send(frame, keyOf(mti, given[11] ?? '', given[7] ?? ''), timeoutMs))
    return { answer, fault: isKeyed ? await mac.check(answer) : undefined }
  }

  #frame(mti: string, fields: FieldValues): Buffer {
    const body = this.#options.dialect.encode(mti, fields)
    if (!this.#hasHeader) return body
    return Buffer.concat([formatVisaHeader(newVisaHeader(OWN_STATION, PEER_STATION), body.length), body])
  }

  #decode(frame: Buffer): Message {
    return this.#options.dialect.decode(frame, this.#bodyStart(frame))
  }

  #bodyStart(frame: Buffer): number {
    return this.#hasHeader ? parseVisaHeader(frame).bodyStart : 0
  }
}

/** Class, STAN and DE7 of a message: unique among our own requests on one link. */
function keyOf(mti: string, stan: string, transmission: string): string {
  return `${mti[1]}|${stan}|${transmission}`
}
