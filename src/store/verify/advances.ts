import { type LedgerCheck, sqlCheck } from './check.ts'

/**
 * Nothing is advanced but for what is gone already: money for what an advice tells of, units for a draw that a terminal
 * made on its own; and whoever owes money has none left.
 */
const advancesExplained = sqlCheck({
  name: 'advances-explained',
  holds: 'only advices of what was given already are advanced, and who owes money has nothing available',
  lookFurther: 'mizan explain with the group number; the view "household_debt" lists who owes what.',
  with: `
    advance as (
      select t.group_id, t.kind, t.amount, a.id, a.mti, a.trace
      from transfer t
      left join authorization_journal a on a.lane = t.lane and a.business_date = t.business_date and a.id = t.group_id
        and a.result = 'approved'
      where t.kind in (7, 25)),
    owing as (
      select b.lane, b.household_id, -b.posted as owed, p.posted - p.held as available
      from balance b
      left join balance p on p.lane = b.lane and p.household_id = b.household_id and p.period = 0
        and p.account = 600100000000000 + b.household_id
      where b.account / 100000000000 = 8004 and b.posted <> 0),
    bad as (
      select format('group %s advances %s (kind %s) for a %s', group_id, amount, kind, coalesce(mti, 'command')) as what
      from advance
      where (case kind when 25 then mti in ('0120', '0220', '0420')
               else mti = '0220' and trace like '%"offline.draw"%' end) is not true
      union all
      select format('household %s owes %s piasters and has %s', household_id, owed, coalesce(available, 0))
      from owing where available <> 0)`,
  checked: '(select count(*) from advance) + (select count(*) from owing)',
  note: `select format('%s advance(s); %s household(s) owe %s EGP in piasters', (select count(*) from advance), count(*),
                       coalesce(sum(owed), 0)) from owing`,
})

export const advanceChecks: readonly LedgerCheck[] = [advancesExplained]
