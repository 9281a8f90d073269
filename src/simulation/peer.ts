import { MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import type { Agenda } from './agenda.ts'
import type { Chance } from './chance.ts'
import { type LinkName, linkKinds } from './host.ts'
import { type LinkKeys, macOf } from './security.ts'
import type { Wire } from './wire.ts'

const TPDU = Buffer.from([0x60, 0x00, 0x11, 0x22, 0x33])
const ANSWERED_TPDU = Buffer.from([0x60, 0x22, 0x33, 0x00, 0x11])
const PRIMARY_MAC = 64
const SECONDARY_MAC = 128

export interface PeerOptions {
  readonly link: LinkName
  readonly agenda: Agenda
  readonly chance: Chance
  readonly keys: LinkKeys
  readonly hasMac: boolean
  /** Opens a connection to whichever process answers now; undefined while none does. */
  readonly connect: (peer: Peer) => Wire | undefined
  readonly onAnswer: (message: Message) => void
  readonly onEvent: (what: string) => void
  /** Gets answers that are not as they must be. */
  readonly onDefect: (what: string) => void
}

/**
 * The other end of a link, an acquirer or a network: connects, frames, seals and reads, each in a few lines of its own,
 * so that what the switch does to bytes is seen by other eyes.
 */
export class Peer {
  readonly link: LinkName
  readonly dialect: Dialect
  readonly #options: PeerOptions
  #wire: Wire | undefined
  #bytes = Buffer.alloc(0)
  #failures = 0
  #isWaiting = false
  /** The version of the link's key that it seals under. */
  #keyVersion = 1
  /** Newest when the connection was opened: what is answered on it is sealed under none before. */
  #oldestVersion = 1
  #heardMs = 0

  constructor(options: PeerOptions) {
    this.link = options.link
    this.#options = options
    const dialect = dialects[linkKinds[options.link].dialect]
    if (dialect === undefined) throw new MizanError('CONFIG_INVALID', `there is no dialect of ${options.link}`)
    this.dialect = dialect
  }

  /** Since when nothing has come on its connection. */
  get silentMs(): number {
    return this.#options.agenda.nowMs - this.#heardMs
  }

  get isConnected(): boolean {
    return this.#wire !== undefined
  }

  /** Connects, now or as soon as somebody answers. */
  connect(): void {
    if (this.#wire !== undefined) return
    this.#bytes = Buffer.alloc(0)
    this.#heardMs = this.#options.agenda.nowMs
    this.#oldestVersion = this.#newestVersion
    const wire = this.#options.connect(this)
    this.#wire = wire
    if (wire !== undefined) {
      this.#failures = 0
      return
    }
    this.#retry()
  }

  #retry(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#failures++
    this.#options.agenda.after(Math.min(2_000, 20 * 2 ** this.#failures), () => {
      this.#isWaiting = false
      this.connect()
    })
  }

  /** Gives a connection up that seems dead, and opens another. */
  reconnect(): void {
    const wire = this.#wire
    if (wire === undefined) return
    this.#wire = undefined
    wire.closeByFar()
    this.connect()
  }

  onClose(wire: Wire): void {
    if (wire !== this.#wire) return
    this.#wire = undefined
    this.#retry()
  }

  /** From now on it seals under the newest key. */
  useNewestKey(): void {
    this.#keyVersion = this.#newestVersion
  }

  get #newestVersion(): number {
    return this.#options.keys.accepted(this.link)[0] ?? 1
  }

  /** Sends a message; false when there is no connection. @param isForged seals it under a key that nobody has */
  send(mti: string, fields: FieldValues, isForged = false): boolean {
    if (this.#wire === undefined) return false
    this.#wire.fromFar(this.#framed(this.#sealed(mti, fields, isForged)))
    return true
  }

  #sealed(mti: string, fields: FieldValues, isForged: boolean): Buffer {
    if (!this.#options.hasMac) return this.dialect.encode(mti, fields)
    const values = [...fields]
    const field = values.some((value, de) => de > PRIMARY_MAC && value !== undefined) ? SECONDARY_MAC : PRIMARY_MAC
    values[field] = Buffer.alloc(8)
    const body = this.dialect.encode(mti, values)
    const isHex = this.dialect.field(field)?.content === 'hex-ascii'
    const at = body.length - (isHex ? 16 : 8)
    const mac = macOf(this.link, isForged ? -1 : this.#keyVersion, body.subarray(0, at))
    if (isHex) body.write(mac.toString('hex').toUpperCase(), at, 'latin1')
    else mac.copy(body, at)
    return body
  }

  #framed(body: Buffer): Buffer {
    const { framing, tpdu } = linkKinds[this.link]
    if (framing === 'visa') {
      const header = formatVisaHeader(newVisaHeader('000000', '000000'), body.length)
      const length = header.length + body.length
      return Buffer.concat([Buffer.from([length >> 8, length & 255, 0, 0]), header, body])
    }
    const whole = tpdu ? Buffer.concat([TPDU, body]) : body
    return Buffer.concat([Buffer.from([whole.length >> 8, whole.length & 255]), whole])
  }

  onBytes(wire: Wire, chunk: Buffer): void {
    if (wire !== this.#wire) return
    this.#heardMs = this.#options.agenda.nowMs
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    const headerBytes = linkKinds[this.link].framing === 'visa' ? 4 : 2
    while (this.#bytes.length >= headerBytes) {
      const length = ((this.#bytes[0] ?? 0) << 8) | (this.#bytes[1] ?? 0)
      if (this.#bytes.length < headerBytes + length) return
      const frame = this.#bytes.subarray(headerBytes, headerBytes + length)
      this.#bytes = this.#bytes.subarray(headerBytes + length)
      if (length > 0) this.#read(frame)
    }
  }

  #read(frame: Buffer): void {
    const { onAnswer, onDefect, hasMac } = this.#options
    const { framing, tpdu } = linkKinds[this.link]
    if (tpdu && !frame.subarray(0, TPDU.length).equals(ANSWERED_TPDU)) {
      onDefect(`the TPDU of an answer is ${frame.subarray(0, TPDU.length).toString('hex')}`)
    }
    const start = framing === 'visa' ? VISA_HEADER_BYTES : tpdu ? TPDU.length : 0
    const message = this.dialect.decode(frame, start)
    if (message.failure !== undefined) onDefect(`an answer cannot be read: ${message.failure.message}`)
    if (hasMac && message.text(39) !== '63' && message.text(39) !== '30') this.#checkMac(message)
    onAnswer(message)
  }

  #checkMac(message: Message): void {
    const field = message.has(SECONDARY_MAC) ? SECONDARY_MAC : PRIMARY_MAC
    const mac = message.bytes(field)
    if (mac === undefined) {
      this.#options.onDefect(`an answer ${message.mti} has no MAC`)
      return
    }
    const covered = message.buffer.subarray(message.start, message.fieldStart(field))
    for (let version = this.#newestVersion; version >= this.#oldestVersion; version--) {
      if (macOf(this.link, version, covered).equals(mac)) return
    }
    this.#options.onDefect(`the MAC of an answer ${message.mti} is wrong`)
  }
}
