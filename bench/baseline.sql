-- The design that Mizan does not use, on Mizan's own tables: each authorization is a transaction of its own, called by
-- one of many connections. It keeps the same books: journal row with answer and trace, transfers, the card's balance
-- under a row lock, and the balances of the accounts that many cards share. What it does is described in
-- docs/benchmarks.md, "Baseline". Favours to it: one round trip for everything, the duplicate check left to the unique
-- index, the shared rows written last so that their locks are short, and always in the same order so that no two
-- transactions wait for each other in a circle.

create schema baseline;

create sequence baseline.id increment 64 cache 50;

create function baseline.authorize(
  p_kind text, p_pan_index bytea, p_business_date date, p_entitlement_date date, p_received_at timestamptz, p_link text,
  p_mti text, p_key uuid, p_content_hash uuid, p_acquirer text, p_terminal text, p_acceptor text, p_stan text,
  p_transmission text, p_rrn text, p_pan_masked text, p_type text, p_account_code text, p_mcc text, p_amount bigint,
  p_units bigint, p_programme smallint, p_unit smallint, p_period integer, p_original_key uuid, p_with_shared boolean
) returns text language plpgsql as $$
declare
  span constant bigint := 100000000000;
  v_id bigint := nextval('baseline.id');
  v_card card%rowtype;
  v_household household%rowtype;
  v_term household_term%rowtype;
  v_outlet outlet%rowtype;
  v_original authorization_journal%rowtype;
  v_account bigint;
  v_other bigint;
  v_period integer := p_period;
  v_available bigint;
  v_entitled bigint;
  v_opened boolean := false;
  v_amount bigint := coalesce(p_units, p_amount);
  v_transfer_kind smallint;
  v_day integer := to_char(p_entitlement_date, 'YYYYMMDD')::integer;
  v_result text := 'approved';
  v_code text := '00';
  v_trace text;
  v_moved record;
begin
  select * into v_card from card where pan_index = p_pan_index;
  if not found then return '14'; end if;
  if v_card.status <> 'active' or v_card.expiry < to_char(p_entitlement_date, 'YYMM') then return '62'; end if;
  select * into v_household from household where lane = v_card.lane and id = v_card.household_id;
  select * into v_term from household_term
    where lane = v_card.lane and household_id = v_household.id and from_date <= v_day order by from_date desc limit 1;
  select * into v_outlet from outlet where acceptor_id = p_acceptor;

  if p_kind = 'draw' then
    if v_outlet.id is null or not p_terminal = any (v_outlet.terminals)
       or v_outlet.governorate <> v_household.governorate or v_term.status <> 'active' then return '58'; end if;
    v_account := (1000 + p_unit * 100 + p_programme) * span + v_household.id;
    v_other := (2000 + p_unit * 100 + p_programme) * span + v_outlet.id;
    v_transfer_kind := 2;
    select posted - held into v_available from balance
      where lane = v_card.lane and household_id = v_household.id and period = v_period and account = v_account
      for update;
    if not found then
      v_entitled := case when p_programme = 1 then v_term.members * 5
        else least(v_term.members, 4) * 5000 + greatest(v_term.members - 4, 0) * 2500 end;
      insert into balance (lane, household_id, period, account, posted, held, batch_seq)
        values (v_card.lane, v_household.id, v_period, v_account, v_entitled, 0, 0) on conflict do nothing;
      v_opened := found;
      select posted - held into v_available from balance
        where lane = v_card.lane and household_id = v_household.id and period = v_period and account = v_account
      for update;
    end if;
  elsif p_kind in ('debit', 'hold') then
    v_account := 6001 * span + v_household.id;
    v_period := 0;
    v_other := case when p_type = '01' then 7003 * span + p_acquirer::bigint
      when v_outlet.id is null then 7004 * span + p_acquirer::bigint
      else 7001 * span + v_outlet.id end;
    v_transfer_kind := case when p_type = '01' then 11 else 10 end;
    select posted - held into v_available from balance
      where lane = v_card.lane and household_id = v_household.id and period = 0 and account = v_account
      for update;
    if p_type = '01' then
      update household set cash_day = v_day,
          cash_withdrawn = case when cash_day = v_day then cash_withdrawn else 0 end + p_amount,
          cash_withdrawals = case when cash_day = v_day then cash_withdrawals else 0 end + 1
        where lane = v_card.lane and id = v_household.id
          and (cash_day <> v_day or (cash_withdrawn + p_amount <= 3000000 and cash_withdrawals < 10));
      if not found then v_result := 'count-limit'; v_code := '65'; end if;
    end if;
  elsif p_kind = 'inquiry' then
    select coalesce(sum(posted - held), 0) into v_available from balance
      where lane = v_card.lane and household_id = v_household.id and period in (0, p_period, p_period / 100)
        and account in (1101 * span + v_household.id, 1202 * span + v_household.id, 1003 * span + v_household.id,
                        1004 * span + v_household.id, 1005 * span + v_household.id, 6001 * span + v_household.id);
    v_amount := 0;
  else
    select * into v_original from authorization_journal
      where dedupe_key = p_original_key and lane + 0 = v_card.lane and business_date >= p_business_date - 3;
    if not found then v_result := 'original-not-found'; v_code := '25'; end if;
    v_amount := 0;
  end if;

  if v_amount > 0 and v_code = '00' and v_amount > v_available then v_result := 'insufficient'; v_code := '51'; end if;

  v_trace := format('[["card.active",%s,%s],["route",%L],["balance",%s,%s,%s],["drawn",%s,%s,%s]]',
    v_card.id, v_household.id, p_account_code, v_amount, v_available, v_period, v_amount, v_period, v_available - v_amount);
  insert into authorization_journal (lane, business_date, id, batch_seq, entitlement_date, received_at, link, mti, dedupe_key,
    content_hash, acquirer, terminal, acceptor, outlet_id, stan, transmission, rrn, network_reference, pan_masked, card_id,
    household_id, transaction_type, account_code, mcc, amount, approved_amount, result, response_code, original_id,
    original_key, answer, trace) values (
    v_card.lane, p_business_date, v_id, 0, p_entitlement_date, p_received_at, p_link, p_mti, p_key, p_content_hash,
    p_acquirer, p_terminal, p_acceptor, v_outlet.id, p_stan, p_transmission, p_rrn, '', p_pan_masked, v_card.id,
    v_household.id, p_type, p_account_code, p_mcc, p_amount, case when v_code = '00' then p_amount else 0 end, v_result,
    v_code, v_original.id, case when v_code = '25' then p_original_key end,
    format('{"38":"%s","39":"%s","54":"%s02818C%s"}', lpad((v_id % 1000000)::text, 6, '0'), v_code, p_account_code,
      lpad(coalesce(v_available, 0)::text, 12, '0')), v_trace);
  if v_code <> '00' then return v_code; end if;

  if p_kind = 'reversal' then
    for v_moved in
      select t.leg, t.kind, t.debit, t.credit, t.amount, t.period from transfer t
      where t.lane = v_card.lane and t.business_date = v_original.business_date and t.group_id = v_original.id
        and t.kind in (2, 10, 11) order by t.leg
    loop
      insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
      values (v_card.lane, p_business_date, v_id, v_moved.leg, 0,
        case when v_moved.kind = 2 then 3 else 17 end, v_moved.credit, v_moved.debit, v_moved.amount, v_moved.period);
      update balance set posted = posted + v_moved.amount
        where lane = v_card.lane and household_id = v_household.id and period = v_moved.period
          and account = v_moved.debit;
      if p_with_shared then
        update balance set posted = posted - v_moved.amount
          where lane = v_card.lane and household_id = 0 and period = 0 and account = v_moved.credit;
      end if;
    end loop;
    update balance b set held = b.held - h.amount from hold h
      where h.id = v_original.id
        and b.lane = h.lane and b.household_id = v_household.id and b.period = 0 and b.account = h.debit;
    if found then insert into hold_event (lane, id, by_id, batch_seq, captured, cashback, released, ending)
        select v_card.lane, v_original.id, v_id, 0, 0, 0, h.amount, 'voided' from hold h where h.id = v_original.id; end if;
  elsif p_kind = 'hold' then
    update balance set held = held + v_amount where lane = v_card.lane and household_id = v_household.id and period = 0 and account = v_account;
    insert into hold (lane, id, batch_seq, household_id, kind, debit, credit, amount, cashback, expires_at)
      values (v_card.lane, v_id, 0, v_household.id, v_transfer_kind, v_account, v_other, v_amount, 0,
      p_received_at + interval '7 days');
  elsif v_amount > 0 then
    update balance set posted = posted - v_amount
      where lane = v_card.lane and household_id = v_household.id and period = v_period and account = v_account;
    if v_opened then
      insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
      values (v_card.lane, p_business_date, v_id, 0, 0, 1,
        (3000 + p_unit * 100 + p_programme) * span, v_account, v_entitled, v_period);
    end if;
    insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
      values (v_card.lane, p_business_date, v_id, 1, 0, v_transfer_kind, v_account, v_other, v_amount,
      v_period);
    if p_kind = 'draw' and v_household.old_ration_card = 'active' then
      update household set old_ration_card = 'stopped' where lane = v_card.lane and id = v_household.id;
    end if;
    if p_with_shared then
      insert into balance as b (lane, household_id, period, account, posted, held, batch_seq)
        values (v_card.lane, 0, 0, v_other, v_amount, 0, 0)
        on conflict (lane, household_id, period, account) do update set posted = b.posted + excluded.posted;
      if v_opened then
        insert into balance as b (lane, household_id, period, account, posted, held, batch_seq)
          values (v_card.lane, 0, 0, (3000 + p_unit * 100 + p_programme) * span, -v_entitled, 0, 0)
          on conflict (lane, household_id, period, account) do update set posted = b.posted + excluded.posted;
      end if;
    end if;
  end if;
  return v_code;
end $$;
