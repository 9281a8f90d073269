import { type LedgerCheck, sqlCheck } from './check.ts'

/** What a statement says of itself, and that it goes on from the one before. */
const statementsAddUp = sqlCheck({
  name: 'bank-statements-add-up',
  holds:
    'the entries of every bank statement make its sums, its closing balance, and it opens where the one before closed',
  lookFurther: 'Compare the views "bank_statements" and "bank_entries" for the statement.',
  with: `
    sums as (
      select e.statement_id, coalesce(sum(e.amount_piasters), 0) as net from bank_entry e where e.status = 'BOOK' group by 1),
    statement as (
      select s.*, coalesce(m.net, 0) as net,
             lag(s.closing_piasters) over (partition by s.bank, s.account order by s.id) as before
      from bank_statement s left join sums m on m.statement_id = s.id where s.report = 'statement'),
    bad as (
      select format('statement %s of bank %s: entries of %s piasters, opening %s, closing %s', s.id, s.bank, s.net, s.opening_piasters,
                    s.closing_piasters) as what
      from statement s
      where s.net <> s.credit_piasters - s.debit_piasters or s.opening_piasters + s.net <> s.closing_piasters
      union all
      select format('statement %s of bank %s opens with %s piasters, the one before closed with %s', s.id, s.bank, s.opening_piasters, s.before)
      from statement s where s.before <> s.opening_piasters)`,
  checked: 'select count(*) from statement',
})

/** What banks booked and what the journal has of it are the same. */
const statementsPosted = sqlCheck({
  name: 'bank-statements-posted',
  holds:
    'every booked statement is in the journal by its entries, once, and moves our account at the bank by what it booked',
  lookFurther: 'The postings of statement N stand in the command inbox under the keys bank:N#1 and on.',
  with: `
    planned as (
      select p.statement_id, p.kind, p.debit, p.credit, sum(p.amount_piasters) as amount from bank_posting p
      join bank_statement s on s.id = p.statement_id and s.state = 'booked' group by 1, 2, 3, 4),
    posted as (
      select split_part(split_part(i.idempotency_key, ':', 2), '#', 1) as statement, t.kind, t.debit, t.credit, sum(t.amount) as amount
      from command_inbox i join transfer t on t.group_id = i.done_id and t.lane = i.lane
      where i.kind = 'settlement-post' and i.idempotency_key ~ '^bank:[0-9]+#' group by 1, 2, 3, 4),
    moved as (
      select s.id, s.bank, s.closing_piasters - s.opening_piasters as net,
             coalesce((select sum(case when p.debit = 8007 * 100000000000 + s.bank then p.amount_piasters
                                       when p.credit = 8007 * 100000000000 + s.bank then -p.amount_piasters else 0 end)
                       from bank_posting p where p.statement_id = s.id), 0) as piasters
      from bank_statement s where s.state = 'booked'),
    -- What entries are, and what is held in which suspense. A return may take with it what stood on the other side (46).
    part as (
      select e.statement_id, case e.kind when 48 then 46 else e.kind end as kind, 0::bigint as account,
             e.amount_piasters - e.suspense_piasters as piasters
      from bank_entry e where e.kind is not null
      union all
      select e.statement_id, 54, e.suspense_account, e.suspense_piasters from bank_entry e where e.suspense_account is not null
      union all
      select p.statement_id, case p.kind when 48 then 46 when 55 then 54 else p.kind end,
             case p.kind when 54 then p.credit when 55 then p.debit else 0 end,
             case 8007 * 100000000000 + s.bank when p.debit then -p.amount_piasters when p.credit then p.amount_piasters else 0 end
      from bank_posting p join bank_statement s on s.id = p.statement_id),
    bad as (
      select format('statement %s: its entries of kind %s%s and its postings are %s piasters apart', statement_id, kind,
                    case when account <> 0 then ', account ' || account else '' end, sum(piasters)) as what
      from part group by statement_id, kind, account having sum(piasters) <> 0
      union all
      select format('statement %s posts %s piasters of kind %s, the journal has %s', coalesce(p.statement_id::text, j.statement),
                    coalesce(p.amount, 0), coalesce(p.kind, j.kind), coalesce(j.amount, 0)) as what
      from planned p
      full join posted j on j.statement = p.statement_id::text and j.kind = p.kind and j.debit = p.debit and j.credit = p.credit
      where p.amount is distinct from j.amount
        and not exists (select from bank_statement s where s.id::text = j.statement and s.state = 'stored')
      union all
      select format('statement %s moves our account at bank %s by %s piasters, its postings by %s', m.id, m.bank, m.net, m.piasters)
      from moved m where m.net <> m.piasters)`,
  checked: 'select count(*) from moved',
  note: `select format('%s statement(s) booked', count(*)) from bank_statement where state = 'booked'`,
})

/** Checks of what settlement banks sent. */
export const bankChecks: readonly LedgerCheck[] = [statementsAddUp, statementsPosted]
