import { rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { type RoleProcess, rolePorts, startRoleProcess } from '../../bench/role-process.ts'
import { handoverCommand } from '../../src/commands/handover.ts'
import { Counterparty } from '../../src/simulator/counterparty.ts'
import { readWorld, type World } from '../../src/simulator/demo-files.ts'
import { transaction } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createTestDatabase } from '../support/database.ts'

const MASTER_KEY = 'a5'.repeat(32)
const TIMES = { heartbeatMs: 100, takeoverAfterMs: 500 }
const AMOUNT = 1_000

const { url } = await createTestDatabase(t)
const folder = path.join(os.tmpdir(), `mizan-pair-${process.pid}`)
const started: RoleProcess[] = []
t.teardown(async () => {
  for (const one of started) {
    one.signal('SIGCONT')
    one.signal('SIGKILL')
    await one.exited
  }
  rmSync(folder, { recursive: true, force: true })
})

async function start(
  name: string,
  role: string,
  args: string[] = [],
  more: Readonly<Record<string, unknown>> = {},
): Promise<RoleProcess> {
  const config = {
    demo: { enabled: true, households: 60 },
    jobs: { enabled: false },
    availability: { role, ...TIMES, ...more },
  }
  const varDir = path.join(folder, name)
  const one = startRoleProcess({
    varDir,
    databaseUrl: url,
    masterKey: MASTER_KEY,
    ports: await rolePorts(),
    config,
    args,
  })
  started.push(one)
  return one
}

let world: World
let asked = 0

/** A purchase by a terminal that was just connected. */
async function purchase(at: RoleProcess, timeoutMs = 5_000): Promise<string | undefined> {
  const home = world.households.filter((one) => one.case === undefined)[asked % 40]
  const outlet = world.outlets.find(({ category }) => category === 'shop')
  const terminalId = outlet?.terminals[0]
  if (home === undefined || outlet === undefined || terminalId === undefined)
    throw new Error('the world lacks something')
  asked += 1
  const { ascii: port } = at.ports
  const link = await Counterparty.connect({
    rail: rails.pos,
    host: '127.0.0.1',
    port,
    timeoutMs,
    firstStan: asked * 100,
  })
  try {
    const terminal = { acceptorId: outlet.acceptorId, terminalId, mcc: outlet.mcc }
    const intent = transaction('purchase', { card: home.card, terminal, mti: '0200', amountPiasters: AMOUNT })
    return (await link.ask(intent)).answer.code
  } finally {
    link.close()
  }
}

t.test('processes stand in for each other', async (t) => {
  const one = await start('one', 'auto')
  await one.until('ready')
  world = readWorld(one.varDir)
  const two = await start('two', 'active', ['--standby'])
  await two.until('standby')
  t.equal((await fetch(`http://127.0.0.1:${two.ports.http}/healthz`)).status, 200, 'one that stands by is alive')
  t.equal((await fetch(`http://127.0.0.1:${two.ports.http}/readyz`)).status, 503, 'and not ready')
  t.equal(two.announced(), undefined, 'it says nowhere that it answers')
  await t.rejects(purchase(two, 200), { code: 'LINK_CLOSED' }, 'nor does it')
  t.equal(await purchase(one), '00')

  await t.test('a process that is stopped loses its lanes and answers nothing when it goes on', async (t) => {
    const beganMs = performance.now()
    one.signal('SIGSTOP')
    const late = purchase(one, 15_000).catch((error: Error) => error.message)
    await two.until('ready', 5_000)
    t.equal(await purchase(two), '00', `taken over after ${Math.round(performance.now() - beganMs)} ms`)
    t.match(two.announced(), { ascii: two.ports.ascii })
    one.signal('SIGCONT')
    await one.until('standby', 10_000)
    t.not(await late, '00', 'what it was asked meanwhile is not approved')
    t.match(one.log(), /"event":"writer_fenced"/)
    t.equal(one.announced(), undefined)
  })

  const careful = await start('careful', 'standby', [], { synchronousStandby: 'require' })
  await t.test('the lanes are handed over at will', async (t) => {
    const said: string[] = []
    const io = { env: { DATABASE_URL: url }, out: (text: string) => said.push(text) }
    const run = (...args: string[]) => handoverCommand(io as never).parseAsync(args, { from: 'user' })
    await run('--json')
    const { tookMs, processes } = JSON.parse(said.join(''))
    t.ok(tookMs < 5_000, `it took ${tookMs} ms`)
    t.match(processes, [{ role: 'active', pid: one.pid, state: 'active' }])
    await one.until('ready')
    await two.until('standby')
    t.equal(await purchase(one), '00')
    said.length = 0
    await run('--status')
    t.match(
      said.join(''),
      new RegExp(`active .* pid ${one.pid}: lane 0, epoch \\d+, alive\\nstandby .* pid ${two.pid}: stands by`),
    )
  })

  await t.test('a process that is killed is replaced', async (t) => {
    const beganMs = performance.now()
    one.signal('SIGKILL')
    await two.until('ready', 5_000)
    t.equal(await purchase(two), '00', `the standby answers after ${Math.round(performance.now() - beganMs)} ms`)
    await t.rejects(
      handoverCommand({ env: { DATABASE_URL: url }, out: () => undefined } as never).parseAsync([], { from: 'user' }),
      { code: 'CONFLICT', message: /no process stands by/ },
    )
  })

  await t.test('a process that is always active ends when it is fenced', async (t) => {
    const three = await start('three', 'active')
    await three.until('ready')
    await two.until('standby', 5_000)
    t.equal(await purchase(three), '00', 'it took the lanes from the one that had them')
    three.signal('SIGSTOP')
    await two.until('ready', 5_000)
    three.signal('SIGCONT')
    t.equal(await three.exited, 3, 'its exit status says so')
  })

  t.equal(await careful.exited, 1, 'one that must have a standby of the database does not start without')
  t.match(careful.log(), /availability\.synchronousStandby says require: no synchronous standby/)
  two.signal('SIGTERM')
  t.equal(await two.exited, 0, 'a stop in good order')
  for (const { name, ok, detail } of await verifyLedger(url)) t.ok(ok, `${name}: ${detail}`)
})
