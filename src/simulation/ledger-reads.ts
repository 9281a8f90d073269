import type { StoredAuthorization, StoredLine } from '../authorization/decision.ts'
import { isApproval, type Result } from '../authorization/result.ts'
import { usagesIn } from '../authorization/trace.ts'
import type { CivilDate, CivilMonth } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindOf } from '../ledger/posting-rules.ts'
import type { Balance, Hold, OpenHold, Transfer } from '../ledger/transfer.ts'
import { type BasketLineJson, basketLineOf } from '../store/authorization-json.ts'
import type { AuthorizationRow, HoldRow, TransferRow } from '../store/batch.ts'
import type { OriginalQuery, Prefetched, PrefetchQuery, StoredQuery } from '../store/prefetch.ts'
import { type Ledger, laneKey } from './ledger.ts'
import type { AuthorizationEntry, HoldEntry, HouseholdEntry, LedgerTables } from './ledger-tables.ts'

const DAY_DIGITS = 10_000_000
const SPAN_FIRST = 9_000_000
const ASSERTIONS_LOADED = 16

/** A household as a writer loads it: as `load_households` of the database does. */
export function loadHousehold(tables: LedgerTables, entry: HouseholdEntry, today: CivilDate): Household {
  const month = Math.floor(today / 100)
  const next = month % 100 === 12 ? month + 89 : month + 1
  const balances: Balance[] = []
  for (const { account, period, posted, held } of entry.balances.values()) {
    const isSpan = period > SPAN_FIRST && period < DAY_DIGITS
    const isDay = period >= month * 100 && period <= next * 100 + 99
    if (period === 0 || period === month || period === next || isDay || isSpan) {
      balances.push({ account: account as AccountNumber, period, posted, held })
    }
  }
  const holds: OpenHold[] = []
  for (const hold of tables.holds.values()) {
    if (hold.row.householdId === entry.id && hold.ending === undefined) holds.push(openHoldOf(hold))
  }
  const { day, withdrawn, withdrawals } = entry.cash
  const isCurrent = (period: number) =>
    [month, next, Math.floor(month / 100), Math.floor(next / 100)].includes(period) ||
    (period >= month * 100 && period <= next * 100 + 99)
  return {
    id: entry.id,
    governorate: entry.governorate,
    classes: entry.classes,
    terms: entry.terms.map((term) => ({ ...term })),
    closedMonth: entry.closedMonth as CivilMonth,
    oldRationCard: entry.oldRationCard,
    cards: entry.cards.map((card) => ({ ...card, counters: { ...card.counters } })),
    balances,
    holds,
    accountAt: 'local',
    oneTimeCode: undefined,
    exceptions: [],
    cashUsage: day === today ? { day: today, withdrawnPiasters: withdrawn, withdrawals } : undefined,
    usedAssertions: entry.assertions.slice(-ASSERTIONS_LOADED).map((one) => ({ ...one })),
    usages: [...entry.usages.values()].filter(({ period }) => isCurrent(period)).map((one) => ({ ...one })),
  }
}

/** What a batch needs to know: as `load_households_of` and `find_authorizations` of the database do. */
export function readPrefetch({ tables }: Ledger, lane: number, query: PrefetchQuery): Prefetched {
  const wanted = new Set<HouseholdEntry>()
  for (const panIndex of query.panIndexes) {
    const found = tables.householdOfCard.get(panIndex)
    if (found?.lane === lane) wanted.add(found)
  }
  for (const id of query.householdIds) {
    const found = tables.households.get(id)
    if (found?.lane === lane) wanted.add(found)
  }
  const previous = new Map<string, StoredAuthorization>()
  const reversedEarly = new Set<string>()
  for (const key of query.keys) {
    // Keys from ff on are of reversals that named no original by its key.
    const first = tables.byKey.get(laneKey(lane, key))?.find((one) => one.businessDate >= query.since)
    if (first !== undefined && key.charCodeAt(0) < 0xff) previous.set(key, describe(tables, first))
    const orphans = tables.orphans.get(laneKey(lane, key))
    if (orphans?.some((one) => one.businessDate >= query.since) === true) reversedEarly.add(key)
  }
  const originals = new Map<number, StoredAuthorization>()
  for (const [ordinal, original] of query.originals.entries()) {
    const found = findOriginal(tables, lane, original, query.since)
    if (found !== undefined) originals.set(ordinal, describe(tables, found))
  }
  for (const stored of query.stored) {
    const first = findStored(tables, stored)
    if (first !== undefined && !previous.has(stored.key)) previous.set(stored.key, describe(tables, first))
  }
  const households = [...wanted].map((entry) => loadHousehold(tables, entry, query.entitlementDate))
  // No presentments of a clearing file come here.
  return { households, previous, reversedEarly, originals, byId: new Map() }
}

/** The first of what a terminal stored, under whatever STAN it came: as `find_stored` does. */
function findStored(
  { householdOfCard }: LedgerTables,
  { panIndex, terminal, contentHash, since }: StoredQuery,
): AuthorizationEntry | undefined {
  const household = householdOfCard.get(panIndex)
  const card = household?.cards.find((one) => one.panIndex === panIndex)
  return household?.authorizations.find(
    ({ row, businessDate }) =>
      row.cardId === card?.id &&
      row.contentHash === contentHash &&
      row.terminal === terminal &&
      row.mti === '0220' &&
      isApproval(row.result as Result) &&
      businessDate >= since,
  )
}

/**
 * DE90's key first, then the scheme's reference, then card, RRN and outlet. Of several a completion means the hold, a
 * reversal by reference the one of its amount; else the last counts.
 */
function findOriginal(
  tables: LedgerTables,
  lane: number,
  query: OriginalQuery,
  since: CivilDate,
): AuthorizationEntry | undefined {
  const { key, panIndex, networkReference, rrn, acceptor, terminal, amount, completes, returned } = query
  const named = key === undefined ? [] : (tables.byKey.get(laneKey(lane, key)) ?? [])
  const byKey = named.filter((one) => one.businessDate >= since).at(-1)
  if (byKey !== undefined) return byKey
  const household = tables.householdOfCard.get(panIndex)
  const card = household?.cards.find((one) => one.panIndex === panIndex)
  const isReturned = ({ mti, transactionType, approvedAmount }: AuthorizationRow) =>
    transactionType === '20' && mti.startsWith('01') && approvedAmount === returned
  const own = (household?.authorizations ?? []).filter(
    ({ row, businessDate }) =>
      row.cardId === card?.id &&
      !row.mti.startsWith('04') &&
      (row.transactionType !== '20' || isReturned(row)) &&
      businessDate >= since,
  )
  const isMeant = ({ row }: AuthorizationEntry) => {
    if (completes) return row.mti.startsWith('01')
    if (returned !== undefined) return row.transactionType === '20'
    return (amount ?? 0) === 0 || row.amount === amount || row.approvedAmount === amount
  }
  const byReference = own.filter(({ row }) => row.networkReference === networkReference)
  if (networkReference !== '' && byReference.length > 0) return byReference.findLast(isMeant) ?? byReference.at(-1)
  if (rrn === '') return undefined
  const byRrn = own.filter(({ row }) => {
    const isPossible = key === undefined || (!completes && !row.mti.startsWith('01'))
    const isSame = amount === undefined || (row.amount === amount && row.terminal === terminal)
    const isPlace = row.acceptor === acceptor || (amount === undefined && !completes)
    return isPossible && row.rrn === rrn && isPlace && isSame
  })
  const isHere = ({ row }: AuthorizationEntry) => row.acceptor === acceptor
  const here = completes ? byRrn : byRrn.filter(isHere)
  const among = here.length > 0 ? here : byRrn
  const isFirst = (entry: AuthorizationEntry) =>
    completes ? isMeant(entry) : returned !== undefined && isHere(entry) && entry.row.transactionType === '20'
  return among.findLast(isFirst) ?? among.at(-1)
}

/** An authorization with all that a repeat, reversal, completion or refund needs: as `describe_authorization` does. */
function describe(tables: LedgerTables, entry: AuthorizationEntry): StoredAuthorization {
  const { row, entitlementDate } = entry
  const later = (tables.byOriginal.get(row.id) ?? []).filter(({ row: one }) => one.result === 'approved')
  const reversals = later.filter(({ row: one }) => one.mti.startsWith('04'))
  const refunds = later.filter(
    ({ row: one }) => !one.mti.startsWith('04') && one.transactionType === '20' && !isUndone(tables, one.id),
  )
  const hold = tables.holds.get(row.id)
  const sum = (entries: readonly AuthorizationEntry[]) =>
    entries.reduce((total, { row: one }) => total + one.approvedAmount, 0)
  return {
    id: row.id,
    contentHash: row.contentHash,
    mti: row.mti,
    transactionType: row.transactionType,
    result: row.result as Result,
    householdId: row.householdId,
    cardId: row.cardId,
    acceptor: row.acceptor,
    amountPiasters: row.amount,
    approvedPiasters: row.approvedAmount,
    answer: JSON.parse(row.answer) as Record<string, string>,
    transfers: entry.transfers.map(transferOf),
    hold: hold === undefined ? undefined : holdOf(hold.row),
    holdEnding: hold?.ending,
    ...takenFor(tables, row),
    capture: captureOf(tables, row),
    reversedPiasters: reversals.length === 0 ? undefined : sum(reversals),
    refundedPiasters: sum(refunds),
    refunds: refunds.flatMap(({ transfers }) => transfers.map(transferOf)),
    lines: linesOf(row.basket).map((line) => ({ ...line, returned: returnedOf(line.line, refunds) })),
    usages: row.trace.includes('"usage.counted"') ? usagesIn(JSON.parse(row.trace)) : [],
    entitlementDate,
  }
}

function isUndone(tables: LedgerTables, id: number): boolean {
  return (tables.byOriginal.get(id) ?? []).some(({ row }) => row.mti.startsWith('04') && row.result === 'approved')
}

function linesOf(basket: string | undefined): Omit<StoredLine, 'returned'>[] {
  return basket === undefined ? [] : (JSON.parse(basket) as BasketLineJson[]).map(basketLineOf)
}

function returnedOf(line: number, refunds: readonly AuthorizationEntry[]): StoredLine['returned'] {
  const returned = { quantity: 0, granted: 0, piasters: 0, grantedPiasters: 0 }
  for (const { row } of refunds) {
    for (const one of linesOf(row.basket)) {
      if (one.line !== line) continue
      returned.quantity += one.quantity
      returned.granted += one.granted
      returned.piasters += Math.round((one.quantity * one.unitPricePiasters) / 1_000)
      returned.grantedPiasters += one.grantedPiasters
    }
  }
  return returned
}

function transferOf({ kind, debit, credit, amount, period }: TransferRow): Transfer {
  return {
    kind: transferKindOf(kind),
    debit: debit as AccountNumber,
    credit: credit as AccountNumber,
    amount,
    period,
  }
}

function holdOf({ id, kind, debit, credit, amount, cashback, expiresAtMs }: HoldRow): Hold {
  return {
    id,
    kind: transferKindOf(kind),
    debit: debit as AccountNumber,
    credit: credit as AccountNumber,
    amount,
    cashback,
    expiresAtMs,
  }
}

function openHoldOf({ row, events }: HoldEntry): OpenHold {
  const gone = events.reduce((sum, { captured, released }) => sum + captured + released, 0)
  const cash = events.reduce((sum, { cashback }) => sum + cashback, 0)
  const openAmount = row.amount - gone
  return { ...holdOf(row), openAmount, openCashback: Math.min(row.cashback - cash, openAmount) }
}

/** What was taken for a hold, and what came back of it: as `captures_of` does. */
function takenFor(
  tables: LedgerTables,
  { id, mti }: AuthorizationRow,
): Pick<StoredAuthorization, 'captures' | 'returned'> {
  const later = tables.byOriginal.get(id) ?? []
  if (!mti.startsWith('01') || !later.some(({ row }) => row.mti.startsWith('02'))) return { captures: [], returned: [] }
  const captures = later
    .filter(({ row }) => row.mti.startsWith('02') && row.transactionType !== '20' && row.approvedAmount > 0)
    .map(({ row, transfers }) => ({
      id: row.id,
      transfers: transfers.map(transferOf),
      returned: returnsOf(tables, row.id),
    }))
  return { captures, returned: returnsOf(tables, id) }
}

const RETURN_KINDS = [16, 17]

/** Money that came back of an authorization: as `returns_of` does. */
function returnsOf(tables: LedgerTables, id: number): Transfer[] {
  const later = (tables.byOriginal.get(id) ?? []).filter(({ row }) => row.result === 'approved')
  const back = later.filter(
    ({ row }) => row.mti.startsWith('04') || (row.transactionType === '20' && !isUndone(tables, row.id)),
  )
  return back.flatMap(({ transfers }) => transfers.filter(({ kind }) => RETURN_KINDS.includes(kind)).map(transferOf))
}

/** What a capture was held by: as `capture_of` does. */
function captureOf(tables: LedgerTables, row: AuthorizationRow): StoredAuthorization['capture'] {
  const { mti, transactionType, originalId } = row
  if (!mti.startsWith('02') || transactionType === '20' || originalId === undefined) return undefined
  const held = tables.byId.get(originalId)
  if (held === undefined || !held.row.mti.startsWith('01')) return undefined
  const reversals = (tables.byOriginal.get(originalId) ?? []).filter(
    ({ row: one, transfers }) =>
      one.mti.startsWith('04') && one.result === 'approved' && transfers.some(({ kind }) => kind === 17),
  )
  const isWhole = reversals.some(({ row: one }) => one.trace.includes('"reversal.full"'))
  const reversedWithHold = reversals.length === 0 ? undefined : isWhole ? 'all' : 'part'
  return { heldOn: held.entitlementDate, reversedWithHold }
}

/** Wallets of months after the last closed one and up to another: as `load_past_wallets` does. */
export function readPastWallets(
  { tables }: Ledger,
  closedMonths: ReadonlyMap<number, CivilMonth>,
  until: CivilMonth,
): Map<number, readonly Balance[]> {
  const past = new Map<number, readonly Balance[]>()
  for (const [id, closed] of closedMonths) {
    const rows = [...(tables.households.get(id)?.balances.values() ?? [])].filter(
      ({ period }) =>
        (period > closed && period <= until) || (period >= (closed + 1) * 100 && period <= until * 100 + 99),
    )
    past.set(
      id,
      rows.map(({ account, period, posted, held }) => ({ account: account as AccountNumber, period, posted, held })),
    )
  }
  return past
}

/** Keys from one to another: as `keys_within` does. */
export function readKeysWithin(
  { tables }: Ledger,
  lane: number,
  since: CivilDate,
  { from, to, limit }: { readonly from: string; readonly to: string; readonly limit: number },
): string[] {
  const own = tables.authorizations.filter((one) => one.lane === lane && one.businessDate >= since)
  const within = (keys: (string | undefined)[]) =>
    keys
      .filter((key) => key !== undefined && key >= from && key <= to)
      .sort()
      .slice(0, limit) as string[]
  const orphans = own.filter(({ row }) => row.originalId === undefined)
  return [...within(own.map(({ row }) => row.key)), ...within(orphans.map(({ row }) => row.originalKey))]
}
