import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * What the network presented on a date against what was posted for it (B and A). An item that was not posted, or not
 * for its amount, is the break that its reason says.
 */
export async function compareNetworkItems(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const posted = await client.query<{ dates: string[] | null }>(
    `select array_agg(distinct case when n.outcome = 'posted-before' then n.authorization_date else n.business_date end)::text[] as dates
     from network_item n where n.business_date = $1::date and n.posted_id is not null`,
    [businessDate],
  )
  const { rows } = await client.query<Record<string, string>>(
    `with ${presented}, ${judgements}, ${findings}
     select (select count(*) from items) as presented, (select count(*) from posted) as posted,
            (select count(*) from matched) as matched, (select count(*) from broken) as broken`,
    [businessDate, posted.rows[0]?.dates ?? []],
  )
  return numbersOf(rows[0])
}

/** What the network presented, and what was posted for it. */
const presented = `
     items as materialized (
       select n.*, case when n.outcome = 'posted-before' then a.business_date else n.business_date end as posted_date
       from network_item n
       left join lateral (
         -- Of a hold that a message captured it is the capture, which may be of a later date.
         select a.business_date from authorization_journal a
         where n.outcome = 'posted-before' and a.id = n.posted_id and a.lane + 0 = n.lane limit 1) a on true
       where n.business_date = $1::date and n.state <> 'noted'
         -- What is not as it should be is told, whatever it is: a return of ours, a chargeback of what was never sent.
         and (n.transaction_code in ('05', '06', '07', '25', '26', '27') or n.state in ('exception', 'duplicate', 'rejected'))),
     posted as (
       select t.group_id, sum(case when t.debit / 100000000000 = 6001 then t.amount else -t.amount end) as piasters
       from transfer t
       where t.kind in (10, 11, 12, 14, 15, 16, 17, 18, 19, 20)
         and (t.debit / 100000000000 = 6001) <> (t.credit / 100000000000 = 6001)
         -- Dates that are known when it is planned spare the statement all other days of the journal.
         and t.business_date = any ($2::date[])
         and t.group_id in (select posted_id from items where posted_id is not null)
       group by t.group_id)`

/** What is wrong with each item, by the name of its break. */
const judgements = `
     judged as materialized (
       select i.file_id, i.number, i.transaction_code, i.arn, i.amount_piasters, i.posted_id, i.authorization_id, i.rule, i.state, i.reason,
              i.detail, i.currency, i.purchase_date, abs(p.piasters) as posted,
              case
                when i.state = 'posting' then null
                -- Of these the dispute is what is open, or nothing was posted that could be taken back, or a message had taken it
                -- back before.
                when i.outcome = 'representment' or i.posted_id is null and (i.state = 'disputed' or i.outcome = 'reversal')
                  or i.outcome = 'reversal' and i.state = 'matched' and p.piasters is null then null
                when i.state = 'duplicate' then 'duplicate-item'
                when i.state = 'rejected' then 'item-rejected'
                when i.state = 'exception' then case
                  when i.reason = 'currency' then 'currency'
                  when i.reason in ('unmatched-reversal', 'reversal-amount', 'representment-without-dispute') then 'unmatched-reversal'
                  when i.reason in ('over-tolerance', 'amount-differs', 'bad-amount') then 'amount-differs'
                  when i.reason in ('no-authorization', 'unknown-card', 'authorization-reversed') then 'cleared-not-authorised'
                  else 'item-rejected' end
                when i.posted_id is null or p.piasters is null then 'cleared-not-authorised'
                when abs(abs(p.piasters) - i.amount_piasters) = 1 then 'rounding'
                when abs(p.piasters) <> i.amount_piasters or i.outcome = 'over-tolerance' then 'amount-differs'
                when i.state = 'forced' then 'forced-item'
                when i.flags @> array['late'] then 'late-presentment' end as break
       from items i left join posted p on p.group_id = i.posted_id)`

/** Matches and breaks. */
const findings = `
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, coalesce(r.number, 2), j.posted_id, j.file_id, j.number, 0, 0, 0, j.amount_piasters
       from judged j left join reconciliation_rule r on r.name = j.rule
       where j.posted = j.amount_piasters and j.state <> 'posting' and coalesce(j.break, '') not in ('amount-differs', 'rounding') returning 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select j.break, 'network:' || j.file_id || ':' || j.number, $1::date,
              -- What is in another currency is no sum of pounds: the item is told, and nothing is added up.
              case when j.currency not in ('', '818', 'EGP') then 0
                when j.break in ('amount-differs', 'rounding') and j.posted is not null then abs(j.amount_piasters - j.posted)
                else j.amount_piasters end,
              format('item %s of network file %s (%s, reference %s) of %s: %s', j.number, j.file_id, j.transaction_code,
                coalesce(nullif(j.arn, ''), 'none'),
                j.amount_piasters || case when j.currency in ('', '818', 'EGP') then ' piasters'
                  else ' minor units of currency ' || j.currency end,
                coalesce(j.detail, case
                  when j.break = 'forced-item' then 'posted without an authorization'
                  when j.break = 'late-presentment' then 'presented late for a purchase of ' || j.purchase_date
                  when j.posted is null then 'nothing is posted for it'
                  else j.posted || ' piasters are posted for it' end)),
              jsonb_strip_nulls(jsonb_build_object('fileId', j.file_id, 'item', j.number, 'arn', nullif(j.arn, ''), 'authorizationId',
                coalesce(j.posted_id, j.authorization_id), 'presentedPiasters', j.amount_piasters, 'postedPiasters', j.posted,
                'reason', j.reason))
       from judged j where j.break is not null
       on conflict do nothing returning 1)`

/** Days for which a hold that is over may wait for the writer to end it. */
const OVER_DAYS = 7

/**
 * Holds of the card scheme that nothing was presented for within the days, and reversals by advice of what is not
 * known.
 */
export async function findUncleared(
  client: Client,
  {
    asOf,
    afterDays,
    lookBackDays,
  }: { readonly asOf: string; readonly afterDays: number; readonly lookBackDays: number },
): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with not_ended as materialized (
       -- The writer ends what is over: holds that were over long ago are all those of years, and none of them is open.
       select h.id, h.lane, h.batch_seq, h.amount from hold h
       where h.credit / 100000000000 in (7003, 7004) and h.expires_at > $1::date - ${OVER_DAYS}
         and not exists (select from hold_event e where e.id = h.id and e.lane = h.lane and e.ending is not null)),
     open_holds as (
       select h.id, h.lane, h.amount - coalesce(e.gone, 0) as piasters, (b.committed_at at time zone 'Africa/Cairo')::date as held_on
       from not_ended h
       join batch b on b.lane = h.lane and b.seq = h.batch_seq
       left join lateral (
         select sum(e.captured + e.released) as gone from hold_event e where e.id = h.id and e.lane = h.lane
       ) e on true
       where coalesce(e.gone, 0) < h.amount),
     scheme_holds as (
       select h.* from open_holds h where h.held_on < $1::date - $2::integer
         and exists (select from authorization_journal a join clearing_rail l on l.link = a.link
                     where a.id = h.id and a.lane + 0 = h.lane and a.business_date >= h.held_on)),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'authorised-not-cleared', 'hold:' || id, held_on, piasters,
              format('authorization %s holds %s piasters since %s, and nothing was presented', id, piasters, held_on),
              jsonb_build_object('authorizationId', id, 'heldPiasters', piasters, 'heldOn', held_on)
       from scheme_holds on conflict do nothing returning 1),
     -- A day is waited: the original may be on its way still.
     orphans as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'unmatched-reversal', 'message:' || a.id, a.business_date, a.amount,
              format('reversal advice %s of %s piasters names an original that never came', a.id, a.amount),
              jsonb_build_object('authorizationId', a.id, 'reversedPiasters', a.amount)
       from authorization_journal a join clearing_rail l on l.link = a.link
       where a.business_date >= $1::date - $3::integer and a.business_date < $1::date - 1
         and a.original_key is not null and a.original_id is null and a.mti = '0420'
         and not exists (select from authorization_journal o where o.dedupe_key = a.original_key)
       on conflict do nothing returning 1)
     select (select count(*) from open_holds) as holds, (select count(*) from broken) + (select count(*) from orphans) as broken`,
    [asOf, afterDays, lookBackDays],
  )
  return numbersOf(rows[0])
}

/** Disputes that are open: their money stands on the disputes account. */
export async function findOpenDisputes(client: Client): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'chargeback-open', 'dispute:' || d.id, (d.raised_at at time zone 'Africa/Cairo')::date, d.amount_piasters,
              format('dispute %s of %s piasters is %s; the network answers by %s', d.id, d.amount_piasters, d.state, d.respond_by),
              jsonb_build_object('disputeId', d.id, 'fileId', d.file_id, 'item', d.number, 'state', d.state, 'respondBy', d.respond_by)
       from dispute d where d.state in ('raised', 'sent', 'represented') on conflict do nothing returning 1)
     select count(*) as broken from broken`,
  )
  return numbersOf(rows[0])
}
