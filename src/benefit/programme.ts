import breadFile from '../../schemas/programmes/bread.json' with { type: 'json' }
import pointsFile from '../../schemas/programmes/bread-points.json' with { type: 'json' }
import flourFile from '../../schemas/programmes/flour.json' with { type: 'json' }
import grantsFile from '../../schemas/programmes/grants.json' with { type: 'json' }
import rationFile from '../../schemas/programmes/ration.json' with { type: 'json' }
import { type CivilDate, monthOf, parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Unit } from '../money.ts'

/** What kind of place an outlet is; master data. */
export type OutletCategory = 'bakery' | 'grocer' | 'depot' | 'health' | 'shop' | 'atm' | 'post'

/** A benefit programme as its data file states it (product.md, "Decisions"; subsidy-domain.md, section 2). */
export interface ProgrammeFile {
  readonly code: string
  /** Two-digit part of the programme's account numbers, 1 to 99; never reused. */
  readonly number: number
  readonly name: string
  /** DE3 account code (interfaces.md, "Processing code"). */
  readonly accountCode: string
  readonly unit: string
  readonly period: string
  readonly entitlement: EntitlementRule
  /** Price of one unit to the citizen in piasters, by effective date; absent for value programmes. */
  readonly tariff?: readonly { readonly from: string; readonly piasters: number }[]
  readonly drawAheadDays?: readonly { readonly membersUpTo?: number; readonly days: number }[]
  readonly outletCategories: readonly string[]
  readonly issuingGovernorateOnly: boolean
  readonly partialApproval: boolean
  /** A programme that the household gives up for the month by its first draw of this one. */
  readonly exclusiveWith?: string
}

/** Units or piasters per member; tiers apply in order to the members they reach. */
export interface EntitlementRule {
  readonly perMember?: number
  readonly tiers?: readonly { readonly membersUpTo?: number; readonly perMember: number }[]
}

/** A programme checked and ready for decisions. */
export interface Programme {
  readonly code: string
  readonly number: number
  readonly name: string
  readonly accountCode: string
  readonly unit: Unit
  readonly period: 'day' | 'month'
  readonly entitlement: EntitlementRule
  readonly tariff: readonly { readonly from: CivilDate; readonly piasters: number }[]
  readonly drawAheadDays: readonly { readonly membersUpTo: number; readonly days: number }[]
  readonly outletCategories: readonly string[]
  readonly issuingGovernorateOnly: boolean
  readonly partialApproval: boolean
  readonly exclusiveWith: string | undefined
}

/** The programmes by code and by DE3 account code. */
export interface ProgrammeBook {
  readonly all: readonly Programme[]
  byCode(code: string): Programme | undefined
  byAccountCode(accountCode: string): Programme | undefined
}

/**
 * Checks programme files and makes the book.
 * @throws MizanError CONFIG_INVALID naming every fault
 */
export function programmeBook(files: readonly ProgrammeFile[]): ProgrammeBook {
  const problems: string[] = []
  const all = files.map((file) => programmeOf(file, problems))
  for (const key of ['code', 'number', 'accountCode'] as const) {
    const seen = new Set<string | number>()
    for (const programme of all) {
      if (seen.has(programme[key])) problems.push(`${programme.code}: ${key} ${programme[key]} is used twice`)
      seen.add(programme[key])
    }
  }
  for (const programme of all) {
    if (programme.exclusiveWith !== undefined && !all.some((other) => other.code === programme.exclusiveWith)) {
      problems.push(`${programme.code}: exclusiveWith names no programme`)
    }
  }
  if (problems.length > 0) throw new MizanError('CONFIG_INVALID', `programmes: ${problems.join('; ')}`)
  const codes = new Map(all.map((programme) => [programme.code, programme]))
  const accounts = new Map(all.map((programme) => [programme.accountCode, programme]))
  return { all, byCode: (code) => codes.get(code), byAccountCode: (accountCode) => accounts.get(accountCode) }
}

function programmeOf(file: ProgrammeFile, problems: string[]): Programme {
  const fault = (text: string) => problems.push(`${file.code}: ${text}`)
  if (!Number.isInteger(file.number) || file.number < 1 || file.number > 99) fault('number must be 1 to 99')
  if (!['EGP', 'LOAF', 'KG'].includes(file.unit)) fault('unit must be EGP, LOAF or KG')
  if (file.period !== 'day' && file.period !== 'month') fault('period must be day or month')
  if (!/^\d{2}$/.test(file.accountCode)) fault('accountCode must be two digits')
  if (file.unit !== 'EGP' && (file.tariff ?? []).length === 0) fault('a counted unit needs a tariff')
  const tariff = (file.tariff ?? []).map((step) => ({ from: parseDate(step.from), piasters: step.piasters }))
  if (tariff.some((step) => !Number.isSafeInteger(step.piasters) || step.piasters <= 0))
    fault('a price must be positive')
  return {
    ...file,
    unit: file.unit as Unit,
    period: file.period as 'day' | 'month',
    tariff: tariff.sort((a, b) => a.from - b.from),
    drawAheadDays: (file.drawAheadDays ?? [{ days: 1 }]).map((step) => ({
      membersUpTo: step.membersUpTo ?? Number.MAX_SAFE_INTEGER,
      days: step.days,
    })),
    exclusiveWith: file.exclusiveWith,
  }
}

/** The programmes that ship with Mizan. */
export const shippedProgrammes: readonly ProgrammeFile[] = [breadFile, flourFile, pointsFile, rationFile, grantsFile]

/** What a household of `members` is entitled to in one period of a programme, in the programme's unit. */
export function entitlementOf(programme: Programme, members: number): number {
  const { perMember, tiers } = programme.entitlement
  if (tiers === undefined) return (perMember ?? 0) * members
  let total = 0
  let counted = 0
  for (const tier of tiers) {
    const reach = Math.min(members, tier.membersUpTo ?? members)
    if (reach > counted) {
      total += (reach - counted) * tier.perMember
      counted = reach
    }
  }
  return total
}

/** The period that holds a date: the day itself, or its month. */
export function periodOf(programme: Programme, date: CivilDate): number {
  return programme.period === 'day' ? date : monthOf(date)
}

/** Whether a period belongs to the month of a date; earlier ones are closed. */
export function isPeriodOpen(period: number, date: CivilDate): boolean {
  const month = period > 999_999 ? Math.floor(period / 100) : period
  return month >= monthOf(date)
}

/** Price of one unit on a date in piasters; undefined for value programmes. */
export function priceOn(programme: Programme, date: CivilDate): number | undefined {
  let price: number | undefined
  for (const step of programme.tariff) if (step.from <= date) price = step.piasters
  return price
}

/** How many days one draw may name. */
export function drawAheadDays(programme: Programme, members: number): number {
  return programme.drawAheadDays.find((step) => members <= step.membersUpTo)?.days ?? 1
}
