import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

/** Money at a settlement bank, in piasters. */
export interface BankFunds {
  readonly bank: number
  readonly bankCode: string
  /** What the ledger has there (8007). */
  readonly atBankPiasters: bigint
  /** Instructed and not seen at the bank (7007); above zero it is to leave. */
  readonly outstandingPiasters: bigint
  /** What is missing there for all that is to leave; 0 = nothing. */
  readonly shortPiasters: bigint
}

/** Sums of shared accounts over the lanes, by kind and owner. */
const sharedBalances = `select b.account / 100000000000 as kind, b.account % 100000000000 as owner, sum(b.posted) as posted
  from lane l join balance b on b.lane = l.lane and b.household_id = 0
  where b.account between 700700000000000 and 801000000000000 group by 1, 2`

/** What there is and what is to leave at each settlement bank, by its code. */
export async function readBankFunds(client: Queryable): Promise<BankFunds[]> {
  const { rows } = await client.query<{ number: number; code: string; at_bank: string; outstanding: string }>(
    `with held as (${sharedBalances})
     select b.number, b.code, coalesce(-sum(h.posted) filter (where h.kind = 8007), 0)::text as at_bank,
            coalesce(sum(h.posted) filter (where h.kind = 7007), 0)::text as outstanding
     from settlement_bank b left join held h on h.owner = b.number and h.kind in (7007, 8007)
     group by 1, 2 order by 2`,
  )
  return rows.map((row) => {
    const [atBankPiasters, outstandingPiasters] = [BigInt(row.at_bank), BigInt(row.outstanding)]
    const missing = outstandingPiasters - (atBankPiasters > 0n ? atBankPiasters : 0n)
    const shortPiasters = outstandingPiasters > 0n && missing > 0n ? missing : 0n
    return { bank: row.number, bankCode: row.code, atBankPiasters, outstandingPiasters, shortPiasters }
  })
}

/** How settlement stands, for metrics. */
export interface SettlementStanding {
  /** Of instructions under way, and of those that failed and that no run has taken up. */
  readonly instructions: readonly { readonly state: string; readonly count: number; readonly piasters: bigint }[]
  /** Under way, and their value date is over. */
  readonly overdue: number
  /** When the oldest run was computed whose payments nobody has released. */
  readonly oldestUnreleasedMs: number | undefined
  readonly funds: readonly BankFunds[]
  /** Accounts 7007 to 7010 with what stands on them, whatever the sign. */
  readonly unreconciled: readonly { readonly account: string; readonly piasters: bigint }[]
  readonly suspendedOutlets: number
  /** Of the last run. */
  readonly withoutTariff: number
  readonly waiting: Readonly<Record<string, { readonly accounts: number }>>
}

/** Reads how settlement stands. @param today civil date by which value dates are over */
export async function settlementStanding(client: Queryable, today: CivilDate): Promise<SettlementStanding> {
  const instructions = await client.query<{ state: string; count: number; piasters: string; overdue: number }>(
    `select state, count(*)::int as count, sum(amount_piasters)::text as piasters,
            count(*) filter (where value_date < $1 and state in ('prepared', 'released', 'sent', 'accepted'))::int as overdue
     from (
       select state, amount_piasters, value_date from settlement_instruction
       where state in ('prepared', 'released', 'sent', 'accepted')
       union all
       select state, amount_piasters - restored_piasters, value_date from settlement_instruction
       where state in ('rejected', 'returned', 'cancelled') and restored_date is null) i
     group by 1 order by 1`,
    [formatDate(today)],
  )
  const unreconciled = await client.query<{ account: string; piasters: string }>(
    `select k.name as account, coalesce(sum(abs(h.posted)), 0)::text as piasters
     from account_kind k left join (${sharedBalances}) h on h.kind = k.kind
     where k.kind between 7007 and 7010 group by k.kind, k.name order by k.kind`,
  )
  const { rows } = await client.query<{
    unreleased: Date | null
    suspended: number
    totals: { readonly withoutTariff?: number; readonly waiting?: SettlementStanding['waiting'] } | null
  }>(
    `select (select min(r.computed_at) from settlement_run r where (r.business_date, r.cycle) in (
               select i.business_date, i.cycle from settlement_instruction i where i.state = 'prepared')) as unreleased,
            (select count(distinct outlet_id)::int from payout_suspension where ended_at is null) as suspended,
            (select totals from settlement_run order by business_date desc, cycle desc limit 1) as totals`,
  )
  const [row] = rows
  return {
    instructions: instructions.rows.map(({ state, count, piasters }) => ({ state, count, piasters: BigInt(piasters) })),
    overdue: instructions.rows.reduce((sum, { overdue }) => sum + overdue, 0),
    oldestUnreleasedMs: row?.unreleased?.getTime(),
    funds: await readBankFunds(client),
    unreconciled: unreconciled.rows.map(({ account, piasters }) => ({ account, piasters: BigInt(piasters) })),
    suspendedOutlets: row?.suspended ?? 0,
    withoutTariff: row?.totals?.withoutTariff ?? 0,
    waiting: row?.totals?.waiting ?? {},
  }
}
