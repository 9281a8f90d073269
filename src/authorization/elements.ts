import type { BasketLine } from '../benefit/basket.ts'
import type { Message } from '../iso8583/message.ts'
import { elementValue, formatDataset, formatElements48, parseDataset, parseElements48 } from '../iso8583/tlv.ts'

/** Mizan's own elements of a message: DE48 on the domestic dialects, dataset hex 71 of DE104 on `visa-base1`. */
export interface Elements {
  first(tag: string): string | undefined
  /** Basket lines (IT) in order; undefined without any. */
  readonly basket: readonly BasketLine[] | undefined
  /** Path of the element that cannot be read, if any. */
  readonly fault: string | undefined
}

const none: Elements = { first: () => undefined, basket: undefined, fault: undefined }
/** Product code 14, quantity n6 in thousandths, unit price n12 in piasters. */
const BASKET_LINE = /^([\x20-\x7e]{14})(\d{6})(\d{12})$/
const patterns: Record<string, RegExp> = {
  QT: /^\d{1,6}$/,
  DY: /^\d{1,2}$/,
  FL: /^\d{1,10}$/,
  CP: /^[CA]$/,
  OT: /^(SEND|\d{6})$/,
  HS: /^[A-Z0-9]{1,8}$/,
  HC: /^\d{1,12}$/,
  MC: /^\d{4}$/,
}
/** Elements that say one thing: a second one would leave open which is meant. IT may repeat, and what is not known here. */
const single: ReadonlySet<string> = new Set([...Object.keys(patterns), 'BM', 'KS'])
/** Lines whose answer fits into DE48 (999 characters, 39 a line) and into DE104 (255 bytes, 37 a line). */
const LINES_MAX = { 48: 25, 104: 6 } as const

/** Reads the elements; unknown tags are left alone. */
export function elementsOf(message: Message): Elements {
  const inDatasets = message.dialect.subfields(104)?.form === 'datasets'
  const de = inDatasets ? 104 : 48
  if (!message.has(de)) return none
  const parsed = inDatasets
    ? parseDataset(message.bytes(104) ?? Buffer.alloc(0))
    : parseElements48(message.text(48) ?? '')
  if (parsed.failure !== undefined) return { ...none, fault: parsed.failure.field }
  const list = parsed.elements
  let basket: BasketLine[] | undefined
  for (const element of list) {
    const { tag, value } = element
    const isSecond = single.has(tag) && list.find((one) => one.tag === tag) !== element
    if (isSecond) return { ...none, fault: `${de}.${tag}` }
    const pattern = patterns[tag]
    if (pattern !== undefined && !pattern.test(value)) return { ...none, fault: `${de}.${tag}` }
    if (tag !== 'IT') continue
    const line = BASKET_LINE.exec(value)
    basket ??= []
    if (line === null || basket.length === LINES_MAX[de]) return { ...none, fault: `${de}.${tag}` }
    const [, product = '', quantity, unitPrice] = line
    basket.push({ product: product.trimEnd(), quantity: Number(quantity), unitPricePiasters: Number(unitPrice) })
  }
  return { first: (tag) => elementValue(list, tag), basket, fault: undefined }
}

/** A numeric element; its digits were checked when it was read. */
export function numberElement(elements: Elements, tag: string): number | undefined {
  const value = elements.first(tag)
  return value === undefined ? undefined : Number(value)
}

/** What an answer says of a basket line. */
export interface AnswerLine extends BasketLine {
  /** Thousandths that the subsidy pays. */
  readonly granted: number
  readonly reason: string
}

/** The lines of an answer (AI) as the fields of its dialect: DE48, or DE104 as hex on the card scheme's rails. */
export function answerLineFields(lines: readonly AnswerLine[], schemeRail: boolean): Record<string, string> {
  const elements = lines.map(({ product, granted, unitPricePiasters, reason }) => ({
    tag: 'AI',
    value: `${product.padEnd(14)}${digits(granted, 6)}${digits(unitPricePiasters, 12)}${reason}`,
  }))
  return schemeRail ? { 104: formatDataset(elements).toString('hex') } : { 48: formatElements48(elements) }
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0')
}
