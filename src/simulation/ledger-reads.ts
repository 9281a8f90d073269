import type { StoredAuthorization, StoredLine } from '../authorization/decision.ts'
import type { Result } from '../authorization/result.ts'
import { usagesIn } from '../authorization/trace.ts'
import type { CivilDate, CivilMonth } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindOf } from '../ledger/posting-rules.ts'
import type { Balance, Hold, Transfer } from '../ledger/transfer.ts'
import type { HoldRow, TransferRow } from '../store/batch.ts'
import type { OriginalQuery, Prefetched, PrefetchQuery } from '../store/prefetch.ts'
import { type Ledger, laneKey } from './ledger.ts'
import type { AuthorizationEntry, HouseholdEntry, LedgerTables } from './ledger-tables.ts'

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
  const holds: Hold[] = []
  for (const { row, ending } of tables.holds.values()) {
    if (row.householdId === entry.id && ending === undefined) holds.push(holdOf(row))
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
    const first = tables.byKey.get(laneKey(lane, key))?.find((one) => one.businessDate >= query.since)
    if (first !== undefined) previous.set(key, describe(tables, first))
    const orphans = tables.orphans.get(laneKey(lane, key))
    if (orphans?.some((one) => one.businessDate >= query.since) === true) reversedEarly.add(key)
  }
  const originals = new Map<number, StoredAuthorization>()
  for (const [ordinal, original] of query.originals.entries()) {
    const found = findOriginal(tables, lane, original, query.since)
    if (found !== undefined) originals.set(ordinal, describe(tables, found))
  }
  const households = [...wanted].map((entry) => loadHousehold(tables, entry, query.entitlementDate))
  return { households, previous, reversedEarly, originals }
}

/** DE90's key first, then the scheme's reference, then card, RRN and outlet; of several the last. */
function findOriginal(
  tables: LedgerTables,
  lane: number,
  query: OriginalQuery,
  since: CivilDate,
): AuthorizationEntry | undefined {
  const { key, panIndex, networkReference, rrn, acceptor, terminal, amount } = query
  const named = key === undefined ? [] : (tables.byKey.get(laneKey(lane, key)) ?? [])
  const byKey = named.filter((one) => one.businessDate >= since).at(-1)
  if (byKey !== undefined) return byKey
  const household = tables.householdOfCard.get(panIndex)
  const card = household?.cards.find((one) => one.panIndex === panIndex)
  const own = (household?.authorizations ?? []).filter(
    ({ row, businessDate }) =>
      row.cardId === card?.id && !row.mti.startsWith('04') && row.transactionType !== '20' && businessDate >= since,
  )
  const byReference = own.findLast(({ row }) => row.networkReference === networkReference)
  if (networkReference !== '' && byReference !== undefined) return byReference
  if (key !== undefined || rrn === '') return undefined
  return own.findLast(({ row }) => {
    const isSame = amount === undefined || (row.amount === amount && row.terminal === terminal)
    return row.rrn === rrn && row.acceptor === acceptor && isSame
  })
}

/** An authorization with all that a repeat, reversal, completion or refund needs: as `describe_authorization` does. */
export function describe(tables: LedgerTables, entry: AuthorizationEntry): StoredAuthorization {
  const { row, entitlementDate } = entry
  const later = (tables.byOriginal.get(row.id) ?? []).filter(({ row: one }) => one.result === 'approved')
  const reversals = later.filter(({ row: one }) => one.mti.startsWith('04') && one.approvedAmount > 0)
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
    holdEnding: hold?.ending?.kind,
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

type LineJson = [number, string, number | null, number, number, number, number, string]

function linesOf(basket: string | undefined): Omit<StoredLine, 'returned'>[] {
  if (basket === undefined) return []
  return (JSON.parse(basket) as LineJson[]).map(
    ([line, product, counter, quantity, unitPricePiasters, granted, grantedPiasters, reason]) => ({
      line,
      product,
      counter: counter ?? undefined,
      quantity,
      unitPricePiasters,
      granted,
      grantedPiasters,
      reason,
    }),
  )
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

function holdOf({ id, kind, debit, credit, amount, expiresAtMs }: HoldRow): Hold {
  return {
    id,
    kind: transferKindOf(kind),
    debit: debit as AccountNumber,
    credit: credit as AccountNumber,
    amount,
    expiresAtMs,
  }
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

/** Keys of the newest authorizations: as `recent_keys` does. */
export function readRecentKeys(
  { tables }: Ledger,
  lane: number,
  since: CivilDate,
  limit: number,
): { keys: string[]; sinceMs: number } {
  const own = tables.authorizations.filter((one) => one.lane === lane && one.businessDate >= since)
  const newest = own.sort((a, b) => b.row.id - a.row.id).slice(0, limit)
  const keys = newest
    .reverse()
    .flatMap(({ row }) => (row.originalKey === undefined ? [row.key] : [row.key, row.originalKey]))
  const oldest = newest[0]
  if (newest.length < limit || oldest === undefined) {
    const [year, month, day] = [Math.floor(since / 10_000), Math.floor(since / 100) % 100, since % 100]
    // Midnight of the day after, UTC: the database's time zone.
    return { keys, sinceMs: globalThis.Date.UTC(year, month - 1, day + 1) }
  }
  const batch = tables.batches.findLast(({ batch: one }) => one.lane === lane && one.firstId <= oldest.row.id)
  return { keys, sinceMs: (batch?.batch.atMs ?? 0) + 1 }
}
