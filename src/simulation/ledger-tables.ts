import type { CivilDate } from '../calendar.ts'
import type { Card, Household, HouseholdTerm, Usage, UsedAssertion } from '../card/household.ts'
import type { HoldEnding } from '../ledger/transfer.ts'
import type {
  AuthorizationRow,
  Batch,
  CommandRow,
  HoldEventRow,
  HoldRow,
  JournalContent,
  TransferRow,
} from '../store/batch.ts'
import type { InboxCommand } from '../store/command-inbox.ts'

/** A balance as the journal's database holds it. */
export interface BalanceEntry {
  readonly householdId: number
  readonly account: number
  readonly period: number
  posted: number
  held: number
}

/** A household as the journal's database holds it, without what other tables say. */
export interface HouseholdEntry {
  readonly id: number
  readonly lane: number
  readonly governorate: string
  readonly classes: readonly string[]
  terms: readonly HouseholdTerm[]
  closedMonth: number
  oldRationCard: Household['oldRationCard']
  cash: { day: number; withdrawn: number; withdrawals: number }
  readonly cards: Card[]
  readonly balances: Map<string, BalanceEntry>
  readonly usages: Map<string, Usage>
  readonly assertions: UsedAssertion[]
  readonly authorizations: AuthorizationEntry[]
}

/** A row of the journal with its group. */
export interface AuthorizationEntry {
  readonly row: AuthorizationRow
  readonly lane: number
  readonly businessDate: CivilDate
  readonly entitlementDate: CivilDate
  readonly transfers: readonly TransferRow[]
}

export interface HoldEntry {
  readonly row: HoldRow
  readonly lane: number
  readonly events: HoldEventRow[]
  ending: HoldEnding | undefined
}

export interface LaneEntry {
  epoch: number
  lastSeq: number
  lastHash: Buffer
  nextId: number
  openDate: CivilDate
}

export interface CommandEntry {
  readonly command: InboxCommand
  outcome: string | undefined
}

/** A batch that is durable. */
export interface KeptBatch {
  readonly content: JournalContent
  readonly batch: Batch
  readonly hash: Buffer
}

/** The tables of a journal in memory: what a database would hold, with an index for each way in which it is read. */
export class LedgerTables {
  readonly lanes = new Map<number, LaneEntry>()
  readonly households = new Map<number, HouseholdEntry>()
  readonly householdOfCard = new Map<string, HouseholdEntry>()
  /** By lane and key: one for a business date. */
  readonly byKey = new Map<string, AuthorizationEntry[]>()
  readonly byId = new Map<number, AuthorizationEntry>()
  readonly byOriginal = new Map<number, AuthorizationEntry[]>()
  /** Reversals whose original had not come, by lane and the key that they name. */
  readonly orphans = new Map<string, AuthorizationEntry[]>()
  readonly authorizations: AuthorizationEntry[] = []
  readonly holds = new Map<number, HoldEntry>()
  readonly shared = new Map<string, number>()
  readonly commandRows: CommandRow[] = []
  readonly inbox: CommandEntry[] = []
  readonly batches: KeptBatch[] = []
}

export function balanceKey(account: number, period: number): string {
  return `${account}:${period}`
}

export function pushTo<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
