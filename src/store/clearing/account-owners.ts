import type { Queryable } from '../access-pool.ts'

/** An account of a bank or an institution that settlement knows. */
export interface KnownAccount {
  readonly account: number
  readonly name: string
}

/**
 * The accounts of one kind whose owners are master data of settlement, whatever date they hold from: 7007 and 8007 of banks, 7002
 * of acquirers, 7003 of acquirers and post offices, 7004 of card schemes.
 */
export async function knownAccounts(client: Queryable, kind: number): Promise<KnownAccount[]> {
  const { rows } = await client.query<{ account: string; name: string }>(
    `select distinct on (account) account, name
     from (
       select $1::bigint * 100000000000 + number as account, code as name, 0 as term from settlement_bank
       where $1::integer in (7007, 8007)
       union all
       select $1::bigint * 100000000000 + institution, name, id from settlement_institution_term
       where (kind = 'acquirer' and $1::integer in (7002, 7003)) or (kind = 'post' and $1::integer = 7003)
         or (kind = 'scheme' and $1::integer = 7004)) a
     order by account, term desc`,
    [kind],
  )
  return rows.map(({ account, name }) => ({ account: Number(account), name }))
}

/** Whether anything was ever posted to an account that is nobody's household's. */
export async function isAccountInUse(client: Queryable, account: number): Promise<boolean> {
  const { rows } = await client.query('select from balance where household_id = 0 and account = $1 limit 1', [account])
  return rows.length > 0
}
