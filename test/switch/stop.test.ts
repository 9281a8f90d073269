import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createTestDatabase } from '../support/database.ts'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli.ts')
const READY_WITHIN_MS = 60_000
/** As long as a first signal may come twice. */
const SAME_SIGNAL_MS = 1_100

t.test('while it drains a switch is not ready, and a second signal ends it at once', async (t) => {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-stop-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const config = path.join(folder, 'config.json')
  const demo = { enabled: true, households: 10 }
  writeFileSync(config, JSON.stringify({ demo, jobs: { enabled: false }, shutdown: { noticeMs: 30_000 } }))
  const ports = Object.fromEntries(['ASCII', 'VISA', 'BCD', 'HTTP'].map((name) => [`MIZAN_PORT_${name}`, '0']))
  const env = { ...process.env, ...ports, DATABASE_URL: url, MIZAN_VAR: folder }
  const child = spawn(process.execPath, [cli, 'start', '--config', config], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const exited = once(child, 'exit')
  const announcement = path.join(folder, 'run', 'listeners.json')
  for (const end = Date.now() + READY_WITHIN_MS; !existsSync(announcement) && Date.now() < end; ) await sleep(20)
  const { http } = JSON.parse(readFileSync(announcement, 'utf8')) as { http: number }
  const ready = async () => {
    const response = await fetch(`http://127.0.0.1:${http}/readyz`)
    return { status: response.status, body: (await response.json()) as { notReady: string[] } }
  }
  t.equal((await ready()).status, 200)

  child.kill('SIGTERM')
  child.kill('SIGTERM')
  for (const end = Date.now() + READY_WITHIN_MS; existsSync(announcement) && Date.now() < end; ) await sleep(5)
  t.match(await ready(), { status: 503, body: { notReady: ['lanes'], checks: { lanes: { detail: 'stopping' } } } })
  t.equal((await fetch(`http://127.0.0.1:${http}/healthz`)).status, 200, 'it lives')
  t.equal(child.exitCode, null, 'the same signal twice, as from a terminal, is one')

  await sleep(SAME_SIGNAL_MS)
  child.kill('SIGTERM')
  t.same(await exited, [143, null])
  t.match(said, /stopped at once by a second SIGTERM/)
})
