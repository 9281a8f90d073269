import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'
import type { Role } from './access-users.ts'
import { refusalOf } from './connection.ts'

/** A key by which a program may call the API; its secret is nowhere. */
export interface AccessKey {
  readonly id: string
  readonly label: string
  readonly roles: readonly Role[]
  /** Networks in CIDR notation; none = from anywhere. */
  readonly networks: readonly string[]
  readonly createdAtMs: number
  readonly createdBy: string
  readonly expiresAtMs: number
  readonly usedAtMs: number | undefined
  readonly revokedAtMs: number | undefined
}

/** A key to be made. */
export interface NewAccessKey {
  readonly id: string
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer
  readonly label: string
  readonly roles: readonly Role[]
  readonly networks: readonly string[]
  /** The person who answers for it. */
  readonly createdBy: string
  readonly days: number
}

/** What the use of a key is checked against. */
export interface KeyRecord {
  readonly secretHash: Buffer
  readonly roles: readonly Role[]
  readonly createdBy: string
  /** Whether it holds and comes from where it may. */
  readonly isGood: boolean
}

interface KeyRow {
  readonly id: string
  readonly label: string
  readonly roles: Role[]
  readonly networks: string[]
  readonly created_at: Date
  readonly created_by: string
  readonly expires_at: Date
  readonly used_at: Date | null
  readonly revoked_at: Date | null
}

const KEYS_MAX = 10_000
const USE_STEP_S = 60
const INVALID_TEXT = '22P02'

/** All keys, revoked ones too, the newest first. */
export async function listAccessKeys(client: Queryable): Promise<AccessKey[]> {
  const { rows } = await client.query<KeyRow>(
    `select id, label, roles, networks::text[] as networks, created_at, created_by, expires_at, used_at, revoked_at
     from access_key order by created_at desc, id limit $1`,
    [KEYS_MAX],
  )
  return rows.map((row) => ({
    id: row.id,
    label: row.label,
    roles: row.roles,
    networks: row.networks,
    createdAtMs: row.created_at.getTime(),
    createdBy: row.created_by,
    expiresAtMs: row.expires_at.getTime(),
    usedAtMs: row.used_at?.getTime(),
    revokedAtMs: row.revoked_at?.getTime(),
  }))
}

/** Adds a key. @returns when it expires @throws MizanError BAD_INPUT for a network that is none */
export async function addAccessKey(client: Queryable, key: NewAccessKey): Promise<number> {
  try {
    const { rows } = await client.query<{ expires_at: Date }>(
      `insert into access_key (id, secret_hash, label, roles, networks, created_by, expires_at)
       values ($1, $2, $3, $4, $5::cidr[], $6, now() + $7 * interval '1 day') returning expires_at`,
      [key.id, key.secretHash, key.label, key.roles, key.networks, key.createdBy, key.days],
    )
    return rows[0]?.expires_at.getTime() ?? 0
  } catch (cause) {
    if (refusalOf(cause)?.code !== INVALID_TEXT) throw cause
    throw new MizanError('BAD_INPUT', 'a network is written as 10.1.0.0/16 or 2001:db8::/32, no bits behind the mask', {
      cause,
    })
  }
}

/** Revokes a key for good. @throws MizanError NOT_FOUND when there is none, or not any more */
export async function revokeAccessKey(client: Queryable, id: string, by: string): Promise<void> {
  const { rowCount } = await client.query(
    'update access_key set revoked_at = now(), revoked_by = $2 where id = $1 and revoked_at is null',
    [id, by],
  )
  if (rowCount !== 1) throw new MizanError('NOT_FOUND', 'there is no such key, or not any more')
}

/**
 * What the use of a key is checked against; it ends with the person who answers for it.
 * @param source address of the caller
 */
export async function readAccessKey(client: Queryable, id: string, source: string): Promise<KeyRecord | undefined> {
  const { rows } = await client.query<{
    secret_hash: Buffer
    roles: Role[]
    created_by: string
    is_good: boolean
  }>(
    `select k.secret_hash, k.roles, k.created_by,
            k.revoked_at is null and k.expires_at > now() and u.disabled_at is null
              and (k.networks = '{}' or $2::inet <<= any (k.networks)) as is_good
     from access_key k join access_user u on u.name = k.created_by where k.id = $1`,
    [id, source],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return { secretHash: row.secret_hash, roles: row.roles, createdBy: row.created_by, isGood: row.is_good }
}

/** Notes that a key is used, once a minute at most. */
export async function noteKeyUse(client: Queryable, id: string): Promise<void> {
  await client.query(
    `update access_key set used_at = now()
     where id = $1 and (used_at is null or used_at < now() - $2 * interval '1 second')`,
    [id, USE_STEP_S],
  )
}
