import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { AccountHostSimulator, type HostManners } from '../../src/simulator/account-host.ts'
import { type Answer, Counterparty } from '../../src/simulator/counterparty.ts'
import { readWorld } from '../../src/simulator/demo-files.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import { completionOf, type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { posRail } from '../../src/simulator/rails.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { startHostedSwitch, until } from '../support/account-host.ts'
import { createTestDatabase } from '../support/database.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'

const cli = path.resolve(import.meta.dirname, '../../src/cli.ts')

/** What a host that is not well does with a message. */
const manners = fc.oneof(
  { weight: 5, arbitrary: fc.constant<HostManners>({}) },
  { weight: 2, arbitrary: fc.constant<HostManners>({ silent: true }) },
  { weight: 2, arbitrary: fc.constant<HostManners>({ deaf: true }) },
  { weight: 1, arbitrary: fc.record({ thinkMs: fc.integer({ min: 0, max: 600 }) }) },
  { weight: 1, arbitrary: fc.record({ delayMs: fc.integer({ min: 0, max: 600 }) }) },
  { weight: 1, arbitrary: fc.constantFrom('51', '91', '96', '61').map((refuse): HostManners => ({ refuse })) },
)
const steps = ['purchase', 'hold', 'cash', 'deposit', 'reverse', 'capture', 'inquiry', 'repeat'] as const
const play = fc.record({
  manners: fc.array(manners, { minLength: 40, maxLength: 40 }),
  steps: fc.array(fc.constantFrom(...steps), { minLength: 24, maxLength: 24 }),
  amounts: fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 24, maxLength: 24 }),
  dies: fc.boolean(),
})

test('whatever a host does, its record and the ledger agree once all is delivered', async (t) => {
  const world = await startHostedSwitch(t, { households: 24 })
  const { host, pos, atm, client } = world
  await fc.assert(
    fc.asyncProperty(play, async ({ manners: all, steps: wanted, amounts, dies }) => {
      let at = 0
      host.manners = () => all[at++ % all.length] ?? {}
      const lines = world.world.households.slice(6, 12).map((home, line) => async () => {
        const last: { sent: ReturnType<Counterparty['compose']>; link: Counterparty }[] = []
        for (let step = line; step < wanted.length; step += 6) {
          const kind = wanted[step] ?? 'purchase'
          const before = last.at(-1)
          const shop = world.place('shop', home.governorate)
          const machine = world.place('atm', home.governorate)
          const ask = { card: home.card, amountPiasters: amounts[step] ?? 1, from: '20' }
          const named = kind === 'reverse' || kind === 'capture' || kind === 'repeat'
          if (named && before === undefined) continue
          const link = named && before !== undefined ? before.link : kind === 'cash' || kind === 'deposit' ? atm : pos
          let intent: Intent
          if (kind === 'cash') intent = transaction('cash', { ...ask, terminal: machine })
          else if (kind === 'deposit') intent = transaction('deposit', { ...ask, terminal: machine })
          else if (kind === 'inquiry') intent = transaction('inquiry', { ...ask, terminal: shop })
          else if (kind === 'hold') intent = transaction('purchase', { ...ask, mti: '0100', terminal: shop })
          else if (kind === 'reverse' && before !== undefined) intent = reversalOf(before.sent)
          else if (kind === 'capture' && before !== undefined) intent = completionOf(before.sent, amounts[step] ?? 1)
          else intent = transaction('purchase', { ...ask, terminal: shop })
          const sent = kind === 'repeat' && before !== undefined ? link.repeatOf(before.sent) : link.compose(intent)
          await link.send(sent)
          if (!named) last.push({ sent, link })
        }
      })
      const traffic = Promise.all(lines.map((line) => line()))
      if (dies) {
        await host.stop()
        await new Promise((resolve) => setTimeout(resolve, 100))
        await host.start()
      }
      await traffic
      host.manners = () => ({})
      await world.hostIs(true)
      await world.drained()
      for (const { id, postalAccount } of world.world.households.slice(6, 12)) {
        const { rows } = await client.query<{ off: string }>(
          `select coalesce(sum(case direction when 'debit' then piasters else -piasters end), 0) as off
           from host_exceptions where household_id = $1`,
          [id],
        )
        const expected = (await world.ledgerOf(id)) + Number(rows[0]?.off)
        if (world.bookedOf(postalAccount.id) !== expected) {
          throw new Error(`household ${id}: the host has ${world.bookedOf(postalAccount.id)}, the ledger ${expected}`)
        }
      }
    }),
    { numRuns: 4, seed: 20_261_111, endOnFailure: true },
  )
  await expectSoundLedger(t, world)
})

test('a switch that is killed while the host has booked takes it back when it starts again', async (t) => {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-host-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const balances = new Map<string, number>()
  for (let id = 1; id <= 12; id++) {
    balances.set(String(moneyAccount('postalAccount', id)), demoHousehold(1, id).postalPiasters)
  }
  const host = new AccountHostSimulator({ balances })
  await host.start()
  t.teardown(() => host.stop())
  const file = path.join(folder, 'config.json')
  const link = { name: 'post', host: '127.0.0.1', port: host.port, dialect: 'iso87-ascii', echoIntervalMs: 0 }
  const settings = {
    varDir: 'var',
    demo: { enabled: true, households: 12, remoteEvery: 1 },
    jobs: { enabled: false },
    log: { level: 'silent' },
    outbound: [{ ...link, timeoutMs: 1_000, backoff: { minMs: 20, maxMs: 50 } }],
    accountHost: { link: 'post', probeMs: 25, closeAfter: 1 },
    shutdown: { noticeMs: 0 },
  }
  writeFileSync(file, JSON.stringify(settings))
  const children: ChildProcess[] = []
  t.teardown(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const run = async () => {
    const announced = path.join(folder, 'var', 'run', 'listeners.json')
    rmSync(announced, { force: true })
    const ports = { MIZAN_PORT_ASCII: '0', MIZAN_PORT_BCD: '0', MIZAN_PORT_VISA: '0', MIZAN_PORT_HTTP: '0' }
    const env = { ...process.env, DATABASE_URL: url, MIZAN_MASTER_KEY: 'a5'.repeat(32), ...ports }
    const child = spawn(process.execPath, [cli, 'start', '--config', file], { env, stdio: 'ignore' })
    children.push(child)
    await until(async () => existsSync(announced), 60_000)
    return { child, port: (JSON.parse(readFileSync(announced, 'utf8')) as { ascii: number }).ascii }
  }
  const { child, port } = await run()
  const [home] = readWorld(path.join(folder, 'var')).households.filter((one) => one.case === undefined)
  const shop = readWorld(path.join(folder, 'var')).outlets.find(({ category }) => category === 'shop')
  if (home === undefined || shop === undefined) throw new Error('the demo world has a household and a shop')
  const terminal = { acceptorId: shop.acceptorId, terminalId: shop.terminals[0] ?? '', mcc: shop.mcc }
  const pay = (amountPiasters: number) =>
    transaction('purchase', { card: home.card, terminal, amountPiasters, from: '20' })
  const pos = await Counterparty.connect({ rail: posRail, host: '127.0.0.1', port })
  let first: Answer | undefined
  await until(async () => {
    first = (await pos.ask(pay(100))).answer
    return first.code === '00'
  })
  const before = host.balance(home.postalAccount.id)
  host.manners = () => ({ delayMs: 60_000 })
  pos.fire(pos.compose(pay(2_500)))
  await until(async () => host.balance(home.postalAccount.id) === before - 2_500)
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  pos.close()
  host.manners = () => ({})
  const again = await run()
  await until(async () => host.balance(home.postalAccount.id) === before)
  t.equal(host.seen.filter(({ mti }) => mti.startsWith('04')).length, 1, 'it is reversed once')
  const stopped = once(again.child, 'exit')
  again.child.kill('SIGTERM')
  await stopped
  const results = await verifyLedger(url)
  for (const { name, ok, detail } of results) t.ok(ok, `${name}: ${detail}`)
})
