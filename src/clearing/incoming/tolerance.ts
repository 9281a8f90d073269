import shipped from '../../../schemas/clearing/tolerances.json' with { type: 'json' }
import { type CivilDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'

/** The table as data (`schemas/clearing/tolerances.json`). */
export interface ToleranceData {
  readonly defaultPermille: number
  readonly tolerances: readonly {
    readonly mcc: readonly string[]
    /** First purchase date, yyyy-mm-dd; a later row of the same category takes over. */
    readonly from: string
    readonly permille: number
  }[]
}

/** How far a presentment may go beyond its authorization. */
export interface Tolerances {
  /** Thousandths by which a purchase at a merchant of a category may be above what was authorized on a date. */
  permilleOf(mcc: string, date: CivilDate): number
}

const MCC = /^\d{4}$/
/** More than the half again is no tolerance. */
const PERMILLE_MAX = 500

/**
 * Compiles a table of tolerances.
 * @throws MizanError CONFIG_INVALID when a row cannot be
 */
export function tolerancesOf({ defaultPermille, tolerances }: ToleranceData): Tolerances {
  const byMcc = new Map<string, { readonly from: CivilDate; readonly permille: number }[]>()
  for (const { mcc, from, permille } of [...tolerances, { mcc: [], from: '2000-01-01', permille: defaultPermille }]) {
    if (!Number.isInteger(permille) || permille < 0 || permille > PERMILLE_MAX || mcc.some((code) => !MCC.test(code))) {
      throw new MizanError('CONFIG_INVALID', `tolerances: ${mcc.join(', ')} with ${permille} thousandths cannot be`)
    }
    const since = parseDate(from)
    for (const code of mcc) {
      const dated = [...(byMcc.get(code) ?? []), { from: since, permille }]
      byMcc.set(
        code,
        dated.sort((a, b) => a.from - b.from),
      )
    }
  }
  return {
    permilleOf: (mcc, date) => byMcc.get(mcc)?.findLast(({ from }) => from <= date)?.permille ?? defaultPermille,
  }
}

/** The tolerances that the program comes with. */
export function shippedTolerances(): Tolerances {
  return tolerancesOf(shipped)
}
