import { type CivilDate, cairoOffsetMs, isCivilDate } from '../../calendar.ts'
import { maskCardNumbers } from '../../identifiers.ts'
import type { BankProfile, Forgivable, Forgiven, ReadAmount } from './bank-events.ts'
import { type FilePlace, type RefusalCause, RefusedFile } from './refusal.ts'
import { all, at, cut, type Position, textAt, type XmlNode } from './xml-reader.ts'

const AMOUNT = /^\+?(\d{1,18})(?:\.(\d{0,5}))?$/
/** Hundred-thousandths in a unit, and of them in a piaster. */
export const UNIT = 100_000n
const IN_PIASTER = 1_000n
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:Z|[+-]\d{2}:\d{2})?$/
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?$/
const SHOWN_MAX = 60

/** Digits of an amount, before and behind its point. */
const DIGITS_MAX = 18
/** An amount that numbers of the ledger hold exactly: 90 trillion pounds. */
export const PIASTERS_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/** Piasters of an amount of Egyptian pounds that was read. */
export function piastersOf(value: bigint): bigint {
  return value / IN_PIASTER
}

/** Reads values of one file: says where in it something is wrong, and keeps what is forgiven. */
export class ReadContext {
  readonly #file: string
  readonly #profile: BankProfile
  readonly #forgiven = new Map<Forgivable, Forgiven>()
  /** Elements above the records that are looked at. */
  path = ''

  constructor(file: string, profile: BankProfile) {
    this.#file = file
    this.#profile = profile
  }

  /** By kind, in the order of their first occurrence. */
  get forgiven(): readonly Forgiven[] {
    return [...this.#forgiven.values()]
  }

  /** @param below elements below the node, when it is one of them that is meant */
  placeOf(node: Position & { readonly name: string }, below?: string): FilePlace {
    const own = this.path.endsWith(`/${node.name}`) ? this.path : `${this.path}/${node.name}`
    return { line: node.line, column: node.column, path: below === undefined ? own : `${own}/${below}` }
  }

  refuse(place: FilePlace, reason: string, refusal: RefusalCause = 'format'): never {
    throw new RefusedFile(this.#file, refusal, reason, place)
  }

  /** @throws RefusedFile when the bank's profile does not forgive it */
  forgive(kind: Forgivable, place: FilePlace, detail: string): void {
    if (!this.#profile.forgive.has(kind)) this.refuse(place, detail)
    const words = maskCardNumbers(detail)
    const before = this.#forgiven.get(kind)
    const first = before ?? { kind, line: place.line, column: place.column, path: place.path, detail: words, times: 0 }
    this.#forgiven.set(kind, { ...first, times: first.times + 1 })
  }

  /** The text at a path below a record, held to its greatest length; undefined when absent. */
  text(node: XmlNode, max: number, ...path: readonly string[]): string | undefined {
    const found = at(node, ...path)
    return found === undefined || found.text === ''
      ? undefined
      : this.limited(found, max, this.placeOf(node, path.join('/')))
  }

  /** The text of an element, held to its greatest length. */
  limited({ text, ...node }: XmlNode, max: number, place = this.placeOf(node)): string {
    if (text.length <= max) return text
    this.forgive('long-text', place, `a text of ${text.length} characters; ${max} are allowed`)
    return cut(text, max)
  }

  /** {@link text} that has to be there. */
  required(node: XmlNode, max: number, ...path: readonly string[]): string {
    const text = this.text(node, max, ...path)
    return text ?? this.refuse(this.placeOf(node, path.join('/')), `${path.join('/')} is missing`)
  }

  /** An amount with its currency, from an element such as `Amt` with `Ccy`. */
  amount(node: XmlNode): ReadAmount {
    const match = AMOUNT.exec(node.text)
    if (match === null || `${match[1]}${match[2] ?? ''}`.length > DIGITS_MAX) {
      this.refuse(this.placeOf(node), `"${shown(node.text)}" is not an amount with up to 5 places`)
    }
    const currency = node.currency ?? ''
    if (!/^[A-Z]{3}$/.test(currency)) this.refuse(this.placeOf(node), `"${shown(currency)}" is not a currency`)
    const value = BigInt(match[1] ?? '0') * UNIT + BigInt((match[2] ?? '').padEnd(5, '0'))
    if (currency === 'EGP' && value % IN_PIASTER !== 0n) {
      this.refuse(this.placeOf(node), `${node.text} EGP is not a whole number of piasters`)
    }
    if (currency === 'EGP' && piastersOf(value) > PIASTERS_MAX) {
      this.refuse(this.placeOf(node), `${node.text} EGP is more than can be booked`)
    }
    return { value, currency }
  }

  /** Whether CRDT or DBIT stands at a path. */
  isCredit(node: XmlNode, ...path: readonly string[]): boolean {
    const side = textAt(node, ...path)
    if (side !== 'CRDT' && side !== 'DBIT') {
      this.refuse(
        this.placeOf(node, path.join('/')),
        `${path.join('/')} must be CRDT or DBIT, it is "${shown(side ?? '')}"`,
      )
    }
    return side === 'CRDT'
  }

  /** A whole number of so many digits at most; undefined when absent. */
  number(node: XmlNode, digits: number, ...path: readonly string[]): number | undefined {
    const text = textAt(node, ...path)
    if (text === undefined) return undefined
    if (!/^\d+$/.test(text) || text.length > digits) {
      const words = `"${shown(text)}" is not a whole number of up to ${digits} digits`
      this.refuse(this.placeOf(node, path.join('/')), words)
    }
    return Number(text)
  }

  /** A yes or no; undefined when absent. */
  flag(node: XmlNode, ...path: readonly string[]): boolean | undefined {
    const text = textAt(node, ...path)
    if (text === undefined) return undefined
    if (text === 'true' || text === '1') return true
    if (text === 'false' || text === '0') return false
    return this.refuse(this.placeOf(node, path.join('/')), `"${shown(text)}" is neither true nor false`)
  }

  /** The one child of a name; undefined when absent. Of two, readers would take one or the other. */
  only(node: XmlNode, name: string): XmlNode | undefined {
    const [first, second] = all(node, name)
    if (second !== undefined) this.refuse(this.placeOf(second), `a second ${name}; there is one at most`)
    return first
  }

  /**
   * A date that is written as `Dt`, as `DtTm`, or as the text of the element itself; undefined when it is absent. Of a
   * date and time the date counts as it is written, whatever the offset: banks write the end of their day so.
   */
  date(node: XmlNode | undefined): CivilDate | undefined {
    if (node === undefined) return undefined
    const text = textAt(node, 'Dt') ?? textAt(node, 'DtTm') ?? (node.children.length === 0 ? node.text : '')
    const match = DATE.exec(DATE_TIME.exec(text)?.[1] ?? text)
    const value = match === null ? 0 : Number(`${match[1]}${match[2]}${match[3]}`)
    if (!isCivilDate(value)) this.refuse(this.placeOf(node), `"${shown(text)}" is not a date`)
    return value
  }

  /** An instant; one without an offset is of Cairo's clocks. Undefined when it is absent. */
  instant(node: XmlNode, ...path: readonly string[]): number | undefined {
    const text = textAt(node, ...path)
    if (text === undefined) return undefined
    const match = DATE_TIME.exec(text)
    const ms = match === null ? Number.NaN : Date.parse(match[2] === undefined ? `${text}Z` : text)
    if (Number.isNaN(ms) || !isCivilDate(Number(text.slice(0, 10).replaceAll('-', ''))))
      this.refuse(this.placeOf(node, path.join('/')), `"${shown(text)}" is not a date and time`)
    return match?.[2] === undefined ? ms - cairoOffsetMs(ms) : ms
  }
}

function shown(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text
}
