import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import { refusalOf } from '../connection.ts'

/** What a key or certificate for clearing files is for. */
export type ClearingKeyPurpose = 'sign' | 'encrypt'

/**
 * `active`: used; `retired`: nothing is made with it and no new file is taken under it, what is older still opens;
 * `revoked`: given up.
 */
export type ClearingKeyStatus = 'active' | 'retired' | 'revoked'

/** Our own keys; everybody else is an institution. */
export const OWN = 'own'

/** A key of ours, or a certificate of a partner, as it rests. */
export interface ClearingKey {
  readonly id: number
  readonly owner: string
  readonly purpose: ClearingKeyPurpose
  readonly version: number
  /** DER. */
  readonly certificate: Buffer
  readonly fingerprint: string
  readonly subject: string
  readonly validFromMs: number
  readonly validToMs: number
  /** Of ours. */
  readonly sealedKey: Buffer | undefined
  readonly status: ClearingKeyStatus
  readonly isDemo: boolean
  readonly createdAtMs: number
  readonly createdBy: string
}

export type NewClearingKey = Omit<ClearingKey, 'id' | 'version' | 'status' | 'createdAtMs'>

interface Row {
  readonly id: string
  readonly owner: string
  readonly purpose: ClearingKeyPurpose
  readonly version: number
  readonly certificate: Buffer
  readonly fingerprint: string
  readonly subject: string
  readonly valid_from: Date
  readonly valid_to: Date
  readonly sealed_key: Buffer | null
  readonly status: ClearingKeyStatus
  readonly is_demo: boolean
  readonly created_at: Date
  readonly created_by: string
}

const columns = `id, owner, purpose, version, certificate, fingerprint, subject, valid_from, valid_to, sealed_key, status,
  is_demo, created_at, created_by`
/** More than any installation has partners, over decades. */
const KEYS_MAX = 10_000

/** All keys, by owner, purpose and version. */
export async function readClearingKeys(client: Queryable): Promise<ClearingKey[]> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_key order by owner, purpose, version limit ${KEYS_MAX}`,
  )
  return rows.map(keyOf)
}

/**
 * Adds a key as the next version of its owner and purpose, active.
 * @throws MizanError CONFLICT when two are in use already, or the certificate is there
 */
export async function addClearingKey(client: Queryable, key: NewClearingKey): Promise<ClearingKey> {
  try {
    const { rows } = await client.query<Row>(
      `insert into clearing_key (owner, purpose, version, certificate, fingerprint, subject, valid_from, valid_to, sealed_key,
         is_demo, created_by)
       select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10
       from clearing_key where owner = $1 and purpose = $2
       returning ${columns}`,
      [
        key.owner,
        key.purpose,
        key.certificate,
        key.fingerprint,
        key.subject,
        new Date(key.validFromMs),
        new Date(key.validToMs),
        key.sealedKey ?? null,
        key.isDemo,
        key.createdBy,
      ],
    )
    return keyOf(rows[0] as Row)
  } catch (cause) {
    const constraint = refusalOf(cause)?.constraint
    if (constraint === 'clearing_key_two') {
      const detail = `two keys of ${key.owner} to ${key.purpose} are in use: mizan clearing keys retire ends the older`
      throw new MizanError('CONFLICT', detail, { cause })
    }
    if (constraint === 'clearing_key_fingerprint_key') {
      throw new MizanError('CONFLICT', 'this certificate is there already', { cause })
    }
    throw cause
  }
}

/** How a key stands. @throws MizanError NOT_FOUND */
export async function clearingKeyStatus(client: Queryable, id: number): Promise<ClearingKeyStatus> {
  const { rows } = await client.query<Pick<Row, 'status'>>('select status from clearing_key where id = $1', [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no key ${id}`)
  return row.status
}

/** Of these keys the ones that were given up. */
export async function revokedAmong(client: Queryable, ids: readonly number[]): Promise<number[]> {
  const { rows } = await client.query<Pick<Row, 'id'>>(
    "select id from clearing_key where id = any ($1) and status = 'revoked' order by id",
    [ids],
  )
  return rows.map(({ id }) => Number(id))
}

/**
 * Ends a key.
 * @throws MizanError NOT_FOUND; CONFLICT when its life does not go that way
 */
export async function endClearingKey(
  client: Queryable,
  id: number,
  status: Exclude<ClearingKeyStatus, 'active'>,
  by: string,
): Promise<void> {
  try {
    const { rowCount } = await client.query(
      `update clearing_key set status = $2, ended_at = clock_timestamp(), ended_by = $3 where id = $1`,
      [id, status, by],
    )
    if (rowCount === 0) throw new MizanError('NOT_FOUND', `there is no key ${id}`)
  } catch (cause) {
    if (refusalOf(cause)?.constraint !== 'clearing_key_life') throw cause
    throw new MizanError('CONFLICT', `a key that is ended does not become ${status}`, { cause })
  }
}

function keyOf(row: Row): ClearingKey {
  return {
    id: Number(row.id),
    owner: row.owner,
    purpose: row.purpose,
    version: row.version,
    certificate: row.certificate,
    fingerprint: row.fingerprint,
    subject: row.subject,
    validFromMs: row.valid_from.getTime(),
    validToMs: row.valid_to.getTime(),
    sealedKey: row.sealed_key ?? undefined,
    status: row.status,
    isDemo: row.is_demo,
    createdAtMs: row.created_at.getTime(),
    createdBy: row.created_by,
  }
}
