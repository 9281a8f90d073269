import { type Clock, civilTime } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import { type AdditionalAmount, parseAmounts } from '../iso8583/composites.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, parseVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { type ClientLink, type SendRequest, startClient } from '../link/client.ts'
import { networkCodes } from '../link/session.ts'
import { type MacVerdict, MessageMac } from './message-mac.ts'
import { composeFields, type Intent, networkFields, repeatMti, type Stamps } from './messages.ts'
import type { Rail } from './rails.ts'

/** How a counterparty connects. */
export interface CounterpartyOptions {
  readonly rail: Rail
  readonly host: string
  readonly port: number
  /** @default the system's */
  readonly clock?: Clock
  /** DE11 of the first message. @default taken from the clock, so that a second run does not repeat the first */
  readonly firstStan?: number
  /** @default true */
  readonly signOn?: boolean
  /** How long to wait for an answer. @default 10000 */
  readonly timeoutMs?: number
  /** MAC key of the link in hex: messages then carry a MAC. Domestic dialects only. @default none */
  readonly mak?: string
}

/** A message as it was sent. */
export interface Sent {
  readonly intent: Intent
  readonly stamps: Stamps
  readonly mti: string
  readonly fields: FieldValues
  /** Header and message, without framing and TPDU. */
  readonly frame: Buffer
}

/** An answer, decoded. */
export interface Answer {
  readonly mti: string
  /** DE39 */
  readonly code: string
  readonly message: Message
  /** Header and message as they came, without framing and TPDU. */
  readonly frame: Buffer
  /** DE54 */
  readonly amounts: readonly AdditionalAmount[]
  /** DE55 as BER-TLV; undefined when there is none. */
  readonly chip: Buffer | undefined
  /** What came of its MAC; `absent` also where the link has no MAC key. */
  readonly mac: MacVerdict
  readonly tookMs: number
  /** A field's value, trimmed; undefined when the answer does not have it. */
  text(de: number): string | undefined
}

/** An exchange: what was sent and what came back. */
export interface Exchanged {
  readonly sent: Sent
  readonly answer: Answer
}

const systemClock: Clock = { now: () => Date.now() }
const STAN_SPAN = 999_999
/** Identifier and length of the dataset around Visa's chip data. */
const CHIP_DATASET_HEAD = 3
const LINK_LIMITS = { maxInFlight: 1_024, maxOutboundBytes: 1_048_576, connectTimeoutMs: 5_000 }
const BACKOFF = { initialMs: 100, maxMs: 1_000, jitter: 0 }

/**
 * A simulated acquirer, ATM network or card scheme on a real socket: signs on, counts its own STAN, RRN and DE7, sends
 * what it is asked to and matches the answers.
 */
export class Counterparty {
  readonly rail: Rail
  readonly #dialect: Dialect
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #link: ClientLink
  readonly #mac: MessageMac | undefined
  #stan: number
  #signedOn: Answer | undefined
  #failure: string | undefined

  private constructor(options: CounterpartyOptions) {
    const { rail, clock = systemClock, timeoutMs = 10_000, signOn = true } = options
    const dialect = dialects[rail.dialect]
    assert(dialect !== undefined, 'a rail names a dialect that exists')
    this.rail = rail
    this.#dialect = dialect
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    assert(options.mak === undefined || rail.stations === undefined, 'the card scheme has no MACs')
    this.#mac = options.mak === undefined ? undefined : new MessageMac(options.mak)
    this.#stan = (options.firstStan ?? Math.floor(clock.now() / 10)) % STAN_SPAN
    const { host, port } = options
    const { name, framing, maxFrameBytes, tpdu } = rail
    this.#link = startClient(
      { name, host, port, framing, maxFrameBytes, backoff: BACKOFF, ...LINK_LIMITS, ...(tpdu ? { tpdu } : {}) },
      {
        answerKey: (frame) => this.#answerKey(frame),
        ...(signOn ? { signOn: (exchange: SendRequest) => this.#signOn(exchange) } : {}),
      },
      { reconnecting: (_name, _attempt, _delayMs, reason, detail) => this.#giveUp(`${reason} ${detail}`) },
      { clock },
    )
  }

  /**
   * Connects and signs on.
   * @throws MizanError LINK_CLOSED when nobody answers there
   */
  static async connect(options: CounterpartyOptions): Promise<Counterparty> {
    const counterparty = new Counterparty(options)
    try {
      await counterparty.#link.whenUp()
    } catch (cause) {
      const where = `${options.rail.name} at ${options.host}:${options.port}`
      const failure = counterparty.#failure ?? 'closed'
      throw new MizanError('LINK_CLOSED', `${where}: ${failure}; is a switch running there?`, { cause })
    }
    return counterparty
  }

  /** The answer to the sign-on of the connection; undefined without one. */
  get signedOn(): Answer | undefined {
    return this.#signedOn
  }

  /** Stamps a message and puts it into bytes, without sending it. */
  compose(intent: Intent): Sent {
    const stamps = this.#stamps()
    const { 7: transmission = stamps.transmission, 11: stan = stamps.stan } = intent.override ?? {}
    return this.#encode(intent, { ...stamps, transmission, stan })
  }

  /** The repeat form of a message that was sent: the same content and stamps under xxx1, field by field. */
  repeatOf(sent: Sent): Sent {
    const mti = repeatMti(sent.mti)
    return { ...sent, mti, frame: this.#frame(mti, sent.fields) }
  }

  /** Another content under the stamps of a message that was sent: what a confused sender does. */
  withStampsOf(sent: Sent, intent: Intent): Sent {
    return this.#encode(intent, sent.stamps)
  }

  /**
   * Sends a composed message and awaits its answer.
   * @throws MizanError LINK_TIMEOUT, LINK_CLOSED
   */
  async send(sent: Sent): Promise<Answer> {
    const { terminalId } = sent.intent.terminal
    const key = keyOf(sent.mti, terminalId, sent.stamps.stan, sent.stamps.transmission)
    const startedMs = performance.now()
    const frame = await this.#link.request(sent.frame, key, this.#timeoutMs)
    return this.#answer(frame, performance.now() - startedMs)
  }

  /** Composes, sends and awaits the answer. */
  async ask(intent: Intent): Promise<Exchanged> {
    const sent = this.compose(intent)
    return { sent, answer: await this.send(sent) }
  }

  /** Sends a message without awaiting its answer, as a terminal does whose line drops. */
  fire(sent: Sent): boolean {
    return this.#link.send(sent.frame)
  }

  /** Network management on the open link; `code` is DE70, `fields` what the message has beside it. */
  network(code: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.#network((frame, key, timeoutMs) => this.#link.request(frame, key, timeoutMs), code, fields)
  }

  /** Proves that the link lives. */
  echo(): Promise<Answer> {
    return this.network(networkCodes.echo)
  }

  /** Closes the connection. */
  close(): void {
    this.#link.close()
  }

  async #signOn(exchange: SendRequest): Promise<void> {
    const answer = await this.#network(exchange, networkCodes.signOn)
    this.#signedOn = answer
    if (answer.code !== '00') throw new MizanError('LINK_CLOSED', `sign-on was answered ${answer.code}`)
  }

  /** A simulator that loses its switch has nothing more to do: it says why and ends instead of calling for ever. */
  #giveUp(reason: string): void {
    this.#failure ??= reason
    // Not within the link's own report: it would still plan its next attempt.
    queueMicrotask(() => this.#link.close())
  }

  async #network(exchange: SendRequest, code: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const stamps = this.#stamps()
    const values = networkFields(code, stamps)
    for (const [de, value] of Object.entries(fields)) values[Number(de)] = value
    const frame = this.#frame('0800', values)
    const startedMs = performance.now()
    const answer = await exchange(frame, keyOf('0800', '', stamps.stan, stamps.transmission), this.#timeoutMs)
    return this.#answer(answer, performance.now() - startedMs)
  }

  #stamps(): Stamps {
    const nowMs = this.#clock.now()
    this.#stan = (this.#stan % STAN_SPAN) + 1
    const stan = String(this.#stan).padStart(6, '0')
    const utc = new Date(nowMs).toISOString().replaceAll(/\D/g, '')
    const transmission = utc.slice(4, 14)
    const local = civilTime(nowMs)
    return {
      stan,
      rrn: `${utc.slice(3, 4)}${dayOfYear(nowMs)}${utc.slice(8, 10)}${stan}`,
      transmission,
      localTime: local.time,
      localDate: String(local.date).slice(4),
      acquirer: this.rail.acquirer,
    }
  }

  #encode(intent: Intent, stamps: Stamps): Sent {
    const { mti } = intent
    const fields = composeFields(intent, stamps, this.#dialect)
    return { intent, stamps, mti, fields, frame: this.#frame(mti, fields) }
  }

  #frame(mti: string, fields: FieldValues): Buffer {
    const body = this.#mac?.encode(this.#dialect, mti, fields) ?? this.#dialect.encode(mti, fields)
    const { stations } = this.rail
    if (stations === undefined) return body
    return Buffer.concat([formatVisaHeader(newVisaHeader(stations.source, stations.destination), body.length), body])
  }

  #decode(frame: Buffer): Message {
    if (this.rail.stations === undefined) return this.#dialect.decode(frame)
    const { bodyStart, failure } = parseVisaHeader(frame)
    if (failure !== undefined) throw new MizanError('CODEC_DECODE_FAILED', failure.message)
    return this.#dialect.decode(frame, Math.max(bodyStart, VISA_HEADER_BYTES))
  }

  #answerKey(frame: Buffer): string | undefined {
    const message = this.#decode(frame)
    if (Number(message.mti[2]) % 2 === 0) return undefined
    return keyOf(message.mti, message.text(41)?.trim() ?? '', message.text(11) ?? '', message.text(7) ?? '')
  }

  #answer(frame: Buffer, tookMs: number): Answer {
    const message = this.#decode(frame)
    if (message.failure !== undefined) throw new MizanError('CODEC_DECODE_FAILED', message.failure.message)
    const text = (de: number) => message.text(de)?.trim()
    const { amounts } = parseAmounts(message.text(54) ?? '')
    const mac = this.#mac?.check(message, frame) ?? 'absent'
    return { mti: message.mti, code: text(39) ?? '', message, frame, amounts, chip: chipOf(message), mac, tookMs, text }
  }
}

/** DE55 without Visa's dataset. */
function chipOf(message: Message): Buffer | undefined {
  const bytes = message.bytes(55)
  const form = message.dialect.subfields(55)
  const wrapped = form?.form === 'ber' && form.wrapped === true
  return wrapped ? bytes?.subarray(CHIP_DATASET_HEAD) : bytes
}

/** Answers carry the request's terminal, STAN and DE7; STAN alone would not tell two terminals apart. */
function keyOf(mti: string, terminal: string, stan: string, transmission: string): string {
  return `${mti[1]}|${terminal}|${stan}|${transmission}`
}

function dayOfYear(nowMs: number): string {
  const year = new Date(nowMs).getUTCFullYear()
  return String(Math.floor((nowMs - Date.UTC(year, 0, 1)) / 86_400_000) + 1).padStart(3, '0')
}
