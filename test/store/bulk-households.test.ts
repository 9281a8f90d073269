import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Test, test } from 'tap'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { civilDate, monthOf, previousMonth } from '../../src/calendar.ts'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { householdCommand } from '../../src/commands/household.ts'
import { describeError } from '../../src/errors.ts'
import { fileSource } from '../../src/files/file-source.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { panOpener, panSealer } from '../../src/security/pan-transport.ts'
import { personalData } from '../../src/security/personal-data.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import { type HouseholdLoadOptions, loadHouseholdFile } from '../../src/store/bulk-household-load.ts'
import { BulkLane } from '../../src/store/bulk-lane.ts'
import { connect } from '../../src/store/connection.ts'
import { saveKeys } from '../../src/store/key-store.ts'
import { registerPerson } from '../../src/store/people-entry.ts'
import { checkPerson, readPerson } from '../../src/store/people-register.ts'
import { installProgrammes } from '../../src/store/programme-store.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { bytesOf, keyRecordOf, panProtectionOf } from '../support/pan-keys.ts'
import { ask, masterKeyHex, protectionKeyOf, purchaseOf, testKeys, writerWorld } from '../support/writer.ts'

const TRANSPORT = 'pan-transport:personaliser'

function loadedRing(keys: typeof testKeys): KeyRing {
  const ring = new KeyRing(protectionKeyOf(masterKeyHex))
  ring.load(keys)
  return ring
}

/** An installation of two lanes without households, and the commands on it. */
async function installation(t: Test) {
  const { url, clock, start } = await writerWorld(t, { households: 0, laneCount: 2 })
  const client = await connect({ url, name: 'mizan test' })
  await installProgrammes(client, shippedProgrammes)
  t.teardown(() => client.end())
  const ring = new KeyRing(protectionKeyOf(masterKeyHex))
  const transport = keyRecordOf(ring, TRANSPORT, bytesOf('transport'))
  await saveKeys(
    client,
    [...testKeys, transport].map((key) => ({ kind: 'insert', key })),
    { user: 'tester' },
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-bulk-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const mizan = async (...args: string[]) => {
    let out = ''
    let errors = ''
    const io: CommandIo = {
      ...processIo,
      env: { DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: masterKeyHex },
      out: (text) => {
        out += text
      },
      note: (text) => {
        errors += text
      },
    }
    const statusBefore = process.exitCode
    try {
      await householdCommand(io).parseAsync(args, { from: 'user' })
      return { status: Number(process.exitCode ?? 0), out, errors }
    } catch (error) {
      return { status: 1, out, errors: `${errors}${describeError(error)}\n` }
    } finally {
      process.exitCode = statusBefore
    }
  }
  const count = async (table: string) => {
    const { rows } = await client.query<{ count: number }>(`select count(*)::int from ${table}`)
    return rows[0]?.count
  }
  const options: HouseholdLoadOptions = {
    url,
    nowMs: Date.now(),
    cutoverMinutes: 1_350,
    rules: {
      programmes: programmeCatalogue(shippedProgrammes).on(civilDate(Date.now())),
      closedMonth: previousMonth(monthOf(civilDate(Date.now()))),
      today: civilDate(Date.now()),
    },
    protection: panProtectionOf('writer tests'),
    personal: personalData(loadedRing(testKeys), () => Date.now()),
    openSealed: () => 'no',
    clearAllowed: true,
    actor: 'tester',
    onReject: () => undefined,
  }
  return { url, clock, start, client, mizan, folder, count, options }
}

test('a file of households is opened once, goes on where it ended, and says what it rejects', async (t) => {
  const { url, clock, start, client, mizan, folder, count, options } = await installation(t)
  const file = path.join(folder, 'sample.ndjson')
  t.match((await mizan('sample', '--count', '700', '--out', file, '--pan-key', TRANSPORT)).out, /^700 households/)
  t.notMatch(readFileSync(file, 'utf8'), panOf(7), 'sealed card numbers are not in the file in clear')
  t.match((await mizan('load', file)).errors, /are sealed: name their key with --pan-key/)
  t.equal(await count('household'), 0)

  const dry = JSON.parse((await mizan('load', file, '--pan-key', TRANSPORT, '--dry-run', '--json')).out)
  t.match(dry, {
    opened: 700,
    refused: 0,
    totals: { rows: 700, households: 700, cards: 700, rejected: 0, hasTrailer: true },
  })
  t.equal(await count('household'), 0, 'a dry run opens nothing')

  await t.test('a load that dies goes on after the last chunk that is durable', async (t) => {
    const ring = new KeyRing(protectionKeyOf(masterKeyHex))
    ring.load([keyRecordOf(ring, TRANSPORT, bytesOf('transport'))])
    const open = panOpener(ring, TRANSPORT, Date.now())
    let opened = 0
    const openSealed = (sealed: Buffer, id: number) => {
      if (++opened > 400) throw new Error('the process is gone')
      return open(sealed, id)
    }
    await t.rejects(loadHouseholdFile(fileSource(file), { ...options, openSealed, chunk: 50 }), { message: /line 401/ })
    const before = (await count('household')) ?? 0
    t.ok(before >= 300 && before <= 400 && before % 50 === 0, `${before} are durable`)
    t.equal(await count("command_journal where kind = 'household-opened'"), before)
    const rest = JSON.parse((await mizan('load', file, '--pan-key', TRANSPORT, '--json')).out)
    t.match(rest, { opened: 700 - before, openedBefore: before, refused: 0 })
  })
  t.same([await count('household'), await count('card'), await count('household_term')], [700, 700, 700])
  const money = await client.query('select sum(posted)::text as sum from balances where account_name = $1', [
    'postal account',
  ])
  t.equal(money.rows[0]?.sum, String(dry.totals.postalPiasters), 'the control total is in the ledger')
  t.same(
    (await verifyLedger(url)).filter((one) => !one.ok).map((one) => one.name),
    [],
  )

  const again = await mizan('load', file, '--pan-key', TRANSPORT)
  t.equal(again.status, 0)
  t.match(again.out, /this file was loaded at .*; nothing has changed/)
  t.match(again.out, /0 households opened, 700 opened by an earlier run/)

  await t.test('rows that are not in order, and what is there already', async (t) => {
    const card = (n: number, more = {}) => ({ pan: panOf(n), expiry: '3012', ...more })
    const home = (household: unknown, more: object = {}) =>
      JSON.stringify({ household, governorate: 'PTS', terms: [{ from: '2026-11-01', members: 4 }], ...more })
    const pan = panOf(7)
    // Born on days of January 1990 in Cairo.
    const person = (n: number, more = {}) => ({
      nationalId: `29001${String(n).padStart(2, '0')}010001${n % 10}`,
      name: 'Member of a household',
      ...more,
    })
    const lines = [
      home('٩٠٠١', {
        cards: [card(9_001)],
        classes: ['takaful'],
        balances: [{ programme: 'bread', period: '2026-11-22', amount: 3 }],
      }),
      home(7),
      home(9_003, { cards: [card(7)] }),
      home(9_004, { cards: [card(9_004), card(9_004)] }),
      home(9_001),
      home(0, { governorate: 'XX', terms: [], cards: [{ pan: `${pan}1`, expiry: '3013', pvki: 1 }], extra: 1 }),
      home(9_007, {
        terms: [
          { from: '2026-11-02', members: 61 },
          { from: '2026-11-01', members: 1, note: '' },
        ],
      }),
      home(9_008, { balances: [{ programme: 'health', amount: 1, period: '2026-13' }] }),
      '{',
      home(9_010, {
        people: [
          person(1, { role: 'head', mobile: '01012345678', mobileProof: 'contract' }),
          person(2),
          person(3),
          person(4),
        ],
      }),
      home(9_011, { people: [person(5, { role: 'head' }), person(6), person(7), person(1)] }),
      home(9_012, { people: [person(8), { nationalId: '29913010100011', name: '', mobile: '1' }] }),
      JSON.stringify({ trailer: { households: 12 } }),
    ]
    const mixed = path.join(folder, 'mixed.ndjson')
    writeFileSync(mixed, lines.join('\n'))
    const rejects = path.join(folder, 'rejects.csv')
    const run = await mizan('load', mixed, '--rejects', rejects)
    t.equal(run.status, 1)
    t.match(run.out, /12 rows: 7 in order, 5 rejected; as its trailer states/)
    t.match(run.out, /2 households opened, 5 refused/)
    const written = readFileSync(rejects, 'utf8')
    t.notMatch(written + run.errors + run.out, pan.slice(6, 15), 'no reason repeats a card number')
    t.same(
      written
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').slice(0, 2).join(' '))
        .sort(),
      [
        '11 people[3].nationalId',
        '12 people',
        '12 people[1].mobile',
        '12 people[1].name',
        '12 people[1].nationalId',
        '2 household',
        '3 cards[0].pan',
        '4 cards[1].pan',
        '5 household',
        '6 cards[0].expiry',
        '6 cards[0].pan',
        '6 cards[0].pvv',
        '6 extra',
        '6 governorate',
        '6 household',
        '6 terms',
        '7 terms',
        '7 terms[0].members',
        '7 terms[1].note',
        '8 balances[0].period',
        '8 balances[0].programme',
        '9 ',
      ],
    )
    const members = await client.query(
      `select m.role, p.sex, p.birth_date, m.from_date from household_member m join person p on p.id = m.person_id
       where household_id = 9010 order by p.birth_date limit 2`,
    )
    t.same(members.rows, [
      { role: 'head', sex: 'male', birth_date: 19900101, from_date: 20261101 },
      { role: 'member', sex: 'male', birth_date: 19900102, from_date: 20261101 },
    ])
    const wallet = await client.query(`select period, posted::int from balance where household_id = 9001`)
    t.same(wallet.rows, [{ period: 20261122, posted: 3 }])
    const retold = await mizan('load', mixed, '--rejects', rejects)
    t.match(retold.out, /0 households opened, 2 opened by an earlier run, 5 refused/)
    t.equal(readFileSync(rejects, 'utf8').trim().split('\n').length, written.trim().split('\n').length)
  })

  await t.test('whom a refused enrolment left behind is loaded as the file has it', async (t) => {
    const desk = { client, personal: options.personal, pans: options.protection, now: () => Date.now() }
    const enter = async (nationalId: string, name: string, mobile: string) => {
      const checked = checkPerson(desk, { nationalId, name, mobile, mobileProof: 'contract' })
      if (Array.isArray(checked)) throw new Error(checked.join())
      return registerPerson(desk, checked, { name: 'clerk' })
    }
    const [left, holder, waiting] = ['29002010100011', '29002020100011', '29002030100011']
    const leftNumber = await enter(left, 'Given Wrong', '01100000001')
    const holderNumber = await enter(holder, 'Holder Of A Number', '01100000002')
    const waitingNumber = await enter(waiting, 'Waits For Her Command', '01100000003')
    await client.query(
      `insert into command_inbox (lane, kind, household_id, detail, requested_by)
       values (0, 'household-open', 9101, $1, 'clerk')`,
      [JSON.stringify({ members: [{ person: waitingNumber, role: 'head' }] })],
    )
    const home = (household: number, nationalId: string, mobile: string) =>
      JSON.stringify({
        ...{ household, governorate: 'PTS', terms: [{ from: '2026-11-01', members: 1 }] },
        people: [{ nationalId, name: 'As The File Has It', role: 'head', mobile, mobileProof: 'contract' }],
      })
    const again = path.join(folder, 'again.ndjson')
    writeFileSync(again, [home(9_100, left, '01100000002'), home(9_101, waiting, '01100000004')].join('\n'))
    const rejects = path.join(folder, 'again-rejects.csv')
    const run = await mizan('load', again, '--rejects', rejects)
    t.match(run.out, /1 households opened, 1 refused/)
    t.match(readFileSync(rejects, 'utf8'), /^2,people\[0\]\.nationalId,is there already$/m)
    t.match(await readPerson(desk, leftNumber), { name: 'As The File Has It', mobile: '+201100000002' })
    t.equal((await readPerson(desk, holderNumber)).mobile, undefined, 'nobody has the number twice')
    const heads = await client.query('select person_id::int as id from household_member where household_id = 9100')
    t.same(heads.rows, [{ id: leftNumber }])
    await client.query("delete from command_inbox where requested_by = 'clerk'")
  })

  await t.test('a file that is not what it states, and a switch that runs', async (t) => {
    const short = path.join(folder, 'short.ndjson')
    writeFileSync(short, readFileSync(file, 'utf8').split('\n').slice(5).join('\n'))
    t.match(
      (await mizan('load', short, '--pan-key', TRANSPORT)).errors,
      /states 700 households and holds 695, \d+ members/,
    )
    const lane = await BulkLane.open(url, 1, options)
    t.match((await mizan('load', file, '--pan-key', TRANSPORT)).errors, /another load runs on this database: stop it/)
    await lane.close()
  })

  await t.test(
    'a card of the file pays at a shop, and no file is loaded beside the switch that answers it',
    async (t) => {
      const writer = await start()
      t.equal((await ask(writer, purchaseOf(7, clock.now()))).result, 'approved')
      t.match(
        (await mizan('load', file, '--pan-key', TRANSPORT)).errors,
        /a switch runs on this database: stop it, then load/,
      )
    },
  )
})

test('a sealed card number opens for its household under its key, and otherwise not', (t) => {
  const ring = new KeyRing(protectionKeyOf(masterKeyHex))
  ring.load([TRANSPORT, 'pan-transport:other'].map((name) => keyRecordOf(ring, name, bytesOf(name))))
  const nowMs = Date.now()
  const sealed = panSealer(ring, TRANSPORT, nowMs)(panOf(1), 1)
  const open = panOpener(ring, TRANSPORT, nowMs)
  t.equal(open(sealed, 1), panOf(1))
  t.throws(() => open(sealed, 2), { code: 'BAD_INPUT' })
  t.throws(() => open(sealed.subarray(0, 20), 1), { code: 'BAD_INPUT' })
  t.throws(() => panOpener(ring, 'pan-transport:other', nowMs)(sealed, 1), { code: 'BAD_INPUT' })
  t.throws(() => panOpener(ring, 'pan-transport:none', nowMs), { code: 'CRYPTO_REFUSED' })
  t.end()
})
