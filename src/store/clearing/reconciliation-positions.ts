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

/**
 * What was instructed on a business date against what the banks booked (B and C), by end-to-end reference, side and
 * amount; a batch that a bank booked as one, by our message's reference. An instruction is judged when its value date
 * has come and the bank's statement of that date is there.
 */
export async function compareInstructions(
  client: Client,
  businessDate: string,
  asOf: string,
): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with instructed as materialized (
       select i.id, i.bank, i.end_to_end_id, i.state, i.value_date, i.purpose, i.outlet_id, i.restored_date, i.reason_code,
              case i.direction when 'pay' then -i.amount_piasters else i.amount_piasters end as expected,
              'UC-' || f.type || '-' || f.institution || '-' || to_char(f.business_date, 'YYYYMMDD') || '-' || f.cycle as message_id
       from settlement_instruction i left join clearing_file f on f.id = i.file_id
       where i.business_date = $1::date and i.state <> 'prepared' and i.value_date <= $2::date
         and (i.state <> 'cancelled' or exists (select from bank_entry e where e.matched_instruction = i.id))),
     entries as materialized (
       select e.statement_id, e.number, s.bank, e.end_to_end_id, e.amount_piasters as amount, e.message_id, e.batch_count,
              e.rule = 'returned' or (e.return_reason is not null and e.amount_piasters > 0 and not e.reversal) as is_return,
              e.rule = 'our-reference' as by_reference, e.suspense_piasters, e.suspense_account, e.reference, e.value_date
       from bank_entry e join bank_statement s on s.id = e.statement_id
       where e.status = 'BOOK'
         -- An array spares the statement all other entries that banks ever made.
         and e.statement_id = any (array(
           select s.id from bank_statement s
           where s.report = 'statement' and s.statement_date between (select min(value_date) from instructed) - 1 and $2::date))),
     booked as (
       select i.id, count(*) filter (where not coalesce(e.is_return, false)) as bookings,
              coalesce(sum(e.amount) filter (where not coalesce(e.is_return, false)), 0) as amount,
              coalesce(sum(e.amount) filter (where e.is_return), 0) as returned, bool_or(e.by_reference) as by_reference,
              min(e.statement_id) as statement_id, min(e.number) filter (where not coalesce(e.is_return, false)) as number,
              coalesce(sum(e.suspense_piasters), 0) as suspended, max(e.suspense_account) as suspense_account,
              max(e.value_date) filter (where not coalesce(e.is_return, false)) as valued
       from instructed i join entries e on e.end_to_end_id = i.end_to_end_id and e.bank = i.bank
       group by i.id),
     -- A file of payments that the bank booked as one, or in parts.
     batches as (
       select (array_agg(e.statement_id order by e.statement_id, e.number))[1] as statement_id,
              (array_agg(e.number order by e.statement_id, e.number))[1] as number, e.bank, e.message_id, sum(e.amount) as amount,
              sum(e.suspense_piasters) as suspended, max(e.suspense_account) as suspense_account, max(e.value_date) as valued,
              i.expected, i.count
       from entries e
       join (select bank, message_id, sum(expected) as expected, count(*) as count from instructed where state <> 'rejected'
             group by bank, message_id) i on i.bank = e.bank and i.message_id = e.message_id
       where e.end_to_end_id is null group by e.bank, e.message_id, i.expected, i.count),
     in_batch as (
       select i.id, b.statement_id, b.number, b.amount = b.expected as agrees, b.valued
       from batches b join instructed i on i.bank = b.bank and i.message_id = b.message_id and i.state <> 'rejected'
       where not exists (select from booked o where o.id = i.id)),
     judged as materialized (
       select i.*, coalesce(b.bookings, 0) as bookings, coalesce(b.amount, 0) as booked, coalesce(b.returned, 0) as returned,
              coalesce(b.statement_id, n.statement_id) as statement_id, coalesce(b.number, n.number) as number,
              coalesce(b.suspended, 0) as suspended, b.suspense_account, b.by_reference, n.agrees,
              coalesce(b.valued, n.valued) as valued,
              exists (select from bank_statement s where s.bank = i.bank and s.report = 'statement' and s.statement_date >= i.value_date)
                as has_statement
       from instructed i left join booked b on b.id = i.id left join in_batch n on n.id = i.id),
     named as materialized (
       select j.*, case
         -- Nothing of it is in transit: all that the bank booked for it and did not give back is in suspense.
         when j.state in ('rejected', 'cancelled') and j.suspended <> 0 then 'position-over'
         when j.state = 'cancelled' then null
         when j.state = 'rejected' then case when j.restored_date is null then 'instruction-rejected' end
         when j.returned <> 0 then case when j.restored_date is null then 'bank-return' end
         when j.agrees then case when j.valued > j.value_date then 'late-value' end
         when j.bookings = 0 and j.agrees is null then case when j.has_statement then 'missing-bank-entry' end
         when j.booked = j.expected then case when j.valued > j.value_date then 'late-value' end
         when j.agrees is false then null
         when j.booked = -j.expected then 'wrong-sign'
         when abs(j.booked) > abs(j.expected) then 'position-over'
         else 'position-short' end as break
       from judged j),
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, case when n.returned <> 0 then 33 when n.agrees then 32 when n.by_reference then 31 else 30 end, 0, 0, 0, n.id, n.statement_id, n.number,
              n.expected
       from named n
       where ((n.bookings > 0 and n.booked = n.expected) or n.agrees) and n.state not in ('rejected', 'cancelled') returning 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       select n.break, 'instruction:' || n.end_to_end_id, $1::date,
              case when n.state in ('rejected', 'cancelled') and n.break = 'position-over' then abs(n.suspended)
                   when n.break in ('position-short', 'position-over') then abs(n.expected - n.booked)
                   when n.break = 'bank-return' then n.returned when n.break = 'late-value' then 0 else abs(n.expected) end,
              case
                when n.break = 'position-short' then 7007 * 100000000000 + n.bank
                when n.break in ('position-over', 'wrong-sign') then n.suspense_account end,
              case
                -- Of what we pay, 7007 has a credit left; of what we collect, a debit.
                when n.break = 'position-short' then n.booked - n.expected
                when n.break in ('position-over', 'wrong-sign') then n.suspended
                else 0 end,
              format('instruction %s of %s piasters for %s at bank %s: %s', n.end_to_end_id, n.expected, n.value_date, n.bank,
                case n.break
                  when 'missing-bank-entry' then 'not in the bank’s statement'
                  when 'instruction-rejected' then 'refused by the bank' || coalesce(' (' || n.reason_code || ')', '')
                  when 'bank-return' then 'came back' || coalesce(' (' || n.reason_code || ')', '')
                  when 'late-value' then 'the bank booked it with value date ' || n.valued
                  else case when n.state in ('rejected', 'cancelled')
                         then 'it was ' || n.state || coalesce(' (' || n.reason_code || ')', '') || ', and ' else '' end
                    || 'the bank booked ' || n.booked || ' piasters' end),
              jsonb_strip_nulls(jsonb_build_object('instructionId', n.id, 'endToEndId', n.end_to_end_id, 'bank', n.bank, 'outletId', n.outlet_id,
                'expectedPiasters', n.expected, 'bookedPiasters', n.booked, 'valuedOn', n.valued, 'statementId', n.statement_id,
                'entry', n.number))
       from named n where n.break is not null on conflict do nothing returning 1),
     broken_batches as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       select case when b.amount = -b.expected then 'wrong-sign' when abs(b.amount) > abs(b.expected) then 'position-over' else 'position-short' end,
              'batch:' || b.statement_id || ':' || b.number, $1::date, abs(b.expected - b.amount),
              -- What is too much, or on the wrong side, is held in suspense; what is missing is still in transit.
              case when b.suspended <> 0 then b.suspense_account else 7007 * 100000000000 + b.bank end,
              case when b.suspended <> 0 then b.suspended else b.amount - b.expected end,
              format('bank %s booked %s piasters for the %s payment(s) of %s, which are %s piasters', b.bank, b.amount, b.count, b.message_id, b.expected),
              jsonb_build_object('bank', b.bank, 'messageId', b.message_id, 'expectedPiasters', b.expected, 'bookedPiasters', b.amount,
                'statementId', b.statement_id, 'entry', b.number)
       from batches b where b.amount <> b.expected on conflict do nothing returning 1)
     select (select count(*) from instructed) as instructed, (select count(*) from matched) as matched,
            (select count(*) from broken) + (select count(*) from broken_batches) as broken`,
    [businessDate, asOf],
  )
  return numbersOf(rows[0])
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
