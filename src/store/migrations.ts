import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { describeError, MizanError } from '../errors.ts'
import { isOvertaken } from './connection.ts'

const SQL_FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../schemas/sql')
/** Any number will do as long as no other program uses it in this database: "mizan" on a telephone keypad. */
const LOCK_KEY = 64926
/** A commit that comes after a migration's wish for a lock waits behind it: so long at most. */
const LOCK_WAIT_MS = 300
const LOCK_TRIES = 60
const LOCK_PAUSE_MS = 1_000
/** What one statement of a migration may hold a table for while a switch answers. */
const STATEMENT_BESIDE_TRAFFIC_MS = 5_000

/** A migration as its file states it. */
export interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
  /**
   * The number of the last migration that an older program must know to go on beside this one, from the line
   * `-- compatible-with: N` of the file; without that line its own: no older program goes on.
   */
  readonly compatibleWith: number
}

/** A database's schema against what this version knows. */
export interface SchemaState {
  /** Not applied yet, in order; `compatible` = the version that runs now may go on with it. */
  readonly pending: readonly { readonly name: string; readonly compatible: boolean }[]
  /** Applied by a newer version, and stated to go with this one. */
  readonly ahead: readonly string[]
}

interface AppliedRow {
  readonly name: string
  readonly checksum: string
  readonly compatible_with: number
}

/** How migrations are applied; the defaults are right but for tests. */
export interface MigrateOptions {
  readonly migrations?: readonly Migration[]
  /** Told when a table is in use and the migration waits for another try. */
  readonly onRetry?: (name: string, attempt: number) => void
}

/** Reads the numbered, forward-only migrations in order. */
export function readMigrations(folder = SQL_FOLDER): Migration[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => migrationOf(file.replace(/\.sql$/, ''), readFileSync(path.join(folder, file), 'utf8')))
}

/**
 * A migration from its name, which begins with its number, and its text.
 * @throws MizanError STORE_MIGRATION_FAILED when it states something that cannot be
 */
export function migrationOf(name: string, sql: string): Migration {
  const stated = /^-- compatible-with:(.*)$/m.exec(sql)?.[1]?.trim()
  if (stated !== undefined && (!/^\d{1,4}$/.test(stated) || Number(stated) >= numberOf(name))) {
    throw new MizanError(
      'STORE_MIGRATION_FAILED',
      `${name} says compatible-with: ${stated}; it is the number of an earlier migration`,
    )
  }
  const compatibleWith = stated === undefined ? numberOf(name) : Number(stated)
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex'), compatibleWith }
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}

/**
 * Released migrations (name to checksum, schemas/sql/released.json) that are gone or no longer as they were: databases
 * have applied them, so that only a new migration can change what they did.
 */
export function changedSince(released: Readonly<Record<string, string>>, migrations: readonly Migration[]): string[] {
  const now = new Map(migrations.map(({ name, checksum }) => [name, checksum]))
  return Object.keys(released).filter((name) => now.get(name) !== released[name])
}

/**
 * Applies what is missing, each migration in its own transaction, under an advisory lock so that two starting programs
 * do not collide. Beside a switch that writes, only migrations are applied that go with it, and none keeps it waiting
 * long. A migration that was changed after it was applied is refused.
 * @returns names of the migrations applied now
 * @throws MizanError STORE_MIGRATION_FAILED, STORE_SCHEMA_MISMATCH
 */
export async function migrate(client: Client, options: MigrateOptions = {}): Promise<string[]> {
  const { migrations = readMigrations(), onRetry = () => undefined } = options
  await client.query('select pg_advisory_lock($1)', [LOCK_KEY])
  try {
    await client.query(`create table if not exists schema_migration (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`)
    const applied = await readApplied(client)
    const { pending } = compare(applied, migrations)
    const hasWriters = pending.length > 0 && applied.length > 0 && (await countWriters(client)) > 0
    if (hasWriters) refuseIncompatible(pending)
    const names = new Set(pending.map(({ name }) => name))
    if (names.size > 0)
      await client.query('alter table schema_migration add column if not exists compatible_with integer')
    for (const migration of migrations) {
      if (names.has(migration.name)) await apply(client, migration, hasWriters, onRetry)
    }
    return [...names]
  } finally {
    await client.query('select pg_advisory_unlock($1)', [LOCK_KEY])
  }
}

/**
 * Looks at a database's schema; changes nothing. A database without any schema lacks all migrations.
 * @throws MizanError STORE_SCHEMA_MISMATCH when this version cannot work on it, now or after migrating
 */
export async function readSchemaState(
  client: Client,
  migrations: readonly Migration[] = readMigrations(),
): Promise<SchemaState> {
  const { rows } = await client.query<{ there: boolean }>("select to_regclass('schema_migration') is not null as there")
  return compare(rows[0]?.there === true ? await readApplied(client) : [], migrations)
}

/** Connections of lanes' writers to this database: those of a version that went by the schema as it is. */
export async function countWriters(client: Client): Promise<number> {
  const { rows } = await client.query<{ writers: number }>(
    `select count(*)::int as writers from pg_stat_activity
     where datname = current_database() and application_name ~ '^mizan lane [0-9]+$'`,
  )
  return rows[0]?.writers ?? 0
}

async function readApplied(client: Client): Promise<AppliedRow[]> {
  // The column came later than the table: without it, and without a word in it, no older program goes on.
  const { rows } = await client.query<AppliedRow>(`select name, checksum,
    coalesce((to_jsonb(m) ->> 'compatible_with')::integer, split_part(name, '-', 1)::integer) as compatible_with
    from schema_migration m`)
  return rows
}

function compare(applied: readonly AppliedRow[], migrations: readonly Migration[]): SchemaState {
  const known = new Map(migrations.map((migration) => [migration.name, migration.checksum]))
  const newestKnown = Math.max(0, ...migrations.map(({ name }) => numberOf(name)))
  const ahead: string[] = []
  for (const { name, checksum, compatible_with: needs } of applied) {
    const expected = known.get(name)
    if (expected === undefined) {
      if (needs > newestKnown) throw tooNew(name, needs, newestKnown)
      ahead.push(name)
    } else if (expected !== checksum) {
      throw new MizanError('STORE_SCHEMA_MISMATCH', `migration ${name} was changed after it was applied`)
    }
  }
  const names = new Set(applied.map(({ name }) => name))
  const level = Math.max(0, ...applied.map(({ name }) => numberOf(name)))
  const pending = migrations
    .filter(({ name }) => !names.has(name))
    .map(({ name, compatibleWith }) => ({ name, compatible: compatibleWith <= level }))
  return { pending, ahead: ahead.sort() }
}

function tooNew(name: string, needs: number, newestKnown: number): MizanError {
  return new MizanError(
    'STORE_SCHEMA_MISMATCH',
    `it has migration ${name}, which this version does not know and cannot work with: it takes one that knows migration ${needs}, and this one knows up to ${newestKnown}; run the newer version`,
  )
}

function refuseIncompatible(pending: SchemaState['pending']): void {
  const cannot = pending.filter(({ compatible }) => !compatible).map(({ name }) => name)
  if (cannot.length === 0) return
  throw new MizanError(
    'STORE_SCHEMA_MISMATCH',
    `a switch of an older version writes this database, and does not go with ${cannot.join(', ')}: stop every older process first, then start this version (docs/operations.md, Upgrades)`,
  )
}

async function apply(
  client: Client,
  migration: Migration,
  hasWriters: boolean,
  onRetry: NonNullable<MigrateOptions['onRetry']>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await applyOnce(client, migration, hasWriters)
      return
    } catch (cause) {
      await client.query('rollback').catch(() => undefined)
      const { code } = cause as { code?: string }
      // A table in use, or two that wait for each other: what holds it is let go on first.
      if (!isOvertaken(code ?? '') || attempt === LOCK_TRIES) {
        throw new MizanError('STORE_MIGRATION_FAILED', `${migration.name}: ${wayOut(code)}${describeError(cause)}`, {
          cause,
        })
      }
      onRetry(migration.name, attempt)
      await sleep(LOCK_PAUSE_MS)
    }
  }
}

async function applyOnce(
  client: Client,
  { name, sql, checksum, compatibleWith }: Migration,
  hasWriters: boolean,
): Promise<void> {
  await client.query('begin')
  if (hasWriters) {
    await client.query(`set local lock_timeout = '${LOCK_WAIT_MS}ms'`)
    await client.query(`set local statement_timeout = '${STATEMENT_BESIDE_TRAFFIC_MS}ms'`)
  }
  await client.query(sql)
  await client.query('insert into schema_migration (name, checksum, compatible_with) values ($1, $2, $3)', [
    name,
    checksum,
    compatibleWith,
  ])
  await client.query('commit')
}

function wayOut(code: string | undefined): string {
  if (code === '55P03') return 'a transaction holds a table that it changes; end it and try again: '
  if (code === '57014') return 'it takes too long beside a switch that answers; stop the switch and apply it then: '
  return ''
}
