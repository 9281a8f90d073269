import { formatDate } from '../calendar.ts'
import { isHouseholdAccount, ownerOf } from '../ledger/accounts.ts'
import type {
  AssertionRow,
  AuthorizationRow,
  BalanceRow,
  Batch,
  CardCounterRow,
  CardStatusRow,
  ChangeRow,
  ClosingRow,
  CodeRow,
  CommandDoneRow,
  CommandRow,
  ForwardRow,
  HoldEventRow,
  HoldRow,
  JournalContent,
  NotificationRow,
  TransferRow,
  UsageRow,
} from './batch.ts'
import { int8Array } from './binary-arrays.ts'
import type { Client } from './connection.ts'
import { RowWriter } from './row-writer.ts'

/** Row types of `commit_batch`, as schemas/sql/0002-writer.sql declares them. */
const rowTypes = [
  'authorization_row',
  'command_row',
  'transfer_row',
  'balance_row',
  'hold_row',
  'hold_event_row',
  'cash_row',
  'card_counter_row',
  'assertion_row',
  'card_status_row',
  'command_done_row',
  'usage_row',
  'notification_row',
  'closing_row',
  'change_row',
  'forward_row',
  'one_time_code_row',
] as const

/** Numbers of the row types in one database. */
export type RowTypeOids = Readonly<Record<(typeof rowTypes)[number], number>>

/** Asks a database for the numbers of the row types. */
export async function readRowTypes(client: Client): Promise<RowTypeOids> {
  const { rows } = await client.query<{ name: string; oid: number }>(
    'select n as name, n::regtype::oid as oid from unnest($1::text[]) n',
    [rowTypes],
  )
  return Object.fromEntries(rows.map(({ name, oid }) => [name, Number(oid)])) as RowTypeOids
}

export const commitText = `select commit_batch(${Array.from({ length: 28 }, (_, i) => `$${i + 1}`).join(', ')}) as done`

/** The journal rows of a batch as arrays of their row types. */
export interface JournalArrays {
  readonly authorizations: Buffer
  readonly commands: Buffer
  readonly transfers: Buffer
  readonly holds: Buffer
  readonly holdEvents: Buffer
}

/**
 * Writes batches as PostgreSQL reads them. Each table has a buffer of its own that is kept: what is returned is good
 * until the next batch, which is when the statement that carries it has been answered.
 */
export class BatchEncoder {
  readonly #oids: RowTypeOids
  readonly #authorizations = new RowWriter()
  readonly #commands = new RowWriter()
  readonly #transfers = new RowWriter()
  readonly #holds = new RowWriter()
  readonly #holdEvents = new RowWriter()
  readonly #changedBalances = new RowWriter()
  readonly #openedBalances = new RowWriter()
  readonly #cashUsages = new RowWriter()
  readonly #cardCounters = new RowWriter()
  readonly #assertions = new RowWriter()
  readonly #cardStatuses = new RowWriter()
  readonly #commandsDone = new RowWriter()
  readonly #usages = new RowWriter()
  readonly #notifications = new RowWriter()
  readonly #closings = new RowWriter()
  readonly #changes = new RowWriter()
  readonly #forwards = new RowWriter()
  readonly #codes = new RowWriter()

  constructor(oids: RowTypeOids) {
    this.#oids = oids
  }

  /** The journal rows of a batch. */
  journal(content: JournalContent): JournalArrays {
    const oids = this.#oids
    return {
      authorizations: this.#authorizations.array(oids.authorization_row, 30, content.authorizations, putAuthorization),
      commands: this.#commands.array(oids.command_row, 5, content.commands, putCommand),
      transfers: this.#transfers.array(oids.transfer_row, 7, content.transfers, putTransfer),
      holds: this.#holds.array(oids.hold_row, 8, content.holds, putHold),
      holdEvents: this.#holdEvents.array(oids.hold_event_row, 6, content.holdEvents, putHoldEvent),
    }
  }

  /** Parameters of `commit_batch` for a batch, its journal rows and its hash. */
  parameters(batch: Batch, journal: JournalArrays, hash: Buffer): unknown[] {
    const oids = this.#oids
    const changed = [...batch.changedBalances]
    for (const [account, posted] of batch.sharedBalances) changed.push({ account, period: 0, posted, held: 0 })
    return [
      batch.lane,
      batch.epoch,
      batch.seq,
      hash,
      new Date(batch.atMs),
      batch.firstId,
      batch.nextId,
      formatDate(batch.businessDate),
      formatDate(batch.entitlementDate),
      journal.authorizations,
      journal.commands,
      journal.transfers,
      this.#changedBalances.array(oids.balance_row, 5, changed, putBalance),
      this.#openedBalances.array(oids.balance_row, 5, batch.openedBalances, putBalance),
      journal.holds,
      journal.holdEvents,
      this.#cashUsages.array(oids.cash_row, 4, batch.cashUsages, putCashUsage),
      int8Array(batch.stopOldCards),
      this.#cardCounters.array(oids.card_counter_row, 5, batch.cardCounters, putCardCounter),
      this.#assertions.array(oids.assertion_row, 3, batch.assertions, putAssertion),
      this.#cardStatuses.array(oids.card_status_row, 2, batch.cardStatuses, putCardStatus),
      this.#commandsDone.array(oids.command_done_row, 3, batch.commandsDone, putCommandDone),
      this.#usages.array(oids.usage_row, 4, batch.usages, putUsage),
      this.#notifications.array(oids.notification_row, 3, batch.notifications, putNotification),
      this.#closings.array(oids.closing_row, 2, batch.closings, putClosing),
      this.#changes.array(oids.change_row, 2, batch.changes, putChange),
      this.#forwards.array(oids.forward_row, 6, batch.forwards, putForward),
      this.#codes.array(oids.one_time_code_row, 6, batch.codes, putCode),
    ]
  }
}

function putCommand(to: RowWriter, row: CommandRow): void {
  to.int8(row.id)
  to.text(row.kind)
  to.int8(row.householdId)
  to.int8(row.authorizationId)
  to.text(row.detail)
}

function putTransfer(to: RowWriter, row: TransferRow): void {
  to.int8(row.groupId)
  to.int2(row.leg)
  to.int2(row.kind)
  to.int8(row.debit)
  to.int8(row.credit)
  to.int8(row.amount)
  to.int4(row.period)
}

function putHold(to: RowWriter, row: HoldRow): void {
  to.int8(row.id)
  to.int8(row.householdId)
  to.int2(row.kind)
  to.int8(row.debit)
  to.int8(row.credit)
  to.int8(row.amount)
  to.int8(row.cashback)
  to.timestamp(row.expiresAtMs)
}

function putHoldEvent(to: RowWriter, row: HoldEventRow): void {
  to.int8(row.id)
  to.int8(row.byId)
  to.int8(row.captured)
  to.int8(row.cashback)
  to.int8(row.released)
  to.text(row.ending)
}

/** Shared accounts have household 0. */
function putBalance(to: RowWriter, row: BalanceRow): void {
  to.int8(isHouseholdAccount(row.account) ? ownerOf(row.account) : 0)
  to.int8(row.account)
  to.int4(row.period)
  to.int8(row.posted)
  to.int8(row.held)
}

function putCashUsage(to: RowWriter, row: Batch['cashUsages'][number]): void {
  to.int8(row.householdId)
  to.int4(row.day)
  to.int8(row.withdrawn)
  to.int4(row.withdrawals)
}

function putCardCounter(to: RowWriter, { cardId, counters, scriptPending }: CardCounterRow): void {
  to.int8(cardId)
  to.int4(counters.pinFailures)
  to.int4(counters.atc)
  to.int8(counters.atcSeen)
  to.text(scriptPending)
}

function putCardStatus(to: RowWriter, row: CardStatusRow): void {
  to.int8(row.cardId)
  to.text(row.status)
}

function putCommandDone(to: RowWriter, row: CommandDoneRow): void {
  to.int8(row.commandId)
  to.int8(row.doneId)
  to.text(row.outcome)
}

function putUsage(to: RowWriter, row: UsageRow): void {
  to.int8(row.householdId)
  to.int4(row.period)
  to.int4(row.counter)
  to.int8(row.used)
}

function putNotification(to: RowWriter, row: NotificationRow): void {
  to.int8(row.householdId)
  to.text(row.template)
  to.text(row.detail)
}

function putClosing(to: RowWriter, row: ClosingRow): void {
  to.int8(row.householdId)
  to.int4(row.month)
}

function putChange(to: RowWriter, row: ChangeRow): void {
  to.text(row.kind)
  to.text(row.payload)
}

function putForward(to: RowWriter, row: ForwardRow): void {
  to.int8(row.authorizationId)
  to.text(row.destination)
  to.text(row.kind)
  to.text(row.mti)
  to.int8(row.cardId)
  to.text(row.fields)
}

function putCode(to: RowWriter, { householdId, code }: CodeRow): void {
  to.int8(householdId)
  to.int8(code.factor)
  to.timestamp(code.expiresAtMs)
  to.int2(code.triesLeft)
  to.int4(code.day)
  to.int2(code.sent)
}

function putAssertion(to: RowWriter, row: AssertionRow): void {
  to.int8(row.householdId)
  to.text(row.nonce)
  to.timestamp(row.usedAtMs)
}

function putAuthorization(to: RowWriter, row: AuthorizationRow): void {
  to.int8(row.id)
  to.timestamp(row.receivedAtMs)
  to.text(row.link)
  to.text(row.mti)
  to.uuid(row.key)
  to.uuid(row.contentHash)
  to.text(row.acquirer)
  to.text(row.terminal)
  to.text(row.acceptor)
  to.int8(row.outletId)
  to.text(row.stan)
  to.text(row.transmission)
  to.text(row.rrn)
  to.text(row.networkReference)
  to.text(row.panMasked)
  to.int8(row.cardId)
  to.int8(row.householdId)
  to.text(row.transactionType)
  to.text(row.accountCode)
  to.text(row.mcc)
  to.int8(row.amount)
  to.int8(row.approvedAmount)
  to.text(row.result)
  to.text(row.responseCode)
  to.int8(row.originalId)
  to.uuid(row.originalKey)
  to.text(row.answer)
  to.text(row.trace)
  to.text(row.basket)
  to.text(row.schemeFacts)
}
