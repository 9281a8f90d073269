import type { CivilDate } from '../../calendar.ts'
import { maskPan } from '../../identifiers.ts'
import { EGP } from '../../money.ts'
import type { CandidateRow, KnownCard } from '../../store/clearing/network-candidates.ts'
import type { NewNetworkItem } from '../../store/clearing/network-items.ts'
import { notInPounds, type Verdict } from './judge.ts'
import type { Incoming } from './transaction.ts'

/** What a row of the register says beside its transaction. */
export interface RowContext {
  readonly fileId: number
  /** Business date of what posts nothing. */
  readonly today: CivilDate
  /** Identifier of this centre in the network's files. */
  readonly processingBin: string
}

type Draft = Incoming & { readonly kind: 'draft' }

/** The row of what is no draft: what is kept of it, and nothing is posted but a fee. */
export function plainItem(
  incoming: Exclude<Incoming, Draft>,
  { fileId, today, processingBin }: RowContext,
): NewNetworkItem {
  const base = baseItem(incoming, undefined, fileId)
  const { kind, number } = incoming
  if (kind === 'fee' && incoming.item.currency !== EGP) {
    return { ...base, ...exceptionOf('currency', notInPounds(incoming.item.currency)), businessDate: today }
  }
  if (kind === 'fee' && isOfOthers(incoming, processingBin)) {
    const words = `transaction code ${incoming.item.transactionCode} goes from ${incoming.source} to ${incoming.destination}, this centre is ${processingBin}`
    return { ...base, ...exceptionOf('contradiction', words), businessDate: today }
  }
  if (kind === 'fee') {
    return { ...base, outcome: 'fee', state: 'posting', postingReference: `network-fee:${fileId}:${number}` }
  }
  if (kind === 'total') return { ...base, outcome: 'total', state: 'noted', businessDate: today }
  if (kind === 'acknowledgement') {
    const why = incoming.unknown === undefined ? undefined : exceptionOf('unknown-file', incoming.unknown)
    return { ...base, outcome: 'acknowledgement', state: 'noted', ...why, businessDate: today }
  }
  const reason = kind === 'return' ? 'returned' : kind === 'unreadable' ? 'unreadable' : 'unknown-code'
  const detail =
    kind === 'unreadable'
      ? incoming.words
      : kind === 'return'
        ? `item ${incoming.returned.itemNumber} of batch ${incoming.returned.batchNumber} came back: ${incoming.returned.reasons.join(', ')}`
        : `transaction code ${incoming.item.transactionCode} is not one that is known here`
  return {
    ...base,
    ...exceptionOf(reason, detail),
    ...(kind === 'return' ? { outcome: 'return' } : {}),
    ...(kind === 'unreadable' ? { state: 'rejected' } : {}),
    businessDate: today,
  }
}

/**
 * A fee or funds that is addressed to another centre, or that we would have sent ourselves: whose money it is, is not
 * known.
 */
function isOfOthers({ source, destination }: Incoming & { readonly kind: 'fee' }, processingBin: string): boolean {
  const isTold = (centre: string) => /[1-9]/.test(centre)
  return (isTold(destination) && destination !== processingBin) || (isTold(source) && source === processingBin)
}

const DETAIL_MAX = 300

function exceptionOf(reason: string, words: string): Pick<NewNetworkItem, 'state' | 'reason' | 'detail'> {
  return { state: 'exception', reason, detail: words.slice(0, DETAIL_MAX) }
}

function baseItem(incoming: Incoming, card: KnownCard | undefined, fileId: number): NewNetworkItem {
  const { number, record, pan, reasonCode, item } = incoming
  const { clearing, ...same } = item
  return {
    fileId,
    number,
    record,
    ...same,
    card,
    panMasked: pan === '' ? '' : maskPan(pan),
    clearingSequence: clearing.sequence,
    clearingCount: clearing.count,
    reasonCode,
    rule: undefined,
    confidence: undefined,
    outcome: undefined,
    flags: [],
    authorization: undefined,
    postedId: undefined,
    postingReference: undefined,
    state: 'exception',
    reason: undefined,
    detail: undefined,
    businessDate: undefined,
    command: undefined,
  }
}

/** How a draft was judged, and what of authorizations the writer is told besides. */
export interface Judged {
  readonly card: KnownCard | undefined
  readonly verdict: Verdict
  originalOf(id: number): CandidateRow | undefined
  /** The command that was refused for it, where it is judged again. */
  readonly after?: number | undefined
}

/** The row of a draft, and where it moves money what the writer of its lane is asked to decide. */
export function draftItem(incoming: Draft, judged: Judged, { fileId, today }: RowContext): NewNetworkItem {
  const { card, verdict } = judged
  const base = baseItem(incoming, card, fileId)
  switch (verdict.action) {
    case 'post': {
      const item = { ...base, ...matched(verdict), outcome: verdict.outcome, state: 'posting' } as const
      return { ...item, command: commandOf(incoming, item, judged) }
    }
    case 'settled': {
      const { candidate } = verdict.match
      const item = { ...base, ...matched(verdict), outcome: 'posted-before', state: 'matched' } as const
      const { captures, postedPiasters } = candidate
      const capture = captures.findLast(({ piasters }) => piasters === postedPiasters) ?? captures.at(-1)
      return { ...item, postedId: (capture ?? candidate).id, businessDate: today, detail: 'a message had posted it' }
    }
    case 'reverse': {
      const { of } = verdict
      const item = { ...base, outcome: 'reversal', rule: 'reference-number', confidence: 100 } as const
      if (of.posted === undefined) {
        return { ...item, state: 'matched', businessDate: today, detail: 'what it takes back was not posted' }
      }
      const posting = { ...item, authorization: of.posted, state: 'posting' } as const
      return { ...posting, command: commandOf(incoming, posting, judged) }
    }
    case 'represent': {
      const reference = `dispute:${verdict.disputeId}:represented`
      const match = { rule: 'reference-number', confidence: 100 } as const
      return { ...base, ...match, outcome: 'representment', state: 'posting', postingReference: reference }
    }
    case 'duplicate':
      return {
        ...base,
        ...matched(verdict),
        state: 'duplicate',
        reason: 'duplicate',
        detail: verdict.words,
        businessDate: today,
      }
    case 'exception': {
      return { ...base, ...matched(verdict), ...exceptionOf(verdict.reason, verdict.words), businessDate: today }
    }
  }
}

function matched(verdict: Extract<Verdict, { match: unknown }>): Partial<NewNetworkItem> {
  const flags = 'flags' in verdict ? [...new Set(verdict.flags)] : []
  if (verdict.match === undefined) return { flags }
  const { candidate, rule, confidence } = verdict.match
  const { id, businessDate } = ('of' in verdict ? verdict.of : undefined) ?? candidate
  return { flags, rule, confidence, authorization: { id, businessDate } }
}

/** Types of DE3 by transaction code; a matched authorization has its own. */
const types: Readonly<Record<string, string>> = { '5': '00', '6': '20', '7': '01' }

/** What the writer is asked to decide (`PresentmentDetail` in src/writer/command-chore.ts). */
function commandOf(
  { item }: Draft,
  row: NewNetworkItem,
  { verdict, originalOf, after }: Judged,
): NewNetworkItem['command'] {
  const { authorization, rule = '', confidence = 0, flags, outcome = '' } = row
  const matchedTo = ('match' in verdict ? verdict.match?.candidate : undefined) ?? authorization
  const original = matchedTo === undefined ? undefined : originalOf(matchedTo.id)
  const isCredit = item.transactionCode === '06'
  const { sequence, count } = item.clearing
  const monthDay = item.purchaseDate === undefined ? '0101' : String(item.purchaseDate % 10_000).padStart(4, '0')
  return {
    item: `${row.fileId}:${row.number}`,
    arn: item.arn,
    code: item.transactionCode,
    usage: item.usage,
    type: (isCredit ? undefined : original?.transactionType) ?? types[item.transactionCode[1] ?? ''] ?? '00',
    piasters: item.amountPiasters,
    pan: row.card?.panMasked ?? '',
    transaction: item.transactionId,
    rrn: original?.rrn ?? item.rrn,
    acquirer: original?.acquirer ?? item.arn.slice(1, 7),
    terminal: item.terminal,
    // A credit goes back to where its purchase was made, which the network's identifier names.
    acceptor: isCredit && item.acceptor === '' ? (original?.acceptor ?? '') : item.acceptor,
    mcc: item.mcc,
    purchased: monthDay,
    ...(count > 1 ? { part: [sequence, count] } : {}),
    ...(after === undefined ? {} : { again: after }),
    outcome,
    ...(authorization === undefined ? {} : { match: [authorization.id, authorization.businessDate, rule, confidence] }),
    flags,
  }
}
