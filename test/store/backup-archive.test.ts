import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { backupCommand } from '../../src/commands/backup.ts'
import { type BackupManifest, backupFolder, listBackups, writeManifest } from '../../src/store/backup/backup-folder.ts'
import { pruneBackups } from '../../src/store/backup/prune.ts'
import { chooseBackup, type RestoreGoal } from '../../src/store/backup/restore-plan.ts'
import { followJournal } from '../../src/store/backup/wal-archive.ts'
import { parseHistory, parseLsn, parseSegment, segmentName } from '../../src/store/backup/wal-names.ts'
import { commandRunner } from '../support/command.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

const SEGMENT = 1024 * 1024
const head = (lastSeq: number) => [{ lane: 0, epoch: 1, lastSeq, lastHash: '00' }]

/** A backup that begins with a segment; its journal is made by the test. */
function manifest(name: string, firstSegment: number, changes: Partial<BackupManifest> = {}): BackupManifest {
  const segment = segmentName(1, BigInt(firstSegment), SEGMENT)
  return {
    format: 1,
    name,
    startedAt: '2026-11-18T08:59:00.000Z',
    endedAt: '2026-11-18T09:00:00.000Z',
    systemIdentifier: '7',
    serverVersion: 180_004,
    database: 'mizan',
    timeline: 1,
    segmentBytes: SEGMENT,
    startLsn: `0/${(firstSegment * SEGMENT + 40).toString(16)}`,
    stopLsn: `0/${(firstSegment * SEGMENT + 400).toString(16)}`,
    startSegment: segment,
    stopSegment: segment,
    headsAtLeast: head(5),
    headsAtMost: head(7),
    totalBytes: 0,
    files: [],
    ...changes,
  }
}

function folderWith(t: TeardownHost, manifests: readonly BackupManifest[], segments: readonly string[]) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'mizan-archive-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const folder = backupFolder(root)
  mkdirSync(folder.wal)
  for (const one of manifests) {
    mkdirSync(path.join(folder.base, one.name), { recursive: true })
    writeManifest(path.join(folder.base, one.name), one)
  }
  for (const name of segments) addSegment(folder.wal, name)
  return folder
}

function addSegment(wal: string, name: string, bytes = SEGMENT): void {
  writeFileSync(path.join(wal, name), '')
  // A hole: no disk is filled.
  truncateSync(path.join(wal, name), bytes)
}

const segments = (timeline: number, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => segmentName(timeline, BigInt(from + index), SEGMENT))

const latest: RestoreGoal = { kind: 'latest' }
const options = { goal: latest, moreJournal: [], acceptGap: false }

t.test('names of segments count as the server counts', async (t) => {
  t.equal(segmentName(1, 0x1_23n, 16 * SEGMENT), '000000010000000100000023')
  t.same(parseSegment('000000020000000A000000FF', 16 * SEGMENT), { timeline: 2, number: 0xaffn })
  t.equal(parseSegment('000000020000000A000000FF.backup', SEGMENT), undefined)
  t.equal(parseLsn('A/1000028'), 0xa_0100_0028n)
  t.throws(() => parseLsn('nowhere'), RangeError)
  t.same(parseHistory('1\t0/5000060\tbefore 2026-11-18\n\n# a remark\n2\t1/0\tno recovery target\n'), [
    { timeline: 1, lsn: 0x500_0060n },
    { timeline: 2, lsn: 0x1_0000_0000n },
  ])
})

t.test('a journal is followed to its end, to a gap, and over timelines', async (t) => {
  const start = manifest('one', 3)
  const folder = folderWith(t, [start], segments(1, 1, 8))
  const follow = () => followJournal([folder.wal], start)
  t.match(follow(), { segments: 6, lastSegment: segments(1, 8, 8)[0], missing: undefined, torn: [], isComplete: true })

  truncateSync(path.join(folder.wal, segments(1, 6, 6)[0] ?? ''), 100)
  t.match(follow(), { torn: segments(1, 6, 6) })
  rmSync(path.join(folder.wal, segments(1, 6, 6)[0] ?? ''))
  t.match(follow(), { segments: 3, missing: segments(1, 6, 6)[0], isComplete: true })
  const elsewhere = path.join(folder.root, 'pg_wal')
  mkdirSync(elsewhere)
  addSegment(elsewhere, segments(1, 6, 6)[0] ?? '')
  t.match(followJournal([folder.wal, elsewhere], start), { segments: 6, missing: undefined }, 'it is had elsewhere')

  // A copy left the first timeline in the middle of segment 7; segment 8 of the first is nothing to it any more.
  writeFileSync(path.join(folder.wal, '00000002.history'), `1\t0/${(7 * SEGMENT + 77).toString(16)}\tbefore\n`)
  for (const name of segments(2, 7, 9)) addSegment(folder.wal, name)
  addSegment(folder.wal, segments(1, 6, 6)[0] ?? '')
  t.match(follow(), { timeline: 2, segments: 7, lastSegment: segments(2, 9, 9)[0], missing: undefined })
  rmSync(path.join(folder.wal, segments(2, 7, 7)[0] ?? ''))
  t.match(follow(), { timeline: 2, missing: segments(2, 7, 7)[0] }, 'segment 7 of the first timeline does not stand in')
})

t.test('the newest backup is chosen from which a goal can be reached', async (t) => {
  const older = manifest('a', 1, { endedAt: '2026-11-17T09:00:00.000Z', headsAtLeast: head(2), headsAtMost: head(2) })
  const folder = folderWith(t, [older, manifest('b', 4)], segments(1, 1, 6))
  const choose = (goal: RestoreGoal) => chooseBackup(folder, { ...options, goal })
  t.equal(choose(latest).name, 'b')
  t.equal(choose({ kind: 'time', at: '2026-11-18T09:00:00.000Z' }).name, 'b')
  t.equal(
    choose({ kind: 'time', at: '2026-11-18T08:59:59.000Z' }).name,
    'a',
    'a backup is not consistent before its end',
  )
  t.match(choose({ kind: 'batch', lane: 0, seq: 8 }), { name: 'b', target: undefined })
  t.match(choose({ kind: 'batch', lane: 0, seq: 7 }), { name: 'a', target: undefined }, 'it may be in b or not')
  t.match(choose({ kind: 'batch', lane: 0, seq: 2 }), { name: 'a', target: { kind: 'backup-end' } })
  t.throws(() => choose({ kind: 'batch', lane: 0, seq: 1 }), {
    code: 'NOT_FOUND',
    message: /from batch 3 of lane 0 on/,
  })
  t.throws(() => choose({ kind: 'time', at: '2026-11-01T00:00:00.000Z' }), { message: /from 2026-11-17T09/ })
  t.equal(chooseBackup(folder, { ...options, backup: 'a' }).name, 'a')
  t.throws(() => chooseBackup(folder, { ...options, backup: 'c' }), { code: 'NOT_FOUND' })
})

t.test('torn and absent journal is told, with the way out', async (t) => {
  const folder = folderWith(t, [manifest('a', 2)], segments(1, 2, 6))
  const file = (number: number) => path.join(folder.wal, segments(1, number, number)[0] ?? '')
  truncateSync(file(4), 1_000)
  t.throws(() => chooseBackup(folder, options), {
    code: 'RESTORE_FAILED',
    message: /cut short: 00000001-00000000-00000004/,
  })
  const before = { kind: 'time', at: '2026-11-18T10:00:00.000Z' } as const
  t.equal(chooseBackup(folder, { ...options, goal: before }).name, 'a', 'up to a moment before it all is there')
  rmSync(file(4))
  t.throws(() => chooseBackup(folder, options), { message: /00000001-00000000-00000004 .* is missing.*--accept-gap/ })
  t.match(chooseBackup(folder, { ...options, acceptGap: true }).chain, { lastSegment: segments(1, 3, 3)[0] })
  rmSync(file(2))
  t.throws(() => chooseBackup(folder, { ...options, acceptGap: true }), { message: /backup a is nothing without it/ })
})

t.test('pruning keeps the newest that can be used, and their journal', async (t) => {
  const folder = folderWith(t, [manifest('a', 2), manifest('b', 4), manifest('c', 6)], segments(1, 1, 8))
  writeFileSync(path.join(folder.wal, `${segments(1, 3, 3)[0]}.00000028.backup`), '')
  writeFileSync(path.join(folder.wal, '00000002.history'), '')
  mkdirSync(path.join(folder.base, 'unfinished-d'))
  mkdirSync(path.join(folder.base, 'z'))
  t.match(
    listBackups(folder).at(-1),
    { name: 'z', problem: /manifest cannot be read/ },
    'a folder without one is no backup',
  )
  t.match(await pruneBackups(folder.root, 2, true), { backups: ['a', 'z'], segments: 4 })
  t.equal(readdirSync(folder.base).length, 5, 'a dry run removes nothing')
  await pruneBackups(folder.root, 2, false)
  t.same(readdirSync(folder.base).sort(), ['b', 'c'])
  t.same(readdirSync(folder.wal).sort(), [...segments(1, 4, 8), '00000002.history'].sort())
  t.match(await pruneBackups(folder.root, 2, false), { backups: [], segments: 0 })
  await t.rejects(pruneBackups(path.join(folder.root, 'nowhere'), 2, false), { code: 'NOT_FOUND' })
})

t.test('a check without a folder does not say that base backups are in order', async (t) => {
  const { url } = await createTestDatabase(t)
  const run = await commandRunner({ DATABASE_URL: url })(backupCommand, ['check'])
  t.match(run.errors, /no backup folder is named .*: base backups were not looked at/)
  t.notMatch(run.out, /backups are in order/)
})
