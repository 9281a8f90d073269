import base2File from '../../../schemas/clearing/base2.json' with { type: 'json' }
import { compileLayouts, type Field, type LayoutFile, type Layouts } from './layout.ts'

/** Records of 168 characters, own specification, BASE II style (`schemas/clearing/base2.json`). */
export const base2: Layouts = compileLayouts(base2File as LayoutFile)

/** First presentments and their reversals, chargebacks and theirs. */
export const draftCodes = ['05', '06', '07', '15', '16', '17', '25', '26', '27', '35', '36', '37'] as const
export type DraftCode = (typeof draftCodes)[number]

/** Transactions that move money: what a trailer's monetary count and amounts are of. */
export function isMonetary(transactionCode: string): boolean {
  return (
    (draftCodes as readonly string[]).includes(transactionCode) || transactionCode === '10' || transactionCode === '20'
  )
}

/**
 * Transactions by which money comes from the scheme: credits, reversals of debits, and debits that are charged back.
 */
const creditCodes: readonly string[] = ['06', '15', '17', '25', '27', '36']

/** What an amount counts in the net that is due to the card scheme: credits to us count against it. */
export function netOf(transactionCode: string, piasters: bigint): bigint {
  return creditCodes.includes(transactionCode) ? -piasters : piasters
}

/** Some fields of a layout by their names. @throws MizanError ASSERTION_FAILED when it has one not */
export function fieldsOf<const N extends string>(layout: string, names: readonly N[]): Readonly<Record<N, Field>> {
  const compiled = base2.layout(layout)
  return Object.fromEntries(names.map((name) => [name, compiled.field(name)])) as Record<N, Field>
}
