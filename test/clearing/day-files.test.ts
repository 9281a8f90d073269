import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import type { CivilDate } from '../../src/calendar.ts'
import type { DayStepContext } from '../../src/clearing/day/step.ts'
import { balanceStep } from '../../src/clearing/outgoing/balance-step.ts'
import { writeCorrection } from '../../src/clearing/outgoing/correct-file.ts'
import { contentOf } from '../../src/clearing/outgoing/file-content.ts'
import { viewFile } from '../../src/clearing/outgoing/file-view.ts'
import { checkStatementFile } from '../../src/clearing/outgoing/line-check.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { verifyFile } from '../../src/clearing/outgoing/verify-files.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import { clearingCommand } from '../../src/commands/clearing.ts'
import { approvalCode } from '../../src/identifiers.ts'
import { beginCorrection } from '../../src/store/clearing/corrections.ts'
import { type ClearingFile, findFile, listFiles } from '../../src/store/clearing/files.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { type LiveLedger, openLedger } from '../ledger/live-ledger.ts'
import { FIRST_ID, messageOf, naming, SECOND_ID } from '../ledger/scenario.ts'
import { commandRunner } from '../support/command.ts'
import { panProtectionOf } from '../support/pan-keys.ts'
import { luhnHolds, type PlainRecord, plainRecords, plainTotals } from './independent-reader.ts'

const DAY_MS = 86_400_000
const [first, second, third] = [20261118, 20261119, 20261120] as CivilDate[] as [CivilDate, CivilDate, CivilDate]
const options = {
  processingBin: '400000',
  centre: 'MIZAN',
  batchItems: 3,
  testFiles: true,
  railLinks: ['visa'],
  protection: panProtectionOf('ledger tests'),
}
const visa = { link: 'visa', schemeRail: true, networkReference: '426326000000001', acquirer: '400001' } as const
const [hold, completion, reversal] = [
  { messageClass: 'authorization', mti: '0100' },
  { messageClass: 'financial-advice', mti: '0220' },
  { messageClass: 'reversal', mti: '0400' },
] as const

/** What a message over the rails brings of a card whose chip was read. */
const factsOf = (entryMode: string, counter: string) =>
  JSON.stringify({
    entryMode,
    terminalCapability: '5',
    cardholderIdMethod: '2',
    remoteOrder: '00',
    characteristics: 'E',
    validationCode: 'AB12',
    merchant: { name: 'Café du Nil', city: 'GIZA', country: 'EG' },
    chip: {
      '82': '1C00',
      '95': '0000008000',
      '9A': '261118',
      '9C': '00',
      '5F34': '01',
      '9F02': '000000001000',
      '9F10': '06010A03A0A0000AB1',
      '9F1A': '0818',
      '9F1E': '5345523132333435',
      '9F26': '0123456789ABCDEF',
      '9F33': 'E0F8C8',
      '9F36': counter,
      '9F37': '89ABCDEF',
    },
  })

/** Two days with something of everything on the card scheme's rails, at home and of the subsidies. */
async function play(ledger: LiveLedger): Promise<void> {
  const sent = new Map<string, AuthorizationRequest>()
  const say = async (
    name: string,
    place: 'bakery' | 'grocer' | 'shop' | 'atm',
    fields: Partial<AuthorizationRequest>,
    original?: string,
    who = FIRST_ID,
  ) => {
    const named = original === undefined ? {} : naming(sent.get(original) as AuthorizationRequest)
    const message = messageOf(ledger, who, place, { ...fields, ...named })
    sent.set(name, message)
    const { result } = await ledger.submit(message)
    if (result !== 'approved') throw new Error(`${name}: ${result}`)
  }
  await say('purchase', 'shop', { ...visa, amountPiasters: 1_000, schemeFacts: factsOf('05', '0007') })
  await say('cash', 'atm', { ...visa, transactionType: '01', amountPiasters: 20_000 })
  await say('hold', 'shop', { ...visa, ...hold, amountPiasters: 5_000, schemeFacts: factsOf('07', '0008') })
  const bySlip = JSON.stringify({ entryMode: '01', capture: { sequence: 1, count: 1 } })
  await say('capture', 'shop', { ...visa, ...completion, amountPiasters: 4_500, schemeFacts: bySlip }, 'hold')
  await say('undone', 'shop', { ...visa, amountPiasters: 2_000 })
  await say('its reversal', 'shop', { ...visa, ...reversal, amountPiasters: 2_000 }, 'undone')
  await say('shrunk', 'shop', { ...visa, amountPiasters: 3_000 })
  const partly = { ...visa, ...reversal, amountPiasters: 3_000, replacementPiasters: 1_200 }
  await say('its shrinking', 'shop', partly, 'shrunk')
  await say('with cash', 'shop', { ...visa, transactionType: '09', amountPiasters: 900, cashbackPiasters: 400 })
  await say('refunded', 'shop', { ...visa, amountPiasters: 700 })
  await say('refund', 'shop', { ...visa, transactionType: '20', amountPiasters: 700 }, 'refunded')
  // At home: nothing of it is the card scheme's.
  await say('home', 'shop', { amountPiasters: 1_100 })
  await say('home cash', 'atm', { transactionType: '01', amountPiasters: 5_000 })
  const bread = { fromAccount: '92', quantity: 5, amountPiasters: 100, tender: 'postal' as const }
  await say('bread', 'bakery', bread)
  await say(
    'bread over the rails',
    'bakery',
    { ...visa, ...bread, quantity: 2, amountPiasters: 40 },
    undefined,
    SECOND_ID,
  )
  await say('ration', 'grocer', { fromAccount: '91', amountPiasters: 1_500 })
  await say('ration back', 'grocer', { ...reversal, amountPiasters: 1_500 }, 'ration')
  await say('second ration', 'grocer', { fromAccount: '91', amountPiasters: 900 })

  ledger.clock.nowMs += DAY_MS
  await say('late reversal', 'shop', { ...visa, ...reversal, amountPiasters: 1_000 }, 'purchase')
  await say('cash back', 'atm', { ...visa, ...reversal, amountPiasters: 20_000 }, 'cash')
  await say('reversal of the capture', 'shop', { ...visa, ...reversal, amountPiasters: 4_500 }, 'capture')
  await say('refund undone', 'shop', { ...visa, ...reversal, amountPiasters: 700 }, 'refund')
  await say('bread back', 'bakery', { ...reversal, amountPiasters: 100 }, 'bread')
  await say('next bread', 'bakery', { ...bread, quantity: 1, amountPiasters: 20 })
}

t.test('the files of three days', async (t) => {
  const ledger = await openLedger(t)
  await ledger.client.query(
    `insert into outlet_detail (outlet_id, settlement_bank, settlement_account)
     select id, case when category in ('bakery', 'shop') then 'NBE' else 'MISR' end, 'EG' || lpad(id::text, 20, '0')
     from outlet where category <> 'grocer' on conflict (outlet_id) do update set
       settlement_bank = excluded.settlement_bank, settlement_account = excluded.settlement_account`,
  )
  await ledger.client.query(
    `update outlet_detail set settlement_bank = null, settlement_account = null
     where outlet_id in (select id from outlet where category = 'grocer')`,
  )
  await play(ledger)
  const folder = t.testdir()
  const contextOf = (businessDate: CivilDate): DayStepContext => ({
    businessDate,
    folder,
    url: ledger.url,
    signal: new AbortController().signal,
    log: createLogger({ level: 'silent' }),
    nowMs: () => ledger.clock.nowMs,
    progress: () => undefined,
  })
  const run = async (date: CivilDate, step = selectStep(options)) => await step.run(contextOf(date))
  const read = (name: string) => readFileSync(path.join(folder, 'out', name))
  const all = () =>
    Object.fromEntries(
      ['2026-11-18', '2026-11-19', '2026-11-20'].flatMap((day) =>
        readdirSync(path.join(folder, 'out', day)).map((name) => [name, read(`${day}/${name}`).toString('latin1')]),
      ),
    )
  t.match(await run(first), { state: 'blocked', words: /not closed in all lanes; close it with mizan cutover/ })
  await ledger.client.query(
    `insert into business_day (business_date, state, asked_by, asked_at, lanes_closed_at)
     select d::date, 'closing', 'test', now(), now() from generate_series('2026-11-18'::date, '2026-11-20', '1 day') d
     on conflict (business_date) do update set state = 'closing', asked_by = 'test', asked_at = now(), lanes_closed_at = now()`,
  )
  t.match(await run(second), { state: 'blocked', words: /2026-11-18 comes first/ })
  t.match(await run(first, writeStep(options)), { state: 'blocked', words: /no items of 2026-11-18 were taken/ })
  t.match(await run(first), {
    state: 'done',
    words:
      /^7 for the card scheme, 5 in 2 subsidy file\(s\), 2 statement\(s\); no settlement bank is known of 1 outlet/,
  })
  for (const date of [second, third]) t.match(await run(date), { state: 'done' })
  for (const date of [first, second, third]) t.match(await run(date, writeStep(options)), { state: 'done' })
  for (const date of [first, second, third]) {
    const { state, words } = await run(date, balanceStep())
    t.equal(state, 'done', words)
  }

  t.test('the card scheme gets what was posted, by an independent reader', async (t) => {
    const records = plainRecords(read('2026-11-18/UC.CTF.400000.20261118.1.001'))
    const itemsOf = (list: readonly PlainRecord[]) =>
      list
        .filter(({ layout }) => layout === '05.0')
        .map(({ fields }) => `${fields.transactionCode} ${Number(fields.destinationAmount)}`)
    t.same(itemsOf(records), ['05 1000', '07 20000', '05 4500', '05 1200', '05 900', '05 700', '06 700'])
    const header = records[0]?.fields
    t.match(header, { processingBin: '400000', processingDate: '26322', testOption: 'TEST', outgoingFileId: '001' })
    const totals = plainTotals(records)
    t.equal(totals.batches, 3)
    const last = records.at(-1)?.fields ?? {}
    t.equal(last.transactionCode, '92')
    t.equal(BigInt(last.destinationAmount ?? 0), totals.destination)
    t.equal(BigInt(last.sourceAmount ?? 0), totals.source)
    t.equal(Number(last.componentCount), totals.behindHeader)
    t.equal(Number(last.transactionCount), totals.drafts + totals.batches + 1)
    t.equal(Number(last.monetaryTransactionCount), totals.drafts)
    const drafts = records.filter(({ layout }) => layout === '05.0').map(({ fields }) => fields)
    const references = drafts.map((fields) =>
      ['arnFormatCode', 'arnAcquiringId', 'arnDate', 'arnFilmLocator', 'arnCheckDigit']
        .map((name) => fields[name])
        .join(''),
    )
    t.equal(new Set(references).size, 7)
    t.ok(references.every(luhnHolds))
    t.ok(drafts.every(({ accountNumber }) => luhnHolds(accountNumber ?? '')))
    const { rows } = await ledger.client.query<{ id: string }>(
      `select id from authorization_journal where mti = '0100' and business_date = '2026-11-18'`,
    )
    t.equal(drafts[2]?.authorizationCode, approvalCode(Number(rows[0]?.id)), 'a completion has the code of its hold')
    const part = (layout: string, index: number) => records.filter((one) => one.layout === layout)[index]?.fields
    t.match(part('05.5', 2), { authorizedAmount: '000000005000', transactionIdentifier: '426326000000001' })
    t.match(part('05.1', 4), { cashback: '000000400' })
    t.match(drafts[0], {
      posEntryMode: '05',
      posTerminalCapability: '5',
      cardholderIdMethod: '2',
      authCharacteristicsIndicator: 'E',
      merchantName: 'Cafe du Nil'.padEnd(25),
      merchantCity: 'GIZA'.padEnd(13),
    })
    t.match(part('05.5', 0), { validationCode: 'AB12', multipleClearingSequenceCount: '00' })
    const chips = records.filter(({ layout }) => layout === '05.7').map(({ fields }) => fields)
    t.equal(chips.length, 2, 'a chip was read for two')
    t.match(chips[0], {
      transactionCode: '05',
      component: '7',
      transactionType: '00',
      cardSequenceNumber: '001',
      terminalTransactionDate: '261118',
      terminalCapabilityProfile: 'E0F8C8',
      terminalCountryCode: '818',
      terminalSerialNumber: 'SER12345',
      unpredictableNumber: '89ABCDEF',
      applicationTransactionCounter: '0007',
      applicationInterchangeProfile: '1C00',
      cryptogram: '0123456789ABCDEF',
      iadByte1: '06',
      iadByte2: '01',
      iadByte3: '0A',
      iadBytes4To7: '03A0A000',
      iadByte8: '0A',
      iadBytes9To16: 'B100000000000000',
      iadByte17: '  ',
      iadBytes18To32: ' '.repeat(30),
      terminalVerificationResults: '0000008000',
      cryptogramAmount: '000000001000',
      formFactorIndicator: ' '.repeat(8),
      issuerScript1Results: ' '.repeat(10),
    })
    t.match(drafts[2], { posEntryMode: '01', merchantCity: 'GIZA'.padEnd(13) }, 'a completion has its own entry mode')
    t.match(part('05.5', 2), { multipleClearingSequenceNumber: '01', multipleClearingSequenceCount: '01' })
    t.equal(chips[1]?.applicationTransactionCounter, '0008', 'and the chip of its hold')
    t.match(drafts[3], { posEntryMode: '  ', merchantCity: /^[A-Z]/ }, 'what no message said is not there')

    const next = plainRecords(read('2026-11-19/UC.CTF.400000.20261119.1.001'))
    t.same(itemsOf(next), ['25 1000', '27 20000', '25 4500', '26 700'])
    const back = next.filter(({ layout }) => layout === '05.0').map(({ fields }) => fields)
    t.equal(`${back[0]?.arnDate}${back[0]?.arnFilmLocator}`, `${drafts[0]?.arnDate}${drafts[0]?.arnFilmLocator}`)
    t.equal(back[2]?.arnFilmLocator, drafts[2]?.arnFilmLocator, 'a reversal bears the reference of what it takes back')
    t.equal(back[0]?.purchaseDate, '1118')
    t.equal(back[0]?.posEntryMode, '05', 'and says what that one said')
    t.same(
      next.filter(({ layout }) => layout === '05.7').map(({ fields }) => fields.applicationTransactionCounter),
      ['0007', '0008'],
    )
    const empty = plainRecords(read('2026-11-20/UC.CTF.400000.20261120.1.001'))
    t.same(
      empty.map(({ layout }) => layout),
      ['90', '92'],
    )
  })

  t.test('banks get what outlets dispensed and what is payable for it', async (t) => {
    const lines = (name: string) =>
      read(name)
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','))
    const bread = lines('2026-11-18/UC.SUB.NBE-01.20261118.1.001')
    t.same(bread[0]?.slice(0, 10), [
      'H',
      'SUB',
      '1',
      'UC.SUB.NBE-01.20261118.1.001',
      'MIZAN',
      'NBE',
      '1',
      'bread',
      'LOAF',
      '2026-11-18',
    ])
    const items = bread.filter(([kind]) => kind === 'I').map((cells) => [cells[3], cells[6], cells[7]].join(' '))
    t.same(items.toSorted(), ['RD 2 40', 'RD 5 100'])
    const trailer = bread.at(-1) ?? []
    t.same([trailer[2], trailer[5], trailer[10]], ['2', '7', String(7 * 105)])
    const back = lines('2026-11-19/UC.SUB.NBE-01.20261119.1.001')
    const subtotals = back.filter(([kind]) => kind === 'S')
    t.same(
      subtotals.map((cells) => [cells[4], cells[12], cells[15]]),
      [
        ['2026-11-18', '-5', '-525'],
        ['2026-11-19', '1', '105'],
      ],
      'what is taken back counts by the tariff of the day on which it was given',
    )
    const ration = lines('2026-11-18/UC.SUB.NOBANK-04.20261118.1.001')
    t.same(
      ration.filter(([kind]) => kind === 'I').map((cells) => cells[3]),
      ['RD', 'RT', 'RD'],
    )
    t.equal(ration.at(-1)?.[10], '900')
    const statement = lines('2026-11-18/UC.OUT.NBE.20261118.1.001')
    const money = statement.filter(([kind]) => kind === 'M').map((cells) => cells.slice(3).join(' '))
    t.same(money.toSorted(), ['coPayment 2 140 0', 'purchase 1 1100 0'])
    t.same(statement.at(-1)?.slice(4, 9), ['1240', '0', '1240', '735', '1975'])
  })

  t.test('a statement that leaves lines out of its sums is refused', async (t) => {
    const check = (...lines: readonly string[]) =>
      checkStatementFile(
        (async function* () {
          yield Buffer.from(`${['H,OUT,1,x,MIZAN,NBE,2026-11-18,1,1', ...lines].join('\n')}\n`)
        })(),
        'x',
      )
    const line = 'M,SHOP1,7,purchase,1,100,0'
    await t.rejects(check(line, 'T,3,1,0,0,0,0,0,0,0'), {
      message: /line 3 comes before the line \(O\) of the last outlet/,
    })
    await t.rejects(check(line, 'O,SHOP2,8,,shop,100,0,100,0,100', 'T,4,1,1,100,0,100,0,100,8'), {
      message: /line 3 is not of the outlet and date of the lines before it/,
    })
    await t.rejects(check(line, 'U,SHOP2,8,bread,LOAF,2026-11-18,1,5,0'), { message: /line 3 is of another outlet/ })
    t.match(await check(line, 'O,SHOP1,7,,shop,100,0,100,0,100', 'T,4,1,1,100,0,100,0,100,7'), { items: 1 })
  })

  t.test('manifests make a chain', async (t) => {
    const manifests = (await listFiles(ledger.client, { types: ['MAN'] })).toReversed()
    let previous: string | null = null
    for (const { path: place, sha256 } of manifests) {
      const content = JSON.parse(readFileSync(path.join(folder, place), 'utf8'))
      t.equal(content.previousSha256, previous)
      t.ok(content.files.every(({ sha256: hash }: { sha256: string }) => /^[0-9a-f]{64}$/.test(hash)))
      previous = sha256?.toString('hex') ?? ''
    }
    t.equal(manifests.length, 3)
    const source = { client: ledger.client, folder, options }
    for (const manifest of manifests) t.match(await verifyFile(manifest, source), { ok: true }, manifest.name)
    const [one, two] = manifests as [ClearingFile, ClearingFile]
    const forge = `update clearing_file set sha256 = decode($2, 'hex') where id = $1`
    await ledger.client.query(forge, [one.id, 'ab'.repeat(32)])
    t.match(await verifyFile(two, source), { ok: false, words: /does not go on from UC.MAN.MIZAN.20261118.1.001/ })
    await ledger.client.query(forge, [one.id, one.sha256?.toString('hex')])
    const [other] = await listFiles(ledger.client, { businessDate: second, types: ['SUB'] })
    await ledger.client.query(forge, [other?.id, 'ab'.repeat(32)])
    t.match(await verifyFile(two, source), { ok: false, words: /the register has another UC.SUB.* than it names/ })
    await ledger.client.query(forge, [other?.id, other?.sha256?.toString('hex')])
  })

  t.test('whatever is run again, or lost, comes out the same', async (t) => {
    const before = all()
    rmSync(path.join(folder, 'out', '2026-11-18'), { recursive: true })
    writeFileSync(path.join(folder, 'out', '2026-11-19', 'UC.CTF.400000.20261119.1.001'), 'damaged')
    for (const step of [selectStep(options), writeStep(options), balanceStep()]) {
      for (const date of [first, second, third]) t.match(await run(date, step), { state: 'done' })
    }
    t.strictSame(all(), before)
  })

  t.test('a file that is lost or damaged on its way is missed, and written again with the same bytes', async (t) => {
    const { client } = ledger
    const source = { client, folder, options }
    const name = 'UC.OUT.NBE.20261118.1.001'
    const place = path.join(folder, 'out', '2026-11-18', name)
    const [before, written] = [readFileSync(place, 'latin1'), (await findFile(client, name)) as ClearingFile]
    const state = (to: string) => client.query('update clearing_file set state = $2 where id = $1', [written.id, to])
    await state('delivered')
    const file = (await findFile(client, name)) as ClearingFile
    const words = /is not there: mizan clearing build 2026-11-18 writes it again$/
    for (const harm of [() => rmSync(place), () => writeFileSync(place, 'damaged')]) {
      harm()
      t.match(await verifyFile(file, source), { ok: false, words: existsSync(place) ? /./ : words })
      t.match(await run(first, writeStep(options)), { state: 'done', words: /; written again: UC\.OUT\.NBE\.20261118/ })
      t.equal(readFileSync(place, 'latin1'), before)
      t.match(await verifyFile(file, source), { ok: true })
    }
    rmSync(place)
    const named = `update clearing_outlet set account = 'X' || substr(account, 2) where business_date = '2026-11-18'`
    await client.query(named)
    await t.rejects(run(first, writeStep(options)), { message: /comes out with other bytes than it was written with/ })
    t.notOk(existsSync(place), 'and is not put there')
    await client.query(named.replace("'X'", "'E'"))
    t.match(await run(first, writeStep(options)), { state: 'done' })
    await state('written')
  })

  t.test('a difference blocks the day and says where it is', async (t) => {
    const file = path.join(folder, 'out', '2026-11-18', 'UC.SUB.NBE-01.20261118.1.001')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('RD,', 'RT,'))
    t.match(await run(first, balanceStep()), { state: 'blocked', words: /UC.SUB.NBE-01.20261118.1.001, line \d+ says/ })
    writeFileSync(file, text)
    const change = `update clearing_item set amount_piasters = amount_piasters + $1 where transaction_code = '07'`
    await ledger.client.query(change, [1])
    t.match(await run(first, balanceStep()), {
      state: 'blocked',
      words: /UC.CTF.400000.20261118.1.001: gross amount 29000, the items 29001/,
    })
    await ledger.client.query(change, [-1])
    t.match(await run(first, balanceStep()), { state: 'done' })
  })

  t.test(
    'files are shown to people without card numbers, and written anew where their clear form is gone',
    async (t) => {
      const files = await listFiles(ledger.client, { businessDate: first })
      const source = { client: ledger.client, folder, options }
      const network = files.find(({ type }) => type === 'CTF') as ClearingFile
      const place = path.join(folder, network.path)
      const bytes = readFileSync(place)
      rmSync(place)
      const anew: Uint8Array[] = []
      for await (const chunk of contentOf(network, source)) anew.push(chunk)
      t.ok(Buffer.concat(anew).equals(bytes))
      t.match(await verifyFile(network, source), { ok: false, words: /001 is not there/ }, 'before it is encrypted')
      for (const file of files) {
        const known = file === network ? ({ ...file, state: 'signed' } as const) : file
        t.match(await verifyFile(known, source), { ok: true }, file.name)
      }
      t.notOk(existsSync(place))
      const view = await viewFile(contentOf(network, source), network, { from: 2, limit: 2 })
      t.equal(view.next, 4)
      t.match(view.records[0], {
        number: 2,
        fields: { accountNumber: /^4000\d\d\*{6}\d{4}$/, destinationAmount: '000000001000' },
      })
      t.notMatch(JSON.stringify(view), /\d{16}/)
      const oneLine = (async function* () {
        for (let index = 0; index < 100; index++) yield Buffer.alloc(1_000, 'x')
      })()
      const pieces = await viewFile(oneLine, { type: 'PAY', name: 'one line' }, { from: 1, limit: 100 })
      t.same(
        pieces.records.map(({ fields }) => fields.text?.length),
        [...Array.from({ length: 24 }, () => 4_096), 1_696],
        'a file of one line is shown in pieces',
      )
      writeFileSync(place, Buffer.concat([bytes.subarray(0, 168 * 5), bytes.subarray(168 * 6)]))
      t.match(await verifyFile(network, source), {
        ok: false,
        words: /record 6, TC 07 TCR 1: stands without part 0/,
      })
      writeFileSync(place, bytes)

      const run = commandRunner({ DATABASE_URL: ledger.url, MIZAN_VAR: folder })
      const alone = await run(clearingCommand, ['verify', '--file', place])
      t.match(alone, { status: 0, out: /ok +UC.CTF.400000.20261118.1.001: CTF, \d+ records, 7 items/ })
      const shown = await run(clearingCommand, ['show', '--file', place, '--limit', '2', '--json'])
      t.match(JSON.parse(shown.out), { records: [{ title: /TC 90/ }, { title: /TC 05 TCR 0/ }], next: 3 })
      const sub = path.join(folder, 'out', '2026-11-18', 'UC.SUB.NBE-01.20261118.1.001')
      t.match(await run(clearingCommand, ['show', '--file', sub]), {
        out: /Subtotal of an outlet[\s\S]*payablePiasters +\d+/,
      })
      t.match(await run(clearingCommand, ['list', '2026-11-18']), { out: /UC.MAN.MIZAN.20261118.1.001 +written/ })
      const early = await run(clearingCommand, ['resend', network.name, '--reason', 'lost'])
      t.match(early, { status: 1, errors: /the file was not given to delivery yet/ })
      t.match(await run(clearingCommand, ['verify']), { status: 1, errors: /name a business date, or a file/ })
      const none = await run(clearingCommand, ['resend', 'UC.CTF.1', '--reason', 'lost'])
      t.match(none, { status: 1, errors: /there is no clearing file UC.CTF.1/ })
    },
  )

  t.test('mizan verify finds what does not belong', async (t) => {
    const failed = async () =>
      (await verifyLedger(ledger.url)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name} ${detail}`)
    const planted: [string, string, RegExp][] = [
      [
        `update clearing_item set amount_piasters = amount_piasters + 1 where transaction_code = '07'`,
        `update clearing_item set amount_piasters = amount_piasters - 1 where transaction_code = '07'`,
        /^cleared-once .*UC.CTF.400000.20261118.1.001: 7 items up to number 7 of 29001 piasters.*,files-equal-ledger .*card scheme: the files have 27601, the ledger 27600/,
      ],
      [
        `update clearing_item set transaction_code = 'RD' where transaction_code = 'RT' and business_date = '2026-11-19'`,
        `update clearing_item set transaction_code = 'RT' where original_id is not null and transaction_code = 'RD' and business_date = '2026-11-19'`,
        /^files-equal-ledger .*2026-11-19, programme 1: the files have 6, the ledger -4/,
      ],
      [
        'update clearing_item set authorization_id = authorization_id + 1 where number = 7 and programme = 0',
        'update clearing_item set authorization_id = authorization_id - 1 where number = 7 and programme = 0',
        /^cleared-once .*is in a file and posted nothing/,
      ],
    ]
    for (const [plant, mend, message] of planted) {
      await ledger.client.query(plant)
      t.match((await failed()).join(), message)
      await ledger.client.query(mend)
    }
    t.same(await failed(), [])
  })

  t.test('what a receiver has refused goes out again in a file with the next number', async (t) => {
    const { client } = ledger
    const work = { client, options: { ...options, processingBin: '400009' }, context: contextOf(first) }
    const fileOf = async (name: string) => (await findFile(client, name)) as ClearingFile
    const [ctf, sub] = ['UC.CTF.400000.20261118.1', 'UC.SUB.NBE-01.20261118.1']
    const [network, bread] = [await fileOf(`${ctf}.001`), await fileOf(`${sub}.001`)]
    const correct = async ({ id }: ClearingFile) => {
      const order = { actor: 'test', reason: 'account closed' }
      return await writeCorrection(await inTransaction(client, () => beginCorrection(client, id, order)), 'test', work)
    }
    await client.query(`update clearing_file set state = 'acknowledged' where id = $1`, [bread.id])
    await t.rejects(correct(bread), { message: /the receiver has taken it; what is wrong is taken back/ })
    await client.query(`update clearing_file set state = 'rejected' where id = any ($1)`, [[network.id, bread.id]])
    await client.query(
      `update outlet_detail set settlement_account = 'EG' || lpad('7', 27, '7')
       where outlet_id in (select id from outlet where category = 'bakery')`,
    )
    const before = await verifyLedger(ledger.url)
    const { file, manifest } = await correct(bread)
    t.match(file, { name: `${sub}.002`, state: 'written', correctsId: bread.id, items: 2 })
    const old = read(`2026-11-18/${sub}.001`).toString()
    t.equal(
      read(`2026-11-18/${sub}.002`).toString(),
      old
        .replace(`${sub}.001`, `${sub}.002`)
        .replace(',2026-11-18,1,1\n', ',2026-11-18,1,2\n')
        .replaceAll(/EG0{10,}\d+/g, `EG${'7'.repeat(27)}`),
      'its items, and the account as it is now',
    )
    t.match(await fileOf(bread.name), { state: 'superseded', items: 2 })
    const named = JSON.parse(readFileSync(path.join(folder, manifest.path), 'utf8')) as { files: { name: string }[] }
    t.ok(named.files.some(({ name }) => name === file.name))
    t.notOk(named.files.some(({ name }) => name === bread.name))
    t.match(
      await verifyFile(manifest, { client, folder, options }),
      { ok: true },
      'it goes on from that of a later date',
    )
    const again = await correct(await fileOf(bread.name))
    t.same([again.file.id, again.manifest.id], [file.id, manifest.id], 'asked for once more it is the same')

    const place = `2026-11-18/${ctf}`
    const { file: corrected } = await correct(network)
    const [was, is] = [plainRecords(read(`${place}.001`)), plainRecords(read(`${place}.002`))]
    t.match(is[0]?.fields, { outgoingFileId: '002', processingBin: '400009' })
    const drafts = (records: readonly PlainRecord[]) => records.filter(({ layout }) => layout.startsWith('05.'))
    t.same(drafts(is), drafts(was), 'items keep their reference numbers')
    const next = await fileOf('UC.CTF.400000.20261119.1.001')
    t.match(await verifyFile(next, { client, folder, options }), { ok: true }, 'and what takes them back has the same')
    for (const one of [corrected, file, await fileOf(network.name), await fileOf(bread.name)]) {
      t.match(await verifyFile(one, { client, folder, options }), { ok: true }, one.name)
    }
    rmSync(path.join(folder, network.path))
    t.match(await verifyFile(await fileOf(network.name), { client, folder, options }), { ok: true, words: /is gone/ })
    const { state, words } = await run(first, balanceStep())
    t.equal(state, 'done', words)
    t.same(await verifyLedger(ledger.url), before)
    const items = `select distinct file from clearing_items where business_date = '2026-11-18' order by 1`
    const { rows } = await client.query<{ file: string }>(items)
    t.same(
      rows.map((row) => row.file),
      [corrected.name, file.name, 'UC.SUB.NOBANK-04.20261118.1.001'],
    )
    const elsewhere = 'select move_clearing_items($1, $2)'
    await t.rejects(client.query(elsewhere, [file.id, corrected.id]), { message: /is no correction of file/ })
  })

  const checks = await verifyLedger(ledger.url)
  t.same(
    checks.filter(({ ok }) => !ok),
    [],
  )
  t.same(ledger.faults, [])
})
