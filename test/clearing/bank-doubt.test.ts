import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { readFailed } from '../../src/store/clearing/settlement-read.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { type BankWorld, bankWorld, DATE, EACH } from './bank-world.ts'

const REASON = '<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>'

t.test('what a bank says or books against what it said before', async (t) => {
  const world = await bankWorld(t)
  await rejectedAndBooked(t, world)
  await t.test('every check holds', async (t) => {
    // The runs of the later days are made by hand, without what is due.
    const failed = (await verifyLedger(world.url)).filter(({ ok }) => !ok).map(({ name }) => name)
    t.same(failed, ['settlement-dues-carried'])
  })
})

/** What a test says in the name of the bank. */
function bankSays(world: BankWorld) {
  const { bank, outFolder, stateFolder, simulated, nextDay, receive, entriesOf } = world
  let made = 0
  mkdirSync(outFolder, { recursive: true })
  /** A pain.002 with an original group and payments; each is a status, or the whole of a TxInfAndSts. */
  const answer = (original: string, payments: readonly string[], message = 'pain.002') => {
    const name = `DOUBT-${++made}`
    const head = `<GrpHdr><MsgId>${name}</MsgId><CreDtTm>2026-11-22T10:00:00</CreDtTm></GrpHdr>`
    const infos = payments.map((payment) => `<TxInfAndSts>${payment}</TxInfAndSts>`).join('')
    const [element, within] =
      message === 'pain.002'
        ? ['CstmrPmtStsRpt', infos && `<OrgnlPmtInfAndSts><OrgnlPmtInfId>X</OrgnlPmtInfId>${infos}</OrgnlPmtInfAndSts>`]
        : ['FIToFIPmtStsRpt', infos]
    const text = `<${element}>${head}<OrgnlGrpInfAndSts>${original}</OrgnlGrpInfAndSts>${within}</${element}>`
    const file = path.join(outFolder, `${name}.xml`)
    writeFileSync(file, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${message}.001.10">${text}</Document>`)
    return receive(file)
  }
  /** A statement of the next day with some bookings: id, signed piasters, and what else their details say. */
  const book = async (...bookings: (readonly [id: string, piasters: number, more?: string])[]) => {
    const day = nextDay()
    await simulated().endDay(day)
    const state = path.join(stateFolder, `bank-${bank.account}.json`)
    const known = JSON.parse(readFileSync(state, 'utf8'))
    for (const [, piasters] of bookings) known.balancePiasters += piasters
    writeFileSync(state, JSON.stringify(known))
    const closing = (Math.abs(known.balancePiasters) / 100).toFixed(2)
    const side = known.balancePiasters < 0 ? 'DBIT' : 'CRDT'
    const text = readFileSync(path.join(outFolder, `${bank.code}.camt.053.${day}.xml`), 'utf8')
      .replace(/(<Cd>CLBD<\/Cd>.*?<Amt Ccy="EGP">)[\d.]+(<\/Amt><CdtDbtInd>)[A-Z]+/s, `$1${closing}$2${side}`)
      .replace('</Stmt>', `${bookings.map(entryXml).join('')}</Stmt>`)
    const file = path.join(outFolder, `doubt.${++made}.xml`)
    writeFileSync(file, text)
    const entries = await entriesOf((await receive(file)).reports[0]?.id)
    return entries.map((e) => [e.state, e.rule, e.note, Number(e.amount_piasters), Number(e.suspense_piasters), e.kind])
  }
  return { answer, book }
}

function entryXml([id, piasters, more = '']: readonly [string, number, string?]): string {
  const amount = `<Amt Ccy="EGP">${(Math.abs(piasters) / 100).toFixed(2)}</Amt><CdtDbtInd>${piasters < 0 ? 'DBIT' : 'CRDT'}</CdtDbtInd>`
  const details = `<NtryDtls><TxDtls><Refs><EndToEndId>${id}</EndToEndId></Refs>${more}</TxDtls></NtryDtls>`
  return `<Ntry>${amount}<Sts><Cd>BOOK</Cd></Sts><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd>${details}</Ntry>`
}

const original = (messageId: string, name = 'pain.001.001.09') =>
  `<OrgnlMsgId>${messageId}</OrgnlMsgId><OrgnlMsgNmId>${name}</OrgnlMsgNmId>`
const status = (id: string, code: string, more = '') =>
  `<OrgnlEndToEndId>${id}</OrgnlEndToEndId><TxSts>${code}</TxSts>${more}`

async function rejectedAndBooked(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, bank, url, nowMs, instruct, statesOf, balanceOf, sound } = world
  const { answer, book } = bankSays(world)
  const exceptionOf = async (id: string) => {
    const settings = { presentmentDays: 8, lookBackDays: 30 }
    const asOf = 20261231 as CivilDate
    await reconcile({ url, businessDate: DATE, asOf, requestedBy: 'test', nowMs, settings })
    const { rows } = await owner.query(
      `select break, state, value_at_risk_piasters::int as risk, difference_piasters::int as difference, summary
       from reconciliation_exception where key = 'instruction:' || $1 order by id`,
      [id],
    )
    return rows
  }
  await t.test('what was rejected and is booked all the same is not taken as paid, nor paid twice', async (t) => {
    const { ids, messageId, outlet } = await instruct(2)
    const [id = '', other = ''] = ids
    const standing = [await balanceOf('unappliedPayouts', outlet), await balanceOf('suspense', 31)] as const
    const moved = async () => [
      (await balanceOf('unappliedPayouts', outlet)) - standing[0],
      (await balanceOf('suspense', 31)) - standing[1],
    ]
    const failed = async () => (await readFailed(client)).map(({ endToEndId }) => endToEndId)
    await answer(original(messageId), [status(id, 'RJCT', '<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>')])
    t.ok((await failed()).includes(id), 'a run pays it again')
    t.match(await exceptionOf(id), [{ break: 'instruction-rejected', state: 'open' }])
    // A run that took it up closes that.
    const took = 'update settlement_instruction set restored_date = $2, restored_cycle = 1 where end_to_end_id = $1'
    await owner.query(took, [id, '2026-11-18'])
    t.match(await exceptionOf(id), [{ break: 'instruction-rejected', state: 'resolved' }])
    await owner.query(took.replace('= 1 where', '= null where'), [id, null])

    const inTransit = await balanceOf('settlementTransit', bank.number)
    t.same(await book([id, -EACH]), [['suspense', 'end-to-end', 'rejected', -EACH, -EACH, null]])
    t.equal(await balanceOf('settlementTransit', bank.number), inTransit, 'transit had nothing of it any more')
    t.same(await moved(), [EACH, -EACH])
    t.same(await statesOf([id, other]), ['rejected', 'released'])
    t.notOk((await failed()).includes(id), 'not before somebody has looked')
    const summary = /it was rejected \(AC04\), and the bank booked -10000 piasters/
    t.match((await exceptionOf(id)).at(-1), {
      break: 'position-over',
      state: 'open',
      risk: EACH,
      difference: -EACH,
      summary,
    })
    const close = (by: string | null) =>
      owner.query(
        `update reconciliation_exception set state = case when $2::text is null then 'open' else 'resolved' end,
           closed_at = case when $2 is not null then now() end, closed_by = $2, resolution = $2
         where key = 'instruction:' || $1 and break = 'position-over'`,
        [id, by],
      )
    await close('Amira')
    t.ok((await failed()).includes(id), 'people have looked')
    await close(null)

    t.same(await book([id, EACH, REASON]), [['suspense', 'end-to-end', 'rejected', EACH, EACH, null]])
    t.same(await moved(), [EACH, 0], 'what came back is not owed twice')
    t.ok((await failed()).includes(id), 'the bank took it back')
    t.match((await exceptionOf(id)).at(-1), { break: 'position-over', state: 'resolved' })
    await sound(t)
  })
}
