import type { Test } from 'tap'
import type { AnswerFields } from '../../src/authorization/answer.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import type { Dialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../../src/iso8583/visa-header.ts'
import { type Decider, Exchange, type ExchangeOptions } from '../../src/link/exchange.ts'
import { type MacModule, MessageMac } from '../../src/link/message-mac.ts'
import { type Listener, startListener } from '../../src/link/server.ts'
import { connectPeer, listenerOptions, type Peer } from './harness.ts'

/** A dialect that must be there. */
export function dialectOf(name: string): Dialect {
  const dialect = dialects[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  return dialect
}

/** Approves everything, and keeps what it was asked. */
export class Approver implements Decider {
  readonly requests: AuthorizationRequest[] = []
  /** What the answers carry. */
  fields: AnswerFields | ((request: AuthorizationRequest) => AnswerFields) = { 38: 'AB12CD', 39: '00' }

  refusal(): undefined {
    return undefined
  }

  submit(...[request, , respond]: Parameters<Decider['submit']>): boolean {
    this.requests.push(request)
    respond('approved', typeof this.fields === 'function' ? this.fields(request) : this.fields)
    return true
  }
}

/** What an exchange told its observer. */
export interface Told {
  readonly unauthentic: string[]
  readonly undecodable: string[]
  readonly answered: string[]
  readonly undelivered: string[]
}

export interface Dialogue {
  readonly dialect: Dialect
  readonly exchange: Exchange
  readonly approver: Approver
  readonly told: Told
}

/** An exchange whose decisions are approvals. */
export function dialogue(
  dialectName: string,
  module?: MacModule,
  more: Partial<Pick<ExchangeOptions, 'onKeyExchange'>> = {},
): Dialogue {
  const dialect = dialectOf(dialectName)
  const approver = new Approver()
  const told: Told = { unauthentic: [], undecodable: [], answered: [], undelivered: [] }
  const exchange = new Exchange({
    link: { name: 'test', panIndexOf: () => '\0'.repeat(16) },
    dialect,
    decider: approver,
    observer: {
      unauthentic: (link, mti, reason) => told.unauthentic.push(`${link} ${mti} ${reason}`),
      undecodable: (_link, failure, reason) => told.undecodable.push(failure?.message ?? reason),
      undelivered: (link) => told.undelivered.push(link),
      answered: (_link, code) => told.answered.push(code),
    },
    ...(module === undefined ? {} : { mac: new MessageMac(dialect, module, 'test') }),
    ...more,
  })
  return { dialect, exchange, approver, told }
}

/** The link of a dialect, opened, with ways to speak over it. */
export interface Conversation extends Dialogue {
  readonly listener: Listener
  readonly peer: Peer
  /** Sends a message, already encoded, under what the dialect puts before it. */
  send(...bodies: Buffer[]): void
  /** The next answer. */
  next(): Promise<Message>
  /** Encodes, sends, and awaits the answer. */
  ask(mti: string, fields: FieldValues): Promise<Message>
}

const framingOf = (dialect: Dialect) => (dialect.spec.header === 'visa' ? 'visa' : 'len2')
const TPDU = Buffer.from('6012345678', 'hex')

/** Opens a listener for a dialogue (`iso87-bcd` with TPDU) and connects a peer to it. */
export async function converse(t: Test, spoken: Dialogue): Promise<Conversation> {
  const { dialect, exchange } = spoken
  const framing = framingOf(dialect)
  const tpdu = dialect.name === 'iso87-bcd'
  const maxFrameBytes = framing === 'visa' ? 2_048 : 4_096
  const listener = await startListener(listenerOptions({ framing, tpdu, maxFrameBytes }), (request) =>
    exchange.handle(request),
  )
  const peer = await connectPeer(listener.port, framing)
  t.teardown(async () => {
    peer.destroy()
    await listener.close()
  })
  const prefix = (body: Buffer) => {
    if (tpdu) return Buffer.concat([TPDU, body])
    if (framing !== 'visa') return body
    return Buffer.concat([formatVisaHeader(newVisaHeader('500001', '818001'), body.length), body])
  }
  const skip = tpdu ? TPDU.length : framing === 'visa' ? VISA_HEADER_BYTES : 0
  const send = (...bodies: Buffer[]) => peer.send(...bodies.map(prefix))
  const next = async () => dialect.decode(await peer.next(), skip)
  const ask = (mti: string, fields: FieldValues) => {
    send(dialect.encode(mti, fields))
    return next()
  }
  return { ...spoken, listener, peer, send, next, ask }
}

/** Fields of a purchase; a test changes what it is about. */
export function purchase(more: Readonly<Record<number, string>> = {}): FieldValues {
  const fields: FieldValues = []
  const values = {
    2: '4000000000000002',
    3: '000000',
    4: '000000000100',
    7: '1111100000',
    11: '000123',
    12: '120000',
    32: '818001',
    41: 'TERM0001',
    42: 'OUTLET000000001',
    49: '818',
    ...more,
  }
  for (const [de, value] of Object.entries(values)) fields[Number(de)] = value
  return fields
}

/** Fields of an 0800. */
export function management(code: string, more: Readonly<Record<number, string>> = {}): FieldValues {
  const fields: FieldValues = []
  for (const [de, value] of Object.entries({ 7: '1111100000', 11: '000001', 70: code, ...more })) {
    fields[Number(de)] = value
  }
  return fields
}
