import type { CivilDate, CivilMonth } from '../calendar.ts'
import type { CardCounters } from '../card/card-counters.ts'
import type { CardScript, CardStatus, OneTimeCode, Usage, UsedAssertion } from '../card/household.ts'
import type { AccountNumber } from '../ledger/accounts.ts'

/** A row of the journal of authorizations: what was asked, what was decided and answered. */
export interface AuthorizationRow {
  readonly id: number
  readonly receivedAtMs: number
  readonly link: string
  readonly mti: string
  /** 16 bytes, latin1. */
  readonly key: string
  /** 16 bytes, latin1. */
  readonly contentHash: string
  readonly acquirer: string
  readonly terminal: string
  readonly acceptor: string
  readonly outletId: number | undefined
  readonly stan: string
  readonly transmission: string
  readonly rrn: string
  readonly networkReference: string
  readonly panMasked: string
  readonly cardId: number | undefined
  readonly householdId: number | undefined
  readonly transactionType: string
  readonly accountCode: string
  readonly mcc: string
  readonly amount: number
  readonly approvedAmount: number
  readonly result: string
  readonly responseCode: string
  readonly originalId: number | undefined
  readonly originalKey: string | undefined
  /** JSON of the answer's own fields. */
  readonly answer: string
  /** JSON of the decision trace. */
  readonly trace: string
  /** JSON of the lines of an item-level basket, as the view `basket_line` reads them. */
  readonly basket: string | undefined
  /** JSON of what only the scheme's clearing file needs; undefined but for approvals over its rail. */
  readonly schemeFacts: string | undefined
}

export interface TransferRow {
  readonly groupId: number
  readonly leg: number
  readonly kind: number
  readonly debit: number
  readonly credit: number
  readonly amount: number
  readonly period: number
}

export interface HoldRow {
  readonly id: number
  readonly householdId: number
  readonly kind: number
  readonly debit: number
  readonly credit: number
  readonly amount: number
  readonly cashback: number
  readonly expiresAtMs: number
}

/** What happened to a hold: captured or given free in part, or ended. */
export interface HoldEventRow {
  /** The hold. */
  readonly id: number
  /** The authorization or command that did it. */
  readonly byId: number
  readonly captured: number
  readonly cashback: number
  readonly released: number
  readonly ending: string | undefined
}

export interface CommandRow {
  readonly id: number
  readonly kind: string
  readonly householdId: number | undefined
  readonly authorizationId: number | undefined
  readonly detail: string
}

/** A balance of a household as it stands after a batch. */
export interface BalanceRow {
  readonly account: AccountNumber
  readonly period: number
  readonly posted: number
  readonly held: number
}

/** A card's counters, and the script that waits for it, as they stand after a batch. */
export interface CardCounterRow {
  readonly cardId: number
  readonly counters: CardCounters
  readonly scriptPending: CardScript | undefined
}

/** A card's status as it stands after a batch. */
export interface CardStatusRow {
  readonly cardId: number
  readonly status: CardStatus
}

/** What was used of something capped, as it stands after a batch. */
export interface UsageRow extends Usage {
  readonly householdId: number
}

/** What a household is to be told. */
export interface NotificationRow {
  readonly householdId: number
  /** Name of a template. */
  readonly template: string
  /** JSON of the template's figures. */
  readonly detail: string
}

/** A month of a household that a batch closes. */
export interface ClosingRow {
  readonly householdId: number
  readonly month: CivilMonth
}

/** A change beyond the ledger, carried out by `apply_change` in the same commit. */
export interface ChangeRow {
  readonly kind: string
  /** JSON. */
  readonly payload: string
}

/** A message of our own that a decision queues (`Forward`). */
export interface ForwardRow {
  readonly authorizationId: number
  readonly destination: string
  readonly kind: string
  readonly mti: string
  readonly cardId: number | undefined
  /** JSON, by data element. */
  readonly fields: string
}

/** A command of the inbox that a batch ends. */
export interface CommandDoneRow {
  readonly commandId: number
  /** Its row of the command journal, in the same batch. */
  readonly doneId: number
  readonly outcome: string
}

export interface AssertionRow extends UsedAssertion {
  readonly householdId: number
}

/** A household's one-time code as it stands after a batch. */
export interface CodeRow {
  readonly householdId: number
  readonly code: OneTimeCode
}

/** Everything that one commit makes durable. */
export interface Batch {
  readonly lane: number
  readonly seq: number
  readonly epoch: number
  readonly firstId: number
  readonly nextId: number
  readonly atMs: number
  readonly businessDate: CivilDate
  readonly entitlementDate: CivilDate
  readonly authorizations: readonly AuthorizationRow[]
  readonly commands: readonly CommandRow[]
  readonly transfers: readonly TransferRow[]
  readonly holds: readonly HoldRow[]
  readonly holdEvents: readonly HoldEventRow[]
  /** Balances of households that the database has, as they stand after the batch. */
  readonly changedBalances: readonly BalanceRow[]
  /** Those that it has not: periods and accounts that this batch is the first to touch. */
  readonly openedBalances: readonly BalanceRow[]
  /** Shared accounts' differences. */
  readonly sharedBalances: ReadonlyMap<AccountNumber, number>
  readonly cashUsages: readonly { householdId: number; day: number; withdrawn: number; withdrawals: number }[]
  readonly stopOldCards: readonly number[]
  readonly cardCounters: readonly CardCounterRow[]
  readonly assertions: readonly AssertionRow[]
  readonly cardStatuses: readonly CardStatusRow[]
  readonly commandsDone: readonly CommandDoneRow[]
  readonly usages: readonly UsageRow[]
  readonly notifications: readonly NotificationRow[]
  readonly closings: readonly ClosingRow[]
  readonly changes: readonly ChangeRow[]
  readonly forwards: readonly ForwardRow[]
  readonly codes: readonly CodeRow[]
  /** The first business day that is open after this batch, where it closes the one before. */
  readonly openDate?: CivilDate
}

/** What a batch holds besides its place and its moment, all of it empty: to be laid under what a batch does hold. */
export const noRows: Omit<
  Batch,
  'lane' | 'seq' | 'epoch' | 'firstId' | 'nextId' | 'atMs' | 'businessDate' | 'entitlementDate'
> = {
  authorizations: [],
  commands: [],
  transfers: [],
  holds: [],
  holdEvents: [],
  changedBalances: [],
  openedBalances: [],
  sharedBalances: new Map(),
  cashUsages: [],
  stopOldCards: [],
  cardCounters: [],
  assertions: [],
  cardStatuses: [],
  commandsDone: [],
  usages: [],
  notifications: [],
  closings: [],
  changes: [],
  forwards: [],
  codes: [],
}

/** The part of a batch that the hash chain covers: its head and its journal rows. */
export type JournalContent = Pick<
  Batch,
  | 'lane'
  | 'seq'
  | 'epoch'
  | 'firstId'
  | 'nextId'
  | 'atMs'
  | 'businessDate'
  | 'entitlementDate'
  | 'authorizations'
  | 'commands'
  | 'transfers'
  | 'holds'
  | 'holdEvents'
>
