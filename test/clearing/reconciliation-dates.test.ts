import { test } from 'tap'
import { addDays, civilDate, formatDate, parseDate } from '../../src/calendar.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { reconcileCommand } from '../../src/commands/reconcile.ts'
import { connect } from '../../src/store/connection.ts'
import { commandRunner } from '../support/command.ts'
import { createTestDatabase } from '../support/database.ts'

const today = civilDate(Date.now())
const day = (offset: number) => formatDate(addDays(today, offset))

test('dates of a run', async (t) => {
  const { url } = await createTestDatabase(t)
  const owner = await connect({ url, name: 'mizan test' })
  t.teardown(() => owner.end())
  await owner.query('insert into lane (lane, next_id, open_date) values (0, 1, $1)', [day(0)])
  await owner.query(`insert into business_day (business_date) select $1::date - n from generate_series(0, 6) n`, [
    day(0),
  ])
  const mizan = commandRunner({ DATABASE_URL: url })
  const run = (...args: string[]) => mizan(reconcileCommand, ['run', ...args])
  const runs = async () => (await owner.query('select from reconciliation_run')).rowCount

  await t.test('a date that is open, to come, or was never one of business', async (t) => {
    const [open, coming, never] = [day(0), day(2), '2019-12-31']
    t.match(await run('--date', open), { status: 1, errors: /is not closed in every lane/ })
    t.match(await run('--date', coming), { status: 1, errors: /is not closed in every lane/ })
    t.match(await run('--date', never), { status: 1, errors: /2019-12-31 was no business date here/ })
    t.equal(await runs(), 0, 'nothing was compared')
  })

  await t.test('as of a date that nothing can be said of', async (t) => {
    t.match(await run('--date', day(-3), '--as-of', day(15)), { status: 1, errors: /is more than 14 days ahead/ })
    t.match(await run('--date', day(-3), '--as-of', '2020-01-01'), { status: 1, errors: /is before the business date/ })
    t.equal(await runs(), 0, 'nothing was compared')
    t.match(await run('--date', day(-3), '--as-of', day(-2)), { out: /run 1 of business date/ })
    t.match(await run('--date', day(-3)), { out: /run 2 of business date/ })
  })

  await t.test('what was opened as of a later date is not taken for gone', async (t) => {
    await owner.query(
      `insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, account,
         difference_piasters, summary, opened_run, last_run, opened_at)
       values ('missing-bank-entry', 'instruction:1', 'position', $1, $2, 7, null, 0, 'it is not there', 1, 1, now())`,
      [day(-3), day(-1)],
    )
    const state = async () =>
      (await owner.query<{ state: string }>("select state from reconciliation_exception where key = 'instruction:1'"))
        .rows[0]?.state
    t.match(await run('--date', day(-3), '--as-of', day(-2)), { status: 1, errors: /is too old: a run has found/ })
    const settings = { presentmentDays: 3, lookBackDays: 30 }
    const given = { url, businessDate: parseDate(day(-3)), requestedBy: 'test', nowMs: () => Date.now(), settings }
    await reconcile({ ...given, asOf: parseDate(day(-2)) })
    t.equal(await state(), 'open', 'whoever asks')
    await reconcile({ ...given, asOf: parseDate(day(-1)) })
    t.equal(await state(), 'resolved')
  })
})
