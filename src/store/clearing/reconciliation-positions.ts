import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/** Business dates whose instructions are not all seen at the bank, the oldest first. */
export async function datesWithOpenInstructions(
  client: Client,
  { businessDate, lookBackDays }: { readonly businessDate: string; readonly lookBackDays: number },
): Promise<string[]> {
  const { rows } = await client.query<{ business_date: string }>(
    `select distinct business_date from settlement_instruction i
     where i.business_date < $1 and i.business_date >= $1::date - $2::integer
       and (i.state in ('released', 'sent', 'accepted')
         or not exists (select from reconciliation_match m where m.authorization_id = 0 and m.instruction_id = i.id and m.instruction_id > 0)
            and i.state in ('settled', 'returned')
         -- What came to nothing and the bank booked all the same, however late.
         or i.state in ('rejected', 'cancelled')
            and exists (select from bank_entry e where e.matched_instruction = i.id and e.suspense_piasters <> 0))
     order by 1`,
    [businessDate, lookBackDays],
  )
  return rows.map((row) => row.business_date)
}

/** What banks booked on a date that no instruction asked for: fees, and money that nobody can name. */
export async function findOtherEntries(client: Client, date: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with entries as materialized (
       select e.*, s.bank from bank_entry e join bank_statement s on s.id = e.statement_id
       where s.statement_date = $1::date and s.report = 'statement' and e.status = 'BOOK'),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       select case when e.kind = 58 then 'bank-fee' else 'unknown-bank-entry' end, format('entry:%s:%s', e.statement_id, e.number), $1::date,
              abs(e.amount_piasters), e.suspense_account, e.suspense_piasters,
              format('bank %s booked %s piasters%s%s', e.bank, e.amount_piasters, coalesce(' (' || e.code || ')', ''),
                coalesce(': ' || left(e.text, 120), '')),
              jsonb_strip_nulls(jsonb_build_object('statementId', e.statement_id, 'entry', e.number, 'bank', e.bank, 'code', e.code,
                'reference', e.reference, 'endToEndId', e.end_to_end_id, 'note', e.note))
       from entries e
       where e.kind = 58 and e.amount_piasters < 0
          or e.state in ('suspense', 'unmatched') and e.matched_instruction is null and e.rule is distinct from 'batch-booking'
             and not exists (select from settlement_instruction i where i.end_to_end_id = e.end_to_end_id and i.bank = e.bank)
       on conflict do nothing returning 1)
     select (select count(*) from entries) as entries, (select count(*) from broken) as broken`,
    [date],
  )
  return numbersOf(rows[0])
}

/**
 * Files of banks that were refused on some dates, and not mended: for a gap or a balance until a later statement of the
 * bank was taken, for their form until the same file was.
 */
export async function findRefusedStatements(
  client: Client,
  dates: readonly string[],
): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with refused as materialized (
       select f.id, f.name, f.bank, f.cause, f.reason, (f.received_at at time zone 'Africa/Cairo')::date as day
       from bank_file f
       where f.state = 'refused' and (f.received_at at time zone 'Africa/Cairo')::date = any ($1::date[])
         and not exists (select from bank_file g where g.state = 'read' and g.sha256 = f.sha256)
         and not exists (
           select from bank_file g join bank_statement s on s.bank_file = g.id
           where f.cause in ('gap', 'balance') and g.bank = f.bank and g.received_at > f.received_at and s.report = 'statement')),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select case r.cause when 'gap' then 'statement-gap' when 'balance' then 'balance-differs' when 'duplicate' then 'duplicate-file'
                else 'file-refused' end,
              'bank-file:' || r.id, r.day, 0, format('file %s of bank %s was refused: %s', r.name, coalesce(r.bank::text, '?'), r.reason),
              jsonb_strip_nulls(jsonb_build_object('bankFile', r.id, 'bank', r.bank, 'cause', r.cause))
       from refused r on conflict do nothing returning 1)
     select (select count(*) from refused) as refused, (select count(*) from broken) as broken`,
    [dates],
  )
  return numbersOf(rows[0])
}

/**
 * Statements that did not come although instructions wait for them, and closing balances that are not those of the
 * ledger.
 * @param asOf before which a statement of a value date has to be there
 */
export async function checkStatements(client: Client, asOf: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with latest as materialized (
       select distinct on (s.bank) s.bank, s.id, s.statement_date, s.closing_piasters, s.state
       from bank_statement s where s.report = 'statement' order by s.bank, s.id desc),
     awaited as (
       select i.bank, i.value_date, sum(i.amount_piasters) as piasters, count(*) as instructions
       from settlement_instruction i left join latest l on l.bank = i.bank
       where i.state in ('released', 'sent', 'accepted') and i.value_date < $1::date
         and (l.statement_date is null or i.value_date > l.statement_date)
       group by i.bank, i.value_date),
     ledger as (
       select (b.account % 100000000000)::integer as bank, sum(b.posted) as posted from balance b
       where b.household_id = 0 and b.account / 100000000000 = 8007 group by 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       select 'statement-gap', format('statement:%s:%s', a.bank, a.value_date), a.value_date, a.piasters, null::bigint, 0::bigint,
              format('no statement of bank %s for %s, on which %s instruction(s) of %s piasters were due', a.bank, a.value_date, a.instructions,
                a.piasters),
              jsonb_build_object('bank', a.bank, 'valueDate', a.value_date, 'instructions', a.instructions)
       from awaited a
       where not exists (select from found_break f where f.key like 'bank-file:%' and f.detail ->> 'bank' = a.bank::text)
       union all
       -- What was corrected is gone from the ledger: with it the difference is whole.
       select 'balance-differs', 'ledger:' || l.bank, l.statement_date,
              abs(l.closing_piasters + coalesce(g.posted, 0) + coalesce(x.suspended_piasters, 0)), 8007 * 100000000000 + l.bank,
              coalesce(g.posted, 0) + l.closing_piasters + coalesce(x.suspended_piasters + x.settled_piasters, 0),
              format('the statement of bank %s closes with %s piasters, the ledger has %s', l.bank, l.closing_piasters, -coalesce(g.posted, 0)),
              jsonb_build_object('bank', l.bank, 'statementId', l.id, 'closingPiasters', l.closing_piasters, 'ledgerPiasters', -coalesce(g.posted, 0))
       from latest l
       left join ledger g on g.bank = l.bank
       left join reconciliation_exception x on x.break = 'balance-differs' and x.key = 'ledger:' || l.bank
       where l.state = 'booked' and l.closing_piasters <> -coalesce(g.posted, 0)
       on conflict do nothing returning 1)
     select (select count(*) from latest) as statements, (select count(*) from broken) as broken`,
    [asOf],
  )
  return numbersOf(rows[0])
}
