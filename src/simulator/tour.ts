import { type Result, responseCodes } from '../authorization/result.ts'
import { type ProgrammeBook, priceOn } from '../benefit/programme.ts'
import { type Clock, civilDate } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import type { AdditionalAmount } from '../iso8583/composites.ts'
import type { Answer, Counterparty, Exchanged } from './counterparty.ts'
import type { World, WorldHousehold, WorldOutlet } from './demo-files.ts'
import {
  basketElements,
  basketTotalPiasters,
  completionOf,
  reversalOf,
  type Stamps,
  type TestTerminal,
  transaction,
  unitDraw,
} from './messages.ts'

/** What a tour needs: the world, and a counterparty on each rail. */
export interface TourOptions {
  readonly world: World
  readonly programmes: ProgrammeBook
  readonly clock: Clock
  readonly pos: Counterparty
  readonly atm: Counterparty
  readonly visa: Counterparty
}

/** One exchange of the tour, with what it should have come to. */
export interface TourStep {
  readonly title: string
  /** Who asks: the rail and the place. */
  readonly who: string
  readonly mti: string
  /** The household's card; undefined for network management. */
  readonly pan: string | undefined
  readonly amountPiasters: number | undefined
  /** Loaves drawn. */
  readonly quantity: number | undefined
  readonly stamps: Stamps | undefined
  readonly answer: Answer
  readonly expected: Result
  /** DE39 of `expected` in the rail's dialect. */
  readonly expectedCode: string
  /** What is checked beyond the code, and whether it held; undefined when the code says it all. */
  readonly check: { readonly what: string; readonly holds: boolean } | undefined
}

/** Whether a step came out as it should. */
export function isAsExpected(step: TourStep): boolean {
  return step.answer.code === step.expectedCode && step.check?.holds !== false
}

const GOODS = [
  { product: 'SUGAR-1KG', quantityThousandths: 1_000, unitPricePiasters: 1_260 },
  { product: 'OIL-800ML', quantityThousandths: 500, unitPricePiasters: 2_480 },
]
const WITHDRAWAL_PIASTERS = 20_000
const PURCHASE_PIASTERS = 15_075
const CLEARED_PIASTERS = 12_000
/** Postal money that the whole tour takes at most. */
const POSTAL_PIASTERS_MIN = WITHDRAWAL_PIASTERS + 2 * PURCHASE_PIASTERS

interface Place {
  readonly terminal: TestTerminal
  readonly outlet: WorldOutlet
}

/**
 * The scripted tour: sign-on, bread, ration, a refusal, cash, a card purchase, a duplicate, a reversal, a completion,
 * balances. It looks for a household that has not drawn its bread today, so it may be played again and again.
 */
export async function* playTour(options: TourOptions): AsyncGenerator<TourStep> {
  const { pos, atm, visa } = options
  for (const counterparty of [pos, atm, visa]) yield networkStep(counterparty)
  const start = await findHousehold(options)
  yield start.step
  yield* subsidySteps(options, start)
  yield* cashSteps(options, start)
  yield* cardSteps(options, start)
  yield await lastStep(options, start)
}

/** What a family gets at the bakery and the grocer. */
async function* subsidySteps(options: TourOptions, { household, wallets }: Start): AsyncGenerator<TourStep> {
  const { world, programmes, clock, pos } = options
  const { card, governorate } = household
  const bread = programmes.byCode('bread')
  const pricePiasters = bread === undefined ? undefined : priceOn(bread, civilDate(clock.now()))
  assert(pricePiasters !== undefined, 'bread has a price')
  const bakery = placeOf(world, 'bakery', governorate)
  const quantity = wallets.bread
  const draw = unitDraw({ card, terminal: bakery.terminal, quantity, pricePiasters, days: 1, coPayment: 'C' })
  yield stepOf('The family draws its bread of today', pos, bakery, await pos.ask(draw), { quantity })

  const grocer = placeOf(world, 'grocer', governorate)
  const ask = { card, terminal: grocer.terminal, amountPiasters: basketTotalPiasters(GOODS) }
  const basket = transaction('purchase', ask, { elements: basketElements(GOODS) })
  yield stepOf('Sugar and oil from the ration wallet', pos, grocer, await pos.ask(basket))
}

/** Cash: never from a subsidy, always from the postal account. */
async function* cashSteps({ world, atm }: TourOptions, { household }: Start): AsyncGenerator<TourStep> {
  const { card, governorate } = household
  const machine = placeOf(world, 'atm', governorate)
  const ask = { card, terminal: machine.terminal }
  const refused = await atm.ask(transaction('cash', { ...ask, amountPiasters: 5_000, from: '91' }))
  const why = 'Cash from the ration wallet: refused, a subsidy never leaves as cash'
  yield stepOf(why, atm, machine, refused, { expected: 'subsidy-not-cash' })
  const cash = await atm.ask(transaction('cash', { ...ask, amountPiasters: WITHDRAWAL_PIASTERS, from: '20' }))
  yield stepOf('Cash from the linked postal account', atm, machine, cash)
}

/** Purchases on the card scheme's rails: held, repeated, cancelled, completed. */
async function* cardSteps({ world, visa }: TourOptions, { household }: Start): AsyncGenerator<TourStep> {
  const shop = placeOf(world, 'shop', household.governorate)
  const ask = { mti: '0100', card: household.card, terminal: shop.terminal, amountPiasters: PURCHASE_PIASTERS }
  const purchase = transaction('purchase', ask)
  const hold = await visa.ask(purchase)
  yield stepOf('A card purchase, held until it clears', visa, shop, hold)
  const repeat = visa.repeatOf(hold.sent)
  const again = { sent: repeat, answer: await visa.send(repeat) }
  const holds = again.answer.frame.equals(hold.answer.frame)
  const check = { what: 'the answer is the first one, byte for byte', holds }
  yield stepOf('The same message again: answered again, posted once', visa, shop, again, { check })
  const reversal = await visa.ask(reversalOf(hold.sent, { mti: '0420' }))
  yield stepOf('The shop cancels: the hold is released', visa, shop, reversal)
  const second = await visa.ask(purchase)
  yield stepOf('Another purchase is held', visa, shop, second)
  const cleared = await visa.ask(completionOf(second.sent, CLEARED_PIASTERS))
  yield stepOf('It completes for less: the rest of the hold is released', visa, shop, cleared)
}

/** The balances must be those of the start, less what the tour took. */
async function lastStep({ world, atm }: TourOptions, { household, wallets }: Start): Promise<TourStep> {
  const machine = placeOf(world, 'atm', household.governorate)
  const inquiry = await atm.ask(transaction('inquiry', { card: household.card, terminal: machine.terminal }))
  const left = walletsOf(inquiry.answer)
  const holds =
    left.ration === wallets.ration - basketTotalPiasters(GOODS) &&
    left.postal === wallets.postal - WITHDRAWAL_PIASTERS - CLEARED_PIASTERS &&
    left.bread === 0
  return stepOf('What is left', atm, machine, inquiry, { check: { what: 'the balances add up', holds } })
}

function networkStep(counterparty: Counterparty): TourStep {
  const answer = counterparty.signedOn
  assert(answer !== undefined, 'a counterparty of a tour signs on when it connects')
  return {
    title: `The ${counterparty.rail.name} link signs on`,
    who: counterparty.rail.dialect,
    mti: '0800',
    pan: undefined,
    amountPiasters: undefined,
    quantity: undefined,
    stamps: undefined,
    answer,
    expected: 'approved',
    expectedCode: '00',
    check: undefined,
  }
}

function stepOf(
  title: string,
  counterparty: Counterparty,
  { outlet }: Place,
  { sent, answer }: Exchanged,
  more: { expected?: Result; quantity?: number; check?: TourStep['check'] } = {},
): TourStep {
  const { expected = 'approved' } = more
  return {
    title,
    who: `${counterparty.rail.name}, ${outlet.category} ${outlet.acceptorId} (${outlet.governorate})`,
    mti: sent.mti,
    pan: sent.intent.card.pan,
    amountPiasters: sent.intent.amountPiasters,
    quantity: more.quantity,
    stamps: sent.stamps,
    answer,
    expected,
    expectedCode: responseCodes(counterparty.rail.dialect)[expected],
    check: more.check,
  }
}

/** Available figures of a balance inquiry that the tour looks at. */
interface Wallets {
  /** Loaves left today. */
  readonly bread: number
  readonly ration: number
  readonly postal: number
}

function walletsOf(answer: Answer): Wallets {
  const available = (accountType: string) =>
    answer.amounts.find((group: AdditionalAmount) => group.accountType === accountType)?.amount ?? 0
  return { bread: available('92'), ration: available('91'), postal: available('20') }
}

/** The household of a tour, what it had, and the inquiry that said so. */
interface Start {
  readonly household: WorldHousehold
  readonly wallets: Wallets
  readonly step: TourStep
}

/** Asks for balances until a household has what the tour takes. A few hundred inquiries take less than a second. */
async function findHousehold({ world, atm }: TourOptions): Promise<Start> {
  for (const household of world.households) {
    if (household.case !== undefined) continue
    const machine = placeOf(world, 'atm', household.governorate)
    const exchanged = await atm.ask(transaction('inquiry', { card: household.card, terminal: machine.terminal }))
    const wallets = walletsOf(exchanged.answer)
    const enough =
      exchanged.answer.code === '00' &&
      wallets.bread > 0 &&
      wallets.ration >= basketTotalPiasters(GOODS) &&
      wallets.postal >= POSTAL_PIASTERS_MIN
    if (!enough) continue
    const title = `A family of ${household.members} asks what it has`
    return { household, wallets, step: stepOf(title, atm, machine, exchanged) }
  }
  throw new MizanError('NOT_FOUND', 'no household of the demo world has bread of today, ration and money left')
}

function placeOf(world: World, category: WorldOutlet['category'], governorate: string): Place {
  const outlet = world.outlets.find((one) => one.category === category && one.governorate === governorate)
  const terminalId = outlet?.terminals[0]
  if (outlet === undefined || terminalId === undefined) {
    throw new MizanError('NOT_FOUND', `the demo world has no ${category} in ${governorate}`)
  }
  return { outlet, terminal: { acceptorId: outlet.acceptorId, terminalId, mcc: outlet.mcc } }
}
