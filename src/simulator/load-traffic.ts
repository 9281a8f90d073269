import { drawAheadDays } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { governorates } from './demo-world.ts'
import type { LoadChip } from './load-chip.ts'
import {
  contentOf,
  type LoadDialect,
  type LoadKind,
  type LoadPlace,
  type MixPart,
  mixSchedule,
  placesOf,
} from './load-mix.ts'
import type { LoadRecord } from './load-record.ts'
import { type MessageNumbers, MessageTemplate } from './load-template.ts'
import { Random } from './random.ts'

/** The cards that the load uses: households 1 to the count, all active. */
export interface LoadCards {
  readonly count: number
  /** Members by household number. */
  readonly members: Uint8Array
  /** Last digit of the PAN by household number. */
  readonly checkDigits: Uint8Array
}

/** Kinds that use up a quota; each goes round all cards on its own. */
const quotaKinds = ['bread', 'ration', 'purchase', 'schemePurchase', 'cash'] as const
export type QuotaKind = (typeof quotaKinds)[number]
/** How many requests of a kind a database has seen: where the next run goes on. */
export type LoadCursors = Record<QuotaKind, number>

export interface LoadTrafficOptions {
  readonly parts: readonly MixPart[]
  readonly cards: LoadCards
  /** Changed as the load goes on. */
  readonly cursors: LoadCursors
  readonly bread: WalletProgramme
  /** Civil days left in the month, today included: draws may not reach over its end. */
  readonly daysLeftInMonth: number
  /** Number of the run, 0 to 9999. */
  readonly run: number
  readonly seed: number
  /** The cards' chips and PINs; absent = numbers are typed and nothing is to be verified. */
  readonly chip?: LoadChip
}

/** Passes over all cards after which bread draws name the days ahead: a household has at least five loaves a day. */
const PLAIN_BREAD_PASSES = 5
/** Neighbouring draws go to distant cards; the golden ratio's part of the count spreads them evenly. */
const GOLDEN = 0.618033988749895
/** An inquiry keeps so many turns away from each round's place: a card is in one terminal at a time. */
const INQUIRY_MARGIN = 2_048
const INQUIRY_TRIES = 8
const REVERSIBLE_RING = 8_192
const REVERSAL_AFTER_MS = 500

interface Family {
  readonly all: readonly number[]
  readonly byGovernorate: readonly (readonly number[])[]
}

/** Chooses what each message of the load is: kind, card, outlet, and what a reversal reverses. */
export class LoadTraffic {
  readonly run: number
  readonly chip: LoadChip | undefined
  readonly #options: LoadTrafficOptions
  readonly #parts: readonly MixPart[]
  readonly #schedule: Uint8Array
  readonly #random: Random
  readonly #stride: number
  readonly #templates: MessageTemplate[] = []
  readonly #families = new Map<string, Family>()
  readonly #reversals = new Map<number, number>()
  readonly #reversible = new Uint32Array(REVERSIBLE_RING)
  #reversibleFrom = 0
  #reversibleTo = 0

  constructor(options: LoadTrafficOptions) {
    this.#options = options
    this.run = options.run
    this.chip = options.chip
    this.#parts = options.parts
    this.#schedule = mixSchedule(options.parts, options.seed)
    this.#random = new Random(options.seed * 7 + options.run)
    this.#stride = strideOf(options.cards.count)
  }

  /** Any message of a dialect, to learn what its answers look like. */
  sampleOf(dialect: LoadDialect): MessageTemplate {
    const place = placesOf('purchase', dialect)[0] as LoadPlace
    return new MessageTemplate({ dialect, place, content: contentOf('purchase'), run: this.run, chip: false })
  }

  /** The template of a request by its number in the record. */
  template(index: number): MessageTemplate {
    return this.#templates[index] as MessageTemplate
  }

  /** Chooses the next message; fills in the card and original and notes both in the record. */
  next(sequence: number, record: LoadRecord, numbers: MessageNumbers): MessageTemplate {
    const part = this.#parts[this.#schedule[sequence % this.#schedule.length] as number] as MixPart
    if (part.kind === 'reversal') {
      const original = this.#takeReversible(record)
      if (original !== undefined) return this.reversal(sequence, original, record, numbers)
      return this.#plain(this.#parts[0] as MixPart, sequence, record, numbers)
    }
    return this.#plain(part, sequence, record, numbers)
  }

  /** An approval arrived: the request may be reversed later. */
  approved(sequence: number, record: LoadRecord): void {
    const { mti } = this.template(record.template[sequence] as number).source.content
    if (mti.startsWith('04') || record.amountPiasters[sequence] === 0) return
    // The ring holds the oldest that are not reversed yet; newer ones find no room, and need none.
    if (this.#reversibleTo - this.#reversibleFrom >= REVERSIBLE_RING) return
    this.#reversible[this.#reversibleTo % REVERSIBLE_RING] = sequence
    this.#reversibleTo += 1
  }

  #plain(part: MixPart, sequence: number, record: LoadRecord, numbers: MessageNumbers): MessageTemplate {
    const { cards } = this.#options
    const kind = part.kind as Exclude<LoadKind, 'reversal'>
    let household: number
    let breadDays = 1
    if (kind === 'inquiry') {
      household = this.#inquirer()
    } else {
      const { cursors } = this.#options
      const turn = cursors[kind]
      cursors[kind] = turn + 1
      household = this.#cardAt(turn + this.#startOf(kind))
      if (kind === 'bread') breadDays = this.#breadDays(household, Math.floor(turn / cards.count))
    }
    const family = this.#family(kind, part.dialect, breadDays)
    const local = family.byGovernorate[household % governorates.length]
    const choices = local === undefined || local.length === 0 ? family.all : local
    const index = choices[sequence % choices.length] as number
    record.household[sequence] = household
    record.template[sequence] = index
    numbers.householdId = household
    numbers.checkDigit = cards.checkDigits[household] as number
    return this.template(index)
  }

  /** Card of a place in the round that all kinds go. */
  #cardAt(place: number): number {
    const { count } = this.#options.cards
    return (((place % count) * this.#stride) % count) + 1
  }

  /** Rounds of the kinds begin far from each other. */
  #startOf(kind: QuotaKind): number {
    return Math.floor((quotaKinds.indexOf(kind) * this.#options.cards.count) / quotaKinds.length)
  }

  /** A card that is about to be used by no round, nor was just now: two messages of it could overtake each other. */
  #inquirer(): number {
    const { cards, cursors } = this.#options
    const margin = Math.min(INQUIRY_MARGIN, Math.floor(cards.count / (4 * quotaKinds.length)))
    for (let tried = 1; ; tried++) {
      const place = this.#random.integer(0, cards.count - 1)
      const clear = quotaKinds.every((kind) => {
        const ahead = (place - ((cursors[kind] + this.#startOf(kind)) % cards.count) + cards.count) % cards.count
        return ahead > margin && cards.count - ahead > margin
      })
      if (clear || tried === INQUIRY_TRIES) return this.#cardAt(place)
    }
  }

  /** After the day's own loaves are drawn, draws reach as far ahead as the household may. */
  #breadDays(household: number, pass: number): number {
    if (pass < PLAIN_BREAD_PASSES) return 1
    const { bread, cards, daysLeftInMonth } = this.#options
    return Math.min(drawAheadDays(bread, cards.members[household] as number), daysLeftInMonth)
  }

  /** The reversal of a request; fills in card and original as {@link next} does. */
  reversal(sequence: number, original: number, record: LoadRecord, numbers: MessageNumbers): MessageTemplate {
    const { cards } = this.#options
    const household = record.household[original] as number
    const index = this.#reversalOf(record.template[original] as number)
    record.household[sequence] = household
    record.template[sequence] = index
    numbers.householdId = household
    numbers.checkDigit = cards.checkDigits[household] as number
    numbers.originalStan = original % 1_000_000
    numbers.originalTransmission = record.transmission[original] as number
    return this.template(index)
  }

  #takeReversible(record: LoadRecord): number | undefined {
    if (this.#reversibleFrom === this.#reversibleTo) return undefined
    const sequence = this.#reversible[this.#reversibleFrom % REVERSIBLE_RING] as number
    if (performance.now() - (record.intendedMs[sequence] as number) < REVERSAL_AFTER_MS) return undefined
    this.#reversibleFrom += 1
    return sequence
  }

  #family(kind: Exclude<LoadKind, 'reversal'>, dialect: LoadDialect, breadDays: number): Family {
    const key = `${kind} ${dialect} ${breadDays}`
    const known = this.#families.get(key)
    if (known !== undefined) return known
    const content = contentOf(kind, breadDays)
    const byGovernorate: number[][] = governorates.map(() => [])
    const all = placesOf(kind, dialect).map((place) => {
      const index = this.#add(
        new MessageTemplate({ dialect, place, content, run: this.run, chip: this.chip !== undefined }),
      )
      if (place.governorate !== undefined) byGovernorate[place.governorate]?.push(index)
      return index
    })
    const family = { all, byGovernorate }
    this.#families.set(key, family)
    return family
  }

  #reversalOf(original: number): number {
    const known = this.#reversals.get(original)
    if (known !== undefined) return known
    const { dialect, place, content } = this.template(original).source
    const reversal = { ...content, mti: '0400', elements: undefined }
    const index = this.#add(
      new MessageTemplate({ dialect, place, content: reversal, originalMti: content.mti, run: this.run, chip: false }),
    )
    this.#reversals.set(original, index)
    return index
  }

  #add(template: MessageTemplate): number {
    this.#templates.push(template)
    return this.#templates.length - 1
  }
}

/** Near the golden ratio of the count and without a common divisor, so that the round visits every card once. */
function strideOf(count: number): number {
  const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))
  let stride = Math.max(1, Math.round(count * GOLDEN))
  while (greatestDivisor(stride, count) !== 1) stride++
  return stride
}
