import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { writeFrame } from '../../src/link/framing.ts'
import { readWorld } from '../../src/simulator/demo-files.ts'
import { withClient } from '../../src/store/database-location.ts'
import { createTestDatabase } from '../support/database.ts'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli.ts')
const READY_MS = 30_000

/** Every row of every table of the database, as text. */
async function databaseText(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const tables = await client.query<{ name: string }>(
      "select quote_ident(relname) as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
    )
    let text = ''
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ row: string }>(`select x::text as row from ${name} x`)
      text += rows.map(({ row }) => row).join('\n')
    }
    return text
  })
}

test('no card number in clear in logs, metrics, printed tour, answers of HTTP, or database', async (t) => {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-pan-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const env = {
    ...process.env,
    DATABASE_URL: url,
    MIZAN_VAR: folder,
    MIZAN_LOG_LEVEL: 'trace',
    MIZAN_PORT_ASCII: '0',
    MIZAN_PORT_VISA: '0',
    MIZAN_PORT_BCD: '0',
    MIZAN_PORT_HTTP: '0',
  }
  const output: Buffer[] = []
  const run = (...words: string[]) => {
    const child = spawn(process.execPath, [cli, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    return child
  }
  const running = run('start')
  t.teardown(() => running.kill('SIGKILL'))
  const listeners = path.join(folder, 'run', 'listeners.json')
  for (const deadline = Date.now() + READY_MS; !existsSync(listeners) && Date.now() < deadline; ) await sleep(50)
  const ports = JSON.parse(readFileSync(listeners, 'utf8')) as { ascii: number; http: number }

  const tour = run('demo')
  const [exitCode] = await once(tour, 'exit')
  t.equal(exitCode, 0, 'the tour passes')

  // A message that breaks off behind its card number, one that cannot be framed, and one for a card nobody issued.
  const world = readWorld(folder)
  const pan = world.households[20]?.card.pan ?? ''
  const socket = net.connect(ports.ascii, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(writeFrame('len2', Buffer.from(`02007238000000C0000016${pan}00`)))
  await once(socket, 'data')
  socket.write(Buffer.from(`\u0000\u0000${pan}`))
  await once(socket, 'close')
  const metrics = await (await fetch(`http://127.0.0.1:${ports.http}/metrics`)).text()
  const missing = await (await fetch(`http://127.0.0.1:${ports.http}/api/v1/cards/${pan}`)).text()

  running.kill('SIGTERM')
  await once(running, 'exit')
  const everything = [Buffer.concat(output).toString(), metrics, missing, await databaseText(url)].join('\n')
  t.match(everything, /400000\*+\d{4}/, 'masked card numbers are there: the search looks at the right text')
  t.match(everything, /switch_started/)
  const leaked = world.households.filter((household) => everything.includes(household.card.pan))
  t.same(
    leaked.map((household) => household.id),
    [],
  )
  const tracks = world.households.filter((household) => everything.includes(household.card.track2.slice(0, 20)))
  t.same(
    tracks.map((household) => household.id),
    [],
  )
})
