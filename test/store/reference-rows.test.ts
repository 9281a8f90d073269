import { test } from 'tap'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { findOutlet, saveOutlet, setOutletStatus } from '../../src/store/outlet-store.ts'
import { installProgrammes } from '../../src/store/programme-store.ts'
import { loadReferenceData } from '../../src/store/reference-data.ts'
import { setRollout } from '../../src/store/reference-rollout.ts'
import { watchReferenceData } from '../../src/store/reference-watch.ts'
import { createTestDatabase } from '../support/database.ts'

const by = { actor: 'officer', today: '2026-11-11', reason: 'a test' }
const details = { name: 'Shop', category: 'shop', mcc: '5311', governorate: 'PTS' } as const

test('no date gets in that the switch cannot read back, and one that stands there all the same closes one outlet', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  const owner = await connect({ url, name: 'mizan test owner' })
  t.teardown(() => Promise.all([client.end(), owner.end()]))
  await installProgrammes(client, shippedProgrammes)
  for (const acceptor of ['GOOD', 'BAD-TERMINAL', 'BAD-STATUS']) {
    await saveOutlet(client, { acceptor, details, terminals: [{ id: 'T1', to: '2999-12-31' }] }, by)
  }
  await setRollout(client, { service: 'bread', governorate: 'PTS', liveFrom: '2026-01-01' }, by)

  const wrong = { code: 'BAD_INPUT', message: /from 1900-01-01 to 2999-12-31/ }
  for (const day of ['9999-12-31', '3000-01-01', '1899-12-31']) {
    const terminals = [{ id: 'T1', to: day }]
    await t.rejects(saveOutlet(client, { acceptor: 'GOOD', details: {}, terminals }, by), wrong)
    await t.rejects(saveOutlet(client, { acceptor: 'GOOD', details: { licenceTo: day }, terminals: [] }, by), wrong)
    await t.rejects(setOutletStatus(client, 'GOOD', { status: 'closed', from: day, reason: 'x' }, by), {
      code: 'BAD_INPUT',
    })
    await t.rejects(async () => setRollout(client, { service: 'bread', governorate: 'SUZ', liveFrom: day }, by), wrong)
  }
  const rows = [
    `update terminal set to_date = '9999-12-31' where outlet_id = $1`,
    `insert into outlet_standing (outlet_id, from_date, status, reason, actor) values ($1, 'infinity', 'active', 'x', 'x')`,
  ]
  const ids = [await findOutlet(client, 'BAD-TERMINAL'), await findOutlet(client, 'BAD-STATUS')].map(({ id }) => id)
  const rollout = `insert into service_rollout values ('bread', 'SUZ', '9999-12-31')`
  for (const [at, text] of rows.entries())
    await t.rejects(owner.query(text, [ids[at]]), { message: /check constraint/ })
  await t.rejects(owner.query(rollout), { message: /check constraint/ })

  // As a database has them that was filled before there were these checks.
  const { tables, seen, watch } = await following(url, client)
  t.teardown(() => watch.close())
  t.equal(tables.outletCount, 3)
  await owner.query(`alter table terminal drop constraint terminal_to_date_check;
    alter table outlet_standing drop constraint outlet_standing_from_date_check;
    alter table service_rollout drop constraint service_rollout_live_from_check;
    alter table service_rollout_event drop constraint service_rollout_event_live_from_check`)
  await owner.query(`select set_config('mizan.actor', 'x', false), set_config('mizan.reason', 'x', false)`)
  for (const [at, text] of rows.entries()) await owner.query(text, [ids[at]])
  await owner.query(rollout)
  await owner.query(`update outlet set mcc = '5999' where acceptor_id = 'GOOD'`)
  await watch.poll()
  const started = await loadReferenceData(client)
  const named = [
    `terminal (outlet_id ${ids[0]}, id T1), to_date: 9999-12-31`,
    `outlet_standing (outlet_id ${ids[1]}), from_date: infinity`,
    'service_rollout (bread, SUZ): 9999-12-31',
  ]
  for (const now of [tables, started]) {
    t.equal(now.outletByAcceptor('GOOD')?.mcc, '5999', 'the rest is served, and goes on being followed')
    t.equal(now.outletByAcceptor('BAD-TERMINAL'), undefined)
    t.equal(now.outletByAcceptor('BAD-STATUS'), undefined)
    t.equal(now.serviceLiveFrom('bread', 'PTS'), 20260101)
    t.equal(now.serviceLiveFrom('bread', 'SUZ'), undefined)
  }
  for (const name of named)
    t.ok(
      started.faults.some((fault) => fault.startsWith(name)),
      name,
    )
  t.ok(
    seen.some((fault) => fault.startsWith('service_rollout (bread, SUZ)')),
    'a running switch says so too',
  )
  await owner.query('update terminal set to_date = null where outlet_id = $1', [ids[0]])
  await watch.poll()
  t.ok(tables.outletByAcceptor('BAD-TERMINAL'), 'and takes the row once it was corrected')
})

async function following(url: string, client: Parameters<typeof loadReferenceData>[0]) {
  const tables = await loadReferenceData(client)
  const seen: string[] = []
  const watch = watchReferenceData({
    url,
    tables,
    onChange: ({ faults }) => void seen.push(...faults),
    onError: (error) => {
      throw error
    },
    intervalMs: 60_000,
  })
  return { tables, seen, watch }
}
