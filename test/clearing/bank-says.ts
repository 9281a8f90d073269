import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { listAnswers } from '../../src/store/clearing/bank-answer-desk.ts'
import type { BankWorld } from './bank-world.ts'

/** Details of a booking that gives a payment back. */
export const REASON = '<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>'

/** What a test says in the name of the bank. */
export function bankSays(world: BankWorld) {
  const { client, bank, outFolder, stateFolder, simulated, nextDay, receive, entriesOf } = world
  let made = 0
  mkdirSync(outFolder, { recursive: true })
  /** A pain.002 with an original group and payments; each is a status, or the whole of a TxInfAndSts. */
  const answer = (original: string, payments: readonly string[], message = 'pain.002') => {
    const name = `DOUBT-${++made}`
    const head = `<GrpHdr><MsgId>${name}</MsgId><CreDtTm>2026-11-22T10:00:00</CreDtTm></GrpHdr>`
    const infos = payments.map((payment) => `<TxInfAndSts>${payment}</TxInfAndSts>`).join('')
    const block = (/<OrgnlMsgId>(.*)<\/OrgnlMsgId>/.exec(original)?.[1] ?? '').replace(
      /.+/,
      '<OrgnlPmtInfId>$&</OrgnlPmtInfId>',
    )
    const [element, within] =
      message === 'pain.002'
        ? ['CstmrPmtStsRpt', infos && `<OrgnlPmtInfAndSts>${block}${infos}</OrgnlPmtInfAndSts>`]
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
  /** What came of the open answers to a message of ours. */
  const outcomesOf = async (messageId: string) =>
    (await listAnswers(client, { state: 'open', limit: 100 }))
      .filter((one) => one.messageId === messageId)
      .map(({ status: told, outcome }) => `${told} ${outcome}`)
  /** How many statements go to the database. */
  const statementsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const { query } = client
    let count = 0
    client.query = ((...args: Parameters<typeof query>) => {
      count++
      return query.apply(client, args)
    }) as typeof query
    await work().finally(() => {
      client.query = query
    })
    return count
  }
  return { answer, book, outcomesOf, statementsOf }
}

function entryXml([id, piasters, more = '']: readonly [string, number, string?]): string {
  const amount = `<Amt Ccy="EGP">${(Math.abs(piasters) / 100).toFixed(2)}</Amt><CdtDbtInd>${piasters < 0 ? 'DBIT' : 'CRDT'}</CdtDbtInd>`
  const details = `<NtryDtls><TxDtls><Refs><EndToEndId>${id}</EndToEndId></Refs>${more}</TxDtls></NtryDtls>`
  return `<Ntry>${amount}<Sts><Cd>BOOK</Cd></Sts><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd>${details}</Ntry>`
}

/** The group of an answer: to which message of ours it is. */
export const original = (messageId: string, name = 'pain.001.001.09') =>
  `<OrgnlMsgId>${messageId}</OrgnlMsgId><OrgnlMsgNmId>${name}</OrgnlMsgNmId>`
/** What an answer says of a payment. */
export const status = (id: string, code: string, more = '') =>
  `<OrgnlEndToEndId>${id}</OrgnlEndToEndId><TxSts>${code}</TxSts>${more}`

/** What an answer says that the payment was. */
export const about = (amount: string, currency = 'EGP') =>
  `<OrgnlTxRef><Amt><InstdAmt Ccy="${currency}">${amount}</InstdAmt></Amt></OrgnlTxRef>`
