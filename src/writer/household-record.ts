import type { CivilDate } from '../calendar.ts'
import { type Card, cardStatuses, type Household, householdStatuses, oldRationCardStates } from '../card/household.ts'
import { assert } from '../errors.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindOf, transferKinds } from '../ledger/posting-rules.ts'
import type { Balance, Hold } from '../ledger/transfer.ts'

const HEAD = 11
const CARD = 7
const BALANCE = 4
const HOLD = 6
const EXPIRY_LENGTH = 4

/** Names that repeat, such as governorates, by small numbers. */
export class NameTable {
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.#names.length)
    return this.#names.push(name) - 1
  }

  nameOf(number: number): string {
    const name = this.#names[number]
    assert(name !== undefined, 'a number of a name table has a name')
    return name
  }
}

/** Numbers that a household takes as a record. */
export function recordLength(household: Household): number {
  const { cards, balances, holds } = household
  return HEAD + cards.length * CARD + balances.length * BALANCE + holds.length * HOLD
}

/** Writes a household as numbers to the front of `out`. @returns how many */
export function writeHousehold(household: Household, out: Float64Array, names: NameTable): number {
  const { cards, balances, holds, cashUsage } = household
  let at = 0
  const put = (value: number) => {
    out[at++] = value
  }
  put(household.id)
  put(names.numberOf(household.governorate))
  put(household.members)
  put(householdStatuses.indexOf(household.status))
  put(oldRationCardStates.indexOf(household.oldRationCard))
  put(cashUsage?.day ?? 0)
  put(cashUsage?.withdrawnPiasters ?? 0)
  put(cashUsage?.withdrawals ?? 0)
  put(cards.length)
  put(balances.length)
  put(holds.length)
  for (const card of cards) {
    put(card.id)
    for (let index = 0; index < 16; index += 4) put(wordAt(card.panIndex, index))
    put(Number(card.expiry))
    put(cardStatuses.indexOf(card.status))
  }
  for (const { account, period, posted, held } of balances) {
    put(account)
    put(period)
    put(posted)
    put(held)
  }
  for (const { id, kind, debit, credit, amount, expiresAtMs } of holds) {
    put(id)
    put(transferKinds[kind])
    put(debit)
    put(credit)
    put(amount)
    put(expiresAtMs)
  }
  return at
}

/** Reads what `writeHousehold` wrote. */
export function readHousehold(from: Float64Array, names: NameTable): Household {
  let at = 0
  const take = () => from[at++] ?? 0
  const id = take()
  const governorate = names.nameOf(take())
  const members = take()
  const status = known(householdStatuses[take()])
  const oldRationCard = known(oldRationCardStates[take()])
  const day = take() as CivilDate
  const withdrawnPiasters = take()
  const withdrawals = take()
  const cardCount = take()
  const balanceCount = take()
  const holdCount = take()
  const cards: Card[] = []
  for (let index = 0; index < cardCount; index++) cards.push(readCard(take))
  const balances: Balance[] = []
  for (let index = 0; index < balanceCount; index++) {
    balances.push({ account: take() as AccountNumber, period: take(), posted: take(), held: take() })
  }
  const holds: Hold[] = []
  for (let index = 0; index < holdCount; index++) holds.push(readHold(take))
  const cashUsage = day === 0 ? undefined : { day, withdrawnPiasters, withdrawals }
  return { id, governorate, members, status, oldRationCard, cards, balances, holds, cashUsage }
}

function readCard(take: () => number): Card {
  const id = take()
  const panIndex = wordsText(take(), take(), take(), take())
  const expiry = String(take()).padStart(EXPIRY_LENGTH, '0')
  return { id, panIndex, expiry, status: known(cardStatuses[take()]) }
}

function readHold(take: () => number): Hold {
  const id = take()
  const kind = transferKindOf(take())
  const debit = take() as AccountNumber
  const credit = take() as AccountNumber
  return { id, kind, debit, credit, amount: take(), expiresAtMs: take() }
}

function known<T>(value: T | undefined): T {
  assert(value !== undefined, 'a household record holds states that are known')
  return value
}

function wordAt(text: string, index: number): number {
  return (
    text.charCodeAt(index) * 0x1_00_00_00 +
    text.charCodeAt(index + 1) * 0x1_00_00 +
    text.charCodeAt(index + 2) * 0x1_00 +
    text.charCodeAt(index + 3)
  )
}

function wordsText(a: number, b: number, c: number, d: number): string {
  return String.fromCharCode(...bytesOf(a), ...bytesOf(b), ...bytesOf(c), ...bytesOf(d))
}

function bytesOf(word: number): [number, number, number, number] {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]
}
