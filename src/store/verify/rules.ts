import { type Result, responseCodes, results } from '../../authorization/result.ts'
import { entitlementOf, priceOn } from '../../benefit/entitlement.ts'
import type { PeriodKind, WalletProgramme } from '../../benefit/programme.ts'
import type { ProgrammeCatalogue } from '../../benefit/programme-book.ts'
import { formatDate, monthOf } from '../../calendar.ts'
import { dialects } from '../../iso8583/dialects.ts'
import { unitCodes } from '../../money.ts'

/** Largest household that the database takes (`household.members`). */
const MEMBERS_MAX = 60
/** Beyond any month. */
const MONTH_MAX = 999_912

/** The rules that the journal is held against, in the form that the checks hand to SQL. */
export interface VerificationRules {
  readonly programmes: readonly {
    /** Unit and programme number as they stand in an account number. */
    readonly tail: number
    readonly code: string
    readonly kind: PeriodKind
    /** Value comes from grants and conversions and not from a rule per member. */
    readonly granted: boolean
  }[]
  /** What a household of so many members was entitled to in one period, by a version that decided in these months. */
  readonly entitlements: readonly {
    readonly tail: number
    readonly members: number
    readonly amount: number
    /** yyyymm, both inclusive. */
    readonly low: number
    readonly high: number
  }[]
  readonly tariffs: readonly { readonly tail: number; readonly from: string; readonly piasters: number }[]
  /**
   * What outlets are paid, with the dates on which the version decides; `high` is the first on which it does no more.
   */
  readonly settlements: readonly {
    readonly programme: number
    readonly version: number
    readonly low: string
    readonly high: string | undefined
    readonly from: string
    readonly unit: number | undefined
    readonly permille: number | undefined
  }[]
  /** Programmes of which a household has one in a month. */
  readonly exclusive: readonly { readonly tail: number; readonly other: number }[]
  /** DE39 that each result may carry, over all dialects. */
  readonly responseCodes: readonly { readonly result: Result; readonly code: string }[]
}

/** Collects the rules from all versions of the programmes and the response code tables. */
export function verificationRules({ versions }: Pick<ProgrammeCatalogue, 'versions'>): VerificationRules {
  const codes = new Map<string, { result: Result; code: string }>()
  for (const dialect of Object.keys(dialects)) {
    const table = responseCodes(dialect)
    for (const result of results) codes.set(`${result}|${table[result]}`, { result, code: table[result] })
  }
  const wallets = versions.filter((programme) => programme.kind === 'wallet')
  const tails = new Map(wallets.map((programme) => [programme.code, tailOf(programme)]))
  const latest = new Map(wallets.map((programme) => [programme.code, programme]))
  const ofCode = (code: string) => wallets.filter((programme) => programme.code === code)
  return {
    programmes: [...latest.values()].map((programme) => ({
      tail: tailOf(programme),
      code: programme.code,
      kind: programme.period,
      granted: ofCode(programme.code).every((version) => entitlementOf(version, MEMBERS_MAX) === 0),
    })),
    entitlements: wallets.flatMap((programme) => entitlementsOf(programme, successorOf(programme, wallets))),
    tariffs: wallets.flatMap((programme) => tariffOf(programme, successorOf(programme, wallets))),
    settlements: wallets.flatMap((programme) => settlementsOf(programme, successorOf(programme, wallets))),
    exclusive: [...latest.values()].flatMap((programme) => {
      const other = tails.get(programme.exclusiveWith ?? '')
      return other === undefined ? [] : [{ tail: tailOf(programme), other }]
    }),
    responseCodes: [...codes.values()],
  }
}

function tailOf(programme: WalletProgramme): number {
  return unitCodes[programme.unit] * 100 + programme.number
}

function successorOf(programme: WalletProgramme, wallets: readonly WalletProgramme[]): WalletProgramme | undefined {
  return wallets.find((other) => other.code === programme.code && other.version === programme.version + 1)
}

function entitlementsOf(
  programme: WalletProgramme,
  successor: WalletProgramme | undefined,
): VerificationRules['entitlements'] {
  const last = successor?.effectiveFrom ?? programme.effectiveTo
  return Array.from({ length: MEMBERS_MAX }, (_, index) => ({
    tail: tailOf(programme),
    members: index + 1,
    amount: entitlementOf(programme, index + 1),
    low: monthOf(programme.effectiveFrom),
    high: last === undefined ? MONTH_MAX : monthOf(last),
  }))
}

/** The prices of a version while it decides: from its first date, and as its tariff goes on until the next version. */
function tariffOf(programme: WalletProgramme, successor: WalletProgramme | undefined): VerificationRules['tariffs'] {
  const { effectiveFrom } = programme
  const end = successor?.effectiveFrom ?? Number.POSITIVE_INFINITY
  const atStart = priceOn(programme, effectiveFrom)
  const later = programme.tariff.filter(({ from }) => from > effectiveFrom && from < end)
  const steps = atStart === undefined ? later : [{ from: effectiveFrom, piasters: atStart }, ...later]
  return steps.map(({ from, piasters }) => ({ tail: tailOf(programme), from: formatDate(from), piasters }))
}

function settlementsOf(
  { number: programme, version, effectiveFrom, settlement }: WalletProgramme,
  successor: WalletProgramme | undefined,
): VerificationRules['settlements'] {
  const high = successor === undefined ? undefined : formatDate(successor.effectiveFrom)
  return settlement.map(({ from, piastersPerUnit: unit, permilleOfValue: permille }) => ({
    programme,
    version,
    low: formatDate(effectiveFrom),
    high,
    from: formatDate(from),
    unit,
    permille,
  }))
}
