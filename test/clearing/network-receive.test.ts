import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { traceInWords } from '../../src/authorization/trace.ts'
import { addDays, civilDate } from '../../src/calendar.ts'
import { FileRefused } from '../../src/clearing/incoming/inspect.ts'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import { loadConfig } from '../../src/config/config.ts'
import { MizanError } from '../../src/errors.ts'
import { formatPiasters } from '../../src/money.ts'
import { demoHousehold, demoOutlets, panOf } from '../../src/simulator/demo-world.ts'
import {
  acquirerReference,
  faulty,
  type NetworkTransaction,
  networkFaults,
  networkFee,
  networkTotal,
  presentmentOf,
  type TerminalRecord,
  withFields,
} from '../../src/simulator/network-clearing.ts'
import { beginCorrection } from '../../src/store/clearing/corrections.ts'
import { listFiles } from '../../src/store/clearing/files.ts'
import { disputeEvents, readDispute } from '../../src/store/clearing/network-dispute-read.ts'
import { raiseDispute, requestDisputeMove } from '../../src/store/clearing/network-disputes.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { explainAuthorizations } from '../../src/store/explain.ts'
import { verifyLedger, verifyWithin } from '../../src/store/verify.ts'
import { deliveryOptions, fileReceivers } from '../../src/switch-delivery.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { ask, purchaseOf, SEED } from '../support/writer.ts'
import { plainTotals } from './independent-reader.ts'
import { valueCases, withdrawalsSent } from './network-value-cases.ts'
import { BIN, clearingWorld, cutovers, failed, inWords, itemsOf, money, moneyOf, scheme } from './network-world.ts'

/** Rows by which an item of a file moved a subsidy: there is none, ever (M4). */
const subsidySql = `
  select count(*)::integer as rows from transfer t
  join authorization_journal a on a.id = t.group_id and a.lane = t.lane and a.business_date = t.business_date
  where a.link = 'clearing' and (t.debit / 100000000000000 in (1, 2, 3, 4, 5, 9) or t.credit / 100000000000000 in (1, 2, 3, 4, 5, 9))`

t.test('incoming clearing', async (suite) => {
  const world = await clearingWorld(suite)
  const { writer, clock, client, write, context, today } = world
  const now = clock.now()

  await suite.test('what was held is cleared, and everything else is told apart', async (test) => {
    const [before2, before3] = [await moneyOf(world, 2), await moneyOf(world, 3)]
    const exact = await scheme(writer, 1, clock.now())
    const partial = await scheme(writer, 2, clock.now())
    const tip = await scheme(writer, 3, clock.now(), { mcc: '5812' })
    const over = await scheme(writer, 4, clock.now())
    const cash = await scheme(writer, 5, clock.now(), { type: '01', piasters: 20_000 })
    const split = await scheme(writer, 6, clock.now())
    const posted = await scheme(writer, 7, clock.now(), { mti: '0200', type: '01', piasters: 5_000 })
    const byRrn = await scheme(writer, 8, clock.now())
    const byCode = await scheme(writer, 9, clock.now())
    const late = await scheme(writer, 10, clock.now())
    const foreign = await scheme(writer, 11, clock.now())
    const unknown = await scheme(writer, 12, clock.now())
    const part = (sequence: number, piasters: number) =>
      withFields(
        presentmentOf({ ...split, amountPiasters: piasters, rrn: String(Number(split.rrn) + 500 * sequence) }),
        '5',
        {
          multipleClearingSequenceNumber: String(sequence),
          multipleClearingSequenceCount: '2',
        },
      )
    const big = { ...unknown, amountPiasters: 900_000, transactionId: '0', rrn: '4711', approvalCode: '' }
    const credit = {
      ...unknown,
      type: 'refund',
      rrn: '600000009999',
      transactionId: '0',
      amountPiasters: 3_000,
    } as const
    const items = [
      presentmentOf(exact),
      withFields(presentmentOf(partial), '0', money(7_500)),
      withFields(presentmentOf(tip), '0', money(11_900)),
      withFields(presentmentOf(over), '0', money(12_000)),
      presentmentOf(cash),
      part(1, 4_000),
      part(2, 6_000),
      presentmentOf(posted),
      presentmentOf({ ...byRrn, transactionId: '0' }),
      presentmentOf({ ...byCode, transactionId: '0', rrn: '1234' }),
      ...faulty(presentmentOf(late), 'late', today),
      ...faulty(presentmentOf(foreign), 'currency', today),
      ...faulty(presentmentOf(unknown), 'forced', today),
      presentmentOf(big),
      presentmentOf(credit),
      ...faulty(presentmentOf(unknown), 'unmatched-reversal', today).slice(1),
      ...faulty(presentmentOf(unknown), 'other-card', today),
      presentmentOf({ ...exact, rrn: '5151' }),
    ]
    const report = {
      reportGroup: 'V',
      reportSubgroup: '4',
      reportId: '120',
      businessMode: '2',
      settlementCurrency: '818',
      chargeType: '110',
    }
    const figures = { count1: '7', count2: '2', amount1: '900', amount1Sign: 'DB', amount6: '31', amount6Sign: 'CR' }
    const others: NetworkTransaction[] = [
      networkFee('10', 1_234, '0150'),
      networkFee('20', 200, '0160'),
      withFields(networkFee('10', 55, '0150'), '0', { destinationCurrency: '840' }),
      withFields(networkFee('20', 700, '0160'), '0', { destinationId: '499999', sourceId: BIN }),
      withFields(networkFee('10', 800, '0150'), '0', { destinationId: BIN, sourceId: '499999' }),
      networkTotal(items, today, 'MIZAN'),
      { code: '46', group: 'V4', parts: { '0': report, '1': figures } },
      { code: '46', group: 'V4', parts: { '0': report, '1': { ...figures, amount1Sign: '' } } },
    ]
    const { file, transactions } = await receiveNetworkFile(write([...items, ...others]), context)
    const rows = await itemsOf(world, file.id)
    test.equal(transactions, rows.length)
    test.same(inWords(rows), [
      '05 matched exact transaction-id',
      '05 matched partial transaction-id',
      '05 matched within-tolerance transaction-id',
      '05 exception transaction-id over-tolerance',
      '07 matched exact transaction-id',
      '05 matched multiple transaction-id',
      '05 matched multiple transaction-id',
      '07 matched posted-before transaction-id',
      '05 matched exact card-rrn-terminal',
      '05 matched exact card-code-amount-date',
      '05 matched exact transaction-id',
      '05 exception currency',
      '05 forced forced',
      '05 exception no-authorization',
      '06 matched credit',
      '25 exception unmatched-reversal',
      '05 exception unknown-card',
      '05 duplicate transaction-id duplicate',
      '10 matched fee',
      '20 matched fee',
      '10 exception currency',
      '20 exception contradiction',
      '10 matched fee',
      '46 noted total',
      '46 noted total',
      '46 rejected unreadable',
    ])
    test.same(rows[10]?.flags, ['late', 'dispute-right'])
    test.same(
      await moneyOf(world, 2),
      { posted: before2.posted - 7_500, held: 0 },
      'what is not presented is free again',
    )
    test.same(await moneyOf(world, 3), { posted: before3.posted - 11_900, held: 0 }, 'a tip is posted beyond the hold')
    const { rows: fees } = await client.query<{ kind: number; amount: string }>(
      'select kind, amount from transfer where kind in (63, 64) order by kind, amount',
    )
    test.same(fees, [
      { kind: 63, amount: '800' },
      { kind: 63, amount: '1234' },
      { kind: 64, amount: '200' },
    ])
    const { rows: totals } = await client.query(
      "select mode, amount_type, items, net_piasters, detail - 'institution' - 'reportId' as detail from network_total order by number",
    )
    test.same(totals, [
      { mode: 'issuer', amount_type: 'total', items: '18', net_piasters: String(-netOf(items)), detail: {} },
      {
        mode: 'issuer',
        amount_type: '000',
        items: '7',
        net_piasters: '-900',
        detail: { chargeType: '110', count1: '7', count2: '2', amount1: '-900', amount6: '31' },
      },
    ])
    const [explained] = await explainAuthorizations(world.url, { id: Number(rows[1]?.posted_id) })
    test.match(
      traceInWords(explained?.trace[1] ?? [], formatPiasters),
      /matched authorization \d+ by the rule transaction-id/,
    )
  })

  await suite.test('a file that is damaged, repeated, out of order or not for us changes nothing', async (test) => {
    const held = await scheme(writer, 13, clock.now())
    const count = async () => (await client.query('select count(*) from network_item')).rows
    const before = await count()
    const good = write([presentmentOf(held)])
    const refused = async (file: string, refusal: string, what: RegExp) => {
      const error = await receiveNetworkFile(file, context).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      test.ok(
        error instanceof FileRefused && error.refusal === refusal && what.test(error.message),
        `${refusal}: ${error}`,
      )
    }
    const bytes = readFileSync(good)
    const damaged = path.join(world.folder, 'damaged.ctf')
    const trailer = bytes.length - 170
    writeFileSync(
      damaged,
      Buffer.concat([bytes.subarray(0, trailer + 29), Buffer.from('9'), bytes.subarray(trailer + 30)]),
    )
    await refused(damaged, 'unbalanced', /TC 92.*destinationAmount/)
    writeFileSync(damaged, bytes.subarray(0, trailer))
    await refused(damaged, 'unreadable', /trailer \(92\)/)
    await refused(write([presentmentOf(held)], { fileId: 7 }), 'out-of-sequence', /number 2 is the next/)
    await refused(
      write([presentmentOf(held)], { fileId: 1, date: addDays(today, -1) }),
      'out-of-sequence',
      /was received before/,
    )
    const ahead = write([presentmentOf(held)], { fileId: 1, date: addDays(today, 2) })
    await refused(ahead, 'out-of-sequence', /and today is/)
    await refused(write([presentmentOf(held)], { fileId: 1 }), 'repeated', /came before/)
    await refused(write([presentmentOf(held)], { processingBin: '499999', fileId: 1 }), 'not-for-us', /499999/)
    test.same(await count(), before, 'nothing of them is there')
    const { rows } = await client.query<{ code: string }>('select code from network_file_refusal order by id')
    test.equal(rows.length, 7)
    await receiveNetworkFile(good, context)
    await refused(good, 'repeated', /came before/)
    const again = await receiveNetworkFile(good, { ...context, acceptsAgain: () => true })
    test.match(
      again,
      { resumed: true, file: { state: 'processed' } },
      'who hands files on may not know what came of one',
    )
    const other = await connect({ url: world.url, name: 'test', role: 'mizan_app' })
    const config = loadConfig({ env: {} })
    const tools = { config, url: world.url, nowMs: () => clock.now(), panIndexOf: context.panIndexOf }
    const fetched = fileReceivers(deliveryOptions(config), tools).ITF
    const signal = new AbortController().signal
    const log = createLogger({ level: 'silent' })
    const given = { path: good, name: path.basename(good), type: 'ITF', partner: BIN, log, signal } as const
    test.equal(await fetched?.(given), '1 transactions of the network', 'a fetch that was cut off behind the posting')
    await other.query("select pg_advisory_lock(hashtext('network_receiving'))")
    await test.rejects(receiveNetworkFile(good, context), { code: 'CONFLICT' })
    const busy = await fetched?.(given).catch((error: unknown) => error)
    test.notOk(busy instanceof MizanError, 'what passes by itself refuses no file that was fetched')
    test.match(busy, { message: /another process receives files/ })
    await other.end()
  })

  await suite.test('each fault of the network is told apart', async (test) => {
    const told: Record<string, string> = {}
    for (const [index, fault] of networkFaults.entries()) {
      const item = presentmentOf(await scheme(writer, 24 + (index % 6), clock.now(), { piasters: 7_000 + index }))
      const { file } = await receiveNetworkFile(write(faulty(item, fault, today)), context)
      told[fault] = inWords(await itemsOf(world, file.id)).join('; ')
    }
    test.same(told, {
      missing: '',
      duplicate: '05 matched exact transaction-id; 05 duplicate duplicate',
      'altered-amount': '05 exception transaction-id over-tolerance',
      'wrong-sign': '06 exception card-rrn-terminal contradiction',
      late: '05 matched exact transaction-id',
      forced: '05 forced forced',
      currency: '05 exception currency',
      'other-card': '05 exception unknown-card',
      reversed: '05 matched exact transaction-id; 25 matched reversal reference-number',
      'unmatched-reversal': '05 matched exact transaction-id; 25 exception unmatched-reversal',
    })
  })

  await suite.test('a reversal takes a presentment back, once', async (test) => {
    const before = await moneyOf(world, 14)
    const item = presentmentOf(await scheme(writer, 14, clock.now()))
    const [first, second] = faulty(item, 'reversed', today)
    const { file } = await receiveNetworkFile(write([first, second] as NetworkTransaction[]), context)
    test.same(inWords(await itemsOf(world, file.id)), [
      '05 matched exact transaction-id',
      '25 matched reversal reference-number',
    ])
    test.same(await moneyOf(world, 14), before)
    const again = await receiveNetworkFile(write([second] as NetworkTransaction[]), context)
    test.same(inWords(await itemsOf(world, again.file.id)), ['25 duplicate duplicate'])
    test.same(await moneyOf(world, 14), before)
  })

  await suite.test('cut off at any statement, it goes on where it stands and posts everything once', async (test) => {
    const items = []
    for (let id = 15; id < 19; id++) items.push(presentmentOf(await scheme(writer, id, clock.now())))
    const [taken] = faulty(items[0] as NetworkTransaction, 'reversed', today).slice(1)
    const file = write([...items, taken as NetworkTransaction, networkFee('10', 77, '0150')])
    let attempts = 0
    for (let allowed = 1; ; allowed += 3) {
      attempts++
      const done = await receiveNetworkFile(file, { ...context, client: failing(client, allowed) }).catch(
        (error: unknown) => {
          if (!(error instanceof CutOff)) throw error
        },
      )
      await client.query('rollback')
      if (done !== undefined) break
    }
    test.ok(attempts > 5, `${attempts} attempts`)
    const { rows } = await client.query<{ id: string }>(
      "select id from clearing_file where state = 'processed' order by id desc limit 1",
    )
    test.same(inWords(await itemsOf(world, Number(rows[0]?.id))), [
      ...items.map(() => '05 matched exact transaction-id'),
      '25 matched reversal reference-number',
      '10 matched fee',
    ])
    const { rows: fees } = await client.query('select from transfer where kind = 63 and amount = 77')
    test.equal(fees.length, 1)
  })

  await suite.test('a dispute from the chargeback to its end', async (test) => {
    const items = []
    for (let id = 19; id < 22; id++) items.push(presentmentOf(await scheme(writer, id, clock.now())))
    items.push(withFields(presentmentOf(await scheme(writer, 22, clock.now())), '0', money(12_000)))
    const before = await moneyOf(world, 19)
    const { file } = await receiveNetworkFile(write(items), context)
    const raise = async (number: number) => {
      await client.query('begin')
      const by = { raisedBy: 'user:one', approvedBy: 'user:two', nowMs: now, businessDate: today }
      const dispute = await raiseDispute(client, {
        fileId: file.id,
        number,
        reasonCode: '83',
        reason: 'not his',
        ...by,
      })
      await client.query('commit')
      const reference = `dispute:${dispute.id}:raised`
      if (dispute.posted) await awaitPostings(client, { reference, commands: 1 }, { stallMs: 20_000 })
      return dispute.id
    }
    const move = async (id: number, what: 'credit' | 'accept' | 'lose') => {
      const asked = await requestDisputeMove(client, id, what, { actor: 'user:two', nowMs: now, businessDate: today })
      return asked && (await awaitCommand(client, asked, { timeoutMs: 60_000 })).end?.outcome
    }
    const [lost, won, unposted] = [await raise(1), await raise(2), await raise(4)]
    await test.rejects(raise(1), /disputed/)
    await client.query('rollback')
    test.match(await move(lost, 'credit'), /^done: 100.00 EGP/)
    test.same(await moneyOf(world, 19), { posted: before.posted, held: 0 }, 'the household has its money back')
    await test.rejects(move(lost, 'lose'), /needs one that is represented/)
    await test.rejects(move(lost, 'credit'), /is credited/)
    test.match(await move(won, 'accept'), /^done/)

    const days = cutovers(world)
    const sent = await days.close(today)
    const drafts = sent.filter(({ layout }) => layout === '05.0').map(({ fields }) => fields)
    const back = drafts.filter(({ transactionCode }) => transactionCode === '15')
    const original = items.map(({ parts }) => parts['0'])
    const arnOf = (fields: Readonly<Record<string, string>> | undefined) =>
      ['arnFormatCode', 'arnAcquiringId', 'arnDate', 'arnFilmLocator', 'arnCheckDigit']
        .map((name) => fields?.[name])
        .join()
    test.same(
      back.map((fields) => [
        Number(fields.destinationAmount),
        fields.reasonCode,
        fields.usageCode,
        fields.accountNumber,
        arnOf(fields),
      ]),
      [
        [10_000, '83', '1', panOf(19), arnOf(original[0])],
        [10_000, '83', '1', panOf(20), arnOf(original[1])],
        [12_000, '83', '1', panOf(22), arnOf(original[3])],
      ],
      'what is disputed goes back as it came',
    )
    const place = sent.find(({ layout, fields }) => layout === '05.1' && fields.transactionCode === '15')?.fields
    test.match(place, {
      chargebackReferenceNumber: String(lost).padStart(6, '0'),
      memberMessageText: new RegExp(`^DISPUTE ${lost} +$`),
      cardAcceptorId: 'NETWORKSHOP0001',
      terminalId: 'NET00001',
    })
    const totals = plainTotals(sent)
    const last = sent.at(-1)?.fields ?? {}
    test.equal(BigInt(last.destinationAmount ?? 0), totals.destination, 'and is in the totals')
    test.equal(Number(last.monetaryTransactionCount), totals.drafts)
    const shown = JSON.stringify(await days.view(today))
    test.ok(shown.includes('DISPUTE'))
    test.notMatch(shown, /4000\d{12}/, 'people see no card number of it')
    test.same(await Promise.all([lost, won, unposted].map(async (id) => (await readDispute(client, id)).state)), [
      'sent',
      'accepted',
      'sent',
    ])
    test.ok(await days.sameAgain(today), 'written anew it is the same')
    const following = await days.close(addDays(today, 1))
    test.same(
      following.filter(({ fields }) => fields.transactionCode === '15'),
      [],
      'the next file does not bring it again',
    )
    await test.rejects(
      client.query('update outgoing_dispute_item set amount_piasters = 1 where dispute_id = $1', [lost]),
      /stands in file \d+ and cannot be changed/,
    )
    await client.query('begin')
    const [outgoing] = await listFiles(client, { businessDate: today, direction: 'out', types: ['CTF'] })
    const correction = await beginCorrection(client, outgoing?.id ?? 0, { actor: 'test', reason: 'refused' })
    const moved = 'select count(*)::integer as items from outgoing_dispute_item where file_id = $1'
    const { rows: moves } = await client.query(moved, [correction.id])
    test.same(moves, [{ items: back.length }], 'it goes over to a correction of its file with the other items')
    await test.rejects(
      client.query('update outgoing_dispute_item set file_id = $1 where file_id = $2', [outgoing?.id, correction.id]),
      /stands in file \d+ and cannot be changed/,
    )
    await client.query('rollback')
    const again = withFields(items[0] as NetworkTransaction, '0', { usageCode: '2' })
    const stranger = withFields(items[2] as NetworkTransaction, '0', { usageCode: '2' })
    const answer = await receiveNetworkFile(write([again, stranger]), context)
    test.same(inWords(await itemsOf(world, answer.file.id)), [
      '05 disputed representment reference-number',
      '05 exception representment-without-dispute',
    ])
    test.match(await move(lost, 'lose'), /^done: 100.00 EGP/)
    test.same(await moneyOf(world, 19), { posted: before.posted - 10_000, held: 0 })
    const states = [(await readDispute(client, lost)).state, (await readDispute(client, won)).state]
    test.same(states, ['lost', 'accepted'], 'a dispute that is sent can be answered')
    const { rows } = await client.query<{ kind: number }>(
      'select kind from transfer where kind between 50 and 53 order by kind',
    )
    test.same(
      rows.map(({ kind }) => kind),
      [50, 50, 51, 52, 52, 53],
    )
    const events = (await disputeEvents(client, lost)).map(({ event }) => event)
    test.same(events, ['raised', 'credited', 'sent', 'represented', 'credit-taken-back', 'lost'])
  })

  await valueCases(suite, world)

  await suite.test('everything that must always hold does, and what does not is seen', async (test) => {
    test.same(failed(await verifyLedger(world.url)), [])
    const clear = "select count(*)::integer as rows from network_item where pan_masked ~ '^[0-9]{13}'"
    test.same((await client.query(clear)).rows, [{ rows: 0 }])
    const owner = await connect({ url: world.url, name: 'test' })
    await owner.query('begin')
    await owner.query(
      "update clearing_file set items = items + 1 where state = 'processed' and id = (select min(file_id) from network_item)",
    )
    test.same(failed(await verifyWithin(owner)), ['network-files-whole'])
    await owner.query('rollback; begin; alter table dispute disable trigger dispute_life')
    await owner.query('savepoint planted')
    await owner.query("update dispute set state = 'raised' where state = 'sent'")
    test.same(failed(await verifyWithin(owner)), ['chargebacks-sent'])
    await owner.query(
      'rollback to planted; alter table outgoing_dispute_item disable trigger outgoing_dispute_item_life',
    )
    await owner.query(
      'update outgoing_dispute_item set amount_piasters = 1 where id = (select min(id) from outgoing_dispute_item)',
    )
    test.same(failed(await verifyWithin(owner)), ['cleared-once', 'files-equal-ledger', 'chargebacks-sent'])
    await owner.query('rollback to planted')
    await owner.query("update dispute set credited = false where state = 'accepted'")
    await owner.query("delete from network_item where outcome = 'forced'")
    test.same(failed(await verifyWithin(owner)), ['network-items-posted', 'network-files-whole', 'disputes-accounted'])
    await owner.query('rollback')
    await owner.end()
  })

  await suite.test('no item ever moves a subsidy, whatever it names', async (test) => {
    const { governorate } = demoHousehold(SEED, 23, false)
    const bakery = demoOutlets().find((one) => one.category === 'bakery' && one.governorate === governorate)
    const draw = purchaseOf(23, clock.now(), {
      schemeRail: true,
      link: 'visa',
      fromAccount: '92',
      acceptor: bakery?.acceptor ?? '',
      terminal: bakery?.terminals[0] ?? '',
      mcc: bakery?.mcc ?? '',
      quantity: 5,
      amountPiasters: 100,
      networkReference: '455555555555555',
      rrn: '655555555555',
    })
    const { result, fields } = await ask(writer, draw)
    test.equal(result, 'approved')
    const told: TerminalRecord = {
      pan: draw.pan,
      type: 'purchase',
      amountPiasters: 100,
      date: civilDate(now),
      approvalCode: fields[38] ?? '',
      transactionId: draw.networkReference,
      rrn: draw.rrn,
      terminal: draw.terminal,
      acceptor: draw.acceptor,
      mcc: draw.mcc,
      acquirer: '476173',
    }
    const codes = ['05', '06', '07', '25', '26', '27', '15', '35']
    const items = codes.map((code) => ({ ...presentmentOf(told), code }))
    await receiveNetworkFile(write(items), context)
    // A file that is made to name the draw itself, past all matching.
    const { rows: cards } = await client.query<{ lane: number; id: string }>(
      'select lane, id from card where household_id = 23',
    )
    const { rows: draws } = await client.query<{ id: string; date: string; masked: string }>(
      "select id, to_char(business_date, 'YYYYMMDD') as date, pan_masked as masked from authorization_journal where rrn = $1 and link = 'visa'",
      [draw.rrn],
    )
    for (const code of ['05', '06', '25']) {
      const asked = await requestCommand(client, {
        lane: cards[0]?.lane ?? 0,
        kind: 'presentment',
        cardId: Number(cards[0]?.id),
        householdId: 23,
        requestedBy: 'test',
        detail: {
          item: `999:${Number(code)}`,
          arn: acquirerReference('476173', today, `999${code}`),
          code,
          usage: '1',
          type: code === '06' ? '20' : '00',
          piasters: 100,
          pan: draws[0]?.masked,
          transaction: '455555555555555',
          rrn: draw.rrn,
          acquirer: '476173',
          terminal: draw.terminal,
          acceptor: draw.acceptor,
          mcc: draw.mcc,
          purchased: String(civilDate(now) % 10_000).padStart(4, '0'),
          outcome: 'exact',
          match: [Number(draws[0]?.id), Number(draws[0]?.date), 'transaction-id', 100],
          flags: [],
        },
      })
      const { end } = await awaitCommand(client, asked, { timeoutMs: 60_000 })
      test.match(end?.outcome, /^refused: subsidy-not-cash/, `code ${code}`)
    }
    test.same((await client.query(subsidySql)).rows, [{ rows: 0 }])
    test.same(failed(await verifyLedger(world.url)), ['network-items-posted'], 'postings of no item are seen')
  })

  await withdrawalsSent(suite, world)
})

/** What the network settles of drafts: sales less credits. */
function netOf(items: readonly NetworkTransaction[]): number {
  return items.reduce((sum, { code, parts }) => {
    const amount = Number(parts['0']?.destinationAmount)
    return sum + ((code[1] === '6') === code.startsWith('0') ? -amount : amount)
  }, 0)
}

class CutOff extends Error {}

/** A connection that fails after so many statements, as when the program is killed. */
function failing(client: Client, allowed: number): Client {
  let left = allowed
  return new Proxy(client, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property)
      return (...args: unknown[]) => {
        if (left-- <= 0) return Promise.reject(new CutOff('killed'))
        return (target.query as (...all: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}
