import { hash } from 'node:crypto'
import { type AccountNumber, classOf } from '../ledger/accounts.ts'
import { EGP } from '../money.ts'
import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { keyOf } from './message-key.ts'
import { type AuthorizationRequest, type PresentmentFacts, unsaid } from './request.ts'
import { transactionTypes } from './routing.ts'

/** Name of the link under which the journal has what the network's clearing files brought. */
const CLEARING_LINK = 'clearing'

/** Account code of the postal account in DE3: a presentment never draws on, or pays into, anything else (M4). */
const POSTAL = '20'

/** What the network's clearing file says of a transaction, as it is asked to be posted. */
export interface PresentedTransaction extends PresentmentFacts {
  /** 1 for a first presentment. */
  readonly usage: string
  /** Type of DE3: that of the authorization which it matched. */
  readonly transactionType: string
  readonly amountPiasters: number
  readonly panMasked: string
  readonly transactionId: string
  readonly rrn: string
  readonly acquirer: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  /** MMDD. */
  readonly purchaseDate: string
  /** The command that was refused for it, where it is asked for again: that answer is then not repeated. */
  readonly again?: number | undefined
  readonly capture: { readonly sequence: number; readonly count: number } | undefined
}

/**
 * A presentment as the advice that it is: the outlet has given the goods or the cash, and tells of it. So holds end,
 * debts are made and limits count as for any advice. A reversal of one (25 to 27) is a reversal advice of the row that
 * posted it. The key is made of what names the item for good (reference number, code, usage, sequence): it is posted
 * once. Only what was refused may be asked for again, under a key of its own.
 */
export function presentedRequest(
  item: PresentedTransaction,
  panIndex: string,
  receivedAtMs: number,
): AuthorizationRequest {
  const isReversal = item.transactionCode.startsWith('2')
  const mti = isReversal ? '0420' : '0220'
  const transmission = `${item.purchaseDate}000000`
  const part = item.capture === undefined ? '' : String(item.capture.sequence)
  const again = item.again === undefined ? '' : `/${item.again}`
  const key = keyOf(CLEARING_LINK, item.arn, `${item.transactionCode}${item.usage}${part}${again}`, transmission, mti)
  const isRefund = item.transactionType === transactionTypes.refund
  return {
    ...unsaid,
    messageClass: isReversal ? 'reversal-advice' : 'financial-advice',
    mti,
    link: CLEARING_LINK,
    schemeRail: true,
    receivedAtMs,
    pan: item.panMasked,
    panIndex,
    transactionType: item.transactionType,
    fromAccount: isRefund ? '00' : POSTAL,
    toAccount: isRefund ? POSTAL : '00',
    amountPiasters: item.amountPiasters,
    stan: '',
    transmission,
    rrn: item.rrn,
    acquirer: item.acquirer,
    terminal: item.terminal,
    acceptor: item.acceptor,
    mcc: item.mcc,
    networkReference: item.transactionId,
    capture: item.capture,
    key,
    contentHash: contentHashOf(item, panIndex),
    presentment: item,
  }
}

function contentHashOf(item: PresentedTransaction, panIndex: string): string {
  const { transactionType, amountPiasters, acceptor, terminal, arn, transactionCode } = item
  const text = [panIndex, transactionType, amountPiasters, EGP, acceptor, terminal, arn, transactionCode].join('|')
  return hash('sha256', text, 'binary').slice(0, 16)
}

/**
 * Says in the trace where a posting comes from that no message asked for, and refuses one that would touch a subsidy
 * (M4): what drew on a wallet has no presentment, whatever a file says.
 */
export function checkPresentment(facts: PresentmentFacts, draft: DecisionDraft): Decision | undefined {
  const { item, transactionCode, arn, outcome, match, flags } = facts
  draft.note('clearing.presented', item, transactionCode, arn, outcome)
  if (match !== undefined) draft.note('clearing.matched', match.id, match.rule, match.confidence)
  if (flags.length > 0) draft.note('clearing.flagged', flags.join(', '))
  if (contradicts(transactionCode, draft.context.original)) {
    return draft.decline('invalid-transaction', 'clearing.contradicts', transactionCode)
  }
  const touched = draft.context.original?.transfers.some(({ debit, credit }) => isSubsidy(debit) || isSubsidy(credit))
  return touched === true
    ? draft.decline('subsidy-not-cash', 'subsidy.cash', transactionCode, 'the original')
    : undefined
}

const paysHousehold: readonly string[] = [transactionTypes.refund, transactionTypes.deposit]

/**
 * Whether a transaction code speaks against what it was matched to: a sale or cash is not of what paid the household,
 * nor taken back by the reversal of a credit. Whoever matched it, no money goes the wrong way.
 */
function contradicts(code: string, original: StoredAuthorization | undefined): boolean {
  if (original === undefined) return false
  const isCredit = paysHousehold.includes(original.transactionType)
  // A credit (06) names the purchase that it gives back, its reversal (26) the credit itself.
  return code === '26' ? !isCredit : isCredit
}

const subsidyClasses: readonly number[] = [1, 2, 3, 4, 5, 9]

function isSubsidy(account: AccountNumber): boolean {
  return subsidyClasses.includes(classOf(account))
}
