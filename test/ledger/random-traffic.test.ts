import fc from 'fast-check'
import t from 'tap'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { isApproval } from '../../src/authorization/result.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { type Step, stepOf, Traffic, timeAfter } from '../authorization/traffic.ts'
import { propertyRuns, randomSeed } from '../support/property-runs.ts'
import { type LiveLedger, openLedger, panIndexOf } from './live-ledger.ts'

/**
 * The same random traffic as in `authorization/never-cash.test.ts`, through the real writer and PostgreSQL, in bursts
 * that share batches. Afterwards every invariant must hold.
 */
const STEPS = 180
const BURST = 12
/** So many of the last messages are told again at the end: how often chance repeats one differs from seed to seed. */
const TOLD_AGAIN = 10
const HOUSEHOLD_IDS = [5, 6, 12, 18, 7, 1, 4, 8, 9]

interface Counts {
  answered: number
  approved: number
  repeatsAlike: number
}

async function play(ledger: LiveLedger, steps: readonly Step[]): Promise<Counts> {
  const traffic = new Traffic(HOUSEHOLD_IDS, panIndexOf)
  const first = new Map<string, { request: AuthorizationRequest; fields: string }>()
  const counts: Counts = { answered: 0, approved: 0, repeatsAlike: 0 }
  let pending: Promise<void>[] = []
  const settle = async () => {
    await Promise.all(pending)
    pending = []
  }
  const tell = (request: AuthorizationRequest) =>
    ledger.submit({ ...request, receivedAtMs: ledger.clock.nowMs }).then(({ result, fields }) => {
      counts.answered++
      if (isApproval(result)) {
        counts.approved++
        traffic.approved(request)
      }
      const answer = { request, fields: JSON.stringify(fields) }
      const before = first.get(request.key)
      if (before === undefined) first.set(request.key, answer)
      else if (before.request.contentHash === request.contentHash) {
        if (before.fields !== answer.fields) throw new Error(`a repeat got ${answer.fields}, not ${before.fields}`)
        counts.repeatsAlike++
      }
      if (result === 'internal-fault')
        throw new Error(`internal fault: ${ledger.faults.at(-1)}, on ${JSON.stringify(request)}`)
    })
  for (const step of steps) {
    const nowMs = timeAfter(step, ledger.clock.nowMs)
    // The clock stands still while requests are under way, or they would be late.
    if (nowMs - ledger.clock.nowMs > 1_000 || pending.length >= BURST) await settle()
    if (pending.length === 0) ledger.clock.nowMs = nowMs
    if ((step.action === 'expire' || step.action === 'evict') && step.pick % 3 === 0) {
      await settle()
      await ledger.restart()
    }
    const request = traffic.next(step, ledger.clock.nowMs)
    if (request === undefined) continue
    pending.push(tell(request))
  }
  await settle()
  pending = [...first.values()].slice(-TOLD_AGAIN).map(({ request }) => tell({ ...request, repeat: true }))
  await settle()
  return counts
}

for (const [laneCount, cacheHouseholds] of [
  [1, 1_000],
  [3, 2],
] as const) {
  t.test(`random traffic over ${laneCount} lane(s) keeps every invariant`, async (t) => {
    const firstSeed = randomSeed()
    for (let round = 0; round < propertyRuns(); round++) {
      const seed = firstSeed + round
      await t.test(`MIZAN_TEST_SEED=${seed}`, async (t) => {
        const ledger = await openLedger(t, { laneCount, cacheHouseholds })
        const [steps = []] = fc.sample(
          fc.array(stepOf(HOUSEHOLD_IDS.length), { minLength: STEPS, maxLength: STEPS, size: 'max' }),
          { seed, numRuns: 1 },
        )
        const counts = await play(ledger, steps)
        t.ok(counts.answered > STEPS / 2, `${counts.answered} answered`)
        t.ok(counts.approved > STEPS / 10, `${counts.approved} approved`)
        t.ok(counts.repeatsAlike >= TOLD_AGAIN, `${counts.repeatsAlike} repeats answered alike`)
        const failed = (await verifyLedger(ledger.url)).filter((result) => !result.ok)
        t.same(
          failed.map((result) => `${result.name}: ${result.detail}`),
          [],
          'every check holds',
        )
      })
    }
  })
}
