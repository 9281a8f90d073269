import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { describeError, MizanError } from '../errors.ts'

const SQL_FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../schemas/sql')
/** Any number will do as long as no other program uses it in this database: "mizan" on a telephone keypad. */
const LOCK_KEY = 64926

/** A migration as its file states it. */
export interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** Reads the numbered, forward-only migrations in order. */
export function readMigrations(folder = SQL_FOLDER): Migration[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const sql = readFileSync(path.join(folder, file), 'utf8')
      return { name: file.replace(/\.sql$/, ''), sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/**
 * Applies what is missing, each migration in its own transaction, under an advisory lock so that two starting programs
 * do not collide. A migration that was changed after it was applied is refused.
 * @returns names of the migrations applied now
 * @throws MizanError STORE_MIGRATION_FAILED, STORE_SCHEMA_MISMATCH
 */
export async function migrate(client: Client, migrations: readonly Migration[] = readMigrations()): Promise<string[]> {
  await client.query('select pg_advisory_lock($1)', [LOCK_KEY])
  try {
    await client.query(`create table if not exists schema_migration (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`)
    const { rows } = await client.query<{ name: string; checksum: string }>(
      'select name, checksum from schema_migration',
    )
    const applied = new Map(rows.map((row) => [row.name, row.checksum]))
    checkApplied(applied, migrations)
    const done: string[] = []
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue
      await apply(client, migration)
      done.push(migration.name)
    }
    return done
  } finally {
    await client.query('select pg_advisory_unlock($1)', [LOCK_KEY])
  }
}

/**
 * What {@link migrate} would apply; changes nothing. A database without any schema lacks all of them.
 * @throws MizanError STORE_SCHEMA_MISMATCH
 */
export async function missingMigrations(
  client: Client,
  migrations: readonly Migration[] = readMigrations(),
): Promise<string[]> {
  const { rows: found } = await client.query<{ there: boolean }>(
    "select to_regclass('schema_migration') is not null as there",
  )
  if (found[0]?.there !== true) return migrations.map(({ name }) => name)
  const { rows } = await client.query<{ name: string; checksum: string }>('select name, checksum from schema_migration')
  const applied = new Map(rows.map((row) => [row.name, row.checksum]))
  checkApplied(applied, migrations)
  return migrations.map(({ name }) => name).filter((name) => !applied.has(name))
}

function checkApplied(applied: ReadonlyMap<string, string>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map((migration) => [migration.name, migration.checksum]))
  for (const [name, checksum] of applied) {
    const expected = known.get(name)
    if (expected === undefined) {
      throw new MizanError('STORE_SCHEMA_MISMATCH', `it has migration ${name}, which this version does not know`)
    }
    if (expected !== checksum) {
      throw new MizanError('STORE_SCHEMA_MISMATCH', `migration ${name} was changed after it was applied`)
    }
  }
}

async function apply(client: Client, migration: Migration): Promise<void> {
  try {
    await client.query('begin')
    await client.query(migration.sql)
    await client.query('insert into schema_migration (name, checksum) values ($1, $2)', [
      migration.name,
      migration.checksum,
    ])
    await client.query('commit')
  } catch (cause) {
    await client.query('rollback').catch(() => undefined)
    throw new MizanError('STORE_MIGRATION_FAILED', `${migration.name}: ${describeError(cause)}`, { cause })
  }
}
