import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { inAuditedTransaction, type KeyAuthor } from './key-store.ts'

/** Somebody who may enter key components. */
export interface Custodian {
  readonly name: string
  readonly createdAtMs: number
  readonly disabledAtMs: number | undefined
}

const CUSTODIANS_MAX = 1_000
const namePattern = /^[a-z][a-z0-9._-]{1,31}$/

/** All custodians, disabled ones too, by name. */
export async function readCustodians(client: Client): Promise<Custodian[]> {
  const { rows } = await client.query<{ name: string; created_at: Date; disabled_at: Date | null }>(
    'select name, created_at, disabled_at from custodian order by name limit $1',
    [CUSTODIANS_MAX],
  )
  return rows.map((row) => ({
    name: row.name,
    createdAtMs: row.created_at.getTime(),
    disabledAtMs: row.disabled_at?.getTime(),
  }))
}

/** Hash of the secret of a custodian who is not disabled; undefined when there is none. */
export async function readSecretHash(client: Client, name: string): Promise<string | undefined> {
  const { rows } = await client.query<{ secret_hash: string }>(
    'select secret_hash from custodian where name = $1 and disabled_at is null',
    [name],
  )
  return rows[0]?.secret_hash
}

/**
 * Adds a custodian.
 * @param secretHash as `hashSecret` makes it
 * @throws MizanError BAD_INPUT when the name is taken, also by one who is disabled, or not a name
 */
export async function addCustodian(client: Client, name: string, secretHash: string, author: KeyAuthor): Promise<void> {
  if (!namePattern.test(name)) {
    const form = '2 to 32 lower-case letters, digits, dots, dashes or underscores, a letter first'
    throw new MizanError('BAD_INPUT', `the name of a custodian is ${form}`)
  }
  await inAuditedTransaction(client, author, async () => {
    const { rowCount } = await client.query(
      'insert into custodian (name, secret_hash) values ($1, $2) on conflict (name) do nothing',
      [name, secretHash],
    )
    if (rowCount !== 1) throw new MizanError('BAD_INPUT', `there is, or was, a custodian ${name}`)
  })
}

/** @throws MizanError NOT_FOUND when there is no such custodian, or not any more */
export async function disableCustodian(client: Client, name: string, author: KeyAuthor): Promise<void> {
  await inAuditedTransaction(client, author, async () => {
    const { rowCount } = await client.query(
      'update custodian set disabled_at = now() where name = $1 and disabled_at is null',
      [name],
    )
    if (rowCount !== 1) throw new MizanError('NOT_FOUND', `there is no custodian ${name}, or not any more`)
  })
}
