import { readFileSync, writeFileSync } from 'node:fs'
import { changedSince, readMigrations } from '../src/store/migrations.ts'

/**
 * Part of making a release: writes the checksums of all migrations into schemas/sql/released.json. From then on a test
 * holds each file to its checksum: what a database has applied is changed by a new migration only.
 */
const file = new URL('../schemas/sql/released.json', import.meta.url)
const released = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
const migrations = readMigrations()
const changed = changedSince(released, migrations)
if (changed.length > 0) {
  console.error(
    `released before, and changed or gone since: ${changed.join(', ')}; undo that and write a new migration`,
  )
  process.exitCode = 1
} else {
  const all = Object.fromEntries(migrations.map(({ name, checksum }) => [name, checksum]))
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  console.log(`${migrations.length} migrations are released`)
}
