import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { SECOND_MS } from '../time-units.ts'
import type { NotificationAdapter, OutboundMessage, SendResult } from './adapter.ts'

/** How the provider is reached. */
export interface WebhookOptions {
  readonly url: string
  /** Key of the signature. */
  readonly secret: string
  /** Time for the whole exchange, in milliseconds. */
  readonly timeoutMs: number
  /** Certificates that the provider's must descend from, PEM; absent = those of the machine. */
  readonly ca?: string
  /** Exchanges at a time. */
  readonly connections: number
}

const ANSWER_MAX_BYTES = 4_096
const REFERENCE_MAX = 128

/**
 * Hands messages over by HTTP POST: a JSON body signed with HMAC-SHA256 over its timestamp and itself. 2xx = sent; 408,
 * 429, 5xx and everything short of an answer = again later; the rest is refused for good.
 */
export function webhookAdapter(options: WebhookOptions): NotificationAdapter {
  const url = new URL(options.url)
  const isTls = url.protocol === 'https:'
  const agentOptions = { keepAlive: true, maxSockets: options.connections }
  const agent = isTls
    ? new https.Agent({
        ...agentOptions,
        minVersion: 'TLSv1.2',
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      })
    : new http.Agent(agentOptions)
  return {
    name: 'webhook',
    async send(message) {
      const body = JSON.stringify(bodyOf(message))
      const timestamp = String(Math.floor(Date.now() / SECOND_MS))
      const headers = {
        'content-type': 'application/json; charset=utf-8',
        'content-length': String(Buffer.byteLength(body)),
        'idempotency-key': message.idempotencyKey,
        'mizan-timestamp': timestamp,
        'mizan-signature': `v1=${signature(options.secret, timestamp, body)}`,
      }
      try {
        return await exchange(isTls ? https : http, url, { agent, headers }, body, options.timeoutMs)
      } catch (error) {
        return { kind: 'retry', error: reasonOf(error) }
      }
    },
    async close() {
      agent.destroy()
    },
  }
}

/** Signature of a body: HMAC-SHA256 of `timestamp.body`, in hex. */
export function signature(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
}

function bodyOf(message: OutboundMessage): Record<string, unknown> {
  const { createdAtMs, ...rest } = message
  return { ...rest, createdAt: new Date(createdAtMs).toISOString() }
}

function exchange(
  protocol: typeof http | typeof https,
  url: URL,
  options: { agent: http.Agent; headers: Record<string, string> },
  body: string,
  timeoutMs: number,
): Promise<SendResult> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const request = protocol.request(url, { method: 'POST', ...options, signal }, (answer) => {
      const pieces: Buffer[] = []
      let bytes = 0
      answer.on('data', (piece: Buffer) => {
        // What goes beyond is not kept; it is read, so that the connection can be used again.
        if (bytes < ANSWER_MAX_BYTES) pieces.push(piece)
        bytes += piece.length
      })
      answer.on('error', reject)
      answer.on('end', () => resolve(resultOf(answer, Buffer.concat(pieces).toString('utf8'))))
    })
    request.on('error', reject)
    request.end(body)
  })
}

function resultOf(answer: http.IncomingMessage, text: string): SendResult {
  const status = answer.statusCode ?? 0
  if (status >= 200 && status < 300) {
    const reference = referenceOf(text)
    return { kind: 'sent', ...(reference === undefined ? {} : { reference }) }
  }
  const error = `HTTP ${status}`
  if (status !== 408 && status !== 429 && status < 500) return { kind: 'refused', error }
  const seconds = Number(answer.headers['retry-after'])
  return { kind: 'retry', error, ...(seconds > 0 ? { afterMs: seconds * SECOND_MS } : {}) }
}

/** The provider's own id of the message, if it says one: `{ "id": … }`. */
function referenceOf(text: string): string | undefined {
  try {
    const { id } = JSON.parse(text) as { id?: unknown }
    const reference = typeof id === 'number' ? String(id) : id
    if (typeof reference !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(reference)) return undefined
    return reference.slice(0, REFERENCE_MAX)
  } catch {
    return undefined
  }
}

/** The kind of failure alone: texts of errors may hold addresses, and answers what was sent. */
function reasonOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  if (name === 'TimeoutError' || code === 'ABORT_ERR') return 'no answer in time'
  return typeof code === 'string' ? code : 'no answer'
}
