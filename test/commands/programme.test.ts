import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Test, test } from 'tap'
import type { ProgrammeFile } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { addDays, type CivilDate, civilDate, formatDate, monthOf } from '../../src/calendar.ts'
import { programmeCommand } from '../../src/commands/programme.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { addUser } from '../../src/store/access-users.ts'
import { connect } from '../../src/store/connection.ts'
import { breadDraw } from '../support/bread-draw.ts'
import { commandRunner } from '../support/command.ts'
import { ask, writerWorld } from '../support/writer.ts'

/** Not tomorrow: midnight may pass while the test runs. */
const soon = formatDate(addDays(civilDate(Date.now()), 3))

function fileOf(code: string, change: object): ProgrammeFile {
  return {
    ...shippedProgrammes.find((one) => one.code === code),
    version: 2,
    effectiveFrom: soon,
    ...change,
  } as never
}

/** A world with draws, and the commands on it, in this process. */
async function programmeWorld(t: Test) {
  const world = await writerWorld(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-programme-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const run = commandRunner({ DATABASE_URL: world.url, MIZAN_VAR: folder })
  const mizan = (args: readonly string[], input = '') => run(programmeCommand, args, input)
  const write = (name: string, content: unknown) => {
    const file = path.join(folder, name)
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }
  return { ...world, folder, mizan, write }
}

test('mizan programme', async (t) => {
  const { mizan, write, url, clock, start } = await programmeWorld(t)

  await t.test('validate: every fault with its file and path', async (t) => {
    const good = write('good.json', fileOf('bread', {}))
    const bad = write('bad.json', fileOf('bread', { unit: 'LOAVES', offlin: {} }))
    const run = await mizan(['validate', good, bad])
    t.equal(run.status, 1)
    t.match(run.out, /good\.json: bread version 2 is valid\n/)
    t.match(run.out, /bad\.json: unit must be one of EGP, LOAF, KG\n/)
    t.match(run.out, /bad\.json: offlin is not a known field \(did you mean offline\?\)\n/)
    const json = await mizan(['validate', '--json', bad])
    t.match(JSON.parse(json.out), [{ ok: false, problems: [{ path: 'offlin' }, { path: 'unit' }] }])
    t.match((await mizan(['validate', write('no.json', '{')])).errors, /no\.json is no JSON/)
    t.match((await mizan(['validate', '/nowhere/x.json'])).errors, /cannot be read/)
    const clash = write('clash.json', fileOf('bread', { code: 'cake', version: 1 }))
    t.equal((await mizan(['validate', clash])).status, 0, 'sound by itself')
    const among = await mizan(['validate', '--published', clash])
    t.match(among.out, /number 1 is that of bread/)
    t.match(among.out, /accountCode 92 names bread already/)
    const shipped = ['bread', 'flour', 'pension'].map((name) => `schemas/programmes/${name}.json`)
    t.equal((await mizan(['validate', ...shipped])).status, 0)
  })

  await t.test('list, show, diff', async (t) => {
    t.match((await mizan(['list'])).out, /^bread@1 +published +wallet +from 2022-01-01 +Subsidised bread/)
    t.equal(JSON.parse((await mizan(['list', '--json', '--code', 'ration'])).out).length, 1)
    const shown = await mizan(['show', 'pension'])
    t.strictSame(
      JSON.parse(shown.out),
      shippedProgrammes.find(({ code }) => code === 'pension'),
    )
    t.match((await mizan(['show', 'pension', '--version', '7'])).errors, /there is no version 7 of programme pension/)
    const dearer = fileOf('ration', { partialApproval: false })
    const differing = await mizan(['diff', write('ration.json', dearer)])
    t.match(differing.out, /^ {2}version: 1 -> 2\n {2}effectiveFrom: .*\n {2}partialApproval: true -> false\n$/)
    t.match((await mizan(['diff', 'ration'])).errors, /name the versions to compare/)
  })

  await t.test('submit and publish: the second person logs in', async (t) => {
    const client = await connect({ url, name: 'test', role: 'mizan_app' })
    t.teardown(() => client.end())
    for (const [name, role] of [
      ['officer', 'operator'],
      ['reader', 'analyst'],
    ] as const) {
      await addUser(
        client,
        { name, roles: [role], mustChange: false },
        await hashSecret(Buffer.from('long-secret-1')),
        'system:test',
      )
    }
    const file = write('winter.json', fileOf('grants', { code: 'winter', version: 1, number: 41 }))
    t.match((await mizan(['submit', file, '--note', 'for the cold'])).out, 'winter version 1 is submitted\n')
    t.match((await mizan(['submit', file])).errors, /version 1 of winter is submitted: withdraw it/)
    const publish = ['publish', 'winter', '1']
    t.match((await mizan(publish, 'officer\nwrong-secret-1\n')).errors, /nobody is logged in, or the name/)
    t.match((await mizan(publish, 'reader\nlong-secret-1\n')).errors, /publishing is for operator and admin/)
    const published = await mizan(publish, 'officer\nlong-secret-1\n')
    t.equal(published.out, `winter version 1 is published, and decides from ${soon} on\n`, published.errors)
    const row = JSON.parse((await mizan(['show', 'winter', '--json'])).out)
    t.match(row, { published: { by: 'user:officer' }, note: 'for the cold' })
    const { rows } = await client.query(
      `select actor, action from audit_event where detail ->> 'programme' = 'winter@1' order by id`,
    )
    t.match(rows, [{ action: 'programme-drafted' }, { action: 'programme-submitted' }, { actor: 'user:officer' }])
    t.match((await mizan(['withdraw', 'winter', '1', '--reason', 'warm'])).out, 'winter version 1 is withdrawn\n')
  })

  await t.test('simulate: past draws under another version', async (t) => {
    const writer = await start()
    const today = civilDate(clock.now())
    let loaves = 0
    for (let id = 1; id <= 10; id++) {
      const share = breadDraw(id, clock.now())
      t.equal((await ask(writer, share.request)).result, 'approved')
      loaves += share.loaves
      t.equal((await ask(writer, breadDraw(id, clock.now(), 1).request)).result, 'insufficient')
    }
    const from = formatDate((monthOf(today) * 100 + 1) as CivilDate)
    const simulate = async (change: object, code = 'bread') => {
      const file = write('try.json', fileOf(code, change))
      const run = await mizan(['simulate', file, '--from', from, '--json'])
      t.equal(run.status, 0, run.errors)
      return JSON.parse(run.out)
    }
    const same = await simulate({})
    t.match(same, { draws: 20, households: 10, asRecorded: 20, comparedWith: 1 })
    t.match(same.changed, { declined: {}, approved: {}, otherAmount: 0, households: 0 })
    t.same(same.drawn, { before: loaves, after: loaves })

    const less = await simulate({ entitlement: { period: 'day', perMember: 4 } })
    t.same(less.changed.declined, { 'wallet.balance': 10 }, 'a whole share is too much')
    t.same(less.changed.approved, { 'wallet.balance': 10 }, 'so that a loaf is left')
    t.same(less.drawn, { before: loaves, after: 10 })
    t.equal(less.changed.households, 10)

    const dearer = await simulate({ tariff: [{ from: '2022-01-01', piasters: 30 }] })
    t.same(dearer.changed.declined, {})
    t.same(dearer.piasters, { before: loaves * 20, after: loaves * 30 })
    const elsewhere = await simulate({
      outlets: { categories: ['depot'], issuingGovernorateOnly: true },
      settlement: [],
    })
    t.same(elsewhere.changed.declined, { 'outlet.category': 10 })

    const text = await mizan(['simulate', write('try.json', fileOf('bread', {})), '--from', from, '--to', from])
    t.match(text.out, /^bread version 2 from .*compared with version 1\n {2}\d+ draws of/)
    t.match((await mizan(['simulate', 'schemas/programmes/pension.json'])).errors, /only draws on wallets/)
    t.match(
      (await mizan(['simulate', write('x.json', fileOf('bread', {})), '--from', '2026-02-30'])).errors,
      /--from must be a date that exists/,
    )
  })

  await t.test('every command has its help', async (t) => {
    const cli = spawnSync(process.execPath, ['src/cli.ts', 'programme', 'show', 'bread', '--version', 'x'])
    t.match(cli.stderr.toString(), 'x is no version', 'and not the version of the program')
    const names = ['validate', 'list', 'show', 'diff', 'simulate', 'submit', 'publish', 'withdraw']
    const command = programmeCommand()
    t.same(command.commands.map((one) => one.name()).sort(), [...names].sort())
    const page = readFileSync('docs/programmes.md', 'utf8')
    for (const one of command.commands) {
      t.match(one.helpInformation(), '--json')
      t.ok(page.includes(`mizan programme ${one.name()}`), `${one.name()} is documented`)
    }
  })
})
