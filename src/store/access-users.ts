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
  /** Who confirmed what access the user was given last; undefined until then. */
  readonly confirmedBy: string | undefined
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
  readonly confirmed_by: string | null
}

const USERS_MAX = 10_000
const namePattern = /^[a-z][a-z0-9._-]{1,31}$/
/** Wrong passwords that cost nothing. */
const FREE_FAILURES = 4
const LOCK_S = 30
const LOCK_MAX_S = 3_600
const columns =
  'name, roles, must_change, created_at, created_by, last_login_at, locked_until, disabled_at, confirmed_by'

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
    confirmedBy: row.confirmed_by ?? undefined,
  }
}

/**
 * Adds a user. What an administrator gives needs another one's confirmation, before the user may be one of two people who
 * agree to something: else one administrator could be both.
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
    `insert into access_user (name, password_hash, roles, must_change, created_by, access_by, confirmed_by)
     values ($1, $2, $3, $4, $5, $5, $6) on conflict (name) do nothing`,
    [user.name, passwordHash, user.roles, user.mustChange, createdBy, confirmedAtOnce(createdBy)],
  )
  if (rowCount !== 1) throw new MizanError('BAD_INPUT', 'there is, or was, a user of this name')
}

/** Whoever runs the machine could write into the database as well: nobody confirms that. */
function confirmedAtOnce(by: string): string | null {
  return by.startsWith('system:') ? by : null
}

/**
 * Gives a user other roles; sessions that run keep up. It needs confirmation as {@link addUser} does.
 * @throws MizanError NOT_FOUND
 */
export async function setUserRoles(
  client: Queryable,
  name: string,
  wanted: readonly Role[],
  by: string,
): Promise<void> {
  await changeOne(
    client,
    `update access_user set roles = $2, access_by = $3, confirmed_by = $4 where name = $1 and disabled_at is null`,
    [name, wanted, by, confirmedAtOnce(by)],
  )
}

/**
 * Confirms the access that somebody else gave a user.
 * @throws MizanError NOT_FOUND; CONFLICT when it is confirmed; FORBIDDEN for who gave it, and for who is not confirmed
 */
export async function confirmUser(client: Queryable, name: string, by: string): Promise<void> {
  const { rows } = await client.query<{ access_by: string; confirmed_by: string | null }>(
    'select access_by, confirmed_by from access_user where name = $1 and disabled_at is null for update',
    [name],
  )
  const [user] = rows
  if (user === undefined) throw new MizanError('NOT_FOUND', 'there is no user of this name, or not any more')
  if (user.confirmed_by !== null) throw new MizanError('CONFLICT', `the access of ${name} is confirmed already`)
  if (user.access_by === by) throw new MizanError('FORBIDDEN', 'another administrator than who gave it confirms it')
  await changeOne(client, 'update access_user set confirmed_by = $2 where name = $1', [name, by])
}

/**
 * Lets only those be one of two people whose access a second administrator confirmed.
 * @throws MizanError FORBIDDEN
 */
export async function requireConfirmed(client: Queryable, name: string): Promise<void> {
  const { rows } = await client.query<{ access_by: string }>(
    'select access_by from access_user where name = $1 and confirmed_by is null',
    [name],
  )
  const [user] = rows
  if (user === undefined) return
  const way = `another administrator confirms it (POST /users/${name}/confirm, mizan user confirm ${name})`
  throw new MizanError('FORBIDDEN', `${user.access_by} alone gave ${name} this access: ${way}`)
}

/**
 * Sets a password and ends the sessions of the user, except for one. What another person sets needs confirmation as
 * {@link addUser} does.
 * @param keep hash of the token of the session that stays
 * @param by who sets it; undefined for the user
 * @throws MizanError NOT_FOUND
 */
export async function setPassword(
  client: Queryable,
  name: string,
  passwordHash: string,
  options: { readonly mustChange: boolean; readonly keep?: Buffer; readonly by: string | undefined },
): Promise<void> {
  const { mustChange, by } = options
  await changeOne(
    client,
    `update access_user set password_hash = $2, must_change = $3, password_at = now(), failures = 0, locked_until = null,
       access_by = coalesce($4, access_by), confirmed_by = case when $4::text is null then confirmed_by else $5 end
     where name = $1 and disabled_at is null`,
    [name, passwordHash, mustChange, by ?? null, by === undefined ? null : confirmedAtOnce(by)],
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

/**
 * Takes a right password: wrong ones are forgotten.
 * @returns whether it counts: not when the name is disabled, or was locked while the password was compared
 */
export async function takeRightPassword(client: Queryable, name: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `update access_user set failures = 0, locked_until = null
     where name = $1 and disabled_at is null and coalesce(locked_until <= now(), true)`,
    [name],
  )
  return rowCount === 1
}

/** Notes when somebody logged in. */
export async function noteLogin(client: Queryable, name: string): Promise<void> {
  await client.query('update access_user set last_login_at = now() where name = $1 and disabled_at is null', [name])
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
