-- What the writer calls: to take a lane over (`take_lane`), to make a batch durable (`commit_batch`: one statement, one
-- transaction), and to read what a batch needs (`load_*`, `keys_within`, `find_authorizations`), with what those stand on.

-- Takes a lane over, if `p_expected_epoch` is null or still the lane's. The row lock waits for a commit that is still
-- running under the old epoch, so what this returns is the truth about it: the batch is in, or it never will be.
create function take_lane(p_lane smallint, p_expected_epoch bigint, p_taker uuid default null)
  returns table (epoch bigint, last_seq bigint, last_hash bytea, next_id bigint, open_date date) language sql as $$
  update lane set epoch = lane.epoch + 1, taken_by = p_taker
  where lane.lane = p_lane
    -- Whoever took it last, and did not hear of it, takes it again.
    and (p_expected_epoch is null or lane.epoch = p_expected_epoch or lane.taken_by = p_taker)
  returning lane.epoch, lane.last_seq, lane.last_hash, lane.next_id, lane.open_date
$$;

-- The rows of a batch, a type for each table: the writer sends each as one array.
create type authorization_row as (
  id bigint, received_at timestamptz, link text, mti text, dedupe_key uuid, content_hash uuid, acquirer text,
  terminal text, acceptor text, outlet_id bigint, stan text, transmission text, rrn text, network_reference text,
  pan_masked text, card_id bigint, household_id bigint, transaction_type text, account_code text, mcc text,
  amount bigint, approved_amount bigint, result text, response_code text, original_id bigint, original_key uuid,
  answer text, trace text, basket text, scheme_facts text
);
create type command_row as (id bigint, kind text, household_id bigint, authorization_id bigint, detail text);
create type transfer_row as (
  group_id bigint, leg smallint, kind smallint, debit bigint, credit bigint, amount bigint, period integer
);
create type balance_row as (household_id bigint, account bigint, period integer, posted bigint, held bigint);
create type hold_row as (
  id bigint, household_id bigint, kind smallint, debit bigint, credit bigint, amount bigint, cashback bigint,
  expires_at timestamptz
);
create type hold_event_row as (
  id bigint, by_id bigint, captured bigint, cashback bigint, released bigint, ending text
);
create type card_counter_row as (
  card_id bigint, pin_failures integer, atc integer, atc_seen bigint, script_pending text
);
create type card_status_row as (card_id bigint, status text);
create type command_done_row as (command_id bigint, done_id bigint, outcome text);
create type assertion_row as (household_id bigint, nonce text, used_at timestamptz);
create type one_time_code_row as (
  household_id bigint, factor bigint, expires_at timestamptz, tries_left smallint, day integer, sent smallint
);
create type usage_row as (household_id bigint, period integer, counter integer, used bigint);
create type notification_row as (household_id bigint, template text, detail text);
create type closing_row as (household_id bigint, month integer);
-- A change beyond the ledger (a person, a card, a term), for `apply_change`.
create type change_row as (kind text, payload text);
-- A message of our own that a decision queues; the fields are JSON.
create type forward_row as (
  authorization_id bigint, destination text, kind text, mti text, card_id bigint, fields text
);
create type cash_row as (household_id bigint, day integer, withdrawn bigint, withdrawals integer);

-- One batch, one statement, one fsync. The fence comes first: zero rows means that another writer owns the lane or that
-- the batch is already in, and nothing is written. Household balances are written as they stand after the batch (one
-- writer owns them); shared accounts, of household 0, take the batch's difference.
create function commit_batch(
  p_lane smallint, p_epoch bigint, p_seq bigint, p_hash bytea, p_at timestamptz, p_first_id bigint, p_next_id bigint,
  p_business_date date, p_entitlement_date date,
  p_authorizations authorization_row[], p_commands command_row[], p_transfers transfer_row[],
  p_balances balance_row[], p_opened balance_row[], p_holds hold_row[], p_hold_events hold_event_row[], p_cash cash_row[],
  p_stop_old_card bigint[], p_card_counters card_counter_row[], p_assertions assertion_row[],
  p_card_statuses card_status_row[], p_commands_done command_done_row[], p_usages usage_row[],
  p_notifications notification_row[], p_closings closing_row[], p_changes change_row[], p_forwards forward_row[],
  p_codes one_time_code_row[]
) returns boolean language plpgsql as $$
declare
  v_balances integer;
  v_first integer;
  v_open date;
begin
  update lane set last_seq = p_seq, last_hash = p_hash, next_id = p_next_id
    where lane = p_lane and epoch = p_epoch and last_seq = p_seq - 1 and next_id = p_first_id
    returning open_date into v_open;
  if not found then return false; end if;
  if p_business_date < v_open then
    raise exception 'lane % has closed %', p_lane, p_business_date
      using errcode = 'check_violation', constraint = 'lane_day_open';
  end if;
  insert into batch values (p_lane, p_seq, p_epoch, p_first_id, p_next_id, p_at, p_hash);
  if cardinality(p_authorizations) > 0 then
    insert into authorization_journal
      select p_lane, p_business_date, u.id, p_seq, p_entitlement_date, u.received_at, u.link, u.mti, u.dedupe_key,
             u.content_hash, u.acquirer, u.terminal, u.acceptor, u.outlet_id, u.stan, u.transmission, u.rrn,
             u.network_reference, u.pan_masked, u.card_id, u.household_id, u.transaction_type, u.account_code, u.mcc,
             u.amount, u.approved_amount, u.result, u.response_code, u.original_id, u.original_key, u.answer, u.trace,
             u.basket, u.scheme_facts
      from unnest(p_authorizations) u;
  end if;
  if cardinality(p_commands) > 0 then
    insert into command_journal
      select p_lane, u.id, p_seq, p_business_date, p_at, u.kind, u.household_id, u.authorization_id, u.detail
      from unnest(p_commands) u;
  end if;
  if cardinality(p_transfers) > 0 then
    insert into transfer
      select p_lane, p_business_date, u.group_id, u.leg, p_seq, u.kind, u.debit, u.credit, u.amount, u.period
      from unnest(p_transfers) u;
  end if;
  if cardinality(p_balances) > 0 then
    update balance b set
        posted = case b.household_id when 0 then b.posted + u.posted else u.posted end, held = u.held, batch_seq = p_seq
      from unnest(p_balances) u
      where b.lane = p_lane and b.household_id = u.household_id and b.period = u.period and b.account = u.account;
    get diagnostics v_balances = row_count;
    if v_balances < cardinality(p_balances) then
      insert into balance
        select p_lane, 0, u.period, u.account, u.posted, u.held, p_seq from unnest(p_balances) u
        where u.household_id = 0 and not exists (
          select from balance b where b.lane = p_lane and b.household_id = 0 and b.period = u.period and b.account = u.account);
      get diagnostics v_first = row_count;
      if v_balances + v_first < cardinality(p_balances) then
        raise exception 'a household balance that the writer holds in memory is not in the database'
          using errcode = 'check_violation', constraint = 'balance_known';
      end if;
    end if;
  end if;
  if cardinality(p_opened) > 0 then
    insert into balance
      select p_lane, u.household_id, u.period, u.account, u.posted, u.held, p_seq from unnest(p_opened) u;
  end if;
  if cardinality(p_holds) > 0 then
    insert into hold
      select p_lane, u.id, p_seq, u.household_id, u.kind, u.debit, u.credit, u.amount, u.cashback, u.expires_at
      from unnest(p_holds) u;
  end if;
  if cardinality(p_hold_events) > 0 then
    insert into hold_event
      select p_lane, u.id, u.by_id, p_seq, u.captured, u.cashback, u.released, u.ending from unnest(p_hold_events) u;
  end if;
  if cardinality(p_cash) > 0 then
    update household h set cash_day = u.day, cash_withdrawn = u.withdrawn, cash_withdrawals = u.withdrawals
      from unnest(p_cash) u where h.lane = p_lane and h.id = u.household_id;
  end if;
  if cardinality(p_stop_old_card) > 0 then
    update household set old_ration_card = 'stopped' where lane = p_lane and id = any (p_stop_old_card);
  end if;
  if cardinality(p_card_counters) > 0 then
    update card_counter c set
        pin_failures = u.pin_failures, atc = u.atc, atc_seen = u.atc_seen, script_pending = u.script_pending,
        batch_seq = p_seq
      from unnest(p_card_counters) u where c.lane = p_lane and c.card_id = u.card_id;
    get diagnostics v_first = row_count;
    if v_first < cardinality(p_card_counters) then
      raise exception 'a card that the writer holds in memory has no counters in the database'
        using errcode = 'check_violation', constraint = 'card_counter_known';
    end if;
  end if;
  if cardinality(p_assertions) > 0 then
    insert into assertion_use select p_lane, u.household_id, u.nonce, u.used_at, p_seq from unnest(p_assertions) u;
  end if;
  if cardinality(p_card_statuses) > 0 then
    update card c set status = u.status from unnest(p_card_statuses) u where c.lane = p_lane and c.id = u.card_id;
    get diagnostics v_first = row_count;
    if v_first < cardinality(p_card_statuses) then
      raise exception 'a card that the writer holds in memory is not in the database'
        using errcode = 'check_violation', constraint = 'card_known';
    end if;
  end if;
  if cardinality(p_usages) > 0 then
    insert into usage_counter
      select p_lane, u.household_id, u.period, u.counter, u.used, p_seq from unnest(p_usages) u
      on conflict (lane, household_id, period, counter) do update set used = excluded.used, batch_seq = excluded.batch_seq;
  end if;
  if cardinality(p_codes) > 0 then
    insert into one_time_code
      select p_lane, u.household_id, u.factor, u.expires_at, u.tries_left, u.day, u.sent, p_seq from unnest(p_codes) u
      on conflict (lane, household_id) do update set
        factor = excluded.factor, expires_at = excluded.expires_at, tries_left = excluded.tries_left, day = excluded.day,
        sent = excluded.sent, batch_seq = excluded.batch_seq;
  end if;
  if cardinality(p_notifications) > 0 then
    insert into notification (lane, household_id, template, detail, batch_seq, created_at)
      select p_lane, u.household_id, u.template, u.detail::jsonb, p_seq, p_at from unnest(p_notifications) u;
  end if;
  if cardinality(p_closings) > 0 then
    update household h set closed_month = u.month
      from unnest(p_closings) u where h.lane = p_lane and h.id = u.household_id and h.closed_month < u.month;
    get diagnostics v_first = row_count;
    if v_first < cardinality(p_closings) then
      raise exception 'a month that the writer closes is closed already'
        using errcode = 'check_violation', constraint = 'month_closed_once';
    end if;
  end if;
  if cardinality(p_changes) > 0 then
    perform apply_change(p_lane, p_seq, p_at, u.kind, u.payload::jsonb)
      from unnest(p_changes) with ordinality u(kind, payload, ordinal) order by u.ordinal;
  end if;
  if cardinality(p_forwards) > 0 then
    perform queue_forwards(p_lane, p_seq, p_at, p_forwards);
  end if;
  if cardinality(p_commands_done) > 0 then
    update command_inbox c set done_at = p_at, done_id = u.done_id, outcome = u.outcome
      from unnest(p_commands_done) u where c.lane = p_lane and c.id = u.command_id and c.done_id is null;
    get diagnostics v_first = row_count;
    if v_first < cardinality(p_commands_done) then
      raise exception 'a command that the writer carries out is not open in the inbox'
        using errcode = 'check_violation', constraint = 'command_open';
    end if;
  end if;
  return true;
end $$;

-- Households: a row each, with all cards, the balances of one month (and of money), and open holds. Lists are
-- text, fields separated by ',' and items by ';': this is read for every card that is not in memory, and building JSON
-- would cost more than everything else. Holds are only looked for where something is held.
create function load_households(p_lane smallint, p_ids bigint[], p_month integer)
  returns table (
    id bigint, governorate text, terms text, classes text, closed_month integer, old_ration_card text, account_at text,
    cash_day integer, cash_withdrawn bigint, cash_withdrawals integer, cards text, balances text, holds text,
    assertions text, usages text, one_time_code text, exceptions text
  ) language sql stable as $$
  select h.id, h.governorate,
         (select string_agg(t.from_date || ',' || t.members || ',' || t.status, ';' order by t.from_date)
          from household_term t where t.lane = p_lane and t.household_id = h.id),
         array_to_string(h.classes, ','), h.closed_month, h.old_ration_card, h.account_at, h.cash_day, h.cash_withdrawn,
         h.cash_withdrawals, k.cards, b.balances,
         case when b.held > 0 then
           (select string_agg(o.id || ',' || o.kind || ',' || o.debit || ',' || o.credit || ',' || o.amount || ',' ||
                     o.cashback || ',' || o.amount - e.gone || ',' || least(o.cashback - e.cashback, o.amount - e.gone) || ',' ||
                     (extract(epoch from o.expires_at) * 1000)::bigint, ';')
            from hold o
            cross join lateral (
              select coalesce(sum(e.captured + e.released), 0) as gone, coalesce(sum(e.cashback), 0) as cashback,
                     count(e.ending) as endings
              from hold_event e where e.id = o.id offset 0) e
            where o.household_id = h.id and e.endings = 0)
         end,
         (select string_agg(u.nonce || ',' || (extract(epoch from u.used_at) * 1000)::bigint, ';')
          from (select u.nonce, u.used_at from assertion_use u where u.household_id = h.id
                order by u.used_at desc limit 16) u),
         (select string_agg(u.counter || ',' || u.period || ',' || u.used, ';') from usage_counter u
          where u.lane = p_lane and u.household_id = h.id
            -- Those of the next month too, from a time when the clock was ahead: memory goes on into it.
            and (u.period = any (array[p_month, m.next_month, p_month / 100, m.next_month / 100])
                 or u.period between p_month * 100 and m.next_month * 100 + 99)),
         (select v.factor || ',' || (extract(epoch from v.expires_at) * 1000)::bigint || ',' || v.tries_left || ',' || v.day ||
                 ',' || v.sent
          from one_time_code v where v.lane = p_lane and v.household_id = h.id),
         (select string_agg(x.id || ',' || x.programme || ',' || x.from_date || ',' || x.until_date, ';' order by x.id)
          from verification_exception x
          where x.household_id = h.id and x.ended_at is null and x.until_date >= p_month * 100)
  from unnest(p_ids) p(id)
  join household h on h.lane = p_lane and h.id = p.id
  cross join (select p_month + case when p_month % 100 = 12 then 89 else 1 end) m(next_month)
  cross join lateral (
    select string_agg(x.id || ',' || x.kind || ',' || encode(x.pan_index, 'hex') || ',' || x.expiry || ',' || x.status || ',' ||
             x.sequence_number || ',' || x.service_code || ',' || coalesce(x.pvki::text, '') || ',' ||
             coalesce(x.pvv, '') || ',' || n.pin_failures || ',' || n.atc || ',' || n.atc_seen || ',' ||
             coalesce(n.script_pending, ''), ';') as cards
    from card x join card_counter n on n.lane = x.lane and n.card_id = x.id where x.household_id = h.id
  ) k
  cross join lateral (
    select string_agg(y.account || ',' || y.period || ',' || y.posted || ',' || y.held, ';') as balances,
           max(y.held) as held
    from (
      select z.account, z.period, z.posted, z.held from balance z
        where z.lane = p_lane and z.household_id = h.id
          -- What was granted for the next month too: memory goes on into it without reading anew.
          and z.period = any (array[0, p_month, m.next_month])
      union all
      select z.account, z.period, z.posted, z.held from balance z
        where z.lane = p_lane and z.household_id = h.id and z.period between p_month * 100 and m.next_month * 100 + 99
      union all
      -- Spans are few; those that are over hold nothing.
      select z.account, z.period, z.posted, z.held from balance z
        where z.lane = p_lane and z.household_id = h.id and z.period between 9000000 and 9999999
    ) y
  ) b
$$;

-- Households of cards, and those that are named by their numbers.
create function load_households_of(p_lane smallint, p_pan_index bytea[], p_ids bigint[], p_month integer)
  returns table (
    id bigint, governorate text, terms text, classes text, closed_month integer, old_ration_card text, account_at text,
    cash_day integer, cash_withdrawn bigint, cash_withdrawals integer, cards text, balances text, holds text,
    assertions text, usages text, one_time_code text, exceptions text
  ) language sql stable as $$
  select l.* from load_households(p_lane, array(
    select c.household_id from card c where c.lane + 0 = p_lane and c.pan_index = any (p_pan_index)
    union
    select unnest(p_ids)), p_month) l
$$;

-- The next households of a lane in order of their number, for filling an empty memory.
create function load_households_after(p_lane smallint, p_after bigint, p_limit integer, p_month integer)
  returns table (
    id bigint, governorate text, terms text, classes text, closed_month integer, old_ration_card text, account_at text,
    cash_day integer, cash_withdrawn bigint, cash_withdrawals integer, cards text, balances text, holds text,
    assertions text, usages text, one_time_code text, exceptions text
  ) language sql stable as $$
  select l.* from load_households(p_lane, array(
    select h.id from household h where h.lane = p_lane and h.id > p_after order by h.id limit p_limit), p_month) l
$$;

-- Wallets of households in the months after the last closed one and up to `p_until`: months and their days. One row for
-- each household.
create function load_past_wallets(p_lane smallint, p_ids bigint[], p_closed integer[], p_until integer)
  returns table (household_id bigint, balances text) language sql stable as $$
  select p.id, b.balances
  from unnest(p_ids, p_closed) p(id, closed)
  cross join lateral (
    select string_agg(y.account || ',' || y.period || ',' || y.posted || ',' || y.held, ';') as balances
    from (
      select z.account, z.period, z.posted, z.held from balance z
        where z.lane = p_lane and z.household_id = p.id and z.period between p.closed + 1 and p_until
      union all
      select z.account, z.period, z.posted, z.held from balance z
        where z.lane = p_lane and z.household_id = p.id
          and z.period between (p.closed + 1) * 100 and p_until * 100 + 99
    ) y
  ) b
$$;

-- Keys that authorizations of a lane were taken under, or that reversals named and nobody had sent yet, of a range: the
-- first bytes of a key are the time that its sender stamped on it (DE7).
create function keys_within(p_lane smallint, p_since date, p_from uuid, p_to uuid, p_limit integer)
  returns setof uuid language sql stable as $$
  (select a.dedupe_key from authorization_journal a
    where a.dedupe_key between p_from and p_to and a.lane = p_lane and a.business_date >= p_since
    order by a.dedupe_key limit p_limit)
  union all
  (select a.original_key from authorization_journal a
    where a.original_key between p_from and p_to and a.original_id is null and a.lane + 0 = p_lane
      and a.business_date >= p_since
    order by a.original_key limit p_limit)
$$;

-- Refunds of an authorization that were not reversed again.
create function standing_refunds(p_id bigint, p_since date)
  returns table (lane smallint, business_date date, id bigint, approved_amount bigint) language sql stable as $$
  select r.lane, r.business_date, r.id, r.approved_amount from authorization_journal r
  where r.original_id = p_id and r.business_date >= p_since
    and r.mti not like '04%' and r.transaction_type = '20' and r.result = 'approved'
    and not exists (select from authorization_journal x
                    where x.original_id = r.id and x.business_date >= r.business_date
                      and x.mti like '04%' and x.result = 'approved' offset 0)
  offset 0
$$;

-- What refunds that stand gave back, and what came back of each line of a basket. Functions of their own, told whether there
-- are refunds at all: a plan over every partition is dear to set up, and almost no authorization has any. What a dispute
-- credited is a refund too: it is not given back once more (schemas/sql/0017-network-clearing.sql).
create function refunds_of(p_id bigint, p_since date, p_refunded boolean) returns jsonb language plpgsql stable as $$
declare
  v_disputed jsonb := dispute_returns_of(p_id, p_since);
begin
  if v_disputed is null and not p_refunded then return null; end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object('approved', r.approved_amount, 'transfers',
             (select jsonb_agg(jsonb_build_array(t.kind, t.debit, t.credit, t.amount, t.period) order by t.leg)
              from transfer t
              where t.lane = r.lane and t.business_date = r.business_date and t.group_id = r.id)))
    from standing_refunds(p_id, p_since) r), '[]')
    || case when v_disputed is null then '[]'
       else jsonb_build_array(jsonb_build_object('approved', v_disputed -> 0 -> 3, 'transfers', v_disputed)) end;
end $$;

create function lines_of(a authorization_journal, p_refunded boolean) returns jsonb language plpgsql stable as $$
begin
  if a.basket is null then return null; end if;
  if not p_refunded then
    return (
      select jsonb_agg(l.line || '[0, 0, 0, 0]'::jsonb order by l.ordinal)
      from jsonb_array_elements(a.basket::jsonb) with ordinality l(line, ordinal));
  end if;
  return (
    select jsonb_agg(l.line || jsonb_build_array(b.quantity, b.granted, b.piasters, b.granted_piasters)
             order by l.ordinal)
    from jsonb_array_elements(a.basket::jsonb) with ordinality l(line, ordinal)
    cross join lateral (
      select coalesce(sum(x.quantity), 0) as quantity, coalesce(sum(x.granted), 0) as granted,
             coalesce(sum(round(x.quantity * x.unit_price / 1000.0)), 0) as piasters,
             coalesce(sum(x.granted_piasters), 0) as granted_piasters
      from standing_refunds(a.id, a.business_date) r
      cross join lateral (
        select * from basket_line x where x.authorization_id = r.id and x.lane = r.lane offset 0) x
      where x.line = (l.line ->> 0)::smallint) b);
end $$;

-- What was taken for a hold, each time with what came back of it since: what captured it, and what was posted for it
-- after its time; and what reversals of the hold itself gave back.
create function captures_of(p_id bigint, p_since date) returns jsonb language plpgsql stable as $$
begin
  return jsonb_build_object(
    'captures', (
      select jsonb_agg(jsonb_build_array(c.id, money_of(c.lane, c.business_date, c.id),
               coalesce(returns_of(c.id, c.business_date), '[]') || coalesce(dispute_returns_of(c.id, c.business_date), '[]')) order by c.id)
      from (select r.lane, r.business_date, r.id from authorization_journal r
            where r.original_id = p_id and r.business_date >= p_since
              and r.mti like '02%' and r.transaction_type <> '20' and r.approved_amount > 0 offset 0) c),
    'returned', returns_of(p_id, p_since));
end $$;

-- Transfers of a group.
create function money_of(p_lane smallint, p_date date, p_id bigint) returns jsonb language sql stable as $$
  select jsonb_agg(jsonb_build_array(t.kind, t.debit, t.credit, t.amount, t.period) order by t.leg)
  from transfer t where t.lane = p_lane and t.business_date = p_date and t.group_id = p_id
$$;

-- Transfers by which money came back of an authorization: of its reversals, and of the refunds that stand.
create function returns_of(p_id bigint, p_since date) returns jsonb language sql stable as $$
  select jsonb_agg(jsonb_build_array(t.kind, t.debit, t.credit, t.amount, t.period) order by t.group_id, t.leg)
  from (
    select r.lane, r.business_date, r.id from authorization_journal r
      where r.original_id = p_id and r.business_date >= p_since and r.mti like '04%' and r.result = 'approved'
    union all
    select s.lane, s.business_date, s.id from standing_refunds(p_id, p_since) s) g
  cross join lateral (
    select t.group_id, t.leg, t.kind, t.debit, t.credit, t.amount, t.period from transfer t
    where t.lane = g.lane and t.business_date = g.business_date and t.group_id = g.id and t.kind in (16, 17) offset 0) t
$$;

-- What captured a hold, when it was held, and whether a reversal of the hold gave back what was captured: all of it, or
-- a part. Null for what captured none.
create function capture_of(p_original_id bigint, p_date date) returns jsonb language plpgsql stable as $$
declare
  v_held_on integer;
begin
  select to_char(o.entitlement_date, 'YYYYMMDD')::integer into v_held_on
    from authorization_journal o where o.id = p_original_id and o.business_date <= p_date and o.mti like '01%';
  if v_held_on is null then return null; end if;
  return jsonb_build_object('heldOn', v_held_on, 'reversedWithHold', (
    select min(case when r.trace like '%"reversal.full"%' then 'all' else 'part' end)
    from authorization_journal r
    where r.original_id = p_original_id and r.business_date >= p_date and r.mti like '04%' and r.result = 'approved'
      and exists (select from transfer t where t.lane = r.lane and t.business_date = r.business_date
                    and t.group_id = r.id and t.kind = 17 offset 0)));
end $$;

-- An authorization with everything a repeat, reversal, completion or refund needs to know of it. What came after it is
-- looked at once, and again in detail only where there is something: each look at the partitions of all days since has a
-- price, and almost no authorization has more than the one reversal that asks.
create function describe_authorization(a authorization_journal) returns jsonb language plpgsql stable as $$
declare
  v_reversed bigint;
  v_refunded boolean;
  v_taken boolean;
begin
  select sum(r.approved_amount) filter (where r.mti like '04%' and r.result = 'approved'),
         coalesce(bool_or(r.transaction_type = '20'), false), coalesce(bool_or(r.mti like '02%'), false)
    into v_reversed, v_refunded, v_taken
    from authorization_journal r where r.original_id = a.id and r.business_date >= a.business_date;
  return jsonb_build_object(
    'id', a.id, 'contentHash', a.content_hash, 'mti', a.mti, 'transactionType', a.transaction_type,
    'result', a.result, 'householdId', a.household_id, 'cardId', a.card_id, 'acceptor', a.acceptor,
    'amount', a.amount, 'approved', a.approved_amount, 'answer', a.answer,
    'entitlementDate', to_char(a.entitlement_date, 'YYYYMMDD')::integer,
    'transfers', (select jsonb_agg(jsonb_build_array(t.kind, t.debit, t.credit, t.amount, t.period) order by t.leg)
                  from transfer t
                  where t.lane = a.lane and t.business_date = a.business_date and t.group_id = a.id),
    'hold', (select jsonb_build_array(o.id, o.kind, o.debit, o.credit, o.amount, o.cashback,
               (extract(epoch from o.expires_at) * 1000)::bigint)
             from hold o where o.id = a.id),
    'holdEnding', (select e.ending from hold_event e where e.id = a.id and e.ending is not null),
    'taken', case when v_taken and a.mti like '01%' then captures_of(a.id, a.business_date) end,
    'capture', case when a.mti like '02%' and a.transaction_type <> '20' and a.original_id is not null
                 then capture_of(a.original_id, a.business_date) end,
    'reversed', v_reversed,
    'refunds', refunds_of(a.id, a.business_date, v_refunded),
    'lines', lines_of(a, v_refunded),
    'counted', case when a.trace like '%"usage.counted"%' then a.trace::jsonb end);
end $$;

-- What a batch needs to know of the journal. Rows: 'previous' (by duplicate key); 'early' (a reversal
-- of this key came first); 'original' (by DE90's key, else the scheme's reference, else card, RRN and acceptor, and for
-- reversals amount and terminal too; a refund may differ in all three, so that goods bought elsewhere are known for what they
-- are). Of several with one reference a completion means the hold, a reversal the one of its amount, a refund that of its own
-- outlet, an advice of a refund (`o_returned`, its amount) the authorization of it; else the last counts. A DE90 that finds
-- nothing may be wrong, or name what has not come yet: then only what was posted is looked for, since a hold has the RRN of
-- its completion. Days before `p_since` are not looked at. LIMIT and OFFSET keep the planner from turning a look-up by a
-- row's key into a join that reads a whole day.
create function find_authorizations(
  p_lane smallint, p_since date, p_keys uuid[],
  o_ordinal integer[], o_key uuid[], o_pan_index bytea[], o_network_reference text[], o_rrn text[], o_acceptor text[],
  o_terminal text[], o_amount bigint[], o_completes boolean[], o_returned bigint[]
) returns table (kind text, reference text, payload jsonb) language plpgsql stable as $$
declare
  v_ordinals integer[];
  v_rows authorization_journal[];
begin
  if cardinality(p_keys) > 0 then
    return query
      select 'previous', k.key::text, describe_authorization(f.row)
        -- Keys from ff on are of reversals that named no original by its key: no message has them.
        from (select u.key from unnest(p_keys) u(key) where u.key < 'ff000000-0000-0000-0000-000000000000' offset 0) k
        cross join lateral (
          select a as row from authorization_journal a
            where a.dedupe_key = k.key and a.lane + 0 = p_lane and a.business_date >= p_since limit 1) f
      union all
      select 'early', k.key::text, null::jsonb
        from unnest(p_keys) k(key)
        where exists (
          select from authorization_journal a
            where a.original_key = k.key and a.original_id is null and a.lane + 0 = p_lane
              and a.business_date >= p_since offset 0);
  end if;
  if cardinality(o_ordinal) = 0 then return; end if;
  -- First by DE90's key, which nearly all have; each other way costs a plan over all days.
  select array_agg(o.ordinal), array_agg(f.row) into v_ordinals, v_rows
    from unnest(o_ordinal, o_key) o(ordinal, key)
    cross join lateral (
      select k.row from (
        select a.id, a as row from authorization_journal a
          where a.dedupe_key = o.key and a.lane + 0 = p_lane and a.business_date >= p_since offset 0) k
      order by k.id desc limit 1) f
    where o.key is not null;
  return query
    select 'original', v_ordinals[i]::text, describe_authorization(v_rows[i]) from generate_subscripts(v_ordinals, 1) i;
  if cardinality(v_ordinals) = cardinality(o_ordinal) then return; end if;
  return query
    select 'original', o.ordinal::text, describe_authorization(m.row)
    from unnest(o_ordinal, o_key, o_pan_index, o_network_reference, o_rrn, o_acceptor, o_terminal, o_amount, o_completes,
      o_returned) o(ordinal, key, pan_index, network_reference, rrn, acceptor, terminal, amount, completes, returned)
    cross join lateral (
      select f.row from (
        select 2 as rank, a.other, a.id, a.row from card c
          cross join lateral (
            select a.id, a as row, (case when o.completes then a.mti not like '01%'
              when o.returned is not null then a.transaction_type <> '20'
              else coalesce(o.amount, 0) <> 0 and o.amount not in (a.amount, a.approved_amount) end)::int as other
            from authorization_journal a
            where o.network_reference <> '' and a.household_id = c.household_id and a.card_id = c.id
              and a.network_reference = o.network_reference and a.mti not like '04%'
              and (a.transaction_type <> '20' or (a.mti like '01%' and a.approved_amount = o.returned))
              and a.business_date >= p_since offset 0) a
          where c.pan_index = o.pan_index
        union all
        select 3, a.other, a.id, a.row from card c
          cross join lateral (
            select a.id, a as row, case when o.completes then (a.mti not like '01%')::int
              when a.acceptor <> o.acceptor then 2
              else (o.returned is not null and a.transaction_type <> '20')::int end as other
            from authorization_journal a
            where (o.key is null or (not o.completes and a.mti not like '01%'))
              and o.rrn <> '' and a.household_id = c.household_id and a.card_id = c.id and a.rrn = o.rrn
              and (a.acceptor = o.acceptor or (o.amount is null and not o.completes))
              and (o.amount is null or (a.amount = o.amount and a.terminal = o.terminal))
              and a.mti not like '04%'
              and (a.transaction_type <> '20' or (a.mti like '01%' and a.approved_amount = o.returned))
              and a.business_date >= p_since offset 0) a
          where c.pan_index = o.pan_index
      ) f order by f.rank, f.other, f.id desc limit 1
    ) m
    where o.ordinal <> all (coalesce(v_ordinals, '{}'));
end $$;

-- Firsts of messages that terminals stored and send now (0220 with DE48 FL), which may have come under another STAN: the
-- same card, terminal and content, of which FL is a part. Only what was approved is one: what was refused may be asked for
-- again. `p_since`: business date before which each cannot have come.
create function find_stored(
  p_lane smallint, p_key uuid[], p_pan_index bytea[], p_terminal text[], p_content_hash uuid[], p_since date[]
) returns table (reference text, payload jsonb) language plpgsql stable as $$
declare
  v_first date := (select min(u.since) from unnest(p_since) u(since));
begin
  return query
    select s.key::text, describe_authorization(f.row)
    from unnest(p_key, p_pan_index, p_terminal, p_content_hash, p_since) s(key, pan_index, terminal, content_hash, since)
    cross join lateral (
      select a.row from card c
        cross join lateral (
          select a.id, a as row from authorization_journal a
          where a.household_id = c.household_id and a.card_id = c.id and a.content_hash = s.content_hash
            and a.terminal = s.terminal and a.mti = '0220' and a.result in ('approved', 'partially-approved')
            and a.lane + 0 = p_lane and a.business_date >= v_first and a.business_date >= s.since offset 0) a
        where c.pan_index = s.pan_index
      order by a.id limit 1) f;
end $$;
