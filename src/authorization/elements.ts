import type { Message } from '../iso8583/message.ts'
import { elementValue, parseDataset, parseElements48 } from '../iso8583/tlv.ts'
import { AMOUNT_MAX } from '../money.ts'

/** Mizan's own elements of a message: DE48 on the domestic dialects, dataset hex 71 of DE104 on `visa-base1`. */
export interface Elements {
  first(tag: string): string | undefined
  /** Basket lines (IT) summed, piasters; undefined without lines. */
  readonly basketPiasters: number | undefined
  /** Path of the element that cannot be read, if any. */
  readonly fault: string | undefined
}

const none: Elements = { first: () => undefined, basketPiasters: undefined, fault: undefined }
/** Product code 14, quantity n6 in thousandths, unit price n12 in piasters. */
const BASKET_LINE = /^.{14}(\d{6})(\d{12})$/
const numeric: Record<string, RegExp> = { QT: /^\d{1,6}$/, DY: /^\d{1,2}$/, FL: /^\d{1,10}$/ }

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
  let basketMilliPiasters = 0n
  let lines = 0
  for (const { tag, value } of list) {
    const pattern = numeric[tag]
    if (pattern !== undefined && !pattern.test(value)) return { ...none, fault: `${de}.${tag}` }
    if (tag === 'CP' && value !== 'C' && value !== 'A') return { ...none, fault: `${de}.${tag}` }
    if (tag !== 'IT') continue
    const line = BASKET_LINE.exec(value)
    if (line === null) return { ...none, fault: `${de}.${tag}` }
    basketMilliPiasters += BigInt(line[1] ?? 0) * BigInt(line[2] ?? 0)
    lines++
  }
  // A basket that comes to more than a message can carry never equals its DE4.
  const rounded = (basketMilliPiasters + 500n) / 1_000n
  const basket = rounded > AMOUNT_MAX ? AMOUNT_MAX + 1 : Number(rounded)
  return {
    first: (tag) => elementValue(list, tag),
    basketPiasters: lines === 0 ? undefined : basket,
    fault: undefined,
  }
}

/** A numeric element; its digits were checked when it was read. */
export function numberElement(elements: Elements, tag: string): number | undefined {
  const value = elements.first(tag)
  return value === undefined ? undefined : Number(value)
}
