import { MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import { formatVisaHeader, newVisaHeader, parseVisaHeader } from '../iso8583/visa-header.ts'
import { type ClientLink, startClient } from './client.ts'
import type { ClientOptions, SendRequest } from './client-options.ts'
import type { Exchange } from './exchange.ts'
import type { LinkObserver } from './observer.ts'
import { initialState, networkCodes, type SessionState } from './session.ts'

/** A link that Mizan opens to a network: it signs on, proves itself by echoes, and serves the requests that come in. */
export interface NetworkLinkOptions {
  readonly client: ClientOptions
  readonly dialect: Dialect
  /** Serves the peer's requests, as on a listener. */
  readonly exchange: Exchange
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
export function startNetworkLink(options: NetworkLinkOptions): ClientLink {
  const { dialect, exchange, timeoutMs } = options
  const hasHeader = dialect.spec.header === 'visa'
  let stan = 0
  let state: SessionState = initialState(false)

  const manage = async (send: SendRequest, code: string): Promise<void> => {
    stan = (stan % STAN_MAX) + 1
    const fields: FieldValues = []
    fields[7] = new Date(options.now()).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
    fields[11] = String(stan).padStart(6, '0')
    fields[70] = code
    const body = dialect.encode('0800', fields)
    const header = newVisaHeader(OWN_STATION, PEER_STATION)
    const frame = hasHeader ? Buffer.concat([formatVisaHeader(header, body.length), body]) : body
    const answer = await send(frame, keyOf('0810', fields[11], fields[7]), timeoutMs)
    const responseCode = dialect.decode(answer, bodyStart(answer, hasHeader)).text(39)
    if (responseCode !== APPROVED) {
      throw new MizanError('LINK_CLOSED', `network management ${code} was answered ${responseCode ?? 'without DE39'}`)
    }
  }

  const link = startClient(
    options.client,
    {
      answerKey(frame) {
        const message = dialect.decode(frame, bodyStart(frame, hasHeader))
        if (Number(message.mti[2]) % 2 === 0) return undefined
        return keyOf(message.mti, message.text(11) ?? '', message.text(7) ?? '')
      },
      ...(options.signOn ? { signOn: (send: SendRequest) => manage(send, networkCodes.signOn) } : {}),
      ...(options.signOn ? { signOff: (send: SendRequest) => manage(send, networkCodes.signOff) } : {}),
      echo: (send) => manage(send, networkCodes.echo),
      onRequest(frame, receivedAtMs) {
        exchange.handle({
          frame,
          receivedAtMs,
          link: {
            state,
            setState: (next) => {
              state = next
            },
          },
          reply: (body) => link.send(body),
          drop: () => undefined,
        })
      },
    },
    options.observer,
    { clock: { now: options.now } },
  )
  return link
}

/** Class, STAN and DE7 of an answer: unique among the network management requests of one link. */
function keyOf(mti: string, stan: string, transmission: string): string {
  return `${mti[1]}|${stan}|${transmission}`
}

function bodyStart(frame: Buffer, hasHeader: boolean): number {
  return hasHeader ? parseVisaHeader(frame).bodyStart : 0
}
