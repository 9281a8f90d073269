import type { CivilDate } from '../calendar.ts'
import { type Household, usageCounter, usedOf } from '../card/household.ts'
import type { CoverProgramme, CoverService } from './programme.ts'

/** What a household has to pay for a service on a date, and what it may still have to pay this year. */
export interface CoPayment {
  readonly service: CoverService
  /** Share of the cost that the household pays. */
  readonly percent: number
  /** What is left of the year's cap, piasters; 0 for who pays nothing, undefined without a cap. */
  readonly capLeft: number | undefined
}

/** The period that a yearly cap counts in: the calendar year, yyyy. */
export function yearOf(date: CivilDate): number {
  return Math.floor(date / 10_000)
}

/**
 * The service that a message means: by its code, else by the merchant category, else the first of the cover.
 * @param code of DE48 HS; undefined when the message names none
 * @returns undefined when there is no service of that code
 */
export function serviceOf(
  { services }: Pick<CoverProgramme, 'services'>,
  code: string | undefined,
  mcc: string,
): CoverService | undefined {
  if (code !== undefined) return services.find((service) => service.code === code)
  return services.find((service) => service.mccs.includes(mcc)) ?? services[0]
}

/** The co-payment rule of a service for a household (subsidy-domain.md, 2.4); undefined before its first rate. */
export function coPaymentRule(
  cover: Pick<CoverProgramme, 'number' | 'exemptClasses'>,
  service: CoverService,
  household: Household,
  date: CivilDate,
): CoPayment | undefined {
  const rate = service.rates.findLast(({ from }) => from <= date)
  if (rate === undefined) return undefined
  const isExempt = cover.exemptClasses.some((code) => household.classes.includes(code))
  const percent = isExempt ? 0 : rate.percent
  if (percent === 0) return { service, percent, capLeft: 0 }
  const { yearlyCapPiasters: cap } = rate
  const used = usedOf(household, usageCounter(cover.number, service.no), yearOf(date))
  return { service, percent, capLeft: cap === undefined ? undefined : Math.max(0, cap - used) }
}

/**
 * What of a cost the household pays: the percentage, rounded half up to the piaster, and never more than is left of the
 * year's cap.
 */
export function duePiasters(
  { percent, capLeft }: Pick<CoPayment, 'percent' | 'capLeft'>,
  costPiasters: number,
): number {
  const share = Math.floor((costPiasters * percent + 50) / 100)
  return capLeft === undefined ? share : Math.min(share, capLeft)
}
