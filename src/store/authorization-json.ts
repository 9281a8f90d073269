import type { StoredAuthorization, StoredCapture, StoredLine } from '../authorization/decision.ts'
import type { Result } from '../authorization/result.ts'
import { usagesIn } from '../authorization/trace.ts'
import type { CivilDate } from '../calendar.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindOf } from '../ledger/posting-rules.ts'
import type { Hold, HoldEnding, Transfer } from '../ledger/transfer.ts'
import { uuidBytes } from './binary-arrays.ts'

type HoldJson = readonly [number, number, number, number, number, number, number]
/** kind, debit, credit, amount, period */
type TransfersJson = readonly (readonly [number, number, number, number, number])[] | null

/** line, product, counter, quantity, unitPricePiasters, granted, grantedPiasters, reason */
export type BasketLineJson = readonly [number, string, number | null, number, number, number, number, string]
/** Behind that what came back of it: quantity, granted, piasters, grantedPiasters. */
type LineJson = readonly [...BasketLineJson, number, number, number, number]

/** An authorization as `describe_authorization` of the database gives it. */
export interface AuthorizationJson {
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
  readonly lines: readonly LineJson[] | null
  /** Trace, where it counted against caps. */
  readonly counted: readonly (readonly (string | number)[])[] | null
}

/** A hold from its numbers, in the order of the columns. */
export function holdOf([id, kind, debit, credit, amount, cashback, expiresAtMs]: HoldJson): Hold {
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

/** What the journal says of an authorization. */
export function authorizationOf(json: AuthorizationJson): StoredAuthorization {
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

function lineOf([line, product, counter, quantity, price, granted, grantedPiasters, reason, ...returned]: LineJson) {
  const [back, grantedBack, piasters, grantedPiastersBack] = returned
  return {
    ...basketLineOf([line, product, counter, quantity, price, granted, grantedPiasters, reason]),
    returned: { quantity: back, granted: grantedBack, piasters, grantedPiasters: grantedPiastersBack },
  }
}

/** A line of a basket as the journal keeps it. */
export function basketLineOf([
  line,
  product,
  counter,
  quantity,
  unitPricePiasters,
  granted,
  grantedPiasters,
  reason,
]: BasketLineJson): Omit<StoredLine, 'returned'> {
  return { line, product, counter: counter ?? undefined, quantity, unitPricePiasters, granted, grantedPiasters, reason }
}
