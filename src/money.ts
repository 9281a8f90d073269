import { assert, MizanError } from './errors.ts'

/** An amount of Egyptian pounds in piasters (1/100 EGP): a safe integer. Sums over many rows are bigint instead. */
export type Piasters = number & { readonly __unit: 'piasters' }

/** ISO 4217 numeric code of the Egyptian pound. */
export const EGP = '818'
/** Currency code that DE54 carries for counted units (loaves, kilograms); interfaces.md, "DE54 in answers". */
export const COUNTED_UNITS = '999'

/** What an account counts. The number is the unit digit of an account number (`ledger/accounts.ts`). */
export const unitCodes = { EGP: 0, LOAF: 1, KG: 2 } as const
export type Unit = keyof typeof unitCodes

/** Largest amount of one message: DE4 holds 12 digits. */
export const AMOUNT_MAX = 999_999_999_999

/** Brands a number as piasters after checking that it is a whole, safe amount (may be negative: differences). */
export function piasters(value: number): Piasters {
  assert(Number.isSafeInteger(value), 'an amount must be a safe integer of minor units')
  return value as Piasters
}

/** Formats piasters for people: `1234567` → `12,345.67`. Exact string code, no floating point. */
export function formatPiasters(amount: number | bigint): string {
  const negative = amount < 0
  const digits = (negative ? -BigInt(amount) : BigInt(amount)).toString().padStart(3, '0')
  const pounds = digits.slice(0, -2).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
  return `${negative ? '-' : ''}${pounds}.${digits.slice(-2)}`
}

/** Formats an amount of any unit for people: `12.50 EGP`, `5 loaves`, `10 kg`. */
export function formatQuantity(amount: number | bigint, unit: Unit): string {
  if (unit === 'EGP') return `${formatPiasters(amount)} EGP`
  if (unit === 'KG') return `${amount} kg`
  return `${amount} ${amount === 1 || amount === 1n ? 'loaf' : 'loaves'}`
}

/**
 * Reads decimal pounds (`12`, `12.5`, `12.50`) as piasters.
 * @throws MizanError BAD_INPUT when the text is not a plain decimal with at most two places
 */
export function parsePounds(text: string): Piasters {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,2}))?$/.exec(text)
  if (match === null) throw new MizanError('BAD_INPUT', 'an amount must be a decimal number with at most two places')
  const minor = Number(match[2]) * 100 + Number((match[3] ?? '').padEnd(2, '0'))
  return piasters(match[1] === '-' ? -minor : minor)
}
