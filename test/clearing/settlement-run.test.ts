import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { dayReportRoute } from '../../src/api/routes/day-report.ts'
import { Checker } from '../../src/api/validation.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { addDays, type CivilDate, civilDate } from '../../src/calendar.ts'
import { settleRun } from '../../src/clearing/settlement/run.ts'
import { settleStep } from '../../src/clearing/settlement/step.ts'
import { readValueDate } from '../../src/clearing/settlement/value-date.ts'
import { clearingCommand } from '../../src/commands/clearing.ts'
import { cutoverCommand } from '../../src/commands/cutover.ts'
import { settlementCommand } from '../../src/commands/settlement.ts'
import { userCommand } from '../../src/commands/user.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { demoIban } from '../../src/simulator/demo-settlement.ts'
import { knowBusinessDays } from '../../src/store/clearing/business-day-ask.ts'
import { listFiles, moveFile } from '../../src/store/clearing/files.ts'
import { awaitPostings, type Posting, requestPostings } from '../../src/store/clearing/postings.ts'
import { applyFileStatus } from '../../src/store/clearing/settlement-file-outcomes.ts'
import { findInstruction } from '../../src/store/clearing/settlement-instructions.ts'
import { setPayoutCycle, setSettlementInstitution } from '../../src/store/clearing/settlement-master.ts'
import { applyReturn, applyStatus, cancelInstruction } from '../../src/store/clearing/settlement-outcomes.ts'
import { readRunFiles, releaseInstructions } from '../../src/store/clearing/settlement-release.ts'
import { findLaterRun } from '../../src/store/clearing/settlement-runs.ts'
import { settlementStanding } from '../../src/store/clearing/settlement-standing.ts'
import { listPayables, listPositions, listSuspensions, readWaiting } from '../../src/store/clearing/settlement-views.ts'
import { drawTrialBalance } from '../../src/store/clearing/trial-balance.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { verifyLedger, verifyWithin } from '../../src/store/verify.ts'
import { setStanding } from '../../src/switch-settlement.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { type LiveLedger, openLedger } from '../ledger/live-ledger.ts'
import { FIRST_ID, messageOf, playScenario, SECOND_ID } from '../ledger/scenario.ts'
import { commandRunner } from '../support/command.ts'
import { schemaFolder, schemaProblem, skipWithout } from './iso20022-schemas.ts'

const [DAY, NEXT] = [20261118 as CivilDate, 20261119 as CivilDate]
const AUTHOR = { actor: 'test', reason: 'test' }
/** Outlets of the scenario, and their payments. */
const [BAKERY, GROCER, SHOP] = [2, 62, 142]
const idOf = (outlet: number, date = DAY, letters = 'OO') =>
  `UC-${date}-1-${letters}-${String(outlet).padStart(11, '0')}`
const identity = { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' }

async function closeDay({ client }: LiveLedger, date: CivilDate): Promise<void> {
  const command = { lane: 0, kind: 'close-day', detail: { date }, requestedBy: 'test', idempotencyKey: `close ${date}` }
  await awaitCommand(client, await requestCommand(client, command), { timeoutMs: 60_000 })
}

async function balancesOf({ client }: LiveLedger): Promise<Record<string, number>> {
  const { rows } = await client.query<{ account: string; piasters: string }>(
    `select account, sum(posted) as piasters from balance where account / 100000000000 between 7001 and 8007
     group by 1 having sum(posted) <> 0`,
  )
  return Object.fromEntries(rows.map(({ account, piasters }) => [account, Number(piasters)]))
}

t.test('a day is settled, its payments answered, and what failed is paid again', async (t) => {
  const ledger = await openLedger(t)
  const { client } = ledger
  await playScenario(ledger)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'settlement-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const run = (businessDate: CivilDate) =>
    settleRun(client, {
      ...{ businessDate, cycle: 1, folder, identity, cutoverMinutes: 1_350, writerStallMs: 60_000 },
      madeOn: civilDate(ledger.clock.nowMs),
    })
  const stepOf = (businessDate: CivilDate) =>
    settleStep({ identity, cutoverMinutes: 1_350, writerStallMs: 60_000 }).run({
      ...{ businessDate, folder, url: ledger.url, signal: new AbortController().signal, progress: () => undefined },
      ...{ log: createLogger({ level: 'silent' }), nowMs: () => ledger.clock.nowMs },
    })
  const post = async (reference: string, postings: Posting[]) => {
    const commands = await requestPostings(client, { reference, requestedBy: 'test', postings })
    await awaitPostings(client, { reference, commands }, { stallMs: 60_000 })
  }
  const within = <T>(work: () => Promise<T>): Promise<T> => inTransaction(client, work)
  /** As a statement's booking is noted. */
  const booked = async (endToEndId: string, state: string, piasters: number) => {
    await client.query(
      `with i as (update settlement_instruction set state = $2 where end_to_end_id = $1 returning id)
       insert into settlement_instruction_event (instruction_id, state, source, piasters) select id, $2, 'bank:1', $3 from i`,
      [endToEndId, state, piasters],
    )
  }
  const transit = moneyAccount('settlementTransit', 1)
  const ours = moneyAccount('settlementAccount', 1)

  await t.test('only what is closed is settled', async (t) => {
    await t.rejects(run(DAY), { code: 'CONFLICT' }, 'the day is open')
    await closeDay(ledger, DAY)
    const done = await run(DAY)
    t.match(done.run.totals, { payouts: 3, payoutPiasters: '4025', payablePiasters: '2925', withoutTariff: 0 })
    t.same([done.run.valueDate, done.files.length], [20261119, 1])
    const [manifest] = await listFiles(client, { businessDate: DAY, types: ['MAN'] })
    t.match(manifest, { records: 1, state: 'written' }, 'the manifest names its files')
    t.equal(await readValueDate(client, DAY, addDays(DAY, 2)), 20261122, 'no day that is over, nor one without banks')
    t.equal(await readValueDate(client, DAY, addDays(DAY, 1)), 20261119, 'after midnight it is the same')
    t.equal(await readValueDate(client, DAY, addDays(DAY, 5)), 20261123)
    const balances = await balancesOf(ledger)
    t.equal(balances[transit], 4_025, 'all that was instructed is in transit')
    for (const outlet of [BAKERY, GROCER]) t.equal(balances[moneyAccount('subsidyPayable', outlet)], undefined)
    t.same(await listPositions(client, { businessDate: DAY, cycle: 1 }), [
      {
        kind: 'bank',
        institution: 1,
        bank: 1,
        bankCode: 'STBA',
        creditPiasters: 4_025,
        debitPiasters: 0,
        netPiasters: 4_025,
        parts: 3,
      },
    ])
  })

  await t.test('made again it is the same, also where it was cut off', async (t) => {
    const file = path.join(folder, 'out/2026-11-18/UC.PAY.STBA.20261118.1.001.xml')
    const bytes = readFileSync(file)
    rmSync(file)
    await client.query(`update settlement_run set state = 'computed'`)
    t.equal((await run(DAY)).files[0]?.name, 'UC.PAY.STBA.20261118.1.001.xml')
    t.same(readFileSync(file), bytes)
    t.match(bytes.toString(), '<CreDtTm>2026-11-18T22:30:00+02:00<', 'it says that it was made at the cutover')
    t.equal((await balancesOf(ledger))[transit], 4_025, 'nothing is posted again')
    await t.rejects(run(20261117 as CivilDate), { code: 'CONFLICT', message: /2026-11-18 is settled already/ })
    t.match(await findLaterRun(client, 20261117 as CivilDate), { businessDate: DAY }, 'which covers the days before')
    t.equal(await findLaterRun(client, DAY), undefined)
    t.match(await stepOf(20261117 as CivilDate), { state: 'done', words: 'settled with 2026-11-18' })
  })

  await t.test('an instruction is cancelled before release, and the others get a file of their own', async (t) => {
    await within(() => cancelInstruction(client, idOf(SHOP), { how: 'cancel', actor: 'a + b', reason: 'wrong shop' }))
    const { files } = await run(DAY)
    t.match(files, [{ name: 'UC.PAY.STBA.20261118.1.002.xml', items: 2, grossPiasters: 3_025n }])
    const manifests = await listFiles(client, { businessDate: DAY, types: ['MAN'] })
    t.match(
      manifests[0]?.totals,
      { files: [/^UC.PAY.STBA.20261118.1.002.xml /] },
      'a further manifest names the new one',
    )
    const balances = await balancesOf(ledger)
    t.same([balances[transit], balances[moneyAccount('unappliedPayouts', SHOP)]], [3_025, 1_000])
  })

  await t.test('two people release; what is sent is answered by the bank', async (t) => {
    const key = { businessDate: DAY, cycle: 1 }
    const { files, digest } = await readRunFiles(client, key)
    const people = { maker: 'system:a', checker: 'user:b' }
    await t.rejects(releaseInstructions(client, key, digest, people), { code: 'CONFLICT' }, 'not signed yet')
    const [file] = files
    const fileId = file?.id ?? 0
    await moveFile(client, fileId, { from: ['written'], to: 'signed', action: 'signed', actor: 'test' })
    await t.rejects(
      within(() => releaseInstructions(client, key, digest, { maker: 'a', checker: 'a' })),
      {
        code: 'FORBIDDEN',
      },
    )
    const closer = `insert into business_day (business_date, state, asked_by, asked_at) values ('2026-11-18', 'closing', 'user:b', now())`
    await t.rejects(
      within(async () => {
        await client.query(closer)
        await releaseInstructions(client, key, digest, people)
      }),
      { code: 'FORBIDDEN', message: /had the day closed/ },
      'the rule of every release',
    )
    await t.rejects(releaseInstructions(client, key, 'f'.repeat(64), people), { code: 'CONFLICT' }, 'other files')
    await within(() => releaseInstructions(client, key, digest, people))
    const released = await readRunFiles(client, key)
    t.match(released.run, { state: 'released', releasedBy: 'system:a + user:b' })
    t.equal((await findInstruction(client, idOf(BAKERY)))?.state, 'released')
    await t.rejects(
      within(() => cancelInstruction(client, idOf(BAKERY), { how: 'cancel', actor: 'a + b', reason: 'late' })),
      { code: 'CONFLICT' },
    )
    await moveFile(client, fileId, { from: ['released'], to: 'delivered', action: 'delivered', actor: 'test' })
    t.equal((await findInstruction(client, idOf(BAKERY)))?.state, 'sent')

    const source = 'pain.002 M-1'
    const status = (endToEndId: string, code: 'ACSP' | 'RJCT', reasonCode?: string) =>
      within(() => applyStatus(client, { endToEndId, status: code, reasonCode, source }))
    const group = await within(() =>
      applyFileStatus(client, { messageId: 'UC-PAY-STBA-20261118-1-2', status: 'ACCP', source }),
    )
    t.same(group, { changed: 2, bound: 0 })
    t.match(await status(idOf(GROCER), 'RJCT', 'AC04'), { outcome: 'applied', after: 'rejected' })
    t.match(await status(idOf(GROCER), 'RJCT', 'AC04'), { outcome: 'unchanged' })
    t.match(await status(idOf(GROCER), 'ACSP'), { outcome: 'unexpected' })
    t.match(await status('NOT-OURS', 'ACSP'), { outcome: 'unknown' })
    await booked(idOf(BAKERY), 'settled', -625)
    await post('paid:1', [{ kind: 'settlementPaid', debit: transit, credit: ours, amountPiasters: 625 }])
  })

  await t.test('what came back waits for other bank data, and is paid again when it is there', async (t) => {
    const news = { endToEndId: idOf(BAKERY), reasonCode: 'AC01', source: 'pacs.004 R-1' }
    t.match(await within(() => applyReturn(client, news)), { after: 'returned' })
    t.same(
      (await listSuspensions(client, 10)).map(({ outletId, cause }) => [outletId, cause]),
      [
        [GROCER, 'rejected'],
        [BAKERY, 'returned'],
      ],
    )
    await client.query(`update outlet_detail set settlement_account = $2 where outlet_id = $1`, [
      GROCER,
      demoIban('9901', 777),
    ])
    const ration = { fromAccount: '91', amountPiasters: 600 }
    await ledger.submit(messageOf(ledger, SECOND_ID, 'grocer', { ...ration, stan: '900001', rrn: '900001900001' }))
    const more = (category: 'atm' | 'shop', stan: string, fields: Partial<AuthorizationRequest>) =>
      ledger.submit(messageOf(ledger, FIRST_ID, category, { stan, rrn: `${stan}${stan}`, ...fields }))
    const cash = { transactionType: '01', amountPiasters: 50_000, acquirer: '81800002' } as const
    t.equal((await more('atm', '900002', cash)).result, 'approved')
    const onRail = { schemeRail: true, amountPiasters: 7_000, acquirer: '40000001' } as const
    t.equal((await more('shop', '900003', onRail)).result, 'approved')
    await closeDay(ledger, NEXT)
    await setPayoutCycle(
      client,
      {
        category: 'grocer',
        governorate: '',
        frequency: 'daily',
        day: 0,
        holdbackPermille: 100,
        releaseDays: 1,
        wholesaler: undefined,
        from: NEXT,
      },
      AUTHOR,
    )
    const { run: made, files } = await run(NEXT)
    t.match(made.totals, { heldBack: 1, heldBackPiasters: '60', payablePiasters: '600' })
    t.match(
      (await listPositions(client, { businessDate: NEXT, cycle: 1 })).map(({ kind, institution, netPiasters }) => [
        kind,
        institution,
        netPiasters,
      ]),
      [
        ['acquirer', 81_800_002, 50_000],
        ['bank', 1, Number],
        ['scheme', 0, 7_000],
      ],
    )
    await t.test('the files are valid by the official schemas', { skip: skipWithout(schemaFolder) }, async (t) => {
      for (const { type, path: place } of files) {
        const text = readFileSync(path.join(folder, place), 'utf8')
        t.equal(schemaProblem(type === 'PAY' ? 'pain.001.001.09' : 'pacs.009.001.08', text), undefined, place)
      }
    })
    const again = await findInstruction(client, `${idOf(GROCER, NEXT, 'RO')}-1`)
    t.match(again, { purpose: 'repayment', amountPiasters: 2_400, replaces: idOf(GROCER), state: 'prepared' })
    t.equal((await findInstruction(client, idOf(GROCER)))?.replacedBy, again?.endToEndId)
    t.match(await findInstruction(client, `${idOf(SHOP, NEXT, 'RO')}-1`), { amountPiasters: 1_000 })
    t.equal(await findInstruction(client, `${idOf(BAKERY, NEXT, 'RO')}-1`), undefined, 'nobody has seen it back yet')

    await booked(idOf(BAKERY), 'returned', 625)
    const unapplied = moneyAccount('unappliedPayouts', BAKERY)
    await post('returned:2', [{ kind: 'settlementReturned', debit: ours, credit: unapplied, amountPiasters: 625 }])
    const balances = await balancesOf(ledger)
    t.equal(balances[unapplied], 625)
    t.equal(balances[ours], undefined, 'what came back is at the bank again')
    t.equal(balances[moneyAccount('holdback', GROCER)], 60)
  })

  await t.test('a further day releases what was held back, and sets off against a wholesaler', async (t) => {
    const third = 20261120 as CivilDate
    ledger.clock.nowMs += 86_400_000
    await closeDay(ledger, third)
    const wholesaler = { kind: 'wholesaler', institution: 5, name: 'WHOLESALER', bank: 2 } as const
    await setSettlementInstitution(client, { ...wholesaler, account: demoIban('9902', 5), from: third }, AUTHOR)
    await setPayoutCycle(
      client,
      {
        category: 'grocer',
        governorate: '',
        frequency: 'weekly',
        day: 5,
        holdbackPermille: 0,
        releaseDays: 0,
        wholesaler: 5,
        from: third,
      },
      AUTHOR,
    )
    const { run: made, files } = await run(third)
    t.equal(made.valueDate, 20261122, 'Friday and Saturday are no banking days')
    t.match(await findInstruction(client, idOf(5, third, 'WW')), { amountPiasters: 60, bank: 2, purpose: 'offset' })
    t.same(
      files.map(({ name }) => name),
      ['UC.PAY.STBB.20261120.1.001.xml'],
    )
    t.same((await balancesOf(ledger))[moneyAccount('holdback', GROCER)], undefined)
  })

  await t.test('how it stands, for whoever is on call', async (t) => {
    const balances = await balancesOf(ledger)
    const standing = await settlementStanding(client, 20261201 as CivilDate)
    const { rows: open } = await client.query<{ count: number; piasters: string }>(
      `select count(*)::int, sum(amount_piasters) as piasters from settlement_instruction where state = 'prepared'`,
    )
    const metrics = createMetrics()
    const nowMs = Date.now() + 3_600_000
    setStanding(metrics.settlement, standing, nowMs)
    const page = await metrics.render()
    for (const line of [
      `instructions{state="prepared"} ${open[0]?.count}`,
      `instruction_piasters{state="prepared"} ${open[0]?.piasters}`,
      'instructions{state="returned"} 1',
      `instructions_overdue ${open[0]?.count}`,
      `outstanding_piasters{bank="STBA"} ${balances[transit]}`,
      `short_piasters{bank="STBA"} ${balances[transit]}`,
      'suspended_outlets 1',
      'without_tariff 0',
      `unreconciled_piasters{account="payouts that came back"} ${balances[moneyAccount('unappliedPayouts', BAKERY)]}`,
    ]) {
      t.ok(page.split('\n').includes(`mizan_settlement_${line}`), line)
    }
    t.ok(Number(/^mizan_settlement_oldest_unreleased_seconds (.*)$/m.exec(page)?.[1]) >= 3_600)
    t.same((await settlementStanding(client, DAY)).overdue, 0, 'no value date is over before it is')
  })

  await t.test('on the command line: figures for people and programs, and changes by two people', async (t) => {
    const command = commandRunner({ DATABASE_URL: ledger.url, MIZAN_VAR: folder })
    const show = (...args: string[]) => command(settlementCommand, args)
    t.match((await show('show', '2026-11-18')).out, /payable for subsidies 29.25 EGP.*UC.PAY.STBA.20261118.1.002.xml/s)
    t.match(JSON.parse((await show('show', '2026-11-19', '--json')).out), { state: 'written', totals: { heldBack: 1 } })
    t.match((await show('positions', '2026-11-19')).out, /acquirer 81800002 +STBB? +500.00 +0.00 +500.00/)
    const whole = await listPayables(client, { businessDate: DAY, cycle: 1 }, { limit: 100 })
    const paged: typeof whole = []
    for (let after = whole[-1]; paged.length < whole.length; after = paged.at(-1)) {
      const filter = { limit: 1, ...(after === undefined ? {} : { after }) }
      paged.push(...(await listPayables(client, { businessDate: DAY, cycle: 1 }, filter)))
    }
    t.same(paged, whole, 'page by page nothing is left out, and nothing comes twice')
    const page = await show('payables', '2026-11-18', '--limit', '1')
    const [, position = ''] = /--after (\S+)/.exec(page.errors) ?? []
    t.match((await show('payables', '2026-11-18', '--after', position)).out, /MZG000000000002 +4 +2026-11-18/)
    t.match(await show('payables', '2026-11-18', '--after', '7'), { status: 1, errors: /must be a date that exists/ })
    t.match(
      (await show('show', '2026-11-19')).out,
      /STBA is short of [\d,.]+ EGP: .* our account there has to be funded/,
    )
    t.match((await show('payables', '2026-11-18')).out, /MZB000000000002 +1 +2026-11-18 +5 LOAF +105 pt/)
    t.match(
      (await show('instructions', '--state', 'rejected')).out,
      /UC-20261118-1-OO-00000000062 .* rejected \(AC04\)/,
    )
    t.match((await show('instruction', idOf(GROCER))).out, /UC-20261119-1-RO-00000000062-1 stands for it/)
    t.match((await show('suspensions')).out, /MZB000000000002 +returned/)
    t.match((await show('list')).out, /2026-11-20 +1 +2026-11-22 +written/)
    t.match(await show('show', '2026-11-17'), { status: 1, errors: /has no run 1 of settlement/ })
    t.match(await show('run', '18 November'), { status: 1, errors: /must be a date that exists/ })
    t.match(await show('run', '2026-11-21'), { status: 1, errors: /not closed in every lane/ })

    const password = 'a long clerk password'
    const made = await command(userCommand, ['add', 'clerk', '--role', 'settlement'], `${password}\n`)
    t.equal(made.status, 0)
    const file = path.join(folder, 'password')
    writeFileSync(file, `${password}, again\n`, { mode: 0o600 })
    await command(userCommand, ['password', 'clerk', '--password-file', file, '--keep'])
    const login = `clerk\n${password}, again\n`
    const weekly = [
      'cycle',
      'set',
      '--category',
      'bakery',
      '--frequency',
      'weekly',
      '--day',
      '4',
      '--from',
      '2026-12-01',
    ]
    const agreed = await command(settlementCommand, [...weekly, '--reason', 'decree'], login)
    t.match(agreed, { status: 0, out: /bakery are paid weekly from 2026-12-01/ })
    t.match((await show('cycle', 'list', '--date', '2026-12-02')).out, /bakery +all +weekly +4/)
    t.match((await show('changes')).out, /cycle bakery +2026-12-01 +system:\S+ \+ user:clerk +decree/)
    t.match((await show('bank', 'list')).out, /1 +STBA +STBAEGC0/)
    const wrong = [
      'institution',
      'set',
      '9',
      '--kind',
      'post',
      '--name',
      'POST',
      '--bank',
      '77',
      '--from',
      '2026-12-01',
    ]
    t.match(await command(settlementCommand, [...wrong, '--reason', 'x'], login), { status: 1, errors: /does not fit/ })
    const acceptor = 'MZB000000000002'
    t.match((await command(settlementCommand, ['resume', acceptor, '--reason', 'mended'], login)).out, /is paid again/)
    t.equal((await listSuspensions(client, 10)).length, 0)
    const id = `${idOf(SHOP, NEXT, 'RO')}-1`
    t.match(await command(settlementCommand, ['hold', id, '--reason', 'look'], login), { status: 0 })
    t.match((await show('suspensions')).out, /held/)
    t.match(await command(settlementCommand, ['release', '2026-11-19'], login), {
      status: 1,
      errors: /goes on with it/,
    })
    await run(NEXT)
  })

  await t.test('every check holds, and sees what is planted', async (t) => {
    const failed = async () => (await verifyWithin(client)).filter(({ ok }) => !ok).map(({ name }) => name)
    t.same(
      (await verifyLedger(ledger.url)).filter(({ ok }) => !ok),
      [],
    )
    const plants: readonly (readonly [string, string, readonly string[]])[] = [
      [
        'a loaf more than was given out',
        'update settlement_payable set quantity = quantity + 1 where piasters_per_unit is not null',
        ['settlement-payables-exact'],
      ],
      [
        'another tariff',
        `update settlement_payable set piasters_per_unit = piasters_per_unit + 1,
           payable_piasters = payable_piasters + quantity where piasters_per_unit is not null`,
        ['settlement-payables-exact', 'settlement-dues-carried', 'settlement-posted'],
      ],
      [
        'a due that is forgotten',
        'update settlement_due set opening = opening + 1, closing = closing + 1 where business_date = (select min(business_date) from settlement_due)',
        ['settlement-dues-carried'],
      ],
      [
        'a holdback that was never released',
        'update settlement_due set freed = 1 where account = (select min(account) from settlement_due)',
        ['settlement-dues-carried'],
      ],
      [
        'a payment that was taken up for more than came back',
        'update settlement_restoration set piasters = piasters + 1 where instruction_id = (select min(instruction_id) from settlement_restoration)',
        ['settlement-dues-carried'],
      ],
      [
        'a payment that came back and is said to be paid again, in part',
        'update settlement_instruction set restored_piasters = restored_piasters - 1 where restored_piasters > 0',
        ['settlement-dues-carried'],
      ],
      [
        'a payment that nobody instructed',
        "update settlement_instruction set amount_piasters = amount_piasters + 1 where purpose = 'offset'",
        ['settlement-dues-carried', 'settlement-posted'],
      ],
    ]
    for (const [what, sql, fails] of plants) {
      await client.query('begin')
      await client.query(sql)
      t.same(await failed(), fails, what)
      await client.query('rollback')
    }
  })

  await t.test('the report of the day', async (t) => {
    const command = commandRunner({ DATABASE_URL: ledger.url, MIZAN_VAR: folder })
    const report = (...args: string[]) => command(clearingCommand, ['report', '2026-11-18', ...args])
    t.match(await report(), { status: 1, errors: /business day 2026-11-18 is not known/, out: '' })
    t.match(await command(clearingCommand, ['report', '18.11.']), { status: 1, errors: /must be a date that exists/ })
    await knowBusinessDays(client, NEXT)
    const early = await report()
    t.match(early.out, /No trial balance is kept with the day yet.*No statement of 2026-11-19 has come yet/s)
    t.match(early.out, /Banks of the run without a statement of it: STBA.*The date was not reconciled yet/s)

    await drawTrialBalance(client, DAY)
    const balance = (...args: string[]) => command(cutoverCommand, ['balance', '--date', '2026-11-18', ...args])
    t.match(await command(cutoverCommand, ['balance']), { status: 1, errors: /no business day is closed yet/ })
    t.match(
      (await balance()).out,
      /debits [\d,.]+ EGP, credits.*7001 +payable to outlet +2 +0\.00 EGP +1\.00 EGP +1\.00 EGP/s,
    )
    const { accounts } = JSON.parse((await balance('--json')).out)
    const [, second] = accounts
    const [one, rest] = [
      await balance('--limit', '2'),
      await balance('--after', `${second.kind}:${second.owner}`, '--json'),
    ]
    t.match(one.errors, `--after ${second.kind}:${second.owner}`)
    t.same(JSON.parse(rest.out).accounts, accounts.slice(2), 'the next page begins where this one ends')
    const iban = demoIban('9901', 777)
    await client.query(
      `with f as (insert into bank_file (name, bytes, sha256, received_at, received_by, state, schema, bank)
         values ('S.xml', 1, $1, now(), 'test', 'read', 'camt.053.001.08', 1) returning id)
       insert into bank_statement (bank_file, report, bank, account, statement_id, statement_date, opening_piasters,
         closing_piasters, entries, credit_piasters, debit_piasters, state, booked_at, ledger_piasters)
       select id, 'statement', 1, $2, 'S-1', '2026-11-19', 1000000, 999375, 1, 0, 625, 'booked', now(), 999370 from f`,
      [Buffer.alloc(32), iban],
    )
    await client.query(
      `with r as (insert into reconciliation_run (business_date, started_at, ended_at, requested_by, state, levels, matched, found)
         values ('2026-11-18', now(), now(), 'test', 'done', $1, 2, 1) returning id)
       insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, summary,
         opened_run, last_run, opened_at)
       select 'position-short', 'x', 'position', '2026-11-18', '2026-11-18', 500, $2, id, id, now() from r`,
      [
        {
          position: { compared: { instructions: 3 }, matched: {} },
          rules: { compared: {}, matched: { 'end-to-end': 2 } },
        },
        `less came <b>from</b> ${iban}`,
      ],
    )
    const { out, status } = await report()
    t.equal(status, 0)
    t.match(out, /7001 +payable to outlet +EGP +2 +20\.00 +31\.00 +11\.00/)
    t.notMatch(out, /NOT agree/)
    t.match(out, /UC\.PAY\.STBA\.20261118\.1\.002\.xml +out +delivered .* 30\.25 +[0-9a-f]{64}/)
    t.match(out, /UC\.PAY\.STBA\.20261118\.1\.001\.xml +out +superseded/)
    t.match(out, /PAY +out +1 +1 .* 30\.25\n/, 'what a correction superseded is in no sum')
    t.match(out, /1 +1 +5 +LOAF +1\.00 +5\.25\n.*sum +1\.00 +29\.25\n/s)
    await client.query('begin')
    await client.query(
      `insert into settlement_due (business_date, cycle, account, opening, added, instructed, closing, note)
       values ('2026-11-18', 1, 700300000000555, 0, 700, 0, 700, 'no-institution')`,
    )
    t.same(await readWaiting(client, { businessDate: DAY, cycle: 1 }), [
      { note: 'no-institution', kind: 'cash clearing', accounts: 1, piasters: 700n },
    ])
    await client.query('rollback')
    t.match(out, /bank 1 +STBA +3 +40\.25 +0\.00 +40\.25/)
    t.match(out, /STBA +\*{4}0777 +2026-11-19 +S-1 +booked +1 /)
    t.match(out, /10,000\.00 +0\.00 +6\.25 +9,993\.75 +9,993\.70.*closing balance is NOT what the ledger had/s)
    t.match(out, /position +by end-to-end +2\n/)
    t.match(out, /position-short +open +nobody .* 5\.00 +less came/)
    t.notMatch(out, iban)

    const file = path.join(folder, 'reports/day.html')
    t.match(await report('--html', file), { status: 0, out: /the report of 2026-11-18/ })
    const page = readFileSync(file, 'utf8')
    t.match(page, 'less came &#60;b&#62;from&#60;/b&#62; ****')
    t.notMatch(page, iban)
    t.same(readdirSync(path.dirname(file)), ['day.html'], 'nothing unfinished is left')
    t.match(await report('--html', path.join(file, 'x.html')), { status: 1, errors: /the page cannot be written/ })

    const told = JSON.parse((await report('--json')).out)
    const schema = dayReportRoute.answers[200]
    t.ok(schema)
    if (schema) t.same(new Checker(schema).faults(told, 'body'), [], 'it is what the API says it answers')
    const units = new Map<string, bigint>()
    for (const { unit, balance } of told.trialBalance) units.set(unit, (units.get(unit) ?? 0n) + BigInt(balance))
    t.same([...new Set(units.values())], [0n])
    t.match(told.settlement, [{ positionSums: { netPiasters: '4025' }, payables: [{ programme: 1 }, {}] }])
    t.same(told.bank.missing, [])
  })
  t.same(ledger.faults, [])
})
