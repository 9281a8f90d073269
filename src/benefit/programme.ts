import type { CivilDate } from '../calendar.ts'
import type { Unit } from '../money.ts'
import type { OutletCategory } from './programme-schema.ts'
import type { verificationWays } from './programme-schema-parts.ts'

/** A name in English and in Arabic. */
export interface BilingualName {
  readonly en: string
  readonly ar: string
}

/** What every version of a programme has (product.md, "Decisions"; subsidy-domain.md, section 2). */
export interface ProgrammeBase {
  readonly code: string
  /** Two-digit part of the programme's account numbers, 1 to 99; never reused. */
  readonly number: number
  readonly version: number
  readonly name: BilingualName
  readonly effectiveFrom: CivilDate
  /** Last date; undefined = until further notice. */
  readonly effectiveTo: CivilDate | undefined
  readonly funding: { readonly owner: number; readonly name: string }
}

/** Where a programme is used. */
export interface OutletRule {
  readonly categories: readonly OutletCategory[]
  /** Where it is meant when a message names no account. */
  readonly defaultFor: readonly OutletCategory[]
  readonly issuingGovernorateOnly: boolean
  readonly exceptions: readonly {
    readonly governorates: readonly string[]
    readonly from: CivilDate
    readonly to: CivilDate
  }[]
  /** Minutes after Cairo midnight, `toMinute` being the first one after. */
  readonly hours: { readonly fromMinute: number; readonly toMinute: number; readonly enforced: boolean } | undefined
}

/** How the holder may be verified, best first, and whether he must be. */
export interface VerificationRule {
  readonly accept: readonly (typeof verificationWays)[number][]
  readonly required: boolean
}

/** Units by members: one of the three, or none when value is granted or converted. */
export interface EntitlementRule {
  readonly perMember?: number
  readonly tiers?: readonly { readonly membersUpTo?: number; readonly perMember: number }[]
  readonly perHousehold?: readonly { readonly membersUpTo?: number; readonly amount: number }[]
}

export type PeriodKind = 'day' | 'month' | 'span'

/** What becomes of what is left at the end of a period. */
export type PeriodEnd =
  | { readonly action: 'expire' }
  | { readonly action: 'convert'; readonly to: string; readonly piastersPerUnit: number }
  | { readonly action: 'carry'; readonly months: number }

/** Goods of a basket; quantities in thousandths. */
export interface Product {
  /** Number within the programme, for its counter. */
  readonly no: number
  readonly code: string
  readonly name: BilingualName
  readonly stepThousandths: number | undefined
  readonly pricePiasters: number | undefined
  readonly perMember: number | undefined
  readonly perCardMax: number | undefined
}

/** What the state pays to an outlet, from a date on. */
export interface SettlementStep {
  readonly from: CivilDate
  readonly outletCategory: OutletCategory
  readonly fuel: string | undefined
  readonly piastersPerUnit: number | undefined
  readonly permilleOfValue: number | undefined
}

/** A right to goods: counted units, or value in piasters. */
export interface WalletProgramme extends ProgrammeBase {
  readonly kind: 'wallet'
  readonly accountCode: string
  readonly unit: Unit
  readonly period: PeriodKind
  /** Of period `span`. */
  readonly span: { readonly from: CivilDate; readonly to: CivilDate } | undefined
  readonly entitlement: EntitlementRule
  /** Only households of one of these classes; empty = all. */
  readonly classes: readonly string[]
  readonly atPeriodEnd: PeriodEnd
  readonly drawAheadDays: readonly { readonly membersUpTo: number; readonly days: number }[]
  /** Price of a unit to the citizen, oldest first; empty for value. */
  readonly tariff: readonly { readonly from: CivilDate; readonly piasters: number }[]
  readonly coPaymentTender: 'cash' | 'postal'
  readonly outlets: OutletRule
  readonly basket: {
    readonly lines: 'none' | 'optional' | 'required'
    /** Undefined = any goods. */
    readonly products: readonly Product[] | undefined
    readonly productByCode: ReadonlyMap<string, Product>
  }
  readonly partialApproval: boolean
  readonly splitTender: boolean
  readonly verification: VerificationRule
  /** Draws that a terminal made on its own; undefined = none. */
  readonly offline: { readonly perDay: number; readonly withinHours: number } | undefined
  /** Oldest first. */
  readonly settlement: readonly SettlementStep[]
  readonly exclusiveWith: string | undefined
  readonly notify: { readonly dispense: boolean; readonly expiring: boolean }
}

/** A service of a cover. */
export interface CoverService {
  /** Number within the programme, for its counter. */
  readonly no: number
  readonly code: string
  readonly name: BilingualName
  readonly mccs: readonly string[]
  /** Oldest first. */
  readonly rates: readonly {
    readonly from: CivilDate
    readonly percent: number
    readonly yearlyCapPiasters: number | undefined
  }[]
}

/** Services that the state pays for, with a co-payment of the household. */
export interface CoverProgramme extends ProgrammeBase {
  readonly kind: 'cover'
  readonly accountCode: string
  readonly outlets: OutletRule
  readonly verification: VerificationRule
  readonly services: readonly CoverService[]
  /** Classes that pay nothing. */
  readonly exemptClasses: readonly string[]
}

/** Money that is paid into postal accounts. */
export interface CreditProgramme extends ProgrammeBase {
  readonly kind: 'credit'
  readonly maxPiasters: number
  /** Payments to a household in a month. */
  readonly perMonth: number
}

/** Bills that are paid from postal accounts. */
export interface PaymentProgramme extends ProgrammeBase {
  readonly kind: 'payment'
  readonly outlets: OutletRule
  readonly transactionType: string
  readonly mccs: readonly string[]
  readonly singlePiasters: number
  readonly feePiasters: number
}

/** A version of a programme, checked and ready for decisions. */
export type Programme = WalletProgramme | CoverProgramme | CreditProgramme | PaymentProgramme
