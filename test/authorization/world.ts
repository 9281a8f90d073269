import { createHash } from 'node:crypto'
import { type Authentication, notAuthenticated } from '../../src/authorization/authentication.ts'
import type { DecisionContext, DecisionPolicy, StoredAuthorization } from '../../src/authorization/decision.ts'
import { keyOf } from '../../src/authorization/message-key.ts'
import { type AuthorizationRequest, type Outlet, type SecurityData, unsaid } from '../../src/authorization/request.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { type CivilMonth, civilDate, parseDate } from '../../src/calendar.ts'
import type { Card, Household, HouseholdStatus, HouseholdTerm } from '../../src/card/household.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { demoHousehold, demoOutlets } from '../../src/simulator/demo-world.ts'

/** Seed of the demo world that these tests share with the database ones. */
export const WORLD_SEED = 1
export const catalogue = programmeCatalogue(shippedProgrammes)
/** Those of a date of these tests; the programmes that ship are the same through these years. */
export const programmes = catalogue.on(parseDate('2026-11-18'))

const registered: readonly Outlet[] = demoOutlets().map((outlet) => ({
  ...outlet,
  terminals: new Set(outlet.terminals),
}))
/** A depot and a post office, which the demo world lacks. */
const extra: readonly Outlet[] = [
  {
    id: 900,
    acceptor: 'DEPOT0000000900',
    category: 'depot',
    mcc: '5411',
    governorate: 'SUZ',
    partialApproval: false,
    terminals: new Set(['D0000001']),
  },
  {
    id: 901,
    acceptor: 'POST00000000901',
    category: 'post',
    mcc: '9402',
    governorate: 'SUZ',
    partialApproval: true,
    terminals: new Set(['P0000001']),
  },
]
export const outlets: readonly Outlet[] = [...registered, ...extra]
const byAcceptor = new Map(outlets.map((outlet) => [outlet.acceptor, outlet]))

export function outletByAcceptor(acceptor: string): Outlet | undefined {
  return byAcceptor.get(acceptor)
}

/** The first outlet of a category in a governorate. */
export function outletOf(category: Outlet['category'], governorate: string): Outlet {
  const found = outlets.find((outlet) => outlet.category === category && outlet.governorate === governorate)
  if (found === undefined) throw new RangeError(`no ${category} in ${governorate}`)
  return found
}

/** Of an authorization in the journal: no answer of its own, and nothing has come to it since. */
export const nothingSince = {
  answer: {},
  hold: undefined,
  holdEnding: undefined,
  captures: [],
  returned: [],
  capture: undefined,
  reversedPiasters: undefined,
  refundedPiasters: 0,
  refunds: [],
  lines: [],
  usages: [],
} satisfies Partial<StoredAuthorization>

/** Every service is live everywhere but in Suez' health cover. */
export const policy: DecisionPolicy = {
  withdrawalDailyPiasters: 600_000,
  withdrawalDailyCount: 4,
  purchaseSinglePiasters: 2_000_000,
  holdDays: 7,
  pinTriesMax: 3,
  oneTimeCode: { validMs: 300_000, triesMax: 3, perDayMax: 5 },
  chipDataRequired: false,
  pinRequired: () => false,
  serviceLiveFrom: () => parseDate('2023-08-01'),
}

/** A test card number's index: any 16 bytes that differ by card. */
export function panIndexOf(pan: string): string {
  return createHash('sha256').update(`index ${pan}`).digest('binary').slice(0, 16)
}

/** An active card that was never used, and has a PIN. */
export function cardOf(id: number, panIndex: string, fields: Partial<Card> = {}): Card {
  return {
    id,
    kind: 'family',
    panIndex,
    expiry: '3012',
    status: 'active',
    sequenceNumber: '01',
    serviceCode: '201',
    pinReference: { keyIndex: 1, pvv: '1234' },
    counters: { pinFailures: 0, atc: 0, atcSeen: 0 },
    scriptPending: undefined,
    ...fields,
  }
}

/** A message that brings a biometric assertion. What it is worth, {@link fingerprinted} says. */
export const withAssertion: SecurityData = {
  pinBlock: undefined,
  securityControl: undefined,
  keySerial: undefined,
  chip: undefined,
  sequenceNumber: undefined,
  track2: undefined,
  oneTimeCode: undefined,
  assertion: { token: new Uint8Array(52), boundTo: '' },
}

/** A genuine assertion of a matched fingerprint, of its own for each key. */
export function fingerprinted(key: string, nowMs: number): Authentication {
  const nonce = Buffer.from(key, 'latin1').toString('hex').slice(-16).padStart(16, '0')
  return { ...notAuthenticated, fingerprint: 'matched', assertion: { nonce, signedAtMs: nowMs } }
}

/** What a request of these tests stands for: a genuine assertion where it brings one, else nothing verified. */
export function authenticationOf({ security, key, receivedAtMs }: AuthorizationRequest): Authentication {
  return security === undefined ? notAuthenticated : fingerprinted(key, receivedAtMs)
}

/** So many members from long ago on. */
export function termOf(members: number, status: HouseholdStatus = 'active'): HouseholdTerm {
  return { from: parseDate('2020-01-01'), members, status }
}

/** A household with one active card and an empty journal. */
export function household(fields: Partial<Household> = {}): Household {
  const id = fields.id ?? 1_001
  const card = cardOf(id, String(id).padStart(16, '0'))
  return {
    id,
    governorate: 'SUZ',
    terms: [termOf(4)],
    classes: [],
    closedMonth: 202_610 as CivilMonth,
    oldRationCard: 'active',
    accountAt: 'local',
    cards: [card],
    balances: [],
    holds: [],
    cashUsage: undefined,
    usedAssertions: [],
    oneTimeCode: undefined,
    exceptions: [],
    usages: [],
    ...fields,
  }
}

/** A household with money in its postal account. */
export function householdWithMoney(postedPiasters: number, fields: Partial<Household> = {}): Household {
  const made = household(fields)
  made.balances.push({ account: moneyAccount('postalAccount', made.id), period: 0, posted: postedPiasters, held: 0 })
  return made
}

let stan = 0

/** A request with everything that need not be said. Key and content hash follow from the fields. */
export function request(fields: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  stan = (stan + 1) % 1_000_000
  const base: AuthorizationRequest = {
    ...unsaid,
    messageClass: 'financial',
    mti: '0200',
    link: 'ascii',
    schemeRail: false,
    receivedAtMs: Date.UTC(2026, 10, 11, 10),
    pan: demoHousehold(WORLD_SEED, 7).pan,
    panIndex: '',
    transactionType: '00',
    fromAccount: '00',
    toAccount: '00',
    amountPiasters: 0,
    stan: String(stan).padStart(6, '0'),
    transmission: '1111100000',
    rrn: String(stan).padStart(12, '0'),
    acquirer: '81800001',
    terminal: 'S0001001',
    acceptor: '',
    mcc: '',
    key: '',
    contentHash: '',
    ...fields,
  }
  const panIndex = fields.panIndex ?? panIndexOf(base.pan)
  const key = fields.key ?? keyOf(base.acquirer, base.terminal, base.stan, base.transmission, base.mti)
  return { ...base, panIndex, key, contentHash: fields.contentHash ?? contentHashOf({ ...base, panIndex }) }
}

function contentHashOf(base: AuthorizationRequest): string {
  const { panIndex, transactionType, fromAccount, toAccount, amountPiasters, cashbackPiasters, acceptor } = base
  const { quantity, days, tender, basket, service, costPiasters, replacementPiasters, original, ...more } = base
  const { adviceCode, capture } = more
  const text = JSON.stringify([
    [panIndex, transactionType, fromAccount, toAccount, amountPiasters, cashbackPiasters, acceptor],
    [quantity, days, tender, basket, service, costPiasters, replacementPiasters, original, adviceCode, capture],
  ])
  return createHash('sha256').update(text).digest('binary').slice(0, 16)
}

/** A context for one decision on a household at noon of 2026-11-11, with nothing found in the journal. */
export function context(served: Household | undefined, fields: Partial<DecisionContext> = {}): DecisionContext {
  const nowMs = fields.nowMs ?? Date.UTC(2026, 10, 11, 10)
  return {
    id: 6_400,
    nowMs,
    entitlementDate: civilDate(nowMs),
    programmes,
    policy,
    card: served?.cards[0],
    household: served,
    outlet: undefined,
    previous: undefined,
    reversedEarly: false,
    original: undefined,
    authentication: notAuthenticated,
    ...fields,
  }
}
