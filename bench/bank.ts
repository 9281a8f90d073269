import { createWriteStream, mkdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CivilDate } from '../src/calendar.ts'
import { type BankReceiveContext, receiveBankFile } from '../src/clearing/bank/receive.ts'
import { type StatementLine, writeStatements } from '../src/clearing/iso20022/statement-writer.ts'
import { moneyAccount } from '../src/ledger/accounts.ts'
import { type Client, connect } from '../src/store/connection.ts'
import { type PeakMemory, watchingMemory } from './memory.ts'
import { startSwitchProcess } from './switch-process.ts'
import { figure, note, progress, table } from './terminal.ts'
import { type BenchWorld, openWorld } from './world.ts'

/** What the bench of a bank's statement is asked for. */
export interface BankBenchOptions {
  /** Bookings of the statement, each of a payment of ours. */
  readonly entries: number
  readonly json: boolean
  readonly varDir?: string
}

const DATE = 20261122 as CivilDate
const DAY = '2026-11-22'
const CREATED_MS = Date.UTC(2026, 10, 22, 20, 30)
const EACH = 100
/** Far from the banks of the world. */
const BANK = 99_001
const ACCOUNT = 'BENCH00099001'
const CHUNK = 100_000
const WORLD = { cards: 100, seed: 1, laneCount: 1, reload: true, purpose: 'bank' } as const
const NAME = 'mizan bench bank'
/** Memory of this process, which receives, and of its backend each: no statement may need more. */
const MEMORY_MAX_MIB = 512
const MIB = 1_048_576

/**
 * `npm run bench -- bank`: a statement (camt.053) of so many payments of ours is received whole: read, matched, stored and booked by a
 * switch, in a database of its own.
 * @returns whether every payment is settled, the ledger has the closing balance, and memory stayed bounded
 */
export async function runBankBench({ entries, json, varDir }: BankBenchOptions): Promise<boolean> {
  const world = await openWorld({ ...WORLD, ...(varDir === undefined ? {} : { varDir }) })
  const folder = path.join(world.varDir, 'bank-bench')
  try {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await withClient(world, undefined, (owner) => instruct(owner, entries))
    const file = path.join(folder, 'statement.xml')
    const writeSeconds = await timed(() => writeStatement(file, entries))
    const running = await startSwitchProcess({ varDir: world.varDir, databaseUrl: world.url })
    try {
      const received = await receive(world, file, folder)
      const again = await receive(world, file, folder)
      const figures = {
        entries,
        fileMib: Math.round(statSync(file).size / MIB),
        writeSeconds,
        receiveSeconds: received.seconds,
        entriesPerSecond: Math.round(entries / received.seconds),
        againSeconds: again.seconds,
        processMib: received.processMib,
        backendMib: received.backendMib,
        matched: received.matched,
        ...(await withClient(world, undefined, outcome)),
      }
      const isRight =
        figures.matched === entries &&
        figures.settled === entries &&
        figures.piasters === entries * EACH &&
        again.isRepeated &&
        Math.max(figures.processMib, figures.backendMib) <= MEMORY_MAX_MIB
      process.stdout.write(
        json ? `${JSON.stringify({ ...figures, right: isRight })}\n` : tableOf({ ...figures, right: String(isRight) }),
      )
      return isRight
    } finally {
      await running.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await world.close()
  }
}

function tableOf(figures: Readonly<Record<string, number | string>>): string {
  return table(
    Object.entries(figures).map(([name, value]) => [name, typeof value === 'number' ? figure(value) : value]),
  )
}

async function withClient<T>(
  { url }: BenchWorld,
  role: 'mizan_app' | undefined,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connect({ url, name: role === undefined ? 'mizan bench' : NAME, ...(role && { role }) })
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Payments that were sent to a bank, as settlement leaves them. */
async function instruct(owner: Client, entries: number): Promise<void> {
  await owner.query('insert into settlement_bank (number, code) values ($1, $2)', [BANK, 'BENCH'])
  await owner.query(
    `insert into settlement_bank_term (bank, from_date, bic, name, account, reason, actor)
     values ($1, '2026-01-01', 'BENCEGCX', 'BENCH', $2, 'bench', 'bench')`,
    [BANK, ACCOUNT],
  )
  await owner.query(
    `insert into settlement_run (business_date, cycle, covers_from, value_date, state) values ($1::date - 1, 1, $1::date - 1, $1, 'written')`,
    [DAY],
  )
  for (let from = 1; from <= entries; from += CHUNK) {
    await owner.query(
      `with made as (
         insert into settlement_instruction (business_date, cycle, end_to_end_id, uetr, kind, purpose, direction, bank, outlet_id, bank_code,
           bank_bic, bank_name, our_account, party_name, party_account, party_bic, amount_piasters, value_date, state)
         select $1::date - 1, 1, 'UC-20261121-1-OO-' || lpad(n::text, 11, '0'), gen_random_uuid(), 'pain.001', 'payout', 'pay', $2, o.id, 'BENCH',
           'BENCEGCX', 'BENCH', $3, 'PAYEE', 'ACCOUNT', 'BENCEGCX', $4, $1, 'sent'
         from (select min(id) as id from outlet) o, generate_series($5::bigint, $6::bigint) n returning id, outlet_id)
       insert into settlement_instruction_line select id, 7001 * 100000000000 + outlet_id, $4 from made`,
      [DAY, BANK, ACCOUNT, EACH, from, Math.min(entries, from + CHUNK - 1)],
    )
    progress(`instructions: ${Math.min(entries, from + CHUNK - 1)} of ${entries}`)
  }
  progress('')
  await owner.query('vacuum analyze settlement_instruction, settlement_instruction_line')
}

function* lines(entries: number): Generator<StatementLine> {
  for (let number = 1; number <= entries; number++) {
    const endToEndId = `UC-20261121-1-OO-${String(number).padStart(11, '0')}`
    yield {
      reference: `N${number}`,
      amountPiasters: BigInt(EACH),
      credit: false,
      status: 'BOOK',
      bookingDate: DATE,
      valueDate: DATE,
      accountServicerReference: `BK${number}`,
      transactionCode: 'PMNT/ICDT/DMCT',
      transactions: [{ endToEndId, amountPiasters: EACH, credit: false, remittance: 'payout of a day' }],
    }
  }
}

async function writeStatement(file: string, entries: number): Promise<void> {
  const balance = (amountPiasters: bigint) => ({ amountPiasters, date: DATE })
  const report = {
    id: 'BENCH-1',
    sequence: 1,
    createdMs: CREATED_MS,
    account: { number: ACCOUNT },
    opening: balance(0n),
    closing: balance(BigInt(-EACH) * BigInt(entries)),
    lines: lines(entries),
  }
  const statements = writeStatements({ messageId: 'BENCH-1', createdMs: CREATED_MS, reports: [report] })
  await pipeline(Readable.from(statements), createWriteStream(file))
}

interface Receipt extends PeakMemory {
  readonly seconds: number
  readonly matched: number
  readonly isRepeated: boolean
}

async function receive(world: BenchWorld, file: string, folder: string): Promise<Receipt> {
  return withClient(world, undefined, (owner) =>
    withClient(world, 'mizan_app', async (client) => {
      const context: BankReceiveContext = {
        client,
        folder,
        actor: 'bench',
        forgives: () => new Set(),
        nowMs: () => CREATED_MS,
        stallMs: 120_000,
      }
      const beganMs = performance.now()
      const { result, peak } = await watchingMemory(owner, NAME, () => receiveBankFile(file, context))
      const seconds = Math.round(performance.now() - beganMs) / 1_000
      note(`${result.outcome} in ${seconds} s`)
      const matched = result.reports.reduce((sum, one) => sum + one.matched, 0)
      return { seconds, matched, isRepeated: result.outcome === 'repeated', ...peak }
    }),
  )
}

async function outcome(owner: Client): Promise<{ readonly settled: number; readonly piasters: number }> {
  const { rows } = await owner.query<{ settled: number; piasters: string }>(
    `select (select count(*)::int from settlement_instruction where bank = $1 and state = 'settled') as settled,
            (select coalesce(sum(posted), 0) from balance where account = $2) as piasters`,
    [BANK, moneyAccount('settlementAccount', BANK)],
  )
  return { settled: rows[0]?.settled ?? 0, piasters: Number(rows[0]?.piasters ?? 0) }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return Math.round(performance.now() - beganMs) / 1_000
}
