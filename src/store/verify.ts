import { type ProgrammeCatalogue, programmeCatalogue } from '../benefit/programme-book.ts'
import type { ProgrammeFile } from '../benefit/programme-schema.ts'
import { type Client, connect } from './connection.ts'
import { readCatalogue } from './programme-reader.ts'
import { accountHostChecks } from './verify/account-host.ts'
import { acquirerChecks } from './verify/acquirers.ts'
import { advanceChecks } from './verify/advances.ts'
import { authorizationChecks } from './verify/authorizations.ts'
import { balanceChecks } from './verify/balances.ts'
import { bankChecks } from './verify/bank.ts'
import { basketChecks } from './verify/baskets.ts'
import { batchChecks } from './verify/batches.ts'
import { businessDayChecks } from './verify/business-days.ts'
import type { CheckResult, Finding, LedgerCheck } from './verify/check.ts'
import { clearingChecks } from './verify/clearing-files.ts'
import { commandChecks } from './verify/commands.ts'
import { entitlementChecks } from './verify/entitlements.ts'
import { hashChainCheck } from './verify/hash-chain.ts'
import { idempotencyChecks } from './verify/idempotency.ts'
import { networkClearingChecks } from './verify/network-clearing.ts'
import { outboundChecks } from './verify/outbound.ts'
import { postingChecks } from './verify/postings.ts'
import { reconciliationChecks } from './verify/reconciliation.ts'
import { type VerificationRules, verificationRules } from './verify/rules.ts'
import { settlementChecks } from './verify/settlement.ts'

export type { CheckResult } from './verify/check.ts'

export interface VerifyOptions {
  /** Programmes whose tariffs and entitlements the journal is held against. Default: those published. */
  readonly programmes?: readonly ProgrammeFile[]
  /** Gets each result as soon as it is there. */
  readonly onResult?: (result: CheckResult) => void
}

/** All checks in the order in which architecture.md states what must always hold. */
export const ledgerChecks: readonly LedgerCheck[] = [
  ...postingChecks,
  ...balanceChecks,
  ...authorizationChecks,
  ...idempotencyChecks,
  ...commandChecks,
  ...batchChecks,
  hashChainCheck,
  ...entitlementChecks,
  ...advanceChecks,
  ...acquirerChecks,
  ...basketChecks,
  ...outboundChecks,
  ...accountHostChecks,
  ...businessDayChecks,
  ...clearingChecks,
  ...networkClearingChecks,
  ...settlementChecks,
  ...bankChecks,
  ...reconciliationChecks,
]

/**
 * Checks every invariant of the ledger against the database, in one read-only snapshot: it may run beside a live
 * switch, sees every batch whole or not at all, and changes nothing.
 * @param url of a database that a switch or `prepareDatabase` has set up
 * @returns a result for each check; the ledger is sound when all are ok
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function verifyLedger(url: string, options: VerifyOptions = {}): Promise<CheckResult[]> {
  const keeper = await connect({ url, name: 'mizan verify snapshot', role: 'mizan_app' })
  try {
    await keeper.query('begin isolation level repeatable read read only')
    const { rows } = await keeper.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot')
    const rules = verificationRules(await catalogueOf(keeper, options))
    return await runChecks(url, rows[0]?.snapshot ?? '', rules, options)
  } finally {
    await keeper.end().catch(() => undefined)
  }
}

/**
 * The same checks as {@link verifyLedger} inside a transaction that the caller has begun: they see what it sees.
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function verifyWithin(client: Client, options: VerifyOptions = {}): Promise<CheckResult[]> {
  const rules = verificationRules(await catalogueOf(client, options))
  const results: CheckResult[] = []
  for (const check of ledgerChecks) {
    const result = await runCheck(check, client, rules)
    results.push(result)
    options.onResult?.(result)
  }
  return results
}

async function catalogueOf(client: Client, { programmes }: VerifyOptions): Promise<ProgrammeCatalogue> {
  return programmes === undefined ? await readCatalogue(client) : programmeCatalogue(programmes)
}

/**
 * Each check has a transaction of its own on the shared snapshot: a table is locked for no longer than one check reads
 * it, so that the partitions of a new day can be made between two checks.
 */
async function runChecks(
  url: string,
  snapshot: string,
  rules: VerificationRules,
  options: VerifyOptions,
): Promise<CheckResult[]> {
  const client = await connect({ url, name: 'mizan verify', role: 'mizan_app' })
  try {
    // Sorts and hashes of a whole journal; what does not fit goes to temporary files, never to more memory.
    await client.query("set work_mem = '64MB'")
    const results: CheckResult[] = []
    for (const check of ledgerChecks) {
      await client.query('begin isolation level repeatable read read only')
      await client.query(`set transaction snapshot ${client.escapeLiteral(snapshot)}`)
      const result = await runCheck(check, client, rules)
      await client.query('commit')
      results.push(result)
      options.onResult?.(result)
    }
    return results
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function runCheck(check: LedgerCheck, client: Client, rules: VerificationRules): Promise<CheckResult> {
  const finding = await check.run(client, rules)
  return { name: check.name, ok: finding.violations === 0, checked: finding.checked, detail: detailOf(check, finding) }
}

function detailOf(check: LedgerCheck, { violations, examples, note }: Finding): string {
  if (violations === 0) return note
  const more = violations > examples.length ? ` (and ${violations - examples.length} more)` : ''
  return `not so: ${check.holds}. ${examples.join('; ')}${more}. ${check.lookFurther}`
}
