import type { AuthorizationRow, Batch, CommandRow, TransferRow } from '../store/batch.ts'
import {
  classOfAccount,
  faultOfTransfer,
  isDebt,
  isOfHousehold,
  kinds,
  ownerOfAccount,
  periodOfBalance,
  postalOf,
  tailOfAccount,
  WALLET,
} from './accounts.ts'
import { Violation } from './record.ts'

/** What was done with a wallet in a period. */
interface Cell {
  issued: number
  redeemed: number
  lapsed: number
  converted: number
  /** Advanced to it from what was not its own yet, less what it gave back of that. */
  advanced: number
}

/** What of an authorization was taken and came back, with all that followed on it. */
interface Root {
  taken: number
  returned: number
  /** Of wallets, by account and period. */
  readonly drawn: Map<string, number>
  readonly restored: Map<string, number>
}

/** An entry of the auditor's own books. */
export interface Booked {
  readonly row: AuthorizationRow
  readonly transfers: readonly TransferRow[]
  readonly rootId: number
  readonly seq: number
  readonly entitlementDate: number
}

export interface BookedHold {
  readonly id: number
  readonly householdId: number
  readonly amount: number
  readonly expiresAtMs: number
  endings: number
  captured: number
  open: number
}

/**
 * The auditor's books: every balance, hold and wallet reckoned anew from the rows of the journal, one row after the
 * other, and none of them from what the program says a balance is. They know nothing of decisions.
 */
export class Books {
  readonly #posted = new Map<string, number>()
  readonly #held = new Map<string, number>()
  readonly cells = new Map<string, Cell>()
  readonly byId = new Map<number, Booked>()
  readonly holds = new Map<number, BookedHold>()
  readonly closed = new Map<number, number>()
  readonly #roots = new Map<number, Root>()

  /** @param opening money in postal accounts, by household */
  constructor(opening: ReadonlyMap<number, number>, closedMonths: ReadonlyMap<number, number>) {
    for (const [household, piasters] of opening) this.#posted.set(`${postalOf(household)}:0`, piasters)
    for (const [household, month] of closedMonths) this.closed.set(household, month)
  }

  posted(account: number, period: number): number | undefined {
    return this.#posted.get(`${account}:${period}`)
  }

  available(account: number, period: number): number {
    return (this.posted(account, period) ?? 0) - (this.#held.get(`${account}:${period}`) ?? 0)
  }

  /** Money that a household may spend. */
  money(household: number): number {
    return this.available(postalOf(household), 0)
  }

  cell(account: number, period: number): Cell {
    const key = `${account}:${period}`
    let cell = this.cells.get(key)
    if (cell === undefined) {
      cell = { issued: 0, redeemed: 0, lapsed: 0, converted: 0, advanced: 0 }
      this.cells.set(key, cell)
    }
    return cell
  }

  /** Books an authorization with its group. */
  book(batch: Batch, row: AuthorizationRow, transfers: readonly TransferRow[]): void {
    const original = row.originalId === undefined ? undefined : this.byId.get(row.originalId)
    const rootId = original?.rootId ?? row.id
    this.byId.set(row.id, { row, transfers, rootId, seq: batch.seq, entitlementDate: batch.entitlementDate })
    this.#endHolds(batch, row.id)
    for (const transfer of transfers) this.#post(transfer, rootId)
    for (const hold of batch.holds) {
      if (hold.id !== row.id) continue
      const { id, householdId, amount, expiresAtMs } = hold
      this.holds.set(id, { id, householdId, amount, expiresAtMs, endings: 0, captured: 0, open: amount })
      this.#hold(householdId, amount)
    }
  }

  /** Books what a command did. */
  bookCommand(batch: Batch, command: CommandRow, transfers: readonly TransferRow[]): void {
    this.#endHolds(batch, command.id)
    for (const transfer of transfers) this.#post(transfer, command.id)
    if (command.kind !== 'month-closed' || command.householdId === undefined) return
    const { month } = JSON.parse(command.detail) as { month: number }
    const last = this.closed.get(command.householdId) ?? 0
    const next = last % 100 === 12 ? last + 89 : last + 1
    if (month !== next)
      throw new Violation('a month is closed once, in order', `${month} of ${command.householdId} after ${last}`)
    this.closed.set(command.householdId, month)
  }

  #hold(household: number, amount: number): void {
    const key = `${postalOf(household)}:0`
    const held = (this.#held.get(key) ?? 0) + amount
    if (held < 0) throw new Violation('holds are never negative', `${held} held of household ${household}`)
    this.#held.set(key, held)
    this.#checkFloor(postalOf(household), 0)
  }

  #endHolds(batch: Batch, byId: number): void {
    for (const event of batch.holdEvents) {
      if (event.byId !== byId) continue
      const hold = this.holds.get(event.id)
      if (hold === undefined) throw new Violation('a hold that ends was made', `hold ${event.id}`)
      if (hold.endings > 0) throw new Violation('a hold ends exactly once', `hold ${hold.id} ends as ${event.ending}`)
      hold.captured += event.captured
      hold.open -= event.captured + event.released
      if (event.ending !== undefined) hold.endings++
      if (hold.open < 0 || (hold.open === 0) !== (event.ending !== undefined)) {
        throw new Violation('captured + released = held', `hold ${hold.id} of ${hold.amount} has ${hold.open} left`)
      }
      this.#hold(hold.householdId, -(event.captured + event.released))
    }
  }

  #post({ kind, debit, credit, amount, period }: TransferRow, rootId: number): void {
    const fault = faultOfTransfer(kind, debit, credit)
    if (fault !== undefined) throw new Violation('postings keep to their rules', `kind ${kind}: ${fault}`)
    if (!Number.isSafeInteger(amount) || amount <= 0)
      throw new Violation('amounts are whole and above zero', `${amount}`)
    this.#move(debit, period, -amount)
    this.#move(credit, period, amount)
    this.#count(kind, debit, credit, amount, period)
    this.#follow(rootId, kind, debit, credit, amount, period)
    this.#checkFloor(debit, period)
  }

  #move(account: number, period: number, change: number): void {
    const key = `${account}:${periodOfBalance(account, period)}`
    const posted = (this.#posted.get(key) ?? 0) + change
    this.#posted.set(key, posted)
    if (isDebt(account) && posted > 0) throw new Violation('no more is recovered than is owed', `${key}: ${posted}`)
  }

  #checkFloor(account: number, period: number): void {
    if (!isOfHousehold(account)) return
    const available = this.available(account, period)
    if (available < 0)
      throw new Violation('no account of a household falls below zero', `${account} in ${period}: ${available}`)
  }

  #count(kind: number, debit: number, credit: number, amount: number, period: number): void {
    const wallet = classOfAccount(debit) === WALLET ? debit : classOfAccount(credit) === WALLET ? credit : undefined
    if (wallet === undefined) return
    const cell = this.cell(wallet, period)
    if (kind === kinds.issue) cell.issued += amount
    if (kind === kinds.redemption || kind === kinds.restorationReversal) cell.redeemed += amount
    if (kind === kinds.restoration) cell.redeemed -= amount
    if (kind === kinds.expiry) cell.lapsed += amount
    if (kind === kinds.conversion) cell.converted += amount
    if (kind === kinds.advance) cell.advanced += amount
    if (kind === kinds.recovery) cell.advanced -= amount
    if (cell.redeemed < 0) throw new Violation('what comes back was drawn', `${wallet} in ${period}: ${cell.redeemed}`)
    if (kind !== kinds.issue) return
    const closed = this.closed.get(ownerOfAccount(wallet)) ?? 0
    const month = period > 9_999_999 ? Math.floor(period / 100) : period
    if (period < 9_000_000 || period > 9_999_999) {
      if (month <= closed)
        throw new Violation('a closed month is not given once more', `${wallet} in ${period}, closed to ${closed}`)
    }
  }

  /** What came of an authorization in all never goes back more than once. */
  #follow(rootId: number, kind: number, debit: number, credit: number, amount: number, period: number): void {
    let root = this.#roots.get(rootId)
    if (root === undefined) {
      root = { taken: 0, returned: 0, drawn: new Map(), restored: new Map() }
      this.#roots.set(rootId, root)
    }
    const add = (map: Map<string, number>, account: number, change: number) =>
      map.set(`${account}:${period}`, (map.get(`${account}:${period}`) ?? 0) + change)
    if (kind === kinds.redemption) add(root.drawn, debit, amount)
    if (kind === kinds.restoration) add(root.restored, credit, amount)
    if (kind === kinds.restorationReversal) add(root.restored, debit, -amount)
    const isBack = kind === kinds.moneyReversal || kind === kinds.refund || kind === kinds.feeReversal
    if ((kind >= 10 && kind <= 15) || kind === 21) root.taken += amount
    if (isBack) root.returned += amount
    if (kind === kinds.refundReversal) root.returned -= amount
    if (root.returned > root.taken) {
      throw new Violation('nothing is given back twice', `authorization ${rootId}: ${root.returned} of ${root.taken}`)
    }
    for (const [key, restored] of root.restored) {
      const drawn = root.drawn.get(key) ?? 0
      if (restored <= drawn) continue
      throw new Violation('nothing is given back twice', `authorization ${rootId}: ${restored} of ${drawn} in ${key}`)
    }
  }

  /** Compares what a batch says of balances with these books. */
  checkBalances({ changedBalances, openedBalances }: Batch): void {
    for (const { account, period, posted, held } of [...changedBalances, ...openedBalances]) {
      const key = `${account}:${period}`
      const own = this.#posted.get(key) ?? 0
      const ownHeld = this.#held.get(key) ?? 0
      if (posted === own && held === ownHeld) continue
      const said = `${posted} posted and ${held} held`
      throw new Violation(
        'a balance is the sum of its postings',
        `${key}: ${said}, the journal has ${own} and ${ownHeld}`,
      )
    }
  }

  /** Each wallet in each period: issued is redeemed, lapsed, converted or still there. */
  checkWallets(): void {
    for (const [key, cell] of this.cells) {
      const rest = cell.issued + cell.advanced - cell.redeemed - cell.lapsed - cell.converted
      const posted = this.#posted.get(key) ?? 0
      if (rest !== posted)
        throw new Violation('issued = redeemed + lapsed + converted + left', `${key}: ${rest}, ${posted}`)
    }
  }

  /** Loaves that a household drew of a day, less those that came back. */
  drawn(account: number, period: number): number {
    return this.cells.get(`${account}:${period}`)?.redeemed ?? 0
  }

  /** Balances that a database holds of households, for a comparison at the end. */
  *householdBalances(): Iterable<{ key: string; posted: number; held: number }> {
    for (const [key, posted] of this.#posted) {
      const account = Number(key.split(':')[0])
      if (isOfHousehold(account) || isDebt(account)) yield { key, posted, held: this.#held.get(key) ?? 0 }
    }
  }

  /** Whether the sum of all postings is nought in each unit: what is owed equals what is owned. */
  checkZero(opening: number): void {
    const sums = new Map<number, number>()
    for (const [key, posted] of this.#posted) {
      const account = Number(key.split(':')[0])
      const unit =
        classOfAccount(account) >= 6 && classOfAccount(account) < 9 ? 0 : Math.floor(tailOfAccount(account) / 100)
      sums.set(unit, (sums.get(unit) ?? 0) + posted)
    }
    for (const [unit, sum] of sums) {
      const expected = unit === 0 ? opening : 0
      if (sum !== expected) throw new Violation('debits equal credits', `unit ${unit} is off by ${sum - expected}`)
    }
  }
}
