import { test } from 'tap'
import { addDays, type CivilDate, formatDate } from '../../src/calendar.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { bankingDaysOn, exceptionView } from '../../src/clearing/reconciliation/view.ts'
import { explainLines } from '../../src/commands/reconcile-text.ts'
import { listExceptions, readEvents } from '../../src/store/clearing/reconciliation-desk.ts'
import { connect } from '../../src/store/connection.ts'
import { createTestDatabase } from '../support/database.ts'

const SPAN = 100_000_000_000
const account = (kind: number, owner: number) => kind * SPAN + owner
const acquirer = account(7002, 400_001)
const [shop, bakery, grocer, weekly] = [901, 902, 903, 904].map((outlet) => account(7001, outlet)) as [
  number,
  number,
  number,
  number,
]

test('money that runs leave on accounts', async (t) => {
  const { url } = await createTestDatabase(t)
  const owner = await connect({ url, name: 'mizan test' })
  t.teardown(() => owner.end())
  await owner.query('insert into lane (lane, next_id, open_date) values (0, 1, $1)', ['2026-11-15'])

  /** A run with what it left: an account, piasters and why. */
  const settle = async (date: string, valueDate: string, ...dues: (readonly [number, number, string | null])[]) => {
    await owner.query(
      `insert into settlement_run (business_date, cycle, covers_from, value_date, state) values ($1, 1, $1, $2, 'written')`,
      [date, valueDate],
    )
    for (const [of, closing, note] of dues) {
      await owner.query(
        `insert into settlement_due (business_date, cycle, account, opening, added, closing, note) values ($1, 1, $2, 0, $3, $3, $4)`,
        [date, of, closing, note],
      )
    }
  }
  let asOf = 20261115 as CivilDate
  const look = async (date: number) => {
    asOf = date as CivilDate
    const settings = { presentmentDays: 8, lookBackDays: 30 }
    await reconcile({
      url,
      businessDate: addDays(asOf, -1),
      asOf,
      requestedBy: 'test',
      nowMs: () => Date.now(),
      settings,
    })
    const { rows } = await owner.query<{ key: string; state: string; risk: number; date: string; summary: string }>(
      `select key, state, value_at_risk_piasters::int as risk, business_date as date, summary from reconciliation_exception
       where break = 'left-unpaid' order by key`,
    )
    return rows
  }
  const openOf = (rows: Awaited<ReturnType<typeof look>>) =>
    rows.filter(({ state }) => state === 'open').map(({ key, risk, date }) => [key, risk, date])

  // Sunday to Wednesday: each day's money moves on the next.
  await t.test('a banking day goes by before anybody is told', async (t) => {
    await settle(
      '2026-11-15',
      '2026-11-16',
      [acquirer, -4_000, 'no-institution'],
      [shop, 700, 'no-account'],
      [grocer, -50, 'owes'],
      [weekly, 900, 'no-account'],
    )
    t.same(await look(20261116), [], 'its value date')
    await settle(
      '2026-11-16',
      '2026-11-17',
      [acquirer, -5_000, 'no-institution'],
      [shop, 800, 'no-account'],
      [bakery, 30, 'no-account'],
      [account(7005, 902), 40, 'suspended'],
      [grocer, -50, 'owes'],
      [weekly, 1_000, 'cycle'],
    )
    const found = await look(20261117)
    t.same(openOf(found), [
      [`account:${acquirer}`, 5_000, '2026-11-15'],
      ['outlets:no-account', 1_800, '2026-11-15'],
    ])
    t.match(found, [
      { summary: /^account 700200000400001 \(.* of 400001\) has -5000 piasters, and no institution is registered/ },
      { summary: '2 outlet(s) wait for 1800 piasters: they have no bank account' },
    ])
  })

  await t.test(
    'each reason and each account by itself; an account that waits for its day again is still the same',
    async (t) => {
      await settle(
        '2026-11-17',
        '2026-11-18',
        [acquirer, -5_000, 'no-institution'],
        [shop, 0, null],
        [bakery, 30, 'no-bank'],
        [account(7005, 902), 40, 'suspended'],
        [grocer, -50, 'owes'],
        [weekly, 1_000, 'cycle'],
      )
      t.same(openOf(await look(20261118)), [
        [`account:${acquirer}`, 5_000, '2026-11-15'],
        ['outlets:no-account', 1_030, '2026-11-15'],
        ['outlets:suspended', 40, '2026-11-16'],
      ])
      const again = await look(20261118)
      t.equal(openOf(again).length, 3)
      const [exception] = await listExceptions(owner, { breaks: ['left-unpaid'], limit: 1, states: ['open'] })
      if (exception === undefined) throw new Error('an exception')
      const view = exceptionView(exception, asOf, await bankingDaysOn(owner, asOf))
      t.match(view, { level: 'position', holdsMoney: false, proposedPostings: [], detail: { some: [902] } })
      t.match(explainLines(view, await readEvents(owner, exception.id), []).join('\n'), /the next run pays/)
    },
  )

  await t.test('what a run has paid is resolved by itself, and what waits anew waits a day again', async (t) => {
    await settle(
      '2026-11-18',
      '2026-11-19',
      [acquirer, 0, null],
      [bakery, 0, null],
      [weekly, 0, null],
      [shop, 60, 'no-account'],
    )
    t.same(openOf(await look(20261119)), [])
    await settle('2026-11-19', '2026-11-22', [shop, 60, 'no-account'], [weekly, 70, 'cycle'])
    t.same(openOf(await look(20261122)), [['outlets:no-account', 60, '2026-11-15']], 'not what waits for its day')
    const { rows } = await owner.query<{ event: string }>(
      `select event from reconciliation_event v join reconciliation_exception e on e.id = v.exception_id
       where e.break = 'left-unpaid' and e.key = 'account:' || $1 order by v.id`,
      [acquirer],
    )
    t.same(
      rows.map(({ event }) => event),
      ['opened', 'resolved'],
    )
  })

  await t.test('a run that is not posted says nothing, nor does one of long ago', async (t) => {
    await settle('2026-11-22', '2026-11-23', [shop, 0, null])
    await owner.query(`update settlement_run set state = 'computed' where business_date = '2026-11-22'`)
    t.equal(openOf(await look(20261123)).length, 1)
    await owner.query(`update settlement_run set state = 'written' where business_date = '2026-11-22'`)
    t.same(openOf(await look(20261123)), [])
    t.equal(formatDate(asOf), '2026-11-23')
  })
})
