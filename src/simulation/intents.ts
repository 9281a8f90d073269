import type { Outlet } from '../authorization/request.ts'
import type { Element } from '../iso8583/tlv.ts'
import {
  basketElements,
  basketTotalPiasters,
  type Intent,
  type TestTerminal,
  transaction,
  unitDraw,
} from '../simulator/messages.ts'
import { HOUR_MS } from '../time-units.ts'
import { cairoDate, cairoTime } from './cairo.ts'
import type { Chance } from './chance.ts'
import type { LinkName } from './host.ts'
import type { WorkloadKind } from './kinds.ts'
import { ASSERTION_KEY_ID, assertionMac, pinBlockOf } from './security.ts'
import type { Asked } from './sent.ts'
import { EXPIRY, terminalAt, terminalElsewhere, type WorldCard, type WorldHousehold } from './world.ts'

const LOAF_PIASTERS = 20
const PURCHASE_MTI = '0200'

/** A message that is about to be sent, and what it asks for. */
export interface Wish {
  readonly asked: Asked
  readonly intent: Intent
  /** Acquirer of the terminal. */
  readonly acquirer: string
}

/** Goods of the ration list: capped, plain, too dear, on no list. */
const goods = [
  { product: 'OIL-800ML', unitPricePiasters: 3_000 },
  { product: 'SUGAR-1KG', unitPricePiasters: 1_260 },
  { product: 'PASTA-400G', unitPricePiasters: 650 },
  { product: 'SOAP-125G', unitPricePiasters: 300 },
  { product: 'SOAP-125G', unitPricePiasters: 999 },
  { product: 'SHAMPOO', unitPricePiasters: 4_500 },
]
const visits = [
  { service: 'IN', percent: 5 },
  { service: 'LB', percent: 10 },
  { service: 'CH', percent: 0 },
] as const

/** Makes wishes of terminals: mostly as they should be, on purpose sometimes not. */
export class Wishes {
  readonly #chance: Chance
  readonly #households: readonly WorldHousehold[]
  readonly #now: () => number
  readonly #smallest: number
  /** Sequence of the last draw that a terminal stored: each has one of its own. */
  #stored = 0

  /** @param now true time */
  constructor(chance: Chance, households: readonly WorldHousehold[], postalMax: number, now: () => number) {
    this.#chance = chance
    this.#households = households
    this.#now = now
    this.#smallest = Math.max(50, postalMax / 60)
  }

  #holder(): { household: WorldHousehold; card: WorldCard } {
    // A few households get most of it: what they have runs out, and their messages meet.
    const last = this.#households.length - 1
    const household =
      this.#households[Math.floor(last * this.#chance.next() ** 2)] ?? this.#chance.pick(this.#households)
    const ration = this.#chance.happens(0.25)
    const kinds = household.cards.filter(({ kind }) => ration || kind !== 'ration')
    return { household, card: this.#chance.pick(kinds) }
  }

  #amount(): number {
    return Math.round(this.#chance.spread(this.#smallest / 5, this.#smallest * 12))
  }

  /** A new transaction of a kind; undefined when the kind is none of a terminal alone. */
  next(kind: WorkloadKind, link: LinkName): Wish | undefined {
    const { household, card } = this.#holder()
    const chance = this.#chance
    const ask = { card: testCard(card) }
    const wish = (asked: Partial<Asked>, intent: Intent, acquirer = '81800001'): Wish => ({
      asked: { kind: kind as Asked['kind'], card, household, amountPiasters: intent.amountPiasters ?? 0, ...asked },
      intent,
      acquirer,
    })
    switch (kind) {
      case 'purchase':
      case 'hold': {
        const mti = kind === 'hold' ? '0100' : PURCHASE_MTI
        const amountPiasters = this.#amount()
        const terminal = terminalAt('shop')
        return wish(
          {},
          transaction('purchase', { ...ask, terminal, mti, amountPiasters, from: '20' }, this.#scheme(link)),
        )
      }
      case 'cash': {
        const amountPiasters = Math.ceil(this.#amount() / 50) * 50
        const pin = chance.happens(0.5) ? { pin: pinOf(card, true) } : {}
        return wish(
          {},
          transaction('cash', { ...ask, terminal: terminalAt('atm'), amountPiasters, from: '20' }, pin),
          '81800002',
        )
      }
      case 'wrong-pin': {
        const pin = pinOf(card, chance.happens(0.3))
        const intent = transaction(
          'cash',
          { ...ask, terminal: terminalAt('atm'), amountPiasters: 100, from: '20' },
          { pin },
        )
        return wish({}, intent, '81800002')
      }
      case 'deposit': {
        const amountPiasters = this.#amount()
        return wish(
          {},
          transaction('deposit', { ...ask, terminal: terminalAt('atm'), amountPiasters, from: '20' }),
          '81800002',
        )
      }
      case 'bread':
      case 'bread-days':
      case 'wrong-outlet':
      case 'bad-mac':
        return this.#bread(kind, household, card)
      case 'bread-offline':
        return this.#offline(household, card)
      case 'ration':
      case 'points': {
        const from = kind === 'ration' ? '91' : '94'
        const amountPiasters = kind === 'points' ? chance.integer(5, 600) : chance.integer(100, 6_000)
        const elements: Element[] = chance.happens(0.3) ? [{ tag: 'CP', value: 'A' }] : []
        const tender = elements.length > 0 ? { tender: 'postal' as const } : {}
        const terminal = terminalAt('grocer')
        return wish(tender, transaction('purchase', { ...ask, terminal, amountPiasters, from }, { elements }))
      }
      case 'basket':
        return this.#basket(household, card)
      case 'visit':
        return this.#visit(household, card)
      case 'inquiry':
        return wish({}, transaction('inquiry', { ...ask, terminal: terminalAt('atm'), mti: '0100' }), '81800002')
      case 'subsidy-cash': {
        const from = chance.pick(['91', '92', '94', '95'])
        const type = chance.pick(['cash', 'cash', 'quasiCash', 'transfer'] as const)
        const mti = chance.pick(['0200', '0100', '0220', '0120'])
        return wish(
          {},
          transaction(type, { ...ask, terminal: terminalAt('atm'), mti, amountPiasters: 1_000, from }),
          '81800002',
        )
      }
      case 'unknown-card': {
        const stranger = { ...card, id: 0, pan: '4000009999999991' }
        const intent = transaction('purchase', {
          card: testCard(stranger),
          terminal: terminalAt('shop'),
          amountPiasters: 500,
          from: '20',
        })
        return wish({ card: undefined, household: undefined }, intent)
      }
      case 'bad-amount': {
        const quantity = chance.integer(1, 4)
        const intent = unitDraw({ ...ask, terminal: terminalAt('bakery'), quantity, pricePiasters: LOAF_PIASTERS })
        return wish({ quantity }, { ...intent, amountPiasters: quantity * LOAF_PIASTERS + 7 })
      }
      case 'unknown-original':
        return this.#unknownOriginal(household, card)
      default:
        return undefined
    }
  }

  #scheme(link: LinkName): Partial<Intent> {
    if (link !== 'visa' || !this.#chance.happens(0.3)) return {}
    return { acceptsPartial: true }
  }

  #bread(kind: 'bread' | 'bread-days' | 'wrong-outlet' | 'bad-mac', household: WorldHousehold, card: WorldCard): Wish {
    const chance = this.#chance
    const days = kind === 'bread-days' ? chance.integer(1, 4) : 1
    const quantity = chance.integer(1, Math.max(2, household.members * 5 * days + (chance.happens(0.2) ? 3 : 0)))
    const terminal = kind === 'wrong-outlet' ? this.#wrongTerminal() : terminalAt('bakery')
    const fromPostal = chance.happens(0.3)
    const draw = { card: testCard(card), terminal, quantity, pricePiasters: LOAF_PIASTERS, days, from: '92' }
    const intent = unitDraw({ ...draw, coPayment: fromPostal ? 'A' : 'C' })
    const amountPiasters = quantity * LOAF_PIASTERS
    const tender = fromPostal ? ('postal' as const) : ('cash' as const)
    return { asked: { kind, card, household, amountPiasters, quantity, days, tender }, intent, acquirer: '81800001' }
  }

  #wrongTerminal(): TestTerminal {
    return this.#chance.happens(0.5) ? terminalElsewhere() : terminalAt('shop')
  }

  #offline(household: WorldHousehold, card: WorldCard): Wish {
    const chance = this.#chance
    const quantity = chance.happens(0.2) ? 15 : chance.integer(1, 8)
    const drawnAtMs = this.#now() - chance.next() * (chance.happens(0.2) ? 40 : 10) * HOUR_MS
    const draw = { card: testCard(card), terminal: terminalAt('bakery'), quantity, pricePiasters: LOAF_PIASTERS }
    const intent = unitDraw({ ...draw, mti: '0220', from: '92' })
    // A terminal counts up, with gaps.
    this.#stored += chance.integer(1, 9_999)
    const elements = [...(intent.elements ?? []), { tag: 'FL', value: String(this.#stored) }]
    const override = { 12: cairoTime(drawnAtMs), 13: String(cairoDate(drawnAtMs)).slice(4) }
    const amountPiasters = quantity * LOAF_PIASTERS
    const asked: Asked = { kind: 'bread-offline', card, household, amountPiasters, quantity, drawnAtMs }
    return { asked, intent: { ...intent, elements, override }, acquirer: '81800001' }
  }

  #basket(household: WorldHousehold, card: WorldCard): Wish {
    const chance = this.#chance
    const lines = Array.from({ length: chance.integer(1, 3) }, () => ({
      ...chance.pick(goods),
      quantityThousandths: chance.integer(1, 3) * 1_000,
    }))
    const elements: Element[] = basketElements(lines)
    const isSplit = chance.happens(0.4)
    if (isSplit) elements.push({ tag: 'CP', value: 'A' })
    const amountPiasters = basketTotalPiasters(lines)
    const ask = { card: testCard(card), terminal: terminalAt('grocer'), amountPiasters, from: '91' }
    const tender = isSplit ? { tender: 'postal' as const } : {}
    const asked: Asked = { kind: 'basket', card, household, amountPiasters, ...tender }
    return { asked, intent: transaction('purchase', ask, { elements }), acquirer: '81800001' }
  }

  #visit(household: WorldHousehold, card: WorldCard): Wish {
    const chance = this.#chance
    const { service, percent } = chance.pick(visits)
    const cost = chance.integer(1_000, 60_000)
    const amountPiasters = Math.floor((cost * percent + 50) / 100)
    const elements: Element[] = [
      { tag: 'HS', value: service },
      { tag: 'HC', value: String(cost).padStart(12, '0') },
    ]
    const ask = { card: testCard(card), terminal: terminalAt('health'), amountPiasters, from: '96' }
    const asked: Asked = { kind: 'visit', card, household, amountPiasters }
    return { asked, intent: transaction('purchase', ask, { elements }), acquirer: '81800001' }
  }

  #unknownOriginal(household: WorldHousehold, card: WorldCard): Wish {
    const amountPiasters = this.#amount()
    const ask = { card: testCard(card), terminal: terminalAt('shop'), amountPiasters, from: '20', mti: '0400' }
    const stan = String(this.#chance.integer(900_000, 999_999))
    const original = { mti: '0200', stan, transmission: '0101000000', acquirer: '81800001' }
    const asked: Asked = { kind: 'unknown-original', card, household, amountPiasters, namesOriginal: true }
    return { asked, intent: transaction('purchase', ask, { original }), acquirer: '81800001' }
  }
}

function testCard({ pan }: WorldCard): Intent['card'] {
  return { pan, expiry: EXPIRY, track2: '' }
}

function pinOf({ pan }: WorldCard, isRight: boolean): { block: Buffer; format: 0; serial: undefined } {
  const right = pinBlockOf(pan)
  return { block: isRight ? right : Buffer.from(right.map((byte) => byte ^ 0x5a)), format: 0, serial: undefined }
}

/** DE48 BM: a fingerprint that matched, bound to the message. @param boundTo `DE2|DE4|DE11|DE41` */
export function fingerprintToken(nowMs: number, nonce: Buffer, boundTo: string): string {
  const token = Buffer.alloc(52)
  token[0] = 1
  token.write(ASSERTION_KEY_ID, 1, 'hex')
  token[13] = 1
  token[14] = 1
  token[15] = 3
  token.writeUInt32BE(Math.floor(nowMs / 1_000), 24)
  nonce.copy(token, 28, 0, 8)
  assertionMac(Buffer.concat([token.subarray(0, 36), Buffer.from(boundTo, 'latin1')])).copy(token, 36)
  return token.toString('hex').toUpperCase()
}

/** Categories that an outlet of this world may be of. */
export type Category = Outlet['category']
