import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import { makeTrustedFolder, type PostgresBinaries, usableBinaries } from './binaries.ts'
import { chooseServerUser, type ServerUser } from './server-user.ts'

/** Name of the superuser that initdb makes. It has a password; no other way in is configured. */
export const SUPERUSER = 'mizan'

/** One PostgreSQL cluster on disk, ready to be started. */
export interface Cluster {
  /** Folder of the files below. Only PGDATA in it belongs to the server's user: root writes nowhere another may. */
  readonly root: string
  /** PGDATA. */
  readonly data: string
  readonly serverLog: string
  readonly password: string
  readonly user: ServerUser
  readonly binaries: PostgresBinaries
}

const INITDB_OUTPUT_MAX = 4_000

/**
 * Where a data folder keeps its cluster: `postgres/` in it, or the folder named by `postgres/moved-to`.
 * @throws MizanError DATABASE_START_FAILED when `moved-to` names a folder that is gone
 */
export function clusterRoot(dataDir: string): string {
  const home = path.join(dataDir, 'postgres')
  const pointer = path.join(home, 'moved-to')
  if (!existsSync(pointer)) return home
  const root = readFileSync(pointer, 'utf8').trim()
  if (existsSync(root)) return root
  throw new MizanError(
    'DATABASE_START_FAILED',
    `${pointer} says that the database lies in ${root}, which is gone; restore it, or remove ${pointer} to begin with an empty one`,
  )
}

/** Whether a data folder has a complete cluster. */
export function clusterExists(dataDir: string): boolean {
  return existsSync(path.join(clusterRoot(dataDir), 'data', 'PG_VERSION'))
}

/**
 * Makes the cluster of a data folder ready: chooses the server's user and runs initdb when there
 * is no data. The caller holds the lock of the data folder.
 *
 * As root the server runs as another user. When that user cannot enter the data folder (a checkout below a home of
 * mode 0700), the cluster is made in `relocationRoot` instead and `postgres/moved-to` names it. That place is
 * /var/lib/mizan and not the temporary folder, which systems empty: a ledger must outlive a restart.
 * @throws MizanError DATABASE_START_FAILED
 */
export async function prepareCluster(
  dataDir: string,
  relocationRoot: string,
  onLog: (line: string) => void,
): Promise<Cluster> {
  const { root, user, binaries } = placeCluster(dataDir, relocationRoot, onLog)
  const data = path.join(root, 'data')
  for (const name of readdirSync(root)) {
    if (name.startsWith('unfinished-')) rmSync(path.join(root, name), { recursive: true, force: true })
  }
  if (existsSync(path.join(data, 'PG_VERSION'))) {
    checkMajorVersion(data, binaries)
  } else {
    onLog(`making a PostgreSQL database in ${data}`)
    await initialise(root, user, binaries)
  }
  return { root, data, serverLog: path.join(root, 'server.log'), password: readPassword(root), user, binaries }
}

/**
 * Finds or makes the folder of a cluster, the server's user and its programs, without the cluster itself. The caller
 * holds the lock of the data folder.
 * @throws MizanError DATABASE_START_FAILED
 */
export function placeCluster(
  dataDir: string,
  relocationRoot: string,
  onLog: (line: string) => void,
): Pick<Cluster, 'root' | 'user' | 'binaries'> {
  const home = clusterRoot(dataDir)
  const user = chooseServerUser(path.join(home, 'data'))
  const binaries = usableBinaries(user, relocationRoot)
  makeRoot(home, user)
  if (canEnter(home, user)) return { root: home, user, binaries }
  const root = relocate(dataDir, home, relocationRoot, user)
  onLog(`the user ${user.name} cannot enter ${dataDir}; the database lies in ${root}`)
  return { root, user, binaries }
}

/**
 * Password of the superuser.
 * @throws MizanError DATABASE_START_FAILED when the file cannot be read
 */
export function readPassword(root: string): string {
  const file = path.join(root, 'password')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    const detail = `the password of the database cannot be read: ${describeError(error)}`
    throw new MizanError('DATABASE_START_FAILED', detail, { cause: error })
  }
}

function checkMajorVersion(data: string, binaries: PostgresBinaries): void {
  const made = readFileSync(path.join(data, 'PG_VERSION'), 'utf8').trim()
  const [major] = binaries.version.split('.')
  if (made === major) return
  throw new MizanError(
    'DATABASE_START_FAILED',
    `${data} was made by PostgreSQL ${made} and the binaries are PostgreSQL ${major}; move the data over with pg_upgrade, or set MIZAN_VAR to another folder`,
  )
}

function makeRoot(root: string, user: ServerUser): void {
  mkdirSync(root, { recursive: true })
  chmodSync(root, user.uid === undefined ? 0o700 : 0o711)
  // Data copied by root (a restored backup) belongs to root; the server refuses data that is not its user's.
  const data = path.join(root, 'data')
  if (user.uid !== undefined && user.gid !== undefined && existsSync(data) && statSync(data).uid === 0) {
    chownTree(data, user.uid, user.gid)
  }
}

function chownTree(folder: string, uid: number, gid: number): void {
  lchownSync(folder, uid, gid)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    lchownSync(path.join(entry.parentPath, entry.name), uid, gid)
  }
}

/** Whether the server’s user can enter a folder. */
export function canEnter(folder: string, user: ServerUser): boolean {
  if (user.uid === undefined) return true
  const run = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...user.spawnOptions })
  return run.status === 0
}

function relocate(dataDir: string, home: string, relocationRoot: string, user: ServerUser): string {
  if (existsSync(path.join(home, 'data', 'PG_VERSION'))) {
    throw new MizanError(
      'DATABASE_START_FAILED',
      `the user ${user.name}, to whom ${home} belongs, can no longer enter it: give search permission on its parent folders`,
    )
  }
  const root = path.join(relocationRoot, `database-${randomBytes(6).toString('hex')}`)
  try {
    makeTrustedFolder(relocationRoot)
    makeRoot(root, user)
    if (!canEnter(root, user)) throw new Error(`${user.name} cannot enter ${root} either`)
    writeFileSync(path.join(root, 'made-for'), `${realpathSync(dataDir)}\n`)
    writeFileSync(path.join(home, 'moved-to'), `${root}\n`)
    return root
  } catch (error) {
    throw new MizanError(
      'DATABASE_START_FAILED',
      `the user ${user.name} cannot enter ${dataDir}, and ${relocationRoot} cannot be used: ${describeError(error)}. ` +
        'Set MIZAN_VAR to a folder whose parents every user may enter, run as an ordinary user, or set DATABASE_URL',
      { cause: error },
    )
  }
}

/** initdb writes under another name, which becomes `data` only when all is there: a crash leaves nothing half made. */
async function initialise(root: string, user: ServerUser, binaries: PostgresBinaries): Promise<void> {
  const unfinished = path.join(root, `unfinished-${process.pid}`)
  const passwordForInitdb = `${unfinished}-password`
  const password = randomBytes(24).toString('base64url')
  writeFileSync(passwordForInitdb, `${password}\n`, { mode: 0o600 })
  mkdirSync(unfinished, { mode: 0o700 })
  if (user.uid !== undefined && user.gid !== undefined) {
    chownSync(passwordForInitdb, user.uid, user.gid)
    chownSync(unfinished, user.uid, user.gid)
  }
  try {
    await runInitdb(binaries.initdb, unfinished, passwordForInitdb, user)
    writeFileSync(path.join(root, 'password'), `${password}\n`, { mode: 0o600 })
    rmSync(path.join(root, 'data'), { recursive: true, force: true })
    renameSync(unfinished, path.join(root, 'data'))
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
    rmSync(passwordForInitdb, { force: true })
  }
}

function runInitdb(initdb: string, data: string, passwordFile: string, user: ServerUser): Promise<void> {
  const options = [
    `--pgdata=${data}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Order by code point whatever the host's libraries are, so that an index means the same on every machine.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (why: string) => reject(new MizanError('DATABASE_START_FAILED', `initdb failed: ${why}`))
    const child = spawn(initdb, options, { ...user.spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(-INITDB_OUTPUT_MAX)
      })
    }
    child.on('error', (error) => fail(error.message))
    child.on('close', (code, signal) => {
      if (code === 0) resolve()
      else fail(`${signal ?? `exit status ${code}`}: ${output.trim().split('\n').slice(-8).join(' | ')}`)
    })
  })
}
