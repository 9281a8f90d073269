import { mkdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type CrashResult, type CrashScenario, runCrash, survived } from '../../bench/crash.ts'
import { type BenchWorld, openWorld } from '../../bench/world.ts'

/** The part of tap's `t` that is used here. */
interface CrashTest {
  teardown(work: () => unknown): unknown
  comment(text: string): void
  equal(found: unknown, wanted: unknown, message: string): unknown
  ok(value: unknown, message: string): unknown
}

/**
 * A small world with a PostgreSQL server of its own: these tests kill its processes, which the server that other tests
 * share must not suffer.
 */
export async function crashWorld(t: CrashTest): Promise<BenchWorld> {
  // Not mkdtemp: its folder is closed to the user that the server runs as when the tests run as root.
  const varDir = path.join(os.tmpdir(), `mizan-crash-${process.pid}`)
  mkdirSync(varDir, { recursive: true })
  const world = await openWorld({ cards: 2_000, seed: 1, laneCount: 1, varDir })
  t.teardown(async () => {
    await world.close()
    rmSync(varDir, { recursive: true, force: true })
  })
  return world
}

/** Plays one scenario with one fault under a light load, and checks that nothing was lost or invented. */
export async function crashOnce(t: CrashTest, world: BenchWorld, scenario: CrashScenario): Promise<CrashResult> {
  // Long enough for a process to start again on a busy machine before the load ends.
  const everySeconds = scenario === 'switch-killed' ? 5 : 2
  const plan = { scenario, mix: 'national', ratePerSecond: 300, faults: 1, everySeconds, seed: 1 } as const
  const result = await runCrash(world, plan)
  const { comparison, checks, outageMs } = result
  t.comment(`${result.sent} sent, ${result.answered} answered, ${comparison.unansweredButPosted} posted unanswered`)
  t.equal(comparison.lost, 0, `every answer is in the ledger: ${comparison.examples.join('; ')}`)
  t.equal(comparison.phantom, 0, `nothing else is: ${comparison.examples.join('; ')}`)
  for (const { name, ok, detail } of checks) t.ok(ok, `${name}: ${detail}`)
  t.ok(result.switchAlive, 'the switch process runs on')
  t.equal(outageMs.length, 1, 'the switch answers again')
  t.ok(survived(result), 'the scenario counts as survived')
  return result
}
