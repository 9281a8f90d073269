import type { CivilDate, CivilMonth } from '../calendar.ts'
import {
  accountPlaces,
  type Card,
  cardKinds,
  cardScripts,
  cardStatuses,
  type Household,
  type HouseholdTerm,
  householdStatuses,
  type OneTimeCode,
  oldRationCardStates,
  type Usage,
  type UsedAssertion,
  type VerificationException,
} from '../card/household.ts'
import { assert } from '../errors.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import { transferKindOf, transferKinds } from '../ledger/posting-rules.ts'
import type { Balance, OpenHold } from '../ledger/transfer.ts'

const HEAD = 17
const CARD = 15
const TERM = 3
const USAGE = 3
const BALANCE = 4
const HOLD = 9
const ASSERTION = 3
const CODE = 5
const EXCEPTION = 4
const EXPIRY_LENGTH = 4
const NO_PIN = -1
const NO_SCRIPT = -1
const SERVICE_CODES = 1_000
const CLASS_SEPARATOR = ','

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
  const { cards, balances, holds, usedAssertions, terms, usages, oneTimeCode, exceptions } = household
  const parts = cards.length * CARD + balances.length * BALANCE + holds.length * HOLD + terms.length * TERM
  const verification = usedAssertions.length * ASSERTION + exceptions.length * EXCEPTION + (oneTimeCode ? CODE : 0)
  return HEAD + parts + verification + usages.length * USAGE
}

/** Writes a household as numbers to the front of `out`. @returns how many */
export function writeHousehold(household: Household, out: Float64Array, names: NameTable): number {
  const { cards, balances, holds, cashUsage, usedAssertions, terms, usages, oneTimeCode, exceptions } = household
  let at = 0
  const put = (value: number) => {
    out[at++] = value
  }
  put(household.id)
  put(names.numberOf(household.governorate))
  put(names.numberOf(household.classes.join(CLASS_SEPARATOR)))
  put(household.closedMonth)
  put(oldRationCardStates.indexOf(household.oldRationCard))
  put(accountPlaces.indexOf(household.accountAt))
  put(cashUsage?.day ?? 0)
  put(cashUsage?.withdrawnPiasters ?? 0)
  put(cashUsage?.withdrawals ?? 0)
  put(cards.length)
  put(balances.length)
  put(holds.length)
  put(usedAssertions.length)
  put(terms.length)
  put(usages.length)
  put(oneTimeCode === undefined ? 0 : 1)
  put(exceptions.length)
  for (const card of cards) {
    put(card.id)
    put(cardKinds.indexOf(card.kind))
    for (let index = 0; index < 16; index += 4) put(wordAt(card.panIndex, index))
    put(Number(card.expiry))
    put(cardStatuses.indexOf(card.status))
    put(Number(card.sequenceNumber) * SERVICE_CODES + Number(card.serviceCode))
    put(card.pinReference?.keyIndex ?? NO_PIN)
    put(Number(card.pinReference?.pvv ?? NO_PIN))
    put(card.counters.pinFailures)
    put(card.counters.atc)
    put(card.counters.atcSeen)
    put(card.scriptPending === undefined ? NO_SCRIPT : cardScripts.indexOf(card.scriptPending))
  }
  for (const { account, period, posted, held } of balances) {
    put(account)
    put(period)
    put(posted)
    put(held)
  }
  for (const { id, kind, debit, credit, amount, cashback, openAmount, openCashback, expiresAtMs } of holds) {
    put(id)
    put(transferKinds[kind])
    put(debit)
    put(credit)
    put(amount)
    put(cashback)
    put(openAmount)
    put(openCashback)
    put(expiresAtMs)
  }
  for (const { nonce, usedAtMs } of usedAssertions) {
    put(Number.parseInt(nonce.slice(0, 8), 16))
    put(Number.parseInt(nonce.slice(8), 16))
    put(usedAtMs)
  }
  for (const { from, members, status } of terms) {
    put(from)
    put(members)
    put(householdStatuses.indexOf(status))
  }
  for (const { counter, period, used } of usages) {
    put(counter)
    put(period)
    put(used)
  }
  if (oneTimeCode !== undefined) {
    put(oneTimeCode.factor)
    put(oneTimeCode.expiresAtMs)
    put(oneTimeCode.triesLeft)
    put(oneTimeCode.day)
    put(oneTimeCode.sent)
  }
  for (const { id, programme, from, until } of exceptions) {
    put(id)
    put(programme)
    put(from)
    put(until)
  }
  return at
}

/** Reads what `writeHousehold` wrote. */
export function readHousehold(from: Float64Array, names: NameTable): Household {
  let at = 0
  const take = () => from[at++] ?? 0
  const id = take()
  const governorate = names.nameOf(take())
  const classes = classesOf(names.nameOf(take()))
  const closedMonth = take() as CivilMonth
  const oldRationCard = known(oldRationCardStates[take()])
  const accountAt = known(accountPlaces[take()])
  const day = take() as CivilDate
  const withdrawnPiasters = take()
  const withdrawals = take()
  const cardCount = take()
  const balanceCount = take()
  const holdCount = take()
  const assertionCount = take()
  const termCount = take()
  const usageCount = take()
  const hasCode = take() === 1
  const exceptionCount = take()
  const cards: Card[] = []
  for (let index = 0; index < cardCount; index++) cards.push(readCard(take))
  const balances: Balance[] = []
  for (let index = 0; index < balanceCount; index++) {
    balances.push({ account: take() as AccountNumber, period: take(), posted: take(), held: take() })
  }
  const holds: OpenHold[] = []
  for (let index = 0; index < holdCount; index++) holds.push(readHold(take))
  const usedAssertions: UsedAssertion[] = []
  for (let index = 0; index < assertionCount; index++) {
    usedAssertions.push({ nonce: hex8(take()) + hex8(take()), usedAtMs: take() })
  }
  const terms: HouseholdTerm[] = []
  for (let index = 0; index < termCount; index++) {
    terms.push({ from: take() as CivilDate, members: take(), status: known(householdStatuses[take()]) })
  }
  const usages: Usage[] = []
  for (let index = 0; index < usageCount; index++) usages.push({ counter: take(), period: take(), used: take() })
  const oneTimeCode = hasCode ? readCode(take) : undefined
  const exceptions: VerificationException[] = []
  for (let index = 0; index < exceptionCount; index++) {
    exceptions.push({ id: take(), programme: take(), from: take() as CivilDate, until: take() as CivilDate })
  }
  const cashUsage = day === 0 ? undefined : { day, withdrawnPiasters, withdrawals }
  const states = { id, governorate, classes, closedMonth, oldRationCard, accountAt, cashUsage }
  return { ...states, terms, cards, balances, holds, usedAssertions, usages, oneTimeCode, exceptions }
}

function classesOf(joined: string): readonly string[] {
  return joined === '' ? [] : joined.split(CLASS_SEPARATOR)
}

function readCard(take: () => number): Card {
  const id = take()
  const kind = known(cardKinds[take()])
  const panIndex = wordsText(take(), take(), take(), take())
  const expiry = String(take()).padStart(EXPIRY_LENGTH, '0')
  const status = known(cardStatuses[take()])
  const codes = take()
  const keyIndex = take()
  const pvv = take()
  const counters = { pinFailures: take(), atc: take(), atcSeen: take() }
  const script = take()
  return {
    id,
    kind,
    panIndex,
    expiry,
    status,
    sequenceNumber: String(Math.floor(codes / SERVICE_CODES)).padStart(2, '0'),
    serviceCode: String(codes % SERVICE_CODES).padStart(3, '0'),
    pinReference: keyIndex === NO_PIN ? undefined : { keyIndex, pvv: String(pvv).padStart(4, '0') },
    counters,
    scriptPending: script === NO_SCRIPT ? undefined : known(cardScripts[script]),
  }
}

function readCode(take: () => number): OneTimeCode {
  return { factor: take(), expiresAtMs: take(), triesLeft: take(), day: take() as CivilDate, sent: take() }
}

function readHold(take: () => number): OpenHold {
  const id = take()
  const kind = transferKindOf(take())
  const debit = take() as AccountNumber
  const credit = take() as AccountNumber
  const [amount, cashback, openAmount, openCashback] = [take(), take(), take(), take()]
  return { id, kind, debit, credit, amount, cashback, openAmount, openCashback, expiresAtMs: take() }
}

function hex8(word: number): string {
  return word.toString(16).padStart(8, '0')
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
