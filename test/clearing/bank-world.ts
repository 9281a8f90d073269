import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { addDays, type CivilDate, formatDate } from '../../src/calendar.ts'
import { type BankReceiveContext, type ReceivedBankFile, receiveBankFile } from '../../src/clearing/bank/receive.ts'
import type { Forgivable } from '../../src/clearing/iso20022/bank-events.ts'
import { writePaymentInitiation } from '../../src/clearing/iso20022/credit-transfer.ts'
import { accountOf } from '../../src/clearing/iso20022/parties.ts'
import { settleRun } from '../../src/clearing/settlement/run.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { SimulatedBank } from '../../src/simulator/bank.ts'
import type { BankFault } from '../../src/simulator/bank-faults.ts'
import { registerFile } from '../../src/store/clearing/files.ts'
import { awaitPostings, requestPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { openLedger } from '../ledger/live-ledger.ts'
import { playScenario } from '../ledger/scenario.ts'
import { whole } from './iso20022-schemas.ts'

export const DATE = 20261118 as CivilDate
/** Piasters of each payment of {@link BankWorld.instruct}. */
export const EACH = 10_000

export type BankWorld = Awaited<ReturnType<typeof bankWorld>>

/** A ledger with a settled day, and a simulated bank whose days the test moves on. */
export async function bankWorld(t: Test) {
  const ledger = await openLedger(t)
  await playScenario(ledger)
  const { client: owner } = ledger
  const client = await connect({ url: ledger.url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const folder = mkdtempSync(path.join(os.tmpdir(), 'bank-receive-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const order = { lane: 0, kind: 'close-day', detail: { date: DATE }, requestedBy: 'test', idempotencyKey: 'close' }
  await awaitCommand(client, await requestCommand(client, order), { timeoutMs: 60_000 })
  const identity = { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' }
  const { run, files } = await settleRun(client, {
    businessDate: DATE,
    cycle: 1,
    folder,
    identity,
    cutoverMinutes: 1_350,
    madeOn: DATE,
    writerStallMs: 30_000,
  })
  const { rows: banks } = await owner.query<{ number: number; code: string; bic: string; account: string }>(
    'select number, code, bic, account from settlement_banks order by code',
  )
  const bank = banks.find(({ code }) => code === 'STBA')
  if (bank === undefined) throw new Error('the demo world has a bank STBA')
  const balanceOf = async (kind: Parameters<typeof moneyAccount>[0], of: number) => {
    const { rows } = await owner.query(
      'select coalesce(sum(posted), 0)::int as posted from balance where account = $1',
      [moneyAccount(kind, of)],
    )
    return rows[0]?.posted as number
  }
  const nowMs = () => Date.UTC(2026, 10, 19, 18)
  const context: BankReceiveContext = {
    client,
    folder,
    actor: 'test',
    forgives: () => new Set<Forgivable>(),
    nowMs,
    stallMs: 30_000,
  }
  const outFolder = path.join(folder, 'answers')
  const stateFolder = path.join(folder, 'bank')
  let day = run.valueDate
  const simulated = (faults: readonly BankFault[] = [], seed = 1) =>
    new SimulatedBank({ ...bank, stateFolder, outFolder, faults, seed, nowMs })
  const receive = (file: string) => receiveBankFile(file, context)
  const receiveAll = async (names: readonly string[]) => {
    const received: ReceivedBankFile[] = []
    for (const name of names) received.push(await receive(name))
    return received
  }
  const stateOf = async (endToEndId: string) => {
    const { rows } = await owner.query('select state from settlement_instruction where end_to_end_id = $1', [
      endToEndId,
    ])
    return rows[0]?.state as string
  }
  const statesOf = async (ids: readonly string[]) => {
    const states: string[] = []
    for (const id of ids) states.push(await stateOf(id))
    return states
  }
  const entriesOf = async (statement: number | undefined) => {
    const { rows } = await owner.query('select * from bank_entry where statement_id = $1 order by number', [statement])
    return rows
  }
  const release = (id: number) => owner.query("update clearing_file set state = 'released' where id = $1", [id])

  /** Payments of a day, in transit and in a released file; returns their ids and the file. */
  let made = 0
  const instruct = async (count: number) => {
    const cycle = ++made + 1
    const ids = Array.from({ length: count }, (_, at) => `UC-${DATE}-${cycle}-OO-${String(at + 1).padStart(11, '0')}`)
    await owner.query(
      `insert into settlement_run (business_date, cycle, covers_from, value_date, state) values ($1, $2, $1, $3, 'written')`,
      [formatDate(DATE), cycle, formatDate(day)],
    )
    const messageId = `UC-PAY-STBA-${DATE}-${cycle}`
    const key = { direction: 'out', type: 'PAY', institution: 'STBA', businessDate: DATE, cycle, sequence: 1 } as const
    const content = {
      bytes: 1,
      sha256: Buffer.alloc(32, cycle),
      records: 1,
      items: count,
      grossPiasters: 0n,
      totals: { messageId },
    }
    const file = await registerFile(owner, { ...key, state: 'written', content }, 'test')
    await owner.query(
      `with made as (
         insert into settlement_instruction (business_date, cycle, end_to_end_id, uetr, kind, purpose, direction, bank, outlet_id, bank_code,
           bank_bic, bank_name, our_account, party_name, party_account, party_bic, amount_piasters, value_date, file_id, state)
         select $1, $2, e, gen_random_uuid(), 'pain.001', 'payout', 'pay', $3, (select min(id) from outlet), 'STBA', $4, 'B', $5, 'P', '123456', $4,
           $6, $7, $8, 'prepared' from unnest($9::text[]) e returning id, outlet_id)
       insert into settlement_instruction_line select id, 7001 * 100000000000 + outlet_id, $6 from made`,
      [formatDate(DATE), cycle, bank.number, bank.bic, bank.account, EACH, formatDate(day), file.id, ids],
    )
    const { rows } = await owner.query<{ outlet: string }>('select min(id) as outlet from outlet')
    const outlet = Number(rows[0]?.outlet)
    const reference = `test:${cycle}`
    const transit = moneyAccount('settlementTransit', bank.number)
    const posting = {
      kind: 'settlementInstructed',
      debit: moneyAccount('outletPayable', outlet),
      credit: transit,
    } as const
    const postings = [{ ...posting, amountPiasters: EACH * count }]
    const commands = await requestPostings(client, { reference, requestedBy: 'test', postings })
    await awaitPostings(client, { reference, commands }, { stallMs: 30_000 })
    await release(file.id)
    const us = { name: 'us' }
    const text = await whole(
      writePaymentInitiation({
        messageId,
        createdMs: nowMs(),
        initiatingParty: us,
        paymentInformationId: messageId,
        executionDate: day,
        debtor: us,
        debtorAccount: accountOf(bank.account),
        debtorAgent: { bic: bank.bic },
        totals: { transactions: count, amountPiasters: BigInt(EACH * count) },
        payments: ids.map((endToEndId) => ({
          endToEndId,
          amountPiasters: EACH,
          creditor: us,
          creditorAccount: { number: '123456' },
          creditorAgent: { bic: bank.bic },
        })),
      }),
    )
    const path_ = path.join(folder, `${messageId}.xml`)
    writeFileSync(path_, text)
    return { ids, file: path_, outlet, messageId }
  }
  /** A further business date is closed and settled. */
  let settled = DATE
  const settleNext = async () => {
    settled = addDays(settled, 1)
    ledger.clock.nowMs += 86_400_000
    const order = { lane: 0, kind: 'close-day', detail: { date: settled }, requestedBy: 'test' }
    const command = { ...order, idempotencyKey: `close ${settled}` }
    await awaitCommand(client, await requestCommand(client, command), { timeoutMs: 60_000 })
    const what = { businessDate: settled, cycle: 1, folder, identity, madeOn: settled }
    return settleRun(client, { ...what, cutoverMinutes: 1_350, writerStallMs: 30_000 })
  }
  const nextDay = () => {
    day = addDays(day, 1)
    return day
  }
  const sound = async (t: Test) => {
    const { rows } = await owner.query<{ closing: string }>(
      `select closing_piasters as closing from bank_statement where bank = $1 and report = 'statement' order by id desc limit 1`,
      [bank.number],
    )
    t.equal(
      await balanceOf('settlementAccount', bank.number),
      -Number(rows[0]?.closing),
      '8007 is the closing balance from the other side',
    )
  }
  return {
    url: ledger.url,
    owner,
    client,
    folder,
    context,
    bank,
    otherBank: banks.find(({ code }) => code !== bank.code) ?? bank,
    files,
    outFolder,
    stateFolder,
    nowMs,
    balanceOf,
    stateOf,
    statesOf,
    entriesOf,
    release,
    receive,
    receiveAll,
    simulated,
    instruct,
    settleNext,
    nextDay,
    sound,
    today: () => day,
  }
}
