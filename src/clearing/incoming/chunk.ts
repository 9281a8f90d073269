import { addDays, type CivilDate, parseDate } from '../../calendar.ts'
import { approvalCode } from '../../identifiers.ts'
import type { Queryable } from '../../store/access-pool.ts'
import {
  type CandidateRow,
  candidatesOf,
  cardsByIndex,
  type EarlierRow,
  itemsByReference,
  type KnownCard,
} from '../../store/clearing/network-candidates.ts'
import type { NewNetworkItem } from '../../store/clearing/network-items.ts'
import { draftItem, plainItem } from './item-rows.ts'
import { type IncomingPolicy, judge, type Verdict } from './judge.ts'
import { type Candidate, type ClearedPart, creditTypes, type Earlier, type Presentment } from './presentment.ts'
import type { Incoming } from './transaction.ts'

/** What judging a chunk needs beside the chunk. */
export interface ChunkContext {
  readonly client: Queryable
  readonly fileId: number
  readonly today: CivilDate
  readonly policy: IncomingPolicy
  /** Identifier of this centre in the network's files. */
  readonly processingBin: string
  /** Of an item that is judged again: its number in the file, and the command that was refused for it. */
  readonly again?: { readonly number: number; readonly after: number | undefined } | undefined
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

/** Judges the transactions of a chunk in their order. What depends on an item that is under way ends it. */
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
    const before = (earlier.get(item.arn) ?? []).filter((one) => !isItself(one, context))
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
    if (isOpen(verdict)) break
    const row = draftItem(
      incoming,
      { card, verdict, originalOf: (id) => known.row(id), after: context.again?.after },
      context,
    )
    items.push(row)
    if (row.state !== 'duplicate') earlier.set(item.arn, [...before, asEarlier(row)])
    if (row.authorization !== undefined && row.state !== 'exception' && row.state !== 'duplicate') {
      known.clear(row.authorization.id, item)
    }
  }
  return { items, taken: items.length }
}

/** An item that is judged again is none that came before it. */
function isItself({ fileId, number }: EarlierRow, context: ChunkContext): boolean {
  return fileId === context.fileId && number === context.again?.number
}

/** Whether a verdict against an item goes by one that is under way: that may be refused yet, or taken back. */
function isOpen(verdict: Verdict): boolean {
  if (verdict.action !== 'duplicate' && verdict.action !== 'exception') return false
  return verdict.match?.candidate.cleared.some(({ isUnderWay }) => isUnderWay) === true
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
      const cleared = row.cleared.map(([arn, sequence, count, piasters, isUnderWay]) => ({
        arn,
        sequence,
        count,
        piasters,
        isUnderWay,
      }))
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

  /**
   * Notes what this chunk clears of an authorization; a credit, or what names a row that is none of them, clears
   * nothing.
   */
  clear(id: number, { arn, clearing, amountPiasters, transactionCode }: Presentment): void {
    const isCredit = creditTypes.includes(this.#rows.get(id)?.transactionType ?? '')
    if ((transactionCode === '06') !== isCredit) return
    this.#cleared.get(id)?.push({ arn, ...clearing, piasters: amountPiasters, isUnderWay: true })
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
    captures: row.captures.map(([id, businessDate, piasters]) => ({
      id,
      businessDate: parseDate(businessDate),
      piasters,
    })),
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
    dispute: undefined,
  }
}
