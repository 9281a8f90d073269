import { userInfo } from 'node:os'
import fc from 'fast-check'
import { type Test, test } from 'tap'
import { addDays, type CivilDate, civilDate, formatDate } from '../../src/calendar.ts'
import { ageBucketOf, ageBuckets, ageOf, openedWithin } from '../../src/clearing/reconciliation/ageing.ts'
import { breakNames, breakTypes } from '../../src/clearing/reconciliation/breaks.ts'
import { proposeCorrection, proposeWriteOff, suspenseOf } from '../../src/clearing/reconciliation/correction.ts'
import { correct } from '../../src/clearing/reconciliation/desk.ts'
import { writeOffLimitOf, writeOffLimitsOf } from '../../src/clearing/reconciliation/write-off-limits.ts'
import { reconcileCommand } from '../../src/commands/reconcile.ts'
import { matchPurgeJob } from '../../src/jobs/match-purge-job.ts'
import { type AccountNumber, moneyAccount } from '../../src/ledger/accounts.ts'
import { isPostingAllowed } from '../../src/ledger/posting-rules.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { addUser } from '../../src/store/access-users.ts'
import { awaitPostings, type Posting, requestPostings } from '../../src/store/clearing/postings.ts'
import { mergeMatches, prepareMatches } from '../../src/store/clearing/reconciliation-matches.ts'
import { judgeDates, prepareWork } from '../../src/store/clearing/reconciliation-work.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { apiWorld, PASSWORD } from '../api/api-world.ts'
import { commandRunner } from '../support/command.ts'

const BANK = 3
const ACQUIRER = 400_001
const today = civilDate(Date.now())
const transit = moneyAccount('settlementTransit', BANK)
const clearing = moneyAccount('acquirerClearing', ACQUIRER)
const limits = [
  { role: 'settlement', piasters: 10_000 },
  { role: 'settlement', break: 'rounding', piasters: 100 },
  { role: 'operator', piasters: 1_000_000 },
] as const

async function deskWorld(t: Test) {
  const world = await apiWorld(t, { households: 1, writeOffLimits: limits })
  const client = await connect({ url: world.url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const run = commandRunner({ DATABASE_URL: world.url })
  const mizan = (args: readonly string[], input = '') => run(reconcileCommand, args, input)
  const json = async (args: readonly string[], input = '') => {
    const { out, errors } = await mizan([...args, '--json'], input)
    if (out === '') throw new Error(errors)
    return JSON.parse(out)
  }
  return { ...world, client, mizan, json }
}

async function posted(client: Client, reference: string): Promise<void> {
  await awaitPostings(client, { reference, commands: 1 }, { stallMs: 30_000 })
}

/** Money of a collection that the bank booked late. */
async function collect(client: Client, key: string, piasters: number): Promise<void> {
  const postings: Posting[] = [
    {
      kind: 'settlementReceived',
      debit: moneyAccount('settlementAccount', BANK),
      credit: transit,
      amountPiasters: piasters,
    },
  ]
  await requestPostings(client, { reference: `test:${key}`, requestedBy: 'test', postings })
  await posted(client, `test:${key}`)
}

/** A collection of which the bank booked too little: the rest stands on the transit account. */
async function shortCredit(client: Client, key: string, piasters: number): Promise<number> {
  const postings: Posting[] = [
    { kind: 'collectionInstructed', debit: transit, credit: clearing, amountPiasters: piasters },
  ]
  await requestPostings(client, { reference: `test:${key}`, requestedBy: 'test', postings })
  await posted(client, `test:${key}`)
  const { rows } = await client.query<{ id: string }>(
    `with run as (
       insert into reconciliation_run (business_date, started_at, requested_by, state, ended_at)
       values ($1, now(), 'test', 'done', now()) returning id),
     made as (
       insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, account,
         difference_piasters, summary, opened_run, last_run, opened_at)
       select 'position-short', $2, 'position', $1, $1, $3::bigint, $4, -$3::bigint, 'the bank booked less', id, id, now() from run returning id),
     noted as (
       insert into reconciliation_event (exception_id, at, actor, event) select id, now(), 'reconciliation', 'opened' from made)
     select id from made`,
    [formatDate(addDays(today, -9)), key, piasters, transit],
  )
  return Number(rows[0]?.id)
}

async function balances(client: Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ kind: string; posted: string }>(
    `select account / 100000000000 as kind, sum(posted) as posted from balance where account / 100000000000 in (7007, 7010, 8008)
     group by 1`,
  )
  return Object.fromEntries(rows.map(({ kind, posted }) => [kind, Number(posted)]))
}

test('an exception from its opening to its end', async (t) => {
  const { url, start, client, mizan, json, as, owner } = await deskWorld(t)
  await start()
  const id = await shortCredit(client, 'instruction:A', 500)
  const name = String(id)

  await t.test('looked at', async (t) => {
    const [view] = await json(['exceptions'])
    t.match(view, { exceptionId: id, break: 'position-short', state: 'open', lateness: 'overdue', holdsMoney: true })
    t.match(view.proposedPostings, [{ kind: 'fromSuspense', credit: transit, amountPiasters: 500 }])
    const { age } = view
    t.equal((await json(['exceptions', '--age', age])).length, 1)
    t.equal((await json(['exceptions', '--age', '0-1'])).length, 0)
    t.equal((await json(['exceptions', '--owner', 'none', '--break', 'position-short'])).length, 1)
    t.match(await json(['ageing']), [
      { break: 'position-short', exceptions: 1, overdue: 1, valueAtRiskPiasters: '500' },
    ])
    t.match((await mizan(['ageing'])).out, /position-short/)
    const { out } = await mizan(['explain', name])
    t.match(out, /proposed: fromSuspense 5\.00 EGP/)
    t.match(out, /to do: Ask the bank for the rest/)
    t.match((await mizan(['exceptions'])).out, /the bank booked less/)
    t.match(await mizan(['explain', '999']), { status: 1, errors: /there is no exception 999/ })
    t.match(await mizan(['explain', 'x']), { status: 1, errors: /whole number/ })
  })

  await t.test('worked on', async (t) => {
    t.match(await json(['assign', name, 'Amira', '--comment', 'calls the bank']), { state: 'assigned', owner: 'Amira' })
    t.equal((await json(['exceptions', '--owner', 'Amira'])).length, 1)
    const until = formatDate(addDays(today, 3))
    t.match(await json(['wait', name, '--until', until, '--comment', 'the bank looks']), {
      state: 'waiting',
      waitUntil: until,
    })
    t.match(await mizan(['wait', name, '--until', 'soon', '--comment', 'x']), { status: 1, errors: /yyyy-mm-dd/ })
    t.match(await mizan(['comment', name, ' ']), { status: 1, errors: /say something/ })
    t.match(await json(['comment', name, 'they called back']), { state: 'waiting' })
  })

  await t.test('money is never closed by words, nor by one person', async (t) => {
    t.match(await mizan(['resolve', name, '--comment', 'fine']), {
      status: 1,
      errors: /-500 piasters stand on account/,
    })
    t.match(await mizan(['resolve', name, '--comment', 'fine', '--to', String(clearing)]), {
      status: 1,
      errors: /nothing of it is in suspense/,
    })
    const wrong = await mizan(['resolve', name, '--comment', 'x', '--post'], 'settlement\nnot the password\n')
    t.match(wrong, { status: 1 })
    t.same(await balances(client), { 7007: -500 }, 'nothing was posted')
  })

  await t.test('into suspense, where it stays open; and written off', async (t) => {
    const second = `settlement\n${PASSWORD}\n`
    t.match(await json(['resolve', name, '--comment', 'held', '--post'], second), {
      inSuspense: true,
      state: 'waiting',
    })
    t.same(await balances(client), { 7007: 0, 7010: -500 })
    t.match(await mizan(['resolve', name, '--comment', 'again', '--post'], second), {
      status: 1,
      errors: /in suspense already/,
    })
    t.match((await mizan(['explain', name])).out, /-5\.00 EGP in the suspense of its break/)
    t.match(
      await mizan(['resolve', name, '--comment', 'x', '--to', String(moneyAccount('outletPayable', 1))], second),
      { status: 1, errors: /suspense goes to accounts/ },
      'never to an outlet',
    )
    t.match(await json(['write-off', name, '--comment', 'too small to pursue'], second), {
      state: 'written-off',
      proposedPostings: [],
    })
    t.same(await balances(client), { 7007: 0, 7010: 0, 8008: -500 })
    t.match(await mizan(['assign', name, 'Amira']), { status: 1, errors: /is written-off already/ })
    const { events } = await json(['explain', name])
    t.same(
      events.map((event: { event: string }) => event.event),
      ['opened', 'assigned', 'waiting', 'commented', 'posted', 'written-off'],
    )
    t.match(events.at(-1).actor, /^system:.+ \+ user:settlement$/)
  })

  await t.test('beyond the limit of the second person', async (t) => {
    const large = String(await shortCredit(client, 'instruction:B', 20_000))
    t.match(await mizan(['write-off', large, '--comment', 'x'], `settlement\n${PASSWORD}\n`), {
      status: 1,
      errors: /beyond the limit of 10000/,
    })
    t.match(await json(['write-off', large, '--comment', 'agreed'], `operator\n${PASSWORD}\n`), {
      state: 'written-off',
    })
    t.same(await balances(client), { 7007: 0, 7010: 0, 8008: -20_500 })
  })

  await t.test('out of suspense to where it belongs', async (t) => {
    const other = String(await shortCredit(client, 'instruction:C', 300))
    const second = `settlement\n${PASSWORD}\n`
    await json(['resolve', other, '--comment', 'held', '--post'], second)
    t.match(await json(['resolve', other, '--comment', 'the acquirer owes it', '--to', String(clearing)], second), {
      state: 'resolved',
    })
    t.same(await balances(client), { 7007: 0, 7010: 0, 8008: -20_500 })
  })

  await t.test(
    'a run finds another difference while money is in suspense: what is there is never posted twice',
    async (t) => {
      const other = String(await shortCredit(client, 'instruction:D', 400))
      const second = `settlement\n${PASSWORD}\n`
      await json(['resolve', other, '--comment', 'held', '--post'], second)
      // The bank paid 150 of it meanwhile: as a run writes it.
      await owner.query('update reconciliation_exception set difference_piasters = -250 where id = $1', [other])
      await collect(client, 'late:D', 150)
      t.match(await json(['explain', other]), {
        proposedPostings: [{ kind: 'toSuspense', amountPiasters: 150 }],
        suspendedPiasters: -400,
      })
      t.match(await mizan(['resolve', other, '--comment', 'x', '--to', String(clearing)], second), {
        status: 1,
        errors: /another difference than what is in suspense/,
      })
      t.match(await json(['write-off', other, '--comment', 'the rest'], second), {
        state: 'written-off',
        settledPiasters: -250,
        suspendedPiasters: 0,
      })
      t.same(await balances(client), { 7007: 0, 7010: 0, 8008: -20_750 })
    },
  )

  await t.test('two people over HTTP, who agree on an amount', async (t) => {
    const exceptionId = await shortCredit(client, 'instruction:E', 700)
    const ask = (kind: string, payload: object, who = 'settlement') =>
      as(who)('/change-requests', { body: { kind, payload: { exceptionId, ...payload }, reason: 'the bank keeps it' } })
    const approve = (asked: { body: { changeId: number } }, who: string) =>
      as(who)(`/change-requests/${asked.body.changeId}/approve`, { body: {} })
    const seen = { differencePiasters: -700 }
    const correction = 'reconciliation-correction'
    t.match(await ask(correction, seen, 'operator'), { status: 403 }, 'an operator agrees, and does not ask')
    t.match(await ask(correction, {}), { status: 400 }, 'who asks says what was seen')
    t.match(await ask(correction, { differencePiasters: -70 }), { status: 409, body: { detail: /difference of -700/ } })
    t.match(await ask(correction, { ...seen, account: clearing }), { status: 409, body: { detail: /nothing of it/ } })
    const asked = await ask(correction, seen)
    t.match(asked, { status: 202, body: { kind: correction, state: 'pending' } })
    t.match(await approve(asked, 'settlement'), { status: 403, body: { detail: /another person/ } })
    t.match(await approve(asked, 'enrolment'), { status: 403 })

    await owner.query('update reconciliation_exception set difference_piasters = -650 where id = $1', [exceptionId])
    t.match(await approve(asked, 'operator'), { status: 409, body: { detail: /difference of -650 .* not of -700/ } })
    await owner.query('update reconciliation_exception set difference_piasters = -700 where id = $1', [exceptionId])
    t.match(await approve(asked, 'operator'), { status: 200, body: { result: /is open; exception:\d+:1 is posted/ } })
    await posted(client, `exception:${exceptionId}:1`)

    const giveUp = await ask('reconciliation-write-off', seen)
    t.match(await as('settlement')(`/reconciliation/exceptions/${exceptionId}/resolve`, { body: { comment: 'x' } }), {
      status: 409,
      body: { detail: /stand on account/ },
    })
    t.match(await approve(giveUp, 'operator'), { status: 200, body: { result: /is written off/ } })
    await posted(client, `exception:${exceptionId}:2`)
    const { body } = await as('settlement')(`/reconciliation/exceptions/${exceptionId}`)
    t.match(body, { state: 'written-off', settledPiasters: -700, closedBy: 'user:settlement + user:operator' })
    t.match(await ask('reconciliation-write-off', seen), {
      status: 409,
      body: { detail: /holds no money|is written-off/ },
    })
    t.same(await balances(client), { 7007: 0, 7010: 0, 8008: -21_450 })
  })

  await t.test('many small write-offs are no way around the limit of a day', async (t) => {
    // What operators agreed to counts too: 21,450 are gone, a clerk may go up to 100,000.
    const second = `settlement\n${PASSWORD}\n`
    for (let index = 0; index < 7; index++) {
      const small = String(await shortCredit(client, `small:${index}`, 10_000))
      t.match(await json(['write-off', small, '--comment', 'small'], second), { state: 'written-off' })
    }
    const last = String(await shortCredit(client, 'small:last', 10_000))
    t.match(await mizan(['write-off', last, '--comment', 'small'], second), {
      status: 1,
      errors: /91450 piasters of all breaks were written off today; 10000 more are beyond the day’s 100000/,
    })
    t.match(await json(['write-off', last, '--comment', 'agreed'], `operator\n${PASSWORD}\n`), { state: 'written-off' })
  })

  await t.test('one person with two names does not agree alone', async (t) => {
    const { username } = userInfo()
    const hash = await hashSecret(Buffer.from(PASSWORD), 10)
    await addUser(client, { name: username, roles: ['settlement'], mustChange: false }, hash, 'system:test')
    const own = String(await shortCredit(client, 'instruction:F', 5))
    t.match(await mizan(['write-off', own, '--comment', 'x'], `${username}\n${PASSWORD}\n`), {
      status: 1,
      errors: /another person agrees/,
    })
    await json(['write-off', own, '--comment', 'x'], `operator\n${PASSWORD}\n`)
  })

  await t.test('money goes to nobody who is not there: when asked for, and when agreed to', async (t) => {
    const lost = await shortCredit(client, 'instruction:G', 900)
    const second = `settlement\n${PASSWORD}\n`
    await json(['resolve', String(lost), '--comment', 'held', '--post'], second)
    await owner.query(
      `insert into settlement_bank (number, code) values (7, 'SEVEN');
       insert into settlement_institution_term (kind, institution, from_date, name, bank, reason, actor)
       values ('scheme', 0, '2026-01-01', 'Scheme', 7, 'test', 'test'), ('acquirer', 12, '2026-01-01', 'Twelve', 7, 'test', 'test')`,
    )
    const before = await balances(client)
    const cases: readonly (readonly [account: number, words: RegExp])[] = [
      [
        moneyAccount('settlementTransit', 99),
        /there is no bank 99 .* 700700000000007 \(SEVEN\): see mizan settlement bank/,
      ],
      [moneyAccount('settlementAccount', 99), /there is no bank 99 .*: see mizan settlement bank list/],
      [moneyAccount('acquirerClearing', 99_999_999), /no acquirer 99999999 .* 700200000000012 \(Twelve\)/],
      [moneyAccount('cashClearing', 99_999_999), /no acquirer or post office 99999999 .*\(Twelve\)/],
      [moneyAccount('schemeClearing', 123), /no card scheme 123 .* are 700400000000000 \(Scheme\): see/],
    ]
    for (const [account, errors] of cases) {
      const asked = await mizan(['resolve', String(lost), '--comment', 'x', '--to', String(account)], second)
      t.match(asked, { status: 1, errors })
      const payload = { exceptionId: lost, differencePiasters: -900, account }
      const body = { kind: 'reconciliation-correction', payload, reason: 'x' }
      t.match(await as('settlement')('/change-requests', { body }), { status: 400, body: { detail: errors } })
      const agreed = { target: account, resolution: 'x', seenPiasters: -900 }
      await client.query('begin')
      await t.rejects(correct(client, lost, agreed, { actor: 'a + b', nowMs: Date.now() }), { message: errors })
      await client.query('rollback')
    }
    t.same(await balances(client), before, 'nothing was posted')
    const there = String(moneyAccount('acquirerClearing', 12))
    t.match(await json(['resolve', String(lost), '--comment', 'its own', '--to', there], second), { state: 'resolved' })
  })

  await t.test('words do not mend the ledger', async (t) => {
    const { rows } = await owner.query<{ id: string }>(
      `insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, account,
         difference_piasters, summary, opened_run, last_run, opened_at)
       select 'control-account-open', 'account:x', 'control', current_date, current_date, 9, 700600000000001, 9, 'too much', id, id, now()
       from reconciliation_run limit 1 returning id`,
    )
    t.match(await mizan(['resolve', String(rows[0]?.id), '--comment', 'fine']), {
      status: 1,
      errors: /words do not mend the ledger/,
    })
  })

  t.same(
    (await verifyLedger(url)).filter(({ ok }) => !ok),
    [],
    'the ledger is sound',
  )
})

test('ages and postings', async (t) => {
  const weekday = (date: CivilDate) => new Date(`${formatDate(date)}T00:00:00Z`).getUTCDay()
  const banking = { isBankingDay: (date: CivilDate) => weekday(date) < 5 }

  await t.test('a date is in the range of the bucket of its age, and of no other', async () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 90 }),
        fc.integer({ min: 0, max: 400 }),
        fc.constantFrom('banking', 'calendar'),
        (back, start, count) => {
          const now = addDays(20260101 as CivilDate, start)
          const opened = addDays(now, -back)
          const bucket = ageBucketOf(ageOf(opened, now, { count }, banking))
          for (const one of ageBuckets) {
            const { from, to } = openedWithin(one, now, count, banking)
            const isWithin = (from === undefined || opened >= from) && (to === undefined || opened <= to)
            if (isWithin !== (one === bucket)) return false
          }
          return true
        },
      ),
    )
  })

  await t.test('what is proposed may be posted, and takes the whole difference away, wherever it stands', async () => {
    const kinds = [
      'acquirerClearing',
      'cashClearing',
      'schemeClearing',
      'settlementTransit',
      'settlementAccount',
      'suspense',
      'outletPayable',
      'subsidyPayable',
    ] as const
    const piasters = fc.integer({ min: -1_000_000, max: 1_000_000 })
    fc.assert(
      fc.property(
        fc.constantFrom(...breakNames),
        fc.constantFrom(...kinds),
        piasters,
        piasters,
        (name, kind, openPiasters, held) => {
          const account = moneyAccount(kind, kind === 'suspense' ? breakTypes[name].number : 9)
          const suspendedPiasters = kind === 'suspense' ? 0 : held
          const difference = { break: name, account, openPiasters, suspendedPiasters }
          const suspense = suspenseOf(difference)
          for (const [postings, left] of [
            [proposeCorrection(difference), openPiasters],
            [proposeWriteOff(difference), 0],
          ] as const) {
            const moved = new Map<AccountNumber, number>()
            for (const { kind: posted, debit, credit, amountPiasters } of postings) {
              if (amountPiasters <= 0 || !isPostingAllowed(posted, debit, credit)) return false
              moved.set(debit, (moved.get(debit) ?? 0) - amountPiasters)
              moved.set(credit, (moved.get(credit) ?? 0) + amountPiasters)
            }
            if (postings.length === 0) continue
            // On the account nothing of it is left; in suspense what is not settled.
            if (kind === 'suspense') {
              if (moved.get(account) !== -openPiasters) return false
            } else if ((moved.get(account) ?? 0) !== suspendedPiasters - openPiasters) return false
            else if (suspendedPiasters + (moved.get(suspense) ?? 0) !== left) return false
          }
          return true
        },
      ),
    )
  })

  await t.test('limits by role and break', async (t) => {
    t.match(writeOffLimitOf('position-short', ['settlement'], limits), { piasters: 10_000, dayPiasters: 100_000 })
    t.match(writeOffLimitOf('rounding', ['settlement'], limits), { piasters: 100, break: 'rounding' })
    t.match(writeOffLimitOf('rounding', ['settlement', 'operator'], limits), { piasters: 1_000_000, break: undefined })
    t.match(writeOffLimitOf('rounding', ['enrolment'], limits), { piasters: 0, dayPiasters: 0 })
    const daily = [{ role: 'settlement', piasters: 50, dayPiasters: 60 }] as const
    t.match(writeOffLimitOf('rounding', ['settlement'], daily), { piasters: 50, dayPiasters: 60 })
    t.throws(() => writeOffLimitsOf([{ role: 'settlement', break: 'rouding', piasters: 1 }]), {
      code: 'CONFIG_INVALID',
    })
  })

  await t.test('numbers of breaks are their own', async (t) => {
    const numbers = breakNames.map((name) => breakTypes[name].number)
    t.equal(new Set(numbers).size, numbers.length)
    t.ok(numbers.every((number) => number >= 1 && number <= 99))
  })
})

test('matches are kept by date, merged in parts, and dropped when nothing of their date is open', async (t) => {
  const { client, url } = await deskWorld(t)
  const dates = ['2026-01-05', '2026-01-06', '2026-01-07'] as const
  const [first] = dates
  const rows = async () => {
    const { rows } = await client.query('select * from reconciliation_match order by business_date, authorization_id')
    return rows
  }
  /** A run that finds a match for each of some authorizations of the first date, and one on each of the others. */
  const merge = async (runId: number, ids: string, partRows = 100_000) => {
    const scope = { name: 'missing-item', number: 1, level: 'item', judged: 'dates', inLedger: false } as const
    await prepareWork(client, [scope])
    await judgeDates(client, 'item', dates)
    await client.query(
      `insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, 1, n, 5, n, 0, 0, 0, n from (${ids}) n(n)
       union all select d, 1, 1, 5, 1, 0, 0, 0, 1 from unnest($2::date[]) d where d <> $1`,
      [first, dates],
    )
    await prepareMatches(client)
    await client.query('begin')
    const merged = await mergeMatches(client, runId, { partRows })
    const seen = await count(url)
    await client.query('commit')
    return { ...merged, seen }
  }

  // Enough for more than one page of the sample by which parts are made.
  const many = 'select generate_series(1, 30000)'
  t.same(await merge(1, many, 5_000), { total: 30_002, added: 30_002, removed: 0, seen: 0 })
  const before = await rows()
  t.equal(before.length, 30_002)
  t.match(await merge(2, many, 5_000), { added: 0, removed: 0 }, 'again, nothing changes')
  t.strictSame(await rows(), before)
  t.match(await merge(3, 'select n from generate_series(2, 30003) n where n <> 15000', 7_000), {
    added: 3,
    removed: 2,
    seen: 30_002,
  })
  const changed = await rows()
  t.same(
    changed.filter((row) => row.run_id === '3').map((row) => row.authorization_id),
    ['30001', '30002', '30003'],
  )
  const { rows: places } = await client.query<{ name: string }>(
    `select tableoid::regclass::text as name from reconciliation_match group by 1 order by 1`,
  )
  t.same(
    places.map(({ name }) => name),
    dates.map((date) => `reconciliation_match_${date.replaceAll('-', '')}`),
  )
  await t.rejects(
    client.query(
      `insert into reconciliation_match (business_date, rule, amount_piasters, run_id) values ($1, 9, 0, 1)`,
      [first],
    ),
    /reconciliation_match_rule/,
  )

  await t.test('retention', async (t) => {
    const done = (date: string, state: string) =>
      client.query(
        `insert into reconciliation_run (business_date, started_at, requested_by, state, ended_at, matched)
         values ($1, now(), 'test', $2, now(), 7)`,
        [date, state],
      )
    await done(dates[0], 'done')
    await done(dates[1], 'done')
    await done(dates[2], 'failed')
    const { rows: opened } = await client.query<{ id: string }>(
      `insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, summary,
         opened_run, last_run, opened_at)
       select 'missing-item', 'item:1', 'item', $1, $1, 5, 'left out', id, id, now()
       from reconciliation_run order by id limit 1 returning id`,
      [dates[1]],
    )
    const purge = matchPurgeJob({ url, clock: { now: () => Date.now() }, keepMatchesDays: 1, lookBackDays: 45 })
    const left = async () => {
      const { rows } = await client.query<{ d: string }>('select distinct business_date as d from reconciliation_match')
      return rows.map(({ d }) => d).sort()
    }
    const client2 = await connect({ url, name: 'mizan test', role: 'mizan_app' })
    await client2.query('begin')
    await client2.query('select from reconciliation_match limit 1')
    t.match(
      await purge.run(new AbortController().signal),
      /of 0 date\(s\) dropped; 1 left/,
      'no reader is pushed aside',
    )
    await client2.query('rollback')
    await client2.end()
    t.match(await purge.run(new AbortController().signal), /of 1 date\(s\) dropped$/)
    t.same(await left(), [dates[1], dates[2]], 'what is open, or was never compared to its end, stays')
    await client.query(
      `update reconciliation_exception set state = 'resolved', closed_at = now(), closed_by = 'test', resolution = 'found' where id = $1`,
      [opened[0]?.id],
    )
    t.match(await purge.run(new AbortController().signal), /of 1 date/)
    t.same(await left(), [dates[2]])
    await t.rejects(
      client.query('select drop_reconciliation_matches($1, $2)', [dates[2], '2026-02-01']),
      /are not done/,
    )
    const { rows: runs } = await client.query("select matched from reconciliation_run where state = 'done'")
    t.equal(runs.length, 2, 'what the runs came to stays')
    t.match(await merge(4, 'select 9'), { total: 3 }, 'a date can be compared again')
  })
})

async function count(url: string): Promise<number> {
  const other = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  const { rows } = await other.query<{ n: number }>('select count(*)::integer as n from reconciliation_match')
  await other.end()
  return rows[0]?.n ?? 0
}
