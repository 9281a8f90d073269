import { type LedgerCheck, sqlCheck } from './check.ts'

/** DE7 carries no year, so the same key may honestly come again after one. */
const KEY_LIFE_DAYS = 180

/** Invariant 6, first half. The index that enforces it reaches over one business date. */
const keysUnique = sqlCheck({
  name: 'keys-unique',
  holds: 'no duplicate key was processed twice',
  lookFurther:
    'The authorizations share acquirer, terminal, STAN, DE7 and class; mizan explain STAN@TERMINAL lists them.',
  with: `
    key as (
      select lane, dedupe_key, count(*) as times, min(id) as first, max(id) as last,
             max(business_date) - min(business_date) as days
      from authorization_journal group by 1, 2),
    bad as (
      select format('authorizations %s and %s share a key (%s in all)', first, last, times) as what
      from key where times > 1 and days < ${KEY_LIFE_DAYS})`,
  checked: 'select count(*) from authorization_journal',
})

/** Invariant 6, second half. */
const repeatsAnsweredAlike = sqlCheck({
  name: 'repeats-answered-alike',
  holds: 'every repeat was answered as its first, and a key that came with other content was refused',
  lookFurther: 'mizan explain with the authorization number lists its repeats and their answers.',
  with: `
    repeat as (
      select c.id, c.kind, c.authorization_id, c.household_id, c.detail::jsonb -> 'answer' as answer
      from command_journal c where c.kind in ('repeat', 'key-reused')),
    bad as (
      select format('%s %s of authorization %s', r.kind, r.id, coalesce(r.authorization_id::text, 'none')) as what
      from repeat r
      left join authorization_journal a on a.id = r.authorization_id
      where a.id is null
        or (r.kind = 'repeat' and r.answer is distinct from a.answer::jsonb)
        or (r.kind = 'key-reused' and r.answer ->> '39' is distinct from
             (select k.code from jsonb_to_recordset($1::jsonb -> 'responseCodes') k(result text, code text)
              where k.result = 'duplicate-other-content' and k.code = r.answer ->> '39')))`,
  checked: 'select count(*) from repeat',
})

export const idempotencyChecks: readonly LedgerCheck[] = [keysUnique, repeatsAnsweredAlike]
