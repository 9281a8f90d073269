import type { AuthorizationRow, Batch, TransferRow } from '../store/batch.ts'
import { advancedOf, kinds, rightTo, tails, walletOf } from './accounts.ts'
import type { Booked, Books } from './books.ts'
import { dayNumber, daysAfter } from './cairo.ts'
import { pinBlockOf } from './security.ts'
import type { Sent } from './sent.ts'

/** What may become of a message, by what the auditor's books say before it. */
export type Expected =
  /** It must be approved, for so much. */
  | { readonly must: 'approve'; readonly piasters: number; readonly why: string }
  | { readonly must: 'decline'; readonly why: string }
  /** Either is right; what is approved is still held against all other checks. */
  | { readonly must: 'nothing' }

const either: Expected = { must: 'nothing' }
const PIN_TRIES = 3
/** Kind of the transfers by which goods are given. */
const DISPENSE = 2
/** Clocks may be a day apart, on both sides, and a day has its cutover. */
const MATCHING_MARGIN_DAYS = 6
const SINGLE_MAX = 2_000_000
const CASH_DAY_PIASTERS = 600_000
const CASH_DAY_COUNT = 4

function approve(piasters: number, why: string): Expected {
  return { must: 'approve', piasters, why }
}

function decline(why: string): Expected {
  return { must: 'decline', why }
}

/**
 * What the rules of product and field make of the messages of this traffic, in a few plain lines for each kind. It
 * shares no code with the decision core: where the two differ, one of them is wrong.
 */
export class Oracle {
  readonly #books: Books
  readonly #hasClockJumps: boolean
  readonly #matchingDays: number
  readonly #statuses = new Map<number, string>()
  readonly #pinFailures = new Map<number, number>()
  readonly #cash = new Map<string, { piasters: number; count: number }>()
  readonly #stoppedOldCards = new Set<number>()
  /** Messages whose reversal was recorded before them, how surely it names them, and the day of its record. */
  readonly #reversedEarly = new Map<string, { readonly isSure: boolean; readonly entitlementDate: number }>()
  readonly #bookedOf = new Map<string, Booked>()

  constructor(books: Books, hasClockJumps: boolean, matchingDays: number) {
    this.#books = books
    this.#matchingDays = matchingDays
    this.#hasClockJumps = hasClockJumps
  }

  /** What a message must come to, before it is booked. */
  expect(sent: Sent, batch: Batch): Expected {
    const { kind } = sent
    // A repeat too late to be known as one: what came of the first, such as its reversal, may still be known.
    if (this.#bookedOf.has(sent.key)) return either
    if (kind === 'unknown-card') return decline('nobody issued the card')
    if (kind === 'reversal' || kind === 'partial-reversal') return this.#expectReversal(sent, batch)
    if (kind === 'unknown-original') return decline('there is no such original')
    const early = this.#reversedEarly.get(sent.key)
    if (early?.isSure === true && this.#isInReach(early.entitlementDate, batch))
      return decline('its reversal came first')
    if (early !== undefined) return either
    if (kind === 'completion' || kind === 'completion-over') return this.#expectCompletion(sent, batch)
    const barred = this.#expectCard(sent)
    if (barred !== undefined) return barred
    return this.#expectTransaction(sent, batch)
  }

  #expectCard({ card, household, intent, mti }: Sent): Expected | undefined {
    if (card === undefined || household === undefined) return either
    // An advice tells of what happened: the card may have been blocked since.
    if (mti.endsWith('20')) return undefined
    if ((this.#statuses.get(card.id) ?? 'active') !== 'active') return decline('the card is blocked')
    if (card.kind === 'ration' && this.#stoppedOldCards.has(household.id)) return decline('the old card is stopped')
    if (intent.pin === undefined) return undefined
    if ((this.#pinFailures.get(card.id) ?? 0) >= PIN_TRIES) return decline('the PIN tries are used up')
    return pinBlockOf(intent.card.pan).equals(intent.pin.block) ? undefined : decline('the PIN is wrong')
  }

  #expectTransaction(sent: Sent, { entitlementDate }: Batch): Expected {
    const { kind, household, card, amountPiasters: amount } = sent
    if (household === undefined || card === undefined) return either
    const isRation = card.kind === 'ration'
    const money = this.#books.money(household.id)
    switch (kind) {
      case 'purchase':
      case 'hold':
        if (isRation) return decline('the old card has no money')
        if (amount > SINGLE_MAX) return decline('over the limit')
        if (amount <= money) return approve(amount, `there are ${money}`)
        return this.#takesPartial(sent) && money > 0 ? approve(money, 'as much as there is') : decline(`only ${money}`)
      case 'cash':
      case 'wrong-pin':
        return isRation ? decline('the old card has no money') : this.#expectCash(sent, money, entitlementDate)
      case 'deposit':
        return isRation ? decline('the old card has no money') : approve(amount, 'cash is paid in')
      case 'bread':
      case 'bread-days':
        return this.#expectBread(sent, money, entitlementDate)
      case 'ration':
      case 'points':
        return this.#expectGoods(sent, money, Math.floor(entitlementDate / 100))
      case 'inquiry':
        return approve(0, 'balances are told')
      case 'subsidy-cash':
        return decline('subsidies are never paid out')
      case 'wrong-outlet':
        return decline('not at this outlet')
      case 'bad-amount':
        return decline('amount and quantity differ')
      default:
        return either
    }
  }

  /** The shop of this world takes less than it asks for; on the card scheme's rails the message has to say so. */
  #takesPartial({ link, intent }: Sent): boolean {
    return link === 'visa' ? intent.acceptsPartial === true : true
  }

  #expectCash({ amountPiasters: amount, household }: Sent, money: number, date: number): Expected {
    const used = this.#cash.get(`${household?.id} ${date}`) ?? { piasters: 0, count: 0 }
    const isOver = used.piasters + amount > CASH_DAY_PIASTERS || used.count + 1 > CASH_DAY_COUNT
    if (amount > money) return decline(`only ${money}`)
    // A clock that goes back finds the day's figures gone, and one that goes forth finds them not there yet.
    if (this.#hasClockJumps) return either
    return isOver ? decline('the day’s cash is drawn') : approve(amount, `there are ${money}`)
  }

  #expectBread(sent: Sent, money: number, date: number): Expected {
    const { household, card, quantity = 0, days = 1, amountPiasters: amount, tender } = sent
    if (household === undefined) return either
    if (days > (household.members <= 3 ? 3 : 2)) return decline('so many days are not drawn ahead')
    const last = daysAfter(date, days - 1)
    if (Math.floor(last / 100) !== Math.floor(date / 100)) return decline('not beyond the month')
    if (this.#owes(tails.bread, household.id)) return either
    let left = 0
    for (let day = 0; day < days; day++) left += this.#left(tails.bread, household, daysAfter(date, day))
    if (quantity > left) return decline(`only ${left} loaves are left`)
    if (tender === 'postal' && card?.kind === 'ration') return decline('the old card has no money')
    if (tender === 'postal' && amount > money) return decline('the co-payment is not there')
    return approve(amount, `${left} loaves are left`)
  }

  #expectGoods(
    { kind, household, card, amountPiasters: amount, tender }: Sent,
    money: number,
    month: number,
  ): Expected {
    if (household === undefined) return either
    const tail = kind === 'ration' ? tails.ration : tails.points
    if (this.#owes(tail, household.id)) return either
    // What a closing adds to the points comes in the same batch, before what depends on it.
    const left = this.#left(tail, household, month)
    if (amount <= left) return approve(amount, `${left} are left`)
    const rest = amount - left
    if (tender !== 'postal') return decline(`only ${left} are left`)
    if (card?.kind === 'ration') return decline('the old card has no money')
    return rest <= money ? approve(amount, 'money pays the rest') : decline(`${left} are left, and ${money} in money`)
  }

  /** Whether something was advanced that periods not touched yet will give back. */
  #owes(tail: number, household: number): boolean {
    return (this.#books.posted(advancedOf(tail, household), 0) ?? 0) !== 0
  }

  /** What a wallet has in a period: what is there, or all of a right that nobody has touched. */
  #left(tail: number, { id, members }: { id: number; members: number }, period: number): number {
    const wallet = walletOf(tail, id)
    const isClosed = (period > 9_999_999 ? Math.floor(period / 100) : period) <= (this.#books.closed.get(id) ?? 0)
    return this.#books.posted(wallet, period) ?? (isClosed ? 0 : rightTo(tail, members, period))
  }

  #expectReversal(sent: Sent, batch: Batch): Expected {
    const { original, namesOriginal, kind } = sent
    const booked = original === undefined ? undefined : this.#bookedOf.get(contentKey(original))
    if (original === undefined || namesOriginal !== true) return either
    if (booked === undefined) {
      return this.#bookedOf.has(original.key) ? either : decline('its original has not come')
    }
    if (kind === 'partial-reversal' || booked.row.approvedAmount === 0) return either
    if (!this.#isInReach(booked.entitlementDate, batch)) return either
    const isSimple = ['purchase', 'cash', 'bread', 'bread-days', 'ration'].includes(original.kind)
    if (!isSimple || booked.row.mti !== '0200' || this.#hasFollowers(booked.row.id)) return either
    return approve(booked.row.approvedAmount, 'it is taken back whole')
  }

  /** The journal is looked through only so far back. */
  #isInReach(entitlementDate: number, batch: Batch): boolean {
    const age = dayNumber(batch.entitlementDate) - dayNumber(entitlementDate)
    return Math.abs(age) <= this.#matchingDays - MATCHING_MARGIN_DAYS
  }

  #hasFollowers(id: number): boolean {
    for (const { row } of this.#books.byId.values()) if (row.originalId === id && row.approvedAmount > 0) return true
    return false
  }

  #expectCompletion(sent: Sent, batch: Batch): Expected {
    const booked = sent.original === undefined ? undefined : this.#bookedOf.get(contentKey(sent.original))
    const hold = booked === undefined ? undefined : this.#books.holds.get(booked.row.id)
    if (booked === undefined || hold === undefined || hold.endings > 0) return either
    if (!this.#isInReach(booked.entitlementDate, batch)) return either
    return sent.amountPiasters <= hold.open
      ? approve(sent.amountPiasters, 'it was held')
      : sent.mti === '0200'
        ? decline(`only ${hold.open} are held`)
        : either
  }

  /** Learns what the auditor has booked. */
  booked(sent: Sent, row: AuthorizationRow, batch: Batch): void {
    const booked = this.#books.byId.get(row.id)
    if (booked !== undefined) {
      this.#bookedOf.set(contentKey(sent), booked)
      this.#bookedOf.set(sent.key, booked)
    }
    this.#learnPin(sent, row)
    this.#learnCash(sent, row, batch)
    const { original, household } = sent
    const isOrphan = sent.mti.startsWith('04') && row.originalId === undefined && original !== undefined
    if (isOrphan && !this.#bookedOf.has(original.key)) {
      const isSure = this.#reversedEarly.get(original.key)?.isSure === true || sent.namesOriginal === true
      this.#reversedEarly.set(original.key, { isSure, entitlementDate: batch.entitlementDate })
    }
    if (household === undefined || !batch.stopOldCards.includes(household.id)) return
    // What the household did before in the same batch stops nothing.
    const isDispense = batch.transfers.some(({ groupId, kind }) => groupId === row.id && kind === DISPENSE)
    if (isDispense && sent.card?.kind !== 'ration') this.#stoppedOldCards.add(household.id)
  }

  /** Learns what commands changed. */
  learnCards({ cardStatuses, commands }: Batch): void {
    for (const { cardId, status } of cardStatuses) this.#statuses.set(cardId, status)
    for (const { kind, detail } of commands) {
      if (kind !== 'pin-reset') continue
      const { card, outcome } = JSON.parse(detail) as { card?: number; outcome: string }
      if (card !== undefined && outcome.startsWith('done')) this.#pinFailures.set(card, 0)
    }
  }

  #learnPin({ card, intent }: Sent, { result }: AuthorizationRow): void {
    if (card === undefined || intent.pin === undefined) return
    if (result === 'wrong-pin') this.#pinFailures.set(card.id, (this.#pinFailures.get(card.id) ?? 0) + 1)
    // The last try is answered so itself.
    else if (result === 'pin-tries-exceeded') this.#pinFailures.set(card.id, PIN_TRIES)
    // A PIN that was looked at and found right; other refusals may have come before it.
    else if (result === 'approved' || result === 'insufficient') this.#pinFailures.set(card.id, 0)
    else if (result === 'amount-limit' || result === 'count-limit') this.#pinFailures.set(card.id, 0)
    else if (result === 'not-for-this-card') this.#pinFailures.set(card.id, 0)
  }

  #learnCash(sent: Sent, row: AuthorizationRow, { entitlementDate }: Batch): void {
    const { household, kind, original } = sent
    if (household === undefined || row.approvedAmount === 0) return
    const add = (day: number, piasters: number, count: number) => {
      const key = `${household.id} ${day}`
      const used = this.#cash.get(key) ?? { piasters: 0, count: 0 }
      this.#cash.set(key, { piasters: used.piasters + piasters, count: used.count + count })
    }
    if (kind === 'cash' || kind === 'wrong-pin') add(entitlementDate, row.approvedAmount, 1)
    if (original?.kind !== 'cash' && original?.kind !== 'wrong-pin') return
    const day = row.originalId === undefined ? undefined : this.#books.byId.get(row.originalId)?.entitlementDate
    if (day === undefined) return
    if (kind === 'reversal') add(day, -row.approvedAmount, -1)
    if (kind === 'partial-reversal') add(day, -row.approvedAmount, 0)
  }
}

/** A message by its key and content: the same key with another amount is another message. */
function contentKey({ key, amountPiasters }: Sent): string {
  return `${key} ${amountPiasters}`
}

/** Loaves that a group takes, by day. */
export function loavesOf(transfers: readonly TransferRow[], household: number): Map<number, number> {
  const wallet = walletOf(tails.bread, household)
  const days = new Map<number, number>()
  for (const { kind, debit, amount, period } of transfers) {
    if (kind === kinds.redemption && debit === wallet) days.set(period, (days.get(period) ?? 0) + amount)
  }
  return days
}
