import { type LedgerCheck, sqlCheck } from './check.ts'

/** What is payable is the journal's quantities by the tariff that held, unit for unit. */
const payablesExact = sqlCheck({
  name: 'settlement-payables-exact',
  holds: 'what outlets are owed for subsidies is what they gave out by the tariff of its date, to the piaster',
  lookFurther:
    'Compare the views "settlement_payables" and "transfers" of the outlet (mizan settlement payables DATE).',
  with: `
    step as (
      select * from jsonb_to_recordset($1::jsonb -> 'settlements') s(programme integer, version integer, low date, high date,
        "from" date, unit bigint, permille bigint)),
    moved as (
      select r.business_date, t.credit as account, a.entitlement_date, t.amount as quantity
      from settlement_run r
      join transfer t on t.business_date between r.covers_from and r.business_date and t.kind = 2
      join authorization_journal a on a.id = t.group_id and a.lane = t.lane and a.business_date = t.business_date
      where r.cycle = 1
      union all
      select r.business_date, case t.kind when 3 then t.debit else t.credit end,
             case t.kind when 3 then o.entitlement_date else d.entitlement_date end,
             case t.kind when 3 then -t.amount else t.amount end
      from settlement_run r
      join transfer t on t.business_date between r.covers_from and r.business_date and t.kind in (3, 6)
      join authorization_journal a on a.id = t.group_id and a.lane = t.lane and a.business_date = t.business_date
      left join authorization_journal o on o.id = a.original_id and o.lane = a.lane
      left join authorization_journal d on d.id = o.original_id and d.lane = a.lane and t.kind = 6
      where r.cycle = 1),
    fold as (
      select business_date, account % 100000000000 as outlet_id, (account / 100000000000 % 100)::smallint as programme,
             entitlement_date, sum(quantity) as quantity
      from moved group by 1, 2, 3, 4 having sum(quantity) <> 0),
    kept as (select * from settlement_payable where cycle = 1),
    bad as (
      select format('outlet %s, programme %s on %s for %s: %s, the journal has %s', outlet_id, programme, entitlement_date,
                    business_date, coalesce(k.quantity::text, 'nothing'), coalesce(f.quantity::text, 'nothing')) as what
      from kept k full join fold f using (business_date, outlet_id, programme, entitlement_date)
      where k.quantity is distinct from f.quantity
      union all
      select format('outlet %s, programme %s on %s for %s: no tariff of version %s says so', outlet_id, programme,
                    entitlement_date, business_date, tariff_version)
      from settlement_payable k
      where k.tariff_from is not null and not exists (
        select from step s where s.programme = k.programme and s.version = k.tariff_version and s."from" = k.tariff_from
          and s.unit is not distinct from k.piasters_per_unit and s.permille is not distinct from k.permille_of_value::bigint
          and s.low <= k.entitlement_date and (s.high is null or s.high > k.entitlement_date)
          and s."from" <= k.entitlement_date)
      union all
      select format('outlet %s, programme %s on %s for %s: %s piasters, the tariff makes %s', outlet_id, programme,
                    entitlement_date, business_date, payable_piasters, made)
      from (select k.*, case when tariff_from is null then 0
                   when piasters_per_unit is not null then quantity * piasters_per_unit
                   else (quantity * permille_of_value + sign(quantity)::bigint * 500) / 1000 end as made
            from settlement_payable k) k
      where payable_piasters <> made)`,
  checked: 'select count(*) from settlement_payable',
})

/** Each amount that is due goes on to the next run, or is in one instruction, or held back. */
const duesCarried = sqlCheck({
  name: 'settlement-dues-carried',
  holds:
    'what is due goes from run to run: opened as it closed, and each piaster in one instruction, held back or left over',
  lookFurther:
    'Compare the views "settlement_dues" and "settlement_instructions" of the run (mizan settlement show DATE).',
  with: `
    run as (
      select r.*, lag(business_date) over w as last_date, lag(cycle) over w as last_cycle
      from settlement_run r window w as (order by business_date, cycle)),
    part as (
      select 'opening' as part, business_date, cycle, account, opening as piasters from settlement_due
      union all
      select 'opening', r.business_date, r.cycle, d.account, -d.closing
        from run r join settlement_due d on d.business_date = r.last_date and d.cycle = r.last_cycle
      union all
      select 'added', business_date, cycle, account, added from settlement_due
      union all
      select 'added', business_date, cycle, 700500000000000 + outlet_id, -payable_piasters from settlement_payable
      union all
      select 'added', r.business_date, r.cycle, e.account, -e.piasters
        from settlement_run r
        join transfer t on t.business_date between r.covers_from and r.business_date and t.kind not between 40 and 49
        cross join lateral (values (t.credit, t.amount), (t.debit, -t.amount)) e(account, piasters)
        where r.cycle = 1 and e.account / 100000000000 between 7001 and 7004
      union all
      select 'released', business_date, cycle, account, released from settlement_due
      union all
      select 'released', released_date, released_cycle, 700500000000000 + outlet_id, -purchases_piasters - subsidy_piasters
        from settlement_holdback where released_date is not null
      union all
      select 'held back', business_date, cycle, account, held from settlement_due
      union all
      select 'held back', business_date, cycle, 700100000000000 + outlet_id, -purchases_piasters from settlement_holdback
      union all
      select 'held back', business_date, cycle, 700500000000000 + outlet_id, -subsidy_piasters from settlement_holdback
      union all
      select 'instructed', business_date, cycle, account, instructed from settlement_due
      union all
      select 'instructed', i.business_date, i.cycle, l.account, -l.piasters
        from settlement_instruction i join settlement_instruction_line l on l.instruction_id = i.id
        where l.account / 100000000000 between 7001 and 7005
      union all
      select 'restored', business_date, cycle, 0, restored from settlement_due
      union all
      select 'restored', t.business_date, t.cycle, 0, case i.direction when 'pay' then -t.piasters else t.piasters end
        from settlement_restoration t join settlement_instruction i on i.id = t.instruction_id where i.purpose = 'net'),
    bad as (
      select format('%s of account %s in run %s of %s is off by %s', part, account, cycle, business_date, sum(piasters)) as what
      from part group by part, business_date, cycle, account having sum(piasters) <> 0
      union all
      select format('of what is due on account %s after run %s of %s, %s is said to be out of holdbacks', d.account, d.cycle,
                    d.business_date, d.freed)
      from run r join settlement_due d using (business_date, cycle)
      left join settlement_due b on b.business_date = r.last_date and b.cycle = r.last_cycle and b.account = d.account
      where d.freed <> case d.closing when 0 then 0 else coalesce(b.freed, 0) + d.released end
      union all
      -- Of what was paid less may have come back, and more than that is paid to nobody again.
      select format('of instruction %s %s piasters were taken up by runs, %s instructed again for it, and %s came back or never left',
                    i.end_to_end_id, i.restored_piasters, a.again, b.back)
      from settlement_instruction i
      cross join lateral (select coalesce(sum(t.piasters), 0) as piasters from settlement_restoration t where t.instruction_id = i.id) t
      cross join lateral (
        select case when i.purpose = 'net' then i.restored_piasters
          else (select coalesce(sum(r.amount_piasters), 0) from settlement_instruction r where r.replaces = i.end_to_end_id) end as again) a
      cross join lateral (
        select case when i.state in ('rejected', 'cancelled') then i.amount_piasters
          else (select coalesce(sum(e.piasters), 0) from settlement_instruction_event e
                where e.instruction_id = i.id and e.state = 'returned' and e.piasters > 0) end as back) b
      where t.piasters <> i.restored_piasters or a.again <> i.restored_piasters or i.restored_piasters > b.back
         or (i.restored_date is not null and i.restored_piasters < b.back)
      union all
      select format('instruction %s is over %s, its accounts come to %s', i.end_to_end_id, i.amount_piasters, l.piasters)
      from settlement_instruction i
      cross join lateral (select coalesce(sum(piasters), 0) as piasters from settlement_instruction_line l
                          where l.instruction_id = i.id) l
      where l.piasters <> case i.direction when 'pay' then i.amount_piasters else -i.amount_piasters end)`,
  checked: 'select count(*) from settlement_due',
})

/** The journal has what the runs say, and transit what was instructed and did not fail. */
const settlementPosted = sqlCheck({
  name: 'settlement-posted',
  holds:
    'the journal has what settlement says: payables, holdbacks, and in transit what was instructed less what was rejected',
  lookFurther:
    'Compare kinds 40 to 49 of the view "transfers" with the tables of settlement (mizan settlement show DATE).',
  with: `
    under_way as (
      select exists (select from command_inbox where kind = 'settlement-post' and done_id is null)
             or exists (select from settlement_run where state = 'computed')
             or not exists (select from settlement_run) as so),
    part as (
      select 'payables' as part, case kind when 40 then credit else debit end as account,
             case kind when 40 then amount else -amount end as piasters
        from transfer where kind in (40, 41)
      union all
      select 'payables', 700500000000000 + outlet_id, -payable_piasters from settlement_payable
      union all
      select 'holdback', case kind when 42 then credit else debit end, case kind when 42 then amount else -amount end
        from transfer where kind in (42, 43)
      union all
      select 'holdback', 700600000000000 + outlet_id, case when released_date is null then -1 else 0 end
             * (purchases_piasters + subsidy_piasters) from settlement_holdback
      union all
      select 'transit', case kind when 44 then credit else debit end, case kind when 44 then amount else -amount end
        from transfer where kind in (44, 45, 49)
      union all
      select 'transit', 700700000000000 + bank, case direction when 'pay' then -amount_piasters else amount_piasters end
        from settlement_instruction where state not in ('rejected', 'cancelled')),
    bad as (
      select format('%s of account %s: the journal is off by %s', part, account, sum(piasters)) as what
      from part where not (select so from under_way) group by part, account having sum(piasters) <> 0)`,
  checked: 'select count(*) from settlement_instruction',
  note: `select case when so then 'no run, or its postings are under way: nothing to compare yet' end from under_way`,
})

export const settlementChecks: readonly LedgerCheck[] = [payablesExact, duesCarried, settlementPosted]
