import { answerMti, baseMti } from '../authorization/mti.ts'
import { assert } from '../errors.ts'
import { approvalCode } from '../identifiers.ts'
import { formatAmounts, institutionKey, parseOriginalData } from '../iso8583/composites.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { type InboundRequest, type Listener, startListener } from '../link/server.ts'
import { EGP } from '../money.ts'
import { systemTiming, type Timing } from '../timing.ts'

/** What the host does with a message; told for each, so that a test or a simulation can have any fault. */
export interface HostManners {
  /** Answers with this DE39 and books nothing. */
  readonly refuse?: string
  /** Takes so long before it looks at it, milliseconds. */
  readonly thinkMs?: number
  /** Takes so long before it answers what it has booked, milliseconds. */
  readonly delayMs?: number
  /** Books it and never answers. */
  readonly silent?: boolean
  /** Neither books nor answers it. */
  readonly deaf?: boolean
}

export interface AccountHostOptions {
  /** @default 0 = any free port */
  readonly port?: number
  /** @default iso87-ascii */
  readonly dialect?: string
  /** Balances by account identification (DE102), piasters. */
  readonly balances: ReadonlyMap<string, number>
  /** @default everything is booked and answered at once */
  readonly manners?: (message: Message) => HostManners
  /** Whether a debit by advice that the account does not hold is refused. @default true */
  readonly refusesOverdraw?: boolean
  /** @default the machine's */
  readonly timing?: Timing
}

/** A booking of the host's own record: what a message did to an account. */
export interface HostBooking {
  /** Class, STAN, DE7 and acquirer of the message. */
  readonly key: string
  readonly account: string
  /** Below zero for a debit. */
  readonly piasters: number
  readonly advice: boolean
  /** Given back by a reversal. */
  reversed: boolean
}

const APPROVED = '00'
const NOT_FOUND = '25'
const DUPLICATE = '94'
const INSUFFICIENT = '51'
const NO_ACCOUNT = '14'
const AMOUNT_DIGITS = 12
const FRAME_BYTES_MAX = 4_096

/**
 * A simulated account host of the Post: balances of its own, and a record of what it booked, to hold Mizan's ledger
 * against. It answers 0200, 0220, 0420 and 0800 as such a host does: a repeat gets the same answer, a reversal gives
 * back once, and one that comes before its original is remembered.
 */
export class AccountHostSimulator {
  readonly #dialect: Dialect
  readonly #balances: Map<string, number>
  readonly #timing: Timing
  readonly #refusesOverdraw: boolean
  readonly #bookings = new Map<string, HostBooking>()
  /** Answers by key of their message. */
  readonly #answers = new Map<string, FieldValues>()
  readonly #reversedEarly = new Set<string>()
  readonly #seen: Message[] = []
  #listener: Listener | undefined
  #port: number
  /** What the host does with a message from now on. */
  manners: (message: Message) => HostManners

  constructor({ port = 0, dialect: name = 'iso87-ascii', balances, manners, ...options }: AccountHostOptions) {
    const dialect = dialects[name]
    assert(dialect !== undefined, 'the account host speaks a dialect that exists')
    this.#dialect = dialect
    this.#balances = new Map(balances)
    this.#port = port
    this.#timing = options.timing ?? systemTiming
    this.#refusesOverdraw = options.refusesOverdraw ?? true
    this.manners = manners ?? (() => ({}))
  }

  /** Where it listens, or listened last. */
  get port(): number {
    return this.#port
  }

  /** Its own record, in the order of booking. */
  get bookings(): readonly HostBooking[] {
    return [...this.#bookings.values()]
  }

  /** All messages but network management, as they came. */
  get seen(): readonly Message[] {
    return this.#seen
  }

  balance(account: string): number {
    return this.#balances.get(account) ?? 0
  }

  /** Opens the port; the same one again after {@link stop}. */
  async start(): Promise<void> {
    this.#listener = await startListener(
      {
        name: 'account host',
        host: '127.0.0.1',
        port: this.#port,
        framing: 'len2',
        maxFrameBytes: FRAME_BYTES_MAX,
        tpdu: false,
        maxConnections: 8,
        maxInFlight: 1_024,
        idleTimeoutMs: 0,
        maxOutboundBytes: 1_048_576,
        requireSignOn: false,
      },
      (request) => this.#handle(request),
    )
    this.#port = this.#listener.port
  }

  /** Dies: connections end at once. What it has booked stays. */
  async stop(): Promise<void> {
    await this.#listener?.close()
    this.#listener = undefined
  }

  #handle(request: InboundRequest): void {
    const message = this.#dialect.decode(request.frame)
    if (message.mti.startsWith('08')) {
      this.#reply(request, message, [], APPROVED)
      return
    }
    this.#seen.push(message)
    const manners = this.manners(message)
    if (manners.deaf === true) {
      request.drop()
      return
    }
    this.#later(manners.thinkMs, () => {
      if (manners.refuse !== undefined) {
        this.#reply(request, message, [], manners.refuse)
        return
      }
      const answer = this.#book(message)
      if (manners.silent === true) request.drop()
      else this.#later(manners.delayMs, () => this.#reply(request, message, answer, String(answer[39])))
    })
  }

  #later(delayMs: number | undefined, work: () => void): void {
    if (delayMs === undefined || delayMs === 0) work()
    else this.#timing.after(delayMs, work).unref()
  }

  #reply(request: InboundRequest, message: Message, fields: FieldValues, code: string): void {
    const values: FieldValues = [...fields]
    for (const de of this.#dialect.answerEcho) if (message.has(de)) values[de] ??= message.text(de)
    values[39] = code
    request.reply(this.#dialect.encode(answerMti(message.mti), values))
  }

  /** Books a message once. @returns the fields of its answer, the same for each repeat */
  #book(message: Message): FieldValues {
    const mti = baseMti(message.mti)
    const key = keyOf(mti, text(message, 11), text(message, 7), institutionKey(text(message, 32)))
    const before = this.#answers.get(key)
    if (before !== undefined) return before
    const answer = mti.startsWith('04') ? this.#reverse(message) : this.#transact(message, key, mti === '0220')
    this.#answers.set(key, answer)
    return answer
  }

  #reverse(message: Message): FieldValues {
    const named = parseOriginalData(text(message, 90))
    const key = named === undefined ? '' : keyOf(named.mti, named.stan, named.transmission, named.acquirer)
    const booking = this.#bookings.get(key)
    if (booking === undefined) {
      this.#reversedEarly.add(key)
      return codeOnly(NOT_FOUND)
    }
    if (!booking.reversed) {
      booking.reversed = true
      this.#balances.set(booking.account, this.balance(booking.account) - booking.piasters)
    }
    return codeOnly(APPROVED)
  }

  #transact(message: Message, key: string, advice: boolean): FieldValues {
    if (this.#reversedEarly.has(key)) return codeOnly(DUPLICATE)
    const account = text(message, 102)
    const balance = this.#balances.get(account)
    if (balance === undefined) return codeOnly(NO_ACCOUNT)
    const processing = text(message, 3)
    if (processing.startsWith('3')) return this.#approved(message, balance)
    const amount = Number(text(message, 4))
    const piasters = processing.startsWith('2') ? amount : -amount
    if (balance + piasters < 0 && (!advice || this.#refusesOverdraw)) {
      const fields = codeOnly(INSUFFICIENT)
      fields[54] = balanceText(balance)
      return fields
    }
    this.#bookings.set(key, { key, account, piasters, advice, reversed: false })
    this.#balances.set(account, balance + piasters)
    return this.#approved(message, balance + piasters)
  }

  #approved(message: Message, balance: number): FieldValues {
    const fields = codeOnly(APPROVED)
    fields[4] = message.text(4)
    fields[38] = approvalCode(this.#answers.size + 1)
    fields[54] = balanceText(balance)
    return fields
  }
}

function text(message: Message, de: number): string {
  return message.text(de)?.trim() ?? ''
}

function keyOf(mti: string, stan: string, transmission: string, acquirer: string): string {
  // Not by the class alone: a request and an advice of one STAN are two messages.
  return `${mti}|${stan}|${transmission}|${acquirer}`
}

function codeOnly(code: string): FieldValues {
  const fields: FieldValues = []
  fields[39] = code
  return fields
}

function balanceText(balance: number): string {
  return formatAmounts([
    {
      accountType: '20',
      amountType: '02',
      currency: EGP,
      sign: balance < 0 ? 'D' : 'C',
      amount: Math.min(Math.abs(balance), 10 ** AMOUNT_DIGITS - 1),
    },
  ])
}
