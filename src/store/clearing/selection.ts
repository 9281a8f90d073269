import { type CivilDate, formatDate } from '../../calendar.ts'
import { clearedMoney } from '../cleared-money.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'
import { selectChargebacks } from './chargebacks.ts'
import { type ClearingFile, registerFile } from './files.ts'

/** Outlets that nobody knows the bank of stand in files of this institution. */
export const NO_BANK = 'NOBANK'

/** What a selection needs to know. */
export interface SelectionPlan {
  readonly businessDate: CivilDate
  /** Identifier of this centre in files for the card scheme. */
  readonly processingBin: string
  /** Links that bring the card scheme's messages. */
  readonly railLinks: readonly string[]
  /** Who does it, for the files' history. */
  readonly actor: string
}

/** What was selected for a date. */
export interface SelectionSummary {
  /** Of the card scheme's file. */
  readonly network: {
    readonly items: number
    readonly grossPiasters: string
    /** Of the items, those that take a disputed presentment back. */
    readonly chargebacks: number
  }
  readonly subsidy: { readonly items: number; readonly files: number }
  readonly statements: number
  /** Outlets with something to be paid that no bank is known of. */
  readonly withoutBank: number
  /** The first of them, by acceptor. */
  readonly withoutBankExamples: readonly string[]
}

/**
 * The items of the card scheme's file: what was posted, less what was taken back on the same date. What a reversal takes
 * back of an earlier file is an item of its own. A reversal may name a purchase, or the hold of which captures were made:
 * then it takes from the captures of the date first, the last one before the others.
 */
const networkItems = `
  with ${clearedMoney('= $1')},
  posted as (
    select c.lane, c.id, c.original_id, c.outlet_id, coalesce(c.debit, 0) + coalesce(c.credit, 0) as amount,
           coalesce(c.cashback, 0) as cashback,
           case when c.credit > 0 then '06' when c.is_cash then '07' else '05' end as code,
           case when c.debit > 0 and c.mti like '02%' then c.original_id end as hold_id
    from cleared c where c.debit > 0 or c.credit > 0),
  reversed as (
    select c.lane, c.id, c.original_id, c.outlet_id, coalesce(c.debit_back, 0) + coalesce(c.credit_back, 0) as amount,
           case when c.credit_back > 0 then '26' when c.is_cash then '27' else '25' end as code,
           p.id is not null as is_direct, h.hold_id is not null as is_of_hold
    from cleared c
    left join posted p on p.id = c.original_id
    left join (select distinct hold_id from posted where hold_id is not null) h on h.hold_id = c.original_id
    where c.debit_back > 0 or c.credit_back > 0),
  direct as (select original_id as id, sum(amount) as amount from reversed where is_direct group by 1),
  of_hold as (select original_id as id, sum(amount) as amount from reversed where is_of_hold and not is_direct group by 1),
  once as (
    select p.*, greatest(0, p.amount - coalesce(d.amount, 0)) as left_over
    from posted p left join direct d on d.id = p.id),
  twice as (
    select o.lane, o.id, o.original_id, o.outlet_id, o.code, o.cashback, o.hold_id, o.left_over,
           greatest(0, o.left_over - greatest(0, h.amount - coalesce(sum(o.left_over) over (
             partition by o.hold_id order by o.id desc rows between unbounded preceding and 1 preceding), 0))) as amount
    from once o join of_hold h on h.id = o.hold_id),
  covered as (
    select id, amount from posted where exists (select from reversed r where r.original_id = posted.id)
    union all
    select hold_id, sum(left_over) from twice group by 1),
  earlier as (
    select r.lane, r.id, r.original_id, r.outlet_id, r.code,
           case when r.is_direct or r.is_of_hold
             then least(r.amount, greatest(0, sum(r.amount) over (partition by r.original_id order by r.id) - c.amount))
             else r.amount end as amount
    from reversed r left join covered c on c.id = r.original_id),
  item as (
    select lane, id, original_id, outlet_id, code, left_over as amount, cashback from once
    where hold_id is null or not exists (select from of_hold h where h.id = once.hold_id)
    union all
    select lane, id, original_id, outlet_id, code, amount, cashback from twice
    union all
    select lane, id, original_id, outlet_id, code, amount, 0 from earlier)`

/**
 * Takes the items of a closed date into files: those of the card scheme's file, and of the subsidy files and statements of
 * the settlement banks. All in one transaction, once: the second call finds what the first has done.
 * @returns what was selected
 * @throws Error of the database
 */
export async function selectItems(client: Client, plan: SelectionPlan): Promise<SelectionSummary> {
  const known = await findSelection(client, plan.businessDate)
  if (known !== undefined) return known
  return await inTransaction(client, async () => {
    // Whoever comes second waits, and then finds it done.
    await client.query(`select pg_advisory_xact_lock(hashtext('clearing_selection'))`)
    return (await findSelection(client, plan.businessDate)) ?? (await select(client, plan))
  })
}

/** What was selected for a date; undefined when nothing was yet. */
export async function findSelection(client: Client, date: CivilDate): Promise<SelectionSummary | undefined> {
  const { rows } = await client.query<{ summary: SelectionSummary }>(
    'select summary from clearing_selection where business_date = $1',
    [formatDate(date)],
  )
  return rows[0]?.summary
}

async function select(client: Client, plan: SelectionPlan): Promise<SelectionSummary> {
  const date = formatDate(plan.businessDate)
  await client.query(`set local work_mem = '64MB'`)
  // The planner knows nothing of how many rows the parts of these statements have: by loops, a million would never end.
  await client.query('set local enable_nestloop = off')
  await client.query('select prepare_clearing_items($1)', [date])
  await client.query('insert into clearing_rail select unnest($1::text[]) on conflict do nothing', [plan.railLinks])
  await keepOutlets(client, date)
  const network = await selectNetwork(client, plan)
  const subsidy = await selectSubsidies(client, plan)
  const statements = await selectStatements(client, plan)
  await client.query('select analyze_clearing_items($1)', [date])
  const without = await client.query<{ acceptor: string }>(
    'select acceptor from clearing_outlet where business_date = $1 and bank is null and is_paid order by acceptor',
    [date],
  )
  const summary: SelectionSummary = {
    network,
    subsidy,
    statements,
    withoutBank: without.rows.length,
    withoutBankExamples: without.rows.slice(0, 5).map(({ acceptor }) => acceptor),
  }
  await client.query('insert into clearing_selection (business_date, summary) values ($1, $2)', [
    date,
    JSON.stringify(summary),
  ])
  return summary
}

/** Outlets that redeemed or sold something, as they are known now. */
async function keepOutlets(client: Client, date: string): Promise<void> {
  await client.query(
    `insert into clearing_outlet
     select $1, o.id, o.acceptor_id, o.name, o.category, o.governorate, o.mcc, d.fuel, d.settlement_bank, d.settlement_account, true
     from (
       select case when t.kind = 3 or t.debit / 100000000000 = 7001 then t.debit else t.credit end % 100000000000 as id
       from transfer t
       where t.business_date = $1 and (t.kind in (2, 3, 6)
         or t.kind between 10 and 20 and 7001 in (t.debit / 100000000000, t.credit / 100000000000))
       group by 1) t
     join outlet o on o.id = t.id left join outlet_detail d on d.outlet_id = o.id`,
    [date],
  )
}

async function selectNetwork(client: Client, plan: SelectionPlan): Promise<SelectionSummary['network']> {
  const file = await begin(client, plan, 'CTF', plan.processingBin)
  const { rows } = await client.query<{ items: string; gross: string }>(
    `${networkItems},
     taken as (
       insert into clearing_item (business_date, file_id, number, lane, authorization_id, original_id, transaction_code,
         amount_piasters, cashback_piasters, outlet_id)
       select $1, $2, row_number() over (order by i.id), i.lane, i.id, i.original_id, i.code, i.amount,
              least(i.cashback, i.amount), i.outlet_id
       from item i where i.amount > 0
       returning amount_piasters, outlet_id)
     select count(*) as items, coalesce(sum(amount_piasters), 0) as gross from taken`,
    [formatDate(plan.businessDate), file.id],
  )
  const { businessDate, actor } = plan
  const back = await selectChargebacks(client, { businessDate, fileId: file.id, fileName: file.name, actor })
  await client.query(
    `insert into clearing_outlet
     select $1, o.id, o.acceptor_id, o.name, o.category, o.governorate, o.mcc, d.fuel, d.settlement_bank, d.settlement_account, false
     from (
       select outlet_id from clearing_item where business_date = $1 and file_id = $2
       union
       select o.id from outgoing_dispute_item c join outlet o on o.acceptor_id = c.acceptor where c.file_id = $2) i
     join outlet o on o.id = i.outlet_id left join outlet_detail d on d.outlet_id = o.id
     on conflict do nothing`,
    [formatDate(plan.businessDate), file.id],
  )
  const [row] = rows
  return {
    items: Number(row?.items ?? 0) + back.items,
    grossPiasters: String(BigInt(row?.gross ?? 0) + back.grossPiasters),
    chargebacks: back.items,
  }
}

/**
 * What outlets dispensed (kind 2) and took back (3), and what was taken back of that (6), with what the household paid for it
 * from its account. Of what was taken back the date is that of the draw.
 */
const subsidyItems = `
  with drawn as (
    select t.lane, t.group_id as id, t.kind, t.debit / 100000000000 % 100 as programme,
           (case t.kind when 3 then t.debit else t.credit end) % 100000000000 as outlet_id, sum(t.amount) as quantity
    from transfer t where t.business_date = $1 and t.kind in (2, 3, 6) group by 1, 2, 3, 4, 5),
  paid as (
    select t.lane, t.group_id as id, sum(t.amount) as amount
    from transfer t where t.business_date = $1 and t.kind = 13 group by 1, 2),
  item as (
    select d.lane, d.id, 'RD' as code, d.programme, d.outlet_id, d.quantity, a.original_id, a.entitlement_date,
           -- What was paid stands with the first of several programmes.
           case when row_number() over (partition by d.id order by d.programme) = 1 then coalesce(p.amount, 0) else 0 end
             as co_payment
    from drawn d
    left join authorization_journal a on a.id = d.id and a.lane = d.lane and a.business_date = $1
    left join paid p on p.id = d.id and p.lane = d.lane
    where d.kind = 2
    union all
    select d.lane, d.id, case d.kind when 3 then 'RT' else 'RA' end, d.programme, d.outlet_id, d.quantity, a.original_id,
           coalesce(u.entitlement_date, o.entitlement_date, a.entitlement_date),
           case when row_number() over (partition by d.id order by d.programme) = 1 then coalesce(b.amount, 0) else 0 end
    from drawn d
    left join authorization_journal a on a.id = d.id and a.lane = d.lane and a.business_date = $1
    left join lateral (
      select o.id, o.business_date, o.entitlement_date, o.original_id from authorization_journal o
      where o.id = a.original_id and o.lane + 0 = a.lane and o.business_date <= a.business_date limit 1) o on true
    left join lateral (
      select u.id, u.business_date, u.entitlement_date from authorization_journal u
      where d.kind = 6 and u.id = o.original_id and u.lane + 0 = a.lane and u.business_date <= o.business_date limit 1) u on true
    left join lateral (
      select sum(t.amount) as amount from transfer t
      where t.lane = d.lane and t.group_id = d.id and t.business_date = $1 and t.kind in (16, 17, 20)
        and 7001 in (t.debit / 100000000000, t.credit / 100000000000)
        and exists (
          select from transfer c where c.lane = d.lane and c.group_id = coalesce(u.id, o.id)
            and c.business_date = coalesce(u.business_date, o.business_date) and c.kind = 13)) b on true
    where d.kind in (3, 6))`

async function selectSubsidies(client: Client, plan: SelectionPlan): Promise<SelectionSummary['subsidy']> {
  const date = formatDate(plan.businessDate)
  const { rows } = await client.query<{ bank: string; programme: number }>(
    `select distinct coalesce(c.bank, '${NO_BANK}') as bank, (t.debit / 100000000000 % 100)::integer as programme
     from transfer t
     join clearing_outlet c on c.business_date = $1
       and c.outlet_id = (case t.kind when 3 then t.debit else t.credit end) % 100000000000
     where t.business_date = $1 and t.kind in (2, 3, 6) order by 1, 2`,
    [date],
  )
  const files: { bank: string; programme: number; id: number }[] = []
  for (const { bank, programme } of rows) {
    const file = await begin(client, plan, 'SUB', `${bank}-${String(programme).padStart(2, '0')}`)
    files.push({ bank, programme, id: file.id })
  }
  if (files.length === 0) return { items: 0, files: 0 }
  const inserted = await client.query(
    `${subsidyItems}
     insert into clearing_item (business_date, file_id, number, lane, authorization_id, original_id, programme,
       transaction_code, amount_piasters, outlet_id, entitlement_date, quantity, co_payment_piasters)
     select $1, f.id, row_number() over (partition by f.id order by i.outlet_id, i.entitlement_date, i.id), i.lane, i.id,
            i.original_id, i.programme, i.code, 0, i.outlet_id, i.entitlement_date, i.quantity, i.co_payment
     from item i
     join clearing_outlet c on c.business_date = $1 and c.outlet_id = i.outlet_id
     join unnest($2::bigint[], $3::text[], $4::integer[]) f(id, bank, programme)
       on f.bank = coalesce(c.bank, '${NO_BANK}') and f.programme = i.programme`,
    [date, files.map(({ id }) => id), files.map(({ bank }) => bank), files.map(({ programme }) => programme)],
  )
  return { items: inserted.rowCount ?? 0, files: files.length }
}

/** A statement for each bank of an outlet that has something in the date. */
async function selectStatements(client: Client, plan: SelectionPlan): Promise<number> {
  const { rows } = await client.query<{ bank: string }>(
    `select distinct coalesce(bank, '${NO_BANK}') as bank from clearing_outlet where business_date = $1 and is_paid order by 1`,
    [formatDate(plan.businessDate)],
  )
  for (const { bank } of rows) await begin(client, plan, 'OUT', bank)
  return rows.length
}

async function begin(
  client: Client,
  { businessDate, actor }: SelectionPlan,
  type: 'CTF' | 'SUB' | 'OUT',
  institution: string,
): Promise<ClearingFile> {
  const key = { direction: 'out', type, institution, businessDate, cycle: 1, sequence: 1 } as const
  return await registerFile(client, { ...key, state: 'selected' }, actor)
}
