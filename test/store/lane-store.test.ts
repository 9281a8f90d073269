import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { LaneStore } from '../../src/store/lane-store.ts'
import { createTestDatabase } from '../support/database.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'

/** Far more than the store may take: who waits so long waits for ever. */
const FOR_EVER_MS = 20_000

t.test('a writer that has lost its lane does not wait for ever to be told of a batch', async (t) => {
  const { url } = await createTestDatabase(t)
  const proxy = await startFaultProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.close())
  const store = new LaneStore({
    url: Object.assign(new URL(url), { host: `127.0.0.1:${proxy.port}` }).href,
    lane: 0,
    commitTimeoutMs: 100,
  })
  t.equal(await store.hasBatch(1, Buffer.alloc(32)), false)
  // The database lets us in, and the question is lost.
  proxy.toServer.inspect = (chunk) => (chunk.includes('from batch') ? Buffer.alloc(0) : chunk)
  const giveUp = new AbortController()
  const forEver = sleep(FOR_EVER_MS, 'for ever', { signal: giveUp.signal }).catch(() => undefined)
  await t.rejects(Promise.race([store.hasBatch(1, Buffer.alloc(32)), forEver]), { code: 'STORE_UNAVAILABLE' })
  giveUp.abort()
})
