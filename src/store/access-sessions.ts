import type { Queryable } from './access-pool.ts'
import type { Role } from './access-users.ts'

/** Times after which a session ends by itself, in seconds. */
export interface SessionLimits {
  /** Without a request. */
  readonly idleS: number
  /** However busy it is. */
  readonly lifeS: number
}

/** A session that holds, and whose it is now. */
export interface OpenSession {
  readonly user: string
  readonly roles: readonly Role[]
  readonly mustChange: boolean
  readonly expiresAtMs: number
}

/** Seconds after which the use of a session is written down again: not each request is a row written. */
const USE_STEP_S = 30
const KEPT_DAYS = 7

/** Opens a session. @param tokenHash SHA-256 of its token @returns when it ends at the latest */
export async function openSession(
  client: Queryable,
  session: { readonly tokenHash: Buffer; readonly user: string; readonly source: string },
  limits: SessionLimits,
): Promise<number> {
  const { rows } = await client.query<{ expires_at: Date }>(
    `insert into access_session (token_hash, user_name, source, expires_at)
     values ($1, $2, $3, now() + $4 * interval '1 second') returning expires_at`,
    [session.tokenHash, session.user, session.source.slice(0, 64), limits.lifeS],
  )
  return rows[0]?.expires_at.getTime() ?? 0
}

/** Finds a session that holds, and notes that it is used; undefined when it has ended or never was. */
export async function useSession(
  client: Queryable,
  tokenHash: Buffer,
  limits: SessionLimits,
): Promise<OpenSession | undefined> {
  const { rows } = await client.query<{
    user_name: string
    roles: Role[]
    must_change: boolean
    expires_at: Date
    is_stale: boolean
  }>(
    `select s.user_name, u.roles, u.must_change, s.expires_at,
            s.used_at < now() - $3 * interval '1 second' as is_stale
     from access_session s join access_user u on u.name = s.user_name
     where s.token_hash = $1 and s.ended_at is null and s.expires_at > now() and u.disabled_at is null
       and s.used_at > now() - $2 * interval '1 second'`,
    [tokenHash, limits.idleS, Math.min(USE_STEP_S, limits.idleS / 10)],
  )
  const [row] = rows
  if (row === undefined) return undefined
  if (row.is_stale) await client.query('update access_session set used_at = now() where token_hash = $1', [tokenHash])
  return {
    user: row.user_name,
    roles: row.roles,
    mustChange: row.must_change,
    expiresAtMs: row.expires_at.getTime(),
  }
}

/** Ends a session. */
export async function endSession(client: Queryable, tokenHash: Buffer): Promise<void> {
  await client.query('update access_session set ended_at = now() where token_hash = $1 and ended_at is null', [
    tokenHash,
  ])
}

/** Removes sessions that ended a week ago: what was done in them is in the audit. */
export async function sweepSessions(client: Queryable): Promise<void> {
  await client.query(`delete from access_session where expires_at < now() - $1 * interval '1 day'`, [KEPT_DAYS])
}
