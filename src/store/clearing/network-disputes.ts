import { addDays, type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { type AccountNumber, moneyAccount, ownerOf } from '../../ledger/accounts.ts'
import { EGP } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import { type NewCommand, requestCommand } from '../command-requests.ts'
import type { Client } from '../connection.ts'
import {
  type Dispute,
  type DisputeRow,
  type DisputeState,
  disputeColumns,
  disputeOf,
  readDispute,
} from './network-dispute-read.ts'
import { requestPostings } from './postings.ts'

/** What is asked for when a dispute is raised. */
export interface NewDispute {
  readonly fileId: number
  readonly number: number
  /** The network's reason, two digits. */
  readonly reasonCode: string
  readonly reason: string
  /** Part of the item that is disputed. @default all of it */
  readonly amountPiasters?: number | undefined
  /** Two people: who asks, and who agrees. */
  readonly raisedBy: string
  readonly approvedBy: string
  readonly nowMs: number
  readonly businessDate: CivilDate
}

/** Days in which the acquirer may present the item again. */
export const RESPONSE_DAYS = 30

interface ItemRow {
  readonly lane: number | null
  readonly household_id: string
  readonly card_id: string
  readonly arn: string
  readonly transaction_code: string
  readonly amount_piasters: string
  readonly transaction_id: string
  readonly authorization_code: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  readonly purchase_date: string | null
  readonly state: string
  readonly outcome: string | null
  readonly posted_id: string | null
  readonly currency: string
  readonly flags: string[]
}

/** Characters of why a dispute is raised. */
const REASON_MAX = 200

/**
 * Raises a dispute: the chargeback waits for the next file to the network, and is posted where the item is. Run it in a
 * transaction.
 * @throws MizanError NOT_FOUND, CONFLICT when the item cannot be disputed, BAD_INPUT
 */
export async function raiseDispute(client: Client, wanted: NewDispute): Promise<Dispute> {
  const { fileId, number, raisedBy, approvedBy, reason } = wanted
  if (raisedBy === approvedBy) throw new MizanError('BAD_INPUT', 'a dispute needs two people')
  if (reason === '' || reason.length > REASON_MAX) {
    throw new MizanError('BAD_INPUT', `the reason of a dispute has 1 to ${REASON_MAX} characters`)
  }
  const item = await holdItem(client, fileId, number)
  requireDisputable(item, fileId, number)
  const amountPiasters = disputedAmount(item, wanted)
  const posted = item.posted_id !== null
  if (posted) await requireOutstanding(client, { fileId, number, amountPiasters })
  const dispute = await addDispute(client, item, { ...wanted, amountPiasters })
  await addChargeback(client, item, dispute, wanted.businessDate)
  await client.query("update network_item set state = 'disputed' where file_id = $1 and number = $2", [fileId, number])
  await noteDisputeEvent(client, dispute.id, 'raised', `${raisedBy} + ${approvedBy}`, reason)
  if (posted) {
    const network = await schemeAccountOf(client, dispute)
    await requestPostings(client, {
      reference: `dispute:${dispute.id}:raised`,
      requestedBy: approvedBy,
      postings: [{ kind: 'chargeback', debit: network, credit: moneyAccount('disputes', 0), amountPiasters }],
    })
  }
  return dispute
}

/** Reads the item and holds it until the transaction ends. @throws MizanError NOT_FOUND */
async function holdItem(client: Client, fileId: number, number: number): Promise<ItemRow> {
  const { rows } = await client.query<ItemRow>(
    `select lane, household_id, card_id, arn, transaction_code, amount_piasters, transaction_id, authorization_code, terminal,
            acceptor, mcc, purchase_date, state, outcome, posted_id, currency, flags
     from network_item where file_id = $1 and number = $2 for update`,
    [fileId, number],
  )
  const [item] = rows
  if (item === undefined) throw new MizanError('NOT_FOUND', `file ${fileId} has no item ${number}`)
  return item
}

/** @throws MizanError BAD_INPUT when it is not a part of the item's amount */
function disputedAmount({ amount_piasters: whole }: ItemRow, { amountPiasters = Number(whole) }: NewDispute): number {
  if (amountPiasters > 0 && amountPiasters <= Number(whole)) return amountPiasters
  const words = `what is disputed is more than nothing, and no more than the item's ${whole} piasters`
  throw new MizanError('BAD_INPUT', words)
}

const chargebackCode = ({ transaction_code: code }: ItemRow) => `1${code[1]}`

/** @throws MizanError CONFLICT when the item was disputed before */
async function addDispute(
  client: Client,
  item: ItemRow,
  wanted: NewDispute & { readonly amountPiasters: number },
): Promise<Dispute> {
  const { fileId, number, amountPiasters, reasonCode, reason, raisedBy, approvedBy, nowMs, businessDate } = wanted
  const { rows } = await client.query<DisputeRow>(
    `insert into dispute (file_id, number, lane, household_id, card_id, arn, transaction_code, amount_piasters, reason_code,
       reason, posted, state, raised_by, approved_by, raised_at, respond_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'raised', $12, $13, $14, $15)
     on conflict (file_id, number) do nothing returning ${disputeColumns}`,
    [
      ...[fileId, number, item.lane, item.household_id, item.card_id, item.arn, chargebackCode(item), amountPiasters],
      ...[reasonCode, reason, item.posted_id !== null, raisedBy, approvedBy],
      ...[new Date(nowMs), formatDate(addDays(businessDate, RESPONSE_DAYS))],
    ],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('CONFLICT', `item ${number} of file ${fileId} was disputed before`)
  return disputeOf(row)
}

/** The chargeback waits for the next file to the network. */
async function addChargeback(client: Client, item: ItemRow, dispute: Dispute, businessDate: CivilDate): Promise<void> {
  const { id, amountPiasters, reasonCode } = dispute
  await client.query(
    `insert into outgoing_dispute_item (dispute_id, transaction_code, lane, card_id, arn, transaction_id, authorization_code,
       terminal, acceptor, mcc, amount_piasters, purchase_date, reason_code, message_text, business_date)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      ...[id, chargebackCode(item), item.lane, item.card_id, item.arn, item.transaction_id, item.authorization_code],
      ...[item.terminal, item.acceptor, item.mcc, amountPiasters, item.purchase_date, reasonCode],
      ...[`DISPUTE ${id}`, formatDate(businessDate)],
    ],
  )
}

function requireDisputable(item: ItemRow, fileId: number, number: number): void {
  const what = `item ${number} of file ${fileId}`
  if (item.transaction_code !== '05' && item.transaction_code !== '07') {
    throw new MizanError(
      'CONFLICT',
      `${what} has code ${item.transaction_code}: sales (05) and cash (07) can be disputed`,
    )
  }
  if (item.lane === null || item.purchase_date === null)
    throw new MizanError('CONFLICT', `${what} is on no card of ours`)
  // Its amount would stand among pounds.
  if (item.currency !== EGP)
    throw new MizanError('CONFLICT', `${what} is of currency ${item.currency}: only pounds (${EGP}) go back by a file`)
  if (!['matched', 'forced', 'exception'].includes(item.state) || item.flags.includes('reversed')) {
    throw new MizanError('CONFLICT', `${what} is ${item.flags.includes('reversed') ? 'reversed' : item.state}`)
  }
}

/**
 * What came back to its household by a reversal or a refund is not paid to it once more.
 * @throws MizanError CONFLICT
 */
async function requireOutstanding(
  client: Queryable,
  { fileId, number, amountPiasters }: Pick<Dispute, 'fileId' | 'number' | 'amountPiasters'>,
): Promise<void> {
  const { rows } = await client.query<{ left: string | null }>('select disputable_amount($1, $2) as left', [
    fileId,
    number,
  ])
  const left = Number(rows[0]?.left ?? 0)
  if (left >= amountPiasters) return
  const what = `${amountPiasters} piasters of item ${number} of file ${fileId}`
  throw new MizanError(
    'CONFLICT',
    `${what}: a reversal or a refund gave back all but ${left}, and they are not paid twice`,
  )
}

/** The account of the network that holds an item's money: that of its posting, else that of its acquirer. */
export async function schemeAccountOf(
  client: Queryable,
  { fileId, number, arn }: Pick<Dispute, 'fileId' | 'number' | 'arn'>,
): Promise<AccountNumber> {
  const { rows } = await client.query<{ credit: string }>(
    `select t.credit from network_item n
     join lateral (
       select t.credit from authorization_journal a
       join transfer t on t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id
       where a.id = n.posted_id and a.lane + 0 = n.lane and t.kind between 10 and 15 order by t.leg limit 1) t on true
     where n.file_id = $1 and n.number = $2`,
    [fileId, number],
  )
  const owner = rows[0] === undefined ? Number(arn.slice(1, 7)) : ownerOf(Number(rows[0].credit) as AccountNumber)
  return moneyAccount('schemeClearing', owner)
}

/** Adds to the history of a dispute. */
export async function noteDisputeEvent(
  client: Queryable,
  disputeId: number,
  event: string,
  actor: string,
  detail?: string,
  postedIds: readonly number[] = [],
): Promise<void> {
  await client.query(
    'insert into dispute_event (dispute_id, event, actor, detail, posted_ids) values ($1, $2, $3, $4, $5)',
    [disputeId, event, actor.slice(0, 160), detail?.slice(0, 300) ?? null, postedIds],
  )
}

/** What people do with a dispute that was raised. */
export type DisputeMove = 'credit' | 'accept' | 'lose' | 'withdraw'

/** Two people who agree on a move, and when. */
export interface DisputeMover {
  readonly actor: string
  readonly nowMs: number
  /** On which the file takes what goes to the network of an item that was never posted. */
  readonly businessDate: CivilDate
}

/**
 * What pays disputed money to its household (`credit`, provisionally; `accept`, for good) or takes it back (`lose`), or
 * gives the network its money again (`withdraw`; a credit is taken back with it), as a command of the household's own
 * lane. Undefined where no money moves: then the state has changed already. Run it in a transaction, which holds the
 * dispute.
 * @throws MizanError NOT_FOUND, CONFLICT
 */
export async function moveDispute(
  client: Client,
  id: number,
  what: DisputeMove,
  by: DisputeMover,
): Promise<Omit<NewCommand, 'requestedBy' | 'idempotencyKey'> | undefined> {
  await client.query('select from dispute where id = $1 for update', [id])
  const dispute = await readDispute(client, id)
  const { state, credited, posted, lane, householdId, cardId, amountPiasters } = dispute
  const from: readonly DisputeState[] = what === 'lose' ? ['represented'] : ['raised', 'sent']
  if (!from.includes(state)) {
    throw new MizanError('CONFLICT', `dispute ${id} is ${state}; this needs one that is ${from.join(' or ')}`)
  }
  if (what === 'credit' && (credited || !posted)) {
    throw new MizanError(
      'CONFLICT',
      credited ? `dispute ${id} is credited` : `the item of dispute ${id} was never posted`,
    )
  }
  if (what === 'accept' || what === 'withdraw') await requireUnanswered(client, id)
  const moves = posted && (what === 'withdraw' || (what === 'lose' ? credited : !credited))
  if (moves && (what === 'credit' || what === 'accept')) await requireOutstanding(client, dispute)
  if (moves) {
    const withdrawn = what === 'withdraw' ? { credited, network: await schemeAccountOf(client, dispute) } : {}
    const detail = { dispute: id, piasters: amountPiasters, what, ...withdrawn }
    return { lane, householdId, cardId, kind: 'dispute-credit', detail }
  }
  const to = what === 'accept' ? 'accepted' : what === 'lose' ? 'lost' : 'withdrawn'
  const { rowCount } = await client.query(
    'update dispute set state = $2, ended_at = $3 where id = $1 and state = $4 and credited = $5',
    [id, to, new Date(by.nowMs), state, credited],
  )
  if (rowCount !== 1) throw new MizanError('CONFLICT', `dispute ${id} has changed meanwhile`)
  await noteDisputeEvent(client, id, to, by.actor)
  if (to === 'withdrawn') {
    await client.query('select withdraw_chargeback($1, $2)', [id, formatDate(by.businessDate)])
  }
  return undefined
}

/**
 * The network gets its money by the answer: who ended the dispute besides would give it twice.
 * @throws MizanError CONFLICT
 */
async function requireUnanswered(client: Client, id: number): Promise<void> {
  const { rows } = await client.query<{ yes: boolean }>('select is_dispute_answered($1) as yes', [id])
  if (rows[0]?.yes !== true) return
  throw new MizanError('CONFLICT', `the acquirer has answered dispute ${id}: its answer is being taken`)
}

/** Asks the writer to move disputed money, in a transaction; see {@link moveDispute}. */
export async function requestDisputeMove(client: Client, id: number, what: DisputeMove, by: DisputeMover) {
  const command = await moveDispute(client, id, what, by)
  return command === undefined
    ? undefined
    : requestCommand(client, {
        ...command,
        requestedBy: by.actor.slice(0, 64),
        idempotencyKey: `dispute:${id}:${what}:${by.nowMs}`,
      })
}
