/** Languages that messages are written in. */
export const languages = ['ar', 'en'] as const
export type Language = (typeof languages)[number]

/** Forms of a counted noun, by the names of Unicode's plural rules. */
export type PluralCategory = 'zero' | 'one' | 'two' | 'few' | 'many' | 'other'

/** The forms that a noun must have in a language, no more and no less. */
export const pluralCategories: Readonly<Record<Language, readonly PluralCategory[]>> = {
  ar: ['zero', 'one', 'two', 'few', 'many', 'other'],
  en: ['one', 'other'],
}

/**
 * The form of a noun that a number asks for. Arabic: none, one, two; few for 3 to 10 in the last two digits (103 too);
 * many for 11 to 99 there; other for full hundreds, and one and two above them. A broken number is `other`.
 * @param n not negative
 */
export function pluralCategory(language: Language, n: number): PluralCategory {
  if (language === 'en') return n === 1 ? 'one' : 'other'
  if (!Number.isInteger(n)) return 'other'
  if (n === 0) return 'zero'
  if (n === 1) return 'one'
  if (n === 2) return 'two'
  const rest = n % 100
  if (rest >= 3 && rest <= 10) return 'few'
  return rest >= 11 ? 'many' : 'other'
}
