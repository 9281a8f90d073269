import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'
import { type Client, refusalOf } from './connection.ts'

/** What somebody may do; src/api/access-matrix.ts says which routes each role opens. */
export const roles = ['enrolment', 'operator', 'settlement', 'analyst', 'auditor', 'admin'] as const

export type Role = (typeof roles)[number]

/** A person who may log in. */
export interface AccessUser {
  readonly name: string
  readonly roles: readonly Role[]
  /** The password was set by another person and has to be changed first. */
  readonly mustChange: boolean
  readonly createdAtMs: number
  readonly createdBy: string
  readonly lastLoginAtMs: number | undefined
  readonly lockedUntilMs: number | undefined
  readonly disabledAtMs: number | undefined
}

/** What a login is checked against. */
export interface LoginRecord {
  readonly name: string
  readonly passwordHash: string
  readonly roles: readonly Role[]
  readonly mustChange: boolean
  /** Wrong passwords since the last right one. */
  readonly failures: number
  readonly isLocked: boolean
}

interface UserRow {
  readonly name: string
  readonly roles: Role[]
  readonly must_change: boolean
  readonly created_at: Date
  readonly created_by: string
  readonly last_login_at: Date | null
  readonly locked_until: Date | null
  readonly disabled_at: Date | null
}

const USERS_MAX = 10_000
const namePattern = /^[a-z][a-z0-9._-]{1,31}$/
/** Wrong passwords that cost nothing. */
const FREE_FAILURES = 4
const LOCK_S = 30
const LOCK_MAX_S = 3_600
const columns = 'name, roles, must_change, created_at, created_by, last_login_at, locked_until, disabled_at'

/** Whether a text is the name of a role. */
export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text)
}

/** All users, disabled ones too, by name. */
export async function listUsers(client: Queryable): Promise<AccessUser[]> {
  const { rows } = await client.query<UserRow>(`select ${columns} from access_user order by name limit $1`, [USERS_MAX])
  return rows.map(userOf)
}

/** @throws MizanError NOT_FOUND */
export async function readUser(client: Queryable, name: string): Promise<AccessUser> {
  const { rows } = await client.query<UserRow>(`select ${columns} from access_user where name = $1`, [name])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'there is no user of this name')
  return userOf(row)
}

function userOf(row: UserRow): AccessUser {
  return {
    name: row.name,
    roles: row.roles,
    mustChange: row.must_change,
    createdAtMs: row.created_at.getTime(),
    createdBy: row.created_by,
    lastLoginAtMs: row.last_login_at?.getTime(),
    lockedUntilMs: row.locked_until?.getTime(),
    disabledAtMs: row.disabled_at?.getTime(),
  }
}

/**
 * Adds a user.
 * @param passwordHash as `hashSecret` makes it
 * @throws MizanError BAD_INPUT when it is not a name, or has been one's before; a role that does not exist
 */
export async function addUser(
  client: Queryable,
  user: { readonly name: string; readonly roles: readonly Role[]; readonly mustChange: boolean },
  passwordHash: string,
  createdBy: string,
): Promise<void> {
  if (!namePattern.test(user.name)) {
    const form = '2 to 32 lower-case letters, digits, dots, dashes or underscores, a letter first'
    throw new MizanError('BAD_INPUT', `the name of a user is ${form}`)
  }
  const { rowCount } = await client.query(
    `insert into access_user (name, password_hash, roles, must_change, created_by) values ($1, $2, $3, $4, $5)
     on conflict (name) do nothing`,
    [user.name, passwordHash, user.roles, user.mustChange, createdBy],
  )
  if (rowCount !== 1) throw new MizanError('BAD_INPUT', 'there is, or was, a user of this name')
}

/** Gives a user other roles; sessions that run keep up. @throws MizanError NOT_FOUND */
export async function setUserRoles(client: Queryable, name: string, wanted: readonly Role[]): Promise<void> {
  await changeOne(client, 'update access_user set roles = $2 where name = $1 and disabled_at is null', [name, wanted])
}

/**
 * Sets a password and ends the sessions of the user, except for one.
 * @param keep hash of the token of the session that stays
 * @throws MizanError NOT_FOUND
 */
export async function setPassword(
  client: Queryable,
  name: string,
  passwordHash: string,
  options: { readonly mustChange: boolean; readonly keep?: Buffer },
): Promise<void> {
  await changeOne(
    client,
    `update access_user set password_hash = $2, must_change = $3, password_at = now(), failures = 0, locked_until = null
     where name = $1 and disabled_at is null`,
    [name, passwordHash, options.mustChange],
  )
  await endSessionsOf(client, name, options.keep)
}

/** Disables a user for good and ends the sessions. @throws MizanError NOT_FOUND */
export async function disableUser(client: Queryable, name: string): Promise<void> {
  await changeOne(client, 'update access_user set disabled_at = now() where name = $1 and disabled_at is null', [name])
  await endSessionsOf(client, name)
}

async function changeOne(client: Queryable, sql: string, values: unknown[]): Promise<void> {
  const { rowCount } = await client.query(sql, values)
  if (rowCount !== 1) throw new MizanError('NOT_FOUND', 'there is no user of this name, or not any more')
}

async function endSessionsOf(client: Queryable, name: string, keep?: Buffer): Promise<void> {
  await client.query(
    `update access_session set ended_at = now()
     where user_name = $1 and ended_at is null and ($2::bytea is null or token_hash <> $2)`,
    [name, keep ?? null],
  )
}

/** What a login of this name is checked against; undefined when there is no such user, or not any more. */
export async function readLogin(client: Queryable, name: string): Promise<LoginRecord | undefined> {
  const { rows } = await client.query<{
    name: string
    password_hash: string
    roles: Role[]
    must_change: boolean
    failures: number
    is_locked: boolean
  }>(
    `select name, password_hash, roles, must_change, failures, coalesce(locked_until > now(), false) as is_locked
     from access_user where name = $1 and disabled_at is null`,
    [name],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return {
    name: row.name,
    passwordHash: row.password_hash,
    roles: row.roles,
    mustChange: row.must_change,
    failures: row.failures,
    isLocked: row.is_locked,
  }
}

/** Counts a wrong password; from the fifth on, the name is locked, for twice as long each time, an hour at most. */
export async function noteWrongPassword(client: Queryable, name: string): Promise<void> {
  await client.query(
    `update access_user set failures = failures + 1, locked_until = case when failures >= $2
       then now() + least($3 * power(2, least(failures - $2, 20)), $4) * interval '1 second' end
     where name = $1 and disabled_at is null`,
    [name, FREE_FAILURES, LOCK_S, LOCK_MAX_S],
  )
}

/** Notes a right password: wrong ones are forgotten. */
export async function noteLogin(client: Queryable, name: string): Promise<void> {
  await client.query(
    'update access_user set failures = 0, locked_until = null, last_login_at = now() where name = $1 and disabled_at is null',
    [name],
  )
}

/** Whether the database has what access needs: an older one is brought up to date by `mizan start`. */
export async function requireAccessTables(client: Client): Promise<void> {
  try {
    await client.query('select from access_user limit 1')
  } catch (cause) {
    if (refusalOf(cause)?.code !== '42P01') throw cause
    const detail = 'it has no users yet; mizan start brings a database up to date'
    throw new MizanError('STORE_SCHEMA_MISMATCH', detail, { cause })
  }
}
