import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { keysCommand } from '../../src/commands/keys.ts'
import { ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { KEY_BLOCK_PROTECTION, masterKeyOf } from '../../src/security/master-key.ts'
import { tdesKcv } from '../../src/security/primitives/key-checks.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { installDemoKeys } from '../../src/simulator/demo-key-store.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { readKeyEvents, readKeys } from '../../src/store/key-store.ts'
import { type CommandRun, commandRunner } from '../support/command.ts'
import { createTestDatabase, sharedKeyStore, type TeardownHost } from '../support/database.ts'

const MASTER_KEY = '5a'.repeat(32)

const protection = () => masterKeyOf(Buffer.from(MASTER_KEY, 'hex'), 'test').derive(KEY_BLOCK_PROTECTION, 32)

const openStore = await sharedKeyStore(t)

interface Installation {
  readonly url: string
  readonly app: Client
  readonly folder: string
  mizan(args: readonly string[], input?: string, env?: Readonly<Record<string, string>>): Promise<CommandRun>
}

/** A key store of its own, and the commands on it. */
async function install(t: TeardownHost): Promise<Installation> {
  const { url, app } = await openStore(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-keys-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const basis = { DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: MASTER_KEY }
  const run = commandRunner(basis)
  const mizan: Installation['mizan'] = (args, input, env) => run(keysCommand, args, input, env)
  return { url, app, folder, mizan }
}

/** The program itself. */
async function program(args: readonly string[], url: string, folder: string, input = ''): Promise<CommandRun> {
  const env = { PATH: process.env.PATH ?? '', DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: MASTER_KEY }
  const cli = path.resolve(import.meta.dirname, '../../src/cli.ts')
  const child = spawn(process.execPath, [cli, 'keys', ...args], { env })
  child.stdin.on('error', () => undefined).end(input)
  const [out, errors, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { status: Number(status ?? -1), out, errors }
}

function expectRefusal(t: Test, run: CommandRun, message: RegExp): void {
  t.equal(run.status, 1)
  t.match(run.errors, message)
  t.equal(run.out, '')
  t.equal(run.errors.trim().split('\n').length, 1, 'one clear line')
}

const checkValueIn = (out: string) => /check value ([0-9A-F]{6})/.exec(out)?.[1]

t.test('from generation to the end, with a rotation', async (t) => {
  const { app, mizan } = await install(t)
  const made = await mizan(['generate', 'zpk:visa'])
  t.equal(made.status, 0)
  t.match(made.out, /^zpk:visa version 1 \(P0, check value [0-9A-F]{6}\) is pending/)
  t.match((await readKeys(app)).keys, [
    { status: 'pending', usage: 'P0', algorithm: 'T', createdBy: userInfo().username },
  ])

  t.equal((await mizan(['activate', 'zpk:visa'])).status, 0)
  const rotated = await mizan(['rotate', 'zpk:visa', '--retire-after', '2h'])
  t.match(rotated.out, /zpk:visa version 2 .* is active\nstill accepted until .* at the latest .*: version 1\n/)
  const [first, second] = (await readKeys(app)).keys
  t.match(first, { status: 'active', validToMs: Number })
  t.ok(Math.abs((first?.validToMs ?? 0) - Date.now() - 7_200_000) < 120_000)
  t.match(second, { status: 'active', validToMs: undefined })
  t.not(first?.checkValue, second?.checkValue)

  const confirmed = await mizan(['confirm', 'zpk:visa'])
  t.match(confirmed.out, /version 1 .* is retired\nzpk:visa version 2 .* is confirmed\n/)
  expectRefusal(t, await mizan(['retire', 'zpk:visa']), /only one of zpk:visa in use; add --key-version 2/)
  t.equal((await mizan(['retire', 'zpk:visa', '--key-version', '2'])).status, 0)
  t.equal((await mizan(['revoke', 'zpk:visa', '--key-version', '1', '--reason', 'seen by others'])).status, 0)
  expectRefusal(t, await mizan(['activate', 'zpk:visa', '--key-version', '2']), /is retired and cannot become active/)
  expectRefusal(t, await mizan(['rotate', 'zpk:visa']), /no version of zpk:visa is in use/)

  const listed = JSON.parse((await mizan(['list', '--json'])).out)
  t.match(listed, [
    { name: 'zpk:visa', version: 1, status: 'revoked', inUse: false, checkValue: first?.checkValue, validTo: String },
    { name: 'zpk:visa', version: 2, status: 'retired', inUse: false, validTo: null, createdBy: userInfo().username },
  ])
  t.ok(listed.every((key: object) => !('block' in key)))
  t.match(JSON.parse((await mizan(['list', '--json', '--blocks'])).out), [
    { block: first?.block },
    { block: second?.block },
  ])
  t.match((await mizan(['list'])).out, /zpk:visa +v1 +revoked +P0TBE +[0-9A-F]{6} .*\n.*\n2 key\(s\)/)
  t.notMatch((await mizan(['list'])).out, /D0112/)

  const audit = JSON.parse((await mizan(['audit', 'zpk:visa', '--json'])).out)
  t.match(audit[0], { action: 'key-revoked', version: 1, actor: userInfo().username, detail: 'seen by others' })
  t.same(audit.map(({ action, version }: { action: string; version: number }) => `${action} ${version}`).reverse(), [
    'key-created 1',
    'key-activated 1',
    'key-validity-changed 1',
    'key-created 2',
    'key-retired 1',
    'key-retired 2',
    'key-revoked 1',
  ])
  t.match(
    (await mizan(['audit', '--limit', '1'])).out,
    /key-revoked +zpk:visa v1 [0-9A-F]{6} {2}by \S+.*: seen by others\n$/,
  )
})

/** Keys as a counterparty sends them under kek:visa. */
async function sentBlocks(app: Client): Promise<{ zpk: string; imk: string; checkValue: string }> {
  const ring = new KeyRing(protection())
  ring.load((await readKeys(app)).keys)
  const kek = new ProtectionKey('D', ring.accepted('kek:visa', Date.now())[0]?.bytes ?? new Uint8Array())
  const key = Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex')
  const blockOf = (usage: 'P0' | 'E0', modeOfUse: 'B' | 'X') =>
    wrapKeyBlock(
      kek,
      {
        version: 'D',
        usage,
        algorithm: 'T',
        modeOfUse,
        keyVersion: '00',
        exportability: 'N',
        keyContext: '0',
        optionalBlocks: [],
      },
      key,
    )
  return { zpk: blockOf('P0', 'B'), imk: blockOf('E0', 'X'), checkValue: tdesKcv(key).toString('hex').toUpperCase() }
}

t.test('a reason makes no line of its own in the audit', async (t) => {
  const { mizan } = await install(t)
  await mizan(['generate', 'cvk'])
  await mizan([
    'revoke',
    'cvk',
    '--key-version',
    '1',
    '--reason',
    'lost\n2026-11-11T00:00:00.000Z  key-created  cvk v9',
  ])
  const { out } = await mizan(['audit', 'cvk'])
  t.match(out, /: lost\\x0a2026-11-11T/)
  t.equal(out.trim().split('\n').length, 2)
})

t.test('a key goes to a counterparty and comes from one', async (t) => {
  const { app, folder, mizan } = await install(t)
  for (const kek of ['kek:visa', 'kek:bcd']) await mizan(['generate', kek, '--activate'])
  await mizan(['generate', 'kek:ascii', '--algorithm', 'tdes', '--activate'])
  await mizan(['generate', 'zpk:visa', '--activate'])
  const block = await mizan(['export', 'zpk:visa', '--under', 'kek:visa'])
  t.match(block.out, /^D0112P0TB00E0000[0-9A-F]{96}\n$/)
  t.match((await readKeyEvents(app, 1))[0], {
    action: 'key-exported',
    name: 'zpk:visa',
    version: 1,
    detail: 'under kek:visa',
  })
  await mizan(['generate', 'pvk'])
  t.match((await mizan(['export', 'pvk', '--under', 'kek:ascii'])).out, /^B0096V2TC/, 'version B under triple DES')

  const file = path.join(folder, 'zpk.txt')
  writeFileSync(file, block.out)
  const under = ['--under', 'kek:visa']
  const refused = (args: readonly string[], why: RegExp, input?: string) =>
    mizan(args, input).then((run) => expectRefusal(t, run, why))
  await refused(['import', 'zpk:visa', '--block', file, ...under], /version 1 .* same check value [0-9A-F]{6}\n$/)
  await mizan(['revoke', 'zpk:visa', '--key-version', '1'])
  await refused(['import', 'zpk:visa', '--block', file, ...under], /version 1 .* same check value .*, and is revoked/)
  const sent = await sentBlocks(app)
  writeFileSync(file, sent.zpk)
  const imported = await mizan(['import', 'zpk:visa', '--block', file, ...under])
  t.equal(imported.status, 0)
  t.equal(checkValueIn(imported.out), sent.checkValue, 'the same key')
  const piped = await mizan(['import', 'imk-ac', '--block', '-', ...under, '--activate'], sent.imk)
  t.match(piped.out, /^imk-ac version 1 .* is active\n/)

  await refused(['import', 'mak:visa', '--block', file, ...under], /usage P0, not M3/)
  await refused(['import', 'zpk:bcd', '--block', file, '--under', 'kek:bcd'], /the key block is refused/)
  await refused(['import', 'zpk:pos', '--block', file, '--under', 'kek:pos'], /no key kek:pos in use/)
  await refused(['import', 'zpk:pos', '--block', file, '--under', 'zpk:visa'], /--under takes a key kek/)
  await refused(['import', 'zpk:visa', '--block', '/no/file', ...under], /cannot be read/)
  await refused(['import', 'zpk:visa', '--block', '-', ...under], /header .* malformed/, 'D01')
  const alone = /between us and .*: it travels under kek:\w+ alone/
  await refused(['import', 'zpk:bcd', '--block', file, ...under], alone)
  await refused(['export', 'zpk:visa', '--under', 'kek:bcd'], alone)
  await refused(['export', 'mak:bcd', ...under], alone)

  await mizan(['generate', 'mak:visa', '--no-export', '--activate'])
  expectRefusal(t, await mizan(['export', 'mak:visa', '--under', 'kek:visa']), /not exportable/)
  expectRefusal(t, await mizan(['export', 'kek:bcd', '--under', 'kek:visa']), /not exportable/)
  expectRefusal(t, await mizan(['export', 'zpk:none', '--under', 'kek:none']), /there is no zpk:none/)
  const revoked = await mizan(['export', 'zpk:visa', '--under', 'kek:visa', '--key-version', '1'])
  expectRefusal(t, revoked, /version 1 of zpk:visa is revoked/)
})

const secrets = { amal: 'correct horse battery', basem: 'staple horse correct', dina: 'battery staple horse' }
const components = ['0123456789ABCDEFFEDCBA9876543210', '00112233445566778899AABBCCDDEEFF', '9'.repeat(32)]

/** Lines that a custodian types. */
const custodianLines = (name: keyof typeof secrets, component = '') => `${name}\n${secrets[name]}\n${component}\n`

t.test('a key is entered in components by different custodians', async (t) => {
  const { app, mizan } = await install(t)
  for (const [name, secret] of Object.entries(secrets)) {
    t.equal((await mizan(['custodian', 'add', name], `${secret}\n`)).out, `custodian ${name} is added\n`)
  }
  const [one = '', two = '', three = ''] = components
  const clear = Buffer.from(one, 'hex')
  for (const [at, byte] of Buffer.from(two, 'hex').entries()) clear[at] = (clear[at] ?? 0) ^ byte
  const kcv = (hex: string | Buffer) =>
    tdesKcv(Buffer.from(hex as string, 'hex'))
      .toString('hex')
      .toUpperCase()
  const keyKcv = kcv(clear.toString('hex'))
  const args = ['enter', 'kek:visa', '--components', '2', '--algorithm', 'tdes']
  const both = custodianLines('amal', one) + custodianLines('basem', two)

  const entered = await mizan([...args, '--activate'], `${both}${keyKcv}\n`)
  t.equal(entered.errors, '')
  t.equal(
    entered.out,
    `component 1: check value ${kcv(one)}\ncomponent 2: check value ${kcv(two)}\nkey: check value ${keyKcv}\n` +
      `kek:visa version 1 (K0, check value ${keyKcv}) is active\n`,
  )
  const { keys } = await readKeys(app)
  const ring = new KeyRing(protection())
  ring.load(keys)
  const [loaded] = ring.versions('kek:visa')
  t.equal(kcv(Buffer.from(loaded?.bytes ?? []).toString('hex')), keyKcv)
  const [event] = await readKeyEvents(app, 1)
  t.match(event, { action: 'key-created', custodians: ['amal', 'basem'], detail: 'entered in 2 components' })

  const failing = async (lines: string, message: RegExp, more: string[] = args) => {
    const run = await mizan(more, lines)
    t.equal(run.status, 1)
    t.match(run.errors, message)
    for (const text of [...Object.values(secrets), ...components]) t.notOk((run.out + run.errors).includes(text))
  }
  await failing(`${both}000000\n`, /check value is not that of the key/)
  await failing(both, /the input has ended/)
  await failing(custodianLines('amal', one) + custodianLines('amal', two), /another custodian each time/)
  await failing(`amal\n${secrets.basem}\n${one}\n`, /no such custodian, or the secret is wrong/)
  await failing(`nobody\n${secrets.basem}\n${one}\n`, /no such custodian, or the secret is wrong/)
  await failing(custodianLines('amal', one.slice(2)), /16 bytes/)
  await failing(custodianLines('amal', '0'.repeat(32)), /all zeros/)
  await failing(custodianLines('amal', one) + custodianLines('basem', one), /equal to another/)
  await failing('', /not entered in components/, ['enter', 'pan-index', '--components', '2'])
  t.equal((await readKeys(app)).keys.length, 1)
  t.same(
    (await readKeyEvents(app, 100)).filter(({ action }) => action === 'custodian-refused').map(({ name }) => name),
    ['(unknown)', 'amal'],
  )

  const three3 = both + custodianLines('dina', three)
  t.match((await mizan(['enter', 'mak:visa', '--components', '3'], three3)).out, /component 3: check value/)
  t.equal((await mizan(['custodian', 'disable', 'basem'])).status, 0)
  await failing(`${both}${keyKcv}\n`, /no such custodian, or the secret is wrong/)
  await failing('', /there is no custodian basem/, ['custodian', 'disable', 'basem'])
  await failing(`${secrets.amal}\n`, /there is, or was, a custodian basem/, ['custodian', 'add', 'basem'])
  await failing('too short\n', /12 to 256 characters/, ['custodian', 'add', 'hoda'])
  t.match(JSON.parse((await mizan(['custodian', 'list', '--json'])).out), [
    { name: 'amal', disabledAt: null },
    { name: 'basem', disabledAt: String },
    { name: 'dina', disabledAt: null },
  ])
  t.match((await mizan(['custodian', 'list'])).out, /basem +added .*, disabled /)

  const production = { MIZAN_ENV: 'production' }
  const piped = await mizan([...args, '--activate'], `${both}${keyKcv}\n`, production)
  expectRefusal(t, piped, /in production, components are typed at a terminal/)
})

t.test('demo keys do not get into production', async (t) => {
  const { app, mizan } = await install(t)
  const ring = new KeyRing(protection())
  await installDemoKeys(app, new SoftwareModule(ring, () => 0), { seed: 1, environment: 'test', links: ['ascii'] })
  const exported = await mizan(['export', 'bdk', '--under', 'kek:ascii'])
  const under = ['--block', '-', '--under', 'kek:ascii']
  const refused = await mizan(['import', 'bdk:ascii', ...under], exported.out, { MIZAN_ENV: 'production' })
  expectRefusal(t, refused, /demo data and keys are refused in production: .*bdk:ascii version 1/)
  t.notOk((exported.out + refused.errors).includes(demoKeys(1).bdk))
})

t.test('the keys of card numbers are not lost', async (t) => {
  const { app, url, mizan } = await install(t)
  await mizan(['generate', 'pan-index', '--activate'])
  for (const args of [['generate'], ['rotate'], ['retire', '--key-version', '1'], ['revoke', '--key-version', '1']]) {
    const [command = '', ...options] = args
    expectRefusal(
      t,
      await mizan([command, 'pan-index', ...options]),
      /pan-index has one version|without pan-index no card/,
    )
  }
  await mizan(['generate', 'pan-encryption', '--activate'])
  const owner = await connect({ url, name: 'mizan test' })
  t.teardown(() => owner.end())
  await owner.query(`insert into household (lane, id, governorate, closed_month, old_ration_card)
    values (0, 1, 'Cairo', 202610, 'none')`)
  await owner.query(`insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry,
      sequence_number, service_code, status)
    values (0, 1, 1, 'family', decode(repeat('00', 16), 'hex'), '400000******0000', '', 1, '3012', '01', '201', 'active')`)
  const revoke = ['revoke', 'pan-encryption', '--key-version', '1']
  expectRefusal(t, await mizan(revoke), /card numbers or people rest under version 1; re-encrypt them first/)
  await owner.query('update card set key_version = 2')
  t.equal((await mizan(revoke)).status, 0)
  t.match((await readKeys(app)).keys, [{ status: 'revoked' }, { name: 'pan-index', status: 'active' }])
})

t.test('what goes wrong is one clear line', async (t) => {
  const { mizan, folder } = await install(t)
  const lines: [string[], RegExp][] = [
    [['generate', 'tmk:atm'], /there are no keys tmk; there are kek:<link>/],
    [['generate', 'zpk:Visa'], /keys zpk are named zpk:<link>/],
    [['generate', 'pvk', '--algorithm', 'aes'], /triple DES of 16 bytes/],
    [['generate', 'zpk:visa', '--bytes', 'many'], /--bytes must be a number/],
    [['rotate', 'zpk:visa', '--retire-after', 'soon'], /soon is no time/],
    [['rotate', 'zpk:visa', '--retire-after', '9000d'], /up to a year/],
    [['activate', 'zpk:visa'], /no version of zpk:visa is pending/],
    [['activate', 'zpk:visa', '--key-version', '0'], /0 is no version/],
    [['confirm', 'zpk:visa', '--key-version', '3'], /version 3 of zpk:visa is not in use/],
    [['revoke', 'zpk:visa', '--key-version', '1'], /there is no version 1 of zpk:visa/],
    [['audit', '--limit', '0'], /--limit must be 1 to/],
  ]
  for (const [args, message] of lines) expectRefusal(t, await mizan(args), message)
  await mizan(['generate', 'zpk:visa', '--activate'])
  expectRefusal(t, await mizan(['rotate', 'zpk:visa', '--send']), /no zone key of an outbound link \(there is none\)/)
  expectRefusal(t, await mizan(['send', 'zpk:visa']), /mizan keys export makes a block/)
  t.equal((await mizan(['list'])).out.split('\n').length, 3, 'and nothing was made')
  const other = { MIZAN_MASTER_KEY: 'b6'.repeat(32) }
  expectRefusal(t, await mizan(['rotate', 'zpk:visa'], '', other), /key zpk:visa version 1: .*the key block is refused/)
  t.equal((await mizan(['list'], '', other)).status, 0, 'a list needs no master key')
  const { url } = await createTestDatabase(t, { empty: true })
  expectRefusal(t, await mizan(['list'], '', { DATABASE_URL: url }), /no key store yet; mizan start/)
  expectRefusal(
    t,
    await mizan(['list'], '', { DATABASE_URL: '', MIZAN_VAR: path.join(folder, 'none') }),
    /no database in/,
  )
})

t.test('the program', async (t) => {
  const { url, folder, mizan } = await install(t)
  const selfTest = await mizan(['self-test'])
  t.match(selfTest.out, /^des +ok\n(.+ ok\n)+\d+ ok, 0 failed\n$/)
  t.equal(selfTest.status, 0)
  const results = JSON.parse((await mizan(['self-test', '--json'])).out)
  t.ok(results.length > 20 && results.every(({ ok }: { ok: boolean }) => ok))
  t.match((await mizan(['families'])).out, /zpk:<link> +P0 +B/)
  await mizan(['generate', 'kek:visa', '--activate'])
  await mizan(['generate', 'bdk', '--activate'])
  const { out } = await mizan(['export', 'bdk', '--under', 'kek:visa'])
  const [added, piped, unknown] = await Promise.all([
    program(['custodian', 'add', 'amal'], url, folder, 'correct horse battery\n'),
    program(['import', 'bdk:visa', '--block', '-', '--under', 'kek:visa'], url, folder, out),
    program(['list', '--bogus'], url, folder),
  ])
  t.match(added.out, /custodian amal is added/)
  t.match(piped.out, /bdk:visa version 1 .* is pending/)
  for (const { status, errors } of [unknown, await mizan(['enter', 'x', '--components', '4'])]) {
    t.equal(status, 1)
    t.match(errors, /^error: /)
    t.notMatch(errors, /\n {4}at /)
  }
})
