import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { writeWholeFile } from '../src/whole-file.ts'

const module = path.resolve(import.meta.dirname, '../src/whole-file.ts')
const WRITES = 2_000

test('whoever reads the file while another process writes it never sees a part of it', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-whole-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'listeners.json')
  const script = `import { writeWholeFile } from ${JSON.stringify(module)}
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
