import table from '../../schemas/response-codes.json' with { type: 'json' }
import { MizanError } from '../errors.ts'

/**
 * The outcomes of a decision. One internal enumeration; what each says on the wire (DE39) is a table per dialect in
 * `schemas/response-codes.json`, from interfaces.md, "Response codes".
 */
export const results = [
  'approved',
  'partially-approved',
  'subsidy-not-cash',
  'not-for-this-card',
  'not-at-this-outlet',
  'unknown-outlet',
  'unknown-card',
  'inactive-card',
  'restricted-card',
  'lost-card',
  'stolen-card',
  'expired-card',
  'wrong-pin',
  'pin-tries-exceeded',
  'pin-unverifiable',
  'card-authentication-failed',
  'security-violation',
  'insufficient',
  'amount-limit',
  'count-limit',
  'fingerprint-required',
  'service-not-live',
  'household-suspended',
  'bad-amount',
  'invalid-transaction',
  'format-error',
  'original-not-found',
  'already-reversed',
  'duplicate-other-content',
  'suspected-fraud',
  'not-in-time',
  'no-route',
  'internal-fault',
] as const
export type Result = (typeof results)[number]

interface ResponseCodeTable {
  readonly default: Record<string, string>
  readonly dialects: Record<string, Record<string, string> | undefined>
}

/** Whether value moved: the answer then carries an approval code. */
export function isApproval(result: Result): boolean {
  return result === 'approved' || result === 'partially-approved'
}

/**
 * Compiles the DE39 table of a dialect.
 * @throws MizanError CONFIG_INVALID when a result has no two-character code
 */
export function responseCodes(dialect: string, codes: ResponseCodeTable = table): Record<Result, string> {
  const own = codes.dialects[dialect] ?? {}
  const compiled = {} as Record<Result, string>
  for (const result of results) {
    const code = own[result] ?? codes.default[result]
    if (code === undefined || !/^[0-9A-Z]{2}$/.test(code)) {
      throw new MizanError('CONFIG_INVALID', `response codes: ${dialect} has no code for ${result}`)
    }
    compiled[result] = code
  }
  return compiled
}
