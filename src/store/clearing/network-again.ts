import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import { requestCommand } from '../command-requests.ts'
import { optionalNumber } from '../optional-number.ts'
import type { KnownCard } from './network-candidates.ts'
import type { NetworkItemState, NewNetworkItem, PresentedFields } from './network-items.ts'

/** An item as it stands, with what is needed to judge it again. */
export interface RegisteredItem {
  readonly fileId: number
  readonly number: number
  readonly record: number
  /** What it says. */
  readonly presented: PresentedFields & { readonly clearing: { readonly sequence: number; readonly count: number } }
  readonly reasonCode: string
  readonly state: NetworkItemState
  readonly reason: string | undefined
  readonly detail: string | undefined
  /** Row of the journal that holds its money. */
  readonly postedId: number | undefined
  /** The command that was to post it and was refused. */
  readonly commandId: number | undefined
  /** The keyed hash of the card's number goes with it. */
  readonly card: (KnownCard & { readonly panIndex: string }) | undefined
  /** Whether its file was dealt with to its end. */
  readonly isFileDone: boolean
}

interface Row {
  readonly record: string
  readonly transaction_code: string
  readonly usage: string
  readonly arn: string
  readonly lane: number | null
  readonly household_id: string
  readonly card_id: string
  readonly pan_masked: string
  readonly pan_index: Buffer
  readonly transaction_id: string
  readonly authorization_code: string
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  readonly amount_piasters: string
  readonly currency: string
  readonly purchase_date: string | null
  readonly clearing_sequence: number
  readonly clearing_count: number
  readonly reason_code: string
  readonly state: NetworkItemState
  readonly reason: string | null
  readonly detail: string | null
  readonly posted_id: string | null
  readonly command_id: string | null
  readonly file_state: string
}

/** Reads an item and holds it until the caller's transaction ends; undefined when there is none. */
export async function holdItem(client: Queryable, fileId: number, number: number): Promise<RegisteredItem | undefined> {
  const { rows } = await client.query<Row>(
    `select n.*, c.pan_index, f.state as file_state from network_item n
     join clearing_file f on f.id = n.file_id
     left join card c on c.lane = n.lane and c.id = n.card_id
     where n.file_id = $1 and n.number = $2 for update of n`,
    [fileId, number],
  )
  return rows[0] === undefined ? undefined : { fileId, number, ...itemOf(rows[0]) }
}

function itemOf(row: Row): Omit<RegisteredItem, 'fileId' | 'number'> {
  const { lane, pan_masked: panMasked } = row
  return {
    record: Number(row.record),
    presented: presentedOf(row),
    reasonCode: row.reason_code,
    state: row.state,
    reason: row.reason ?? undefined,
    detail: row.detail ?? undefined,
    postedId: optionalNumber(row.posted_id),
    commandId: optionalNumber(row.command_id),
    card:
      lane === null
        ? undefined
        : {
            ...{ lane, id: Number(row.card_id), householdId: Number(row.household_id), panMasked },
            panIndex: row.pan_index.toString('latin1'),
          },
    isFileDone: row.file_state !== 'received',
  }
}

function presentedOf(row: Row): RegisteredItem['presented'] {
  return {
    transactionCode: row.transaction_code,
    usage: row.usage,
    arn: row.arn,
    transactionId: row.transaction_id,
    authorizationCode: row.authorization_code,
    rrn: row.rrn,
    terminal: row.terminal,
    acceptor: row.acceptor,
    mcc: row.mcc,
    amountPiasters: Number(row.amount_piasters),
    currency: row.currency,
    purchaseDate: row.purchase_date === null ? undefined : parseDate(row.purchase_date),
    clearing: { sequence: row.clearing_sequence, count: row.clearing_count },
  }
}

/**
 * Notes how an item that was left to people was judged again, and asks the writer of its lane for its posting where it
 * has one. Run it in the transaction that holds the item.
 */
export async function noteJudgedAgain(
  client: Queryable,
  item: NewNetworkItem,
  { requestedBy, today }: { readonly requestedBy: string; readonly today: CivilDate },
): Promise<void> {
  const { fileId, number, command, card, authorization } = item
  const asked =
    command === undefined || card === undefined
      ? undefined
      : await requestCommand(client, {
          ...{ lane: card.lane, cardId: card.id, householdId: card.householdId },
          ...{ kind: 'presentment', detail: command, requestedBy },
          idempotencyKey: `presentment:${fileId}:${number}:${command.again ?? 0}`,
        })
  await client.query(
    `update network_item set state = 'posting', reason = null, detail = $3, rule = $4, confidence = $5, outcome = $6, flags = $7,
       authorization_id = $8, authorization_date = $9, command_id = $10, posted_id = $11
     where file_id = $1 and number = $2`,
    [
      fileId,
      number,
      item.detail ?? null,
      item.rule ?? null,
      item.confidence ?? null,
      item.outcome ?? null,
      item.flags,
      authorization?.id ?? null,
      authorization === undefined ? null : formatDate(authorization.businessDate),
      asked?.id ?? null,
      item.postedId ?? null,
    ],
  )
  if (asked !== undefined) return
  const done = [fileId, number, item.state, formatDate(item.businessDate ?? today)]
  await client.query('update network_item set state = $3, business_date = $4 where file_id = $1 and number = $2', done)
}
