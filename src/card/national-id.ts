import { type CivilDate, isCivilDate } from '../calendar.ts'
import { asciiDigits } from '../identifiers.ts'
import { birthPlaceOf, type Governorate } from './governorates.ts'

/** What a national ID says of its holder; nothing of it says where they live. */
export interface NationalId {
  /** 14 digits 0 to 9. */
  readonly digits: string
  readonly birthDate: CivilDate
  readonly sex: 'male' | 'female'
  readonly bornIn: Governorate | 'abroad'
}

/** How strictly a national ID is read. */
export interface NationalIdRules {
  /** No one is born after it. */
  readonly today: CivilDate
  /**
   * Whether the last digit is right for the 13 before it. How it is computed is not published, and what is found about
   * it does not fit known numbers (subsidy-domain.md, 2.6): so it is not looked at unless an installation knows better.
   * @default any
   */
  readonly checkDigit?: (digits: string) => boolean
}

/** What was read, or why it is no national ID: the words never hold what was given. */
export type NationalIdReading =
  | { readonly id: NationalId; readonly fault?: never }
  | { readonly id?: never; readonly fault: string }

const LENGTH = 14
const CENTURIES: Readonly<Record<string, number>> = { 2: 19_000_000, 3: 20_000_000 }

/**
 * Reads a national ID: century, date of birth as yymmdd, birth code, serial number of four digits whose last is odd for
 * men, check digit (subsidy-domain.md, 2.6). Arabic-Indic digits are read as they are written; blanks and hyphens
 * between groups are passed over.
 */
export function readNationalId(text: string, { today, checkDigit }: NationalIdRules): NationalIdReading {
  const digits = asciiDigits(text).replaceAll(/[\s-]/g, '')
  if (!/^\d+$/.test(digits)) return { fault: 'a national ID has digits only' }
  if (digits.length !== LENGTH) return { fault: `a national ID has ${LENGTH} digits, this has ${digits.length}` }
  const century = CENTURIES[digits.charAt(0)]
  if (century === undefined) return { fault: 'a national ID begins with 2 (born 1900 to 1999) or 3 (born from 2000)' }
  const birthDate = century + Number(digits.slice(1, 7))
  if (!isCivilDate(birthDate)) return { fault: 'the date of birth in the national ID does not exist' }
  if (birthDate > today) return { fault: 'the date of birth in the national ID is in the future' }
  const bornIn = birthPlaceOf(digits.slice(7, 9))
  if (bornIn === undefined) return { fault: `the national ID names no governorate: ${digits.slice(7, 9)}` }
  if (checkDigit?.(digits) === false) return { fault: 'the check digit of the national ID is wrong' }
  const sex = Number(digits.charAt(12)) % 2 === 1 ? 'male' : 'female'
  return { id: { digits, birthDate, sex, bornIn } }
}
