import { applyDecision, applyTransfers } from '../../src/authorization/apply.ts'
import { notAuthenticated } from '../../src/authorization/authentication.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { Decision, StoredAuthorization } from '../../src/authorization/decision.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { closeMonth } from '../../src/benefit/closing.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import {
  addDays,
  type CivilDate,
  type CivilMonth,
  civilDate,
  firstDay,
  monthOf,
  nextMonth,
  previousMonth,
} from '../../src/calendar.ts'
import type { Household, HouseholdTerm } from '../../src/card/household.ts'
import {
  type AccountNumber,
  accountClasses,
  classOf,
  isHouseholdAccount,
  subsidyAccount,
} from '../../src/ledger/accounts.ts'
import type { Transfer } from '../../src/ledger/transfer.ts'
import {
  householdWithMoney,
  nothingSince,
  outletByAcceptor,
  outletOf,
  policy,
  request,
} from '../authorization/world.ts'

export const LOAVES_A_DAY = 5
const PRICE_PIASTERS = 20
const FLOUR_PRICE_PIASTERS = 300
const catalogue = programmeCatalogue(shippedProgrammes)
export const rules = { programmesOn: catalogue.on, serviceLiveFrom: policy.serviceLiveFrom }

/** What was asked for and granted, for sending it again and for taking it back. */
export interface Drawn {
  readonly request: AuthorizationRequest
  readonly decision: Decision
  readonly stored: StoredAuthorization
  reversed: boolean
}

/**
 * One household through the months, as store and writer treat it: the journal is all that lasts; memory holds the
 * current month, and what is needed of the past while it is closed.
 */
export class CalendarWorld {
  nowMs: number
  household: Household
  readonly journal: Transfer[] = []
  readonly drawn: Drawn[] = []
  readonly closings: { readonly month: CivilMonth; readonly transfers: readonly Transfer[] }[] = []
  #month: CivilMonth
  #nextId = 64

  /** @param isNew whether the household begins today; else it was there before the month */
  constructor(startMs: number, members: number, isNew: boolean) {
    this.nowMs = startMs
    this.#month = monthOf(this.today)
    const terms = [{ from: isNew ? this.today : firstDay(this.#month), members, status: 'active' as const }]
    this.household = householdWithMoney(0, { id: 12, terms, closedMonth: previousMonth(this.#month) })
  }

  get today(): CivilDate {
    return civilDate(this.nowMs)
  }

  /** Moves the clock; with a new month memory is read anew. */
  advance(ms: number): void {
    this.nowMs += ms
    this.evict()
  }

  /** Reads the household again, as after an eviction or a restart. */
  evict(): void {
    this.#month = monthOf(this.today)
    const balances = this.#fold((period) => period === 0 || isOf(period, this.#month))
    this.household = { ...this.household, balances }
  }

  /** What counts from tomorrow. */
  change(term: Omit<HouseholdTerm, 'from'>): void {
    const from = addDays(this.today, 1)
    const others = this.household.terms.filter((other) => other.from !== from)
    this.household.terms = [...others, { from, ...term }].sort((a, b) => a.from - b.from)
  }

  draw(programme: 'bread' | 'flour' | 'ration', amount: number, days = 1): Drawn {
    const category = programme === 'bread' ? 'bakery' : programme === 'flour' ? 'depot' : 'grocer'
    const outlet = outletOf(category, this.household.governorate)
    const code = { bread: '92', flour: '93', ration: '91' }[programme]
    const price = { bread: PRICE_PIASTERS, flour: FLOUR_PRICE_PIASTERS, ration: 1 }[programme]
    return this.submit(
      request({
        panIndex: this.household.cards[0]?.panIndex ?? '',
        fromAccount: code,
        amountPiasters: amount * price,
        quantity: programme === 'ration' ? undefined : amount,
        days,
        receivedAtMs: this.nowMs,
        acceptor: outlet.acceptor,
        terminal: [...outlet.terminals][0] ?? '',
      }),
    )
  }

  /** Gives an earlier draw back, or tries to. */
  reverse(draw: Drawn): Drawn {
    const { key, amountPiasters, acceptor, terminal, panIndex, fromAccount } = draw.request
    const reversal = request({
      messageClass: 'reversal',
      mti: '0400',
      panIndex,
      fromAccount,
      amountPiasters,
      acceptor,
      terminal,
      receivedAtMs: this.nowMs,
      originalKey: key,
    })
    const answered = this.submit(reversal, {
      ...draw.stored,
      ...(draw.reversed ? { reversedPiasters: draw.stored.approvedPiasters } : {}),
    })
    if (answered.decision.result === 'approved') draw.reversed = true
    return answered
  }

  submit(asked: AuthorizationRequest, original?: StoredAuthorization): Drawn {
    const previous = this.drawn.find((one) => one.request.key === asked.key)
    const id = this.#nextId
    this.#nextId += 64
    const { household } = this
    const decision = decide(asked, {
      id,
      nowMs: this.nowMs,
      entitlementDate: this.today,
      programmes: catalogue.on(this.today),
      policy,
      card: household.cards[0],
      household,
      outlet: outletByAcceptor(asked.acceptor),
      previous: previous?.stored,
      reversedEarly: false,
      original,
      authentication: notAuthenticated,
    })
    applyDecision(decision, household, household.cards[0])
    this.journal.push(...decision.transfers)
    const stored: StoredAuthorization = {
      id,
      contentHash: asked.contentHash,
      mti: asked.mti,
      transactionType: asked.transactionType,
      result: decision.result,
      householdId: household.id,
      cardId: household.cards[0]?.id,
      acceptor: asked.acceptor,
      amountPiasters: asked.amountPiasters,
      approvedPiasters: decision.approvedPiasters,
      ...nothingSince,
      transfers: decision.transfers,
      entitlementDate: this.today,
    }
    const drawn = { request: asked, decision, stored, reversed: false }
    if (previous === undefined) this.drawn.push(drawn)
    return drawn
  }

  /** Closes what is over, as a request that needs it or the sweep does. */
  close(): void {
    const last = previousMonth(monthOf(this.today))
    if (this.household.closedMonth >= last) return
    const past = this.#fold((period) => period > 0)
    const household = { ...this.household, balances: past }
    for (let month = nextMonth(household.closedMonth); month <= last; month = nextMonth(month)) {
      const { transfers } = closeMonth(household, month, rules)
      applyTransfers(transfers, household)
      this.journal.push(...transfers)
      this.closings.push({ month, transfers })
      household.closedMonth = month
    }
    this.household = household
    this.evict()
  }

  /** Credits minus debits of the household's accounts, from the journal alone. */
  #fold(wanted: (period: number) => boolean): Household['balances'] {
    const sums = new Map<string, { account: AccountNumber; period: number; posted: number; held: number }>()
    for (const { debit, credit, amount, period } of this.journal) {
      for (const [account, change] of [
        [debit, -amount],
        [credit, amount],
      ] as const) {
        if (!isHouseholdAccount(account) || !wanted(period)) continue
        const key = `${account}:${period}`
        const sum = sums.get(key) ?? { account, period, posted: 0, held: 0 }
        sum.posted += change
        sums.set(key, sum)
      }
    }
    // Value that only passed through a closed period leaves no balance behind.
    return [...sums.values()]
  }
}

function isOf(period: number, month: CivilMonth): boolean {
  return period === month || Math.floor(period / 100) === month
}

/** Net movements of one of the household's wallets, by period. */
export function walletFlows(world: CalendarWorld, number: number, unit: 'LOAF' | 'KG' | 'EGP') {
  const wallet = subsidyAccount('wallet', unit, number, world.household.id)
  const flows = new Map<number, { issued: number; redeemed: number; expired: number; converted: number }>()
  for (const { kind, debit, credit, amount, period } of world.journal) {
    if (debit !== wallet && credit !== wallet) continue
    const flow = flows.get(period) ?? { issued: 0, redeemed: 0, expired: 0, converted: 0 }
    flows.set(period, flow)
    if (kind === 'entitlementIssue') flow.issued += amount
    else if (kind === 'subsidyRestoration') flow.redeemed -= amount
    else if (classOf(credit) === accountClasses.redeemed) flow.redeemed += amount
    else if (kind === 'entitlementExpiry') flow.expired += amount
    else if (kind === 'entitlementConversion') flow.converted += amount
    else throw new Error(`a ${kind} does not move a wallet`)
  }
  return flows
}
