import { type AcquirerTotals, netOf, type SaidTotals } from '../authorization/acquirer-totals.ts'
import type { AnswerFields } from '../authorization/answer.ts'
import { baseMti } from '../authorization/mti.ts'
import type { Result } from '../authorization/result.ts'
import type { CivilDate } from '../calendar.ts'
import { institutionKey } from '../iso8583/composites.ts'
import type { Message } from '../iso8583/message.ts'
import { EGP } from '../money.ts'

/** An acquirer asks what its messages of a business date came to (0500), or tells what it counted (0520). */
export interface ReconciliationRequest {
  readonly link: string
  readonly mti: string
  readonly acquirer: string
  readonly stan: string
  readonly transmission: string
  /** DE15, MMDD; undefined for the current business date. */
  readonly settlementDate: string | undefined
  readonly receivedAtMs: number
  readonly said: SaidTotals
}

/** What was found. */
export interface Reconciled {
  readonly businessDate: CivilDate
  readonly ours: AcquirerTotals
  /** Undefined when the message had no totals. */
  readonly agrees: boolean | undefined
}

/** Finds an acquirer's totals and keeps what it said; a repeat gets the first answer. */
export type OnReconciliation = (request: ReconciliationRequest) => Promise<Reconciled>

/** Whether a message is one of these. */
export function isReconciliation(mti: string): boolean {
  return mti[1] === '5' && (mti[2] === '0' || mti[2] === '2')
}

const numbers: readonly (readonly [number, keyof AcquirerTotals])[] = [
  [74, 'creditsNumber'],
  [75, 'creditsReversalNumber'],
  [76, 'debitsNumber'],
  [77, 'debitsReversalNumber'],
]
const amounts: readonly (readonly [number, keyof AcquirerTotals])[] = [
  [86, 'creditsPiasters'],
  [87, 'creditsReversalPiasters'],
  [88, 'debitsPiasters'],
  [89, 'debitsReversalPiasters'],
]
const NUMBER_DIGITS = 10
const AMOUNT_DIGITS = 16
const NET = 97
const [IN_BALANCE, OUT_OF_BALANCE] = ['1', '2']

/**
 * Answers a reconciliation message: 00 with Mizan's own totals, whether they agree (DE66) or not; 30 when it names no
 * acquirer, or its date or a total cannot be read; 91 when the totals cannot be had in time. Never rejects.
 */
export async function reconciliationAnswer(
  link: string,
  message: Message,
  receivedAtMs: number,
  codes: Readonly<Record<Result, string>>,
  onReconciliation: OnReconciliation,
): Promise<AnswerFields> {
  const request = requestOf(link, message, receivedAtMs)
  if (request === undefined) return { 39: codes['format-error'] }
  try {
    const { businessDate, ours, agrees } = await onReconciliation(request)
    const code = agrees === undefined ? {} : { 66: agrees ? IN_BALANCE : OUT_OF_BALANCE }
    const settlement = message.text(99)
    return {
      ...totalsFields(ours),
      ...code,
      ...(settlement === undefined ? {} : { 99: settlement }),
      15: String(businessDate).slice(4),
      39: codes.approved,
      50: EGP,
    }
  } catch {
    return { 39: codes['not-in-time'] }
  }
}

function requestOf(link: string, message: Message, receivedAtMs: number): ReconciliationRequest | undefined {
  const acquirer = institutionKey(message.text(32)?.trim() ?? '')
  const [stan, transmission] = [message.text(11), message.text(7)]
  const settlementDate = message.text(15)
  const said = saidOf(message)
  if (acquirer === '' || stan === undefined || transmission === undefined || said === undefined) return undefined
  if (settlementDate !== undefined && !/^(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/.test(settlementDate)) return undefined
  return { link, mti: baseMti(message.mti), acquirer, stan, transmission, settlementDate, receivedAtMs, said }
}

function saidOf(message: Message): SaidTotals | undefined {
  const said: { -readonly [K in keyof SaidTotals]: SaidTotals[K] } = {}
  for (const [de, name] of [...numbers, ...amounts]) {
    if (!message.has(de)) continue
    const value = Number(message.text(de))
    if (!Number.isSafeInteger(value)) return undefined
    said[name] = value
  }
  if (!message.has(NET)) return said
  const [, sign, digits] = /^([CD])(\d{16})$/.exec(message.text(NET) ?? '') ?? []
  if (sign === undefined || !Number.isSafeInteger(Number(digits))) return undefined
  said.netPiasters = sign === 'C' || Number(digits) === 0 ? Number(digits) : -Number(digits)
  return said
}

/** The totals as fields; the net is a credit when it is due to the acquirer. */
function totalsFields(totals: AcquirerTotals): Record<number, string> {
  const fields: Record<number, string> = {}
  for (const [de, name] of numbers) fields[de] = String(totals[name]).padStart(NUMBER_DIGITS, '0')
  for (const [de, name] of amounts) fields[de] = String(totals[name]).padStart(AMOUNT_DIGITS, '0')
  const net = netOf(totals)
  fields[NET] = `${net < 0 ? 'D' : 'C'}${String(Math.abs(net)).padStart(AMOUNT_DIGITS, '0')}`
  return fields
}
