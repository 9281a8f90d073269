import { transactionTypes } from '../authorization/routing.ts'
import {
  formatAmounts,
  formatBitmapped,
  formatOriginalData,
  formatProcessingCode,
  institutionKey,
} from '../iso8583/composites.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { type Element, formatDataset, formatElements48, parseDataset, parseElements48 } from '../iso8583/tlv.ts'
import { EGP } from '../money.ts'
import {
  type Credentials,
  credentialElements,
  putCredentials,
  type TestCard,
  withoutCredentials,
} from './credentials.ts'

/** Where a message comes from. */
export interface TestTerminal {
  /** DE42 */
  readonly acceptorId: string
  /** DE41 */
  readonly terminalId: string
  /** DE18; empty leaves the field out. */
  readonly mcc: string
}

/** What a terminal asks for, in terms of no dialect. Absent parts are absent in the message. */
export interface Intent extends Credentials {
  readonly mti: string
  /** DE3 */
  readonly processingCode: string
  readonly terminal: TestTerminal
  readonly amountPiasters?: number
  /** Cash part of a purchase with cashback (DE54 type 40). */
  readonly cashbackPiasters?: number
  /** DE48, or dataset 71 of DE104 on the card scheme's rails. */
  readonly elements?: readonly Element[]
  /** DE60.10 on the card scheme's rails; the domestic dialects say it by the outlet's profile. */
  readonly acceptsPartial?: boolean
  /** DE90 */
  readonly original?: OriginalStamps
  /** DE95: what the transaction really came to. */
  readonly replacementPiasters?: number
  /** DE62.2 on the card scheme's rails: 15 digits. */
  readonly transactionId?: string
  /** DE37 of the transaction that a reversal or completion belongs to; absent = a new one. */
  readonly rrn?: string
  /** Fields to set as they are, or to leave out; they come last. */
  readonly override?: Readonly<Record<number, string | undefined>>
}

/** What a sender counts and dates each message with. */
export interface Stamps {
  readonly stan: string
  readonly rrn: string
  /** DE7, MMDDhhmmss UTC. */
  readonly transmission: string
  /** DE12, hhmmss. */
  readonly localTime: string
  /** DE13, MMDD. */
  readonly localDate: string
  /** DE32 */
  readonly acquirer: string
}

/** What DE90 says of the message that is reversed or completed. */
export interface OriginalStamps extends Pick<Stamps, 'stan' | 'transmission' | 'acquirer'> {
  readonly mti: string
}

/** A message that can be named as an original. */
export interface Stamped {
  readonly intent: Intent
  readonly stamps: Stamps
}

/** A transaction of any kind; see {@link transaction}. */
export interface Ask {
  readonly card: TestCard
  readonly terminal: TestTerminal
  readonly amountPiasters?: number
  /** @default '0200' */
  readonly mti?: string
  /** Account codes of DE3. @default '00' */
  readonly from?: string
  readonly to?: string
}

type Extra = Omit<Intent, keyof Ask | 'processingCode'>

/** A message of a transaction type: purchase, cash, refund, inquiry and so on. */
export function transaction(kind: keyof typeof transactionTypes, ask: Ask, extra: Extra = {}): Intent {
  const { mti = '0200', from = '00', to = '00', ...rest } = ask
  const processingCode = formatProcessingCode({ type: transactionTypes[kind], from, to })
  return { ...extra, ...rest, mti, processingCode }
}

/** A draw of counted units: bread, or flour by its account code. DE4 is the co-payment. */
export interface UnitDraw extends Omit<Ask, 'amountPiasters'> {
  readonly quantity: number
  readonly pricePiasters: number
  /** DE48 DY; absent = not said. */
  readonly days?: number
  /** DE48 CP: `C` cash at the window, `A` postal account; absent = not said. */
  readonly coPayment?: 'C' | 'A'
}

/** A draw of loaves (or kilograms) with DE48 QT, DY and CP. */
export function unitDraw(draw: UnitDraw, extra: Extra = {}): Intent {
  const { quantity, pricePiasters, days, coPayment, ...ask } = draw
  const elements: Element[] = [{ tag: 'QT', value: String(quantity) }]
  if (days !== undefined) elements.push({ tag: 'DY', value: String(days) })
  if (coPayment !== undefined) elements.push({ tag: 'CP', value: coPayment })
  return transaction('purchase', { ...ask, amountPiasters: quantity * pricePiasters }, { elements, ...extra })
}

/** A line of a basket. */
export interface BasketLine {
  readonly product: string
  readonly quantityThousandths: number
  readonly unitPricePiasters: number
}

/** DE48 IT: product code 14, quantity n6 in thousandths, unit price n12. */
export function basketElements(lines: readonly BasketLine[]): Element[] {
  return lines.map(({ product, quantityThousandths, unitPricePiasters }) => ({
    tag: 'IT',
    value:
      product.padEnd(14, ' ') +
      String(quantityThousandths).padStart(6, '0') +
      String(unitPricePiasters).padStart(12, '0'),
  }))
}

/** What a basket comes to, in piasters: each line is rounded. */
export function basketTotalPiasters(lines: readonly BasketLine[]): number {
  return lines.reduce(
    (sum, { quantityThousandths, unitPricePiasters }) =>
      sum + Math.round((quantityThousandths * unitPricePiasters) / 1_000),
    0,
  )
}

/** A purchase of goods line by line; `coPayment` A asks for the rest from the postal account. */
export function basketPurchase(
  ask: Omit<Ask, 'amountPiasters'>,
  lines: readonly BasketLine[],
  options: { coPayment?: 'C' | 'A'; kind?: 'purchase' | 'refund' } = {},
): Intent {
  const { coPayment, kind = 'purchase' } = options
  const elements = basketElements(lines)
  if (coPayment !== undefined) elements.push({ tag: 'CP', value: coPayment })
  return transaction(kind, { ...ask, amountPiasters: basketTotalPiasters(lines) }, { elements })
}

/** DE48 HS and HC of a health service: its code, and what it costs in all. */
export function healthElements({ service, costPiasters }: { service?: string; costPiasters?: number }): Element[] {
  const elements: Element[] = []
  if (service !== undefined) elements.push({ tag: 'HS', value: service })
  if (costPiasters !== undefined) elements.push({ tag: 'HC', value: digits(costPiasters, 12) })
  return elements
}

/** A line of an answer (DE48 AI). */
export interface AnswerLine extends BasketLine {
  /** OK, CP, NA or WB. */
  readonly reason: string
}

/** Reads the basket lines of an answer; quantities are those that the subsidy pays. */
export function answerLines(answer: Message): AnswerLine[] {
  const { elements } = answer.has(104)
    ? parseDataset(answer.bytes(104) ?? Buffer.alloc(0))
    : parseElements48(answer.text(48) ?? '')
  return elements
    .filter(({ tag }) => tag === 'AI')
    .map(({ value }) => ({
      product: value.slice(0, 14).trimEnd(),
      quantityThousandths: Number(value.slice(14, 20)),
      unitPricePiasters: Number(value.slice(20, 32)),
      reason: value.slice(32),
    }))
}

/**
 * The reversal of a message that was sent.
 * @param namesOriginal false leaves DE90 out: the receiver has to find the original by what else the messages share
 */
export function reversalOf(
  sent: Stamped,
  options: { mti?: '0400' | '0420'; namesOriginal?: boolean; replacementPiasters?: number } = {},
): Intent {
  const { mti = '0400', namesOriginal = true, replacementPiasters } = options
  const { cashbackPiasters: _cash, elements: _elements, acceptsPartial: _partial, ...kept } = sent.intent
  return {
    ...withoutCredentials(kept),
    mti,
    rrn: sent.stamps.rrn,
    ...(namesOriginal ? { original: originalStamps(sent) } : {}),
    ...(replacementPiasters === undefined ? {} : { replacementPiasters }),
  }
}

/** The completion (0220) of an authorization that was held. */
export function completionOf(sent: Stamped, amountPiasters: number, mti: '0220' | '0200' = '0220'): Intent {
  const { acceptsPartial: _partial, ...kept } = sent.intent
  return { ...withoutCredentials(kept), mti, amountPiasters, rrn: sent.stamps.rrn, original: originalStamps(sent) }
}

function originalStamps({ intent, stamps }: Stamped): OriginalStamps {
  const { stan, transmission, acquirer } = stamps
  return { mti: intent.mti, stan, transmission, acquirer }
}

/** The repeat form of a message type: 0201 for 0200. */
export function repeatMti(mti: string): string {
  return `${mti.slice(0, 3)}1`
}

/**
 * Puts an intent into the fields of a dialect. A fingerprint is read anew at each call: what is sent again must be the
 * fields of the first call.
 */
export function composeFields(intent: Intent, stamps: Stamps, dialect: Dialect): FieldValues {
  const { terminal, amountPiasters, original, replacementPiasters } = intent
  const scheme = dialect.spec.header === 'visa'
  const fields: FieldValues = []
  fields[3] = intent.processingCode
  if (amountPiasters !== undefined) fields[4] = digits(amountPiasters, 12)
  fields[7] = stamps.transmission
  fields[11] = stamps.stan
  fields[12] = stamps.localTime
  fields[13] = stamps.localDate
  if (terminal.mcc !== '') fields[18] = terminal.mcc
  fields[25] = '00'
  fields[32] = stamps.acquirer
  fields[37] = intent.rrn ?? stamps.rrn
  fields[41] = terminal.terminalId
  fields[42] = terminal.acceptorId
  fields[49] = EGP
  if (intent.cashbackPiasters !== undefined) fields[54] = cashbackAmount(intent.cashbackPiasters)
  if (scheme && intent.acceptsPartial === true) fields[60] = '000000000001'
  if (scheme && intent.transactionId !== undefined) fields[62] = transactionIdField(dialect, intent.transactionId)
  if (original !== undefined) {
    const acquirer = institutionKey(original.acquirer)
    fields[90] = formatOriginalData({ ...original, acquirer, forwarder: '' })
  }
  if (replacementPiasters !== undefined) fields[95] = digits(replacementPiasters, 12).padEnd(42, '0')
  putCredentials(fields, intent, dialect)
  const elements = [...(intent.elements ?? []), ...credentialElements(intent, fields, terminal.terminalId)]
  if (elements.length > 0) fields[scheme ? 104 : 48] = scheme ? formatDataset(elements) : formatElements48(elements)
  for (const [de, value] of Object.entries(intent.override ?? {})) fields[Number(de)] = value
  return fields
}

/** A network management message: DE70 001 sign-on, 002 sign-off, 301 echo. */
export function networkFields(code: string, stamps: Stamps): FieldValues {
  const fields: FieldValues = []
  fields[7] = stamps.transmission
  fields[11] = stamps.stan
  fields[70] = code
  return fields
}

function cashbackAmount(amount: number): string {
  return formatAmounts([{ accountType: '00', amountType: '40', currency: EGP, sign: 'D', amount }])
}

function transactionIdField(dialect: Dialect, transactionId: string): Buffer | undefined {
  const spec = dialect.subfields(62)
  return spec?.form === 'bitmap' ? formatBitmapped(62, spec, new Map([['2', transactionId]])) : undefined
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0')
}
