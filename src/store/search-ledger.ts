import type { Unit } from '../money.ts'
import type { Queryable } from './access-pool.ts'

/** Balance of an account that is no household's, over all lanes. */
export interface SharedBalance {
  readonly account: number
  readonly accountName: string
  readonly owner: number
  readonly unit: Unit
  readonly period: number
  readonly posted: number
}

/** What was posted to the accounts of a kind. */
export interface TrialBalanceLine {
  readonly unit: Unit
  readonly kind: number
  readonly accountName: string
  readonly debits: number
  readonly credits: number
}

/** A posting with the names of its accounts. */
export interface TransferRow {
  readonly leg: number
  readonly kind: string
  readonly unit: Unit
  readonly amount: number
  readonly debit: number
  readonly debitName: string
  readonly credit: number
  readonly creditName: string
  readonly period: number
}

/** Lists balances of accounts that are no household's, by account and period. Amounts are in the account's unit. */
export async function listSharedBalances(
  client: Queryable,
  filter: {
    readonly kind?: number
    readonly owner?: number
    readonly period?: number
    readonly after?: { readonly account: number; readonly period: number }
    readonly limit: number
  },
): Promise<SharedBalance[]> {
  const { rows } = await client.query<{
    account: string
    name: string
    unit: Unit
    period: number
    posted: string
  }>(
    `select b.account, k.name, k.unit, b.period, sum(b.posted) as posted
     from balance b join account_kind k on k.kind = b.account / 100000000000
     where b.lane = any (array(select lane from lane)) and b.household_id = 0
       and ($1::int is null or b.account / 100000000000 = $1) and ($2::bigint is null or b.account % 100000000000 = $2)
       and ($3::int is null or b.period = $3) and ($4::bigint is null or (b.account, b.period) > ($4, $5::int))
     group by b.account, k.name, k.unit, b.period order by b.account, b.period limit $6`,
    [
      filter.kind ?? null,
      filter.owner ?? null,
      filter.period ?? null,
      filter.after?.account ?? null,
      filter.after?.period ?? null,
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    account: Number(row.account),
    accountName: row.name,
    owner: Number(row.account) % 100_000_000_000,
    unit: row.unit,
    period: row.period,
    posted: Number(row.posted),
  }))
}

/**
 * Sums what was posted on some business days by kind of account; the debits of each unit equal its credits.
 * @param client of a role that may read the views
 * @param from first business date, yyyy-mm-dd
 * @param to last one
 */
export async function readTrialBalance(client: Queryable, from: string, to: string): Promise<TrialBalanceLine[]> {
  const { rows } = await client.query<{
    unit: Unit
    kind: number
    account_name: string
    debits: string
    credits: string
  }>(
    `select unit, (account / 100000000000)::int as kind, account_name,
            coalesce(sum(-amount) filter (where amount < 0), 0) as debits,
            coalesce(sum(amount) filter (where amount > 0), 0) as credits
     from entries where business_date between $1::date and $2::date
     group by 1, 2, 3 order by 1, 2`,
    [from, to],
  )
  return rows.map((row) => ({
    unit: row.unit,
    kind: row.kind,
    accountName: row.account_name,
    debits: Number(row.debits),
    credits: Number(row.credits),
  }))
}

/**
 * The postings of an authorization, in order.
 * @param client of a role that may read the views
 */
export async function transfersOf(
  client: Queryable,
  { lane, businessDate, id }: { readonly lane: number; readonly businessDate: string; readonly id: number },
): Promise<TransferRow[]> {
  const { rows } = await client.query<{
    leg: number
    kind_name: string
    unit: Unit
    amount: string
    debit: string
    debit_name: string
    credit: string
    credit_name: string
    period: number
  }>(
    `select leg, kind_name, unit, amount, debit, debit_name, credit, credit_name, period from transfers
     where lane = $1 and business_date = $2::date and group_id = $3 order by leg`,
    [lane, businessDate, id],
  )
  return rows.map((row) => ({
    leg: row.leg,
    kind: row.kind_name,
    unit: row.unit,
    amount: Number(row.amount),
    debit: Number(row.debit),
    debitName: row.debit_name,
    credit: Number(row.credit),
    creditName: row.credit_name,
    period: row.period,
  }))
}
