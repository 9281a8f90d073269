import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { MizanError } from '../../errors.ts'

/** Whom the server runs as. `uid` and `gid` are undefined when it is the user of this process. */
export interface ServerUser {
  readonly name: string
  readonly uid: number | undefined
  readonly gid: number | undefined
  /**
   * Options for child_process: identity, a folder that user can enter, and no PG* or locale variables of the caller.
   */
  readonly spawnOptions: {
    readonly uid?: number
    readonly gid?: number
    readonly cwd: string
    readonly env: Record<string, string>
  }
}

/**
 * Chooses the user of the server. PostgreSQL refuses to run as root, so root hands it to the owner of existing data,
 * else to `postgres`, created if need be, else to `nobody`.
 * @param existingData PGDATA of an earlier run, if there may be one
 * @throws MizanError DATABASE_START_FAILED when no such user can be had, or the data belongs to another user
 */
export function chooseServerUser(existingData: string): ServerUser {
  const owner = existsSync(existingData) ? statSync(existingData) : undefined
  const me = process.getuid?.()
  if (me !== 0) {
    if (owner !== undefined && owner.uid !== me) {
      throw new MizanError(
        'DATABASE_START_FAILED',
        `${existingData} belongs to another user (uid ${owner.uid}); run as that user, or set MIZAN_VAR to another data folder`,
      )
    }
    return describe('the current user', undefined, undefined)
  }
  if (owner !== undefined && owner.uid !== 0) return describe(`uid ${owner.uid}`, owner.uid, owner.gid)
  const found = lookUp('postgres') ?? createPostgresUser() ?? lookUp('nobody')
  if (found === undefined) {
    throw new MizanError(
      'DATABASE_START_FAILED',
      'PostgreSQL does not run as root, and there is neither a user postgres nor nobody. Run as an ordinary user, or set DATABASE_URL',
    )
  }
  return found
}

function describe(name: string, uid: number | undefined, gid: number | undefined): ServerUser {
  const identity = uid === undefined || gid === undefined ? {} : { uid, gid }
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
  return { name, uid, gid, spawnOptions: { ...identity, cwd: '/', env } }
}

function lookUp(name: string): ServerUser | undefined {
  const uid = idOf('-u', name)
  const gid = idOf('-g', name)
  return uid === undefined || gid === undefined || uid === 0 ? undefined : describe(name, uid, gid)
}

function idOf(flag: string, name: string): number | undefined {
  const run = spawnSync('id', [flag, name], { encoding: 'utf8' })
  return run.status === 0 && /^\d+$/.test(run.stdout.trim()) ? Number(run.stdout) : undefined
}

function createPostgresUser(): ServerUser | undefined {
  spawnSync('groupadd', ['--force', 'postgres'])
  spawnSync('useradd', ['--system', '--gid', 'postgres', '--shell', '/usr/sbin/nologin', 'postgres'])
  return lookUp('postgres')
}
