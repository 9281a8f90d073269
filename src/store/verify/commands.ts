import { type LedgerCheck, sqlCheck } from './check.ts'

/** The writer puts the number of the command first in what the journal says of it. */
const NAMES_COMMAND = `c.detail like '{"command":%'`

/** Commands of the inbox are carried out exactly once, as the journal says, which the hashes cover. */
const commandsDoneOnce = sqlCheck({
  name: 'commands-done-once',
  holds:
    'every command of the inbox that is done has its one row of the journal, which says who asked and what came of it',
  lookFurther: 'Compare the tables "command_inbox" and "command_journal"; the journal is right.',
  with: `
    noted as (
      select c.lane, c.id, c.kind, c.at, (c.detail::jsonb ->> 'command')::bigint as command,
             c.detail::jsonb ->> 'by' as by, c.detail::jsonb ->> 'outcome' as outcome,
             (c.detail::jsonb ->> 'card')::bigint as card
      from command_journal c where ${NAMES_COMMAND}),
    bad as (
      select format('command %s of lane %s, done by %s', coalesce(i.id, n.command), coalesce(i.lane, n.lane),
                    coalesce(i.done_id, n.id)) as what
      from (select * from command_inbox where num_nonnulls(done_id, done_at, outcome) > 0) i
      full join noted n on n.lane = i.lane and n.id = i.done_id
      where (n.command = i.id and n.kind = i.kind and n.at = i.done_at and n.by = i.requested_by
        and n.outcome = i.outcome and n.card is not distinct from i.card_id) is not true)`,
  checked: 'select count(*) from command_inbox',
  note: `select format('%s done, %s waiting', count(done_id), count(*) - count(done_id)) from command_inbox`,
})

export const commandChecks: readonly LedgerCheck[] = [commandsDoneOnce]
