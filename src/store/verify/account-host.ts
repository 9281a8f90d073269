import { type LedgerCheck, sqlCheck } from './check.ts'

const POSTAL = 6001
const SPAN = 100_000_000_000

/** An account that the host holds has money here only while a hold reserves it. */
const remoteAccountsEmpty = sqlCheck({
  name: 'remote-accounts-empty',
  holds: 'an account at the account host holds here what open holds reserve, and nothing else',
  lookFurther: 'Follow the account through the view "entries".',
  with: `
    remote as (
      select h.id, b.posted, b.held from household h
      join balance b on b.lane = h.lane and b.household_id = h.id and b.period = 0 and b.account = ${POSTAL} * ${SPAN} + h.id
      where h.account_at = 'host'),
    bad as (
      select format('household %s: %s posted, %s held', id, posted, held) as what from remote where posted <> held)`,
  checked: "select count(*) from household where account_at = 'host'",
})

/** What came from the host, it paid or was told of; what went back, it was told of. */
const hostMoneyExplained = sqlCheck({
  name: 'host-money-explained',
  holds: 'what an account got from its host is what the host paid or was told of, and what went back it was told of',
  lookFurther: 'Compare "host_request_ending" and "host_advice" of the number with its transfers.',
  with: `
    moved as (
      select lane, group_id as id, sum(amount) filter (where kind = 30) as funded, sum(amount) filter (where kind = 31) as returned
      from transfer where kind in (30, 31) group by 1, 2),
    paid as (
      select lane, by_id as id, sum(paid) as paid from host_request_ending where used group by 1, 2),
    every as (
      select lane, id from moved union select lane, id from paid union select lane, id from host_advice),
    sums as (
      select e.id, coalesce(m.funded, 0) as funded, coalesce(m.returned, 0) as returned, coalesce(p.paid, 0) as paid,
             coalesce(a.piasters, 0) as told, a.direction
      from every e
      left join moved m on m.lane = e.lane and m.id = e.id
      left join paid p on p.lane = e.lane and p.id = e.id
      left join host_advice a on a.lane = e.lane and a.id = e.id),
    bad as (
      select format('%s: %s funded and %s returned; the host paid %s and was told of a %s of %s', id, funded, returned, paid,
                    coalesce(direction, 'nothing'), told) as what
      from sums
      where funded <> paid + case direction when 'debit' then told else 0 end
         or returned <> case direction when 'credit' then told else 0 end)`,
  checked: '(select count(*) from transfer where kind in (30, 31)) + (select count(*) from host_advice)',
})

/**
 * What the host booked, or may have booked, for nothing is reversed there. A message that was acknowledged is purged
 * after some days, so only those of the last hours of the journal must be there.
 */
const hostRequestsEnd = sqlCheck({
  name: 'host-requests-end-once',
  holds: 'a request to the account host is open or ended once, and what may be booked for nothing is reversed there',
  lookFurther: 'Look at the request in "host_request", its end in "host_request_ending" and "outbound_messages".',
  with: `
    newest as (select max(committed_at) as at from batch),
    ended as (
      select e.lane, e.id, e.by_id, e.outcome, e.used, e.reversed, e.paid, r.kind, r.piasters, r.id as request_id,
             a.result, a.household_id, r.household_id as asked_for,
             b.committed_at > n.at - interval '12 hours' as recent
      from host_request_ending e
      cross join newest n
      left join host_request r on r.lane = e.lane and r.id = e.id
      left join authorization_journal a on a.lane = e.lane and a.id = e.by_id
      left join batch b on b.lane = e.lane and b.seq = e.batch_seq),
    told as (
      select a.lane, a.id, 'advice' as kind, b.committed_at > n.at - interval '12 hours' as recent
      from host_advice a cross join newest n left join batch b on b.lane = a.lane and b.seq = a.batch_seq
      union all
      select lane, by_id, 'reversal', recent from ended where reversed),
    bad as (
      select format('request %s (%s %s) ended %s by %s, used %s, reversed %s', id, kind, piasters, outcome, by_id, used,
                    reversed) as what
      from ended
      where (request_id is not null and paid <= piasters and by_id > id
        and (result is null or household_id = asked_for)
        and case when kind = 'inquiry' then not used and not reversed
                 when outcome = 'approved' then used <> reversed and (not used or result in ('approved', 'partially-approved'))
                 when outcome in ('unanswered', 'abandoned') then reversed and not used
                 else not used and not reversed end) is not true
      union all
      select format('%s of %s is not queued', kind, id) from told t
      where recent and not exists (
        select from outbound_message m where m.authorization_id = t.id and m.lane = t.lane and m.kind = t.kind))`,
  checked: 'select count(*) from host_request',
  note: `select format('%s open, %s ended', count(*) filter (where e.id is null), count(e.id))
         from host_request r left join host_request_ending e on e.lane = r.lane and e.id = r.id`,
})

export const accountHostChecks: readonly LedgerCheck[] = [remoteAccountsEmpty, hostMoneyExplained, hostRequestsEnd]
