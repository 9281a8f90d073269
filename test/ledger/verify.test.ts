import { readFileSync } from 'node:fs'
import t from 'tap'
import { withClient } from '../../src/store/database-location.ts'
import { ledgerChecks, verifyLedger, verifyWithin } from '../../src/store/verify.ts'
import { openLedger } from './live-ledger.ts'
import { FIRST_ID, playScenario, SECOND_ID } from './scenario.ts'
import { disarm, refold, reseal } from './tampering.ts'

/**
 * A checker that cannot fail checks nothing: each violation here is planted by somebody who may do everything, who also
 * makes balances and hashes fit where the violation lies elsewhere, and exactly the checks named must see it.
 */
interface Plant {
  readonly what: string
  readonly sql: string
  readonly fails: readonly string[]
  /** Whether balances and chain are made to fit afterwards. */
  readonly forge: readonly ('balances' | 'chain')[]
}

const both = ['balances', 'chain'] as const
const chain = ['chain'] as const
const purchase = `(select id from authorization_journal where amount = 1000 and mti = '0200')`
const reversal = `(select id from authorization_journal where amount = 2000 and mti = '0400')`
const openHold = '(select id from hold where amount = 4000)'
const repeat = `(select id from command_journal where kind = 'repeat')`
const wallet = (householdId: number) => 100_400_000_000_000 + householdId
const postal = (householdId: number) => 600_100_000_000_000 + householdId

const networkFile = (state: string) =>
  `insert into clearing_file (direction, type, institution, business_date, name, path, state, items, bytes, sha256)
     values ('in', 'ITF', '400000', '2026-11-18', 'PLANTED', 'in/done/PLANTED', '${state}', 1, 0, decode(repeat('00', 32), 'hex'))`
const networkItem = (state: string, posted: string) =>
  `insert into network_item (file_id, number, record, transaction_code, lane, household_id, card_id, pan_masked, amount_piasters,
       state, business_date, outcome, posted_id)
     select f.id, 1, 2, '05', a.lane, a.household_id, a.card_id, a.pan_masked, a.amount, '${state}', a.business_date, ${posted}
     from authorization_journal a, clearing_file f where a.id = ${purchase} and f.name = 'PLANTED'`

/** Checks whose violations need a day that was closed, settled or told by a bank: the tests that have one plant them. */
const plantedElsewhere: Readonly<Record<string, string>> = {
  'closed-days-stay': '../clearing/business-day.test.ts',
  'day-balances-agree': '../clearing/business-day.test.ts',
  'cleared-once': '../clearing/day-files.test.ts',
  'files-equal-ledger': '../clearing/day-files.test.ts',
  'chargebacks-sent': '../clearing/network-receive.test.ts',
  'settlement-payables-exact': '../clearing/settlement-run.test.ts',
  'settlement-dues-carried': '../clearing/settlement-run.test.ts',
  'settlement-posted': '../clearing/settlement-run.test.ts',
  'bank-statements-add-up': '../clearing/bank-receive.test.ts',
  'bank-statements-posted': '../clearing/bank-receive.test.ts',
}

const plants: readonly Plant[] = [
  {
    what: 'accounts of two units in one transfer',
    sql: `update account_kind set unit = 'KG' where kind = 7001`,
    fails: ['postings-balance'],
    forge: [],
  },
  {
    what: 'a transfer of nothing',
    sql: `alter table transfer drop constraint if exists transfer_well_formed;
          insert into transfer select lane, business_date, group_id, 1, batch_seq, kind, debit, credit, 0, period
            from transfer where group_id = ${purchase}`,
    fails: ['postings-balance'],
    forge: both,
  },
  {
    what: 'money turned out of a wallet',
    sql: `update transfer set debit = ${wallet(FIRST_ID)}, period = 202611 where group_id = ${purchase}`,
    fails: ['subsidy-never-money', 'entitlements-accounted'],
    forge: both,
  },
  {
    what: 'a subsidy drawn from another household’s wallet',
    sql: `update transfer set debit = ${wallet(SECOND_ID)}
          where kind = 2 and amount = 1500 and debit = ${wallet(FIRST_ID)}`,
    fails: ['subsidy-never-money'],
    forge: both,
  },
  {
    what: 'a hold on another household’s account',
    sql: `update hold set household_id = ${SECOND_ID} where id = ${openHold}`,
    fails: ['subsidy-never-money'],
    forge: chain,
  },
  {
    what: 'a reversal that names nothing',
    sql: `update authorization_journal set original_id = null where id = ${reversal}`,
    fails: ['given-back-once'],
    forge: chain,
  },
  {
    what: 'a reversal of another purchase than the one it gives back',
    sql: `update authorization_journal set original_id = ${purchase} where id = ${reversal}`,
    fails: ['given-back-once'],
    forge: chain,
  },
  {
    what: 'an outlet’s balance that nobody posted',
    sql: `update balance set posted = posted + 1
          where account = (select account from balance where account / 100000000000 = 7001 order by account limit 1)`,
    fails: ['balances-equal-journal'],
    forge: [],
  },
  {
    what: 'a wallet that holds more than was issued',
    sql: `update balance set posted = posted + 1 where account = ${wallet(FIRST_ID)}`,
    fails: ['balances-equal-journal', 'entitlements-accounted'],
    forge: [],
  },
  {
    what: 'money held for no hold',
    sql: `update balance set held = held + 1 where account = ${postal(FIRST_ID)}`,
    fails: ['balances-equal-journal'],
    forge: [],
  },
  {
    what: 'money spent before it was there',
    sql: `update transfer set amount = 1 where kind = 18 and credit = ${postal(FIRST_ID)}`,
    fails: ['never-below-floor'],
    forge: both,
  },
  {
    what: 'an approval over another amount than was posted',
    sql: `update authorization_journal set amount = 999, approved_amount = 999 where id = ${purchase}`,
    fails: ['approvals-posted'],
    forge: chain,
  },
  {
    what: 'an approval without its posting',
    sql: `delete from transfer where group_id = ${purchase}`,
    fails: ['approvals-posted'],
    forge: both,
  },
  {
    what: 'a decline with an amount',
    sql: `update authorization_journal set approved_amount = 500 where result = 'subsidy-not-cash'`,
    fails: ['approvals-posted'],
    forge: chain,
  },
  {
    what: 'loaves at another price than the tariff’s',
    sql: `update authorization_journal set amount = 200, approved_amount = 200 where account_code = '92';
          update transfer set amount = 200 where kind = 13`,
    fails: ['approvals-posted'],
    forge: both,
  },
  {
    what: 'a posting that nobody asked for',
    sql: `insert into transfer select lane, business_date, group_id + 1, leg, batch_seq, kind, debit, credit, amount, period
            from transfer where group_id = ${purchase}`,
    fails: ['groups-explained'],
    forge: both,
  },
  {
    what: 'a hold that ended twice',
    sql: `insert into hold_event (lane, id, by_id, batch_seq, captured, cashback, released, ending)
            select e.lane, e.id, c.id, c.batch_seq, 0, 0, 0, 'voided' from hold_event e, command_journal c
            where e.ending = 'voided' and c.id = ${repeat}`,
    fails: ['holds-end-once'],
    forge: chain,
  },
  {
    what: 'a hold that expired before its time',
    sql: `insert into hold_event (lane, id, by_id, batch_seq, captured, cashback, released, ending)
            select lane, ${openHold}, id, batch_seq, 0, 0, 4000, 'expired' from command_journal where id = ${repeat}`,
    fails: ['holds-end-once'],
    forge: both,
  },
  {
    what: 'a hold given free in part after its end',
    sql: `insert into hold_event (lane, id, by_id, batch_seq, captured, cashback, released, ending)
            select e.lane, e.id, c.id, c.batch_seq, 0, 0, 1, null from hold_event e, command_journal c
            where e.ending = 'voided' and c.id = ${repeat}`,
    fails: ['holds-end-once'],
    forge: both,
  },
  {
    what: 'a hold that ended before all of it was captured or given free',
    sql: `update hold_event set released = released - 100 where ending = 'captured'`,
    fails: ['holds-end-once'],
    forge: both,
  },
  {
    what: 'money advanced for what was asked and not told',
    sql: `update authorization_journal set mti = '0200' where amount = 9000000`,
    fails: ['advances-explained'],
    forge: chain,
  },
  {
    what: 'a debt that was not paid from what came in',
    sql: `update transfer set amount = amount + 700
          where group_id = (select id from authorization_journal where amount = 9000000) and kind = 25`,
    fails: ['advances-explained'],
    forge: both,
  },
  {
    what: 'totals that an acquirer’s messages do not come to',
    sql: `select bring_acquirer_totals(d::date) from generate_series(date '2026-11-17', date '2026-11-21', interval '1 day') d;
          update acquirer_total set debits_piasters = debits_piasters - 1`,
    fails: ['acquirer-totals-agree'],
    forge: [],
  },
  {
    what: 'a capture for more than was posted',
    sql: `update hold_event set captured = captured + 1, released = released - 1 where ending = 'captured' and released > 0`,
    fails: ['approvals-posted', 'holds-end-once'],
    forge: chain,
  },
  {
    what: 'a response code that says something else',
    sql: `update authorization_journal set response_code = '05' where result = 'subsidy-not-cash'`,
    fails: ['response-codes-agree'],
    forge: chain,
  },
  {
    what: 'an approval without approval code',
    sql: `update authorization_journal set answer = (answer::jsonb - '38')::text where id = ${reversal}`,
    fails: ['response-codes-agree'],
    forge: chain,
  },
  {
    what: 'one message processed twice',
    sql: `update authorization_journal set dedupe_key =
            (select dedupe_key from authorization_journal where id = ${purchase}) where id = ${openHold}`,
    fails: ['keys-unique'],
    forge: chain,
  },
  {
    what: 'a repeat with another answer',
    sql: `update command_journal set detail = replace(detail, '"39":"00"', '"39":"05"') where kind = 'repeat'`,
    fails: ['repeats-answered-alike'],
    forge: chain,
  },
  {
    what: 'a reused key that was let through',
    sql: `update command_journal set detail = replace(detail, '"39":"94"', '"39":"00"') where kind = 'key-reused'`,
    fails: ['repeats-answered-alike'],
    forge: chain,
  },
  {
    what: 'a command whose end in the inbox is not the journal’s',
    sql: `update command_inbox set outcome = 'done: after all' where kind = 'card-wash'`,
    fails: ['commands-done-once'],
    forge: [],
  },
  {
    what: 'a command that somebody else is said to have asked for',
    sql: `update command_journal set detail = replace(detail, '"by":"tester"', '"by":"nobody"') where kind = 'card-wash'`,
    fails: ['commands-done-once'],
    forge: chain,
  },
  {
    what: 'a command that was done twice',
    sql: `update command_journal set detail = regexp_replace(detail, '"command":\\d+', '"command":' ||
            (select min(id) from command_inbox)) where kind = 'pin-reset'`,
    fails: ['commands-done-once'],
    forge: chain,
  },
  {
    what: 'a command that is done and in no inbox',
    sql: `delete from command_inbox where kind = 'card-wash'`,
    fails: ['commands-done-once'],
    forge: [],
  },
  {
    what: 'an epoch that falls',
    sql: 'update batch set epoch = epoch + 5 where seq = 2',
    fails: ['batches-without-gap'],
    forge: chain,
  },
  {
    what: 'a lane that stands elsewhere',
    sql: 'update lane set last_seq = last_seq + 1',
    fails: ['batches-without-gap'],
    forge: [],
  },
  {
    what: 'a batch that is missing with all its rows',
    sql: `delete from authorization_journal where result = 'subsidy-not-cash';
          delete from batch b where seq > 1 and not exists (select from authorization_journal a where a.batch_seq = b.seq)
            and not exists (select from command_journal c where c.batch_seq = b.seq)`,
    fails: ['batches-without-gap'],
    forge: chain,
  },
  {
    what: 'a changed trace',
    sql: `update authorization_journal set trace = replace(trace, 'card', 'cord') where id = ${purchase}`,
    fails: ['hash-chain'],
    forge: [],
  },
  {
    what: 'facts for the card scheme that no message brought',
    sql: `update authorization_journal set scheme_facts = '{"entryMode":"05"}' where id = ${purchase}`,
    fails: ['hash-chain'],
    forge: [],
  },
  {
    what: 'a changed expiry of a hold',
    sql: `update hold set expires_at = expires_at + interval '1 day' where id = ${openHold}`,
    fails: ['hash-chain'],
    forge: [],
  },
  {
    what: 'a row moved to another business date',
    sql: `update authorization_journal set business_date = business_date + 1 where result = 'subsidy-not-cash'`,
    fails: ['hash-chain'],
    forge: [],
  },
  {
    what: 'a period issued twice',
    sql: `insert into transfer select lane, business_date, group_id, 9, batch_seq, kind, debit, credit, amount, period
            from transfer where kind = 1 and credit = ${wallet(FIRST_ID)} and period > 0;
          update transfer t set leg = (select count(*) - 1 from transfer s where s.group_id = t.group_id)
            where leg = 9 and kind = 1 and credit = ${wallet(FIRST_ID)}`,
    fails: ['quotas-kept'],
    forge: both,
  },
  {
    what: 'more issued than the rule gives',
    sql: `update transfer set amount = amount + 1 where kind = 1 and credit = ${wallet(FIRST_ID)}`,
    fails: ['quotas-kept'],
    forge: both,
  },
  {
    what: 'a line of a basket that the wallet did not pay',
    sql: `update authorization_journal a set basket = (
            select jsonb_agg(jsonb_set(e, '{6}', to_jsonb((e ->> 6)::bigint - 1))) from jsonb_array_elements(a.basket::jsonb) e)
          where basket is not null`,
    fails: ['baskets-add-up'],
    forge: chain,
  },
  {
    what: 'a cap that forgets what was granted',
    sql: 'update usage_counter set used = used - 1000',
    fails: ['baskets-add-up'],
    forge: [],
  },
  {
    what: 'a message of our own that no decision queued',
    sql: `insert into outbound_message
            (destination, kind, mti, fields, stan, transmission, lane, batch_seq, authorization_id, queued_by, next_at, created_at)
          select 'post', 'advice', '0220', '{}', '500001', '1118090000', lane, batch_seq, id + 64000, 'decision', now(), now()
            from authorization_journal where id = ${purchase}`,
    fails: ['forwards-accounted'],
    forge: [],
  },
  {
    what: 'a message of our own that nobody acknowledged',
    sql: `insert into outbound_message
            (destination, kind, mti, fields, stan, transmission, queued_by, next_at, created_at, state, attempts, sent_at, ended_at)
          values ('post', 'advice', '0220', '{}', '500001', '1118090000', 'test', now(), now(), 'acknowledged', 1, now(), now());
          insert into outbound_attempt (message_id, attempt, event, actor, at)
          select id, 1, 'sent', 'test', now() from outbound_message`,
    fails: ['forwards-accounted'],
    forge: [],
  },
  {
    what: 'money here in an account that the host holds',
    sql: `update household set account_at = 'host' where id = ${FIRST_ID}`,
    fails: ['remote-accounts-empty'],
    forge: [],
  },
  {
    what: 'an advice to the account host of what nobody paid',
    sql: `insert into host_advice select lane, id, batch_seq, household_id, 'debit', 1000, false
            from authorization_journal where id = ${purchase};
          insert into outbound_message (destination, kind, mti, fields, stan, transmission, lane, batch_seq,
              authorization_id, queued_by, next_at, created_at)
            select 'post', 'advice', '0220', '{}', '500001', '1118100000', lane, batch_seq, id, 'decision', received_at,
              received_at from authorization_journal where id = ${purchase}`,
    fails: ['host-money-explained'],
    forge: [],
  },
  {
    what: 'a request that the account host may have booked, and that nobody reversed',
    sql: `insert into host_request select lane, 1, batch_seq, household_id, card_id, 'debit', 1000, '000001', '1118100000',
              '000000000001', '00', acquirer, terminal, acceptor, mcc, received_at
            from authorization_journal where id = ${purchase};
          insert into host_request_ending select lane, 1, batch_seq, id, 'unanswered', false, false, 0, ''
            from authorization_journal where id = ${purchase}`,
    fails: ['host-requests-end-once'],
    forge: [],
  },
  {
    what: 'an item of a network file that a message had posted, as if it had posted it itself',
    sql: `${networkFile('received')}; ${networkItem('matched', `'exact', a.id`)}`,
    fails: ['network-items-posted'],
    forge: [],
  },
  {
    what: 'a network file of which an item is lost',
    sql: networkFile('processed'),
    fails: ['network-files-whole'],
    forge: [],
  },
  {
    what: 'a dispute whose chargeback was never posted',
    sql: `${networkFile('received')}; ${networkItem('disputed', `'exact', null`)};
          insert into dispute (file_id, number, lane, household_id, card_id, arn, transaction_code, amount_piasters, reason_code,
              reason, posted, state, raised_by, approved_by, raised_at, respond_by)
            select n.file_id, n.number, n.lane, n.household_id, n.card_id, '24000006326000000000015', '15', n.amount_piasters, '83',
              'planted', true, 'raised', 'one', 'two', now(), current_date from network_item n;
          insert into outgoing_dispute_item (dispute_id, transaction_code, lane, card_id, arn, transaction_id, authorization_code,
              terminal, acceptor, mcc, amount_piasters, purchase_date, reason_code, business_date)
            select d.id, '15', d.lane, d.card_id, d.arn, '', '', '', '', '', d.amount_piasters, current_date, '83', current_date
            from dispute d`,
    fails: ['disputes-accounted'],
    forge: [],
  },
  {
    what: 'an exception that was written off, and nothing was posted for it',
    sql: `insert into reconciliation_run (business_date, started_at, requested_by, state, ended_at)
            values ('2026-11-18', now(), 'test', 'done', now());
          insert into reconciliation_exception (break, key, level, business_date, opened_on, state, value_at_risk_piasters, summary,
            opened_run, last_run, opened_at, closed_at, closed_by, resolution)
          select 'position-short', 'a', 'position', '2026-11-18', '2026-11-18', 'written-off', 5, 'short', id, id, now(), now(), 'a + b', 'small'
          from reconciliation_run`,
    fails: ['exceptions-explained'],
    forge: [],
  },
  {
    what: 'an exception with more in suspense than was posted for it',
    sql: `insert into reconciliation_run (business_date, started_at, requested_by, state, ended_at)
            values ('2026-11-18', now(), 'test', 'done', now());
          insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, account,
            difference_piasters, suspended_piasters, summary, opened_run, last_run, opened_at)
          select 'position-short', 'a', 'position', '2026-11-18', '2026-11-18', 5, 700700000000001, -5, -5, 'short', id, id, now()
          from reconciliation_run`,
    fails: ['exceptions-explained'],
    forge: [],
  },
  {
    what: 'a business date in the default partition',
    sql: `create table moved as select * from transfer_20261118;
          drop table transfer_20261118;
          insert into transfer select * from moved`,
    fails: ['days-prepared'],
    forge: [],
  },
]

t.test('a sound ledger passes every check, each planted violation fails exactly its own', async (t) => {
  const ledger = await openLedger(t)
  await playScenario(ledger)
  const sound = await verifyLedger(ledger.url)
  t.same(
    sound.filter((result) => !result.ok),
    [],
    'the untouched ledger',
  )
  t.same(
    sound.map((result) => result.name),
    ledgerChecks.map((check) => check.name),
  )
  for (const name of sound.map((result) => result.name)) {
    const elsewhere = plantedElsewhere[name]
    const isPlanted =
      elsewhere === undefined
        ? plants.some((plant) => plant.fails.includes(name))
        : readFileSync(new URL(elsewhere, import.meta.url), 'utf8').includes(name)
    t.ok(isPlanted, `there is a plant for ${name}`)
  }
  // A household that has shrunk since was entitled to what it got.
  await ledger.client.query(`insert into household_term
    select lane, household_id, 29991231, 1, status, batch_seq from household_term where household_id = ${FIRST_ID}`)
  t.ok((await verifyLedger(ledger.url)).every((result) => result.ok))
  await ledger.stop()

  // Each violation is planted, found and undone in one transaction.
  await withClient(ledger.url, async (client) => {
    await client.query('begin')
    await disarm(client)
    await client.query('savepoint sound')
    for (const { what, sql, fails, forge } of plants) {
      await client.query(sql)
      if (forge.includes('balances')) await refold(client)
      if (forge.includes('chain')) await reseal(client)
      const failed = (await verifyWithin(client)).filter((result) => !result.ok)
      t.same(failed.map((result) => result.name).sort(), [...fails].sort(), what)
      await client.query('rollback to savepoint sound')
    }
  })
})
