import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { createTestDatabase } from '../support/database.ts'

const source = path.resolve(import.meta.dirname, '..', '..', 'src')
const PAN = '4000000000000002'
/** Put before the program: at a signal something is thrown that nobody catches. Its source is in the stack, without the number. */
const planted = (how: 'thrown' | 'rejected') => {
  const thrown = `new Error('card 4' + '2'.padStart(15, '0') + '\\nand a second line')`
  const defect = how === 'thrown' ? `setImmediate(() => { throw ${thrown} })` : `void Promise.reject(${thrown})`
  return `--import=data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { ${defect} })`)}`
}

function linesOf(stream: Readable): () => string[] {
  let said = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  return () => said.split('\n').filter((line) => line !== '')
}

/** Begins a switch with something put before its program. */
async function startWith(t: Test, preload: string) {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-defect-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const config = path.join(folder, 'config.json')
  writeFileSync(config, JSON.stringify({ demo: { enabled: true, households: 10 }, jobs: { enabled: false } }))
  const ports = Object.fromEntries(['ASCII', 'VISA', 'BCD', 'HTTP'].map((name) => [`MIZAN_PORT_${name}`, '0']))
  const env = { ...process.env, ...ports, DATABASE_URL: url, MIZAN_VAR: folder }
  const args = [preload, path.join(source, 'cli.ts'), 'start', '--config', config]
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, announcement: path.join(folder, 'run', 'listeners.json') }
}

t.test('what nobody caught ends the switch with one masked line of the log', async (t) => {
  const { child, announcement } = await startWith(t, planted('rejected'))
  const lines = linesOf(child.stderr)
  const closed = once(child, 'close')
  while (!existsSync(announcement) && child.exitCode === null) await sleep(20)
  child.kill('SIGUSR2')
  t.same(await closed, [70, null])
  const last = JSON.parse(lines().at(-1) ?? '') as Record<string, unknown>
  t.match(last, {
    level: 'fatal',
    event: 'process_failed',
    how: 'unhandledRejection',
    err: { message: /and a second/ },
  })
  t.notOk(lines().some((line) => line.includes(PAN)))
})

t.test('a switch whose lane a defect has ended stops in order, and says that it was one', async (t) => {
  const maker = pathToFileURL(path.join(source, 'writer', 'batch-maker.ts')).href
  const defect = `import { BatchMaker } from '${maker}'; BatchMaker.prototype.gather = async () => { throw new Error('planted') }`
  const { child } = await startWith(t, `--import=data:text/javascript,${encodeURIComponent(defect)}`)
  const lines = linesOf(child.stderr)
  t.same(await once(child, 'close'), [70, null])
  const events = lines().map((line) => (JSON.parse(line) as { event: string }).event)
  t.ok(events.includes('lane_failed'))
  t.equal(events.at(-1), 'switch_stopped')
})

t.test('what nobody caught ends the process for heavy work too', async (t) => {
  const child = fork(path.join(source, 'switch-background-main.ts'), {
    execArgv: [planted('thrown')],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = linesOf(child.stderr as Readable)
  const closed = once(child, 'close')
  const config = loadConfig({ env: {} })
  child.send({ kind: 'open', config, url: 'postgresql://nobody@127.0.0.1:1/none' })
  child.send({ kind: 'run', id: 1, task: 'unknown', input: undefined })
  // It answers, so it listens.
  await once(child, 'message')
  child.kill('SIGUSR2')
  t.same(await closed, [70, null])
  const last = JSON.parse(lines().at(-1) ?? '') as Record<string, unknown>
  t.match(last, { level: 'fatal', event: 'process_failed', how: 'uncaughtException' })
  t.notOk(lines().some((line) => line.includes(PAN)))
})
