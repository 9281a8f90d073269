import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import {
  filesDigest,
  letGo,
  POLICY,
  type ReleasePeople,
  requireSecondPerson,
} from '../../store/clearing/deliver-release.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'
import { outgoingFiles } from './day-files.ts'

/** Files that wait to be released, and the digest by which those who release them name them. */
export interface Releasable {
  readonly files: readonly ClearingFile[]
  /** SHA-256 over the names and digests of the files: who agrees to it agrees to these very bytes. */
  readonly digest: Buffer
}

/** Files of a date that are signed and not released. */
export async function releasable(client: Client, businessDate: CivilDate): Promise<Releasable> {
  const files = await outgoingFiles(client, businessDate, ['signed'])
  return { files, digest: filesDigest(files) }
}

/**
 * Releases the files of a date that wait for it, in the caller's transaction.
 * @param digest of what was agreed to
 * @returns the files
 * @throws MizanError NOT_FOUND when nothing waits; CONFLICT when other files wait than were agreed to; FORBIDDEN when
 *   the second person is who asked, or who had the day closed
 */
export async function releaseFiles(
  client: Client,
  businessDate: CivilDate,
  digest: Buffer,
  people: ReleasePeople,
): Promise<readonly ClearingFile[]> {
  const date = formatDate(businessDate)
  await requireSecondPerson(client, businessDate, people)
  const waiting = await releasable(client, businessDate)
  if (waiting.files.length === 0) throw new MizanError('NOT_FOUND', `no file of ${date} waits to be released`)
  if (!waiting.digest.equals(digest)) {
    throw new MizanError('CONFLICT', `the files of ${date} are not those that were agreed to: look at them again`)
  }
  await letGo(client, businessDate, waiting, people)
  return waiting.files
}

/** Releases files for which the configuration asks for nobody. */
export async function releaseByPolicy(
  client: Client,
  businessDate: CivilDate,
  files: readonly ClearingFile[],
): Promise<void> {
  if (files.length === 0) return
  const released = { files, digest: filesDigest(files) }
  await inTransaction(client, () => letGo(client, businessDate, released, { maker: POLICY, checker: POLICY }))
}
