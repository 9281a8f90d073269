import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { verifyLedger } from '../../src/store/verify.ts'
import type { Writer } from '../../src/writer/writer.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

const BUDGET_MS = 500
const TRIES_MAX = 20

/** So long after the start memory vouches for a key, and no journal is asked; see src/writer/recent-keys.ts. */
const VOUCHED_FOR_MS = 20_000

/** A busy machine may take longer than the budget. */
async function untilApproved(writer: Writer, clock: { now(): number }): Promise<boolean> {
  for (let tried = 0; tried < TRIES_MAX; tried++) {
    if ((await ask(writer, purchaseOf(1, clock.now()))).result === 'approved') return true
  }
  return false
}

test('a copy of a request whose fate is open is never answered 91: it gets the answer of the first', async (t) => {
  const world = await writerWorld(t)
  const proxy = await startFaultProxy({ port: Number(new URL(world.url).port) })
  t.teardown(() => proxy.close())
  const laneUrl = Object.assign(new URL(world.url), { port: String(proxy.port) }).href
  const writer = await world.start({ laneUrl, timeBudgetMs: BUDGET_MS })
  // In memory, the household of the request needs no reading.
  t.ok(await untilApproved(writer, world.clock))
  world.clock.pass(VOUCHED_FOR_MS)

  // The batch is made durable, and nobody says so.
  proxy.toClient.blackHole = true
  const request = purchaseOf(1, world.clock.now())
  const first = ask(writer, request)
  await sleep(20)
  const repeats = [ask(writer, { ...request, repeat: true }), ask(writer, { ...request, repeat: true })]
  const otherContent = ask(writer, { ...request, contentHash: 'another content.' })
  const another = ask(writer, purchaseOf(2, world.clock.now()))
  t.equal((await another).result, 'not-in-time', 'a request that waited too long is answered')
  t.equal((await otherContent).result, 'not-in-time', 'so is one that only has the same key: nothing of it is posted')
  proxy.cut()
  proxy.toClient.blackHole = false

  const answers = await Promise.all([first, ...repeats])
  t.strictSame(
    answers.map(({ result }) => result),
    ['approved', 'approved', 'approved'],
  )
  t.strictSame(answers[1], answers[0], 'the answer is the same')
  t.strictSame(answers[2], answers[0])
  t.same(
    (await verifyLedger(world.url)).filter(({ ok }) => !ok),
    [],
  )
})

test('copies of a request that is not posted are answered 91 with it', async (t) => {
  const world = await writerWorld(t)
  const proxy = await startFaultProxy({ port: Number(new URL(world.url).port) })
  t.teardown(() => proxy.close())
  const laneUrl = Object.assign(new URL(world.url), { port: String(proxy.port) }).href
  const writer = await world.start({ laneUrl, timeBudgetMs: BUDGET_MS })
  t.ok(await untilApproved(writer, world.clock))

  proxy.toServer.blackHole = true
  const request = purchaseOf(1, world.clock.now())
  const first = ask(writer, request)
  await sleep(20)
  const repeat = ask(writer, { ...request, repeat: true })
  await sleep(2 * BUDGET_MS)
  proxy.refuse = true
  proxy.cut()
  proxy.toServer.blackHole = false
  await sleep(50)
  proxy.refuse = false
  t.equal((await first).result, 'not-in-time')
  t.equal((await repeat).result, 'not-in-time')
  t.ok(await untilApproved(writer, world.clock))
  t.same(
    (await verifyLedger(world.url)).filter(({ ok }) => !ok),
    [],
  )
})
