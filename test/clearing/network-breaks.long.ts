import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { addDays, type CivilDate, formatDate } from '../../src/calendar.ts'
import type { DayStepContext } from '../../src/clearing/day/step.ts'
import { FileRefused } from '../../src/clearing/incoming/inspect.ts'
import { type Received, receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import type { ReceiveContext } from '../../src/clearing/incoming/receive-context.ts'
import { shippedTolerances } from '../../src/clearing/incoming/tolerance.ts'
import { balanceStep } from '../../src/clearing/outgoing/balance-step.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import type { BreakName } from '../../src/clearing/reconciliation/breaks.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { yyddd } from '../../src/clearing/records/arn.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import {
  batchAcknowledgement,
  faulty,
  type NetworkTransaction,
  networkFileBytes,
  networkTotal,
  presentmentOf,
  withFields,
} from '../../src/simulator/network-clearing.ts'
import { raiseDispute } from '../../src/store/clearing/network-disputes.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { WORLD_SEED } from '../authorization/world.ts'
import { openLedger } from '../ledger/live-ledger.ts'
import { FIRST_ID, messageOf } from '../ledger/scenario.ts'
import { panProtectionOf } from '../support/pan-keys.ts'

const DAY_MS = 86_400_000
const BIN = '400000'
const ACQUIRER = '400001'
const FIRST = 20261118 as CivilDate
const FORCE_MAX = 5_000
const LINE = 170
const protection = panProtectionOf('ledger tests')
const fileOptions = {
  processingBin: BIN,
  centre: 'MIZAN',
  batchItems: 950,
  testFiles: true,
  railLinks: ['visa'],
  protection,
}

/** A day on the network's side. */
interface Day {
  readonly date: CivilDate
  /** An authorization that the terminal was answered, as the network presents it. */
  authorized(piasters?: number): Promise<NetworkTransaction>
  /** Has the network's file of these received; its report is of what the network believes that it sent. */
  send(transactions: readonly NetworkTransaction[], how?: Sending): Promise<Received | undefined>
  /** A dispute of an item of the last file, agreed by two people. */
  dispute(number: number): Promise<void>
}

interface Sending {
  /** What the report counts. @default what is sent; `none` = no report */
  readonly reported?: readonly NetworkTransaction[] | 'none'
  readonly fileId?: number
  readonly processingBin?: string
  readonly tamper?: (bytes: Buffer) => Buffer
}

interface Fault {
  readonly what: string
  readonly finds: readonly BreakName[]
  readonly happens: (day: Day) => Promise<unknown>
  /** Days that pass before. @default 1 */
  readonly days?: number
  /** @default 30 */
  readonly presentmentDays?: number
}

let yesterdays: readonly NetworkTransaction[] = []
const bad = (name: Parameters<typeof faulty>[1], reported?: 'as-it-was') => async (day: Day) => {
  const item = await day.authorized()
  const sent = faulty(item, name, day.date)
  await day.send(sent, reported === undefined ? {} : { reported: [item] })
}
const refused =
  (how: Sending, again = true) =>
  async (day: Day) => {
    const item = await day.authorized()
    await day.send([item], how)
    // The right one comes after.
    if (again) await day.send([item])
  }

/** What goes wrong on the network's side, each on a day of its own, and what the reconciliation of the day finds of it. */
const faults: readonly Fault[] = [
  {
    what: 'nothing is wrong',
    finds: [],
    happens: async (day) => {
      const items = [await day.authorized(), await day.authorized(350)]
      await day.send(items)
      yesterdays = items
    },
  },
  {
    what: 'an item of yesterday is in the file of today once more',
    finds: ['duplicate-item'],
    happens: async (day) => day.send([...yesterdays.slice(0, 1), await day.authorized()]),
  },
  { what: 'an item is missing from the file', finds: [], happens: async (day) => day.send([await missed(day)]) },
  {
    what: 'the missing item has not come for days',
    finds: ['authorised-not-cleared'],
    days: 5,
    presentmentDays: 3,
    happens: async (day) => day.send([await day.authorized()]),
  },
  { what: 'an item comes twice', finds: ['duplicate-item'], happens: bad('duplicate') },
  { what: 'an altered amount', finds: ['amount-differs'], happens: bad('altered-amount') },
  { what: 'an amount a piaster too high', finds: ['amount-differs'], happens: async (day) => pennyOff(day) },
  { what: 'a wrong sign', finds: ['item-rejected'], happens: bad('wrong-sign', 'as-it-was') },
  { what: 'a late presentment', finds: ['late-presentment'], happens: bad('late') },
  { what: 'a small item without authorization', finds: ['forced-item'], happens: bad('forced') },
  {
    what: 'a large item without authorization',
    finds: ['cleared-not-authorised'],
    happens: async (day) => {
      const [item] = faulty(await day.authorized(), 'forced', day.date)
      const piasters = String(FORCE_MAX + 1)
      await day.send([
        withFields(item as NetworkTransaction, '0', { destinationAmount: piasters, sourceAmount: piasters }),
      ])
    },
  },
  { what: 'another currency', finds: ['currency'], happens: bad('currency') },
  { what: 'a card that is none of ours', finds: ['cleared-not-authorised'], happens: bad('other-card') },
  { what: 'a presentment and its reversal', finds: [], happens: bad('reversed') },
  { what: 'a reversal of what was never presented', finds: ['unmatched-reversal'], happens: bad('unmatched-reversal') },
  {
    what: 'the report counts an item that is not in the file',
    finds: ['file-totals-differ'],
    happens: async (day) => {
      const item = await day.authorized()
      await day.send([item], { reported: [item, item] })
    },
  },
  {
    what: 'the same file twice',
    finds: ['duplicate-file'],
    happens: async (day) => {
      const item = await day.authorized()
      await day.send([item])
      await day.send([item], { fileId: 1 })
    },
  },
  {
    what: 'a file before the one that comes first',
    finds: ['missing-file'],
    happens: refused({ fileId: 3 }),
  },
  {
    what: 'wrong totals in the trailer',
    finds: ['file-refused'],
    happens: refused({
      tamper: (bytes) => Buffer.from(bytes).fill('9', bytes.length - LINE + 29, bytes.length - LINE + 30),
    }),
  },
  {
    what: 'a file that ends in its middle',
    finds: ['file-refused'],
    happens: refused({ tamper: (bytes) => bytes.subarray(0, bytes.length - LINE) }),
  },
  {
    what: 'a file for another centre',
    finds: ['file-refused'],
    happens: refused({ processingBin: '499999' }),
  },
  {
    what: 'an item of ours that comes back',
    finds: ['item-rejected'],
    happens: (day) =>
      day.send([
        {
          code: '01',
          parts: {
            '9': {
              originalTransactionCode: '05',
              sourceBatchDate: yyddd(addDays(day.date, -1)),
              sourceBatchNumber: '1',
              itemSequenceNumber: '1',
              reasonCode1: 'A01',
            },
          },
        },
      ]),
  },
  {
    what: 'our file of yesterday is refused',
    finds: ['file-refused'],
    happens: (day) => day.send([batchAcknowledgement(addDays(day.date, -1), 1, { reason: 'R01' })]),
  },
  {
    what: 'a second presentment of what nobody disputed',
    finds: ['unmatched-reversal'],
    happens: async (day) => {
      const item = await day.authorized()
      await day.send([item, withFields(item, '0', { usageCode: '2' })])
    },
  },
  {
    what: 'a chargeback of what was never sent',
    finds: ['item-rejected'],
    happens: async (day) => day.send([{ ...(await day.authorized()), code: '15' }]),
  },
  {
    what: 'an item that is disputed',
    finds: ['chargeback-open'],
    happens: async (day) => {
      const item = await day.authorized()
      await day.send([item])
      await day.dispute(1)
      yesterdays = [item]
    },
  },
  {
    what: 'a disputed item that is presented again',
    finds: [],
    happens: (day) => day.send(yesterdays.map((item) => withFields(item, '0', { usageCode: '2' }))),
  },
]

/** The acquirer lost one of two. */
async function missed(day: Day): Promise<NetworkTransaction> {
  await day.authorized(410)
  return day.authorized()
}

async function pennyOff(day: Day): Promise<void> {
  const item = await day.authorized(200)
  await day.send([withFields(item, '0', { destinationAmount: '201', sourceAmount: '201' })])
}

t.test('each fault of the network goes through the real parts, and is found as exactly what it is', async (t) => {
  const ledger = await openLedger(t)
  const client = await connect({ url: ledger.url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const folder = mkdtempSync(path.join(os.tmpdir(), 'network-breaks-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  let stan = 0
  const say = async (fields: Parameters<typeof messageOf>[3]) => {
    stan++
    const numbers = { stan: String(stan).padStart(6, '0'), rrn: String(600_000_000_000 + stan) }
    const message = messageOf(ledger, FIRST_ID, 'shop', {
      link: 'visa',
      schemeRail: true,
      acquirer: ACQUIRER,
      networkReference: `4${String(stan).padStart(14, '0')}`,
      ...numbers,
      ...fields,
    })
    const { result, fields: answer } = await ledger.submit(message)
    if (result !== 'approved') throw new Error(result)
    return { message, approvalCode: answer[38] ?? '' }
  }

  const dayOf = (date: CivilDate): Day => {
    let fileId = 0
    let last: Received | undefined
    const context: ReceiveContext = {
      client,
      policy: {
        tolerances: shippedTolerances(),
        lateAfterDays: 10,
        forcePostMaxPiasters: FORCE_MAX,
        overTolerance: 'exception',
      },
      today: date,
      processingBin: BIN,
      isProduction: false,
      batchItems: 950,
      actor: 'test',
      stallMs: 60_000,
      panIndexOf: (pan) => protection.index(pan),
    }
    return {
      date,
      async authorized(amountPiasters = 200) {
        const { message, approvalCode } = await say({
          mti: '0100',
          messageClass: 'authorization',
          amountPiasters,
        })
        const { rrn, terminal, acceptor, mcc, networkReference: transactionId } = message
        const { pan } = demoHousehold(WORLD_SEED, FIRST_ID)
        const place = { rrn, terminal, acceptor, mcc, transactionId, approvalCode, acquirer: ACQUIRER }
        return presentmentOf({ ...place, pan, type: 'purchase', amountPiasters, date })
      },
      async send(transactions, how = {}) {
        const { reported = transactions, tamper = (bytes: Buffer) => bytes, processingBin = BIN } = how
        const report = reported === 'none' ? [] : [networkTotal(reported, date, BIN)]
        const number = how.fileId ?? fileId + 1
        const content = { processingBin, date, fileId: number, transactions: [...transactions, ...report] }
        const file = path.join(folder, `network-${date}-${number}-${Math.random()}.ctf`)
        writeFileSync(file, tamper(Buffer.concat([...networkFileBytes(content)])))
        try {
          last = await receiveNetworkFile(file, context)
          fileId = number
          return last
        } catch (error) {
          if (!(error instanceof FileRefused)) throw error
          // The database notes its own time; the days of this test are others.
          await ledger.client.query(
            `update network_file_refusal set at = $1::date + time '12:00' where id = (select max(id) from network_file_refusal)`,
            [formatDate(date)],
          )
          return undefined
        }
      },
      async dispute(number) {
        await client.query('begin')
        const { id } = await raiseDispute(client, {
          fileId: last?.file.id ?? 0,
          number,
          reasonCode: '83',
          reason: 'not his',
          raisedBy: 'user:one',
          approvedBy: 'user:two',
          nowMs: ledger.clock.nowMs,
          businessDate: date,
        })
        await client.query('commit')
        await awaitPostings(client, { reference: `dispute:${id}:raised`, commands: 1 }, { stallMs: 60_000 })
      },
    }
  }

  const close = async (date: CivilDate) => {
    const idempotencyKey = `close ${date}`
    const command = { lane: 0, kind: 'close-day', detail: { date }, requestedBy: 'test', idempotencyKey }
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
      nowMs: () => ledger.clock.nowMs,
      progress: () => undefined,
    }
    for (const step of [selectStep(fileOptions), writeStep(fileOptions), balanceStep()]) {
      const { state, words } = await step.run(context)
      if (state !== 'done') throw new Error(`${step.name}: ${words}`)
    }
  }

  let at = Date.UTC(2027, 11, 31)
  let date = FIRST
  for (const [index, { what, finds, happens, days = 1, presentmentDays = 30 }] of faults.entries()) {
    if (index > 0) {
      date = addDays(date, days)
      ledger.clock.nowMs += days * DAY_MS
    }
    // Each day has a file of its own that goes out.
    await say({ amountPiasters: 30 })
    await happens(dayOf(date))
    await close(date)
    const run = () =>
      reconcile({
        url: ledger.url,
        businessDate: date,
        asOf: addDays(date, 1),
        requestedBy: 'test',
        nowMs: () => ++at,
        settings: { presentmentDays, lookBackDays: 60 },
      })
    const first = await run()
    const { rows } = await client.query<{ break: string; summary: string }>(
      'select break, summary from reconciliation_exception where opened_run = $1 order by break',
      [first.id],
    )
    t.same(
      rows.map((row) => row.break),
      finds,
      `${formatDate(date)}: ${what}`,
    )
    if (rows.length !== finds.length) t.comment(rows)
    const matches = 'select * from reconciliation_match order by 1, 2, 3, 4, 5, 6, 7, 8'
    const before = await client.query(matches)
    t.match(await run(), { opened: 0, found: first.found }, `${what}: the same once more`)
    t.same((await client.query(matches)).rows, before.rows, 'by the same matches')
  }
  const failed = (await verifyLedger(ledger.url)).filter(({ ok }) => !ok)
  t.same(failed, [], 'the ledger is sound')
})
