import words from '../../schemas/notifications/words.json' with { type: 'json' }
import type { DigitStyle } from './numbers.ts'
import { formatDecimal, formatNumber, inDigits } from './numbers.ts'
import { type Language, languages, type PluralCategory, pluralCategories, pluralCategory } from './plural.ts'

/** Forms of a noun in each language; `oblique` are the Arabic forms that differ after another noun (رغيفين). */
export interface Noun {
  readonly ar: Readonly<Partial<Record<PluralCategory, string>>>
  readonly en: Readonly<Partial<Record<PluralCategory, string>>>
  readonly oblique?: Readonly<Partial<Record<PluralCategory, string>>>
}

/** The words that every template shares. */
export interface Words {
  readonly months: Readonly<Record<Language, readonly string[]>>
  readonly and: Readonly<Record<Language, string>>
  readonly nouns: Readonly<Record<string, Noun>>
}

/** Nouns that the program counts. */
export const nouns = ['loaf', 'day', 'member', 'pound', 'piaster', 'kilogram', 'point', 'minute'] as const
export type NounName = (typeof nouns)[number]

/** In which words and digits something is written. */
export interface Style {
  readonly language: Language
  readonly digits: DigitStyle
}

/** `schemas/notifications/words.json` */
export const shippedWords: Words = words

const MONTHS = 12

/** What is wrong with the words: a noun or a plural form that is missing or one too many, a form without its number. */
export function wordFaults(set: Words): string[] {
  const faults: string[] = []
  for (const language of languages) {
    if (set.months[language].length !== MONTHS) faults.push(`months.${language} must be ${MONTHS}`)
    for (const name of nouns) {
      const noun = set.nouns[name]
      if (noun === undefined) faults.push(`the noun ${name} is missing`)
      else faults.push(...formFaults(`${name}.${language}`, noun[language], pluralCategories[language]))
    }
  }
  for (const [name, noun] of Object.entries(set.nouns)) {
    if (!(nouns as readonly string[]).includes(name)) faults.push(`the noun ${name} is not counted by anything`)
    for (const category of Object.keys(noun.oblique ?? {})) {
      if (!(pluralCategories.ar as readonly string[]).includes(category)) {
        faults.push(`${name}.oblique has no form ${category}`)
      }
    }
  }
  return faults
}

function formFaults(at: string, forms: Noun[Language], wanted: readonly PluralCategory[]): string[] {
  const faults: string[] = []
  for (const category of wanted) {
    const form = forms[category]
    if (form === undefined || form === '') faults.push(`${at} has no form ${category}`)
    // None, one and two may be words alone; a form for many numbers must say which.
    else if (!['zero', 'one', 'two'].includes(category) && !form.includes('{n}')) {
      faults.push(`${at}.${category} does not say {n}`)
    }
  }
  for (const category of Object.keys(forms)) {
    if (!(wanted as readonly string[]).includes(category)) faults.push(`${at} has a form ${category} too many`)
  }
  return faults
}

/** A number of things: `٥ أرغفة`. @param n not negative, three decimals at most */
export function counted(name: NounName, n: number, style: Style, oblique = false, set: Words = shippedWords): string {
  return inForm(name, pluralCategory(style.language, n), formatNumber(n, style.digits), style, oblique, set)
}

/** An amount of money in words: `١٢ جنيهًا و٥٠ قرشًا`. @param piasters whole, not negative */
export function moneyInWords(piasters: number, style: Style, oblique = false, set: Words = shippedWords): string {
  const pounds = Math.floor(piasters / 100)
  const rest = piasters % 100
  if (rest === 0) return counted('pound', pounds, style, oblique, set)
  const small = counted('piaster', rest, style, oblique, set)
  if (pounds === 0) return small
  return `${counted('pound', pounds, style, oblique, set)}${set.and[style.language]}${small}`
}

/** An amount of money as a decimal number: `١٬٢٣٤٫٥٠ جنيه`. */
export function moneyAsDecimal(piasters: number, style: Style, set: Words = shippedWords): string {
  return inForm('pound', 'other', formatDecimal(piasters, style.digits), style, false, set)
}

/** A date as people say it in Egypt: `١٥ يناير ٢٠٢٧`. @param date yyyymmdd */
export function dateInWords(date: number, { language, digits }: Style, set: Words = shippedWords): string {
  const month = set.months[language][(Math.floor(date / 100) % 100) - 1] ?? ''
  return `${inDigits(String(date % 100), digits)} ${month} ${inDigits(String(Math.floor(date / 10_000)), digits)}`
}

function inForm(
  name: NounName,
  category: PluralCategory,
  number: string,
  { language }: Style,
  oblique: boolean,
  set: Words,
): string {
  const noun = set.nouns[name]
  const form =
    (oblique && language === 'ar' ? noun?.oblique?.[category] : undefined) ?? noun?.[language][category] ?? ''
  return form.replace('{n}', number)
}
