import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { writeAll, writeAllSync, writeWholeFile } from '../src/whole-file.ts'

const module = path.resolve(import.meta.dirname, '../src/whole-file.ts')
const WRITES = 2_000

test('whoever reads the file while another process writes it never sees a part of it', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-whole-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'listeners.json')
  const script = `import { writeAll, writeAllSync, writeWholeFile } from ${JSON.stringify(module)}
    for (let n = 0; n < ${WRITES}; n++) writeWholeFile(${JSON.stringify(file)}, JSON.stringify({ n, end: true }))`
  const writer = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: 'inherit' })
  let seen = 0
  const ended = once(writer, 'exit')
  while (writer.exitCode === null) {
    if (existsSync(file)) {
      const read = JSON.parse(readFileSync(file, 'utf8')) as { end: boolean }
      if (!read.end) t.fail('a part of the file was read')
      seen++
    }
    if (seen % 50 === 0) await turn()
  }
  await ended
  t.equal(writer.exitCode, 0)
  t.ok(seen > 0, 'the file was read while it was written')
  t.strictSame(readdirSync(folder), ['listeners.json'], 'nothing is left beside it')
})

test('what stood there stays when the new text cannot be written', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-whole-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'kept.json')
  writeWholeFile(file, 'first', 0o600)
  mkdirSync(`${file}.${process.pid}.tmp`)
  t.throws(() => writeWholeFile(file, 'second'), { code: 'EISDIR' })
  t.equal(readFileSync(file, 'utf8'), 'first')
  t.end()
})

test('a write that the system takes in pieces is gone on with', async (t) => {
  const pieces: (number | null)[][] = []
  const take = (from: number, length: number, at: number | null) => {
    pieces.push([from, length, at])
    return Math.min(length, 4)
  }
  const bytes = Buffer.from('0123456789')
  await writeAll({ write: async (_, from, length, at) => ({ bytesWritten: take(from, length, at) }) }, bytes, 100)
  t.strictSame(pieces.splice(0), [
    [0, 10, 100],
    [4, 6, 104],
    [8, 2, 108],
  ])
  writeAllSync(1, bytes, (_file, _bytes, from) => take(from, bytes.length - from, null))
  t.equal(pieces.length, 3)
  await t.rejects(writeAll({ write: async () => ({ bytesWritten: 0 }) }, bytes), { code: 'ASSERTION_FAILED' })
})

const LIMIT_BYTES = 256 * 1_024

/** Runs a module under a limit for the size of files: the system takes a part of what would pass it, and says how much. */
function runLimited(script: string) {
  // What tap adds to a process ends it by the signal of the limit, which Node ignores.
  const blocks = LIMIT_BYTES / 512
  const command = `unset NODE_OPTIONS; ulimit -f ${blocks} && exec "$0" --input-type=module-typescript -e "$1"`
  return spawnSync('/bin/sh', ['-c', command, process.execPath, script], { encoding: 'utf8' })
}

test('a file that the disk takes a part of only is no copy', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-short-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['from', 'to']) mkdirSync(path.join(folder, name))
  writeFileSync(path.join(folder, 'from', 'table'), Buffer.alloc(LIMIT_BYTES + 1_000, 7))
  const copyFiles = path.resolve(import.meta.dirname, '../src/store/backup/copy-files.ts')
  const { status, stderr } = runLimited(`import { copyFiles } from ${JSON.stringify(copyFiles)}
    const folder = ${JSON.stringify(folder)}
    await copyFiles(folder + '/from', folder + '/to', ['table'], { bytesPerSecond: 0, durable: false })`)
  t.equal(status, 1)
  t.match(stderr, /EFBIG/)
  t.end()
})

test('a report of rejections that the disk takes a part of only is no report', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-short-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const rejectReport = path.resolve(import.meta.dirname, '../src/files/reject-report.ts')
  const { status, stderr } = runLimited(`import { RejectReport } from ${JSON.stringify(rejectReport)}
    const report = new RejectReport(${JSON.stringify(path.join(folder, 'rejected.csv'))})
    report.add({ line: 1, field: 'name', reason: 'x'.repeat(${LIMIT_BYTES}) })
    report.close()`)
  t.equal(status, 1)
  t.match(stderr, /EFBIG/)
  t.end()
})
