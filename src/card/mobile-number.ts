import { asciiDigits } from '../identifiers.ts'
/** An Egyptian mobile number. */
export interface MobileNumber {
  /** `+201` and nine digits. */
  readonly number: string
  /** Who gave the number out first: numbers move between operators. */
  readonly operator: (typeof operators)[keyof typeof operators]
}

/** What was read, or why it is no mobile number: the words never hold what was given. */
export type MobileReading =
  | { readonly mobile: MobileNumber; readonly fault?: never }
  | { readonly mobile?: never; readonly fault: string }

/** By the digits behind 0 (subsidy-domain.md, 2.7). */
const operators = { 10: 'Vodafone', 11: 'e&', 12: 'Orange', 15: 'WE' } as const

/**
 * Reads a mobile number as people write it: `01x xxxx xxxx`, also with +20, 0020 or 20 in front, with Arabic-Indic
 * digits, blanks, hyphens and brackets.
 */
export function readMobileNumber(text: string): MobileReading {
  const plain = asciiDigits(text).replaceAll(/[\s()\-.\u200e\u200f\u202a-\u202c\u2066-\u2069]/g, '')
  const found = /^(?:(?:\+|00)?20|0)(1\d{9})$/.exec(plain)?.[1]
  if (found === undefined) return { fault: 'a mobile number is written 01 and nine digits, or +201 and nine digits' }
  const operator = (operators as Record<string, MobileNumber['operator']>)[found.slice(0, 2)]
  if (operator === undefined) return { fault: 'a mobile number begins with 010, 011, 012 or 015' }
  return { mobile: { number: `+20${found}`, operator } }
}

/** A mobile number for people to recognise: its last three digits. */
export function maskMobile(number: string): string {
  return `${'*'.repeat(Math.max(0, number.length - 3))}${number.slice(-3)}`
}
