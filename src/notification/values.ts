import { isCivilDate } from '../calendar.ts'
import { isolated } from './numbers.ts'
import type { Language } from './plural.ts'
import type { Field, FieldKind, Modifier } from './template.ts'
import { counted, dateInWords, moneyAsDecimal, moneyInWords, type Style, type Words } from './words.ts'

/** Longest text that a message takes from outside, in characters; the rest is cut. */
export const TEXT_MAX = 32
/** Largest number that a message takes: beyond it something is wrong with whoever asked for it. */
const NUMBER_MAX = 999_999_999_999
const CONTROLS = /[\p{Cc}\p{Cf}]+/gu

/** Units of a quantity: those of the ledger, and points. */
const quantityUnits = ['EGP', 'LOAF', 'KG', 'POINT'] as const

/**
 * Says what is wrong with a value; never the value itself, which may be personal.
 * @returns undefined when it is right
 */
export function valueFault(kind: FieldKind, value: unknown): string | undefined {
  switch (kind) {
    case 'text':
      return textOf(value, 'ar') === undefined ? 'must be a text, or { ar, en }' : undefined
    case 'card':
      return lastFour(value) === undefined ? 'must be the last four digits of a card, or its masked number' : undefined
    case 'code':
      return typeof value === 'string' && /^\d{4,8}$/.test(value) ? undefined : 'must be a code of four to eight digits'
    case 'date':
      return dateOf(value) === undefined ? 'must be a date: yyyy-mm-dd, or yyyymmdd' : undefined
    case 'money':
      return isCount(value) ? undefined : 'must be whole piasters, not negative'
    case 'kilograms':
      return isAmount(value) ? undefined : 'must be kilograms, not negative'
    case 'quantity':
      return quantityOf(value) === undefined
        ? `must be { amount, unit }: not negative, of ${quantityUnits.join(', ')}; piasters for EGP`
        : undefined
    default:
      return isCount(value) ? undefined : 'must be a whole number, not negative'
  }
}

/** Writes a value that {@link valueFault} found right. */
export function writeValue(
  { kind }: Field,
  value: unknown,
  modifier: Modifier | undefined,
  style: Style,
  words: Words,
): string {
  const oblique = modifier === 'oblique'
  switch (kind) {
    case 'text':
      return isolated(textOf(value, style.language) ?? '', style.language)
    // A mask, so that nobody takes the digits for an amount.
    case 'card':
      return isolated(`*${inStyle(lastFour(value) ?? '', style)}`, style.language)
    // Typed into a terminal as it stands here, whose keys have these digits.
    case 'code':
      return isolated(String(value), style.language)
    case 'date':
      return dateInWords(dateOf(value) ?? 0, style, words)
    case 'money':
      return money(Number(value), modifier, style, words)
    case 'kilograms':
      return counted('kilogram', Number(value), style, oblique, words)
    case 'quantity': {
      const { amount, unit } = quantityOf(value) ?? { amount: 0, unit: 'EGP' }
      if (unit === 'EGP') return money(amount, modifier, style, words)
      const noun = unit === 'LOAF' ? 'loaf' : unit === 'KG' ? 'kilogram' : 'point'
      return counted(noun, amount, style, oblique, words)
    }
    default:
      return counted(countedBy[kind], Number(value), style, oblique, words)
  }
}

const countedBy = { loaves: 'loaf', days: 'day', minutes: 'minute', members: 'member', points: 'point' } as const

/** A value about as long as one gets, to see how long a message gets. */
export function longestValue(kind: FieldKind, language: Language): unknown {
  const samples: Readonly<Record<FieldKind, unknown>> = {
    text: (language === 'ar' ? 'م' : 'm').repeat(TEXT_MAX),
    card: '0000',
    code: '000000',
    date: 20_300_928,
    money: 9_999_999,
    quantity: { amount: 9_999_999, unit: 'EGP' },
    kilograms: 99.999,
    loaves: 999,
    days: 99,
    minutes: 60,
    members: 99,
    points: 9_999,
  }
  return samples[kind]
}

function money(piasters: number, modifier: Modifier | undefined, style: Style, words: Words): string {
  if (modifier === 'decimal') return moneyAsDecimal(piasters, style, words)
  return moneyInWords(piasters, style, modifier === 'oblique', words)
}

function inStyle(digits: string, { digits: style }: Style): string {
  return style === 'latn' ? digits : digits.replaceAll(/[0-9]/g, (one) => String.fromCharCode(0x0660 + Number(one)))
}

/** One line of bounded length: what comes from outside must not break a message, nor hide in it. */
function textOf(value: unknown, language: Language): string | undefined {
  const chosen =
    typeof value === 'object' && value !== null ? (value as Partial<Record<Language, unknown>>)[language] : value
  if (typeof chosen !== 'string') return undefined
  const line = chosen.replaceAll(CONTROLS, ' ').trim()
  if (line === '') return undefined
  const characters = [...line]
  if (characters.length <= TEXT_MAX) return line
  return language === 'ar'
    ? `${characters.slice(0, TEXT_MAX - 1).join('')}…`
    : `${characters.slice(0, TEXT_MAX - 3).join('')}...`
}

function lastFour(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  return /^(?:\d{6}\*{3,9})?(\d{4})$/.exec(value)?.[1]
}

function dateOf(value: unknown): number | undefined {
  const date =
    typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) ? Number(value.replaceAll('-', '')) : value
  return typeof date === 'number' && isCivilDate(date) ? date : undefined
}

function quantityOf(value: unknown): { amount: number; unit: (typeof quantityUnits)[number] } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { amount, unit } = value as { amount?: unknown; unit?: unknown }
  const known = quantityUnits.find((one) => one === unit)
  if (known === undefined || !(known === 'KG' ? isAmount(amount) : isCount(amount))) return undefined
  return { amount: Number(amount), unit: known }
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= NUMBER_MAX
}

function isCount(value: unknown): boolean {
  return isAmount(value) && Number.isInteger(value)
}
