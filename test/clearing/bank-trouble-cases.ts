import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { receiveBankFile } from '../../src/clearing/bank/receive.ts'
import { receiveBankFolder } from '../../src/clearing/bank/receive-folder.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { readFailed } from '../../src/store/clearing/settlement-read.ts'
import { type BankWorld, DATE, EACH } from './bank-world.ts'

/** What is not as it should be: payments that come back, charges, files that mean harm. */
export async function troubleCases(t: Test, world: BankWorld): Promise<void> {
  const { url, owner, client, folder, context, bank, outFolder, balanceOf, stateOf, statesOf, entriesOf } = world
  const { instruct, settleNext, nextDay, simulated, receive, receiveAll, sound } = world
  const statementOf = (day: number) => path.join(outFolder, `${bank.code}.camt.053.${day}.xml`)
  const told = async (id: number | undefined) =>
    (await entriesOf(id)).map((e) => [
      e.state,
      e.rule,
      e.note,
      Number(e.amount_piasters),
      Number(e.suspense_piasters),
      e.kind,
    ])

  await t.test('what comes back on the day it was paid is paid again', async (t) => {
    const day = nextDay()
    const { ids, file, outlet } = await instruct(1)
    const unapplied = await balanceOf('unappliedPayouts', outlet)
    await receiveAll((await simulated().take(file))?.files ?? [])
    await receiveAll(await simulated(['returned-payment']).endDay(day))
    t.equal(await stateOf(ids[0] ?? ''), 'returned')
    const failed = (await readFailed(client)).find(({ endToEndId }) => endToEndId === ids[0])
    t.match(failed?.lines, [{ piasters: BigInt(EACH) }], 'a run finds it')
    t.equal((await balanceOf('unappliedPayouts', outlet)) - unapplied, EACH)
    const { rows } = await owner.query(
      `select e.state, e.piasters::int from settlement_instruction_event e join settlement_instruction i on i.id = e.instruction_id
       where i.end_to_end_id = $1 and piasters is not null order by e.id`,
      ids,
    )
    t.same(rows, [
      { state: 'settled', piasters: -EACH },
      { state: 'returned', piasters: EACH },
    ])
    await sound(t)
  })

  await t.test('of what comes back in part, that part is paid again', async (t) => {
    const day = nextDay()
    const { ids, file, outlet } = await instruct(1)
    const unapplied = await balanceOf('unappliedPayouts', outlet)
    await receiveAll((await simulated().take(file))?.files ?? [])
    await receiveAll(await simulated(['partial-return']).endDay(day))
    t.equal(await stateOf(ids[0] ?? ''), 'returned')
    const failed = (await readFailed(client)).find(({ endToEndId }) => endToEndId === ids[0])
    t.same(
      failed?.lines.map(({ piasters }) => piasters),
      [BigInt(EACH / 2)],
    )
    t.equal((await balanceOf('unappliedPayouts', outlet)) - unapplied, EACH / 2)
    await sound(t)
  })

  await t.test('a bank that tells of credits first is understood', async (t) => {
    const day = nextDay()
    const { ids, file } = await instruct(1)
    await receiveAll((await simulated().take(file))?.files ?? [])
    await simulated(['returned-payment']).endDay(day)
    const text = readFileSync(statementOf(day), 'utf8')
    const [first = '', second = ''] = text.match(/<Ntry>.*<\/Ntry>\n/g) ?? []
    const turned = path.join(outFolder, 'turned.xml')
    writeFileSync(turned, text.replace(first + second, second + first))
    const received = await receive(turned)
    t.same(await told(received.reports[0]?.id), [
      ['matched', 'returned', null, EACH, 0, 48],
      ['matched', 'end-to-end', null, -EACH, 0, 46],
    ])
    t.equal(await stateOf(ids[0] ?? ''), 'returned')
    await sound(t)
  })

  await t.test('charges that a booking has in it are a fee of the bank', async (t) => {
    const day = nextDay()
    const { ids, file } = await instruct(1)
    await receiveAll((await simulated().take(file))?.files ?? [])
    const fees = await balanceOf('networkAndBankFees', 0)
    const [, statement] = await receiveAll(await simulated(['charged-payment']).endDay(day))
    t.same(await told(statement?.reports[0]?.id), [
      ['matched', 'end-to-end', null, -EACH, 0, 46],
      ['known', 'charges', null, -50, 0, 58],
    ])
    t.equal((await balanceOf('networkAndBankFees', 0)) - fees, -50)
    t.same(await statesOf(ids), ['settled'])
    await sound(t)
  })

  await t.test('a file that the bank books in two parts, and once more', async (t) => {
    const { ids, messageId: first } = await instruct(2)
    // It was written anew after a payment of it was cancelled.
    const messageId = `${first}-2`
    await owner.query(
      `update clearing_file set totals = totals || jsonb_build_object('messageId', $2::text) where totals ->> 'messageId' = $1`,
      [first, messageId],
    )
    const book = async (number: number, ...amounts: number[]) => {
      const day = nextDay()
      await simulated().endDay(day)
      const state = path.join(world.stateFolder, `bank-${bank.account}.json`)
      const known = JSON.parse(readFileSync(state, 'utf8'))
      const net = amounts.reduce((sum, amount) => sum + amount, 0)
      known.balancePiasters += net
      writeFileSync(state, JSON.stringify(known))
      const entry = (amount: number) =>
        `<Ntry><Amt Ccy="EGP">${(Math.abs(amount) / 100).toFixed(2)}</Amt><CdtDbtInd>${amount < 0 ? 'DBIT' : 'CRDT'}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd><NtryDtls><Btch><MsgId>${messageId}</MsgId><NbOfTxs>2</NbOfTxs></Btch></NtryDtls></Ntry>`
      const closing = (known.balancePiasters < 0 ? -known.balancePiasters : known.balancePiasters) / 100
      const text = readFileSync(statementOf(day), 'utf8')
        .replace(/(<Cd>CLBD<\/Cd>.*?<Amt Ccy="EGP">)[\d.]+/s, `$1${closing.toFixed(2)}`)
        .replace('</Stmt>', `${amounts.map(entry).join('')}</Stmt>`)
      const made = path.join(outFolder, `batch.${number}.xml`)
      writeFileSync(made, text)
      return told((await receive(made)).reports[0]?.id)
    }
    t.same(await book(1, -EACH), [['matched', 'batch-booking', null, -EACH, 0, 46]])
    t.same(await statesOf(ids), ['released', 'released'], 'half of it is not all')
    t.same(await book(2, -EACH, -2 * EACH), [
      ['matched', 'batch-booking', null, -EACH, 0, 46],
      ['suspense', 'batch-booking', 'again', -2 * EACH, -2 * EACH, null],
    ])
    t.same(await statesOf(ids), ['settled', 'settled'])
    await t.test('reconciliation knows it by the message that was sent', async (t) => {
      const found = async (lookBackDays: number) => {
        const settings = { presentmentDays: 8, lookBackDays }
        const asOf = 20261231 as CivilDate
        await reconcile({ url, businessDate: DATE, asOf, requestedBy: 'test', nowMs: context.nowMs, settings })
        const { rows } = await owner.query(
          `select break, difference_piasters::int as difference from reconciliation_exception where state = 'open'
             and (key = any ($1) or detail ->> 'messageId' = $2 or break = 'control-account-open' and account / 100000000000 = 7007)`,
          [ids.map((id) => `instruction:${id}`), messageId],
        )
        return rows
      }
      const over = [{ break: 'position-over', difference: -2 * EACH }]
      t.same(await found(60), over)
      t.same(await found(42), over, 'nor does transit lack it when its business date is long ago')
    })
    t.same(await book(3, 2 * EACH, EACH), [
      ['suspense', 'batch-booking', 'again', 2 * EACH, 2 * EACH, null],
      ['matched', 'batch-booking', null, EACH, 0, 47],
    ])
    t.same(await statesOf(ids), ['accepted', 'accepted'], 'half of it was taken back')
    await sound(t)
  })

  await t.test('answers in the words of other banks', async (t) => {
    const { ids, messageId } = await instruct(4)
    const [first = '', second = '', third = '', fourth = ''] = ids
    const about = (id: string, status: string) => `<TxInfAndSts>${id}<TxSts>${status}</TxSts></TxInfAndSts>`
    const answer = (name: string, content: string) => {
      const made = path.join(outFolder, `${name}.xml`)
      const head = `<GrpHdr><MsgId>${name}</MsgId><CreDtTm>2026-11-22T10:00:00</CreDtTm></GrpHdr>`
      const original = `<OrgnlGrpInfAndSts><OrgnlMsgId>${messageId}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts>`
      const text = `<FIToFIPmtStsRpt>${head}${original}${content}</FIToFIPmtStsRpt>`
      writeFileSync(made, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10">${text}</Document>`)
      return receive(made)
    }
    const taken = await answer(
      'WORDS',
      about(`<OrgnlTxId>${first}</OrgnlTxId>`, 'ACCC') +
        about(`<OrgnlInstrId>${second}</OrgnlInstrId><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId>`, 'RCVD') +
        about(`<OrgnlEndToEndId>${third}</OrgnlEndToEndId>`, 'BLCK') +
        about(`<OrgnlEndToEndId>NOBODYS</OrgnlEndToEndId>`, 'ACSC'),
    )
    t.match(taken.answers, { answers: 4, applied: 2, unexpected: 1, unknown: 1, bank: bank.number })
    t.same(await statesOf(ids), ['accepted', 'sent', 'released', 'released'])
    const { rows } = await owner.query(`select outcome from bank_answer where end_to_end_id = $1`, [third])
    t.match(rows, [{ outcome: /^unexpected: the status BLCK is not known/ }])
    await t.rejects(answer('LONG', about(`<OrgnlEndToEndId>${fourth}</OrgnlEndToEndId>`, 'RJCTED')), {
      message: /TxSts: "RJCTED" is no status of up to 4 capitals/,
    })
    t.equal(await stateOf(fourth), 'released')
  })

  await t.test('files that mean harm are refused and hold up nothing', async (t) => {
    const day = nextDay()
    await simulated().endDay(day)
    const text = readFileSync(statementOf(day), 'utf8')
    const inFolder = path.join(folder, 'in')
    rmSync(inFolder, { recursive: true, force: true })
    mkdirSync(inFolder)
    const put = (name: string, content: string) => writeFileSync(path.join(inFolder, name), content)
    const entry = (amount: string, side: string, more = '') =>
      `<Ntry><Amt Ccy="EGP">${amount}</Amt><CdtDbtInd>${side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd>${more}</Ntry>`
    const pair = (amount: string) => entry(amount, 'CRDT') + entry(amount, 'DBIT')
    const within = (more: string) => text.replace('</Stmt>', `${more}</Stmt>`)
    put('a-huge.xml', within(pair('999999999999999999')))
    put('b-sum.xml', within(pair('60000000000000').repeat(2)))
    put(
      'c-page.xml',
      text
        .replace('<CreDtTm>', '<CreDtTm>')
        .replace(/(<Stmt>\s*<Id>[^<]*<\/Id>)/, '$1<StmtPgntn><PgNb>0</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>'),
    )
    put('d-kind.xml', text.replaceAll(/<(\/?)Stmt>/g, '<$1Ntfctn>'))
    put('e-none.xml', text.replace(/<Stmt>[\s\S]*<\/Stmt>/, ''))
    put(
      'f-account.xml',
      text.replaceAll(bank.account, ` ${bank.account.slice(0, 4)} ${bank.account.slice(4)} `).replace('-STM-', '-STX-'),
    )
    const back = (amount: string, currency = 'EGP') =>
      `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09"><PmtRtr><GrpHdr><MsgId>R${amount}</MsgId><CreDtTm>2026-11-22T10:00:00</CreDtTm><NbOfTxs>1</NbOfTxs></GrpHdr><TxInf><OrgnlEndToEndId>UC-X</OrgnlEndToEndId><RtrdIntrBkSttlmAmt Ccy="${currency}">${amount}</RtrdIntrBkSttlmAmt></TxInf></PmtRtr></Document>`
    put('g-nothing.xml', back('0'))
    put('h-dollars.xml', back('5', 'USD'))
    put('z-good.xml', text)
    const { received, refused, unread } = await receiveBankFolder(context)
    t.same(
      refused.map(({ file, refusal }) => [file, refusal]),
      [
        ['a-huge.xml', 'format'],
        ['b-sum.xml', 'format'],
        ['c-page.xml', 'format'],
        ['d-kind.xml', 'format'],
        ['e-none.xml', 'format'],
        ['g-nothing.xml', 'format'],
        ['h-dollars.xml', 'format'],
        ['z-good.xml', 'duplicate'],
      ],
      'f, with the account written otherwise, is the statement; z is the same once more',
    )
    t.same([received.length, unread.length], [1, 0])
    t.same(readdirSync(inFolder).toSorted(), ['done', 'rejected'])
    await sound(t)
  })

  await t.test('what comes back in two parts is paid again in two parts', async (t) => {
    const { ids, file, outlet } = await instruct(1)
    const [id = ''] = ids
    const day = nextDay()
    await receiveAll((await simulated().take(file))?.files ?? [])
    const unapplied = await balanceOf('unappliedPayouts', outlet)
    const standing = async () => (await balanceOf('unappliedPayouts', outlet)) - unapplied
    const failed = async () =>
      (await readFailed(client)).find(({ endToEndId }) => endToEndId === id)?.lines.map(({ piasters }) => piasters)
    await receiveAll(await simulated(['partial-return']).endDay(day))
    t.same([await failed(), await standing()], [[BigInt(EACH / 2)], EACH / 2])
    const mended = () =>
      owner.query("update payout_suspension set ended_at = now(), ended_by = 'test' where ended_at is null")
    await mended()
    await settleNext()
    const replacing = async () => {
      const { rows } = await owner.query<{ amount: number }>(
        'select amount_piasters::int as amount from settlement_instruction where replaces = $1 order by id',
        [id],
      )
      return rows.map(({ amount }) => amount)
    }
    t.same(await replacing(), [EACH / 2])
    t.equal(await failed(), undefined, 'it is taken up')

    // A third of the payment comes back a week later, and then the rest.
    const part = Math.floor(EACH / 3)
    const back = async (name: string, piasters: number) => {
      const next = nextDay()
      await simulated().endDay(next)
      const state = path.join(world.stateFolder, `bank-${bank.account}.json`)
      const known = JSON.parse(readFileSync(state, 'utf8'))
      known.balancePiasters += piasters
      writeFileSync(state, JSON.stringify(known))
      const entry = `<Ntry><Amt Ccy="EGP">${(piasters / 100).toFixed(2)}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>${id}</EndToEndId></Refs><RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>`
      const closing = Math.abs(known.balancePiasters) / 100
      const text = readFileSync(statementOf(next), 'utf8')
        .replace(/(<Cd>CLBD<\/Cd>.*?<Amt Ccy="EGP">)[\d.]+/s, `$1${closing.toFixed(2)}`)
        .replace('</Stmt>', `${entry}</Stmt>`)
      const made = path.join(outFolder, `${name}.xml`)
      writeFileSync(made, text)
      return told((await receive(made)).reports[0]?.id)
    }
    t.same(await back('second', part), [['matched', 'returned', 'late-value', part, 0, 48]])
    t.same(await failed(), [BigInt(part)], 'only what came back since')
    t.same(await back('third', EACH / 2 - part), [['matched', 'returned', 'late-value', EACH / 2 - part, 0, 48]])
    t.same(await failed(), [BigInt(EACH / 2)])
    t.equal((await owner.query('select from payout_suspension where ended_at is null')).rowCount, 0, 'one is enough')
    await settleNext()
    t.same(await replacing(), [EACH / 2, EACH / 2], 'all of it is paid again, once')
    t.equal(await failed(), undefined)
    await sound(t)
  })

  await t.test('the same refusal is kept once, and a file is not taken while it is written', async (t) => {
    const file = path.join(outFolder, 'bad.xml')
    writeFileSync(file, '<Document>')
    for (let times = 0; times < 3; times++) await t.rejects(receive(file), { message: /bad\.xml/ })
    const { rows } = await owner.query(`select repeats from bank_file where name = 'bad.xml'`)
    t.same(rows, [{ repeats: 2 }])
    const growing = path.join(outFolder, 'growing.xml')
    writeFileSync(growing, '<Document>')
    await owner.query(`select pg_advisory_lock(hashtext('bank_file'))`)
    const taking = receiveBankFile(growing, context)
    const waits = async () => {
      const { rowCount } = await owner.query(`select from pg_locks where locktype = 'advisory' and not granted`)
      return rowCount !== 0
    }
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 5))
    writeFileSync(growing, '<Document> ')
    await owner.query(`select pg_advisory_unlock(hashtext('bank_file'))`)
    await t.rejects(taking, { code: 'CONFLICT', message: /growing\.xml was changed while it was read/ })
    const kept = await owner.query(`select from bank_file where name = 'growing.xml'`)
    t.equal(kept.rowCount, 0)
  })
}
