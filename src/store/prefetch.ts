import type { StoredAuthorization } from '../authorization/decision.ts'
import type { Result } from '../authorization/result.ts'
import type { CivilDate } from '../calendar.ts'
import type { Card, CardStatus, Household } from '../card/household.ts'
import { assert } from '../errors.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindNames } from '../ledger/posting-rules.ts'
import type { Balance, Hold, HoldEnding, Transfer } from '../ledger/transfer.ts'
import { uuidBytes } from './binary-arrays.ts'

/** How a message names its original: DE90's key, else the scheme's reference, else card + RRN + acceptor. */
export interface OriginalQuery {
  readonly key: string | undefined
  readonly panIndex: string
  readonly networkReference: string
  readonly rrn: string
  readonly acceptor: string
}

export interface PrefetchQuery {
  readonly entitlementDate: CivilDate
  /** Authorizations before this business date are not looked for. */
  readonly since: CivilDate
  readonly panIndexes: readonly string[]
  readonly keys: readonly string[]
  readonly originals: readonly OriginalQuery[]
}

/** A household as loaded, with the PAN indexes (latin1) of its cards. */
export interface LoadedHousehold {
  readonly household: Household
  readonly cardsByPanIndex: ReadonlyMap<string, Card>
}

export interface Prefetched {
  readonly households: readonly LoadedHousehold[]
  /** By duplicate key. */
  readonly previous: ReadonlyMap<string, StoredAuthorization>
  /** Keys whose reversal came before them. */
  readonly reversedEarly: ReadonlySet<string>
  /** By ordinal in the query. */
  readonly originals: ReadonlyMap<number, StoredAuthorization>
}

type HoldJson = readonly [number, number, number, number, number, number]

interface HouseholdJson {
  readonly id: number
  readonly governorate: string
  readonly members: number
  readonly status: Household['status']
  readonly oldRationCard: Household['oldRationCard']
  readonly cards: readonly { id: number; panIndex: string; panMasked: string; expiry: string; status: CardStatus }[]
  readonly balances: readonly (readonly [number, number, number, number])[] | null
  readonly holds: readonly HoldJson[] | null
  readonly cashUsage: readonly [number, number, number] | null
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
  readonly transfers: readonly (readonly [number, number, number, number, number])[] | null
  readonly hold: HoldJson | null
  readonly holdEnding: HoldEnding | null
  readonly reversed: number | null
  readonly refunded: number
}

/** Turns the rows of `prefetch()` into what decisions work on. */
export function readPrefetched(
  rows: readonly { kind: string; reference: string | null; payload: unknown }[],
): Prefetched {
  const households: LoadedHousehold[] = []
  const previous = new Map<string, StoredAuthorization>()
  const reversedEarly = new Set<string>()
  const originals = new Map<number, StoredAuthorization>()
  for (const { kind, reference, payload } of rows) {
    if (kind === 'household') households.push(householdOf(payload as HouseholdJson))
    else if (kind === 'early') reversedEarly.add(uuidBytes(reference ?? ''))
    else if (kind === 'previous')
      previous.set(uuidBytes(reference ?? ''), authorizationOf(payload as AuthorizationJson))
    else originals.set(Number(reference), authorizationOf(payload as AuthorizationJson))
  }
  return { households, previous, reversedEarly, originals }
}

function householdOf(json: HouseholdJson): LoadedHousehold {
  const cardsByPanIndex = new Map<string, Card>()
  const cards = json.cards.map((row) => {
    const card: Card = { id: row.id, panMasked: row.panMasked, expiry: row.expiry, status: row.status }
    cardsByPanIndex.set(Buffer.from(row.panIndex, 'hex').toString('latin1'), card)
    return card
  })
  const balances: Balance[] = (json.balances ?? []).map(([account, period, posted, held]) => ({
    account: account as AccountNumber,
    period,
    posted,
    held,
  }))
  const usage = json.cashUsage
  const household: Household = {
    id: json.id,
    governorate: json.governorate,
    members: json.members,
    status: json.status,
    oldRationCard: json.oldRationCard,
    cards,
    balances,
    holds: (json.holds ?? []).map(holdOf),
    cashUsage:
      usage === null ? undefined : { day: usage[0] as CivilDate, withdrawnPiasters: usage[1], withdrawals: usage[2] },
  }
  return { household, cardsByPanIndex }
}

function holdOf([id, kind, debit, credit, amount, expiresAtMs]: HoldJson): Hold {
  return {
    id,
    kind: kindName(kind),
    debit: debit as AccountNumber,
    credit: credit as AccountNumber,
    amount,
    expiresAtMs,
  }
}

function kindName(code: number): Transfer['kind'] {
  const name = transferKindNames[code]
  assert(name !== undefined, `transfer kind ${code} of the journal is not known`)
  return name
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
    transfers: (json.transfers ?? []).map(([kind, debit, credit, amount, period]) => ({
      kind: kindName(kind),
      debit: debit as AccountNumber,
      credit: credit as AccountNumber,
      amount,
      period,
    })),
    hold: json.hold === null ? undefined : holdOf(json.hold),
    holdEnding: json.holdEnding ?? undefined,
    reversedPiasters: json.reversed ?? undefined,
    refundedPiasters: json.refunded,
    entitlementDate: json.entitlementDate as CivilDate,
  }
}
