import type { Client } from '../connection.ts'
import type { VerificationRules } from './rules.ts'

/** How one check of the ledger ended. */
export interface CheckResult {
  /** Short and stable: other programs may tell checks apart by it. */
  readonly name: string
  readonly ok: boolean
  /** Rows that the check looked at. */
  readonly checked: number
  /** What was found, in words; when the check failed also the first offenders and the way to look further. */
  readonly detail: string
}

/** What a check found. */
export interface Finding {
  readonly checked: number
  readonly violations: number
  /** The first offenders, in words. */
  readonly examples: readonly string[]
  /** What to say when all is well. */
  readonly note: string
}

/** One check: reads the ledger inside the transaction of the verification and changes nothing. */
export interface LedgerCheck {
  readonly name: string
  /** The invariant in words. */
  readonly holds: string
  /** The way to look further when it fails. */
  readonly lookFurther: string
  run(client: Client, rules: VerificationRules): Promise<Finding>
}

/** Offenders that a check names. */
export const EXAMPLES_MAX = 3

interface SqlCheck {
  readonly name: string
  readonly holds: string
  readonly lookFurther: string
  /**
   * Common table expressions of which `bad` holds a row for each violation, with its description in `what`. The rules
   * are in the parameter `$1`, as JSON, where the check uses them.
   */
  readonly with: string
  /** Scalar SQL: rows looked at. */
  readonly checked: string
  /** Scalar SQL: what to say when all is well. */
  readonly note?: string
}

/** A check that is one SQL statement. */
export function sqlCheck(check: SqlCheck): LedgerCheck {
  const usesRules = check.with.includes('$1')
  const text = `with ${check.with}
    select (${check.checked})::bigint as checked, (select count(*) from bad)::bigint as violations,
           array(select what from bad order by what limit ${EXAMPLES_MAX}) as examples,
           (${check.note ?? 'null::text'}) as note`
  const { name, holds, lookFurther } = check
  return {
    name,
    holds,
    lookFurther,
    async run(client, rules) {
      const { rows } = await client.query<{
        checked: string
        violations: string
        examples: string[]
        note: string | null
      }>(text, usesRules ? [JSON.stringify(rules)] : [])
      const [row] = rows
      return {
        checked: Number(row?.checked ?? 0),
        violations: Number(row?.violations ?? 0),
        examples: row?.examples ?? [],
        note: row?.note ?? holds,
      }
    },
  }
}

/** Parts of an account number in SQL: class, kind, unit digit, unit and programme together, owner. */
export const sql = {
  classOf: (account: string) => `(${account} / 100000000000000)`,
  kindOf: (account: string) => `(${account} / 100000000000)`,
  unitOf: (account: string) => `(${account} / 10000000000000 % 10)`,
  tailOf: (account: string) => `(${account} / 100000000000 % 1000)`,
  ownerOf: (account: string) => `(${account} % 100000000000)`,
  isSubsidy: (account: string) => `(${account} / 100000000000000 in (1, 2, 3, 4, 5, 9))`,
  isDebt: (account: string) => `(${account} / 100000000000000 = 9 or ${account} / 100000000000 = 8004)`,
} as const
