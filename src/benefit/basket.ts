import { assert } from '../errors.ts'
import { AMOUNT_MAX } from '../money.ts'
import type { Product, WalletProgramme } from './programme.ts'

/** A line of a basket as a message asks for it (DE48 IT). */
export interface BasketLine {
  /** Product code, trimmed. */
  readonly product: string
  /** Thousandths of a unit. */
  readonly quantity: number
  readonly unitPricePiasters: number
}

/**
 * What became of a line: `OK` all of it; `CP` reduced to what the cap of the month leaves, in whole steps; `NA` not on
 * the list, or dearer than the list has it; `WB` reduced because the wallet is short. The last reason that reduced it
 * counts.
 */
export type LineReason = 'OK' | 'CP' | 'NA' | 'WB'

/** A line with what the subsidy pays of it. */
export interface JudgedLine extends BasketLine {
  /** Undefined for what is not on a list. */
  readonly listed: Product | undefined
  /** Thousandths that the subsidy pays. */
  readonly granted: number
  readonly grantedPiasters: number
  readonly reason: LineReason
}

/** What the lines are held against. */
export interface BasketTerms {
  readonly programme: Pick<WalletProgramme, 'basket'>
  /** Members that the caps of the month go by. */
  readonly members: number
  /** Thousandths of a product that the household had this month. */
  readonly usedOf: (product: Product) => number
  /** What the wallet has, piasters. */
  readonly available: number
  /** Whether money pays what the wallet cannot: then the wallet is used up, and a piece may be paid by both. */
  readonly isSplit: boolean
}

const THOUSAND = 1_000
/** Beyond it a line comes to more than a message can carry. */
const MILLI_MAX = AMOUNT_MAX * THOUSAND

/**
 * What a quantity comes to, in piasters: rounded once, half up. More than a message can carry comes to one too many.
 */
export function lineValue(quantity: number, unitPricePiasters: number): number {
  const milli = quantity * unitPricePiasters
  return milli > MILLI_MAX ? AMOUNT_MAX + 1 : Math.floor((milli + THOUSAND / 2) / THOUSAND)
}

/** What a basket comes to: the sum of its lines, each rounded, in piasters. */
export function basketValue(lines: readonly BasketLine[]): number {
  let sum = 0
  for (const { quantity, unitPricePiasters } of lines) sum += lineValue(quantity, unitPricePiasters)
  return Math.min(sum, AMOUNT_MAX + 1)
}

/** The most of a product that a household of so many members may have in a month, thousandths; undefined = any. */
export function capOf({ perMember, perCardMax }: Product, members: number): number | undefined {
  if (perMember === undefined) return perCardMax
  const ofMembers = perMember * members
  return perCardMax === undefined ? ofMembers : Math.min(ofMembers, perCardMax)
}

/**
 * Judges the lines of a basket one by one, in their order: earlier lines use up caps and wallet (product.md, M9;
 * ebt-analogue.md, section 3). Nothing is rounded twice: what the lines are granted is what will be posted.
 * @param lines whose value a message can carry
 */
export function judgeBasket(lines: readonly BasketLine[], terms: BasketTerms): JudgedLine[] {
  const judged: JudgedLine[] = []
  let left = terms.available
  for (const line of lines) {
    const one = judgeLine(line, judged, left, terms)
    left -= one.grantedPiasters
    judged.push(one)
  }
  assert(left >= 0, 'a basket is never granted more than the wallet has')
  return judged
}

function judgeLine(
  line: BasketLine,
  before: readonly JudgedLine[],
  left: number,
  { programme, members, usedOf, isSplit }: BasketTerms,
): JudgedLine {
  const { product, quantity, unitPricePiasters: price } = line
  const { products, productByCode } = programme.basket
  const listed = productByCode.get(product)
  const isDear = listed?.pricePiasters !== undefined && price > listed.pricePiasters
  if ((products !== undefined && listed === undefined) || isDear) {
    return { ...line, listed, granted: 0, grantedPiasters: 0, reason: 'NA' }
  }
  let granted = quantity
  let reason: LineReason = 'OK'
  const step = stepOf(listed, quantity)
  const cap = listed === undefined ? undefined : capOf(listed, members)
  const capLeft =
    listed === undefined || cap === undefined ? quantity : cap - usedOf(listed) - grantedOf(listed, before)
  if (capLeft < quantity || quantity % step !== 0) {
    granted = wholeSteps(Math.max(0, Math.min(capLeft, quantity)), step)
    reason = 'CP'
  }
  let grantedPiasters = lineValue(granted, price)
  if (grantedPiasters > left) {
    granted = wholeSteps(affordable(left, price), isSplit ? 1 : step)
    grantedPiasters = isSplit ? left : lineValue(granted, price)
    reason = 'WB'
  }
  return { ...line, listed, granted, grantedPiasters, reason }
}

/** Goods without a step are sold by the piece when whole pieces are asked for, and by weight otherwise. */
function stepOf(listed: Product | undefined, quantity: number): number {
  return listed?.stepThousandths ?? (quantity % THOUSAND === 0 ? THOUSAND : 1)
}

function wholeSteps(quantity: number, step: number): number {
  return quantity - (quantity % step)
}

/** The greatest quantity that comes to at most so many piasters. */
function affordable(piasters: number, price: number): number {
  return Math.floor((piasters * THOUSAND + THOUSAND / 2 - 1) / price)
}

function grantedOf(product: Product, lines: readonly JudgedLine[]): number {
  let sum = 0
  for (const line of lines) if (line.listed === product) sum += line.granted
  return sum
}
