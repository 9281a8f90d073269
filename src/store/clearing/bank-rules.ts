import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

/** What entries without an instruction of ours are; see `clearing/bank/entry-rules.ts`. */
export interface StoredEntryRule {
  readonly id: number
  /** Undefined = of every bank. */
  readonly bank: number | undefined
  readonly field: 'code' | 'counterparty' | 'reference' | 'text'
  readonly pattern: string
  readonly direction: 'credit' | 'debit'
  readonly meaning: 'bank-fee' | 'bank-interest' | 'subsidy-funds' | 'state-funds' | 'postal-pool' | 'none'
  readonly programme: number
  readonly reason: string
  readonly actor: string
  readonly at: Date
}

/**
 * The rules for a bank, or of all banks: the last one of the same field, pattern and direction holds, the newest first.
 */
export async function readEntryRules(client: Queryable, bank?: number): Promise<StoredEntryRule[]> {
  const { rows } = await client.query<Omit<StoredEntryRule, 'id' | 'bank'> & { id: string; bank: number | null }>(
    `select * from (
       select distinct on (bank, field, pattern, direction) * from bank_entry_rule where $1::integer is null or bank is null or bank = $1
       order by bank, field, pattern, direction, id desc) r
     order by id desc`,
    [bank ?? null],
  )
  return rows.map((row) => ({ ...row, id: Number(row.id), bank: row.bank ?? undefined }))
}

/** Adds a rule; one with the meaning `none` ends the one before. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function addEntryRule(client: Queryable, rule: Omit<StoredEntryRule, 'id' | 'at'>): Promise<number> {
  const needsProgramme = rule.meaning === 'subsidy-funds' || rule.meaning === 'state-funds'
  if (needsProgramme !== rule.programme > 0) {
    throw new MizanError(
      'BAD_INPUT',
      `a rule for ${rule.meaning} ${needsProgramme ? 'names the programme' : 'has no programme'}`,
    )
  }
  if (rule.pattern.length < 2 || rule.pattern.length > 80)
    throw new MizanError('BAD_INPUT', 'a pattern has 2 to 80 characters')
  if (rule.bank !== undefined) {
    const { rowCount } = await client.query('select from settlement_bank where number = $1', [rule.bank])
    if (rowCount === 0)
      throw new MizanError('NOT_FOUND', `there is no settlement bank ${rule.bank}; mizan settlement banks lists them`)
  }
  const { rows } = await client.query<{ id: string }>(
    `insert into bank_entry_rule (bank, field, pattern, direction, meaning, programme, reason, actor)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
    [
      rule.bank ?? null,
      rule.field,
      rule.pattern,
      rule.direction,
      rule.meaning,
      rule.programme,
      rule.reason.slice(0, 500),
      rule.actor.slice(0, 64),
    ],
  )
  return Number(rows[0]?.id)
}
