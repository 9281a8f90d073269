import { priceOn } from '../benefit/entitlement.ts'
import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { type Clock, civilDate } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import type { AdditionalAmount } from '../iso8583/composites.ts'
import { ChipCard } from './chip-card.ts'
import { ChipIssuer } from './chip-issuer.ts'
import type { Answer, Counterparty } from './counterparty.ts'
import { DemoCards } from './demo-cards.ts'
import type { World, WorldHousehold } from './demo-files.ts'
import { FingerprintReader } from './fingerprint-reader.ts'
import {
  answerLines,
  basketPurchase,
  basketTotalPiasters,
  completionOf,
  healthElements,
  type Intent,
  reversalOf,
  transaction,
  unitDraw,
} from './messages.ts'
import { DukptPinPad, type PinPad, ZonePinPad } from './pin-pad.ts'
import { withChip } from './presentment.ts'
import { clearingOf, networkStep, type Place, placeOf, stepOf, type TourStep } from './tour-step.ts'

export { isAsExpected, type TourStep } from './tour-step.ts'

/** What a tour needs: the world, and a counterparty on each rail. */
export interface TourOptions {
  readonly world: World
  readonly programmes: ProgrammeCatalogue
  readonly clock: Clock
  readonly pos: Counterparty
  readonly atm: Counterparty
  readonly visa: Counterparty
}

/** Goods without a cap: the tour may be played every day of a month. */
const GOODS = [
  { product: 'PASTA-800G', quantityThousandths: 1_000, unitPricePiasters: 1_300 },
  { product: 'SOAP-125G', quantityThousandths: 2_000, unitPricePiasters: 300 },
]
/** Of the second basket the ration list has only the tea. */
const MIXED_GOODS = [
  { product: 'TEA-40G', quantityThousandths: 1_000, unitPricePiasters: 500 },
  { product: 'SHAMPOO', quantityThousandths: 1_000, unitPricePiasters: 4_500 },
]
const LISTED_PIASTERS = 500
const UNLISTED_PIASTERS = 4_500
const WITHDRAWAL_PIASTERS = 20_000
const PURCHASE_PIASTERS = 15_075
const CLEARED_PIASTERS = 12_000
/** Held, and presented by the network later. */
const HELD_PIASTERS = 4_250
const VISIT_COST_PIASTERS = 50_000
/** The most that the household pays of it: 5 per cent. */
const VISIT_PIASTERS_MAX = 2_500
const BILL_PIASTERS = 12_345
const BILL_FEE_PIASTERS = 500
/** Merchant category of utilities. */
const UTILITY_MCC = '4900'
/** Ration value that a tour takes. */
const RATION_PIASTERS = basketTotalPiasters(GOODS) + LISTED_PIASTERS
/** Postal money that the whole tour takes at most. */
const POSTAL_PIASTERS_MIN =
  WITHDRAWAL_PIASTERS +
  2 * PURCHASE_PIASTERS +
  HELD_PIASTERS +
  VISIT_PIASTERS_MAX +
  UNLISTED_PIASTERS +
  BILL_PIASTERS +
  BILL_FEE_PIASTERS

/** Cards and devices of a tour. */
interface Stage extends TourOptions {
  readonly cards: DemoCards
  /** PIN pad of every link, under its zone key. */
  readonly pinPad: PinPad
}

/**
 * The scripted tour: sign-on, bread, ration, a health visit, a refusal, a wrong PIN, cash, a bill, a card purchase, a
 * duplicate, a reversal, a forged card, a completion, balances; every card with chip and PIN. It looks for a household
 * that has not drawn its bread today, so it may be played again and again.
 */
export async function* playTour(options: TourOptions): AsyncGenerator<TourStep> {
  const { world, pos, atm, visa } = options
  const stage = { ...options, cards: new DemoCards(world), pinPad: new ZonePinPad(world.keys.zpk) }
  for (const counterparty of [pos, atm, visa]) yield networkStep(counterparty)
  try {
    const start = await findHousehold(stage)
    yield start.step
    yield* subsidySteps(stage, start)
    yield* healthSteps(stage, start)
    yield* cashSteps(stage, start)
    yield await billStep(stage, start)
    yield* cardSteps(stage, start)
    yield await lastStep(stage, start)
  } finally {
    stage.cards.save()
  }
}

/** The message with the household's chip and its PIN, or another one. */
function chipAndPin({ cards, pinPad, clock }: Stage, household: WorldHousehold, intent: Intent, pad = pinPad): Intent {
  const { pan, pin } = household.card
  return withChip(intent, cards.of(household), { date: civilDate(clock.now()), pin: pad.enter(pin, pan) })
}

/** What a family gets at the bakery and the grocer; the grocer's PIN pad has a key of its own for each PIN. */
async function* subsidySteps(stage: Stage, { household, wallets }: Start): AsyncGenerator<TourStep> {
  const { world, programmes, clock, pos, cards } = stage
  const { card, governorate } = household
  const chip = cards.of(household)
  const today = civilDate(clock.now())
  const bread = programmes.on(today).wallet('bread')
  const pricePiasters = bread === undefined ? undefined : priceOn(bread, today)
  assert(pricePiasters !== undefined, 'bread has a price')
  const bakery = placeOf(world, 'bakery', governorate)
  const quantity = wallets.bread
  const draw = unitDraw({ card, terminal: bakery.terminal, quantity, pricePiasters, days: 1, coPayment: 'C' })
  const drawn = await pos.ask(chipAndPin(stage, household, draw))
  yield stepOf('The family draws its bread of today', pos, bakery, drawn, { quantity, chip })

  const grocer = placeOf(world, 'grocer', governorate)
  const ask = { card, terminal: grocer.terminal }
  const pad = new DukptPinPad(world.keys.bdk, newDevice(clock))
  const bought = await pos.ask(chipAndPin(stage, household, basketPurchase(ask, GOODS), pad))
  const check = { what: 'both lines are granted', holds: reasonsOf(bought.answer) === 'OK OK' }
  yield stepOf('Pasta and soap from the ration wallet, item by item', pos, grocer, bought, { chip, check })
  const mixed = await pos.ask(chipAndPin(stage, household, basketPurchase(ask, MIXED_GOODS, { coPayment: 'A' }), pad))
  const parts = {
    what: 'the tea is granted, the shampoo is not on the list',
    holds: reasonsOf(mixed.answer) === 'OK NA',
  }
  const title = 'Tea from the ration wallet, and the shampoo from the postal account at once'
  yield stepOf(title, pos, grocer, mixed, { chip, check: parts })
}

/** What the answer says of each line. */
function reasonsOf({ message }: Answer): string {
  return answerLines(message)
    .map(({ reason }) => reason)
    .join(' ')
}

/** Serial number of a PIN pad that nobody has used: its second of birth, above the counter's 21 bits. */
function newDevice(clock: Clock): string {
  const born = (Math.floor(clock.now() / 1_000) * 32) >>> 0
  return `FFFF9876${born.toString(16).padStart(8, '0')}0000`
}

/** A visit to a hospital: whose finger it is must be shown; the inquiry says what the household has to pay. */
async function* healthSteps(stage: Stage, { household, paid }: Start): AsyncGenerator<TourStep> {
  const { world, clock, pos, cards } = stage
  const chip = cards.of(household)
  const clinic = placeOf(world, 'health', household.governorate)
  const [keyId = '', key = ''] = Object.entries(world.keys.biometric)[0] ?? []
  const reader = new FingerprintReader(keyId, key, clinic.terminal.terminalId, clock)
  const elements = healthElements({ service: 'IN', costPiasters: VISIT_COST_PIASTERS })
  const fingerprint = { reader, person: `household ${household.id}`, matched: true }
  const ask = { card: household.card, terminal: clinic.terminal, from: '96' }
  const inquiry = transaction('eligibility', ask, { fingerprint, elements })
  const told = await pos.ask(chipAndPin(stage, household, inquiry))
  const due = told.answer.amounts.find((group: AdditionalAmount) => group.amountType === '04')?.amount ?? Number.NaN
  const check = { what: 'the share of the cost is told', holds: due <= VISIT_PIASTERS_MAX }
  yield stepOf('Covered, and what a hospital stay would cost the family', pos, clinic, told, { chip, check })
  const visit = transaction('purchase', { ...ask, amountPiasters: due }, { fingerprint, elements })
  const share = await pos.ask(chipAndPin(stage, household, visit))
  paid.visitPiasters = due
  yield stepOf('The stay with a fingerprint: the co-payment from the postal account', pos, clinic, share, { chip })
}

/** An electricity bill at a cash machine, with its fee. */
async function billStep(stage: Stage, { household }: Start): Promise<TourStep> {
  const { world, atm, cards } = stage
  const machine = placeOf(world, 'atm', household.governorate)
  const terminal = { ...machine.terminal, mcc: UTILITY_MCC }
  const bill = transaction('billPayment', { card: household.card, terminal, amountPiasters: BILL_PIASTERS, from: '20' })
  const paid = await atm.ask(chipAndPin(stage, household, bill))
  return stepOf('A utility bill, with its fee', atm, machine, paid, { chip: cards.of(household) })
}

/** Cash: never from a subsidy, never with a wrong PIN, always from the postal account. */
async function* cashSteps(stage: Stage, { household }: Start): AsyncGenerator<TourStep> {
  const { world, atm, cards, pinPad, clock } = stage
  const { card, governorate } = household
  const chip = cards.of(household)
  const machine = placeOf(world, 'atm', governorate)
  const ask = { card, terminal: machine.terminal }
  const fromRation = transaction('cash', { ...ask, amountPiasters: 5_000, from: '91' })
  const refused = await atm.ask(chipAndPin(stage, household, fromRation))
  const why = 'Cash from the ration wallet: refused, a subsidy never leaves as cash'
  yield stepOf(why, atm, machine, refused, { expected: 'subsidy-not-cash', chip })
  const withdrawal = transaction('cash', { ...ask, amountPiasters: WITHDRAWAL_PIASTERS, from: '20' })
  const mistyped = pinPad.enter(String((Number(card.pin) + 1) % 10_000).padStart(4, '0'), card.pan)
  const wrong = await atm.ask(withChip(withdrawal, chip, { date: civilDate(clock.now()), pin: mistyped }))
  yield stepOf('Cash with a wrong PIN: refused', atm, machine, wrong, { expected: 'wrong-pin', chip })
  const cash = await atm.ask(chipAndPin(stage, household, withdrawal))
  yield stepOf('Cash from the linked postal account', atm, machine, cash, { chip })
}

/** Purchases on the card scheme's rails: held, repeated, cancelled, forged, completed. */
async function* cardSteps(stage: Stage, { household }: Start): AsyncGenerator<TourStep> {
  const { world, visa, cards } = stage
  const chip = cards.of(household)
  const shop = placeOf(world, 'shop', household.governorate)
  const ask = { mti: '0100', card: household.card, terminal: shop.terminal, amountPiasters: PURCHASE_PIASTERS }
  const purchase = transaction('purchase', ask)
  const hold = await visa.ask(chipAndPin(stage, household, purchase))
  yield stepOf('A card purchase, held until it clears', visa, shop, hold, { chip })
  const repeat = visa.repeatOf(hold.sent)
  const again = { sent: repeat, answer: await visa.send(repeat) }
  const holds = again.answer.frame.equals(hold.answer.frame)
  const check = { what: 'the answer is the first one, byte for byte', holds }
  yield stepOf('The same message again: answered again, posted once', visa, shop, again, { check })
  const reversal = await visa.ask(reversalOf(hold.sent, { mti: '0420' }))
  yield stepOf('The shop cancels: the hold is released', visa, shop, reversal)
  yield await forgedStep(stage, household, purchase, shop)
  const second = await visa.ask(chipAndPin(stage, household, purchase))
  yield stepOf('Another purchase is held', visa, shop, second, { chip })
  const cleared = await visa.ask(completionOf(second.sent, CLEARED_PIASTERS))
  yield stepOf('It completes for less: the rest of the hold is released', visa, shop, cleared)
  const later = await visa.ask(chipAndPin(stage, household, { ...purchase, amountPiasters: HELD_PIASTERS }))
  const step = stepOf('A purchase that stays held: the network clears it', visa, shop, later, { chip })
  yield { ...step, clearing: clearingOf(later, shop, visa, civilDate(stage.clock.now())) }
}

/** A copy of the card by someone who has all that is printed on it and in its track, and not its keys. */
async function forgedStep(stage: Stage, household: WorldHousehold, purchase: Intent, shop: Place): Promise<TourStep> {
  const { visa, cards, pinPad, clock, world } = stage
  const { card } = household
  const genuine = cards.of(household)
  const forger = new ChipIssuer({ ...world.keys, imkAc: world.keys.imkSmc })
  const copy = new ChipCard(forger, card, genuine.version, { atc: genuine.atc })
  const pin = pinPad.enter(card.pin, card.pan)
  const forged = await visa.ask(withChip(purchase, copy, { date: civilDate(clock.now()), pin }))
  const check = { what: 'nothing of the issuer comes back to the copy', holds: forged.answer.chip === undefined }
  const title = 'A copy of the chip with a forged cryptogram: refused'
  return stepOf(title, visa, shop, forged, { expected: 'card-authentication-failed', check })
}

/** The balances must be those of the start, less what the tour took. */
async function lastStep(stage: Stage, { household, wallets, paid }: Start): Promise<TourStep> {
  const { world, atm, cards } = stage
  const machine = placeOf(world, 'atm', household.governorate)
  const ask = transaction('inquiry', { card: household.card, terminal: machine.terminal })
  const inquiry = await atm.ask(chipAndPin(stage, household, ask))
  const left = walletsOf(inquiry.answer)
  const taken = WITHDRAWAL_PIASTERS + CLEARED_PIASTERS + HELD_PIASTERS
  const onTop = UNLISTED_PIASTERS + BILL_PIASTERS + BILL_FEE_PIASTERS
  const holds =
    left.ration === wallets.ration - RATION_PIASTERS &&
    left.postal === wallets.postal - taken - onTop - paid.visitPiasters &&
    left.bread === 0
  const check = { what: 'the balances add up', holds }
  return stepOf('What is left', atm, machine, inquiry, { check, chip: cards.of(household) })
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
  /** What the tour only learns on its way. */
  readonly paid: { visitPiasters: number }
}

/** Asks for balances until a household has what the tour takes. A few hundred inquiries take less than a second. */
async function findHousehold(stage: Stage): Promise<Start> {
  const { world, atm, cards } = stage
  for (const household of world.households) {
    if (household.case !== undefined) continue
    const machine = placeOf(world, 'atm', household.governorate)
    const ask = transaction('inquiry', { card: household.card, terminal: machine.terminal })
    const exchanged = await atm.ask(chipAndPin(stage, household, ask))
    const wallets = walletsOf(exchanged.answer)
    const enough =
      exchanged.answer.code === '00' &&
      wallets.bread > 0 &&
      wallets.ration >= RATION_PIASTERS &&
      wallets.postal >= POSTAL_PIASTERS_MIN
    if (!enough) continue
    const title = `A family of ${household.members} asks what it has`
    const step = stepOf(title, atm, machine, exchanged, { chip: cards.of(household) })
    return { household, wallets, step, paid: { visitPiasters: 0 } }
  }
  throw new MizanError('NOT_FOUND', 'no household of the demo world has bread of today, ration and money left')
}
