import { createHash } from 'node:crypto'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { saveRelease, whoClosed } from '../../store/clearing/deliver.ts'
import { type ClearingFile, moveFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { outgoingFiles } from './day-files.ts'

/** Files that wait to be released, and the digest by which those who release them name them. */
export interface Releasable {
  readonly files: readonly ClearingFile[]
  /** SHA-256 over the names and digests of the files: who agrees to it agrees to these very bytes. */
  readonly digest: Buffer
}

/** Who releases files that need nobody's agreement. */
export const POLICY = 'policy'

/** Files of a date that are signed and not released. */
export async function releasable(client: Client, businessDate: CivilDate): Promise<Releasable> {
  const files = await outgoingFiles(client, businessDate, ['signed'])
  return { files, digest: digestOf(files) }
}

function digestOf(files: readonly ClearingFile[]): Buffer {
  const hash = createHash('sha256')
  for (const { name, sha256 } of files) hash.update(`${name} ${sha256?.toString('hex') ?? ''}\n`)
  return hash.digest()
}

/**
 * Releases the files of a date that wait for it, in the caller's transaction.
 * @param digest of what was agreed to
 * @param people `system:USER` or `user:NAME` of who asked, and of who agreed
 * @returns the files
 * @throws MizanError NOT_FOUND when nothing waits; CONFLICT when other files wait than were agreed to; FORBIDDEN when the
 *   second person is who asked, or who had the day closed
 */
export async function releaseFiles(
  client: Client,
  businessDate: CivilDate,
  digest: Buffer,
  people: { readonly maker: string; readonly checker: string },
): Promise<readonly ClearingFile[]> {
  const date = formatDate(businessDate)
  const { maker, checker } = people
  const askedBy = await whoClosed(client, date)
  if (checker === maker || checker === askedBy) {
    throw new MizanError(
      'FORBIDDEN',
      `${checker} had the day closed or asked for the release: it needs a second person`,
    )
  }
  const waiting = await releasable(client, businessDate)
  if (waiting.files.length === 0) throw new MizanError('NOT_FOUND', `no file of ${date} waits to be released`)
  if (!waiting.digest.equals(digest)) {
    throw new MizanError('CONFLICT', `the files of ${date} are not those that were agreed to: look at them again`)
  }
  await release(client, date, waiting, people)
  return waiting.files
}

/** Releases files for which the configuration asks for nobody. */
export async function releaseByPolicy(client: Client, date: string, files: readonly ClearingFile[]): Promise<void> {
  if (files.length === 0) return
  await client.query('begin')
  try {
    await release(client, date, { files, digest: digestOf(files) }, { maker: POLICY, checker: POLICY })
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

async function release(
  client: Client,
  businessDate: string,
  { files, digest }: Releasable,
  { maker, checker }: { readonly maker: string; readonly checker: string },
): Promise<void> {
  await saveRelease(client, { businessDate, digest, fileIds: files.map(({ id }) => id), maker, checker })
  for (const { id } of files) {
    const actor = checker.slice(0, 64)
    await moveFile(client, id, {
      from: ['signed'],
      to: 'released',
      action: 'released',
      actor,
      detail: { maker, checker },
    })
  }
}
