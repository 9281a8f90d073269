import type { ProgrammeBook } from '../benefit/programme-book.ts'
import type { CivilDate } from '../calendar.ts'
import type { CardCounters } from '../card/card-counters.ts'
import type { Card, CardScript, Household, OneTimeCode, UsedAssertion } from '../card/household.ts'
import type { Hold, HoldEnding, HoldEvent, OpenHold, Transfer } from '../ledger/transfer.ts'
import type { Authentication } from './authentication.ts'
import type { AnswerLine } from './elements.ts'
import { assertForward, type Forward } from './forward.ts'
import type { AccountHostPolicy, HostAsk, HostEnding, HostVerdict } from './host.ts'
import { debtRecovery } from './overdraft.ts'
import type { Outlet } from './request.ts'
import type { Result } from './result.ts'
import type { TraceCode, TraceEntry } from './trace.ts'

/** Account type of the postal account in DE54. */
export const POSTAL_ACCOUNT_TYPE = '20'

/** One group of DE54 (interfaces.md, "DE54 in answers"). */
export interface BalanceGroup {
  /** Wallet's account code, or 20 for the postal account. */
  readonly accountCode: string
  /** 01 ledger, 02 available, 04 due (a co-payment that was asked for), 57 original amount of a partial approval. */
  readonly amountType: '01' | '02' | '04' | '57'
  /** 818, or 999 for counted units. */
  readonly currency: string
  readonly amount: number
}

/** A change of what was used of something capped (`usageCounter` in card/household.ts). */
export interface UsageChange {
  readonly counter: number
  /** yyyymm, yyyy or yyyymmdd, as the cap goes. */
  readonly period: number
  readonly change: number
}

/** A line of a basket with what was decided on it; what a refund takes back of one is such a line too. */
export interface DecidedLine extends AnswerLine {
  /** From 1. */
  readonly line: number
  /** The product's counter; undefined for what is not on a list. */
  readonly counter: number | undefined
  /** Paid from the subsidy. */
  readonly grantedPiasters: number
}

/** A line of an authorization of the journal, with what refunds that stand took back of it. */
export interface StoredLine extends DecidedLine {
  readonly returned: {
    /** Thousandths in all, and those of them that the subsidy had paid. */
    readonly quantity: number
    readonly granted: number
    /** Piasters in all, and those of them that went back to the subsidy. */
    readonly piasters: number
    readonly grantedPiasters: number
  }
}

/** What the head of the household is told of a decision, in the same commit. */
export interface Notice {
  readonly template: 'dispense' | 'dispense-returned' | 'account-debited' | 'one-time-code'
  readonly detail: Readonly<Record<string, unknown>>
}

/** What was posted for a hold: captured from it, or posted afresh after its time. */
export interface StoredCapture {
  readonly id: number
  readonly transfers: readonly Transfer[]
  /** What its own reversals, and refunds that stand, gave back of it. */
  readonly returned: readonly Transfer[]
}

/** An authorization of the journal that a message refers to: a repeat's first, a reversal's original. */
export interface StoredAuthorization {
  readonly id: number
  readonly contentHash: string
  readonly mti: string
  readonly transactionType: string
  readonly result: Result
  readonly householdId: number | undefined
  readonly cardId: number | undefined
  readonly acceptor: string
  readonly amountPiasters: number
  readonly approvedPiasters: number
  /** Own fields of the answer, by data element. */
  readonly answer: Readonly<Record<string, string>>
  readonly transfers: readonly Transfer[]
  readonly hold: Hold | undefined
  /** How its hold ended, as far as the journal knows; what is open of it is in the household. */
  readonly holdEnding: HoldEnding | undefined
  /** Of a hold: what was posted for it, oldest first. */
  readonly captures: readonly StoredCapture[]
  /** Of a hold: what reversals that name the hold gave back of its captures. */
  readonly returned: readonly Transfer[]
  /** Of a capture: when it was held, and whether a reversal of the hold gave captures back, all of them or a part. */
  readonly capture: { readonly heldOn: CivilDate; readonly reversedWithHold: 'all' | 'part' | undefined } | undefined
  /** What later reversals already gave back, piasters of DE4; undefined when never reversed. */
  readonly reversedPiasters: number | undefined
  readonly refundedPiasters: number
  /** Transfers of the refunds that stand. */
  readonly refunds: readonly Transfer[]
  /** Of an item-level basket. */
  readonly lines: readonly StoredLine[]
  /** What it counted against caps. */
  readonly usages: readonly UsageChange[]
  /** Civil day of its entitlement, and what it counted against the day's cash limits. */
  readonly entitlementDate: CivilDate
}

/** Limits and rules with figures that are configuration. */
export interface DecisionPolicy {
  readonly withdrawalDailyPiasters: number
  readonly withdrawalDailyCount: number
  readonly purchaseSinglePiasters: number
  readonly holdDays: number
  readonly oneTimeCode: { readonly validMs: number; readonly triesMax: number; readonly perDayMax: number }
  /** Wrong PINs in a row after which a card's PIN is refused until it is reset. */
  readonly pinTriesMax: number
  /** Whether a message that says it read a chip must bring the chip's data. */
  readonly chipDataRequired: boolean
  /** Whether a transaction of this type must bring a PIN. */
  pinRequired(transactionType: string): boolean
  /** First civil date on which a service (programme code or `health`) is live in a governorate; undefined = never. */
  serviceLiveFrom(service: string, governorate: string): CivilDate | undefined
  /** Rules about accounts that the account host holds; undefined where there is none. */
  readonly accountHost?: AccountHostPolicy | undefined
}

/** All that a decision may look at. It has no clock: the dates are facts of the request. */
export interface DecisionContext {
  /** Id that this authorization will have in the journal. */
  readonly id: number
  readonly nowMs: number
  readonly entitlementDate: CivilDate
  readonly programmes: ProgrammeBook
  readonly policy: DecisionPolicy
  readonly card: Card | undefined
  readonly household: Household | undefined
  readonly outlet: Outlet | undefined
  /** The first answer to the same key. */
  readonly previous: StoredAuthorization | undefined
  /** A reversal of this very transaction came first. */
  readonly reversedEarly: boolean
  /** What DE90 (or the fields that stand in for it) names. */
  readonly original: StoredAuthorization | undefined
  /** What verifying the message gave. */
  readonly authentication: Authentication
  /** What the account host said, of a remote account; undefined = it was not asked, and may be. */
  readonly host?: HostVerdict | undefined
}

/** What is to be posted and answered. Constructed whole; applying it is `apply.ts`. */
export interface Decision {
  readonly result: Result
  /** The stored answer goes out again; nothing new is posted. */
  readonly replay: StoredAuthorization | undefined
  /** Amount of DE4 that was granted, piasters; 0 on declines. */
  readonly approvedPiasters: number
  readonly transfers: readonly Transfer[]
  readonly hold: OpenHold | undefined
  readonly holdEvent: HoldEvent | undefined
  readonly stopOldRationCard: boolean
  /** Change of the day's cash figures. */
  readonly cashUsage: { readonly day: CivilDate; readonly amountPiasters: number; readonly count: number } | undefined
  readonly originalId: number | undefined
  /** The card's counters from now on, on declines too; undefined leaves them. */
  readonly counters: CardCounters | undefined
  readonly usedAssertion: UsedAssertion | undefined
  /** The household's one-time code from now on, on declines too; undefined leaves it. */
  readonly oneTimeCode: OneTimeCode | undefined
  /** What it counts against caps, or gives back of them. */
  readonly usages: readonly UsageChange[]
  /** Of an item-level basket: answered line by line, on a refusal for want of value too. */
  readonly lines: readonly DecidedLine[]
  /** Lines that a refund takes back. */
  readonly returnedLines: readonly DecidedLine[]
  readonly notice: Notice | undefined
  /** Messages of our own that this decision causes, in their order. */
  readonly forwards: readonly Forward[]
  /** The account host has to be asked first: nothing of this decision is posted or answered. */
  readonly askHost?: HostAsk | undefined
  /** Ends what the account host was asked. */
  readonly hostEnding?: HostEnding | undefined
  /** What the account host is told of instead of being asked. */
  readonly hostAdvice?: { readonly direction: 'debit' | 'credit'; readonly piasters: number } | undefined
  /** Approved in the account host's place: position 1 of DE44 (visa-base1.md, section 6). */
  readonly standIn?: string | undefined
  /** Goes out with this answer, and waits no more. */
  readonly script: CardScript | undefined
  readonly balances: readonly BalanceGroup[]
  readonly trace: readonly TraceEntry[]
}

const nothing: readonly never[] = []

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A decision that turned into a refusal after the rules had run: whatever was to be posted is dropped. */
export function refused(decision: Decision, result: Result, why: TraceEntry): Decision {
  return {
    ...decision,
    ...notPosted,
    forwards: nothing,
    replay: undefined,
    result,
    transfers: [],
    trace: [...decision.trace, why],
  }
}

/** What a refusal does not do. */
const notPosted = {
  approvedPiasters: 0,
  hold: undefined,
  holdEvent: undefined,
  stopOldRationCard: false,
  cashUsage: undefined,
  usages: nothing,
  returnedLines: nothing,
  notice: undefined,
  script: undefined,
} as const

/** Collects a decision and its trace while the rules run. */
export class DecisionDraft {
  readonly context: DecisionContext
  readonly trace: TraceEntry[] = []
  readonly transfers: Transfer[] = []
  /** What goes out whatever becomes of the request. */
  #forwardsAnyway: readonly Forward[] = nothing
  readonly #fields: Mutable<Omit<Decision, 'trace' | 'transfers' | 'result'>> = {
    replay: undefined,
    approvedPiasters: 0,
    hold: undefined,
    holdEvent: undefined,
    stopOldRationCard: false,
    cashUsage: undefined,
    originalId: undefined,
    counters: undefined,
    usedAssertion: undefined,
    oneTimeCode: undefined,
    usages: nothing,
    lines: nothing,
    returnedLines: nothing,
    notice: undefined,
    forwards: nothing,
    script: undefined,
    balances: nothing,
  }

  constructor(context: DecisionContext) {
    this.context = context
  }

  /** Records that a rule looked at figures. */
  note(code: TraceCode, ...figures: readonly (string | number)[]): void {
    this.trace.push([code, ...figures])
  }

  /** What the card's counters have become so far; undefined when nothing moved them. */
  get counters(): CardCounters | undefined {
    return this.#fields.counters
  }

  /** Moves the card's counters, whatever becomes of the request. */
  count(counters: CardCounters): void {
    this.#fields.counters = counters
  }

  /** The household's one-time code from now on, whatever becomes of the request. */
  setCode(code: OneTimeCode): void {
    this.#fields.oneTimeCode = code
  }

  /** Counts against a cap, or gives back of it; noted, because what gives this back reads it from the trace. */
  use(counter: number, period: number, change: number): void {
    if (change === 0) return
    this.#fields.usages = [...this.#fields.usages, { counter, period, change }]
    this.note('usage.counted', counter, period, change)
  }

  /** Queues a message of our own, if the request is approved. */
  forward(message: Forward): void {
    assertForward(message)
    this.#fields.forwards = [...this.#fields.forwards, message]
  }

  /** Queues a message of our own that goes out on a refusal too, such as the reversal of what may have been booked. */
  forwardAnyway(message: Forward): void {
    this.forward(message)
    this.#forwardsAnyway = [...this.#forwardsAnyway, message]
  }

  set(fields: Partial<Mutable<Omit<Decision, 'trace' | 'transfers' | 'result'>>>): void {
    Object.assign(this.#fields, fields)
  }

  /** Ends with a refusal: whatever was collected for posting is dropped. */
  decline(result: Result, code: TraceCode, ...figures: readonly (string | number)[]): Decision {
    this.note(code, ...figures)
    return {
      ...this.#fields,
      ...notPosted,
      forwards: this.#forwardsAnyway,
      result,
      transfers: [],
      trace: this.trace,
    }
  }

  /** What comes into the postal account of a household that owes goes to its debt, in the same group. */
  #recoverDebt(): void {
    const { hold, holdEvent, balances } = this.#fields
    const { household } = this.context
    if (household === undefined || (this.transfers.length === 0 && holdEvent === undefined)) return
    const freed = (holdEvent === undefined ? 0 : holdEvent.captured + holdEvent.released) - (hold?.amount ?? 0)
    const recovery = debtRecovery(household, this.transfers, freed)
    if (recovery === undefined) return
    const { amount: recovered } = recovery
    this.transfers.push(recovery)
    this.note('overdraft.recovered', recovered)
    this.#fields.balances = balances.map((group) =>
      group.accountCode === POSTAL_ACCOUNT_TYPE && group.amountType === '02'
        ? { ...group, amount: group.amount - recovered }
        : group,
    )
  }

  /** Ends with an approval of `approvedPiasters` of DE4. */
  approve(approvedPiasters: number, result: Result = 'approved'): Decision {
    const { script } = this.#fields
    if (script !== undefined) this.note('chip.script-sent', script)
    this.#recoverDebt()
    return { ...this.#fields, approvedPiasters, result, transfers: this.transfers, trace: this.trace }
  }
}
