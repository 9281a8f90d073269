import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Unit } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'

/** What was posted in a unit on a business day. */
export interface UnitTotals {
  readonly unit: Unit
  readonly debits: bigint
  readonly credits: bigint
}

/** A line of the trial balance of a day: a control account, or all accounts of a kind (owner 0). */
export interface DayBalance {
  readonly kind: number
  readonly accountName: string
  readonly unit: Unit
  readonly owner: number
  readonly debits: bigint
  readonly credits: bigint
  /** After the day; credits are positive. */
  readonly balance: bigint
}

/** An account that does not hold what was posted to it. */
export interface StrayBalance {
  readonly kind: number
  readonly accountName: string
  readonly owner: number
  readonly posted: bigint
  readonly expected: bigint
}

/** What a trial balance came to. */
export interface TrialBalance {
  readonly units: readonly UnitTotals[]
  readonly accounts: number
  /** Accounts whose balance is another than the journal says; the first few. */
  readonly astray: readonly StrayBalance[]
}

const ASTRAY_MAX = 20

/**
 * Draws the trial balance of a business day up and keeps it with the day, unless something is wrong: then nothing is
 * kept. The day must be closed in all lanes, and the one before have its own. One snapshot of the database: what is
 * posted meanwhile, on the days after, does not matter. Drawn up again it is the same.
 */
export async function drawTrialBalance(client: Client, date: CivilDate): Promise<TrialBalance> {
  const drawn = await inTransaction(client, () => draw(client, date), 'begin isolation level repeatable read').catch(
    (error: unknown) => {
      if (error instanceof NotRight) return error.found
      throw error
    },
  )
  return drawn
}

/** Undoes what was kept. */
class NotRight extends Error {
  readonly found: TrialBalance

  constructor(found: TrialBalance) {
    super('the trial balance does not come out')
    this.found = found
  }
}

async function draw(client: Client, date: CivilDate): Promise<TrialBalance> {
  const day = formatDate(date)
  await client.query(
    `insert into business_day_balance (business_date, kind, owner, debits, credits, balance)
     select $1, b.kind, b.owner, b.debits, b.credits, b.balance from balances_after($1::date) b
     where b.debits <> 0 or b.credits <> 0 or b.balance <> 0
     on conflict do nothing`,
    [day],
  )
  const units = await unitTotals(client, date)
  const { rows } = await client.query<{
    kind: number
    name: string | null
    owner: string
    posted: string
    expected: string
  }>(
    `select a.kind, k.name, a.owner, a.posted, a.expected from balances_astray($1::date) a
     left join account_kind k on k.kind = a.kind order by a.kind, a.owner limit $2`,
    [day, ASTRAY_MAX],
  )
  const { rows: counted } = await client.query<{ accounts: string }>(
    'select count(*) as accounts from business_day_balance where business_date = $1',
    [day],
  )
  const astray = rows.map((row) => ({
    kind: row.kind,
    accountName: row.name ?? 'of no known kind',
    owner: Number(row.owner),
    posted: BigInt(row.posted),
    expected: BigInt(row.expected),
  }))
  const isRight = astray.length === 0 && units.every(({ debits, credits }) => debits === credits)
  const found = { units, accounts: Number(counted[0]?.accounts ?? 0), astray }
  if (!isRight) throw new NotRight(found)
  return found
}

async function unitTotals(client: Queryable, date: CivilDate): Promise<UnitTotals[]> {
  const { rows } = await client.query<{ unit: Unit; debits: string; credits: string }>(
    `select unit, sum(debits)::text as debits, sum(credits)::text as credits from business_day_balances
     where business_date = $1 group by unit order by unit`,
    [formatDate(date)],
  )
  return rows.map(({ unit, debits, credits }) => ({ unit, debits: BigInt(debits), credits: BigInt(credits) }))
}

/**
 * The trial balance that was kept with a day: its totals by unit, and its accounts in order of kind and owner, from
 * behind one of them on.
 */
export async function readTrialBalanceOf(
  client: Queryable,
  date: CivilDate,
  { limit, after }: { readonly limit: number; readonly after?: Pick<DayBalance, 'kind' | 'owner'> | undefined },
): Promise<{ readonly units: readonly UnitTotals[]; readonly accounts: readonly DayBalance[] }> {
  const units = await unitTotals(client, date)
  const { rows } = await client.query<{
    kind: number
    account_name: string
    unit: Unit
    owner: string
    debits: string
    credits: string
    balance: string
  }>(
    `select kind, account_name, unit, owner, debits, credits, balance from business_day_balances
       where business_date = $1 and ($2::smallint is null or (kind, owner) > ($2, $3::bigint))
     order by kind, owner limit $4`,
    [formatDate(date), after?.kind ?? null, after?.owner ?? null, limit],
  )
  const accounts = rows.map((row) => ({
    kind: row.kind,
    accountName: row.account_name,
    unit: row.unit,
    owner: Number(row.owner),
    debits: BigInt(row.debits),
    credits: BigInt(row.credits),
    balance: BigInt(row.balance),
  }))
  return { units, accounts }
}
