import { formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { filesDigest, letGo, type ReleasePeople, requireSecondPerson } from './deliver-release.ts'
import { type ClearingFile, listAllFiles } from './files.ts'
import { findRun, type RunKey, type SettlementRun } from './settlement-runs.ts'

/** The instruction files of a run as they stand. */
export interface RunFiles {
  readonly run: SettlementRun
  /** By name; none that another one took the place of. */
  readonly files: readonly ClearingFile[]
  /** SHA-256 over names and digests, in hex: who agrees to it agrees to these very bytes. */
  readonly digest: string
}

/** @throws MizanError NOT_FOUND when there was no such run */
export async function readRunFiles(client: Queryable, key: RunKey): Promise<RunFiles> {
  const run = await findRun(client, key)
  if (run === undefined) {
    throw new MizanError('NOT_FOUND', `${formatDate(key.businessDate)} has no run ${key.cycle} of settlement`)
  }
  const all = await listAllFiles(client, { businessDate: key.businessDate, direction: 'out', types: ['PAY', 'NET'] })
  const files = all
    .filter(({ cycle, state }) => cycle === key.cycle && state !== 'superseded')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return { run, files, digest: filesDigest(files).toString('hex') }
}

/**
 * Lets the instruction files of a run go to the banks: what two people agreed to. In the caller's transaction.
 * @param digest of {@link RunFiles}, as it was agreed to
 * @returns the files that are released now
 * @throws MizanError NOT_FOUND; CONFLICT when a file is not there or not signed yet, or is another than was agreed to;
 *   FORBIDDEN when the second person is who asked, or who had the day closed
 */
export async function releaseInstructions(
  client: Client,
  key: RunKey,
  digest: string,
  people: ReleasePeople,
): Promise<readonly ClearingFile[]> {
  await requireSecondPerson(client, key.businessDate, people)
  const found = await readRunFiles(client, key)
  requireReleasable(found)
  if (found.digest !== digest) {
    throw new MizanError('CONFLICT', 'the files are not those that were agreed to: look at them again')
  }
  const files = found.files.filter(({ state }) => state === 'signed')
  await letGo(client, key.businessDate, { files, digest: Buffer.from(digest, 'hex') }, people)
  return files
}

/** @throws MizanError CONFLICT */
export function requireReleasable({ run, files }: RunFiles): void {
  const date = formatDate(run.businessDate)
  if (run.state === 'computed' || run.state === 'posted') {
    throw new MizanError(
      'CONFLICT',
      `not all files of ${date} are written: mizan settlement run ${date} goes on with it`,
    )
  }
  const unsigned = files.find(({ state }) => state === 'written')
  if (unsigned !== undefined) {
    throw new MizanError(
      'CONFLICT',
      `${unsigned.name} is not signed yet: step "sign" of the cutover does that, later mizan clearing deliver ${date}`,
    )
  }
  if (!files.some(({ state }) => state === 'signed')) {
    throw new MizanError('CONFLICT', `nothing of ${date} waits to be released`)
  }
}
