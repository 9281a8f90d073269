import { createHash } from 'node:crypto'
import type { Outlet } from '../authorization/request.ts'
import type { CivilDate } from '../calendar.ts'
import type { Card, CardKind } from '../card/household.ts'
import { withCheckDigit } from '../identifiers.ts'
import type { TestTerminal } from '../simulator/messages.ts'
import type { Chance } from './chance.ts'
import { type BalanceEntry, balanceKey, type HouseholdEntry } from './ledger-tables.ts'

export const EXPIRY = '3012'
const HOME = 'PTS'
const ELSEWHERE = 'SUZ'
const POSTAL_KIND = 600_100_000_000_000

/** A card of the world, with its number in clear. */
export interface WorldCard {
  readonly id: number
  readonly kind: CardKind
  readonly pan: string
}

export interface WorldHousehold {
  readonly id: number
  readonly members: number
  readonly cards: readonly WorldCard[]
  readonly postalPiasters: number
}

const categories = [
  ['bakery', '5462', 'B', HOME],
  ['bakery', '5462', 'B', ELSEWHERE],
  ['grocer', '5411', 'G', HOME],
  ['health', '8062', 'H', HOME],
  ['shop', '5311', 'S', HOME],
  ['atm', '6011', 'A', HOME],
] as const

/** The few outlets of a world: what is posted to them is hot. */
export const outlets: readonly Outlet[] = categories.map(([category, mcc, letter, governorate], index) => ({
  id: index + 1,
  acceptor: `SIM${letter}${String(index + 1).padStart(11, '0')}`,
  category,
  mcc,
  governorate,
  partialApproval: category === 'shop',
  terminals: new Set([`${letter}000000${index + 1}`]),
}))

/** The terminal of the first outlet of a kind. */
export function terminalAt(category: Outlet['category'], where = HOME): TestTerminal {
  const outlet = outlets.find((one) => one.category === category && one.governorate === where)
  if (outlet === undefined) throw new RangeError(`there is no ${category}`)
  const [terminalId = ''] = outlet.terminals
  return { acceptorId: outlet.acceptor, terminalId, mcc: outlet.mcc }
}

/** A terminal that does not serve the households of this world. */
export function terminalElsewhere(): TestTerminal {
  return terminalAt('bakery', ELSEWHERE)
}

export function outletByAcceptor(acceptor: string): Outlet | undefined {
  return outlets.find((one) => one.acceptor === acceptor)
}

/** By what a card is found. */
export function panIndexOf(pan: string): string {
  return createHash('sha256').update(`card ${pan}`).digest().toString('latin1', 0, 16)
}

/** The households of a seed. */
export function drawHouseholds(count: number, postalMax: number, chance: Chance): WorldHousehold[] {
  return Array.from({ length: count }, (_, index) => {
    const id = index + 1
    const cards: WorldCard[] = [{ id, kind: 'family', pan: panOf(0, id) }]
    if (chance.happens(0.5)) cards.push({ id: 10_000 + id, kind: 'device', pan: panOf(2, id) })
    if (chance.happens(0.3)) cards.push({ id: 20_000 + id, kind: 'ration', pan: panOf(1, id) })
    const postalPiasters = chance.happens(0.15) ? 0 : chance.integer(0, postalMax)
    return { id, members: chance.integer(1, 7), cards, postalPiasters }
  })
}

function panOf(kind: number, id: number): string {
  return withCheckDigit(`40000${kind}${String(id).padStart(9, '0')}`)
}

/** A household as the journal holds it at the start. */
export function householdEntry(household: WorldHousehold, lane: number, closedMonth: number): HouseholdEntry {
  const { id, members, postalPiasters } = household
  const account = POSTAL_KIND + id
  const balances = new Map<string, BalanceEntry>()
  balances.set(balanceKey(account, 0), { householdId: id, account, period: 0, posted: postalPiasters, held: 0 })
  return {
    id,
    lane,
    governorate: HOME,
    classes: [],
    terms: [{ from: 20_240_101 as CivilDate, members, status: 'active' }],
    closedMonth,
    oldRationCard: household.cards.some(({ kind }) => kind === 'ration') ? 'active' : 'none',
    cash: { day: 0, withdrawn: 0, withdrawals: 0 },
    cards: household.cards.map(cardEntry),
    balances,
    usages: new Map(),
    assertions: [],
    authorizations: [],
  }
}

function cardEntry({ id, kind, pan }: WorldCard): Card {
  return {
    id,
    kind,
    panIndex: panIndexOf(pan),
    expiry: EXPIRY,
    status: 'active',
    sequenceNumber: '01',
    serviceCode: '201',
    pinReference: { keyIndex: 1, pvv: '1234' },
    counters: { pinFailures: 0, atc: 0, atcSeen: 0 },
    scriptPending: undefined,
  }
}
