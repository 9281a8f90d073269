import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '../src/store/connection.ts'
import { EMBEDDED_DATABASE } from '../src/store/database-location.ts'
import { findEmbeddedPostgres } from '../src/store/embedded-postgres.ts'

/**
 * `npm run drill`: the whole of backup and restore, with real processes in a folder of its own. A switch runs, messages
 * come all the time, a base backup is made beside them; copies are restored to a moment, to a batch and to the end; then
 * the database is lost, a copy takes its place, and a switch answers from it. Prints a line a step; exits 1 when a copy is
 * not sound or not what it should be.
 */
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const cli = path.join(repository, 'src', 'cli.ts')
// Not mkdtemp: its folder is closed to the user that the server runs as when this runs as root.
const root = path.join(os.tmpdir(), `mizan-drill-${process.pid}`)
const varDir = path.join(root, 'var')
const configFile = path.join(root, 'config.json')
const env = { ...process.env, MIZAN_MASTER_KEY: '5a'.repeat(32), DATABASE_URL: '', MIZAN_LOG_LEVEL: 'warn' }

interface Lane {
  readonly lane: number
  readonly lastSeq: number
  readonly holdsBackup: boolean
  readonly live?: { readonly lastSeq: number; readonly isBeginning: boolean }
}

interface RestoreReport {
  readonly sound: boolean
  readonly lanes: readonly Lane[]
  readonly keys: { readonly open: boolean }
  readonly checks: readonly { readonly ok: boolean }[]
}

function run(varFolder: string, args: readonly string[]): Promise<{ status: number; out: string; errors: string }> {
  const child = spawn(process.execPath, [cli, ...args], { cwd: root, env: { ...env, MIZAN_VAR: varFolder } })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ status: code ?? 1, out, errors })))
}

/** A command of the backup, which has to succeed. */
async function backup(...args: readonly string[]): Promise<string> {
  const { status, out, errors } = await run(varDir, ['backup', ...args, '--json', '--config', configFile])
  if (status !== 0) throw new Error(`mizan backup ${args.join(' ')}: ${errors}${out}`)
  return out
}

async function startSwitch(varFolder: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [cli, 'start', '--config', configFile], {
    cwd: root,
    env: { ...env, MIZAN_VAR: varFolder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  while (!existsSync(path.join(varFolder, 'run', 'listeners.json'))) {
    if (child.exitCode !== null) throw new Error('the switch does not start')
    await sleep(100)
  }
  return child
}

async function stopSwitch(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** Plays the tour again and again until it is told to stop; each time has to end as expected. */
function traffic(): { stop(): Promise<number> } {
  let going = true
  let tours = 0
  const done = (async () => {
    while (going) {
      const { status, errors } = await run(varDir, ['demo'])
      if (status !== 0) throw new Error(`an answer was not the expected one: ${errors}`)
      tours++
    }
  })()
  return {
    async stop() {
      going = false
      await done
      return tours
    },
  }
}

/** Head of lane 0 and the time of the database. */
async function look(): Promise<{ seq: number; at: string }> {
  const server = await findEmbeddedPostgres({ dataDir: varDir })
  if (server === undefined) throw new Error('the database does not run')
  const client = await connect({ url: server.url(EMBEDDED_DATABASE), name: 'drill' })
  const { rows } = await client.query<{ seq: string; at: Date }>(
    'select last_seq as seq, clock_timestamp() as at from lane where lane = 0',
  )
  await client.end()
  await server.release()
  return { seq: Number(rows[0]?.seq), at: (rows[0]?.at ?? new Date()).toISOString() }
}

let failures = 0

function expect(holds: boolean, what: string): void {
  if (!holds) failures++
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'}  ${what}\n`)
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const beganMs = performance.now()
  const result = await work()
  process.stdout.write(`        ${what}: ${((performance.now() - beganMs) / 1_000).toFixed(1)} s\n`)
  return result
}

async function restore(name: string, ...args: readonly string[]): Promise<RestoreReport> {
  const out = await timed(`restore ${args.join(' ')}`, () => backup('restore', '--to', path.join(root, name), ...args))
  const report = JSON.parse(out) as RestoreReport
  expect(report.sound && report.checks.length > 0, `${name}: sound by all ${report.checks.length} checks`)
  expect(report.keys.open, `${name}: its keys open`)
  return report
}

function headOf({ lanes }: RestoreReport): number {
  return lanes.find(({ lane }) => lane === 0)?.lastSeq ?? -1
}

async function drill(): Promise<void> {
  const settings = {
    environment: 'test',
    demo: { enabled: true, households: 200 },
    listeners: { ascii: { port: 0 }, visa: { port: 0 }, bcd: { port: 0 } },
    http: { port: 0 },
    database: { embedded: { sharedBuffersMb: 64, maxWalSizeMb: 256 } },
    backup: { folder: 'backup', archiveTimeoutSeconds: 10, megabytesPerSecond: 0 },
  }
  mkdirSync(root)
  writeFileSync(configFile, JSON.stringify(settings))
  const first = await startSwitch(varDir)
  try {
    const load = traffic()
    await timed('base backup beside traffic', () => backup('run'))
    expect((await load.stop()) > 0, 'the switch answered as expected meanwhile')
    await run(varDir, ['demo'])
    const between = await look()
    await sleep(50)
    await run(varDir, ['demo'])
    const after = await look()
    expect(after.seq > between.seq, `batches ${between.seq + 1} to ${after.seq} came after the moment`)
    const moment = await restore('moment', '--at', between.at)
    expect(headOf(moment) === between.seq, `moment: ends with batch ${between.seq}`)
    expect(moment.lanes[0]?.live?.isBeginning === true, 'moment: a beginning of the live journal, by the hash chain')
    const batch = await restore('batch', '--seq', `0:${between.seq - 3}`)
    expect(headOf(batch) === between.seq - 3, `batch: ends with batch ${between.seq - 3}`)
  } finally {
    await stopSwitch(first)
  }
  await loseDatabase()
}

/** The disk of the database is lost after an orderly stop: all that was answered is in the archive. */
async function loseDatabase(): Promise<void> {
  const server = await startSwitch(varDir)
  const before = await look()
  await stopSwitch(server)
  rmSync(path.join(varDir, 'postgres'), { recursive: true })
  const to = path.join(root, 'latest')
  const latest = await restore('latest', '--latest', '--no-local-journal')
  expect(headOf(latest) >= before.seq, `latest: has every batch up to ${before.seq}`)
  cpSync(path.join(varDir, 'demo'), path.join(to, 'demo'), { recursive: true })
  const second = await timed('start on the copy', () => startSwitch(to))
  try {
    const { status, out } = await run(to, ['demo'])
    expect(status === 0, `a switch answers from the copy: ${out.trim().split('\n').at(-1)}`)
    const { status: verified, out: checks } = await run(to, ['verify'])
    expect(verified === 0, `verify on it: ${checks.trim().split('\n').at(-1)}`)
    await timed('base backup of the new timeline', async () => {
      const { status: made, errors } = await run(to, ['backup', 'run', '--config', configFile])
      expect(made === 0, made === 0 ? 'it is backed up in its turn' : errors)
    })
  } finally {
    await stopSwitch(second)
  }
}

try {
  await drill()
} catch (error) {
  failures++
  process.stdout.write(`FAILED  ${error instanceof Error ? error.message : String(error)}\n`)
} finally {
  for (const folder of ['var', 'latest']) {
    const log = path.join(root, folder, 'postgres', 'server.log')
    if (failures > 0 && existsSync(log)) process.stderr.write(readFileSync(log, 'utf8').slice(-4_000))
    await (await findEmbeddedPostgres({ dataDir: path.join(root, folder) }))?.stop('immediate')
  }
  rmSync(root, { recursive: true, force: true })
}
process.stdout.write(failures === 0 ? 'the drill is passed\n' : `${failures} FAILED\n`)
if (failures > 0) process.exitCode = 1
