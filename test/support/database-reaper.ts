import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerLine } from '../../src/store/embedded/lock-file.ts'
import { isProcessAlive } from '../../src/store/embedded/processes.ts'
import { countEmbeddedUsers, findEmbeddedPostgres } from '../../src/store/embedded-postgres.ts'
import { reaperMark } from './database.ts'

/**
 * Stops the shared test server when no test uses it any more. A process of its own, because a test that is killed
 * runs no teardown. Test files follow each other with short gaps, hence the wait, which ends with the run. A second
 * reaper does no harm. Arguments: the data folder and the pid of the test runner.
 */
const LINGER_MS = 800
const POLL_MS = 50

const dataDir = process.argv[2] ?? ''
const runner = Number(process.argv[3])
const mark = reaperMark(dataDir)
writeFileSync(mark, ownerLine())

let idleSince = Date.now()
let stopped = false
while (!stopped) {
  await sleep(POLL_MS)
  if (countEmbeddedUsers(dataDir) > 0) idleSince = Date.now()
  if (Date.now() - idleSince < (isProcessAlive(runner) ? LINGER_MS : POLL_MS)) continue
  // Before the stop, so that a test that comes from here on starts a reaper for its own server.
  rmSync(mark, { force: true })
  const server = await findEmbeddedPostgres({ dataDir })
  stopped = server === undefined || (await server.release())
  idleSince = Date.now()
}
