import { withCheckDigit } from '../../src/identifiers.ts'
import type { World, WorldHousehold } from '../../src/simulator/demo-files.ts'
import { basketElements, type Intent, type TestTerminal, transaction, unitDraw } from '../../src/simulator/messages.ts'
import type { TestSwitch } from '../support/switch.ts'

/**
 * The response-code table of interfaces.md, row by row, as messages that must be refused so. What needs cryptography,
 * races or two messages is elsewhere.
 */

/** What a case builds its message from. */
export interface Scene {
  readonly world: TestSwitch
  readonly home: WorldHousehold
  /** Message type of a request: 0100 on the card scheme's rails, else 0200. */
  readonly mti: string
  at(category: 'bakery' | 'grocer' | 'health' | 'shop' | 'atm', governorate?: string): TestTerminal
}

export interface RefusalCase {
  readonly name: string
  readonly code: string
  readonly result: string
  readonly household?: { case?: string; governorate?: string }
  readonly intent: (scene: Scene) => Intent
}

const unknownOutlet = { acceptorId: 'NOBODY000000001', terminalId: 'NB000001', mcc: '5411' }
const wallets = { ration: '91', bread: '92', flour: '93', points: '94', grants: '95' } as const

const pay = ({ home, mti, at }: Scene, extra: Partial<Intent> = {}): Intent => ({
  ...transaction('purchase', { mti, card: home.card, terminal: at('shop'), amountPiasters: 1_000 }),
  ...extra,
})
const bread = ({ home, mti, at }: Scene, extra: Partial<Parameters<typeof unitDraw>[0]> = {}): Intent =>
  unitDraw({ mti, card: home.card, terminal: at('bakery'), quantity: 1, pricePiasters: 20, ...extra })
const ration = ({ home, mti, at }: Scene, extra: Partial<Intent> = {}): Intent => ({
  ...transaction('purchase', { mti, card: home.card, terminal: at('grocer'), amountPiasters: 1_000 }),
  ...extra,
})
const cash = ({ home, mti, at }: Scene, amountPiasters: number): Intent =>
  transaction('cash', { mti, card: home.card, terminal: at('atm'), amountPiasters, from: '20' })
const withCard = (intent: Intent, pan: string): Intent => ({ ...intent, card: { ...intent.card, pan } })

const cardCases: RefusalCase[] = [
  {
    name: '14 a card nobody issued',
    code: '14',
    result: 'unknown-card',
    intent: (s) => withCard(pay(s), withCheckDigit('400000999999999')),
  },
  {
    name: '14 a number that fails its check digit',
    code: '14',
    result: 'unknown-card',
    intent: (s) =>
      withCard(
        pay(s),
        s.home.card.pan.replace(/.$/, (digit) => String((Number(digit) + 1) % 10)),
      ),
  },
  ...(
    [
      ['41', 'lost', 'lost-card'],
      ['43', 'stolen', 'stolen-card'],
      ['54', 'expired', 'expired-card'],
      ['78', 'inactive', 'inactive-card'],
    ] as const
  ).flatMap(([code, special, result]) =>
    (['pay', 'bread', 'ration'] as const).map((what) => ({
      name: `${code} the ${special} card: ${what}`,
      code,
      result,
      household: { case: special },
      intent: (s: Scene) => ({ pay, bread, ration })[what](s),
    })),
  ),
  {
    name: '62 a restricted card',
    code: '62',
    result: 'restricted-card',
    intent: (s) => withCard(pay(s), restrictedHousehold(s.world.world).card.pan),
  },
  {
    name: '54 another expiry than the card has',
    code: '54',
    result: 'expired-card',
    intent: (s) => ({ ...pay(s), card: { ...s.home.card, expiry: '2912' } }),
  },
]

const placeCases: RefusalCase[] = [
  ...Object.entries(wallets).map(([wallet, from]) => ({
    name: `03 an unknown outlet draws on ${wallet}`,
    code: '03',
    result: 'unknown-outlet',
    intent: (s: Scene) =>
      transaction('purchase', { mti: s.mti, card: s.home.card, terminal: unknownOutlet, amountPiasters: 300, from }),
  })),
  {
    name: '03 an unknown outlet asks for health cover',
    code: '03',
    result: 'unknown-outlet',
    intent: (s) => pay(s, { processingCode: '009600', terminal: unknownOutlet }),
  },
  ...Object.entries({
    ration: 'bakery',
    bread: 'grocer',
    flour: 'grocer',
    points: 'shop',
    grants: 'bakery',
  } as const).map(([wallet, category]) => ({
    name: `58 a ${category} draws on ${wallet}`,
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s: Scene) =>
      pay(s, { processingCode: `00${wallets[wallet as keyof typeof wallets]}00`, terminal: s.at(category) }),
  })),
  {
    name: '58 a terminal that is not the bakery’s',
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s) => bread(s, { terminal: { ...s.at('bakery'), terminalId: 'B9999001' } }),
  },
  {
    name: '58 cash at a shop',
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s) => ({ ...cash(s, 1_000), terminal: s.at('shop') }),
  },
  {
    name: '58 cash at an unknown shop',
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s) => ({ ...cash(s, 1_000), terminal: unknownOutlet }),
  },
  {
    name: '58 a purchase at an ATM',
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s) => pay(s, { terminal: s.at('atm') }),
  },
  {
    name: '58 eligibility at a shop',
    code: '58',
    result: 'not-at-this-outlet',
    intent: (s) => pay(s, { processingCode: '399600' }),
  },
  {
    name: '57 bread in another governorate',
    code: '57',
    result: 'service-not-live',
    household: { governorate: 'PTS' },
    intent: (s) => bread(s, { terminal: s.at('bakery', 'SUZ') }),
  },
  {
    name: '57 a service that starts tomorrow',
    code: '57',
    result: 'service-not-live',
    household: { governorate: 'LX' },
    intent: (s) => ration(s, { processingCode: '009500' }),
  },
  {
    name: '57 a service that has no date',
    code: '57',
    result: 'service-not-live',
    household: { governorate: 'LX' },
    intent: (s) => bread(s, { from: '93', pricePiasters: 300 }),
  },
  ...(['bread', 'ration'] as const).map((what) => ({
    name: `57 the suspended household: ${what}`,
    code: '57',
    result: 'household-suspended',
    household: { case: 'suspended' },
    intent: (s: Scene) => ({ bread, ration })[what](s),
  })),
  ...(['000000', '399600'] as const).flatMap((processingCode) =>
    [
      { what: '1A health cover without fingerprint', code: '1A', result: 'fingerprint-required', elements: undefined },
      {
        what: '63 health cover with a forged fingerprint',
        code: '63',
        result: 'security-violation',
        elements: [{ tag: 'BM', value: '01'.repeat(52) }],
      },
    ].map(({ what, code, result, elements }) => ({
      name: `${what}, ${processingCode}`,
      code,
      result,
      intent: (s: Scene) =>
        pay(s, { processingCode, terminal: s.at('health'), ...(elements === undefined ? {} : { elements }) }),
    })),
  ),
]

const amountCases: RefusalCase[] = [
  { name: '13 an amount of zero', code: '13', result: 'bad-amount', intent: (s) => pay(s, { amountPiasters: 0 }) },
  {
    name: '13 a ration purchase of zero',
    code: '13',
    result: 'bad-amount',
    intent: (s) => ration(s, { amountPiasters: 0 }),
  },
  {
    name: '13 loaves and amount disagree',
    code: '13',
    result: 'bad-amount',
    intent: (s) => ({ ...bread(s, { quantity: 5 }), amountPiasters: 80 }),
  },
  { name: '13 no loaves', code: '13', result: 'bad-amount', intent: (s) => bread(s, { quantity: 0 }) },
  { name: '13 no days', code: '13', result: 'bad-amount', intent: (s) => bread(s, { days: 0 }) },
  { name: '13 too many days', code: '13', result: 'bad-amount', intent: (s) => bread(s, { days: 32 }) },
  {
    name: '13 an amount that is no whole number of loaves',
    code: '13',
    result: 'bad-amount',
    intent: (s) => ration(s, { terminal: s.at('bakery'), amountPiasters: 30 }),
  },
  {
    name: '13 basket lines and amount disagree',
    code: '13',
    result: 'bad-amount',
    intent: (s) =>
      ration(s, {
        elements: basketElements([{ product: 'RICE', quantityThousandths: 2_000, unitPricePiasters: 501 }]),
      }),
  },
  {
    name: '13 more cash back than was bought',
    code: '13',
    result: 'bad-amount',
    intent: (s) => pay(s, { processingCode: '090000', cashbackPiasters: 1_001 }),
  },
  {
    name: '13 another currency that nobody billed',
    code: '13',
    result: 'bad-amount',
    intent: (s) => pay(s, { override: { 49: '840' } }),
  },
  {
    name: '51 more than the postal account has',
    code: '51',
    result: 'insufficient',
    intent: (s) => pay(s, { amountPiasters: s.home.postalAccount.balance + 1 }),
  },
  {
    name: '51 more than the ration wallet has',
    code: '51',
    result: 'insufficient',
    intent: (s) => ration(s, { amountPiasters: (s.home.wallets.ration ?? 0) + 1 }),
  },
  {
    name: '51 more bread than today’s share',
    code: '51',
    result: 'insufficient',
    intent: (s) => bread(s, { quantity: 5 * s.home.members + 1 }),
  },
  ...(['pay', 'bread', 'ration'] as const).map((what) => ({
    name: `51 the empty household: ${what}`,
    code: '51',
    result: 'insufficient',
    household: { case: 'empty' },
    intent: (s: Scene) => ({ pay, bread, ration })[what](s),
  })),
  {
    name: '61 more cash than a day allows',
    code: '61',
    result: 'amount-limit',
    intent: (s) => cash(s, 300_001),
  },
  {
    name: '61 a purchase over the limit of one',
    code: '61',
    result: 'amount-limit',
    intent: (s) => pay(s, { amountPiasters: 9_500_001 }),
  },
]

const formCases: RefusalCase[] = [
  ...(['99', '02'] as const).map((type) => ({
    name: `12 transaction type ${type}`,
    code: '12',
    result: 'invalid-transaction',
    intent: (s: Scene) => pay(s, { processingCode: `${type}0000` }),
  })),
  {
    name: '12 account code 77',
    code: '12',
    result: 'invalid-transaction',
    intent: (s) => pay(s, { processingCode: '007700' }),
  },
  {
    name: '12 a bill paid from the ration wallet',
    code: '12',
    result: 'invalid-transaction',
    intent: (s) => pay(s, { processingCode: '509100' }),
  },
  {
    name: '30 no amount',
    code: '30',
    result: 'format-error',
    intent: (s) => pay(s, { override: { 4: undefined } }),
  },
  {
    name: '30 no card number',
    code: '30',
    result: 'format-error',
    intent: (s) => pay(s, { override: { 2: undefined } }),
  },
  {
    name: '30 a DE7 that is no date',
    code: '30',
    result: 'format-error',
    intent: (s) => pay(s, { override: { 7: '1332250000' } }),
  },
  ...(
    [
      ['QT', '1x'],
      ['DY', '123'],
      ['CP', 'Z'],
      ['IT', 'RICE'],
      ['FL', ''],
    ] as const
  ).map(([tag, value]) => ({
    name: `30 element ${tag} that cannot be read`,
    code: '30',
    result: 'format-error',
    intent: (s: Scene) => pay(s, { elements: [{ tag, value }] }),
  })),
]

/** The household whose card a test restricts. */
export function restrictedHousehold(world: World): WorldHousehold {
  const last = world.households.at(-1)
  if (last === undefined) throw new Error('the test world is empty')
  return last
}

/** All cases, each for every rail. */
export const refusalCases: readonly RefusalCase[] = [...cardCases, ...placeCases, ...amountCases, ...formCases]
