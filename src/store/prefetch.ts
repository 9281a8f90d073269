import type { StoredAuthorization } from '../authorization/decision.ts'
import type { CivilDate, CivilMonth } from '../calendar.ts'
import type {
  Card,
  CardKind,
  CardScript,
  CardStatus,
  Household,
  HouseholdStatus,
  HouseholdTerm,
  OneTimeCode,
  Usage,
  UsedAssertion,
  VerificationException,
} from '../card/household.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import type { Balance, OpenHold } from '../ledger/transfer.ts'
import { type AuthorizationJson, authorizationOf, holdOf } from './authorization-json.ts'
import { uuidBytes } from './binary-arrays.ts'

/** How a message names its original: DE90's key, else the scheme's reference, else 2, 4, 37, 41 and 42. */
export interface OriginalQuery {
  readonly key: string | undefined
  readonly panIndex: string
  readonly networkReference: string
  readonly rrn: string
  readonly acceptor: string
  readonly terminal: string
  /** Amount that the original must have, with the terminal; undefined compares neither (refunds, completions). */
  readonly amount: number | undefined
  /**
   * Whether a completion asks: of several with one reference it means the hold, and not what captured a part of it
   * before.
   */
  readonly completes: boolean
  /** Amount of an advice of a refund, which its authorization may have paid back already; undefined for all else. */
  readonly returned: number | undefined
}

/**
 * A message that a terminal stored and sends now (DE48 FL). It may have come before under another STAN: the same card,
 * terminal and content, of which FL is a part, are then its first.
 */
export interface StoredQuery {
  /** Its duplicate key, under which its first is found. */
  readonly key: string
  readonly panIndex: string
  readonly terminal: string
  readonly contentHash: string
  /** Business date before which it cannot have come: a terminal may begin its sequence anew. */
  readonly since: CivilDate
}

export interface PrefetchQuery {
  readonly entitlementDate: CivilDate
  /** Authorizations before this business date are not looked for. */
  readonly since: CivilDate
  readonly panIndexes: readonly string[]
  /** Households that are wanted by their numbers. */
  readonly householdIds: readonly number[]
  readonly keys: readonly string[]
  readonly originals: readonly OriginalQuery[]
  readonly stored: readonly StoredQuery[]
  /** Authorizations that are wanted by their numbers. */
  readonly byId: readonly NumberedQuery[]
}

/** An authorization by its number and the business date that it stands on. */
export interface NumberedQuery {
  readonly id: number
  readonly businessDate: CivilDate
}

export interface Prefetched {
  readonly households: readonly Household[]
  /** By duplicate key; that of a stored message may have its first under another one. */
  readonly previous: ReadonlyMap<string, StoredAuthorization>
  /** Keys whose reversal came before them. */
  readonly reversedEarly: ReadonlySet<string>
  /** By ordinal in the query. */
  readonly originals: ReadonlyMap<number, StoredAuthorization>
  /** By number. */
  readonly byId: ReadonlyMap<number, StoredAuthorization>
}

/** A row of `load_households`. */
export interface HouseholdRow {
  readonly id: string
  readonly governorate: string
  /** `from,members,status;…`, oldest first. */
  readonly terms: string | null
  /** `class,…` */
  readonly classes: string
  readonly closed_month: number
  readonly old_ration_card: Household['oldRationCard']
  readonly account_at: Household['accountAt']
  readonly cash_day: number
  readonly cash_withdrawn: string
  readonly cash_withdrawals: number
  /** `id,kind,panIndex,expiry,status,sequenceNumber,serviceCode,pvki,pvv,pinFailures,atc,atcSeen,script;…` */
  readonly cards: string | null
  /** `account,period,posted,held;…` */
  readonly balances: string | null
  /** `id,kind,debit,credit,amount,cashback,openAmount,openCashback,expiresAtMs;…` */
  readonly holds: string | null
  /** `nonce,usedAtMs;…` */
  readonly assertions: string | null
  /** `counter,period,used;…` */
  readonly usages: string | null
  /** `factor,expiresAtMs,triesLeft,day,sent` */
  readonly one_time_code: string | null
  /** `id,programme,from,until;…` */
  readonly exceptions: string | null
}

/** A row of `find_authorizations`. */
export interface FoundRow {
  readonly kind: 'previous' | 'early' | 'original' | 'stored' | 'numbered'
  readonly reference: string
  readonly payload: unknown
}

/** Turns what was read into what decisions work on. */
export function readPrefetched(
  query: PrefetchQuery,
  householdRows: readonly HouseholdRow[],
  foundRows: readonly FoundRow[],
): Prefetched {
  const previous = new Map<string, StoredAuthorization>()
  const reversedEarly = new Set<string>()
  const originals = new Map<number, StoredAuthorization>()
  const byId = new Map<number, StoredAuthorization>()
  const stored = new Map<string, StoredAuthorization>()
  for (const { kind, reference, payload } of foundRows) {
    if (kind === 'early') reversedEarly.add(uuidBytes(reference))
    else if (kind === 'previous') previous.set(uuidBytes(reference), authorizationOf(payload as AuthorizationJson))
    else if (kind === 'stored') stored.set(uuidBytes(reference), authorizationOf(payload as AuthorizationJson))
    else if (kind === 'numbered') byId.set(Number(reference), authorizationOf(payload as AuthorizationJson))
    else originals.set(Number(reference), authorizationOf(payload as AuthorizationJson))
  }
  // What came under its own key says more: that key with other content is refused.
  for (const [key, first] of stored) if (!previous.has(key)) previous.set(key, first)
  return {
    households: readHouseholds(householdRows, query.entitlementDate),
    previous,
    reversedEarly,
    originals,
    byId,
  }
}

/** A row of `load_past_wallets`. */
export interface PastRow {
  readonly household_id: string
  /** `account,period,posted,held;…` */
  readonly balances: string | null
}

/** Wallets of past months, by household. */
export function readPastWallets(rows: readonly PastRow[]): Map<number, readonly Balance[]> {
  return new Map(rows.map((row) => [Number(row.household_id), itemsOf(row.balances, balanceOfItem)]))
}

/** Turns rows of households into what decisions work on. */
export function readHouseholds(rows: readonly HouseholdRow[], today: CivilDate): Household[] {
  return rows.map((row) => householdOf(row, today))
}

function householdOf(row: HouseholdRow, today: CivilDate): Household {
  return {
    id: Number(row.id),
    governorate: row.governorate,
    terms: itemsOf(row.terms, termOf),
    classes: row.classes === '' ? [] : row.classes.split(','),
    closedMonth: row.closed_month as CivilMonth,
    oldRationCard: row.old_ration_card,
    accountAt: row.account_at,
    cards: itemsOf(row.cards, cardOf),
    balances: itemsOf(row.balances, balanceOfItem),
    holds: itemsOf(row.holds, openHoldOf),
    cashUsage:
      row.cash_day === today
        ? { day: today, withdrawnPiasters: Number(row.cash_withdrawn), withdrawals: row.cash_withdrawals }
        : undefined,
    usedAssertions: itemsOf(row.assertions, assertionOf),
    usages: itemsOf(row.usages, usageOf),
    oneTimeCode: row.one_time_code === null ? undefined : codeOf(row.one_time_code),
    exceptions: itemsOf(row.exceptions, exceptionOf),
  }
}

function itemsOf<T>(list: string | null, read: (item: string) => T): T[] {
  return list === null ? [] : list.split(';').map(read)
}

function termOf(item: string): HouseholdTerm {
  const [from, members, status] = item.split(',')
  return { from: Number(from) as CivilDate, members: Number(members), status: status as HouseholdStatus }
}

function usageOf(item: string): Usage {
  const [counter = 0, period = 0, used = 0] = numbersOf(item)
  return { counter, period, used }
}

function assertionOf(item: string): UsedAssertion {
  const [nonce = '', usedAtMs] = item.split(',')
  return { nonce, usedAtMs: Number(usedAtMs) }
}

function codeOf(item: string): OneTimeCode {
  const [factor = 0, expiresAtMs = 0, triesLeft = 0, day = 0, sent = 0] = numbersOf(item)
  return { factor, expiresAtMs, triesLeft, day: day as CivilDate, sent }
}

function exceptionOf(item: string): VerificationException {
  const [id = 0, programme = 0, from = 0, until = 0] = numbersOf(item)
  return { id, programme, from: from as CivilDate, until: until as CivilDate }
}

function cardOf(item: string): Card {
  const [
    id,
    kind,
    panIndex = '',
    expiry = '',
    status,
    sequenceNumber = '',
    serviceCode = '',
    pvki = '',
    pvv = '',
    pinFailures,
    atc,
    atcSeen,
    script = '',
  ] = item.split(',')
  return {
    id: Number(id),
    kind: kind as CardKind,
    panIndex: Buffer.from(panIndex, 'hex').toString('latin1'),
    expiry,
    status: status as CardStatus,
    sequenceNumber,
    serviceCode,
    pinReference: pvv === '' ? undefined : { keyIndex: Number(pvki), pvv },
    counters: { pinFailures: Number(pinFailures), atc: Number(atc), atcSeen: Number(atcSeen) },
    scriptPending: script === '' ? undefined : (script as CardScript),
  }
}

function numbersOf(item: string): number[] {
  return item.split(',').map(Number)
}

function balanceOfItem(item: string): Balance {
  const [account = 0, period = 0, posted = 0, held = 0] = numbersOf(item)
  return { account: account as AccountNumber, period, posted, held }
}

function openHoldOf(item: string): OpenHold {
  const [id = 0, kind = 0, debit = 0, credit = 0, amount = 0, cashback = 0, ...rest] = numbersOf(item)
  const [openAmount = 0, openCashback = 0, expiresAtMs = 0] = rest
  return { ...holdOf([id, kind, debit, credit, amount, cashback, expiresAtMs]), openAmount, openCashback }
}
