import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { addDays, type CivilDate, formatDate } from '../../src/calendar.ts'
import { receiveBankFile } from '../../src/clearing/bank/receive.ts'
import type { DayStepContext } from '../../src/clearing/day/step.ts'
import type { Forgivable } from '../../src/clearing/iso20022/bank-events.ts'
import { balanceStep } from '../../src/clearing/outgoing/balance-step.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import type { BreakName } from '../../src/clearing/reconciliation/breaks.ts'
import { type Agreed, type Corrected, correct, writeOff } from '../../src/clearing/reconciliation/desk.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { settleRun } from '../../src/clearing/settlement/run.ts'
import { MizanError } from '../../src/errors.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { SimulatedBank } from '../../src/simulator/bank.ts'
import type { BankFault } from '../../src/simulator/bank-faults.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { readException } from '../../src/store/clearing/reconciliation-desk.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { openLedger } from '../ledger/live-ledger.ts'
import { FIRST_ID, messageOf, playScenario } from '../ledger/scenario.ts'
import { panProtectionOf } from '../support/pan-keys.ts'

const DAY_MS = 86_400_000
/** Wednesday; the scenario's business date. */
const FIRST = 20261118 as CivilDate
const options = {
  processingBin: '400000',
  centre: 'MIZAN',
  batchItems: 950,
  testFiles: true,
  railLinks: ['visa'],
  protection: panProtectionOf('ledger tests'),
}
const identity = { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' }
const visa = { link: 'visa', schemeRail: true, networkReference: '426326000000001', acquirer: '400001' } as const

/** What a fault of the bank is found as, on a day of its own. */
interface Fault {
  readonly fault: BankFault | undefined
  readonly finds: readonly BreakName[]
  /** Days since the business date before. @default 1 */
  readonly days?: number
  /** Nothing of the statement is taken: the bank sends the right one afterwards, and the break is gone. */
  readonly mends?: boolean
  /** Days after the value date on which it is looked at. @default 0 */
  readonly waits?: number
}

const faults: readonly Fault[] = [
  { fault: undefined, finds: [], days: 4 },
  { fault: 'short-booking', finds: ['position-short'] },
  { fault: 'over-booking', finds: ['position-over'] },
  { fault: 'wrong-sign', finds: ['wrong-sign'] },
  { fault: 'missing-entry', finds: ['missing-bank-entry'], days: 4 },
  { fault: 'unknown-entry', finds: ['unknown-bank-entry'] },
  { fault: 'bank-fee', finds: ['bank-fee'] },
  { fault: 'returned-payment', finds: ['bank-return'] },
  { fault: 'rejected-payment', finds: ['instruction-rejected'], days: 4 },
  // The outlet whose payments came back and were rejected is paid nothing until somebody lifts that.
  { fault: 'duplicate-statement', finds: ['duplicate-file', 'left-unpaid'] },
  { fault: 'sequence-gap', finds: ['statement-gap'], mends: true },
  { fault: 'double-entry', finds: ['position-over'] },
  { fault: 'late-value', finds: ['late-value'], days: 4 },
  // Known by itself; named in its words only; a file that is known and changes nothing.
  { fault: 'bank-interest', finds: [] },
  { fault: 'no-reference', finds: [] },
  { fault: 'duplicate-file', finds: [] },
  { fault: 'wrong-opening', finds: ['balance-differs'], mends: true, days: 4 },
  { fault: 'wrong-closing', finds: ['balance-differs'], mends: true },
  { fault: 'no-statement', finds: ['statement-gap'], mends: true, waits: 1 },
]

t.test('days of the real parts agree, and each fault of the bank is found as what it is', async (t) => {
  const ledger = await openLedger(t)
  const client = await connect({ url: ledger.url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const folder = mkdtempSync(path.join(os.tmpdir(), 'reconciled-parts-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { rows: banks } = await ledger.client.query<{ number: number; code: string; bic: string; account: string }>(
    `select number, code, bic, account from settlement_banks order by code`,
  )
  await playScenario(ledger)
  const say = async (
    who: number,
    place: 'bakery' | 'grocer' | 'shop' | 'atm',
    fields: Parameters<typeof messageOf>[3],
  ) => {
    const { result } = await ledger.submit(messageOf(ledger, who, place, fields))
    if (result !== 'approved') throw new Error(result)
  }
  await say(FIRST_ID, 'shop', { ...visa, amountPiasters: 130 })

  let lastFile = 0
  // The database notes its own time; the days of this test are others.
  const noteReceived = async (date: CivilDate, time: string) => {
    const { rows } = await ledger.client.query<{ id: string }>(
      `update bank_file set received_at = $1::date + $3::time where id > $2 returning id`,
      [formatDate(date), lastFile, time],
    )
    lastFile = Math.max(lastFile, ...rows.map(({ id }) => Number(id)))
  }
  const endOf = async (date: CivilDate, valueDate: CivilDate, fault: BankFault | undefined) => {
    const nowMs = () =>
      Date.UTC(Math.floor(valueDate / 10_000), (Math.floor(valueDate / 100) % 100) - 1, valueDate % 100, 18)
    const command = {
      lane: 0,
      kind: 'close-day',
      detail: { date },
      requestedBy: 'test',
      idempotencyKey: `close ${date}`,
    }
    await awaitCommand(client, await requestCommand(client, command), { timeoutMs: 60_000 })
    await ledger.client.query(
      `insert into business_day (business_date, state, asked_by, asked_at, lanes_closed_at) values ($1, 'closing', 'test', now(), now())
       on conflict (business_date) do update set state = 'closing', asked_by = 'test', asked_at = now(), lanes_closed_at = now()`,
      [formatDate(date)],
    )
    const context: DayStepContext = {
      businessDate: date,
      folder,
      url: ledger.url,
      signal: new AbortController().signal,
      log: createLogger({ level: 'silent' }),
      nowMs,
      progress: () => undefined,
    }
    for (const step of [selectStep(options), writeStep(options), balanceStep()]) {
      const { state, words } = await step.run(context)
      if (state !== 'done') throw new Error(`${step.name}: ${words}`)
    }
    const { run, files } = await settleRun(client, {
      businessDate: date,
      cycle: 1,
      folder,
      identity,
      cutoverMinutes: 1_350,
      madeOn: date,
      writerStallMs: 60_000,
    })
    if (run.valueDate !== valueDate) throw new Error(`value date ${run.valueDate}`)
    const receive = (names: readonly string[]) => receiveAll(names, nowMs)
    let mend = async () => {}
    for (const bank of banks) {
      const outFolder = path.join(folder, 'answers', bank.code)
      const state = path.join(folder, 'bank', bank.code)
      const simulated = new SimulatedBank({
        ...bank,
        stateFolder: state,
        outFolder,
        faults: fault === undefined || bank.code !== 'STBA' ? [] : [fault],
        nowMs,
      })
      for (const { id, path: file } of files) {
        await ledger.client.query(`update clearing_file set state = 'released' where id = $1`, [id])
        await receive((await simulated.take(path.join(folder, file)))?.files ?? [])
      }
      const before = `${state}-before`
      if (bank.code === 'STBA') cpSync(state, before, { recursive: true })
      await receive(await simulated.endDay(valueDate))
      if (bank.code !== 'STBA') continue
      mend = async () => {
        rmSync(state, { recursive: true })
        cpSync(before, state, { recursive: true })
        const honest = new SimulatedBank({ ...bank, stateFolder: state, outFolder, nowMs })
        await receive(await honest.endDay(valueDate))
        await noteReceived(valueDate, '19:00')
      }
    }
    await noteReceived(valueDate, '18:00')
    return () => mend()
  }
  const receiveAll = async (names: readonly string[], nowMs: () => number) => {
    const context = { client, folder, actor: 'test', forgives: () => new Set<Forgivable>(), nowMs, stallMs: 60_000 }
    for (const name of names) {
      await receiveBankFile(name, context).catch((error: unknown) => {
        if (!(error instanceof MizanError) || error.code !== 'BAD_INPUT') throw error
      })
    }
  }
  let at = Date.UTC(2026, 11, 31)
  const run = (businessDate: CivilDate, asOf: CivilDate) =>
    reconcile({
      url: ledger.url,
      businessDate,
      asOf,
      requestedBy: 'test',
      nowMs: () => ++at,
      settings: { presentmentDays: 30, lookBackDays: 60 },
    })
  const openedBy = async (runId: number) => {
    const { rows } = await client.query<{ id: string; break: string; summary: string }>(
      'select id, break, summary from reconciliation_exception where opened_run = $1 order by break',
      [runId],
    )
    return rows
  }

  const author = { actor: 'user:one + user:two', nowMs: Date.now() }
  const limits = [{ role: 'operator', piasters: 1_000_000 }] as const
  const byTwo = async (id: number, work: (wanted: Agreed) => Promise<Corrected>) => {
    const { differencePiasters: seenPiasters } = await readException(client, id)
    await client.query('begin')
    const done = await work({ seenPiasters, resolution: 'agreed' })
    await client.query('commit')
    await awaitPostings(client, done, { stallMs: 60_000 })
  }
  const settle = async (fault: BankFault | undefined, id: number) => {
    const giveUp = (wanted: Agreed) => writeOff(client, id, { ...wanted, roles: ['operator'], limits }, author)
    const correctTo = (target: number | undefined) => (wanted: Agreed) =>
      correct(client, id, { ...wanted, target }, author)
    if (fault === 'short-booking') {
      await byTwo(id, correctTo(undefined))
      await byTwo(id, giveUp)
    }
    if (fault === 'over-booking') await byTwo(id, giveUp)
    if (fault === 'unknown-entry') await byTwo(id, correctTo(moneyAccount('schemeClearing', 0)))
  }

  await endOf(FIRST, addDays(FIRST, 1), undefined)
  const first = await run(FIRST, addDays(FIRST, 1))
  t.same(await openedBy(first.id), [], 'a day that goes well has no exceptions')
  t.match(first, { openAfter: 0 })
  t.ok(first.matched > 5, `${first.matched} matched`)

  let date = FIRST
  for (const { fault, finds, days = 1, mends = false, waits = 0 } of faults) {
    date = addDays(date, days)
    ledger.clock.nowMs += days * DAY_MS
    const stan = String(date).slice(2)
    await say(FIRST_ID, 'shop', { amountPiasters: 300, stan, rrn: `${stan}000001` })
    await say(FIRST_ID, 'shop', {
      ...visa,
      amountPiasters: 20,
      stan: String(Number(stan) + 1),
      rrn: `${stan}000002`,
      networkReference: `42632600${stan}0`,
    })
    const valueDate = addDays(date, 1)
    const mend = await endOf(date, valueDate, fault)
    const done = await run(date, addDays(valueDate, waits))
    const opened = await openedBy(done.id)
    t.same(
      opened.map((row) => row.break),
      finds,
      `${formatDate(date)} ${fault ?? 'no fault'}`,
    )
    if (opened.length !== finds.length) t.comment(opened)
    // Two people settle some: no run after it may take what they posted for a break.
    for (const { id } of opened) await settle(fault, Number(id))
    if (!mends) continue
    await mend()
    const mended = await run(date, addDays(valueDate, waits))
    t.match(mended, { opened: 0, resolved: finds.length }, `${fault}: gone when the right statement came`)
  }
  const { rows: byReference } = await client.query("select from reconciliation_matches where rule = 'our-reference'")
  t.equal(byReference.length, 1, 'the payment that was named in words only is matched by our reference')
  const failed = (await verifyLedger(ledger.url)).filter(({ ok }) => !ok)
  t.same(failed, [], 'the ledger is sound')
})
