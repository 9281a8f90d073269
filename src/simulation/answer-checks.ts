import type { AuthorizationRow, Batch, TransferRow } from '../store/batch.ts'
import type { Books } from './books.ts'
import { loavesOf } from './oracle.ts'
import { Violation } from './record.ts'
import { type Answer, isApproved, type Sent } from './sent.ts'

/** What a message became: its row of the journal, and which of the messages under its key it was. */
export interface Decided {
  readonly row: AuthorizationRow
  readonly sent: Sent
  readonly businessDate: number
  readonly answer: Readonly<Record<string, string>>
}

/** A message, and what the switch posted for it. */
interface Posted {
  readonly sent: Sent
  readonly row: AuthorizationRow
  readonly transfers: readonly TransferRow[]
}

/** What is posted is what was approved. */
export function checkGroup(books: Books, batch: Batch, posted: Posted): void {
  const { sent, row, transfers } = posted
  const said = `#${sent.number} ${sent.kind} ${row.result}, ${row.approvedAmount}`
  const held = batch.holds.find(({ id }) => id === row.id)
  const isApprovedRow = isApproved(row.responseCode)
  if (!isApprovedRow && (transfers.length > 0 || held !== undefined || row.approvedAmount > 0)) {
    throw new Violation('a decline posts nothing', said)
  }
  if (!isApprovedRow) return
  const sum = (wanted: (row: TransferRow) => boolean) =>
    transfers.reduce((total, one) => (wanted(one) ? total + one.amount : total), 0)
  const household = sent.household?.id ?? 0
  const isOthers = ({ debit, credit }: TransferRow) => isForeign(debit, household) || isForeign(credit, household)
  if (transfers.some(isOthers)) throw new Violation('only the holder’s accounts move', said)
  if (sent.kind === 'hold' && held?.amount !== row.approvedAmount)
    throw new Violation('an approval holds its amount', said)
  if (['purchase', 'cash', 'deposit'].includes(sent.kind) && sum(({ kind }) => kind < 25) !== row.approvedAmount) {
    throw new Violation('an approval posts its amount', said)
  }
  checkReturn(books, batch, posted)
  if (sent.kind === 'bread' || sent.kind === 'bread-days' || sent.kind === 'bread-offline') {
    const loaves = [...loavesOf(transfers, household).values()].reduce((total, one) => total + one, 0)
    if (loaves !== sent.quantity) throw new Violation('an approval posts its amount', `${said}: ${loaves} loaves`)
  }
  if (sent.kind === 'ration' || sent.kind === 'points') {
    const goods = sum(({ kind }) => kind === 2 || kind === 10)
    if (goods !== row.approvedAmount) throw new Violation('an approval posts its amount', `${said}: ${goods}`)
  }
}

/** A reversal gives back, or sets free, what it says. */
function checkReturn(books: Books, batch: Batch, { sent, row, transfers }: Posted): void {
  const isReversal = sent.kind === 'reversal' || sent.kind === 'partial-reversal'
  const original = row.originalId === undefined ? undefined : books.byId.get(row.originalId)?.row
  if (!isReversal || original === undefined || !['hold', 'purchase', 'cash'].includes(sent.original?.kind ?? '')) return
  const freed = batch.holdEvents.reduce((sum, one) => (one.byId === row.id ? sum + one.released : sum), 0)
  const back = transfers.reduce((sum, one) => (one.kind === 17 ? sum + one.amount : sum), 0)
  if (freed + back === row.approvedAmount) return
  const said = `#${sent.number} ${sent.kind} of ${row.approvedAmount}`
  throw new Violation('a reversal gives back what it says', `${said}: ${back} back and ${freed} set free`)
}

/** The balances that an answer tells are those that there are. */
export function checkTold(books: Books, { household, kind, intent }: Sent, told: string | undefined): void {
  if (told === undefined || household === undefined) return
  if (!['inquiry', 'purchase', 'cash', 'deposit', 'hold'].includes(kind)) return
  for (let at = 0; at + 20 <= told.length; at += 20) {
    const group = told.slice(at, at + 20)
    if (!group.startsWith('2002')) continue
    const amount = Number(group.slice(8)) * (group[7] === 'D' ? -1 : 1)
    const money = books.money(household.id)
    if (amount !== money) {
      throw new Violation(
        'answers tell the balances that there are',
        `${intent.mti} ${kind} tells ${amount}, there are ${money}`,
      )
    }
  }
}

/** Every answer to a message is the one that the journal has. */
export function checkSame(sent: Sent, answer: Answer, { row, answer: kept }: Decided, where: string): void {
  if (row.amount !== sent.amountPiasters) {
    throw new Violation('another content is never taken for a repeat', `${where} is answered ${answer.code}`)
  }
  if (answer.code === '10' && Number(answer.own[4]) !== row.approvedAmount) {
    throw new Violation(
      'an answer tells what was approved',
      `${where}: ${answer.own[4]}, ${row.approvedAmount} in the journal`,
    )
  }
  for (const de of ['38', '39', '48', '54']) {
    const said = answer.own[de]?.trim()
    const expected = kept[de]?.trim()
    if (said === expected) continue
    throw new Violation(
      'a repeat gets the first answer',
      `${where}: field ${de} is ${said}, the journal has ${expected}`,
    )
  }
}

function isForeign(account: number, household: number): boolean {
  const kind = Math.floor(account / 100_000_000_000)
  const isOwned = Math.floor(kind / 1_000) === 1 || kind === 6_001
  return isOwned && account % 100_000_000_000 !== household
}
