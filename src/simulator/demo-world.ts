import { drawAheadDays, entitlementOf, periodOf } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import type { ProgrammeBook, ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { addDays, type CivilDate, civilDate, firstDay, monthOf, previousMonth } from '../calendar.ts'
import type { CardStatus } from '../card/household.ts'
import { maskPan, withCheckDigit } from '../identifiers.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import type { PanProtection } from '../security/pan-protection.ts'
import type { HouseholdRecord, OpeningGrant } from '../store/household-loader.ts'
import type { OutletRecord, ServiceRollout } from '../store/reference-data.ts'
import { DemoIssuer, PSN, SERVICE_CODE, track2Of } from './demo-issuer.ts'
import type { DemoKeys } from './demo-keys.ts'
import { Random } from './random.ts'

/** Governorates of the rollout, Port Said first (product.md, M19); ISO 3166-2:EG without the country. */
export const governorates = ['PTS', 'SUZ', 'LX', 'IS', 'ASN', 'JS'] as const

/** Households that stand for one situation each; they are always the first of the world. */
const specialCases = ['lost', 'stolen', 'expired', 'inactive', 'suspended', 'empty'] as const
export type SpecialCase = (typeof specialCases)[number]

/** One household of the demo world, with the clear card data that a simulator needs. */
export interface DemoHousehold {
  readonly id: number
  readonly case: SpecialCase | undefined
  readonly governorate: string
  readonly members: number
  readonly pan: string
  readonly expiry: string
  readonly pin: string
  readonly status: CardStatus
  readonly postalPiasters: number
  /** Whether its account, with that money, is held at the Post's account host. */
  readonly remote: boolean
  readonly pointsPiasters: number
  readonly grantsPiasters: number
  /** Still valid at the start, or stopped long ago: the steady state that a bench measures. */
  readonly oldRationCard: 'active' | 'stopped'
}

export interface DemoAcquirer {
  readonly id: string
  readonly name: string
}

const EXPIRY = '3012'
const EXPIRED = '2401'

const caseStatus: Record<SpecialCase, CardStatus> = {
  lost: 'lost',
  stolen: 'stolen',
  expired: 'active',
  inactive: 'issued',
  suspended: 'active',
  empty: 'active',
}

/** PAN of a household's card: 4000 00, the household's number, a check digit. */
export function panOf(householdId: number): string {
  return withCheckDigit(`400000${String(householdId).padStart(9, '0')}`)
}

/**
 * One household of the world of a seed. Every figure depends on seed and number alone, so that a simulator can make any
 * of a million households without the others.
 * @param remoteEvery one household in so many has its account at the account host; 0 = none
 */
export function demoHousehold(seed: number, id: number, withCases = true, remoteEvery = 0): DemoHousehold {
  const random = new Random(seed * 1_000_003 + id * 7_919)
  random.next()
  const special = withCases ? specialCases[id - 1] : undefined
  const members = random.integer(1, 3) + random.integer(0, 4)
  const rich = special === 'empty' ? 0 : 1
  return {
    id,
    case: special,
    governorate: governorates[id % governorates.length] ?? 'PTS',
    members,
    pan: panOf(id),
    expiry: special === 'expired' ? EXPIRED : EXPIRY,
    pin: String(random.integer(0, 9_999)).padStart(4, '0'),
    status: special === undefined ? 'active' : caseStatus[special],
    postalPiasters: rich * random.integer(5_000, 90_000) * 100,
    remote: remoteEvery > 0 && id % remoteEvery === 0,
    pointsPiasters: rich * (random.next() < 0.5 ? random.integer(1, 60) * 10 : 0),
    grantsPiasters: rich * (random.next() < 0.2 ? 12_500 : 0),
    oldRationCard: withCases ? 'active' : 'stopped',
  }
}

/**
 * A demo household as the store takes it.
 * @param issuer personalises its card
 */
export function householdRecord(
  household: DemoHousehold,
  today: CivilDate,
  programmes: ProgrammeBook,
  protection: PanProtection,
  issuer: DemoIssuer,
): HouseholdRecord {
  const panIndex = protection.index(household.pan)
  const encrypted = protection.encrypt(household.pan)
  return {
    id: household.id,
    governorate: household.governorate,
    terms: [
      {
        from: firstDay(monthOf(today)),
        members: household.members,
        status: household.case === 'suspended' ? 'suspended' : 'active',
      },
    ],
    classes: [],
    closedMonth: previousMonth(monthOf(today)),
    oldRationCard: household.oldRationCard,
    accountAt: household.remote ? 'host' : 'local',
    postalPiasters: household.remote ? 0 : household.postalPiasters,
    grants: openingGrants(household, today, programmes),
    cards: [
      {
        id: household.id,
        kind: 'family',
        panIndex,
        panMasked: maskPan(household.pan),
        panEncrypted: encrypted.bytes,
        keyVersion: encrypted.keyVersion,
        expiry: household.expiry,
        sequenceNumber: PSN,
        serviceCode: SERVICE_CODE,
        status: household.status,
        ...issuer.pinReference(household),
      },
    ],
  }
}

/** Points and grants for the month; the empty household's entitlements of the month are opened and lapse at once. */
function openingGrants(household: DemoHousehold, today: CivilDate, programmes: ProgrammeBook): OpeningGrant[] {
  const month = monthOf(today)
  const grants: OpeningGrant[] = []
  for (const programme of programmes.wallets) {
    const { number: programmeNumber, unit } = programme
    const own = { points: household.pointsPiasters, grants: household.grantsPiasters }[programme.code]
    if (own !== undefined && own > 0) {
      grants.push({ programmeNumber, unit, amount: own, period: month, lapsed: false })
    }
    const amount = household.case === 'empty' ? entitlementOf(programme, household.members) : 0
    if (amount === 0 || programme.code === 'flour') continue
    for (const period of periodsToMonthEnd(programme, today)) {
      grants.push({ programmeNumber, unit, amount, period, lapsed: true })
    }
  }
  return grants
}

function periodsToMonthEnd(programme: WalletProgramme, today: CivilDate): number[] {
  if (programme.period !== 'day') return [periodOf(programme, today)]
  const days: number[] = []
  for (let day = today; monthOf(day) === monthOf(today); day = addDays(day, 1)) days.push(day)
  return days
}

/** The outlets of the demo world: 60 bakeries, 60 grocers, 20 health providers, 40 shops, 20 ATMs. */
export function demoOutlets(): OutletRecord[] {
  const kinds = [
    { category: 'bakery', mcc: '5462', count: 60, letter: 'B', terminals: 2 },
    { category: 'grocer', mcc: '5411', count: 60, letter: 'G', terminals: 2 },
    { category: 'health', mcc: '8062', count: 20, letter: 'H', terminals: 1 },
    { category: 'shop', mcc: '5311', count: 40, letter: 'S', terminals: 2 },
    { category: 'atm', mcc: '6011', count: 20, letter: 'A', terminals: 1 },
  ] as const
  const outlets: OutletRecord[] = []
  for (const { category, mcc, count, letter, terminals } of kinds) {
    for (let n = 1; n <= count; n++) {
      const id = outlets.length + 1
      const number = String(n).padStart(4, '0')
      outlets.push({
        id,
        acceptor: `MZ${letter}${String(n).padStart(12, '0')}`,
        name: `Demo ${category} ${n}`,
        category,
        mcc,
        governorate: governorates[(n - 1) % governorates.length] ?? 'PTS',
        partialApproval: false,
        terminals: Array.from({ length: terminals }, (_, t) => `${letter}${number}${String(t + 1).padStart(3, '0')}`),
      })
    }
  }
  return outlets
}

/** The acquirers of the demo world. */
export const demoAcquirers: readonly DemoAcquirer[] = [
  { id: '81800001', name: 'Demo POS network' },
  { id: '81800002', name: 'Demo ATM network' },
  { id: '40000001', name: 'Demo card scheme acquirer' },
]

/** Every service is live in the demo's governorates. */
export function demoServices({ codes }: Pick<ProgrammeCatalogue, 'codes'>): ServiceRollout[] {
  return codes.flatMap((service) =>
    governorates.map((governorate) => ({ service, governorate, liveFrom: '2023-08-01' })),
  )
}

/** The file that a demo switch leaves for simulators and people: clear test data, never of production. */
export function worldFile(
  households: readonly DemoHousehold[],
  nowMs: number,
  catalogue: ProgrammeCatalogue,
  keys: DemoKeys,
): Record<string, unknown> {
  const today = civilDate(nowMs)
  const programmes = catalogue.on(today)
  const issuer = new DemoIssuer(keys)
  return {
    notice: 'Demo data with clear test cards and keys. Never load it in production.',
    households: households.map((household) => ({
      id: household.id,
      ...(household.case === undefined ? {} : { case: household.case }),
      governorate: household.governorate,
      members: household.members,
      drawAheadDays: drawAheadDaysOf(household, programmes),
      card: cardInFile(household, issuer),
      postalAccount: {
        id: String(moneyAccount('postalAccount', household.id)),
        balance: household.postalPiasters,
        ...(household.remote ? { heldAt: 'host' } : {}),
      },
      wallets: walletsOf(household, today, programmes),
    })),
    outlets: demoOutlets().map(({ acceptor, category, mcc, governorate, terminals }) => ({
      acceptorId: acceptor,
      category,
      mcc,
      governorate,
      terminals,
    })),
    acquirers: demoAcquirers,
    products: productsOf(programmes),
    keys,
  }
}

function cardInFile(household: DemoHousehold, issuer: DemoIssuer): Record<string, unknown> {
  const { pan, expiry, pin, oldRationCard } = household
  const values = issuer.values(household)
  return {
    pan,
    expiry,
    psn: PSN,
    serviceCode: SERVICE_CODE,
    pin,
    track2: track2Of(household, values, values.cvv),
    oldRationCard,
    track2Chip: track2Of(household, values, values.icvv),
    pvki: values.pvki,
    pvv: values.pvv,
    cvv2: values.cvv2,
  }
}

/** The goods that baskets may hold, by programme: for whoever plays a grocer's terminal. */
function productsOf({ wallets }: ProgrammeBook): Record<string, unknown>[] {
  return wallets.flatMap(({ code: programme, basket }) =>
    (basket.products ?? []).map(({ code, name, pricePiasters }) => ({ programme, code, name: name.en, pricePiasters })),
  )
}

function drawAheadDaysOf(household: DemoHousehold, programmes: ProgrammeBook): number {
  const bread = programmes.wallet('bread')
  return bread === undefined ? 0 : drawAheadDays(bread, household.members)
}

function walletsOf(household: DemoHousehold, today: CivilDate, programmes: ProgrammeBook): Record<string, number> {
  const wallets: Record<string, number> = {}
  const opened = openingGrants(household, today, programmes)
  for (const programme of programmes.wallets) {
    const grant = opened.find(
      (row) => row.programmeNumber === programme.number && row.period === periodOf(programme, today),
    )
    const untouched = grant === undefined ? entitlementOf(programme, household.members) : grant.amount
    wallets[programme.code] = grant?.lapsed === true ? 0 : untouched
  }
  return wallets
}
