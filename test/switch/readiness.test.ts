import { test } from 'tap'
import { withClient } from '../../src/store/database-location.ts'
import { waitFor } from '../support/inbox.ts'
import { startTestSwitch, type TestSwitch } from '../support/switch.ts'

async function readiness({ ports }: TestSwitch): Promise<{ status: string; notReady: string[] }> {
  return (await fetch(`http://127.0.0.1:${ports.http}/readyz`)).json() as Promise<{
    status: string
    notReady: string[]
  }>
}

async function readyMetric({ ports }: TestSwitch): Promise<string | undefined> {
  const page = await (await fetch(`http://127.0.0.1:${ports.http}/metrics`)).text()
  return /^mizan_ready (\d)$/m.exec(page)?.[1]
}

test('readiness follows the database while nobody pays', async (t) => {
  const world = await startTestSwitch(t)
  const name = new URL(world.databaseUrl).pathname.slice(1)
  const maintenance = Object.assign(new URL(world.databaseUrl), { pathname: '/postgres' }).href
  const elsewhere = (text: string) => withClient(maintenance, (client) => client.query<{ pid: number }>(text))
  const becomes = (status: string) => waitFor(status, async () => (await readiness(world)).status === status)
  const ready = { status: 'ready', notReady: [] }

  t.match(await readiness(world), ready)
  t.equal(await readyMetric(world), '1')

  await t.test('a database that is away', async (t) => {
    await elsewhere(`alter database ${name} with allow_connections false`)
    await world.client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [name],
    )
    await becomes('not ready')
    await waitFor('the lane', async () => (await readiness(world)).notReady.includes('lane 0'))
    t.match((await readiness(world)).notReady, ['lane 0', 'database'])
    t.equal(await readyMetric(world), '0')
    await elsewhere(`alter database ${name} with allow_connections true`)
    await becomes('ready')
    t.equal(await readyMetric(world), '1')
  })

  await t.test('a database that accepts and does not answer', async (t) => {
    await world.client.query('begin')
    await world.client.query('lock table lane_heartbeat in access exclusive mode')
    await becomes('not ready')
    t.match((await readiness(world)).notReady, ['database'])
    const seen = new Set<number>()
    const asking = async () => {
      // In the transaction that holds the lock the sessions would ever be those of its first look.
      const { rows } = await elsewhere(
        `select pid from pg_stat_activity where application_name = 'mizan heartbeat' and datname = '${name}'`,
      )
      for (const { pid } of rows) seen.add(pid)
      return rows.length
    }
    await waitFor('one more to ask', async () => (await asking()) > 0 && seen.size > 1)
    await waitFor('what was given up to end at the server', async () => (await asking()) <= 1)
    await world.client.query('rollback')
    await becomes('ready')
  })
})
