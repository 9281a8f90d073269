import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Command } from 'commander'
import t from 'tap'
import { commands } from '../../src/commands/command-list.ts'
import { demoCommand } from '../../src/commands/demo.ts'
import { householdCommand } from '../../src/commands/household.ts'
import { keysCommand } from '../../src/commands/keys.ts'
import { commandRunner } from '../support/command.ts'
import { sharedKeyStore } from '../support/database.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mizan-json-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** What a command is called, and itself; of those with commands below them these alone. */
function leaves(command: Command, above: readonly string[] = []): [string, Command][] {
  const name = [...above, command.name()]
  if (command.commands.length === 0) return [[name.join(' '), command]]
  return command.commands.flatMap((one) => leaves(one, name))
}

const takesJson = (command: Command) => command.options.some(({ long }) => long === '--json')

async function allCommands(): Promise<[string, Command][]> {
  const made = await Promise.all(Object.values(commands).map((make) => make()))
  return made.flatMap((command) => leaves(command))
}

t.test('each command that prints a result prints it as JSON too', async (t) => {
  const all = await allCommands()
  t.ok(all.length > 150)
  // It says where it listens and goes on; for programs there is run/listeners.json of the data folder.
  t.same(
    all.filter(([, command]) => !takesJson(command)).map(([name]) => name),
    ['start'],
  )
})

t.test('what people write at the command line is kept without card numbers', async (t) => {
  const texts = (await allCommands()).flatMap(([name, command]) =>
    command.options
      // Commands on cards refuse such a text.
      .filter(() => !name.startsWith('card '))
      .filter(({ long, flags }) => flags.endsWith('<text>') && long !== '--pattern')
      .map((option) => ({ name: `${name} ${option.long}`, read: option.parseArg })),
  )
  t.ok(texts.length > 25, `${texts.length}`)
  for (const { name, read } of texts) {
    t.equal(read?.('card 4000 0012 3456 7899 was lost', undefined), 'card 400000******7899 was lost', name)
  }
})

t.test('options behind "demo day" are its own, not those of "demo"', async (t) => {
  const demo = demoCommand()
  const [day] = demo.commands
  let seen: unknown
  day?.action((options: unknown) => {
    seen = options
  })
  await demo.parseAsync(['day', '--var', 'other', '--json'], { from: 'user' })
  t.same(seen, { var: 'other', json: true })
})

t.test('the life of a key', async (t) => {
  const { url } = await (await sharedKeyStore(t))(t)
  const run = commandRunner({ DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: '5a'.repeat(32) })
  const keys = async (args: string, input = '') => {
    const { status, out, errors } = await run(keysCommand, [...args.split(' '), '--json'], input)
    t.equal(status, 0, errors)
    t.equal(out.trim().split('\n').length, 1, 'one line')
    return JSON.parse(out)
  }
  const family = (await keys('families')).find(({ purpose }: { purpose: string }) =>
    purpose.includes('triple DES DUKPT'),
  )
  t.match(family, { usage: 'B0', modeOfUse: 'X', algorithms: [{ algorithm: 'T', bytes: [16] }], purpose: String })
  t.match(await keys('generate kek:visa --activate'), { name: 'kek:visa', version: 1, status: 'active', usage: 'K0' })
  t.match(await keys('generate zpk:visa'), {
    version: 1,
    status: 'pending',
    checkValue: /^[0-9A-F]{6}$/,
    validTo: null,
  })
  t.match(await keys('activate zpk:visa'), { version: 1, status: 'active' })
  t.match(await keys('rotate zpk:visa --retire-after 2h'), {
    version: 2,
    status: 'active',
    stillAccepted: [1],
    acceptedUntil: String,
  })
  t.match(await keys('confirm zpk:visa'), { version: 2, retired: [1] })
  t.match(await keys('revoke zpk:visa --key-version 1'), { version: 1, status: 'revoked' })

  const sent = await keys('export zpk:visa --under kek:visa')
  t.match(sent, { name: 'zpk:visa', version: 2, under: 'kek:visa', checkValue: String, block: /^D0/ })
  const block = path.join(folder, 'block')
  await keys('generate bdk --activate')
  writeFileSync(block, (await keys('export bdk --under kek:visa')).block)
  t.match(await keys(`import bdk:visa --block ${block} --under kek:visa`), { name: 'bdk:visa', status: 'pending' })
  t.match(await keys('retire zpk:visa --key-version 2'), { version: 2, status: 'retired' })

  const people = { amal: 'a secret of amal', basem: 'a secret of basem' }
  for (const [name, secret] of Object.entries(people)) {
    t.same(await keys(`custodian add ${name}`, `${secret}\n`), { name, status: 'added' })
  }
  const halves = `amal\n${people.amal}\n${'1c'.repeat(16)}\nbasem\n${people.basem}\n${'2a'.repeat(15)}4c\n`
  const enter = ['enter', 'mak:visa', '--components', '2']
  const refused = await run(keysCommand, [...enter, '--json'], `${halves}000000\n`)
  t.equal(refused.out, '', 'check values to compare are no result')
  const kcv = /key: check value ([0-9A-F]{6})/.exec(refused.errors)?.[1]
  t.match(await keys(enter.join(' '), `${halves}${kcv}\n`), { name: 'mak:visa', status: 'pending', checkValue: kcv })
  t.same(await keys('custodian disable basem'), { name: 'basem', status: 'disabled' })
})

t.test('a file of sample households', async (t) => {
  const file = path.join(folder, 'sample.ndjson')
  const run = await commandRunner({})(householdCommand, ['sample', '--out', file, '--count', '3', '--json'])
  t.same(JSON.parse(run.out), { file, households: 3, first: 1 })
})
