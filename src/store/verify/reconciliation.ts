import { type LedgerCheck, sqlCheck } from './check.ts'

/** What people post to correct an exception stands in its history with its reference, and the other way round. */
const exceptionsExplained = sqlCheck({
  name: 'exceptions-explained',
  holds: 'each posting for an exception stands in its history, and each correction there was asked of the writer',
  lookFurther: 'See mizan reconcile explain ID, and "command_inbox" where idempotency_key begins with exception:.',
  with: `
    asked as (
      select i.idempotency_key as key, regexp_replace(i.idempotency_key, '#[0-9]+$', '') as reference from command_inbox i
      where i.kind = 'settlement-post' and i.idempotency_key like 'exception:%'),
    noted as (
      select e.exception_id, e.event, e.detail ->> 'reference' as reference from reconciliation_event e
      where e.detail ? 'reference'),
    bad as (
      select format('posting %s stands in the history of no exception', a.key) as what
      from asked a where not exists (select from noted n where n.reference = a.reference)
      union all
      select format('exception %s is %s by %s, which nobody asked the writer for', n.exception_id, n.event, n.reference)
      from noted n where not exists (select from asked a where a.reference = n.reference)
      union all
      select format('exception %s is written off without a posting', x.id)
      from reconciliation_exception x where x.state = 'written-off'
        and not exists (select from noted n where n.exception_id = x.id and n.event = 'written-off'))`,
  checked: 'select count(*) from noted',
})

export const reconciliationChecks: readonly LedgerCheck[] = [exceptionsExplained]
