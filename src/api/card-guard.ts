import type { TSchema } from 'typebox'
import { asciiDigits, isLuhnValid } from '../identifiers.ts'
import { changeKinds } from './change-kinds.ts'
import { type Fault, segmentOf } from './validation.ts'

/**
 * Fields in which a number of that kind belongs, or which are kept nowhere in clear: each has a check of its own.
 * `networks` are addresses: four groups of digits and a length.
 */
const OWN_CHECK = new Set(['pan', 'nationalId', 'mobile', 'iban', 'networks'])
const isSecret = (name: string) => /password/i.test(name)

/** Fields that hold a person's own reasons: there any number as long as a card's is one too many. */
const WRITTEN = new Set(['reason', 'note', 'label'])
/** As long as a card number, also as it is printed in groups. */
const CARD_LONG = /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/

/** Digits with what people write between them. */
const RUN = /\d(?:[\s\p{Zs}\p{Pd}._/\\]*\d)*/gu
const SEPARATORS = /[^\d]+/
const PAN_MIN = 13
const PAN_MAX = 19
/** A part of a run is only a card number if it is written in groups as they stand on cards: years and days are shorter. */
const GROUP_MIN = 4
/** Century, year, month, day, code of birth, serial number, check digit. */
const NATIONAL_ID = /^[23]\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{7}$/
/** An IBAN of Egypt: its groups are no card's. */
const IBAN = /(?<![0-9A-Z])EG(?:[ -]?\d){27}(?!\d)/gi
/** A hash or a UUID, whole: its digits are chance. */
const CHANCE = /^(?:[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i

/** What of a schema tells which strings are free; the types of the library are wider. */
interface Form {
  readonly type?: unknown
  readonly pattern?: unknown
  readonly format?: unknown
  readonly enum?: unknown
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Form>>
  readonly items?: Form | readonly Form[]
  readonly anyOf?: readonly Form[]
}

interface Place {
  readonly value: unknown
  readonly form: Form | undefined
  readonly name: string
  readonly pointer: string
}

/**
 * Finds card numbers and national IDs in a body, at any depth: what people write is kept and shown for ever, in the audit
 * and beyond. Looked at is each text whose schema gives no form (pattern, format, list of values), and each name that no
 * schema has; digits of other scripts count as digits, and so does what stands between groups of them.
 * @param schema of the body; that of a change request's payload is the one of its kind
 */
export function numbersIn(body: unknown, schema: TSchema | undefined): Fault[] {
  const faults: Fault[] = []
  const fault = (pointer: string, what: string) =>
    faults.push({ in: 'body', pointer, detail: `holds what looks like a ${what}` })
  // A stack of its own: a body may be nested deeper than calls may be.
  const open: Place[] = [{ value: body, form: schema as Form | undefined, name: '', pointer: '' }]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value, form, name, pointer } = place
    if (typeof value === 'string') {
      const what = hasOwnForm(form) || OWN_CHECK.has(name) || isSecret(name) ? undefined : numberIn(value, name)
      if (what !== undefined) fault(pointer, what)
    } else if (Array.isArray(value)) {
      const items = variants(form).find((one) => one.items !== undefined)?.items
      const item = Array.isArray(items) ? undefined : (items as Form | undefined)
      for (const [at, one] of value.entries()) open.push({ value: one, form: item, name, pointer: `${pointer}/${at}` })
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, one] of Object.entries(value)) {
        const inner = innerForm(place, key)
        // A name that may be anything is looked at as a text is, and not said again; another is refused by the schema.
        const isFree = variants(form).every(({ properties }) => properties === undefined)
        const what = isFree ? numberIn(key, '') : undefined
        if (what !== undefined) fault(`${pointer}/?`, what)
        open.push({ value: one, form: inner, name: key, pointer: `${pointer}/${segmentOf(key)}` })
      }
    }
  }
  return faults.reverse()
}

function innerForm({ value, form, pointer }: Place, key: string): Form | undefined {
  const given = value as { readonly kind?: unknown }
  const inner = variants(form).find(({ properties }) => properties !== undefined && Object.hasOwn(properties, key))
  const found = inner?.properties?.[key]
  if (pointer !== '' || key !== 'payload' || found === undefined || typeof given.kind !== 'string') return found
  return Object.hasOwn(changeKinds, given.kind) ? (changeKinds[given.kind]?.payload as Form | undefined) : found
}

function variants(form: Form | undefined): readonly Form[] {
  if (form === undefined) return []
  return [form, ...(form.anyOf ?? []).flatMap(variants)]
}

/** Whether the schema says more of a text than how long it is. */
function hasOwnForm(form: Form | undefined): boolean {
  const texts = variants(form).filter(
    (one) => one.type === 'string' || one.enum !== undefined || one.const !== undefined,
  )
  return (
    texts.length > 0 &&
    texts.every((one) => [one.pattern, one.format, one.enum, one.const].some((said) => said !== undefined))
  )
}

function numberIn(text: string, name: string): string | undefined {
  // Without what is not seen; NFKC makes digits of all widths plain.
  const plain = asciiDigits(text.normalize('NFKC')).replaceAll(/\p{Cf}/gu, '')
  if (WRITTEN.has(name) && CARD_LONG.test(plain)) return 'card number'
  if (CHANCE.test(plain)) return undefined
  for (const [run] of plain.replaceAll(IBAN, ' ; ').matchAll(RUN)) {
    const groups = run.split(SEPARATORS)
    if (isCard(groups.join('')) || partsOf(groups).some(isCard)) return 'card number'
    if (NATIONAL_ID.test(groups.join('')) || groups.some((group) => NATIONAL_ID.test(group))) return 'national ID'
  }
  return undefined
}

function isCard(digits: string): boolean {
  return digits.length >= PAN_MIN && digits.length <= PAN_MAX && isLuhnValid(digits)
}

/** What neighbouring groups make together, as long as a card number at most: a number beside it does not hide one. */
function partsOf(groups: readonly string[]): string[] {
  return groups.flatMap((_, from) => {
    const parts: string[] = []
    let digits = ''
    for (const group of groups.slice(from)) {
      digits += group
      if (digits.length > PAN_MAX) break
      parts.push(digits)
      if (group.length < GROUP_MIN) break
    }
    return parts
  })
}
