import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

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
    `with ${legs}, ${bookings}, ${judgements}, ${foundMatches}, ${foundBreaks}, ${foundBatchBreaks}
     select (select count(*) from instructed) as instructed, (select count(*) from matched) as matched,
            (select count(*) from broken) + (select count(*) from broken_batches) as broken`,
    [businessDate, asOf],
  )
  return numbersOf(rows[0])
}

/** Both legs: what was instructed on the date, and what banks booked since. */
const legs = `
     instructed as materialized (
       select i.id, i.bank, i.end_to_end_id, i.state, i.value_date, i.purpose, i.outlet_id, i.restored_date, i.reason_code,
              case i.direction when 'pay' then -i.amount_piasters else i.amount_piasters end as expected,
              f.totals ->> 'messageId' as message_id
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
           where s.report = 'statement' and s.statement_date between (select min(value_date) from instructed) - 1 and $2::date)))`

/** What was booked for each instruction, and for each file that a bank booked as one, or in parts. */
const bookings = `
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
       where not exists (select from booked o where o.id = i.id))`

/** What is wrong with each instruction, by the name of its break. */
const judgements = `
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
       from judged j)`

/** Matches, by the rule that found them. */
const foundMatches = `
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, case when n.returned <> 0 then 33 when n.agrees then 32 when n.by_reference then 31 else 30 end, 0, 0, 0, n.id, n.statement_id, n.number,
              n.expected
       from named n
       where ((n.bookings > 0 and n.booked = n.expected) or n.agrees) and n.state not in ('rejected', 'cancelled') returning 1)`

/** Breaks of single instructions. */
const foundBreaks = `
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
       from named n where n.break is not null on conflict do nothing returning 1)`

/** Breaks of files that a bank booked as one. */
const foundBatchBreaks = `
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
       from batches b where b.amount <> b.expected on conflict do nothing returning 1)`
