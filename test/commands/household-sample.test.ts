import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { householdSampleCommand } from '../../src/commands/household-sample.ts'
import { commandRunner } from '../support/command.ts'

const cli = path.resolve(import.meta.dirname, '..', '..', 'src', 'cli.ts')
const folder = mkdtempSync(path.join(tmpdir(), 'mizan-sample-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('a file that others could read is closed to them with its new content', async (t) => {
  const out = path.join(folder, 'open.ndjson')
  writeFileSync(out, 'what stood there', { mode: 0o644 })
  const run = await commandRunner({})(householdSampleCommand, ['--out', out, '--count', '1200'])
  t.equal(run.status, 0, run.errors)
  t.equal(statSync(out).mode & 0o777, 0o600)
  t.equal(readFileSync(out, 'utf8').trim().split('\n').length, 1 + 1_200, 'the head, and a line for each')
})

t.test('a disk that is full ends the command with one line and no part of a file', (t) => {
  const out = path.join(folder, 'full.ndjson')
  // Half a mebibyte. What tap adds to a process ends it by the signal of the limit, which Node ignores.
  const command = 'unset NODE_OPTIONS; ulimit -f 1024 && exec "$0" "$@"'
  const args = ['-c', command, process.execPath, cli, 'household', 'sample', '--count', '20000', '--out', out]
  const { status, stderr } = spawnSync('/bin/sh', args, { encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /mizan: .*EFBIG/)
  t.notMatch(stderr, /\n {4}at /, 'no stack')
  t.notOk(readdirSync(folder).some((name) => name.includes('full')))
  t.end()
})
