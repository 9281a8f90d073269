import fc from 'fast-check'
import { keyOf } from '../../src/authorization/message-key.ts'
import type { AuthorizationRequest, MessageClass, Outlet } from '../../src/authorization/request.ts'
import { type BasketLine, basketValue } from '../../src/benefit/basket.ts'
import { priceOn } from '../../src/benefit/entitlement.ts'
import { civilDate, civilTime } from '../../src/calendar.ts'
import { withCheckDigit } from '../../src/identifiers.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import { outlets, programmes, request, WORLD_SEED, withAssertion } from './world.ts'

/** What to do next; everything is relative to what was sent before, so that any sequence makes sense. */
export interface Step {
  readonly action: (typeof actions)[number]
  readonly card: number
  readonly pick: number
  readonly amount: number
  readonly quantity: number
  readonly days: number
  /** Which of the earlier messages is meant, counted back from the last. */
  readonly back: number
  readonly flag: boolean
  readonly other: boolean
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Several times over where it should come more often. */
const actions = [
  ...['draw', 'draw', 'draw', 'draw', 'pay', 'pay', 'pay', 'hold', 'hold'],
  ...['basket', 'basket', 'basket', 'basket', 'visit', 'visit', 'bill', 'offline', 'offline'],
  ...['reverse', 'reverse', 'reverse', 'refund', 'refund', 'refund', 'refund', 'complete', 'complete', 'complete'],
  ...['repeat', 'repeat', 'draw', 'hold', 'month'],
  ...['any', 'any', 'early', 'ask', 'minutes', 'days', 'month', 'evict', 'expire'],
] as const

const amounts = [1, 20, 100, 400, 1_000, 2_500, 5_000, 12_500, 20_000, 60_000, 250_000, 2_000_001]

/** One step of random traffic over so many cards. */
export function stepOf(cards: number): fc.Arbitrary<Step> {
  return fc.record({
    action: fc.constantFrom(...actions),
    card: fc.nat(cards - 1),
    pick: fc.nat(1_000),
    amount: fc.oneof(fc.constantFrom(...amounts), fc.integer({ min: 0, max: 30_000 })),
    quantity: fc.integer({ min: 0, max: 40 }),
    days: fc.constantFrom(1, 1, 1, 2, 3, 4),
    back: fc.oneof(fc.constant(0), fc.nat(5)),
    flag: fc.boolean(),
    other: fc.nat(9).map((chance) => chance === 0),
  })
}

/** Of the ration list, capped and not, one too dear, one that is on no list. */
const goods = [
  { product: 'OIL-800ML', unitPricePiasters: 3_000 },
  { product: 'SUGAR-1KG', unitPricePiasters: 1_260 },
  { product: 'TEA-40G', unitPricePiasters: 500 },
  { product: 'SUGAR-1KG', unitPricePiasters: 1_201 },
  { product: 'TAHINI-140G', unitPricePiasters: 9_999 },
  { product: 'SHAMPOO', unitPricePiasters: 4_500 },
  { product: 'CHEESE-125G', unitPricePiasters: 449 },
]
const types = ['00', '01', '09', '11', '20', '21', '28', '30', '31', '39', '40', '50', '77']
const accounts = ['00', '10', '20', '91', '92', '93', '94', '95', '96', '55']
const classes: readonly { messageClass: MessageClass; mti: string }[] = [
  { messageClass: 'authorization', mti: '0100' },
  { messageClass: 'financial', mti: '0200' },
  { messageClass: 'authorization-advice', mti: '0120' },
  { messageClass: 'financial-advice', mti: '0220' },
]
const [authorization, financial, standIn, completion] = classes as [ClassOf, ClassOf, ClassOf, ClassOf]
type ClassOf = (typeof classes)[number]
const reversalClasses: readonly ClassOf[] = [
  { messageClass: 'reversal', mti: '0400' },
  { messageClass: 'reversal-advice', mti: '0420' },
]

function at<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}

/** Turns steps into requests, as the terminals and networks of a small world would send them. */
export class Traffic {
  readonly sent: AuthorizationRequest[] = []
  readonly #approved: AuthorizationRequest[] = []
  /** Transactions whose reversal was sent before them. */
  readonly #late: AuthorizationRequest[] = []
  readonly #households: readonly { id: number; pan: string; governorate: string }[]
  readonly #panIndexOf: (pan: string) => string
  readonly #rationCards: boolean
  #count = 0

  /** @param rationCards whether the households also have their old ration cards, see {@link rationPanOf} */
  constructor(householdIds: readonly number[], panIndexOf: (pan: string) => string, rationCards = false) {
    this.#rationCards = rationCards
    this.#households = householdIds.map((id) => demoHousehold(WORLD_SEED, id))
    this.#panIndexOf = panIndexOf
  }

  /** The next request; undefined when the step has nothing to go on. */
  next(step: Step, nowMs: number): AuthorizationRequest | undefined {
    const made = this.#make(step, nowMs)
    if (made !== undefined) this.sent.push(made)
    return made
  }

  /** Tells that a request was approved: what follows on approved ones is the interesting part. */
  approved(request: AuthorizationRequest): void {
    if (!request.mti.startsWith('04')) this.#approved.push(request)
  }

  #earlier(step: Step): AuthorizationRequest | undefined {
    const among = step.pick % 4 === 3 || this.#approved.length === 0 ? this.sent : this.#approved
    return among.at(-1 - (step.back % Math.max(1, among.length)))
  }

  #make(step: Step, nowMs: number): AuthorizationRequest | undefined {
    const earlier = this.#earlier(step)
    switch (step.action) {
      case 'draw':
        return this.#draw(step, nowMs)
      case 'pay':
        return this.#pay(step, step.back === 2 ? completion : financial, nowMs)
      case 'hold':
        return this.#pay(step, step.back === 3 ? standIn : authorization, nowMs)
      case 'ask':
        return this.#ask(step, nowMs)
      case 'basket':
        return this.#basket(step, nowMs)
      case 'visit':
        return this.#visit(step, nowMs)
      case 'bill':
        return this.#bill(step, nowMs)
      case 'offline':
        return this.#offline(step, nowMs)
      case 'any':
        return this.#any(step, nowMs)
      case 'repeat':
        return earlier && this.#repeat(earlier, step, nowMs)
      case 'early':
        return this.#early(step, nowMs)
      case 'reverse':
      case 'refund':
      case 'complete':
        return earlier && this.#follow(earlier, step, nowMs)
      default:
        return undefined
    }
  }

  #base(step: Step, nowMs: number): Partial<AuthorizationRequest> {
    const { id, pan: ownPan } = at(this.#households, step.card)
    const pan = this.#rationCards && step.pick % 6 === 0 ? rationPanOf(id) : ownPan
    const stamps = this.#stamps(nowMs)
    return { ...stamps, pan, panIndex: this.#panIndexOf(pan), receivedAtMs: nowMs, schemeRail: false }
  }

  #stamps(nowMs: number): Pick<AuthorizationRequest, 'stan' | 'transmission' | 'rrn'> {
    this.#count++
    const transmission = new Date(nowMs).toISOString().replaceAll(/\D/g, '').slice(4, 14)
    return {
      stan: String(this.#count % 1_000_000).padStart(6, '0'),
      transmission,
      rrn: String(this.#count).padStart(12, '0'),
    }
  }

  /** A draw as it should be, mostly: the right outlet of the household's governorate, DE4 at the price. */
  #draw(step: Step, nowMs: number): AuthorizationRequest {
    const code = at(['bread', 'bread', 'bread', 'ration', 'ration', 'flour', 'points', 'grants'], step.pick)
    const programme = programmes.wallet(code)
    const { governorate } = at(this.#households, step.card)
    const where = step.other
      ? at(outlets, step.pick)
      : this.#outlet(programme?.outlets.categories[0] ?? 'shop', governorate)
    const quantity = code === 'flour' ? step.quantity * 10 : step.quantity
    const price = programme === undefined ? undefined : priceOn(programme, civilDate(nowMs))
    return request({
      ...this.#base(step, nowMs),
      ...at([financial, authorization, financial, completion], step.pick),
      ...placeOf(where),
      fromAccount: programme?.accountCode ?? '00',
      amountPiasters: price === undefined ? step.amount : quantity * price,
      quantity: price === undefined ? undefined : quantity,
      days: code === 'bread' ? step.days : 1,
      tender: price !== undefined && step.flag ? 'postal' : undefined,
      partialAllowed: step.flag,
    })
  }

  /** Goods line by line, on the list and not, capped and not, with or without money for the rest. */
  #basket(step: Step, nowMs: number): AuthorizationRequest {
    const { governorate } = at(this.#households, step.card)
    const count = 1 + (step.back % 4)
    const basket = Array.from({ length: count }, (_, index) => {
      const { product, unitPricePiasters } = at(goods, step.pick + index * (1 + step.quantity))
      const quantity = step.amount % 3 === 0 ? step.quantity * 333 : (1 + (step.quantity % 9)) * 1_000
      return { product, quantity, unitPricePiasters }
    })
    const where = step.other ? at(outlets, step.pick) : this.#outlet('grocer', governorate)
    return request({
      ...this.#base(step, nowMs),
      ...at([financial, authorization, financial, financial], step.pick),
      ...placeOf(where),
      fromAccount: at(['91', '91', '00', '95', '94'], step.pick + step.days),
      amountPiasters: basketValue(basket) + (step.other ? 1 : 0),
      basket,
      tender: step.flag ? 'postal' : undefined,
      partialAllowed: step.days > 1,
    })
  }

  /** A health visit with its cost; the share is right as long as the year's cap is far. */
  #visit(step: Step, nowMs: number): AuthorizationRequest {
    const { governorate } = at(this.#households, step.card)
    const [service, percent] = at(
      [
        ['IN', 5],
        ['LB', 10],
        ['RX', 10],
        ['CH', 0],
        ['XX', 5],
      ] as const,
      step.pick,
    )
    const share = Math.floor((step.amount * percent + 50) / 100)
    return request({
      ...this.#base(step, nowMs),
      ...financial,
      ...placeOf(this.#outlet('health', governorate)),
      fromAccount: '96',
      service,
      costPiasters: step.flag ? step.amount : undefined,
      amountPiasters: step.other ? share + 1 : share,
      tender: step.days === 2 ? 'cash' : undefined,
      security: withAssertion,
    })
  }

  #bill(step: Step, nowMs: number): AuthorizationRequest {
    const { governorate } = at(this.#households, step.card)
    return request({
      ...this.#base(step, nowMs),
      ...at([financial, financial, authorization], step.pick),
      ...placeOf(this.#outlet(step.flag ? 'atm' : 'shop', governorate)),
      transactionType: '50',
      fromAccount: '20',
      mcc: step.other ? '5311' : '4900',
      amountPiasters: step.amount,
    })
  }

  /** Bread that a terminal gave on its own and sends later. */
  #offline(step: Step, nowMs: number): AuthorizationRequest {
    const { governorate } = at(this.#households, step.card)
    const drawnAtMs = nowMs - (step.amount % 30) * HOUR_MS
    const { date, time } = civilTime(drawnAtMs)
    const quantity = step.flag ? 15 : 1 + (step.quantity % 16)
    return request({
      ...this.#base(step, nowMs),
      ...completion,
      ...placeOf(this.#outlet('bakery', governorate)),
      fromAccount: '92',
      amountPiasters: quantity * 20,
      quantity,
      offlineSequence: step.pick,
      localTime: `${String(date).slice(4)}${time}`,
    })
  }

  #outlet(category: string, governorate: string): Outlet {
    const found = outlets.find((outlet) => outlet.category === category && outlet.governorate === governorate)
    return found ?? at(outlets, 0)
  }

  /** Money from the postal account, with what the type needs. */
  #pay(step: Step, messageClass: ClassOf, nowMs: number): AuthorizationRequest {
    const [type, category] = at(
      [
        ['00', 'shop'],
        ['00', 'health'],
        ['01', 'atm'],
        ['09', 'shop'],
        ['11', 'shop'],
        ['50', 'post'],
        ['21', 'post'],
        ['20', 'shop'],
      ] as const,
      step.pick,
    )
    const { governorate } = at(this.#households, step.card)
    const known = !step.other && (type !== '20' || step.flag)
    const place = known ? placeOf(this.#outlet(category, governorate)) : unknownPlace(type)
    return request({
      ...this.#base(step, nowMs),
      ...messageClass,
      ...place,
      transactionType: type,
      fromAccount: category === 'health' ? '96' : '20',
      toAccount: type === '20' ? '20' : '00',
      amountPiasters: step.amount,
      cashbackPiasters: type === '09' ? Math.floor(step.amount / 3) : 0,
      partialAllowed: step.flag,
      schemeRail: !known,
      networkReference: known ? '' : String(this.#count).padStart(15, '9'),
      security: category === 'health' && !step.other ? withAssertion : undefined,
    })
  }

  #ask(step: Step, nowMs: number): AuthorizationRequest {
    const { governorate } = at(this.#households, step.card)
    const health = step.flag
    return request({
      ...this.#base(step, nowMs),
      ...authorization,
      ...placeOf(this.#outlet(health ? 'health' : 'atm', governorate)),
      transactionType: health ? '39' : at(['30', '31'], step.pick),
      fromAccount: health ? '96' : '00',
      security: withAssertion,
    })
  }

  /** Whatever a broken or hostile terminal may send. */
  #any(step: Step, nowMs: number): AuthorizationRequest {
    const unknown = step.pick % 7 === 0
    return request({
      ...this.#base(step, nowMs),
      ...at(classes, step.quantity),
      ...(unknown ? unknownPlace(at(types, step.pick)) : placeOf(at(outlets, step.pick * 7))),
      transactionType: at(types, step.pick),
      fromAccount: at(accounts, step.quantity + step.back),
      toAccount: at(accounts, step.back),
      amountPiasters: step.amount,
      cashbackPiasters: step.flag ? step.amount + 1 : 0,
      quantity: step.flag ? step.quantity : undefined,
      days: step.days,
      schemeRail: step.other,
      security: withAssertion,
    })
  }

  #repeat(earlier: AuthorizationRequest, step: Step, nowMs: number): AuthorizationRequest {
    const again = { ...earlier, repeat: true, receivedAtMs: nowMs }
    const changed = { amountPiasters: earlier.amountPiasters + 20, contentHash: 'another content!' }
    return step.other ? { ...again, ...changed } : again
  }

  /** A reversal whose original is still on its way; the original follows with a later step of the same kind. */
  #early(step: Step, nowMs: number): AuthorizationRequest {
    const late = this.#late.pop()
    if (late !== undefined && step.flag) return { ...late, receivedAtMs: nowMs }
    const coming = step.other ? this.#draw(step, nowMs) : this.#pay(step, financial, nowMs)
    this.#late.push(coming)
    return this.#reversal(coming, step, nowMs)
  }

  #follow(earlier: AuthorizationRequest, step: Step, nowMs: number): AuthorizationRequest {
    if (step.action === 'reverse') return this.#reversal(earlier, step, nowMs)
    const { pan, panIndex, acceptor, terminal, acquirer, mcc, fromAccount, schemeRail, networkReference } = earlier
    const amountPiasters = step.flag ? earlier.amountPiasters : Math.floor(earlier.amountPiasters / 2)
    const same = { pan, panIndex, acceptor, terminal, acquirer, mcc, schemeRail, networkReference, amountPiasters }
    const named = step.pick % 3 === 0 ? { rrn: earlier.rrn } : originalOf(earlier)
    const stranger = step.other ? this.#base(step, nowMs) : {}
    const own = { ...this.#stamps(nowMs), receivedAtMs: nowMs, ...same, ...stranger, ...named }
    if (step.action === 'complete') {
      const tip = step.pick % 3 === 0 ? 1_000 : 0
      const { transactionType } = earlier
      const capture = step.days > 1 ? { sequence: 1 + (step.back % 2), count: 2 } : undefined
      const told = step.other ? { adviceCode: '05' } : {}
      const kind = step.pick % 2 === 0 ? { ...completion, ...told } : financial
      return request({ ...own, ...kind, capture, transactionType, fromAccount, amountPiasters: amountPiasters + tip })
    }
    const toMoney = step.pick % 5 === 0
    const basket =
      step.pick % 3 === 0 ? undefined : earlier.basket?.slice(step.pick % 2).map((line) => partOf(line, step))
    return request({
      ...own,
      ...financial,
      ...(basket === undefined || basket.length === 0 ? {} : { basket, amountPiasters: basketValue(basket) }),
      transactionType: '20',
      fromAccount: toMoney ? '20' : fromAccount,
      toAccount: toMoney || step.pick % 7 === 0 ? '20' : fromAccount,
      security: withAssertion,
    })
  }

  #reversal(original: AuthorizationRequest, step: Step, nowMs: number): AuthorizationRequest {
    const { pan, panIndex, acceptor, terminal, acquirer, mcc, schemeRail, transactionType, fromAccount } = original
    const stranger = step.other && step.flag ? this.#base(step, nowMs) : {}
    const named = step.pick % 4 === 0 ? { rrn: original.rrn } : originalOf(original)
    const partial = step.pick % 3 === 0 ? Math.ceil(original.amountPiasters / (2 + step.back)) : undefined
    return request({
      ...this.#stamps(nowMs),
      ...{ pan, panIndex, acceptor, terminal, acquirer, mcc, schemeRail, transactionType, fromAccount },
      ...stranger,
      ...at(reversalClasses, step.pick),
      ...named,
      networkReference: step.pick % 3 === 0 ? original.networkReference : '',
      receivedAtMs: nowMs,
      amountPiasters: step.other ? original.amountPiasters + 100 : original.amountPiasters,
      replacementPiasters: partial === 0 ? undefined : partial,
    })
  }
}

/** Some of a line, or all of it, or of another one. */
function partOf(line: BasketLine, step: Step): BasketLine {
  if (step.days === 4) return { ...line, product: 'TEA-40G' }
  return step.flag ? line : { ...line, quantity: Math.max(1, Math.floor(line.quantity / 2_000)) * 1_000 }
}

/** Number of the old ration card of a household. */
export function rationPanOf(householdId: number): string {
  return withCheckDigit(`400001${String(householdId).padStart(9, '0')}`)
}

function placeOf(outlet: Outlet): Partial<AuthorizationRequest> {
  const { acceptor, mcc, category, terminals } = outlet
  const acquirer = category === 'atm' ? '81800002' : '81800001'
  return { acceptor, mcc, acquirer, terminal: at([...terminals], 0) }
}

function unknownPlace(type: string): Partial<AuthorizationRequest> {
  const mcc = type === '01' || type === '21' ? '6011' : '5311'
  return { acceptor: 'ELSEWHERE000001', terminal: 'X0000001', acquirer: '40000001', mcc }
}

function originalOf(earlier: AuthorizationRequest): Partial<AuthorizationRequest> {
  const { mti, stan, transmission, acquirer, terminal } = earlier
  return {
    original: { mti, stan, transmission, acquirer },
    originalKey: keyOf(acquirer, terminal, stan, transmission, mti),
  }
}

const DAY_MS = 86_400_000

/** Where the clock stands after a step that lets time pass. */
export function timeAfter(step: Step, nowMs: number): number {
  if (step.action === 'minutes') return nowMs + (1 + step.pick) * MINUTE_MS
  if (step.action === 'days') return nowMs + (1 + (step.pick % 8)) * DAY_MS
  if (step.action === 'month' && step.pick % 3 > 0) return nowMs + DAY_MS
  if (step.action === 'month') {
    const day = civilTime(nowMs).date % 100
    return nowMs + (step.flag ? 30 - (day % 30) : 31) * DAY_MS
  }
  return nowMs + 1_000
}
