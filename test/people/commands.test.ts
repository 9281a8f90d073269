import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'tap'
import { cardCommand } from '../../src/commands/card.ts'
import { householdCommand } from '../../src/commands/household.ts'
import { issuanceCommand } from '../../src/commands/issuance.ts'
import { membershipCommand } from '../../src/commands/membership.ts'
import { notificationCommand } from '../../src/commands/notification.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { addUser } from '../../src/store/access-users.ts'
import { connect } from '../../src/store/connection.ts'
import { saveKeys } from '../../src/store/key-store.ts'
import { commandRunner } from '../support/command.ts'
import { masterKeyHex, testKeys, writerWorld } from '../support/writer.ts'
import { person } from './people-world.ts'

test('people and membership files on the command line', async (t) => {
  const world = await writerWorld(t)
  const client = await connect({ url: world.url, name: 'mizan test' })
  t.teardown(() => client.end())
  await saveKeys(
    client,
    testKeys.map((key) => ({ kind: 'insert', key })),
    { user: 'tester' },
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-people-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await addUser(
    client,
    { name: 'officer', roles: ['operator'], mustChange: false },
    await hashSecret(Buffer.from('long-secret-1')),
    'system:test',
  )
  await world.start()
  const file = (name: string, content: string) => {
    const full = path.join(folder, name)
    writeFileSync(full, content)
    return full
  }
  const command = commandRunner({ DATABASE_URL: world.url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: masterKeyHex })
  const mizan = (make: Parameters<typeof command>[0], ...args: string[]) => command(make, args)
  /** With a second person, who logs in. */
  const agreed = (make: Parameters<typeof command>[0], ...args: string[]) =>
    command(make, args, 'officer\nlong-secret-1\n')
  const noted = async (action: string, outcome: string) => {
    const { rows } = await client.query<{ households: string[]; detail: Record<string, unknown> }>(
      'select households, detail from audit_event where action = $1 and outcome = $2 order by id',
      [action, outcome],
    )
    return rows
  }
  const enrolment = { head: person(1), members: [person(2, false)], governorate: 'PTS', hasOldRationCard: true }

  await t.test('a household is enrolled, shown and changed', async (t) => {
    const input = file('home.json', JSON.stringify({ ...enrolment, head: { ...person(1), name: 'شخص أول' } }))
    const run = await mizan(householdCommand, 'enrol', '--file', input, '--idempotency-key', 'k1', '--json')
    const first = JSON.parse(run.out)
    t.match(first, { done: true, household: 10000000001 })
    const again = await mizan(householdCommand, 'enrol', '--file', input, '--idempotency-key', 'k1', '--json')
    t.same(JSON.parse(again.out), first)
    const id = String(first.household)
    const shown = await mizan(householdCommand, 'show', id)
    t.match(shown.out, /household 10000000001, PTS\n.*2 member\(s\), active\n.*head {2}\*{10}\d{4} {2}شخص أول/)
    t.notMatch(shown.out, person(1).nationalId)
    for (const [number, ...args] of [[person(1).nationalId], [String(person(1).mobile), '--by', 'mobile']]) {
      const found = await command(householdCommand, ['find', ...args], `${number}\n`)
      t.match(found.out, new RegExp(`^household ${id} {2}person \\d+ {2}head {2}since [-\\d]+\n$`))
    }
    const nobody = await command(householdCommand, ['find'], `${person(77).nationalId}\n`)
    t.match([nobody.status, nobody.errors], [1, /nobody with it is or was a member of a household/])
    t.notMatch(nobody.errors, person(77).nationalId)
    t.equal((await noted('household find', 'looked')).length, 3, 'also who looked in vain')
    const looked = await client.query(
      `select from audit_event where outcome = 'looked' and action = 'household show'
        and $1 = any (households)`,
      [id],
    )
    t.equal(looked.rowCount, 1)
    const { members } = JSON.parse((await mizan(householdCommand, 'show', id, '--json')).out)
    const why = ['--reason-code', 'moved']
    t.match(
      (await mizan(householdCommand, 'head', id, String(members[1].personId), ...why)).out,
      /^done: .* another head/,
    )
    t.match(
      (await mizan(householdCommand, 'remove-member', id, String(members[0].personId), ...why)).out,
      /^done: 1 member/,
    )
    const mobile = await command(
      householdCommand,
      ['mobile', String(members[1].personId), '--proof', 'contract'],
      '٠١٠ ٠٠٠٠ ٠٧٧٧\n',
    )
    t.match(mobile, { status: 0, out: /has the mobile number \*{10}777 now/ })
    t.match((await mizan(householdCommand, 'classes', id, 'takaful', ...why)).out, /^done: the classes are takaful/)
    t.match(
      (await mizan(householdCommand, 'move', id, 'SUZ', ...why)).out,
      /^done: the household moved from PTS to SUZ/,
    )
    const alone = await mizan(householdCommand, 'suspend', id, ...why)
    t.match([alone.status, alone.errors], [1, /an answer is missing/])
    t.equal((await noted('household suspend', 'accepted')).length, 0, 'one person alone suspends nobody')
    t.match((await agreed(householdCommand, 'suspend', id, ...why)).out, /^done: the household is suspended/)
    t.match(await noted('household suspend', 'accepted'), [
      { households: [id], detail: { secondPerson: 'user:officer', command: /^\d+-\d+$/ } },
    ])
    const { rows: events } = await client.query(
      `select actor from household_event where household_id = $1 and event = 'suspended'`,
      [id],
    )
    t.match(events, [{ actor: / \+ user:officer$/ }])
    for (const action of ['enrol', 'head', 'remove-member', 'classes', 'move'])
      t.match(await noted(`household ${action}`, 'accepted'), [{ households: [id] }], action)
    t.equal((await noted('household mobile', 'done')).length, 1)
    const twice = await agreed(householdCommand, 'suspend', id, ...why)
    t.match(twice.out, /^refused: the household is suspended already/)
    t.equal(twice.status, 1)
  })

  await t.test('what cannot be is refused in one line, without what was given', async (t) => {
    const refusals: [string[], RegExp][] = [
      [['show', '99'], /there is no household 99\n/],
      [['show', 'home'], /a household is named by its number/],
      [['enrol', '--file', file('a.json', '{')], /a.json is not JSON\n/],
      [['enrol', '--file', file('b.json', JSON.stringify({ ...enrolment, head: {}, extra: 1 }))], /b.json: /],
      [['enrol', '--file', path.join(folder, 'none.json')], /cannot be read/],
      [['head', '3', person(1).nationalId, '--reason-code', 'moved'], /never by an ID/],
      [['suspend', '3', '--reason-code', 'Moved on'], /reasonCode: a word/],
      [['suspend', '3', '--reason-code', 'moved', '--effective', '11.12.2026'], /effective must be a date that exists/],
    ]
    for (const [args, message] of refusals) {
      const run = await mizan(householdCommand, ...args)
      t.equal(run.status, 1, args.join(' '))
      t.match(run.errors, message)
      t.equal(run.errors.trim().split('\n').length, 1)
      t.notMatch(run.errors, person(1).nationalId)
    }
  })

  await t.test('what the issue of cards goes by is set with a date, and noted', async (t) => {
    const run = async (...args: string[]) => (await mizan(issuanceCommand, ...args)).errors
    t.equal(await run('add-holiday', '2031-01-07', 'Coptic Christmas'), '')
    t.match((await mizan(issuanceCommand, 'holidays')).out, '2031-01-07  Coptic Christmas\n')
    t.match(await run('withdraw-holiday', '2031-01-07'), /no holiday on this date was announced before today/)
    await client.query('update holiday set announced_on = 20260101')
    t.equal(await run('withdraw-holiday', '2031-01-07'), '')
    t.equal((await mizan(issuanceCommand, 'holidays')).out, '')
    const onDate = ['--from', '2031-01-01', '--moment', 'on-date', '--governorate', 'SUZ']
    t.match(await run('activation', ...onDate), /onDate belongs to on-date/)
    t.equal(await run('activation', ...onDate, '--on-date', '2031-03-01'), '')
    t.match(await run('activation', ...onDate, '--on-date', '2031-03-01'), /a rule from this date already/)
    const terms = ['replacement', '--from', '2031-01-01', '--fee', '312.50', '--working-days']
    t.match(await run(...terms, '0'), /workingDays: 1 to 250/)
    t.equal(await run(...terms, '8'), '')
    t.equal((await mizan(issuanceCommand, 'late', '--json')).out, '[]\n')
    const { rows } = await client.query(`select action from audit_event where action like 'issuance %' order by id`)
    t.same(
      rows.map(({ action }) => action),
      ['issuance add-holiday', 'issuance withdraw-holiday', 'issuance activation', 'issuance replacement'],
    )
  })

  await t.test('whoever looks at a citizen, or changes what one wishes, is noted', async (t) => {
    t.equal((await mizan(cardCommand, 'show', '7')).status, 0)
    t.match(await noted('card show', 'looked'), [{ households: ['7'] }])
    t.equal((await mizan(cardCommand, 'block', '7', '--reason', 'lost')).status, 0)
    t.match(await noted('card block', 'accepted'), [{ households: ['7'] }])
    const wishes = await mizan(notificationCommand, 'preference', '7', '--language', 'en')
    t.equal(wishes.status, 0, wishes.errors)
    t.match(await noted('notification preference', 'done'), [{ households: ['7'], detail: { language: 'en' } }])
    await mizan(notificationCommand, 'preference', '7')
    t.equal((await noted('notification preference', 'looked')).length, 1)
  })

  await t.test('a membership file is checked, applied, and applied again to no effect', async (t) => {
    const lines = ['5,suspended,2026-11-11,income', '6,suspended,2026-11-31,income']
    const members = file(
      'members.csv',
      [
        'household,event,effective,reasonCode,nationalId',
        ...lines.map((line) => `${line},`),
        'TOTAL,2,0,0,0,2,0',
        '',
      ].join('\n'),
    )
    const check = await mizan(membershipCommand, 'check', members)
    t.match(
      check.out,
      /^2 lines: 1 changes, 0 that were made before, 1 rejected\n {2}\w+: 1 suspended\nSHA-256 [0-9a-f]{64}\n$/,
    )
    t.match(check.errors, /line 3: effective must be a date that exists/)
    t.match((await mizan(membershipCommand, 'apply', members, '--as', '?')).errors, /--as is a name/)
    t.equal((await mizan(membershipCommand, 'apply', members, '--as', 'Ministry of Supply')).status, 1)
    t.equal((await client.query('select from membership_file')).rowCount, 0, 'one person alone applies no file')
    const applied = await agreed(membershipCommand, 'apply', members, '--as', 'Ministry of Supply', '--json')
    t.match(await noted('membership apply', 'done'), [{ detail: { secondPerson: 'user:officer', done: 1 } }])
    t.match(JSON.parse(applied.out), { done: 1, rejected: 1, wasApplied: false, rejects: `${members}.rejects.csv` })
    t.equal(applied.status, 1, 'a line was rejected')
    const rejects = readFileSync(`${members}.rejects.csv`, 'utf8')
    t.match(
      rejects,
      /^line,field,reason\n3,effective,"?must be a date that exists, written yyyy-mm-dd, from 1900-01-01 to 2999-12-31"?\n$/,
    )
    const again = await agreed(membershipCommand, 'apply', members, '--as', 'Ministry of Supply')
    t.match(again.out, /^this file was applied before: nothing has changed now\n/)
    t.equal(readFileSync(`${members}.rejects.csv`, 'utf8'), rejects, 'what was told stays')
    const cut = file('cut.csv', readFileSync(members, 'utf8').replace(/TOTAL.*\n/, ''))
    t.match((await mizan(membershipCommand, 'apply', cut, '--as', 'Ministry of Supply')).errors, /may be cut off/)
  })
})
