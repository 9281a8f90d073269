import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { runRestarts, unnoticed } from '../../bench/restart.ts'
import { connect } from '../../src/store/connection.ts'
import { LaneStore } from '../../src/store/lane-store.ts'
import { batchAfter, ended } from '../support/batches.ts'
import { crashWorld } from './harness.ts'

const world = await crashWorld(t)

t.test('orderly restarts under load are not noticed by clients that heed a sign-off', async (t) => {
  const plan = { mix: 'national', ratePerSecond: 100, restarts: 2, everySeconds: 1, seed: 1 } as const
  const result = await runRestarts(world, plan)
  const { comparison, checks, sent, answered, failed, statuses, stopMs } = result
  t.same([answered, failed], [sent, 0], 'every request is answered, and none by a refusal')
  t.same([comparison.lost, comparison.phantom, comparison.unansweredButPosted], [0, 0, 0])
  for (const { name, ok, detail } of checks) t.ok(ok, `${name}: ${detail}`)
  t.same(statuses, [0, 0], 'a supervisor sees an orderly end')
  t.ok(Math.max(...stopMs) < 15_000, `stopped in ${stopMs.map(Math.round).join(' and ')} ms`)
  t.ok(unnoticed(result))
})

t.test('a commit whose wait for the standby of the database is cancelled is not answered', async (t) => {
  const { adminUrl, url } = world
  const admin = await connect({ url: adminUrl, name: 'mizan test' })
  const store = new LaneStore({ url, lane: 0, commitTimeoutMs: 10_000 })
  const waitFor = async (standby: string) => {
    await admin.query(`alter system set synchronous_standby_names = '${standby}'`)
    await admin.query('select pg_reload_conf()')
  }
  t.teardown(async () => {
    await waitFor('')
    await store.close()
    await admin.end()
  })
  /** What `pg_cancel_backend` does to a commit that waits, as soon as it does. */
  const cancelWait = async () => {
    const text = `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`
    for (let tries = 0; tries < 500; tries++) {
      if ((await admin.query(text)).rowCount === 1) return
      await sleep(10)
    }
    throw new Error('no commit waits for a standby')
  }
  const position = await store.take()
  if (position === undefined) throw new Error('the lane is there')
  await waitFor('nobody')
  const [outcome] = await Promise.all([ended(store.commit(batchAfter(position), position.lastHash)), cancelWait()])
  t.match(outcome, { kind: 'unknown', reason: /standby/ }, 'though the server said that it is committed')
  const [taken] = await Promise.allSettled([store.take(position.epoch), cancelWait()])
  t.match(
    taken,
    { status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } },
    'nor is the lane taken by such a commit',
  )
  await waitFor('')
  t.match(
    await store.take(position.epoch + 1),
    { lastSeq: position.lastSeq + 1 },
    'once there is a standby, the truth is known',
  )
})
