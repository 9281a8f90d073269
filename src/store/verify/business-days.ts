import { type LedgerCheck, sqlCheck } from './check.ts'

/** A lane that closed a day goes on with the next: the journal says so, and the lane. */
const closedDaysStay = sqlCheck({
  name: 'closed-days-stay',
  holds: 'after the batch in which a lane closed a business day no row of it is of that day or an earlier one',
  lookFurther:
    'Look at the rows of the lane after its command "close-day" in "command_journal"; the files of the day may lack them.',
  with: `
    closings as (
      select c.lane, c.id, c.batch_seq, to_date(c.detail::json ->> 'date', 'YYYYMMDD') as day
      from command_journal c where c.kind = 'close-day' and c.detail::json ->> 'outcome' like 'done:%'),
    bad as (
      select format('lane %s closed %s with command %s, and authorization %s after it is of %s', c.lane, c.day, c.id, a.id,
                    a.business_date) as what
      from closings c
      cross join lateral (
        select x.id, x.business_date from authorization_journal x
        where x.lane = c.lane and x.id > c.id and x.batch_seq > c.batch_seq
          and x.business_date between c.day - 7 and c.day limit 1) a
      union all
      select format('lane %s closed %s with command %s, and transfer %s after it is of %s', c.lane, c.day, c.id, t.group_id,
                    t.business_date)
      from closings c
      cross join lateral (
        select x.group_id, x.business_date from transfer x
        where x.lane = c.lane and x.group_id > c.id and x.batch_seq > c.batch_seq
          and x.business_date between c.day - 7 and c.day limit 1) t
      union all
      select format('lane %s closed %s and is open from %s on', l.lane, m.day, l.open_date)
      from lane l join (select lane, max(day) as day from closings group by lane) m on m.lane = l.lane
      where l.open_date <> m.day + 1)`,
  checked: 'select count(*) from closings',
})

/** The trial balance that is kept with a day is what the journal has of the day. */
const dayBalancesAgree = sqlCheck({
  name: 'day-balances-agree',
  holds: 'the trial balance kept with a business day is that of the day before and what the journal has of the day',
  lookFurther:
    'Compare the view "business_day_balances" of the day with "entries"; a posting of a closed day is a defect.',
  with: `
    expected as (
      select d.day, b.kind, b.owner, b.debits, b.credits, b.balance
      from (select distinct business_date as day from business_day_balance) d
      cross join lateral balances_after(d.day) b where b.debits <> 0 or b.credits <> 0 or b.balance <> 0),
    bad as (
      select format('account %s of %s on %s: %s is kept, the journal comes to %s', coalesce(k.kind, e.kind),
                    coalesce(k.owner, e.owner), coalesce(k.business_date, e.day), coalesce(k.balance, 0),
                    coalesce(e.balance, 0)) as what
      from expected e
      full join business_day_balance k on k.business_date = e.day and k.kind = e.kind and k.owner = e.owner
      where (k.debits, k.credits, k.balance) is distinct from (e.debits, e.credits, e.balance))`,
  checked: 'select count(*) from business_day_balance',
})

export const businessDayChecks: readonly LedgerCheck[] = [closedDaysStay, dayBalancesAgree]
