import type { StoredAuthorization, StoredCapture, StoredLine } from '../authorization/decision.ts'
import type { Result } from '../authorization/result.ts'
import { usagesIn } from '../authorization/trace.ts'
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
import { transferKindOf } from '../ledger/posting-rules.ts'
import type { Balance, Hold, HoldEnding, OpenHold, Transfer } from '../ledger/transfer.ts'
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
  /** By duplicate key. */
  readonly previous: ReadonlyMap<string, StoredAuthorization>
  /** Keys whose reversal came before them. */
  readonly reversedEarly: ReadonlySet<string>
  /** By ordinal in the query. */
  readonly originals: ReadonlyMap<number, StoredAuthorization>
  /** By number. */
  readonly byId: ReadonlyMap<number, StoredAuthorization>
}

type HoldJson = readonly [number, number, number, number, number, number, number]
/** kind, debit, credit, amount, period */
type TransfersJson = readonly (readonly [number, number, number, number, number])[] | null

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
  readonly kind: 'previous' | 'early' | 'original' | 'numbered'
  readonly reference: string
  readonly payload: unknown
}

interface AuthorizationJson {
  readonly id: number
  readonly contentHash: string
  readonly mti: string
  readonly transactionType: string
  readonly result: string
  readonly householdId: number | null
  readonly cardId: number | null
  readonly acceptor: string
  readonly amount: number
  readonly approved: number
  readonly answer: string
  readonly entitlementDate: number
  readonly transfers: TransfersJson
  readonly hold: HoldJson | null
  readonly holdEnding: HoldEnding | null
  /** Of a hold: captures with their ids, what each posted, and what came back of it. */
  readonly taken: {
    readonly captures: readonly (readonly [number, TransfersJson, TransfersJson])[] | null
    readonly returned: TransfersJson
  } | null
  readonly capture: { readonly heldOn: number; readonly reversedWithHold: 'all' | 'part' | null } | null
  readonly reversed: number | null
  /** What refunds that stand gave back. */
  readonly refunds:
    | readonly {
        readonly approved: number
        readonly transfers: TransfersJson
      }[]
    | null
  /** line, product, counter, quantity, price, granted, its piasters, reason; then returned: quantity, granted, piasters, those of the subsidy */
  readonly lines:
    | readonly (readonly [
        number,
        string,
        number | null,
        number,
        number,
        number,
        number,
        string,
        number,
        number,
        number,
        number,
      ])[]
    | null
  /** Trace, where it counted against caps. */
  readonly counted: readonly (readonly (string | number)[])[] | null
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
  for (const { kind, reference, payload } of foundRows) {
    if (kind === 'early') reversedEarly.add(uuidBytes(reference))
    else if (kind === 'previous') previous.set(uuidBytes(reference), authorizationOf(payload as AuthorizationJson))
    else if (kind === 'numbered') byId.set(Number(reference), authorizationOf(payload as AuthorizationJson))
    else originals.set(Number(reference), authorizationOf(payload as AuthorizationJson))
  }
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

function holdOf([id, kind, debit, credit, amount, cashback, expiresAtMs]: HoldJson): Hold {
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

function openHoldOf(item: string): OpenHold {
  const [id = 0, kind = 0, debit = 0, credit = 0, amount = 0, cashback = 0, ...rest] = numbersOf(item)
  const [openAmount = 0, openCashback = 0, expiresAtMs = 0] = rest
  return { ...holdOf([id, kind, debit, credit, amount, cashback, expiresAtMs]), openAmount, openCashback }
}

function authorizationOf(json: AuthorizationJson): StoredAuthorization {
  return {
    id: json.id,
    contentHash: uuidBytes(json.contentHash),
    mti: json.mti,
    transactionType: json.transactionType,
    result: json.result as Result,
    householdId: json.householdId ?? undefined,
    cardId: json.cardId ?? undefined,
    acceptor: json.acceptor,
    amountPiasters: json.amount,
    approvedPiasters: json.approved,
    answer: JSON.parse(json.answer) as Record<string, string>,
    transfers: transfersOf(json.transfers),
    hold: json.hold === null ? undefined : holdOf(json.hold),
    holdEnding: json.holdEnding ?? undefined,
    captures: (json.taken?.captures ?? []).map(captureOf),
    returned: transfersOf(json.taken?.returned ?? null),
    capture:
      json.capture === null
        ? undefined
        : {
            heldOn: json.capture.heldOn as CivilDate,
            reversedWithHold: json.capture.reversedWithHold ?? undefined,
          },
    reversedPiasters: json.reversed ?? undefined,
    refundedPiasters: (json.refunds ?? []).reduce((sum, { approved }) => sum + approved, 0),
    refunds: (json.refunds ?? []).flatMap(({ transfers }) => transfersOf(transfers)),
    lines: (json.lines ?? []).map(lineOf),
    usages: usagesIn(json.counted ?? []),
    entitlementDate: json.entitlementDate as CivilDate,
  }
}

function captureOf([id, transfers, returned]: readonly [number, TransfersJson, TransfersJson]): StoredCapture {
  return { id, transfers: transfersOf(transfers), returned: transfersOf(returned) }
}

function transfersOf(rows: TransfersJson): Transfer[] {
  return (rows ?? []).map(([kind, debit, credit, amount, period]) => ({
    kind: transferKindOf(kind),
    debit: debit as AccountNumber,
    credit: credit as AccountNumber,
    amount,
    period,
  }))
}

function lineOf([
  line,
  product,
  counter,
  quantity,
  unitPricePiasters,
  granted,
  grantedPiasters,
  reason,
  ...returned
]: NonNullable<AuthorizationJson['lines']>[number]): StoredLine {
  const [back, grantedBack, piasters, grantedPiastersBack] = returned
  return {
    line,
    product,
    counter: counter ?? undefined,
    quantity,
    unitPricePiasters,
    granted,
    grantedPiasters,
    reason,
    returned: { quantity: back, granted: grantedBack, piasters, grantedPiasters: grantedPiastersBack },
  }
}
