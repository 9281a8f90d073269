import { demoAcquirers, demoOutlets, governorates } from './demo-world.ts'
import { Random } from './random.ts'

/** Dialects that the load speaks, one listener each. */
export const loadDialects = ['iso87-ascii', 'iso87-bcd', 'visa-base1'] as const
export type LoadDialect = (typeof loadDialects)[number]

/** What a message of the load asks for. */
export type LoadKind = 'bread' | 'ration' | 'purchase' | 'schemePurchase' | 'cash' | 'inquiry' | 'reversal'

export const mixNames = ['bread', 'ration', 'atm', 'national'] as const
export type MixName = (typeof mixNames)[number]

/** A part of a mix. A reversal goes out on its original's links, so its dialect is only where it starts to look. */
export interface MixPart {
  readonly kind: LoadKind
  readonly dialect: LoadDialect
  /** Of the whole, before it is normalised. */
  readonly share: number
}

const ASCII: LoadDialect = 'iso87-ascii'
const BCD: LoadDialect = 'iso87-bcd'
const VISA: LoadDialect = 'visa-base1'

/** On top of every stream (docs/benchmarks.md, "Mixes"): 8 % inquiries and 0.8 % reversals. */
const INQUIRIES = 0.08
const REVERSALS = 0.008

/** Requests a second in the national model's busiest hour, day 1 of a month, 09:00 (docs/benchmarks.md, "Mixes"). */
const nationalStreams = { bread: 509.87, ration: 60.27, payments: 165.79 }

function withExtras(parts: readonly MixPart[]): MixPart[] {
  const total = parts.reduce((sum, part) => sum + part.share, 0)
  return [
    ...parts,
    { kind: 'inquiry', dialect: ASCII, share: (total * INQUIRIES) / 2 },
    { kind: 'inquiry', dialect: BCD, share: (total * INQUIRIES) / 2 },
    { kind: 'reversal', dialect: ASCII, share: total * REVERSALS },
  ]
}

const { bread, ration, payments } = nationalStreams

/** The mixes by name; where the shares come from is in docs/benchmarks.md. */
export const mixes: Readonly<Record<MixName, readonly MixPart[]>> = {
  bread: withExtras([
    { kind: 'bread', dialect: ASCII, share: 1 },
    { kind: 'bread', dialect: BCD, share: 1 },
  ]),
  ration: withExtras([
    { kind: 'ration', dialect: ASCII, share: 1 },
    { kind: 'ration', dialect: BCD, share: 1 },
  ]),
  atm: withExtras([
    { kind: 'cash', dialect: ASCII, share: 4 },
    { kind: 'cash', dialect: VISA, share: 1 },
  ]),
  national: withExtras([
    { kind: 'bread', dialect: ASCII, share: bread / 2 },
    { kind: 'bread', dialect: BCD, share: bread / 2 },
    { kind: 'ration', dialect: ASCII, share: ration / 2 },
    { kind: 'ration', dialect: BCD, share: ration / 2 },
    { kind: 'purchase', dialect: ASCII, share: payments * 0.15 },
    { kind: 'purchase', dialect: BCD, share: payments * 0.15 },
    { kind: 'schemePurchase', dialect: VISA, share: payments * 0.3 },
    { kind: 'cash', dialect: ASCII, share: payments * 0.32 },
    { kind: 'cash', dialect: VISA, share: payments * 0.08 },
  ]),
}

const SCHEDULE_SLOTS = 4_096

/** A cycle of parts in the mix's shares, shuffled by a seed: index into the mix's parts by message. */
export function mixSchedule(parts: readonly MixPart[], seed: number): Uint8Array {
  const total = parts.reduce((sum, part) => sum + part.share, 0)
  const schedule = new Uint8Array(SCHEDULE_SLOTS)
  let share = 0
  let at = 0
  for (const [index, part] of parts.entries()) {
    share += part.share
    const end = Math.round((share / total) * SCHEDULE_SLOTS)
    schedule.fill(index, at, end)
    at = end
  }
  const random = new Random(seed)
  for (let i = SCHEDULE_SLOTS - 1; i > 0; i--) {
    const j = random.integer(0, i)
    const held = schedule[i] as number
    schedule[i] = schedule[j] as number
    schedule[j] = held
  }
  return schedule
}

/** Where a message of the load comes from. */
export interface LoadPlace {
  readonly acquirer: string
  readonly acceptor: string
  readonly terminal: string
  readonly mcc: string
  /** Index into {@link governorates}; undefined = serves every card. */
  readonly governorate: number | undefined
}

const [posNetwork, atmNetwork, schemeAcquirer] = demoAcquirers.map((acquirer) => acquirer.id) as [
  string,
  string,
  string,
]
const categoryOf: Partial<Record<LoadKind, string>> = {
  bread: 'bakery',
  ration: 'grocer',
  purchase: 'shop',
  cash: 'atm',
}
const SCHEME_MERCHANTS = 40

/** The places of a kind: outlets of the demo world, or merchants that only their scheme knows. */
export function placesOf(kind: LoadKind, dialect: LoadDialect): LoadPlace[] {
  if (kind === 'schemePurchase') {
    return Array.from({ length: SCHEME_MERCHANTS }, (_, n) => ({
      acquirer: schemeAcquirer,
      acceptor: `SCHEME${String(n + 1).padStart(9, '0')}`,
      terminal: `V${String(n + 1).padStart(7, '0')}`,
      mcc: '5311',
      governorate: undefined,
    }))
  }
  const category = categoryOf[kind] ?? 'grocer'
  const network = kind === 'cash' ? atmNetwork : posNetwork
  const local = kind === 'bread' || kind === 'ration'
  return demoOutlets()
    .filter((outlet) => outlet.category === category)
    .flatMap((outlet) =>
      outlet.terminals.map((terminal) => ({
        acquirer: dialect === VISA ? schemeAcquirer : network,
        acceptor: outlet.acceptor,
        terminal,
        mcc: outlet.mcc,
        governorate: local ? governorates.indexOf(outlet.governorate as (typeof governorates)[number]) : undefined,
      })),
    )
}

/** What a message of the load says besides card, time and numbers. */
export interface LoadContent {
  readonly mti: string
  readonly processingCode: string
  readonly amountPiasters: number
  /** DE48, domestic dialects. */
  readonly elements: string | undefined
}

const LOAF_PIASTERS = 20
const BASKET_LINE_PIASTERS = 500
const POSTAL_PURCHASE_PIASTERS = 10_000
const CASH_PIASTERS = 20_000

/**
 * Content of a kind. The amounts are small against the quotas, so that a card can be used several times before a share
 * is drawn: one loaf of at least five a day, 10 pounds of at least 50 a month.
 * @param breadDays how many days a bread draw names: more than one reaches into the days ahead
 */
export function contentOf(kind: Exclude<LoadKind, 'reversal'>, breadDays = 1): LoadContent {
  switch (kind) {
    case 'bread': {
      const days = breadDays > 1 ? element('DY', String(breadDays)) : ''
      return {
        mti: '0200',
        processingCode: '009200',
        amountPiasters: LOAF_PIASTERS,
        elements: element('QT', '1') + days,
      }
    }
    case 'ration': {
      const amountPiasters = 2 * BASKET_LINE_PIASTERS
      const lines = element('IT', basketLine('TEA-40G')) + element('IT', basketLine('CHEESE-T250G'))
      return { mti: '0200', processingCode: '009100', amountPiasters, elements: lines }
    }
    case 'purchase':
      return posted('0200', '002000', POSTAL_PURCHASE_PIASTERS)
    case 'schemePurchase':
      return posted('0100', '002000', POSTAL_PURCHASE_PIASTERS)
    case 'cash':
      return posted('0200', '012000', CASH_PIASTERS)
    case 'inquiry':
      return posted('0200', '310000', 0)
  }
}

function posted(mti: string, processingCode: string, amountPiasters: number): LoadContent {
  return { mti, processingCode, amountPiasters, elements: undefined }
}

function element(tag: string, value: string): string {
  return `${tag}${String(value.length).padStart(3, '0')}${value}`
}

function basketLine(product: string): string {
  return `${product.padEnd(14)}${'1000'.padStart(6, '0')}${String(BASKET_LINE_PIASTERS).padStart(12, '0')}`
}
