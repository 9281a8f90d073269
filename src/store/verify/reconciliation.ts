import { type LedgerCheck, sqlCheck } from './check.ts'

/** What people post to correct an exception stands in its history with its reference, and the other way round. */
const exceptionsExplained = sqlCheck({
  name: 'exceptions-explained',
  holds:
    'each posting for an exception stands in its history, each correction there was asked of the writer, and what it has in suspense and settled is their sum',
  lookFurther: 'See mizan reconcile explain ID, and "command_inbox" where idempotency_key begins with exception:.',
  with: `
    asked as (
      select i.idempotency_key as key, regexp_replace(i.idempotency_key, '#[0-9]+$', '') as reference from command_inbox i
      where i.kind = 'settlement-post' and i.idempotency_key like 'exception:%'),
    noted as (
      select e.exception_id, e.event, e.detail ->> 'reference' as reference from reconciliation_event e
      where e.detail ? 'reference'),
    moved as (
      select e.exception_id, p.account, sum(p.piasters) as piasters
      from reconciliation_event e
      cross join lateral jsonb_to_recordset(e.detail -> 'postings') q(debit bigint, credit bigint, "amountPiasters" bigint)
      cross join lateral (values (q.credit, q."amountPiasters"), (q.debit, -q."amountPiasters")) p(account, piasters)
      where e.detail ? 'postings' group by 1, 2),
    sums as (
      select x.id, x.suspended_piasters, x.settled_piasters,
             case when x.account / 100000000000 = 7010 then 0 else m.suspense end as suspended,
             case when x.account / 100000000000 = 7010 then -m.own else -m.own - m.suspense end as settled
      from reconciliation_exception x
      cross join lateral (
        select coalesce(sum(m.piasters) filter (where m.account = x.account), 0) as own,
               coalesce(sum(m.piasters) filter (where m.account / 100000000000 = 7010), 0) as suspense
        from moved m where m.exception_id = x.id) m
      where x.account is not null),
    bad as (
      select format('posting %s stands in the history of no exception', a.key) as what
      from asked a where not exists (select from noted n where n.reference = a.reference)
      union all
      select format('exception %s is %s by %s, which nobody asked the writer for', n.exception_id, n.event, n.reference)
      from noted n where not exists (select from asked a where a.reference = n.reference)
      union all
      select format('exception %s has %s piasters in suspense and %s settled, its postings say %s and %s', id, suspended_piasters,
                    settled_piasters, suspended, settled)
      from sums where (suspended_piasters, settled_piasters) <> (suspended, settled)
      union all
      select format('exception %s is written off without a posting', x.id)
      from reconciliation_exception x where x.state = 'written-off'
        and not exists (select from noted n where n.exception_id = x.id and n.event = 'written-off'))`,
  checked: 'select count(*) from noted',
})

export const reconciliationChecks: readonly LedgerCheck[] = [exceptionsExplained]
