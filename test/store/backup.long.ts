import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { backupJob } from '../../src/jobs/backup-job.ts'
import { checkFiles, compareHeads, readBackupState } from '../../src/store/backup/backup-check.ts'
import { type BackupManifest, backupFolder, listBackups } from '../../src/store/backup/backup-folder.ts'
import { runBackup } from '../../src/store/backup/base-backup.ts'
import { restoreBackup } from '../../src/store/backup/restore.ts'
import { connect } from '../../src/store/connection.ts'
import { openDatabase } from '../../src/store/database-location.ts'
import { findEmbeddedPostgres } from '../../src/store/embedded-postgres.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import type { LanePosition } from '../../src/store/lane-journal.ts'
import { LaneStore } from '../../src/store/lane-store.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { batchAfter, ended } from '../support/batches.ts'

// Not mkdtemp: its folder is closed to the user that the server runs as when the tests run as root.
const root = path.join(os.tmpdir(), `mizan-backup-${process.pid}`)
mkdirSync(root)
const varDir = path.join(root, 'var')
const folder = path.join(root, 'backup')
const sizes = { sharedBuffersMb: 32, maxWalSizeMb: 128 }
const location = {
  varDir,
  database: { embedded: { port: 0, ...sizes } },
  backup: { folder, archiveTimeoutSeconds: 60 },
}
const database = await openDatabase(location)
t.teardown(async () => {
  await database.close()
  await (await findEmbeddedPostgres({ dataDir: varDir }))?.stop('immediate')
  rmSync(root, { recursive: true, force: true })
})
await prepareDatabase(database.url, 1)
const client = await connect({ url: database.url, name: 'test' })
const store = new LaneStore({ url: database.url, lane: 0, commitTimeoutMs: 10_000 })
t.teardown(async () => {
  await store.close()
  await client.end()
})
let position = (await store.take()) as LanePosition

/** Commits a batch; a test fails when the lane does not take it. */
async function post(): Promise<number> {
  const batch = batchAfter(position)
  const outcome = await ended(store.commit(batch, position.lastHash))
  if (outcome.kind !== 'committed') throw new Error(`batch ${batch.seq} is ${outcome.kind}`)
  position = { ...position, lastSeq: batch.seq, nextId: batch.nextId, lastHash: outcome.hash }
  return batch.seq
}

const request = { url: database.url, folder, bytesPerSecond: 0, checkpoint: 'fast', archiveWaitMs: 30_000 } as const
let manifest: BackupManifest

t.test('a base backup is made while batches are committed', async (t) => {
  let going = true
  let posted = 0
  const traffic = (async () => {
    for (; going; posted++) {
      await post()
      await sleep(2)
    }
  })()
  const steps: string[] = []
  manifest = await runBackup({ ...request, onLog: (line) => steps.push(line) })
  going = false
  await traffic
  t.ok(posted > 5, `${posted} batches meanwhile`)
  t.match(steps.join(), /checkpoint.*copying \d+ files.*archive/)
  t.match(listBackups(backupFolder(folder)), [{ name: manifest.name, problem: undefined }])
  t.same(await checkFiles(folder, path.join(folder, 'base', manifest.name), manifest), [])
  const names = new Set(manifest.files.map(([name]) => name))
  t.ok(names.has('global/pg_control'))
  t.notOk(names.has('postmaster.pid'))
  const [most] = manifest.headsAtMost
  t.ok((most?.lastSeq ?? 0) >= (manifest.headsAtLeast[0]?.lastSeq ?? Number.NaN))
  t.match(await readBackupState(client, { folder, maxAgeHours: 1 }, Date.now()), {
    problems: [],
    archive: { on: true },
  })
  const late = await readBackupState(client, { folder, maxAgeHours: 1 }, Date.now() + 7_200_000)
  t.match(late.problems, [/2 hours old/])
})

t.test(
  'a copy as of a moment between two batches is whole up to the first, and has nothing of the second',
  async (t) => {
    const last = await post()
    const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
    await sleep(5)
    await post()
    const to = path.join(root, 'restored')
    const restored = await restoreBackup({
      folder,
      to,
      goal: { kind: 'time', at: (rows[0]?.now ?? new Date()).toISOString() },
      moreJournal: [path.join(database.embedded?.clusterDir ?? '', 'pg_wal')],
      acceptGap: false,
      sizes,
    })
    const copy = await connect({ url: restored.url, name: 'test' })
    try {
      t.same(await compareHeads(copy, manifest.headsAtLeast, client), [
        { lane: 0, lastSeq: last, holdsBackup: true, live: { lastSeq: last + 1, isBeginning: true } },
      ])
      t.equal((await copy.query('select from batch where seq > $1', [last])).rowCount, 0)
      const checks = await verifyLedger(restored.url)
      for (const { name, ok, detail } of checks) t.ok(ok, `${name}: ${detail}`)
      t.match((await copy.query('show archive_mode')).rows, [{ archive_mode: 'off' }], 'looking at it archives nothing')
    } finally {
      await copy.end()
      await restored.close()
    }
    t.notOk(existsSync(path.join(to, 'postgres', 'data', 'postmaster.pid')))
    t.match(JSON.parse(readFileSync(path.join(to, 'restored.json'), 'utf8')), { backup: manifest.name })

    const next = await openDatabase({ ...location, varDir: to })
    try {
      const lane = new LaneStore({ url: next.url, lane: 0, commitTimeoutMs: 10_000 })
      const taken = (await lane.take()) as LanePosition
      t.equal(taken.lastSeq, last)
      t.equal(
        (await ended(lane.commit(batchAfter(taken), taken.lastHash))).kind,
        'committed',
        'a switch can go on with the copy',
      )
      await lane.close()
    } finally {
      await next.close()
    }
    await t.rejects(restoreBackup({ folder, to, goal: { kind: 'latest' }, moreJournal: [], acceptGap: false, sizes }), {
      code: 'RESTORE_FAILED',
      message: /is not empty/,
    })
  },
)

t.test('a scheduled backup that is stopped ends, and keeps nobody from the folder', async (t) => {
  const masterKey = { checkValue: '00', custody: 'a test' }
  const job = backupJob({ url: database.url, folder, cron: '0 3 * * *', keep: 1, bytesPerSecond: 1, masterKey })
  const stop = new AbortController()
  const run = job.run(stop.signal)
  const { lock } = backupFolder(folder)
  for (let tries = 0; !existsSync(lock) && tries < 1_000; tries++) await sleep(10)
  stop.abort()
  await t.rejects(run, { code: 'BACKUP_FAILED', message: /stopped before it was whole/ })
  t.notOk(existsSync(lock))
  t.match(listBackups(backupFolder(folder)), [{ name: manifest.name }])
})

t.test('an archive that cannot be written is told, and commits go on; nothing half made stays', async (t) => {
  const { wal, base } = backupFolder(folder)
  chmodSync(wal, 0o500)
  await post()
  await client.query('select pg_switch_wal()')
  const state = async () => readBackupState(client, { folder, maxAgeHours: 1 }, Date.now())
  for (let tries = 0; !(await state()).archive.failing && tries < 100; tries++) await sleep(100)
  t.match((await state()).problems, [/archiving of 00000001-.* fails/])
  await t.rejects(runBackup(request), { code: 'BACKUP_FAILED', message: /archiving of 00000001-.* fails/ })
  t.same(
    readdirSync(base).filter((name) => !name.startsWith('unfinished-')),
    [manifest.name],
  )
  t.ok((await post()) > 0)
  chmodSync(wal, 0o700)
})

t.test('damage is found before it is relied on', async (t) => {
  const name = manifest.files.find(([file]) => file.startsWith('base/'))?.[0] ?? ''
  const backup = path.join(folder, 'base', manifest.name)
  writeFileSync(path.join(backup, 'data', name), 'something else')
  t.match(await checkFiles(folder, backup, manifest), [`file ${name} is damaged or gone`])
  const to = path.join(root, 'damaged')
  await t.rejects(restoreBackup({ folder, to, goal: { kind: 'latest' }, moreJournal: [], acceptGap: false, sizes }), {
    code: 'RESTORE_FAILED',
    message: new RegExp(`1 files of backup .* are damaged or gone \\(${name}\\)`),
  })
  t.same(readdirSync(to), [], 'nothing is left')
  const inside = path.join(database.embedded?.clusterDir ?? '', 'backup')
  await t.rejects(runBackup({ ...request, folder: inside }), { code: 'BACKUP_FAILED', message: /server's own folder/ })
})
