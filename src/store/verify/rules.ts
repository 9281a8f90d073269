import { type Result, responseCodes, results } from '../../authorization/result.ts'
import { entitlementOf, type Programme, type ProgrammeBook } from '../../benefit/programme.ts'
import { formatDate } from '../../calendar.ts'
import { dialects } from '../../iso8583/dialects.ts'
import { unitCodes } from '../../money.ts'

/** Largest household that the database takes (`household.members`). */
const MEMBERS_MAX = 60

/** The rules that the journal is held against, in the form that the checks hand to SQL. */
export interface VerificationRules {
  readonly programmes: readonly {
    /** Unit and programme number as they stand in an account number. */
    readonly tail: number
    readonly code: string
    readonly daily: boolean
    /** Value comes from grants of the state and not from a rule per member. */
    readonly granted: boolean
  }[]
  /** What a household of so many members is entitled to in one period. */
  readonly entitlements: readonly { readonly tail: number; readonly members: number; readonly amount: number }[]
  readonly tariffs: readonly { readonly tail: number; readonly from: string; readonly piasters: number }[]
  /** Programmes of which a household has one in a month. */
  readonly exclusive: readonly { readonly tail: number; readonly other: number }[]
  /** DE39 that each result may carry, over all dialects. */
  readonly responseCodes: readonly { readonly result: Result; readonly code: string }[]
}

/** Collects the rules from the programme book and the response code tables. */
export function verificationRules(book: ProgrammeBook): VerificationRules {
  const codes = new Map<string, { result: Result; code: string }>()
  for (const dialect of Object.keys(dialects)) {
    const table = responseCodes(dialect)
    for (const result of results) codes.set(`${result}|${table[result]}`, { result, code: table[result] })
  }
  return {
    programmes: book.all.map((programme) => ({
      tail: programmeTail(programme),
      code: programme.code,
      daily: programme.period === 'day',
      granted: entitlementOf(programme, MEMBERS_MAX) === 0,
    })),
    entitlements: book.all.flatMap((programme) =>
      Array.from({ length: MEMBERS_MAX }, (_, index) => ({
        tail: programmeTail(programme),
        members: index + 1,
        amount: entitlementOf(programme, index + 1),
      })),
    ),
    tariffs: book.all.flatMap((programme) =>
      programme.tariff.map(({ from, piasters }) => ({
        tail: programmeTail(programme),
        from: formatDate(from),
        piasters,
      })),
    ),
    exclusive: book.all.flatMap((programme) => {
      const other = programme.exclusiveWith === undefined ? undefined : book.byCode(programme.exclusiveWith)
      return other === undefined ? [] : [{ tail: programmeTail(programme), other: programmeTail(other) }]
    }),
    responseCodes: [...codes.values()],
  }
}

function programmeTail(programme: Programme): number {
  return unitCodes[programme.unit] * 100 + programme.number
}
