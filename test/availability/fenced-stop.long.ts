import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { connect } from '../../src/store/connection.ts'
import { LaneStore } from '../../src/store/lane-store.ts'
import { createTestDatabase } from '../support/database.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'

const cli = path.resolve(import.meta.dirname, '..', '..', 'src', 'cli.ts')
const FENCED_STATUS = 3
/** Far less than the parts of a switch take one after another when each waits for a connection that is dead. */
const LONGEST_MS = 45_000

t.test('a fenced process ends soon, and says that it was fenced, though its connections are dead', async (t) => {
  const { url } = await createTestDatabase(t)
  const proxy = await startFaultProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.close())
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-fenced-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const config = path.join(folder, 'config.json')
  writeFileSync(config, JSON.stringify({ demo: { enabled: true, households: 10 } }))
  const ports = Object.fromEntries(['ASCII', 'VISA', 'BCD', 'HTTP'].map((name) => [`MIZAN_PORT_${name}`, '0']))
  const throughProxy = Object.assign(new URL(url), { host: `127.0.0.1:${proxy.port}` }).href
  const env = { ...process.env, ...ports, DATABASE_URL: throughProxy, MIZAN_VAR: folder }
  const child = spawn(process.execPath, [cli, 'start', '--config', config], { env, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  while (!existsSync(path.join(folder, 'run', 'listeners.json')) && child.exitCode === null) await sleep(20)

  // The server's end of every connection is gone, and nobody told the switch; a new connection works.
  proxy.halfOpen('server')
  const other = new LaneStore({ url, lane: 0, commitTimeoutMs: 60_000 })
  t.teardown(() => other.close())
  await other.take()
  const beganMs = performance.now()
  t.same(await exited, [FENCED_STATUS, null])
  const tookMs = Math.round(performance.now() - beganMs)
  t.ok(tookMs < LONGEST_MS, `${tookMs} ms`)
})

t.test('the end of a connection does not wait for a server that is gone', async (t) => {
  const { url } = await createTestDatabase(t)
  const proxy = await startFaultProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.close())
  const client = await connect({
    url: Object.assign(new URL(url), { host: `127.0.0.1:${proxy.port}` }).href,
    name: 'mizan test',
  })
  proxy.halfOpen('server')
  await client.end()
  t.pass('it ends')
})
