import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, lchownSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import { type Cluster, SUPERUSER } from '../embedded/cluster.ts'
import { type RunningServer, startServer, stopServer } from '../embedded/server-process.ts'
import { parseHistory, parseHistoryName } from './wal-names.ts'

/** Where recovery ends. */
export type RecoveryTarget =
  | { readonly kind: 'latest' }
  /** The consistent state at the end of the backup itself. */
  | { readonly kind: 'backup-end' }
  /** Everything committed up to a moment, ISO 8601. */
  | { readonly kind: 'time'; readonly at: string }
  /** Everything committed up to and with a transaction. */
  | { readonly kind: 'transaction'; readonly id: string }

/** A restored server that is being worked on. */
export interface RecoveryCluster {
  readonly cluster: Cluster
  readonly sizes: { readonly sharedBuffersMb?: number; readonly maxWalSizeMb: number }
}

/** Recovery reads the journal since the backup: hours for a big one. */
const RECOVERY_TIMEOUT_MS = 24 * 3_600_000
const START_TIMEOUT_MS = 600_000
const STOP_TIMEOUT_MS = 600_000

/** What PostgreSQL says of a failed recovery, and what that means for whoever restores. */
const explanations: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [
    /recovery ended before configured recovery target was reached/,
    'the archived journal ends before that moment, or nothing was committed after it; restore with --latest, or choose an earlier moment',
  ],
  [
    /requested recovery stop point is before consistent recovery point/,
    'that moment lies before the end of this backup; an older backup is needed',
  ],
  [/has wrong size/, 'a segment of the archived journal is cut short; restore to a moment before it'],
  [
    /invalid checkpoint record|could not locate a valid checkpoint|could not locate required checkpoint/,
    'the journal that the backup begins with is missing or damaged',
  ],
  [/No space left on device/, 'the disk of the new data folder is full'],
]

/**
 * Runs recovery in a copied data folder to its end, and stops the server again. The server takes no connections of
 * others meanwhile but on the loopback address, and archives nothing.
 * @param journal folders of segments; the archive first
 * @throws MizanError RESTORE_FAILED with what the server's log means
 */
export async function recover(
  { cluster, sizes }: RecoveryCluster,
  journal: readonly string[],
  target: RecoveryTarget,
): Promise<void> {
  writeFileSync(path.join(cluster.data, 'recovery.signal'), '', { mode: 0o600 })
  giveTo(cluster, path.join(cluster.data, 'recovery.signal'))
  const settings = {
    ...quietSettings(cluster),
    restore_command: restoreCommand(journal),
    recovery_target_action: 'promote',
    ...targetSettings(target),
  }
  try {
    await startServer(cluster, 0, false, { ...sizes, settings }, RECOVERY_TIMEOUT_MS)
  } catch (cause) {
    const text = describeError(cause)
    const known = explanations.find(([pattern]) => pattern.test(text))
    const said = /(?:FATAL|PANIC):\s+([^|]*)/.exec(text)?.[1]?.trim() ?? text
    throw new MizanError('RESTORE_FAILED', known === undefined ? text : `${known[1]} (the server: ${said})`, { cause })
  }
  await stop(cluster)
}

/** Starts the recovered server for looking at it: loopback only, archiving nothing. */
export function startRecovered({ cluster, sizes }: RecoveryCluster): Promise<RunningServer> {
  return startServer(cluster, 0, false, { ...sizes, settings: quietSettings(cluster) }, START_TIMEOUT_MS)
}

/** @throws MizanError RESTORE_FAILED when it does not stop */
export async function stop(cluster: Cluster): Promise<void> {
  if (await stopServer(cluster.data, 'fast', STOP_TIMEOUT_MS)) return
  throw new MizanError('RESTORE_FAILED', `the restored server does not stop; its log is ${cluster.serverLog}`)
}

/**
 * Gives the superuser of a stopped cluster a new password, making him if another program made the cluster: the password
 * of the server that was backed up is not in the backup.
 */
export async function setPassword(cluster: Cluster): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const sql =
    `do $$ begin if not exists (select from pg_roles where rolname = '${SUPERUSER}') then create role ${SUPERUSER}; end if; end $$;\n` +
    `alter role ${SUPERUSER} superuser login password '${password}';\n`
  // Each statement of single-user mode ends with its line.
  await singleUser(cluster, sql)
  writeFileSync(path.join(cluster.root, 'password'), `${password}\n`, { mode: 0o600 })
  return password
}

/** Files that a server of a package keeps outside its data folder, and the embedded one in it. */
export function completeFiles(cluster: Cluster): void {
  const files = {
    'postgresql.conf': '',
    'pg_hba.conf': LOOPBACK_WITH_PASSWORD,
    'pg_ident.conf': '',
  }
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(cluster.data, name)
    if (!existsSync(file)) writeFileSync(file, text, { mode: 0o600 })
  }
}

/** Gives copied files to the server's user. */
export function giveTree(cluster: Cluster): void {
  const { uid, gid } = cluster.user
  if (uid === undefined || gid === undefined) return
  lchownSync(cluster.data, uid, gid)
  for (const entry of readdirSync(cluster.data, { recursive: true, withFileTypes: true })) {
    lchownSync(path.join(entry.parentPath, entry.name), uid, gid)
  }
}

/** Place where recovery left the archived journal, from the history of the timeline that it began. */
export function recoveredUpTo(cluster: Cluster): { readonly timeline: number; readonly lsn: bigint } | undefined {
  const folder = path.join(cluster.data, 'pg_wal')
  let newest: { timeline: number; lsn: bigint } | undefined
  for (const name of readdirSync(folder)) {
    const timeline = parseHistoryName(name)
    if (timeline === undefined || (newest !== undefined && newest.timeline > timeline)) continue
    const last = parseHistory(readFileSync(path.join(folder, name), 'utf8')).at(-1)
    if (last !== undefined) newest = { timeline, lsn: last.lsn }
  }
  return newest
}

const LOOPBACK_WITH_PASSWORD = 'host all all 127.0.0.1/32 scram-sha-256\n'

/** What a server on the way must not do, whatever its copied configuration says. */
function quietSettings(cluster: Cluster): Record<string, string> {
  const hba = path.join(cluster.root, 'restore-hba.conf')
  writeFileSync(hba, LOOPBACK_WITH_PASSWORD, { mode: 0o644 })
  return {
    archive_mode: 'off',
    hot_standby: 'off',
    shared_preload_libraries: '',
    ssl: 'off',
    hba_file: hba,
    primary_conninfo: '',
    synchronous_standby_names: '',
  }
}

function targetSettings(target: RecoveryTarget): Record<string, string> {
  switch (target.kind) {
    case 'latest':
      return {}
    case 'backup-end':
      return { recovery_target: 'immediate' }
    case 'time':
      // The letter Z is not understood there.
      return { recovery_target_time: target.at.replace('T', ' ').replace('Z', '+00') }
    case 'transaction':
      return { recovery_target_xid: target.id }
  }
}

/** `%f` and `%p` are the server's; a percent sign of a folder is doubled. */
function restoreCommand(folders: readonly string[]): string {
  const quoted = (folder: string) => `'${folder.replaceAll('%', '%%').replaceAll("'", `'\\''`)}'`
  return folders.map((folder) => `cp ${quoted(folder)}/"%f" "%p" 2>/dev/null`).join(' || ')
}

function giveTo({ user }: Cluster, file: string): void {
  if (user.uid !== undefined && user.gid !== undefined) chownSync(file, user.uid, user.gid)
}

/** Runs statements in a server that nobody can connect to. */
function singleUser({ binaries, data, user }: Cluster, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new MizanError('RESTORE_FAILED', `the password cannot be set: ${why}`))
    const options = ['--single', '-D', data, '-c', 'shared_preload_libraries=', '-c', 'archive_mode=off', 'postgres']
    const child = spawn(binaries.postgres, options, { ...user.spawnOptions, stdio: ['pipe', 'ignore', 'pipe'] })
    let output = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-2_000)
    })
    child.on('error', (error) => fail(error.message))
    child.on('close', (code) => {
      if (code === 0 && !/ERROR|FATAL/.test(output)) resolve()
      // What was typed is the password: the log of the server is told without it.
      else fail(`exit status ${code}: ${output.replaceAll(/password '[^']*'/g, 'password')}`)
    })
    child.stdin.end(sql)
  })
}

/** Removes what only the restore needed. */
export function clearAway(cluster: Cluster): void {
  rmSync(path.join(cluster.root, 'restore-hba.conf'), { force: true })
}
