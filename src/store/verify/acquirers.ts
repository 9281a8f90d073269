import { type LedgerCheck, sqlCheck } from './check.ts'

/** What acquirers are told is what the journal has, as far as it is summed. */
const acquirerTotalsAgree = sqlCheck({
  name: 'acquirer-totals-agree',
  holds: 'the totals of acquirers are the sums of their messages, as far as they were asked for',
  lookFurther: 'Compare the views "acquirer_totals" and "acquirer_movement" of the business date.',
  with: `
    fold as (
      select m.lane, m.business_date, m.acquirer, count(*) filter (where not m.is_reversal) as messages,
             count(*) filter (where m.is_reversal) as reversals,
             coalesce(sum(m.amount) filter (where m.is_credit <> m.is_reversal), 0) as into_cards,
             coalesce(sum(m.amount) filter (where m.is_credit = m.is_reversal), 0) as from_cards
      from acquirer_total_mark k
      join acquirer_movement m on m.lane = k.lane and m.business_date = k.business_date and m.id <= k.upto_id
      group by 1, 2, 3),
    kept as (
      select lane, business_date, acquirer, credits_number + debits_number as messages,
             credits_reversal_number + debits_reversal_number as reversals,
             credits_piasters + debits_reversal_piasters as into_cards,
             debits_piasters + credits_reversal_piasters as from_cards
      from acquirer_total),
    bad as (
      select format('acquirer %s on %s in lane %s: %s message(s), %s reversal(s), the journal has %s and %s', acquirer,
                    business_date, lane, coalesce(k.messages, 0), coalesce(k.reversals, 0), coalesce(f.messages, 0),
                    coalesce(f.reversals, 0)) as what
      from kept k full join fold f using (lane, business_date, acquirer)
      where (k.messages, k.reversals, k.into_cards, k.from_cards)
        is distinct from (f.messages, f.reversals, f.into_cards::bigint, f.from_cards::bigint))`,
  checked: 'select count(*) from kept',
})

export const acquirerChecks: readonly LedgerCheck[] = [acquirerTotalsAgree]
