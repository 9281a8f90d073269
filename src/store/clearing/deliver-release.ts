import { createHash } from 'node:crypto'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { type ClearingFile, moveFile } from './files.ts'

/** Who lets files go: `system:USER` or `user:NAME` of who asked, and of who agreed. */
export interface ReleasePeople {
  readonly maker: string
  readonly checker: string
}

/** Who releases files that need nobody's agreement. */
export const POLICY = 'policy'

/** SHA-256 over the names and digests of files: who agrees to it agrees to these very bytes. */
export function filesDigest(files: readonly ClearingFile[]): Buffer {
  const hash = createHash('sha256')
  for (const { name, sha256 } of files) hash.update(`${name} ${sha256?.toString('hex') ?? ''}\n`)
  return hash.digest()
}

/**
 * The rule of every release, of payments alone as of all files of a date: who agrees is neither who asked nor who had
 * the day closed.
 * @throws MizanError FORBIDDEN
 */
export async function requireSecondPerson(
  client: Queryable,
  businessDate: CivilDate,
  { maker, checker }: ReleasePeople,
): Promise<void> {
  const { rows } = await client.query<{ asked_by: string | null }>(
    'select asked_by from business_day where business_date = $1',
    [formatDate(businessDate)],
  )
  if (checker !== maker && checker !== rows[0]?.asked_by) return
  throw new MizanError('FORBIDDEN', `${checker} had the day closed or asked for the release: it needs a second person`)
}

/** Releases signed files, and keeps who did. In the caller's transaction. */
export async function letGo(
  client: Client,
  businessDate: CivilDate,
  { files, digest }: { readonly files: readonly ClearingFile[]; readonly digest: Buffer },
  { maker, checker }: ReleasePeople,
): Promise<void> {
  await client.query(
    `insert into clearing_release (business_date, digest, file_ids, maker, checker) values ($1, $2, $3, $4, $5)`,
    [formatDate(businessDate), digest, files.map(({ id }) => id), maker, checker],
  )
  const move = { from: ['signed'], to: 'released', action: 'released', actor: checker.slice(0, 64) } as const
  for (const { id } of files) await moveFile(client, id, { ...move, detail: { maker, checker } })
}
