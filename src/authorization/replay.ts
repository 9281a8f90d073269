import type { BasketLine } from '../benefit/basket.ts'
import { entitlementOf, periodOf, priceOn } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import { walletAccount } from '../benefit/wallet.ts'
import { type CivilDate, type CivilMonth, civilTime } from '../calendar.ts'
import type { CardKind, Household, HouseholdTerm } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { type Balance, inverseOf, type Transfer } from '../ledger/transfer.ts'
import { HOUR_MS } from '../time-units.ts'
import { applyDecision, applyTransfers } from './apply.ts'
import { type Authentication, notAuthenticated } from './authentication.ts'
import { decide } from './decide.ts'
import type { Decision } from './decision.ts'
import { blankRequest, PLENTY_PIASTERS, replayCard, replayPolicy } from './replay-parts.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import { isApproval, type Result } from './result.ts'

/** A message of the journal, as far as a wallet's decision depends on it. */
export interface PastMessage {
  readonly id: number
  readonly mti: string
  readonly transactionType: string
  readonly accountCode: string
  readonly entitlementDate: CivilDate
  readonly receivedAtMs: number
  readonly amountPiasters: number
  readonly approvedPiasters: number
  readonly result: Result
  readonly acceptor: string
  readonly terminal: string
  readonly originalId: number | undefined
  readonly cardKind: CardKind
  readonly trace: readonly (readonly (string | number)[])[]
  readonly lines: readonly BasketLine[] | undefined
}

/** A household with its messages of some time, oldest first. */
export interface PastHousehold {
  readonly id: number
  readonly governorate: string
  readonly terms: readonly HouseholdTerm[]
  readonly classes: readonly string[]
  /** What its wallets hold now. */
  readonly balances: readonly Pick<Balance, 'account' | 'period' | 'posted'>[]
  readonly messages: readonly PastMessage[]
}

/** The rules that are tried out, and those that they are compared with. */
export interface ReplayRules {
  before(date: CivilDate): ProgrammeBook
  after(date: CivilDate): ProgrammeBook
  outletByAcceptor(acceptor: string): Outlet | undefined
  serviceLiveFrom(service: string, governorate: string): CivilDate | undefined
}

/** What a decision of a draw came to. */
export interface ReplayedDecision {
  readonly approved: boolean
  readonly result: Result
  /** The rule that decided: the last entry of its trace. */
  readonly reason: string
  /** Taken from wallets, in their units. */
  readonly drawn: number
  /** Granted of DE4, piasters. */
  readonly piasters: number
}

/** A draw decided under both. */
export interface ReplayedDraw {
  /** Code of the programme whose rules decided then; undefined where none had its account code. */
  readonly code: string | undefined
  readonly message: PastMessage
  readonly before: ReplayedDecision
  readonly after: ReplayedDecision
}

/**
 * Decides the draws of a household again, under the rules that were and under others, each with wallets of its own, so
 * that what differs comes from the rules alone. What a card or PIN was refused for is no draw and stays out of it.
 */
export function replayHousehold(past: PastHousehold, rules: ReplayRules): ReplayedDraw[] {
  const sides = [sideOf(past, rules.before), sideOf(past, rules.after)] as const
  const draws: ReplayedDraw[] = []
  for (const message of past.messages) {
    if (message.originalId !== undefined) {
      for (const side of sides) giveBack(message, side)
    } else if (message.transactionType === '00' && reachedWallet(message)) {
      const [before, after] = sides.map((side) => decideAgain(message, side, rules)) as [
        ReplayedDecision,
        ReplayedDecision,
      ]
      const code = entryOf(message, 'route.wallet')?.[1]
      draws.push({ code: code === undefined ? undefined : String(code), message, before, after })
    }
  }
  return draws
}

/** A household under one set of rules. */
interface Side {
  readonly book: (date: CivilDate) => ProgrammeBook
  readonly household: Household
  /** What approved draws moved, for what gives it back. */
  readonly moved: Map<number, { readonly transfers: readonly Transfer[]; readonly piasters: number }>
}

function sideOf(past: PastHousehold, book: (date: CivilDate) => ProgrammeBook): Side {
  const { id, governorate, terms, classes } = past
  const postal = { account: moneyAccount('postalAccount', id), period: 0, posted: PLENTY_PIASTERS, held: 0 }
  const household: Household = {
    id,
    governorate,
    terms,
    classes,
    oldRationCard: past.messages.some(({ cardKind }) => cardKind === 'ration') ? 'active' : 'none',
    accountAt: 'local',
    closedMonth: 0 as CivilMonth,
    cards: [],
    balances: [postal],
    holds: [],
    cashUsage: undefined,
    usedAssertions: [],
    oneTimeCode: undefined,
    exceptions: [],
    usages: [],
  }
  const side = { book, household, moved: new Map() }
  for (const message of past.messages) grantBefore(message, past, side)
  return side
}

/** Value that no rule gives was granted or converted: it was what was drawn of it and what is left. */
function grantBefore(message: PastMessage, past: PastHousehold, { book, household }: Side): void {
  for (const programme of book(message.entitlementDate).walletsByAccountCode(message.accountCode)) {
    if (entitlementOf(programme, 1) > 0) continue
    const account = walletAccount(programme, household)
    const period = periodOf(programme, message.entitlementDate)
    if (household.balances.some((one) => one.account === account && one.period === period)) continue
    const left = past.balances.find((one) => one.account === account && one.period === period)?.posted ?? 0
    const drawn = past.messages.reduce((sum, one) => sum + drawnOf(one, programme, period), 0)
    household.balances.push({ account, period, posted: left + drawn, held: 0 })
  }
}

function drawnOf(message: PastMessage, { accountCode }: WalletProgramme, period: number): number {
  if (message.accountCode !== accountCode || !isApproval(message.result)) return 0
  return sumOf(message, (figures) => Number(figures[2]) === period)
}

function sumOf({ trace }: PastMessage, wanted: (figures: readonly (string | number)[]) => boolean): number {
  return trace.reduce((sum, entry) => (entry[0] === 'wallet.drawn' && wanted(entry) ? sum + Number(entry[1]) : sum), 0)
}

function entryOf({ trace }: PastMessage, code: string): readonly (string | number)[] | undefined {
  return trace.find((entry) => entry[0] === code)
}

/**
 * Reasons that lie in the message and not in any rule, and declines of baskets, whose lines the journal does not keep.
 */
const leftOut: readonly unknown[] = [
  'amount.zero',
  'amount.quantity',
  'amount.basket',
  'quantity.bad',
  'basket.reduced',
]

/** Whether rules of a programme decided: card, PIN and form were in order. */
function reachedWallet(message: PastMessage): boolean {
  if (leftOut.includes(message.trace.at(-1)?.[0])) return false
  return entryOf(message, 'route.wallet') !== undefined || message.trace.at(-1)?.[0] === 'account.unknown'
}

function decideAgain(message: PastMessage, side: Side, rules: ReplayRules): ReplayedDecision {
  const { household } = side
  const programmes = side.book(message.entitlementDate)
  const outlet = rules.outletByAcceptor(message.acceptor)
  const card = replayCard(message.cardKind)
  const was = rules.before(message.entitlementDate)
  const decision = decide(requestOf(message, was, programmes, outlet), {
    id: message.id,
    nowMs: message.receivedAtMs,
    entitlementDate: message.entitlementDate,
    programmes,
    policy: replayPolicy(rules.serviceLiveFrom),
    card,
    household,
    // Terminals come and go; that a draw of the past came from one is not asked again.
    outlet: outlet === undefined ? undefined : { ...outlet, terminals: new Set([message.terminal]) },
    previous: undefined,
    reversedEarly: false,
    original: undefined,
    authentication: authenticationOf(message),
  })
  applyDecision(decision, household, card)
  const approved = isApproval(decision.result)
  if (approved) side.moved.set(message.id, { transfers: decision.transfers, piasters: decision.approvedPiasters })
  return outcomeOf(decision, approved)
}

function outcomeOf({ result, trace, transfers, approvedPiasters }: Decision, approved: boolean): ReplayedDecision {
  const drawn = transfers.reduce((sum, row) => (row.kind === 'subsidyRedemption' ? sum + row.amount : sum), 0)
  return { approved, result, reason: String(trace.at(-1)?.[0]), drawn, piasters: approvedPiasters }
}

/** Gives the wallets back what a reversal or refund gave back, in its part of the whole. */
function giveBack(message: PastMessage, { household, moved }: Side): void {
  const original = moved.get(message.originalId ?? 0)
  if (original === undefined || !isApproval(message.result) || message.approvedPiasters === 0) return
  const part = Math.min(1, message.approvedPiasters / Math.max(1, original.piasters))
  const back = original.transfers.flatMap((row) => {
    const inverse = row.kind === 'subsidyRedemption' ? inverseOf(row) : undefined
    const amount = Math.floor(row.amount * part)
    return inverse === undefined || amount === 0 ? [] : [{ ...inverse, amount }]
  })
  applyTransfers(back, household)
  if (part === 1) moved.delete(message.originalId ?? 0)
}

/** The message as it would come under other rules: as many units, at their price. */
function requestOf(
  message: PastMessage,
  was: ProgrammeBook,
  now: ProgrammeBook,
  outlet: Outlet | undefined,
): AuthorizationRequest {
  const programmeIn = (book: ProgrammeBook) => {
    const found = book.byAccountCode(message.accountCode)
    const named = book.wallet(String(entryOf(message, 'route.wallet')?.[1] ?? ''))
    return named ?? (found?.kind === 'wallet' ? found : undefined)
  }
  const programme = programmeIn(now) ?? programmeIn(was)
  const priceWas = unitPrice(programmeIn(was), message.entitlementDate)
  const price = unitPrice(programme, message.entitlementDate)
  const quota = entryOf(message, 'quota.cells')
  const counted = price !== undefined && priceWas !== undefined
  const units = counted ? Number(quota?.[1] ?? message.amountPiasters / priceWas) : undefined
  const fromPostal = ['copay.postal', 'split.posted'].some((code) => entryOf(message, code) !== undefined)
  return {
    ...blankRequest,
    mti: message.mti,
    ...offlineOf(message),
    receivedAtMs: message.receivedAtMs,
    transactionType: message.transactionType,
    fromAccount: programme?.accountCode ?? message.accountCode,
    amountPiasters: units === undefined || price === undefined ? message.amountPiasters : units * price,
    terminal: message.terminal,
    acceptor: message.acceptor,
    mcc: outlet?.mcc ?? '',
    quantity: units !== undefined && Number.isInteger(units) ? units : undefined,
    days: daysOf(message, quota),
    tender: fromPostal ? 'postal' : undefined,
    basket: message.lines,
    partialAllowed: message.result === 'partially-approved',
  }
}

/** Whether a terminal made the draw on its own, and when, as far as its trace tells. */
function offlineOf(message: PastMessage): Pick<AuthorizationRequest, 'messageClass' | 'offlineSequence' | 'localTime'> {
  if (!message.trace.some(([code]) => String(code).startsWith('offline.'))) {
    return { messageClass: 'financial', offlineSequence: undefined, localTime: '' }
  }
  const date = entryOf(message, 'offline.draw')?.[1]
  const hours = Number(entryOf(message, 'offline.late')?.[1] ?? 0)
  const then = civilTime(message.receivedAtMs - hours * HOUR_MS)
  // Its day is what counts: noon of it stands for the time.
  const sameDay = date === undefined || date === then.date
  const localTime = sameDay ? `${String(then.date).slice(4)}${then.time}` : `${String(date).slice(4)}120000`
  return { messageClass: 'financial-advice', offlineSequence: 1, localTime }
}

/** The days that a draw named, as far as its trace tells. */
function daysOf(message: PastMessage, quota: readonly (string | number)[] | undefined): number {
  // Of one that reached past the month's end, the least.
  const least = entryOf(message, 'draw.month-end') === undefined ? 1 : 2
  return Number(quota?.[4] ?? entryOf(message, 'draw.days')?.[1] ?? least)
}

function unitPrice(programme: WalletProgramme | undefined, date: CivilDate): number | undefined {
  return programme === undefined || programme.unit === 'EGP' ? undefined : priceOn(programme, date)
}

/** What the holder was verified by then. */
function authenticationOf(message: PastMessage): Authentication {
  const byDigits = ['pin.matched', 'code.matched'].some((code) => entryOf(message, code) !== undefined)
  const pin = byDigits ? 'matched' : 'absent'
  // An exception of then stands for the fingerprint that it did without.
  const excepted = entryOf(message, 'verification.exception') !== undefined
  const matched = excepted || entryOf(message, 'assertion.verified')?.[1] === 'matched'
  const fingerprint = matched ? 'matched' : 'absent'
  return { ...notAuthenticated, pin, fingerprint }
}
