import t from 'tap'
import { connect } from '../../src/store/connection.ts'
import { openLedger } from '../ledger/live-ledger.ts'
import { FIRST_ID, playScenario } from '../ledger/scenario.ts'

const journal = ['batch', 'authorization_journal', 'command_journal', 'transfer', 'hold', 'hold_event']
const DENIED = '42501'
const CHECK = '23514'
const UNIQUE = '23505'

t.test('the database keeps the rules whoever writes', async (t) => {
  const ledger = await openLedger(t)
  await playScenario(ledger)
  const { url } = ledger
  const app = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  const analyst = await connect({ url, name: 'mizan test', role: 'mizan_analyst' })
  t.teardown(async () => {
    await app.end()
    await analyst.end()
  })

  t.test('the program appends to the journal and never changes it', async (t) => {
    for (const table of journal) {
      await t.rejects(app.query(`delete from ${table}`), { code: DENIED }, `delete from ${table}`)
      await t.rejects(app.query(`truncate ${table}`), { code: DENIED }, `truncate ${table}`)
      const column = table === 'batch' ? 'epoch' : 'batch_seq'
      await t.rejects(app.query(`update ${table} set ${column} = 0`), { code: DENIED }, `update ${table}`)
    }
    await t.rejects(app.query('delete from balance'), { code: DENIED })
    await t.rejects(app.query('delete from household'), { code: DENIED })
    await t.rejects(app.query('update account_kind set floor_zero = false'), { code: DENIED })
    await t.rejects(app.query('alter table transfer drop constraint transfer_posting_allowed'), { code: DENIED })
  })

  t.test('postings that no rule allows are refused', async (t) => {
    const insert = (kind: number, debit: number, credit: number, amount: number, period: number) =>
      app.query(
        `insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
         values (0, '2026-11-18', 999999999, 0, 1, $1, $2, $3, $4, $5)`,
        [kind, debit, credit, amount, period],
      )
    const wallet = 100_400_000_000_000 + FIRST_ID
    const postal = 600_100_000_000_000 + FIRST_ID
    const refused = (constraint: string) => ({ code: CHECK, constraint })
    await t.rejects(
      insert(11, wallet, 700_300_000_000_001, 100, 0),
      refused('transfer_posting_allowed'),
      'wallet to cash',
    )
    await t.rejects(insert(16, wallet, postal, 100, 0), refused('transfer_posting_allowed'), 'wallet to money')
    await t.rejects(insert(2, wallet, wallet + 1, 100, 202611), refused('transfer_posting_allowed'), 'wallet to wallet')
    await t.rejects(
      insert(2, wallet, 200_500_000_000_001, 100, 202611),
      refused('transfer_posting_allowed'),
      'programme',
    )
    await t.rejects(insert(10, postal, 700_100_000_000_001, 0, 0), { code: CHECK }, 'nothing')
    await t.rejects(insert(10, postal, 700_100_000_000_001, -5, 0), { code: CHECK }, 'less than nothing')
    await t.rejects(
      insert(10, postal, 700_100_000_000_001, 5, 202611),
      refused('transfer_well_formed'),
      'money has no period',
    )
    await t.rejects(
      insert(3, 200_400_000_000_061, wallet, 5, 202611),
      refused('transfer_restoration_to_origin'),
      'a restoration that no original explains',
    )
    const hold = `insert into hold (lane, id, batch_seq, household_id, kind, debit, credit, amount, cashback, expires_at)
                  values (0, 999999999, 1, ${FIRST_ID}, 2, ${wallet}, 200400000000061, 5, 0, now())`
    await t.rejects(app.query(hold), refused('hold_posting_allowed'), 'a hold on a wallet')
  })

  t.test('no household balance falls below zero, no hold ends twice, no key comes twice in a day', async (t) => {
    const below = 'update balance set posted = held - 1 where household_id > 0'
    await t.rejects(app.query(below), { code: CHECK, constraint: 'balance_allowed' })
    await t.rejects(app.query('update balance set held = -1 where household_id > 0'), {
      code: CHECK,
      constraint: 'balance_allowed',
    })
    const again = `insert into hold_event select lane, id, by_id + 1, batch_seq, 0, 0, 1, 'voided' from hold_event where ending is not null`
    await t.rejects(app.query(again), { code: UNIQUE })
    const twice = `insert into authorization_journal
      select lane, business_date, id + 1, batch_seq, entitlement_date, received_at, link, mti, dedupe_key, content_hash,
             acquirer, terminal, acceptor, outlet_id, stan, transmission, rrn, network_reference, pan_masked, card_id,
             household_id, transaction_type, account_code, mcc, amount, approved_amount, result, response_code,
             original_id, original_key, answer, trace
      from authorization_journal limit 1`
    await t.rejects(app.query(twice), { code: UNIQUE })
  })

  t.test('analysts read the views and nothing else', async (t) => {
    for (const view of ['authorizations', 'transfers', 'entries', 'balances', 'trial_balance']) {
      const { rows } = await analyst.query<{ count: string }>(`select count(*) from ${view}`)
      t.ok(Number(rows[0]?.count) > 0, view)
    }
    for (const table of [...journal, 'card', 'household', 'balance', 'lane', 'outlet', 'installation']) {
      await t.rejects(analyst.query(`select from ${table}`), { code: DENIED }, table)
    }
    await t.rejects(analyst.query(`select ensure_partitions('2030-01-01', 1)`), { code: DENIED })
    await t.rejects(analyst.query('select take_lane(0::smallint, null)'), { code: DENIED })
    const { rows } = await analyst.query<{ unit: string; balance: string }>(
      'select unit, sum(balance)::text as balance from trial_balance group by unit order by unit',
    )
    t.same(
      rows,
      [
        { unit: 'EGP', balance: '0' },
        { unit: 'KG', balance: '0' },
        { unit: 'LOAF', balance: '0' },
      ].filter(({ unit }) => rows.some((row) => row.unit === unit)),
    )
  })
})
