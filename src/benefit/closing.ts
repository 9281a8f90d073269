import { type CivilDate, type CivilMonth, daysOfMonth, firstDay, monthOf, nextMonth } from '../calendar.ts'
import { balanceOf, type Household, termOn } from '../card/household.ts'
import { subsidyAccount } from '../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../ledger/transfer.ts'
import { periodOf } from './entitlement.ts'
import type { PeriodEnd, WalletProgramme } from './programme.ts'
import type { ProgrammeBook } from './programme-book.ts'
import { advancedTo, chosenInstead, entitledIn, issue, recover, walletAccount } from './wallet.ts'

/** What a closing goes by, beside the household. */
export interface ClosingRules {
  programmesOn(date: CivilDate): ProgrammeBook
  /** First civil date on which a service is live in a governorate; undefined = never. */
  serviceLiveFrom(service: string, governorate: string): CivilDate | undefined
}

/** What becomes of a programme's wallets when a month is closed, in its unit. */
export interface ClosedProgramme {
  readonly code: string
  /** Entitled and never touched: issued now, so that the books show it. */
  untouched: number
  /** Of that, what paid for units that were advanced. */
  recovered: number
  expired: number
  converted: number
  carried: number
}

/** The closing of one month of one household. */
export interface Closing {
  readonly transfers: readonly Transfer[]
  readonly programmes: readonly ClosedProgramme[]
}

/**
 * Closes a month: what is left in the wallets of its periods lapses to the state, becomes another programme's value for
 * the next month (bread: 10 piasters of points a loaf), or is carried into the next month; what nobody touched is
 * issued first, days in one sum (product.md, "missed bread days"; subsidy-domain.md, 2.1). Each day counts once by its
 * civil date, whatever its length in hours.
 * @param household with its balances of that month and the next; it is not changed
 */
export function closeMonth(household: Household, month: CivilMonth, rules: ClosingRules): Closing {
  const days = daysOfMonth(month)
  const books = days.map((day) => rules.programmesOn(day))
  const closed = new MonthClosing(household, month, rules)
  for (const programme of programmesOf(books)) {
    if (programme.period === 'day') closed.closeDays(programme, days, books)
    else if (endsIn(programme, month)) closed.closePeriod(programme, periodOf(programme, firstDay(month)), days)
  }
  return closed.finish()
}

/** Every wallet programme of the days, in its last version among them, by number. */
function programmesOf(books: readonly ProgrammeBook[]): WalletProgramme[] {
  const last = new Map<string, WalletProgramme>()
  for (const book of new Set(books)) for (const programme of book.wallets) last.set(programme.code, programme)
  return [...last.values()].sort((a, b) => a.number - b.number)
}

function endsIn({ period, span }: WalletProgramme, month: CivilMonth): boolean {
  return period === 'month' || (span !== undefined && monthOf(span.to) === month)
}

class MonthClosing {
  readonly #household: Household
  readonly #month: CivilMonth
  readonly #rules: ClosingRules
  /** Programmes of the first day after the month: what conversions go into. */
  readonly #next: ProgrammeBook
  readonly #transfers: Transfer[] = []
  readonly #closed = new Map<string, ClosedProgramme>()
  readonly #recovered = new Map<WalletProgramme, number>()
  /** Value for the next month, by programme. */
  readonly #credits = new Map<WalletProgramme, number>()

  constructor(household: Household, month: CivilMonth, rules: ClosingRules) {
    this.#household = household
    this.#month = month
    this.#rules = rules
    this.#next = rules.programmesOn(firstDay(nextMonth(month)))
  }

  /** Day cells: those that were opened one by one, the others in one sum under the month. */
  closeDays(programme: WalletProgramme, days: readonly CivilDate[], books: readonly ProgrammeBook[]): void {
    const account = walletAccount(programme, this.#household)
    const isAlternative = this.#isAlternative(programme, this.#month, books.at(-1))
    let untouched = 0
    for (const [index, day] of days.entries()) {
      const cell = balanceOf(this.#household, account, day)
      if (cell !== undefined) {
        this.#dispose(programme, availableOf(cell), day, isAlternative)
        continue
      }
      const version = books[index]?.wallet(programme.code)
      if (version === undefined || isAlternative || !this.#isEntitledOn(programme, day)) continue
      untouched += entitledIn(version, this.#household, day)
    }
    this.#issueUntouched(programme, untouched, this.#month)
  }

  /** A wallet of one period: what is left of it, or all of it when it was never opened. */
  closePeriod(programme: WalletProgramme, period: number, days: readonly CivilDate[]): void {
    const wallet = balanceOf(this.#household, walletAccount(programme, this.#household), period)
    const last = days.at(-1) ?? firstDay(this.#month)
    const isAlternative = this.#isAlternative(programme, period, this.#rules.programmesOn(last))
    if (wallet !== undefined) {
      this.#dispose(programme, availableOf(wallet), period, isAlternative)
      return
    }
    if (isAlternative || !days.some((day) => this.#isEntitledOn(programme, day))) return
    this.#issueUntouched(programme, entitledIn(programme, this.#household, period), period)
  }

  /** Opens what the conversions go into, and ends. */
  finish(): Closing {
    for (const [programme, amount] of this.#credits) {
      const period = periodOf(programme, firstDay(nextMonth(this.#month)))
      this.#open(programme, period)
      this.#transfers.push(issue(programme, this.#household, amount, period))
    }
    return { transfers: this.#transfers, programmes: [...this.#closed.values()] }
  }

  /** Opens a period of the next month that nobody touched, as its first touch would. */
  #open(programme: WalletProgramme, period: number): void {
    const household = this.#household
    if (balanceOf(household, walletAccount(programme, household), period) !== undefined) return
    if (chosenInstead(programme, household, period, this.#next) !== undefined) return
    const own = entitledIn(programme, household, period)
    if (own === 0) return
    this.#transfers.push(issue(programme, household, own, period))
    this.#recover(programme, own, period)
  }

  /** What was advanced is paid from what nobody drew. @returns how much */
  #recover(programme: WalletProgramme, amount: number, period: number): number {
    const before = this.#recovered.get(programme) ?? 0
    const recovered = Math.min(amount, advancedTo(programme, this.#household) - before)
    if (recovered === 0) return 0
    this.#transfers.push(recover(programme, this.#household, recovered, period))
    this.#recovered.set(programme, before + recovered)
    return recovered
  }

  /** Of a date: the household is there and gets subsidies, and the service is live where it lives. */
  #isEntitledOn({ code }: WalletProgramme, day: CivilDate): boolean {
    const { terms, governorate } = this.#household
    const liveFrom = this.#rules.serviceLiveFrom(code, governorate)
    const since = terms[0]?.from ?? day
    return liveFrom !== undefined && liveFrom <= day && since <= day && termOn(this.#household, day).status === 'active'
  }

  /**
   * Of two programmes that exclude each other the month's first draw chooses. Where nothing was drawn on either, the
   * household keeps to the one with the lower number: bread, to which flour is the alternative.
   */
  #isAlternative(programme: WalletProgramme, period: number, book: ProgrammeBook | undefined): boolean {
    const other = programme.exclusiveWith === undefined ? undefined : book?.wallet(programme.exclusiveWith)
    if (other === undefined || book === undefined) return false
    if (chosenInstead(programme, this.#household, period, book) !== undefined) return true
    return other.number < programme.number && chosenInstead(other, this.#household, period, book) === undefined
  }

  #issueUntouched(programme: WalletProgramme, amount: number, period: number): void {
    if (amount === 0) return
    this.#transfers.push(issue(programme, this.#household, amount, period))
    const closed = this.#of(programme)
    closed.untouched += amount
    const recovered = this.#recover(programme, amount, period)
    closed.recovered += recovered
    this.#dispose(programme, amount - recovered, period)
  }

  /**
   * @param isAlternative whether the household chose otherwise: what was opened and given back whole is worth nothing
   *   beside that
   */
  #dispose(programme: WalletProgramme, amount: number, period: number, isAlternative = false): void {
    if (amount === 0) return
    const { atPeriodEnd: end } = programme
    const target = isAlternative ? undefined : this.#targetOf(programme, end)
    if (target === undefined || end.action === 'expire') {
      this.#end(programme, 'expired', amount, period)
    } else if (end.action === 'convert') {
      this.#end(programme, 'converted', amount, period)
      this.#credit(target, amount * end.piastersPerUnit)
    } else {
      // At most what the month itself brought: the rest was carried into it already, and is not carried twice.
      const carried = Math.min(amount, entitledIn(programme, this.#household, period))
      if (carried > 0) this.#end(programme, 'converted', carried, period)
      if (amount > carried) this.#end(programme, 'expired', amount - carried, period)
      this.#credit(target, carried)
      this.#of(programme).carried += carried
    }
  }

  /** What value goes on in; without it, it lapses. */
  #targetOf(programme: WalletProgramme, end: PeriodEnd): WalletProgramme | undefined {
    if (end.action === 'expire') return undefined
    return this.#next.wallet(end.action === 'convert' ? end.to : programme.code)
  }

  #end(programme: WalletProgramme, how: 'expired' | 'converted', amount: number, period: number): void {
    const { unit, number } = programme
    const kind = how === 'expired' ? 'entitlementExpiry' : 'entitlementConversion'
    const to = subsidyAccount(how, unit, number, 0)
    this.#transfers.push(transfer(kind, walletAccount(programme, this.#household), to, amount, period))
    this.#of(programme)[how] += amount
  }

  #credit(target: WalletProgramme, amount: number): void {
    if (amount > 0) this.#credits.set(target, (this.#credits.get(target) ?? 0) + amount)
  }

  #of({ code }: WalletProgramme): ClosedProgramme {
    let closed = this.#closed.get(code)
    if (closed === undefined) {
      closed = { code, untouched: 0, recovered: 0, expired: 0, converted: 0, carried: 0 }
      this.#closed.set(code, closed)
    }
    return closed
  }
}
