import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test, test } from 'tap'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { outletCommand } from '../../src/commands/outlet.ts'
import { rolloutCommand } from '../../src/commands/rollout.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { transaction, unitDraw } from '../../src/simulator/messages.ts'
import { addUser } from '../../src/store/access-users.ts'
import { listAudit } from '../../src/store/audit-store.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import type { AuditHook } from '../../src/store/outlet-record.ts'
import { findOutlet, listOutlets, saveOutlet, setOutletStatus } from '../../src/store/outlet-store.ts'
import { installProgrammes } from '../../src/store/programme-store.ts'
import { loadReferenceData } from '../../src/store/reference-data.ts'
import { listRollout, rolloutHistory, setRollout } from '../../src/store/reference-rollout.ts'
import { watchReferenceData } from '../../src/store/reference-watch.ts'
import { commandRunner } from '../support/command.ts'
import { createTestDatabase } from '../support/database.ts'
import { startTestSwitch } from '../support/switch.ts'

const PASSWORD = 'correct horse battery'
const TODAY = '2026-11-11'
const WAIT_MS = 60_000

/** A database with a register; these tests share it, because making one takes half a second. */
async function openRegister(t: Pick<Test, 'teardown'>) {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  await installProgrammes(client, shippedProgrammes)
  t.teardown(() => client.end())
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-outlets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const hash = await hashSecret(Buffer.from(PASSWORD), 10)
  await addUser(client, { name: 'settler', roles: ['settlement'], mustChange: false }, hash, 'system:test')
  await addUser(client, { name: 'opener', roles: ['operator'], mustChange: false }, hash, 'system:test')
  const run = commandRunner({ DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: 'a5'.repeat(32) })
  const alone = (command: 'outlet' | 'rollout', ...args: string[]) =>
    run(command === 'outlet' ? outletCommand : rolloutCommand, args)
  const as = (name: string, command: 'outlet' | 'rollout', ...args: string[]) =>
    run(command === 'outlet' ? outletCommand : rolloutCommand, args, `${name}\n${PASSWORD}\n`)
  const mizan = (command: 'outlet' | 'rollout', ...args: string[]) =>
    as(command === 'outlet' ? 'settler' : 'opener', command, ...args)
  const file = (name: string, text: string) => {
    const whole = path.join(folder, name)
    writeFileSync(whole, text)
    return whole
  }
  return { url, client, mizan, as, alone, file }
}

const register = await openRegister(tap)

const header =
  'acceptor;name;category;mcc;governorate;licence;licenceFrom;licenceTo;opens;closes;fuel;flourSacksDaily;settlementBank;settlementAccount;terminals'
const bakery = (
  n: number,
  rest = `LIC-${n};2026-01-01;2027-12-31;05:00;17:00;gas;١٢;NBEG;EG38${n};BK${n}A:SN${n}|BK${n}B::active:2026-12-01:`,
) => `BAKERY${n};Bakery ${n};bakery;5462;PTS;${rest}`

test('a file of outlets: what it would change, what it changes, and nothing when it comes again', async (t) => {
  const { client, mizan, alone, file } = register
  const good = file('outlets.csv', `\ufeff${header}\r\n${[1, 2, 3].map((n) => bakery(n)).join('\r\n')}\r\n`)
  const dry = await alone('outlet', 'load', good, '--dry-run')
  t.match(dry.out, /^3 rows: 3 would be added, 0 would be changed, 0 as they were, 0 rejected\n6 terminals/)
  t.equal((await listOutlets(client, {}, { limit: 10, today: TODAY })).outlets.length, 0, 'a dry run changes nothing')

  const refused = await alone('outlet', 'load', good)
  t.match(refused, { status: 1, out: '', errors: /3 settlement accounts are set or changed: a second person/ })
  t.equal((await listOutlets(client, {}, { limit: 10, today: TODAY })).outlets.length, 0, 'nor does one person alone')
  const first = JSON.parse((await mizan('outlet', 'load', good, '--json')).out)
  t.match(first.totals, { rows: 3, added: 3, changed: 0, unchanged: 0, rejected: 0, terminals: 6 })
  const { details, terminals } = await findOutlet(client, 'BAKERY2')
  t.match(details, { name: 'Bakery 2', flourSacksDaily: 12, licenceTo: '2027-12-31', settlementAccount: 'EG382' })
  t.same(terminals[1], { id: 'BK2B', serial: null, status: 'active', from: '2026-12-01', to: null })

  const noted = await listAudit(client, { action: 'outlet-file', limit: 9 })
  t.match(noted, [{ actor: /^system:.* \+ user:settler$/, source: 'local', detail: { settlementChanged: 3 } }])
  t.equal(noted.length, 1)

  const again = await alone('outlet', 'load', good)
  t.match(again.out, /^this file was loaded at .* nothing has changed \(--again/)
  t.match(
    (await alone('outlet', 'load', good, '--again')).out,
    /3 rows: 0 added, 0 changed, 3 as they were, 0 rejected/,
  )
  const same = file('same.ndjson', '{"acceptor":"BAKERY1","name":"Bakery 1","terminals":["BK1A"]}\n')
  t.match((await alone('outlet', 'load', same)).out, /1 rows: 0 added, 0 changed, 1 as they were/, 'row by row too')
  const events = await client.query('select action, count(*)::int from outlet_event group by action')
  t.same(events.rows, [{ action: 'added', count: 3 }], 'what did not change has no history')

  const bad = file(
    'bad.csv',
    `${header};status;statusFrom\n${bakery(1, ';;;;;;;;;')};closed;2026-11-30\n${bakery(2, ';2026-02-30;;5:00;;coal;1.5;;x y;')};;\n${bakery(1)};;\nNEW1;;;;XXX;;;;;;;;;;;;\n${bakery(4, ';2027-01-02;2027-01-01;05:00;;;;;EG4444;BK4A|BK4A|?')};;\n`,
  )
  const rejects = file('rejects.csv', '')
  const partly = await alone('outlet', 'load', bad, '--rejects', rejects)
  t.equal(partly.status, 1)
  t.match(partly.out, /5 rows: 0 added, 1 changed, 0 as they were, 4 rejected\n0 terminals, 1 statuses/)
  t.same(
    readFileSync(rejects, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(',').slice(0, 2).join(' ')),
    [
      'line field',
      '3 licenceFrom',
      '3 opens',
      '3 fuel',
      '3 flourSacksDaily',
      '3 settlementAccount',
      '4 acceptor',
      '5 governorate',
      '6 terminals',
    ],
  )
  t.match(
    (await findOutlet(client, 'BAKERY1')).details,
    details.licence === null ? {} : { licence: 'LIC-1', fuel: 'gas' },
    'empty cells change nothing',
  )
  t.same((await findOutlet(client, 'BAKERY1')).standings, [{ from: 20261130, status: 'closed' }])
  const list = (...args: string[]) => mizan('outlet', 'list', ...args).then(({ out }) => out.split('\n').length - 1)
  t.same(
    [
      await list(),
      await list('--status', 'closed'),
      await list('--category', 'grocer'),
      await list('--licence-ends-by', '2027-12-31'),
    ],
    [3, 0, 0, 3],
  )
  t.match(
    (await mizan('outlet', 'show', 'BAKERY3')).out,
    /fuel gas; 12 sacks of flour a day\n {2}settlement NBEG \*{4}G383;/,
  )
  t.match((await mizan('outlet', 'show', 'NOBODY')).errors, /there is no outlet NOBODY/)
})

test('outlets and rollout one by one, each with who did it, in one transaction with its audit', async (t) => {
  const { client, mizan, as, alone } = register
  const audited: string[] = []
  const audit: AuditHook = async (_, { action, target }) => void audited.push(`${action} ${target}`)
  const by = { actor: 'officer', today: TODAY, audit }
  const shop = { acceptor: 'SHOP1', terminals: [{ id: 'T1' }] }
  await t.rejects(saveOutlet(client, { ...shop, details: { name: 'Shop' } }, by), {
    code: 'BAD_INPUT',
    message: /category: a new outlet must have it; mcc: .*; governorate: /,
  })
  const faulty = { governorate: 'XX', mcc: '12', opens: '25:00', name: null as unknown as string }
  await t.rejects(saveOutlet(client, { ...shop, details: faulty, terminals: [{ id: 'T|1', to: '2026-02-30' }] }, by), {
    code: 'BAD_INPUT',
    message: /governorate: .*; mcc: .*; opens: .*; name: must be given; terminals: .*; terminals: /,
  })
  const details = { name: 'Shop', category: 'shop', mcc: '5311', governorate: 'PTS' } as const
  t.equal((await saveOutlet(client, { ...shop, details }, by)).kind, 'added')
  t.equal((await saveOutlet(client, { ...shop, details }, by)).kind, 'unchanged')
  const failing = { ...by, audit: () => Promise.reject(new Error('the audit is full')) }
  await t.rejects(saveOutlet(client, { ...shop, details: { mcc: '5999' } }, failing), { message: /the audit is full/ })
  t.equal((await findOutlet(client, 'SHOP1')).details.mcc, '5311', 'without its audit nothing is changed')
  await setOutletStatus(client, 'SHOP1', { status: 'suspended', from: TODAY, reason: 'inspection' }, by)
  await t.rejects(setOutletStatus(client, 'SHOP1', { status: 'active', from: '2026-11-10', reason: 'x' }, by), {
    code: 'BAD_INPUT',
  })
  t.equal((await listOutlets(client, { status: 'suspended' }, { limit: 5, today: TODAY })).outlets.length, 1)

  const entry = { service: 'bread', governorate: 'PTS', liveFrom: '2026-12-01' }
  t.equal(await setRollout(client, entry, { ...by, reason: 'first' }), true)
  t.equal(await setRollout(client, entry, { ...by, reason: 'again' }), false)
  await setRollout(client, { ...entry, liveFrom: '2027-01-01' }, { ...by, reason: 'later' })
  t.same(await listRollout(client), [{ ...entry, liveFrom: '2027-01-01' }])
  t.same(
    (await rolloutHistory(client, { limit: 9 })).map((one) => [one.liveFrom, one.actor, one.reason]),
    [
      ['2027-01-01', 'officer', 'later'],
      ['2026-12-01', 'officer', 'first'],
    ],
  )
  t.same(audited, ['outlet-added SHOP1', 'outlet-changed SHOP1', 'rollout-set bread PTS', 'rollout-set bread PTS'])
  const set = ['rollout', 'set', 'bread', 'SUZ', '2026-12-24', '--reason', 'x'] as const
  const wrong = await alone('rollout', 'set', 'bred', 'PTS', '2027-01-01', '--reason', 'x')
  t.match(wrong.errors, /no such service: it is one of bread,/, 'before anybody has to log in')
  t.match((await alone(...set)).errors, /user|input/, 'not by one person alone')
  t.match((await as('settler', ...set)).errors, /agreeing to where a service is live is for operator/)
  t.notOk((await listRollout(client)).some(({ governorate }) => governorate === 'SUZ'))
  t.match((await mizan(...set)).out, /bread is live in SUZ from 2026-12-24/)
  t.match((await alone(...set)).out, /bread was live in SUZ from 2026-12-24 already/, 'nothing to agree to')
  t.match((await rolloutHistory(client, { limit: 1 }))[0]?.actor, /^system:.+ \+ user:opener$/)
  t.match((await mizan('rollout', 'list')).out, /bread +SUZ {2}from 2026-12-24/)
  for (const step of ['reinstate', 'suspend', 'close']) {
    t.equal((await mizan('outlet', step, 'SHOP1', '--reason', step)).status, 0)
  }
  const noted = await listAudit(client, { limit: 4 })
  t.match(
    noted.map(({ action, detail, actor }) => [action, detail.target, actor.split(':')[0]]),
    [...[1, 2, 3].map(() => ['outlet-changed', 'SHOP1', 'system']), ['rollout-set', 'bread SUZ', 'system']],
    'and so is what is done at the command line',
  )
  await t.rejects(client.query('update outlet set acceptor_id = acceptor_id || 1'), {
    message: /keeps its number and its acceptor/,
  })
  await t.rejects(client.query('update outlet_standing set status = $1', ['active']), { message: /permission denied/ })
})

test('what is in memory follows in bounded pieces, and keeps what it has when the database does not answer', async (t) => {
  const { url, client } = register
  await client.query(
    `insert into outlet (id, acceptor_id, name, category, mcc, governorate)
     select n, 'S' || n, 'Shop', 'shop', '5311', 'PTS' from generate_series(101, 11100) n`,
  )
  const tables = await loadReferenceData(client)
  t.ok(tables.outletCount > 11_000)
  t.equal(tables.outletByAcceptor('S11099')?.id, 11_099)
  const seen: number[] = []
  const errors: unknown[] = []
  const watch = watchReferenceData({
    url,
    tables,
    onChange: ({ outlets }) => void seen.push(outlets),
    onError: (error) => errors.push(error),
    intervalMs: 60_000,
  })
  t.teardown(() => watch.close())
  await watch.poll()
  await client.query(`update outlet set mcc = '5999' where acceptor_id in ('S101', 'S102')`)
  for (let waited = 0; seen.length === 0 && waited < WAIT_MS; waited += 20) await sleep(20)
  t.same(seen, [2], 'a notification brings only what changed')
  t.equal(tables.outletByAcceptor('S101')?.mcc, '5999')
  const owner = await connect({ url, name: 'mizan test owner' })
  t.teardown(() => owner.end())
  await owner.query('revoke select on outlet from mizan_app')
  await owner.query(`update outlet set mcc = '5311' where acceptor_id = 'S101'`)
  await watch.poll()
  t.equal(tables.outletByAcceptor('S101')?.mcc, '5999')
  t.equal(errors.length, 1, 'a fault is told once')
  await owner.query('grant select on outlet to mizan_app')
  await watch.poll()
  t.equal(tables.outletByAcceptor('S101')?.mcc, '5311')
})

test('M19: outlets, terminals and rollout change what a running switch answers to the next message', async (t) => {
  const world = await startTestSwitch(t, { households: 40 })
  const { client } = world
  const { card, governorate } = world.household({ governorate: 'PTS' })
  const terminal = world.place('bakery', governorate)
  const acceptor = terminal.acceptorId
  const loaf = () => unitDraw({ card, terminal, quantity: 1, pricePiasters: 20 })
  const by = { actor: 'officer', today: TODAY }
  /** Gives the notification time to arrive. */
  const expect = async (code: string, result: string, intent = loaf()) => {
    await sleep(30)
    let { sent, answer } = await world.pos.ask(intent)
    // A machine that is busy with other tests may need longer.
    for (let waited = 0; answer.code !== code && waited < WAIT_MS; waited += 100) {
      await sleep(100)
      ;({ sent, answer } = await world.pos.ask(intent))
    }
    t.equal(answer.code, code)
    t.equal((await world.ledger(sent))?.result, result)
  }
  const standing = (status: 'active' | 'suspended' | 'closed', from = TODAY) =>
    setOutletStatus(client, acceptor, { status, from, reason: 'test' }, by)
  await expect('00', 'approved')
  await standing('suspended')
  await expect('03', 'unknown-outlet')
  await expect('58', 'not-at-this-outlet', transaction('purchase', { card, terminal, amountPiasters: 100, from: '20' }))
  await standing('active')
  await standing('closed', '2026-11-12')
  await expect('00', 'approved')
  world.clock.advance(86_400_000)
  await expect('03', 'unknown-outlet')
  world.clock.advance(-86_400_000)
  await saveOutlet(client, { acceptor, details: {}, terminals: [{ id: terminal.terminalId, status: 'stopped' }] }, by)
  await expect('58', 'not-at-this-outlet')
  await saveOutlet(
    client,
    { acceptor, details: {}, terminals: [{ id: terminal.terminalId, status: 'active', to: '2026-11-10' }] },
    by,
  )
  await expect('58', 'not-at-this-outlet')
  await saveOutlet(client, { acceptor, details: {}, terminals: [{ id: terminal.terminalId, to: null }] }, by)
  await expect('00', 'approved')
  const rollout = { service: 'bread', governorate }
  await setRollout(client, { ...rollout, liveFrom: '2026-11-12' }, { ...by, reason: 'later' })
  await expect('57', 'service-not-live')
  await setRollout(client, { ...rollout, liveFrom: '2026-11-11' }, { ...by, reason: 'today' })
  await expect('00', 'approved')
})
