import { formatPiasters } from '../../money.ts'
import { type AccountBank, lastStatement, ledgerAtBank } from '../../store/clearing/bank-statements.ts'
import type { Client } from '../../store/connection.ts'
import type { ReportEvent } from '../iso20022/bank-events.ts'
import { piastersOf } from '../iso20022/read-context.ts'
import type { RefusalCause } from '../iso20022/refusal.ts'

/** Refuses the report at hand. */
export type Refuse = (cause: RefusalCause, reason: string) => never

const plain = (piasters: bigint) => `${formatPiasters(piasters)} EGP`

/**
 * Holds a statement against the last one of its account: its number, its page, and the balance that it goes on from.
 * @param account as it is kept
 */
export async function checkOrder(
  client: Client,
  head: ReportEvent,
  { bank, account }: { readonly bank: AccountBank; readonly account: string },
  refuse: Refuse,
): Promise<void> {
  const opening = piastersOf(head.opening?.amount.value ?? 0n)
  const last = await lastStatement(client, bank.number, account)
  if (last === undefined) {
    const ledger = await ledgerAtBank(client, bank.number)
    if (head.page !== 1) refuse('gap', `page ${head.page} of statement ${head.id} came before page 1`)
    if (opening === ledger) return
    const words = `the first statement of the account opens with ${plain(opening)}, the ledger has ${plain(ledger)} there`
    return refuse('balance', `${words}; give the statements from the beginning of the account`)
  }
  const isNextPage = !last.lastPage
  if (isNextPage && (head.id !== last.statementId || head.page !== last.page + 1)) {
    refuse('gap', `page ${last.page + 1} of statement ${last.statementId} is missing`)
  }
  if (!isNextPage && head.page !== 1) refuse('gap', `pages before ${head.page} of statement ${head.id} are missing`)
  if (!isNextPage && head.sequence !== undefined && last.sequence !== undefined) {
    const year = Math.floor((head.closing?.date ?? last.date) / 10_000)
    const beginsYear = head.sequence === 1 && year > Math.floor(last.date / 10_000)
    if (head.sequence <= last.sequence && !beginsYear) {
      const words = `statement ${head.id} is number ${head.sequence}; number ${last.sequence} was taken already`
      refuse('duplicate', words)
    }
    if (head.sequence !== last.sequence + 1 && !beginsYear) {
      refuse('gap', `statement ${head.id} is number ${head.sequence}; number ${last.sequence + 1} is missing`)
    }
  }
  if (opening === last.closingPiasters) return
  const before = `the one before (${last.statementId}) closed with ${plain(last.closingPiasters)}`
  refuse('balance', `statement ${head.id} opens with ${plain(opening)}, ${before}`)
}
