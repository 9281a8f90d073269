import type { OutletCategory } from '../../benefit/programme-schema.ts'
import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Holiday } from '../../card/working-days.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Unit } from '../../money.ts'
import { unitCodes } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { failureLines, returnedBetween } from './settlement-failure.ts'

/** Business dates that a run covers, both included. */
export interface DateSpan {
  readonly from: CivilDate
  readonly to: CivilDate
}

/** What an outlet redeemed of a programme on an entitlement date, less what it gave back. */
export interface Redemption {
  readonly outletId: number
  readonly category: OutletCategory
  readonly fuel: string | undefined
  readonly programme: number
  readonly unit: Unit
  readonly entitlementDate: CivilDate
  readonly quantity: bigint
}

const units = Object.fromEntries(Object.entries(unitCodes).map(([unit, code]) => [code, unit])) as Record<number, Unit>
const ROWS = 5_000

/**
 * What outlets redeemed on business dates that are closed, by outlet, programme and entitlement date. What was given
 * back counts on the entitlement date of the draw that it gives back, so that it takes off what that draw was paid
 * with. In a transaction.
 */
export async function* readRedemptions(client: Client, { from, to }: DateSpan): AsyncGenerator<Redemption> {
  await client.query(
    `declare settlement_redemption no scroll cursor for
     with moved as (
       select t.credit as account, a.entitlement_date, sum(t.amount) as quantity
       from transfer t
       join authorization_journal a on a.id = t.group_id and a.lane = t.lane and a.business_date = t.business_date
       where t.business_date between $1 and $2 and t.kind = 2
       group by 1, 2
       union all
       select x.account, x.entitlement_date, sum(x.quantity)
       from (
         select case t.kind when 3 then t.debit else t.credit end as account,
                coalesce(d.entitlement_date, o.entitlement_date, a.entitlement_date) as entitlement_date,
                case t.kind when 3 then -t.amount else t.amount end as quantity
         from transfer t
         join authorization_journal a on a.id = t.group_id and a.lane = t.lane and a.business_date = t.business_date
         left join lateral (select o.entitlement_date, o.original_id, o.business_date from authorization_journal o
           where o.id = a.original_id and o.lane + 0 = a.lane and o.business_date <= a.business_date limit 1) o on true
         left join lateral (select d.entitlement_date from authorization_journal d
           where t.kind = 6 and d.id = o.original_id and d.lane + 0 = a.lane and d.business_date <= o.business_date limit 1) d
           on true
         where t.business_date between $1 and $2 and t.kind in (3, 6)) x
       group by 1, 2)
     select m.account % 100000000000 as outlet_id, o.category, d.fuel, m.account / 100000000000 % 100 as programme,
            m.account / 10000000000000 % 10 as unit, m.entitlement_date, sum(m.quantity) as quantity
     from moved m
     join outlet o on o.id = m.account % 100000000000
     left join outlet_detail d on d.outlet_id = o.id
     group by 1, 2, 3, 4, 5, 6 having sum(m.quantity) <> 0
     order by 1, 4, 6`,
    [formatDate(from), formatDate(to)],
  )
  for (;;) {
    const { rows } = await client.query<{
      outlet_id: string
      category: OutletCategory
      fuel: string | null
      programme: string
      unit: string
      entitlement_date: string
      quantity: string
    }>(`fetch ${ROWS} from settlement_redemption`)
    for (const row of rows) {
      yield {
        outletId: Number(row.outlet_id),
        category: row.category,
        fuel: row.fuel ?? undefined,
        programme: Number(row.programme),
        unit: units[Number(row.unit)] ?? 'EGP',
        entitlementDate: parseDate(row.entitlement_date),
        quantity: BigInt(row.quantity),
      }
    }
    if (rows.length < ROWS) break
  }
  await client.query('close settlement_redemption')
}

/**
 * What the journal posted on business dates that are closed to accounts of kinds 7001 to 7004, credits above zero: all
 * but what settlement itself posts (kinds 40 to 49), of which its tables know.
 */
export async function readMovements(client: Queryable, { from, to }: DateSpan): Promise<Map<number, bigint>> {
  const { rows } = await client.query<{ account: string; piasters: string }>(
    `select account, sum(piasters) as piasters from (
       select credit as account, sum(amount) as piasters from transfer
       where business_date between $1 and $2 and kind not between 40 and 49 and credit / 100000000000 between 7001 and 7004
       group by 1
       union all
       select debit, -sum(amount) from transfer
       where business_date between $1 and $2 and kind not between 40 and 49 and debit / 100000000000 between 7001 and 7004
       group by 1) m
     group by 1 having sum(piasters) <> 0`,
    [formatDate(from), formatDate(to)],
  )
  return new Map(rows.map(({ account, piasters }) => [Number(account), BigInt(piasters)]))
}

/** What the run before left on an account. */
export interface Opening {
  readonly piasters: bigint
  /** Of it, what was released out of holdbacks: it is not held back again. */
  readonly freed: bigint
}

/** What was due on each account after the run before. */
export async function readOpenings(
  client: Queryable,
  before: { readonly businessDate: CivilDate; readonly cycle: number },
): Promise<Map<number, Opening>> {
  const { rows } = await client.query<{ account: string; closing: string; freed: string }>(
    'select account, closing, freed from settlement_due where business_date = $1 and cycle = $2 and closing <> 0',
    [formatDate(before.businessDate), before.cycle],
  )
  return new Map(
    rows.map(({ account, closing, freed }) => [Number(account), { piasters: BigInt(closing), freed: BigInt(freed) }]),
  )
}

/** An outlet as settlement sees it. */
export interface PayeeOutlet {
  readonly id: number
  readonly acceptor: string
  readonly name: string
  readonly category: OutletCategory
  readonly governorate: string
  readonly bankCode: string | undefined
  readonly account: string | undefined
  readonly isSuspended: boolean
}

/** Outlets by number, in its order. */
export async function readPayees(client: Queryable, ids: readonly number[]): Promise<PayeeOutlet[]> {
  const { rows } = await client.query<{
    id: string
    acceptor_id: string
    name: string
    category: OutletCategory
    governorate: string
    settlement_bank: string | null
    settlement_account: string | null
    is_suspended: boolean
  }>(
    `select o.id, o.acceptor_id, o.name, o.category, o.governorate, d.settlement_bank, d.settlement_account,
            exists (select from payout_suspension s where s.outlet_id = o.id and s.ended_at is null) as is_suspended
     from outlet o left join outlet_detail d on d.outlet_id = o.id where o.id = any ($1) order by o.id`,
    [ids],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    acceptor: row.acceptor_id,
    name: row.name,
    category: row.category,
    governorate: row.governorate,
    bankCode: row.settlement_bank ?? undefined,
    account: row.settlement_account ?? undefined,
    isSuspended: row.is_suspended,
  }))
}

/** A payment that came to nothing, or of which something came back, as far as no run has taken it up yet. */
export interface FailedInstruction {
  readonly endToEndId: string
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly outletId: number | undefined
  readonly institutionKind: string | undefined
  readonly institution: number | undefined
  readonly lines: readonly { readonly account: AccountNumber; readonly piasters: bigint }[]
}

/**
 * Payments that were cancelled, rejected, or returned and seen back at the bank, that wait to be made again, in the
 * order of their ids.
 */
export async function readFailed(client: Queryable): Promise<FailedInstruction[]> {
  const { rows } = await client.query<{
    end_to_end_id: string
    purpose: FailedInstruction['purpose']
    outlet_id: string | null
    institution_kind: string | null
    institution: string | null
    returned: string | null
    taken_up: string
    lines: { account: number; piasters: string }[]
  }>(
    `select i.end_to_end_id, i.purpose, i.outlet_id, i.institution_kind, i.institution, b.returned,
            i.restored_piasters as taken_up,
            (select jsonb_agg(jsonb_build_object('account', l.account, 'piasters', l.piasters::text) order by l.account)
             from settlement_instruction_line l where l.instruction_id = i.id) as lines
     from settlement_instruction i
     -- What comes back is only there when the bank shows it, and may be less than was paid.
     cross join lateral (select sum(e.piasters) as returned from settlement_instruction_event e
       where i.state = 'returned' and e.instruction_id = i.id and e.state = 'returned' and e.piasters > 0) b
     where i.state in ('rejected', 'returned', 'cancelled') and i.restored_date is null
       and (i.state <> 'returned' or b.returned is not null)
       -- What a bank booked although it was rejected may be paid: not again before the bank takes it back, or people close the
       -- exception, having moved what is in suspense to the account where it was paid from.
       and (i.state = 'returned'
         or coalesce((select sum(e.suspense_piasters) from bank_entry e where e.matched_instruction = i.id), 0) = 0
         or exists (select from reconciliation_exception x where x.break = 'position-over'
                      and x.key = 'instruction:' || i.end_to_end_id and x.state in ('resolved', 'written-off')))
     order by i.end_to_end_id`,
  )
  return rows.map(({ purpose, ...row }) => {
    const lines = row.lines.map(({ account, piasters }) => ({
      account: account as AccountNumber,
      piasters: BigInt(piasters),
    }))
    return {
      endToEndId: row.end_to_end_id,
      purpose,
      outletId: row.outlet_id === null ? undefined : Number(row.outlet_id),
      institutionKind: row.institution_kind ?? undefined,
      institution: row.institution === null ? undefined : Number(row.institution),
      lines:
        row.returned === null
          ? lines
          : returnedBetween(failureLines({ purpose, lines }), BigInt(row.taken_up), BigInt(row.returned)),
    }
  })
}

/** Holidays, public ones and those of banks only. */
export async function readBankHolidays(client: Queryable): Promise<Holiday[]> {
  const { rows } = await client.query<{
    date: number
    name: string
    announced_on: number
    withdrawn_on: number | null
  }>('select date, name, announced_on, withdrawn_on from holiday')
  return rows.map((row) => ({
    date: row.date as CivilDate,
    name: row.name,
    announcedOn: row.announced_on as CivilDate,
    withdrawnOn: (row.withdrawn_on ?? undefined) as CivilDate | undefined,
  }))
}
