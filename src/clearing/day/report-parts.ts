import { type CivilDate, civilTime, formatDate } from '../../calendar.ts'
import { formatPiasters } from '../../money.ts'

/** A column of a table. */
export interface ReportColumn {
  readonly head: string
  /** Amounts and counts stand on the right. */
  readonly right?: true
  /** Long and without blanks, such as a hash: it may break anywhere. */
  readonly code?: true
}

/** A table: rows of texts, and the lines of sums below them. */
export interface ReportTable {
  readonly title: string
  readonly columns: readonly ReportColumn[]
  readonly rows: readonly (readonly string[])[]
  readonly sums: readonly (readonly string[])[]
}

/** A part of the report: facts, tables and remarks, as they come on paper or on a screen. */
export interface ReportSection {
  readonly title: string
  /** On paper it begins a page. */
  readonly newPage: boolean
  readonly facts: readonly (readonly [string, string])[]
  readonly tables: readonly ReportTable[]
  readonly notes: readonly string[]
}

/** A column of amounts or counts. */
export const right = (head: string): ReportColumn => ({ head, right: true })
/** A column of texts. */
export const left = (head: string): ReportColumn => ({ head })

/** A table, or none where it has no rows. */
export function tableOf(
  title: string,
  columns: readonly ReportColumn[],
  rows: readonly (readonly string[])[],
  sums: readonly (readonly string[])[] = [],
): ReportTable[] {
  return rows.length === 0 ? [] : [{ title, columns, rows, sums }]
}

/** What a list leaves out, in words; nothing when it is complete. */
export function leftOut(count: number, what: string, where: string): string[] {
  return count > 0 ? [`${counted(count)} further ${what}(s) are not listed; ${where} shows them.`] : []
}

/** The sum of numbers in digits. */
export const sumOf = (values: readonly string[]) => values.reduce((sum, value) => sum + BigInt(value), 0n)
/** Piasters as pounds with two decimals. */
export const money = (piasters: string | bigint) => formatPiasters(BigInt(piasters))
/** A count with its thousands apart. */
export const counted = (count: number | string) => String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
/** An amount in its unit. */
export const quantity = (amount: string | bigint, unit: string) =>
  unit === 'EGP' ? money(amount) : counted(String(amount))

/** An instant as a clock in Cairo shows it. */
export function timeOf(instant: string): string {
  const { date, time } = civilTime(Date.parse(instant))
  const civil: CivilDate = date
  return `${formatDate(civil)} ${time.replace(/^(..)(..)(..)$/, '$1:$2:$3')}`
}
