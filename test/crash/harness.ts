import { mkdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type BenchWorld, openWorld } from '../../bench/world.ts'

/** The part of tap's `t` that is used here. */
interface CrashTest {
  teardown(work: () => unknown): unknown
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
