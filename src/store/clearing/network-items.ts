import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import type { KnownCard } from './network-candidates.ts'

/**
 * What becomes of a transaction of an incoming file. `noted` are those that move no money: totals, acknowledgements.
 */
export const networkItemStates = [
  'posting',
  'matched',
  'forced',
  'exception',
  'duplicate',
  'rejected',
  'disputed',
  'noted',
] as const
export type NetworkItemState = (typeof networkItemStates)[number]

/** What a transaction of the network's files says. */
export interface PresentedFields {
  readonly transactionCode: string
  /** 1 for the first presentment, 2 for one that answers a chargeback. */
  readonly usage: string
  /** Acquirer reference number, 23 digits, or ''. */
  readonly arn: string
  /** The network's transaction identifier, 15 digits, or ''. */
  readonly transactionId: string
  /** Six characters, or ''. */
  readonly authorizationCode: string
  /** Film locator of the ARN: the last eleven digits of the RRN, where the acquirer puts it there. */
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  /** In the account's currency. */
  readonly amountPiasters: number
  readonly currency: string
  /** Undefined when it is no date. */
  readonly purchaseDate: CivilDate | undefined
}

/** A row of the register of incoming transactions, before anything is posted for it. */
export interface NewNetworkItem extends PresentedFields {
  readonly fileId: number
  readonly number: number
  readonly record: number
  readonly card: KnownCard | undefined
  /** Of a card that is not known. */
  readonly panMasked: string
  readonly clearingSequence: number
  readonly clearingCount: number
  readonly reasonCode: string
  readonly rule: string | undefined
  readonly confidence: number | undefined
  readonly outcome: string | undefined
  readonly flags: readonly string[]
  readonly authorization: { readonly id: number; readonly businessDate: CivilDate } | undefined
  readonly postedId: number | undefined
  readonly postingReference: string | undefined
  readonly state: NetworkItemState
  readonly reason: string | undefined
  readonly detail: string | undefined
  /** Of an item that posts nothing. */
  readonly businessDate: CivilDate | undefined
  /** The command that posts it. */
  readonly command: Readonly<Record<string, unknown>> | undefined
}

const itemColumns = `file_id, number, record, transaction_code, usage, arn, lane, household_id, card_id, pan_masked,
  transaction_id, authorization_code, rrn, terminal, acceptor, mcc, amount_piasters, currency, purchase_date,
  clearing_sequence, clearing_count, reason_code, rule, confidence, outcome, flags, authorization_id, authorization_date,
  command_id, posted_id, posting_reference, state, reason, detail, business_date`

/**
 * Registers items and asks the writers for their postings, both or neither: run it in a transaction. Commands of a lane
 * have their key from the item's own name, so that none is ever asked for twice.
 */
export async function addItems(
  client: Queryable,
  items: readonly NewNetworkItem[],
  requestedBy: string,
): Promise<void> {
  const asking = items.filter(({ command }) => command !== undefined)
  const commands = new Map<string, string>()
  if (asking.length > 0) {
    const { rows } = await client.query<{ id: string; key: string }>(
      `insert into command_inbox (lane, kind, card_id, household_id, detail, requested_by, idempotency_key)
       select c.lane, 'presentment', c.card_id, c.household_id, c.detail::jsonb, $1, c.key
       from unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
         with ordinality c(lane, card_id, household_id, detail, key, ordinal)
       order by c.lane, c.ordinal
       returning id, idempotency_key as key`,
      [
        requestedBy,
        asking.map(({ card }) => card?.lane ?? 0),
        asking.map(({ card }) => card?.id ?? null),
        asking.map(({ card }) => card?.householdId ?? null),
        asking.map(({ command }) => JSON.stringify(command)),
        asking.map(keyOfItem),
      ],
    )
    for (const { id, key } of rows) commands.set(key, id)
  }
  const rows = items.map((item) => [
    item.fileId,
    item.number,
    item.record,
    item.transactionCode,
    item.usage,
    item.arn,
    item.card?.lane ?? null,
    item.card?.householdId ?? null,
    item.card?.id ?? null,
    item.card?.panMasked ?? item.panMasked,
    item.transactionId,
    item.authorizationCode,
    item.rrn,
    item.terminal,
    item.acceptor,
    item.mcc,
    item.amountPiasters,
    item.currency,
    item.purchaseDate === undefined ? null : formatDate(item.purchaseDate),
    item.clearingSequence,
    item.clearingCount,
    item.reasonCode,
    item.rule ?? null,
    item.confidence ?? null,
    item.outcome ?? null,
    item.flags,
    item.authorization?.id ?? null,
    item.authorization === undefined ? null : formatDate(item.authorization.businessDate),
    item.command === undefined ? null : (commands.get(keyOfItem(item)) ?? null),
    item.postedId ?? null,
    item.postingReference ?? null,
    item.state,
    item.reason ?? null,
    item.detail ?? null,
    item.businessDate === undefined ? null : formatDate(item.businessDate),
  ])
  await client.query(
    `insert into network_item (${itemColumns})
     select r.file_id, r.number, r.record, r.transaction_code, r.usage, r.arn, r.lane, r.household_id, r.card_id, r.pan_masked,
            r.transaction_id, r.authorization_code, r.rrn, r.terminal, r.acceptor, r.mcc, r.amount_piasters, r.currency,
            r.purchase_date, r.clearing_sequence, r.clearing_count, r.reason_code, r.rule, r.confidence, r.outcome,
            array(select jsonb_array_elements_text(r.flags)), r.authorization_id, r.authorization_date, r.command_id,
            r.posted_id, r.posting_reference, r.state, r.reason, r.detail, r.business_date
     from jsonb_to_recordset($1::jsonb) r(file_id bigint, number integer, record bigint, transaction_code text, usage text,
       arn text, lane smallint, household_id bigint, card_id bigint, pan_masked text, transaction_id text,
       authorization_code text, rrn text, terminal text, acceptor text, mcc text, amount_piasters bigint, currency text,
       purchase_date date, clearing_sequence smallint, clearing_count smallint, reason_code text, rule text,
       confidence smallint, outcome text, flags jsonb, authorization_id bigint, authorization_date date, command_id bigint,
       posted_id bigint, posting_reference text, state text, reason text, detail text, business_date date)`,
    [JSON.stringify(rows.map(objectOf))],
  )
}

const names = itemColumns.split(',').map((name) => name.trim())

function objectOf(values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}

function keyOfItem({ fileId, number }: NewNetworkItem): string {
  return `presentment:${fileId}:${number}`
}
