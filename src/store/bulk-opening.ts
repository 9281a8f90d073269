import { civilDate, openBusinessDate } from '../calendar.ts'
import { assert } from '../errors.ts'
import { ID_STEP } from '../identifiers.ts'
import { type AccountNumber, moneyAccount, OWNER_SPAN, subsidyAccount } from '../ledger/accounts.ts'
import { transferKinds } from '../ledger/posting-rules.ts'
import { type BalanceRow, type Batch, type CommandRow, noRows, type TransferRow } from './batch.ts'
import type { HouseholdRecord } from './household-loader.ts'
import type { LanePosition } from './lane-journal.ts'

/** Postings of a batch that opens households. */
interface Opening {
  readonly transfers: TransferRow[]
  readonly openedBalances: BalanceRow[]
  readonly sharedBalances: Map<AccountNumber, number>
}

/**
 * The batch that opens households: a command of the journal each, opening money from the postal funds and grants from
 * their programme's funding. Pure.
 * @param position where the lane's journal stands
 */
export function openingBatch(
  households: readonly HouseholdRecord[],
  lane: number,
  position: LanePosition,
  time: { readonly nowMs: number; readonly cutoverMinutes: number },
): Batch {
  const { epoch, lastSeq, nextId: firstId } = position
  const commands: CommandRow[] = []
  const opening: Opening = { transfers: [], openedBalances: [], sharedBalances: new Map() }
  let id = firstId
  for (const household of households) {
    assert(household.id > 0 && household.id < OWNER_SPAN, 'a household number has at most 11 digits')
    const { terms, governorate } = household
    const detail = JSON.stringify({ members: terms.at(-1)?.members, terms, governorate })
    commands.push({ id, kind: 'household-opened', householdId: household.id, authorizationId: undefined, detail })
    open(household, id, opening)
    id += ID_STEP
  }
  return {
    lane,
    seq: lastSeq + 1,
    epoch,
    firstId,
    nextId: id,
    atMs: time.nowMs,
    businessDate: openBusinessDate(time.nowMs, time.cutoverMinutes, position.openDate),
    entitlementDate: civilDate(time.nowMs),
    ...noRows,
    commands,
    ...opening,
  }
}

/** Posts what a household opens with, as one group. */
function open(household: HouseholdRecord, groupId: number, opening: Opening): void {
  let leg = 0
  const share = (account: AccountNumber, amount: number) =>
    void opening.sharedBalances.set(account, (opening.sharedBalances.get(account) ?? 0) + amount)
  const post = (kind: number, debit: AccountNumber, credit: AccountNumber, amount: number, period: number) =>
    void opening.transfers.push({ groupId, leg: leg++, kind, debit, credit, amount, period })
  if (household.postalPiasters > 0) {
    const amount = household.postalPiasters
    const funds = moneyAccount('postalPool', 0)
    const account = moneyAccount('postalAccount', household.id)
    post(transferKinds.deposit, funds, account, amount, 0)
    share(funds, -amount)
    opening.openedBalances.push({ account, period: 0, posted: amount, held: 0 })
  }
  for (const { unit, programmeNumber, amount, period, lapsed } of household.grants) {
    const funding = subsidyAccount('funding', unit, programmeNumber, 0)
    const wallet = subsidyAccount('wallet', unit, programmeNumber, household.id)
    post(transferKinds.entitlementIssue, funding, wallet, amount, period)
    share(funding, -amount)
    opening.openedBalances.push({ account: wallet, period, posted: lapsed ? 0 : amount, held: 0 })
    if (!lapsed) continue
    const expired = subsidyAccount('expired', unit, programmeNumber, 0)
    post(transferKinds.entitlementExpiry, wallet, expired, amount, period)
    share(expired, amount)
  }
}
