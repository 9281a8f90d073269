import { priceOn } from '../../benefit/entitlement.ts'
import type { SettlementStep, WalletProgramme } from '../../benefit/programme.ts'
import type { ProgrammeCatalogue } from '../../benefit/programme-book.ts'
import type { OutletCategory } from '../../benefit/programme-schema.ts'
import type { CivilDate } from '../../calendar.ts'
import { assert } from '../../errors.ts'
import type { Unit } from '../../money.ts'

/** What of an outlet its tariff depends on. */
export interface TariffOutlet {
  readonly category: OutletCategory
  readonly fuel: string | undefined
}

/** What an outlet redeemed of a programme on an entitlement date, in the programme's unit; below zero: gave back. */
export interface RedeemedQuantity {
  readonly programme: number
  readonly entitlementDate: CivilDate
  readonly quantity: bigint
}

/** What is payable for it, and by which tariff. */
export interface Payable {
  readonly code: string
  readonly unit: Unit
  /** Version of the programme that decided on the date; undefined when none did. */
  readonly version: number | undefined
  /** The step of its tariff; undefined when it has none for the outlet: nothing is payable then. */
  readonly step: SettlementStep | undefined
  /** What holders paid: units × price, in cash or from their account. */
  readonly coPaymentPiasters: bigint
  readonly payablePiasters: bigint
}

/**
 * The step of a programme's tariff for an outlet on a date: the latest that has come, of those for the outlet's fuel;
 * where there is none, of those for every fuel (subsidy-domain.md, section 2.3).
 */
export function settlementStepOn(
  programme: Pick<WalletProgramme, 'settlement'>,
  { category, fuel }: TariffOutlet,
  date: CivilDate,
): SettlementStep | undefined {
  let own: SettlementStep | undefined
  let general: SettlementStep | undefined
  for (const step of programme.settlement) {
    if (step.outletCategory !== category || step.from > date) continue
    if (step.fuel === undefined) general = step
    else if (step.fuel === fuel) own = step
  }
  return own ?? general
}

/**
 * Piasters for a quantity by a step: units × piasters exactly, or thousandths of the value, rounded to the nearest
 * piaster, half away from zero. It is rounded once for all that an outlet redeemed of a programme on an entitlement
 * date, never by item; what is taken back is rounded as it was given.
 */
export function payableByStep(
  step: Pick<SettlementStep, 'piastersPerUnit' | 'permilleOfValue'>,
  quantity: bigint,
): bigint {
  if (step.piastersPerUnit !== undefined) return quantity * BigInt(step.piastersPerUnit)
  assert(step.permilleOfValue !== undefined, 'a step of a tariff pays by unit or by value')
  const thousandths = quantity * BigInt(step.permilleOfValue)
  const half = thousandths < 0n ? -500n : 500n
  return (thousandths + half) / 1_000n
}

/**
 * What is payable to an outlet for what it redeemed of a programme on an entitlement date: by the version of the
 * programme that decided on that date, whatever was published since.
 */
export function payableOf(
  catalogue: Pick<ProgrammeCatalogue, 'on' | 'versions'>,
  outlet: TariffOutlet,
  { programme: number, entitlementDate, quantity }: RedeemedQuantity,
): Payable | undefined {
  const deciding = catalogue.on(entitlementDate).byNumber(number)
  // A draw of an earlier day may be told after its programme has ended: its last version still says what it was worth.
  const programme =
    deciding ?? catalogue.versions.findLast((one) => one.number === number && one.effectiveFrom <= entitlementDate)
  if (programme === undefined || programme.kind !== 'wallet') return undefined
  const step = settlementStepOn(programme, outlet, entitlementDate)
  const price = programme.unit === 'EGP' ? 0 : (priceOn(programme, entitlementDate) ?? 0)
  return {
    code: programme.code,
    unit: programme.unit,
    version: programme.version,
    step,
    coPaymentPiasters: quantity * BigInt(price),
    payablePiasters: step === undefined ? 0n : payableByStep(step, quantity),
  }
}
