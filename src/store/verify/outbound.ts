import { type LedgerCheck, sqlCheck } from './check.ts'

/** Messages of our own: each has what caused it, and its history says the same as its state. */
const forwardsAccounted = sqlCheck({
  name: 'forwards-accounted',
  holds:
    'every message that a decision queued stands with that decision in one batch, and each is in the state that its history ends in',
  lookFurther: 'mizan forward show lists what happened to a message.',
  with: `
    history as (
      select a.message_id, count(*) filter (where a.event = 'sent') as sent,
             (array_agg(a.event order by a.id desc) filter (where a.event <> 'sent'))[1] as last_event,
             max(a.id) filter (where a.event = 'sent') as last_sent, max(a.id) as last
      from outbound_attempt a group by a.message_id),
    bad as (
      select format('message %s was queued by authorization %s, which its batch %s does not hold', m.id, m.authorization_id,
                    m.batch_seq) as what
      from outbound_message m
      where m.authorization_id is not null and not exists (
        select from authorization_journal a
        where a.id = m.authorization_id and a.lane = m.lane and a.batch_seq = m.batch_seq)
        -- Of what no message causes, such as a hold that expires.
        and not exists (
          select from command_journal c
          where c.id = m.authorization_id and c.lane = m.lane and c.batch_seq = m.batch_seq)
      union all
      select format('message %s is %s after %s sendings, its history says %s after %s', m.id, m.state, m.attempts,
                    coalesce(h.last_event, 'nothing'), coalesce(h.sent, 0))
      from outbound_message m left join history h on h.message_id = m.id
      where m.attempts <> coalesce(h.sent, 0) or (case m.state
        when 'acknowledged' then h.last_event in ('acknowledged', 'late')
        when 'dead' then h.last_event in ('refused', 'given-up', 'late')
        when 'dropped' then h.last_event = 'dropped'
        when 'sent' then h.last = h.last_sent
        else true end) is not true)`,
  checked: 'select count(*) from outbound_message',
  note: `select format('%s done, %s waiting, %s dead', count(*) filter (where state in ('acknowledged', 'dropped')),
                count(*) filter (where state in ('waiting', 'sent')), count(*) filter (where state = 'dead'))
         from outbound_message`,
})

export const outboundChecks: readonly LedgerCheck[] = [forwardsAccounted]
