import base2File from '../../../schemas/clearing/base2.json' with { type: 'json' }
import { compileLayouts, type LayoutFile, type Layouts } from './layout.ts'

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
