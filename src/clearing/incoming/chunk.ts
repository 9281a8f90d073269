import { addDays, type CivilDate } from '../../calendar.ts'
import { approvalCode, maskPan } from '../../identifiers.ts'
import type { Queryable } from '../../store/access-pool.ts'
import {
  type CandidateRow,
  candidatesOf,
  cardsByIndex,
  type EarlierRow,
  itemsByReference,
  type KnownCard,
  type NewNetworkItem,
} from '../../store/clearing/network-items.ts'
import { type IncomingPolicy, judge, type Verdict } from './judge.ts'
import type { Candidate, ClearedPart, Earlier, Presentment } from './presentment.ts'
import type { Incoming } from './transaction.ts'

/** What judging a chunk needs beside the chunk. */
export interface ChunkContext {
  readonly client: Queryable
  readonly fileId: number
  readonly today: CivilDate
  readonly policy: IncomingPolicy
  /** Keyed hash of a card's number. */
  panIndexOf(pan: string): string
}

/** Items to be registered, in order, and how many of the chunk they are of: the rest depends on them. */
export interface JudgedChunk {
  readonly items: readonly NewNetworkItem[]
  readonly taken: number
}

/** Authorizations are looked for so many days before the purchase: acquirers date it by their batch. */
const DAYS_BEFORE = 2
/** And at least so far back from today, so that a purchase date that is wrong does not hide them. */
const DAYS_BACK_LEAST = 10
const DAYS_BACK_MOST = 120

/** Judges drafts and fees of a chunk in their order. What depends on an item of the same chunk that is not posted yet ends it. */
export async function judgeChunk(chunk: readonly Incoming[], context: ChunkContext): Promise<JudgedChunk> {
  const { client, today, policy } = context
  const drafts = chunk.filter(({ kind }) => kind === 'draft')
  const indexes = new Map(drafts.map(({ pan }) => [pan, context.panIndexOf(pan)]))
  const cards = drafts.length === 0 ? new Map() : await cardsByIndex(client, [...new Set(indexes.values())])
  const cardOf = (pan: string): KnownCard | undefined => cards.get(indexes.get(pan) ?? '')
  const since = drafts.reduce(
    (first, { item }) => earlierOf(first, item.purchaseDate),
    addDays(today, -DAYS_BACK_LEAST),
  )
  const oldest = addDays(today, -DAYS_BACK_MOST)
  const known = new Candidates(
    await candidatesOf(client, [...new Set(cards.values())], since < oldest ? oldest : since),
  )
  const arns = drafts.map(({ item }) => item.arn).filter((arn) => arn !== '')
  const earlier = Map.groupBy(arns.length === 0 ? [] : await itemsByReference(client, arns), ({ arn }) => arn)
  const items: NewNetworkItem[] = []
  for (const incoming of chunk) {
    const { item } = incoming
    const before = earlier.get(item.arn) ?? []
    // What is under way has no row of the journal yet that could be taken back.
    if (before.some(({ state }) => state === 'posting') && incoming.kind === 'draft') break
    const card = cardOf(incoming.pan)
    if (incoming.kind !== 'draft') {
      items.push(plainItem(incoming, context))
      continue
    }
    const candidates = card === undefined ? [] : known.of(card.id)
    const verdict = judge(
      item,
      { today, card: card !== undefined, candidates, earlier: before.map(earlierItem) },
      policy,
    )
    const row = draftItem(incoming, card, verdict, known, context)
    items.push(row)
    if (row.state !== 'duplicate') earlier.set(item.arn, [...before, asEarlier(row)])
    if (row.authorization !== undefined && row.state !== 'exception' && row.state !== 'duplicate') {
      known.clear(row.authorization.id, item)
    }
  }
  return { items, taken: items.length }
}

function earlierOf(first: CivilDate, date: CivilDate | undefined): CivilDate {
  if (date === undefined) return first
  const from = addDays(date, -DAYS_BEFORE)
  return from < first ? from : first
}

/** Authorizations of the cards of a chunk, and what of them this chunk cleared already. */
class Candidates {
  readonly #byCard: Map<number, Candidate[]>
  readonly #rows: Map<number, CandidateRow>
  readonly #cleared = new Map<number, ClearedPart[]>()

  constructor(rows: readonly CandidateRow[]) {
    this.#rows = new Map(rows.map((row) => [row.id, row]))
    this.#byCard = new Map()
    for (const row of rows) {
      const cleared = row.cleared.map(([arn, sequence, count, piasters]) => ({ arn, sequence, count, piasters }))
      this.#cleared.set(row.id, cleared)
      const list = this.#byCard.get(row.cardId) ?? []
      list.push(candidateOf(row, cleared))
      this.#byCard.set(row.cardId, list)
    }
  }

  of(cardId: number): readonly Candidate[] {
    return this.#byCard.get(cardId) ?? []
  }

  row(id: number): CandidateRow | undefined {
    return this.#rows.get(id)
  }

  clear(id: number, { arn, clearing, amountPiasters }: Presentment): void {
    this.#cleared.get(id)?.push({ arn, ...clearing, piasters: amountPiasters })
  }
}

function candidateOf(row: CandidateRow, cleared: readonly ClearedPart[]): Candidate {
  const { id, businessDate, mti, transactionType, networkReference, rrn, terminal, acceptor } = row
  return {
    id,
    businessDate,
    mti,
    transactionType,
    networkReference,
    rrn,
    terminal,
    acceptor,
    approvalCode: approvalCode(id),
    approvedPiasters: row.approvedPiasters,
    date: row.date,
    hold: row.isHold ? { openPiasters: row.openPiasters, ending: row.ending } : undefined,
    postedPiasters: row.postedPiasters,
    cleared,
  }
}

function earlierItem({ arn: _, state: __, ...row }: EarlierRow): Earlier {
  return row
}

function asEarlier(row: NewNetworkItem): EarlierRow {
  const { arn, fileId, number, transactionCode, usage, clearingSequence: sequence, amountPiasters, state } = row
  return {
    arn,
    fileId,
    number,
    transactionCode,
    usage,
    sequence,
    amountPiasters,
    state,
    posted: undefined,
    disputeId: undefined,
  }
}

type Draft = Incoming & { readonly kind: 'draft' }

/** The row of what is no draft: what is kept of it, and nothing is posted but a fee. */
function plainItem(incoming: Exclude<Incoming, Draft>, { fileId, today }: ChunkContext): NewNetworkItem {
  const base = baseItem(incoming, undefined, fileId)
  const { kind, number } = incoming
  if (kind === 'fee') {
    return { ...base, outcome: 'fee', state: 'posting', postingReference: `network-fee:${fileId}:${number}` }
  }
  if (kind === 'total') return { ...base, outcome: 'total', state: 'noted', businessDate: today }
  if (kind === 'acknowledgement') return { ...base, outcome: 'acknowledgement', state: 'noted', businessDate: today }
  const reason = kind === 'return' ? 'returned' : kind === 'unreadable' ? 'unreadable' : 'unknown-code'
  const detail =
    kind === 'unreadable'
      ? incoming.words
      : kind === 'return'
        ? `item ${incoming.returned.itemNumber} of batch ${incoming.returned.batchNumber} came back: ${incoming.returned.reasons.join(', ')}`
        : `transaction code ${incoming.item.transactionCode} is not one that is known here`
  return {
    ...base,
    ...(kind === 'return' ? { outcome: 'return' } : {}),
    state: kind === 'unreadable' ? 'rejected' : 'exception',
    reason,
    detail: detail.slice(0, 300),
    businessDate: today,
  }
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

function draftItem(
  incoming: Draft,
  card: KnownCard | undefined,
  verdict: Verdict,
  known: Candidates,
  { fileId, today }: ChunkContext,
): NewNetworkItem {
  const base = baseItem(incoming, card, fileId)
  switch (verdict.action) {
    case 'post': {
      const item = { ...base, ...matched(verdict), outcome: verdict.outcome, state: 'posting' } as const
      return { ...item, command: commandOf(incoming, item, known) }
    }
    case 'settled': {
      const { candidate } = verdict.match
      const item = { ...base, ...matched(verdict), outcome: 'posted-before', state: 'matched' } as const
      return { ...item, postedId: candidate.id, businessDate: today, detail: 'a message had posted it' }
    }
    case 'reverse': {
      const { of } = verdict
      const item = { ...base, outcome: 'reversal', rule: 'reference-number', confidence: 100 } as const
      if (of.posted === undefined) {
        return { ...item, state: 'matched', businessDate: today, detail: 'what it takes back was not posted' }
      }
      const posting = { ...item, authorization: of.posted, state: 'posting' } as const
      return { ...posting, command: commandOf(incoming, posting, known) }
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
      const { reason, words } = verdict
      const item = { ...base, ...matched(verdict), state: 'exception', reason, detail: words.slice(0, 300) } as const
      return { ...item, businessDate: today }
    }
  }
}

function matched(verdict: Extract<Verdict, { match: unknown }>): Partial<NewNetworkItem> {
  const flags = 'flags' in verdict ? [...new Set(verdict.flags)] : []
  if (verdict.match === undefined) return { flags }
  const { candidate, rule, confidence } = verdict.match
  return { flags, rule, confidence, authorization: { id: candidate.id, businessDate: candidate.businessDate } }
}

/** Types of DE3 by transaction code; a matched authorization has its own. */
const types: Readonly<Record<string, string>> = { '5': '00', '6': '20', '7': '01' }

/** What the writer is asked to decide (`PresentmentDetail` in src/writer/command-chore.ts). */
function commandOf({ item }: Draft, row: NewNetworkItem, known: Candidates): NewNetworkItem['command'] {
  const { authorization, rule = '', confidence = 0, flags, outcome = '' } = row
  const original = authorization === undefined ? undefined : known.row(authorization.id)
  const { sequence, count } = item.clearing
  const monthDay = item.purchaseDate === undefined ? '0101' : String(item.purchaseDate % 10_000).padStart(4, '0')
  return {
    item: `${row.fileId}:${row.number}`,
    arn: item.arn,
    code: item.transactionCode,
    usage: item.usage,
    type: original?.transactionType ?? types[item.transactionCode[1] ?? ''] ?? '00',
    piasters: item.amountPiasters,
    pan: row.card?.panMasked ?? '',
    transaction: item.transactionId,
    rrn: original?.rrn ?? item.rrn,
    acquirer: original?.acquirer ?? item.arn.slice(1, 7),
    terminal: item.terminal,
    acceptor: item.acceptor,
    mcc: item.mcc,
    purchased: monthDay,
    ...(count > 1 ? { part: [sequence, count] } : {}),
    outcome,
    ...(authorization === undefined ? {} : { match: [authorization.id, authorization.businessDate, rule, confidence] }),
    flags,
  }
}
