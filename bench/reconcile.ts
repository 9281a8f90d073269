import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseDate } from '../src/calendar.ts'
import { reconcile } from '../src/clearing/reconciliation/reconcile.ts'
import type { ReconciliationRun } from '../src/store/clearing/reconciliation-runs.ts'
import { type Client, connect } from '../src/store/connection.ts'
import { ensureDatabase } from '../src/store/database-location.ts'
import { startEmbeddedPostgres } from '../src/store/embedded-postgres.ts'
import { prepareDatabase } from '../src/store/installation.ts'
import { type PeakMemory, watchingMemory } from './memory.ts'
import { figure, note, progress, table } from './terminal.ts'
import { benchFolder } from './world.ts'

/** What is measured. */
export interface ReconcileBenchOptions {
  readonly items: number
  readonly json: boolean
  readonly var?: string
}

const DAY = '2026-11-19'
const AS_OF = '2026-11-20'
const SPAN = 100_000_000_000
/** Of a hundred items: draws of bread, purchases by the card scheme's links, and presentments of the network. */
const SHARES = { bread: 80, purchase: 15, presented: 5 }
const OUTLETS = 30_000
/** Of a draw. */
const LOAVES = 5
/** Of so many items one is left out of its file. */
const MISSING_EVERY = 100_000
/** Files that go out are matched too. */
const FILES = 2
const settings = { presentmentDays: 3, lookBackDays: 30 }

/**
 * Reconciles a business date of many items twice: all of it for the first time, and again unchanged. The rows are those that
 * the parts of clearing keep; some items are missing, and exactly these have to be found.
 * @returns whether it found them, and nothing on the second run
 */
export async function runReconcileBench({ items, json, var: given }: ReconcileBenchOptions): Promise<boolean> {
  const parent = given ?? benchFolder
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(path.join(parent, 'reconcile-'))
  const server = await startEmbeddedPostgres({ dataDir: folder })
  try {
    await ensureDatabase(server.url('postgres'), 'bench')
    const url = server.url('bench')
    await prepareDatabase(url, 1)
    note(`making ${figure(items)} items`)
    const missing = await withOwner(url, (client) => fill(client, items))
    const first = await measured(url)
    const second = await measured(url)
    const isRight =
      first.run.found === missing &&
      first.run.matched === items - missing + FILES &&
      second.run.opened === 0 &&
      second.run.found === missing
    const result = {
      items,
      missing,
      found: first.run.found,
      matched: first.run.matched,
      firstSeconds: first.seconds,
      secondSeconds: second.seconds,
      itemsPerSecond: Math.round(items / first.seconds),
      peakProcessMib: Math.max(first.processMib, second.processMib),
      peakBackendMib: Math.max(first.backendMib, second.backendMib),
      right: isRight,
    }
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
    else process.stdout.write(tableOf(result))
    return isRight
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function tableOf(result: Readonly<Record<string, number | boolean>>): string {
  return table(
    Object.entries(result).map(([name, value]) => [name, typeof value === 'number' ? figure(value) : String(value)]),
  )
}

async function withOwner<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect({ url, name: 'mizan bench' })
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Rows as a day leaves them, set by set. @returns how many items are missing */
async function fill(client: Client, items: number): Promise<number> {
  const bread = Math.floor((items * SHARES.bread) / 100)
  const purchases = Math.floor((items * SHARES.purchase) / 100)
  const presented = items - bread - purchases
  await client.query(`select ensure_partitions('${DAY}', 2)`)
  await client.query(`insert into clearing_rail values ('visa')`)
  await client.query(`select begin_clearing_items('${DAY}', '{}', '[]'), finish_clearing_items('${DAY}')`)
  const account = (kind: number) => `${kind} * ${SPAN}::bigint`
  const ranges = [
    {
      from: 1,
      count: bread,
      link: 'ascii',
      kind: 2,
      debit: `${account(1101)} + n`,
      credit: `${account(2101)} + n % ${OUTLETS}`,
      amount: String(LOAVES),
    },
    {
      from: bread + 1,
      count: purchases,
      link: 'visa',
      kind: 10,
      debit: `${account(6001)} + n`,
      credit: account(7004),
      amount: '1000 + n % 50000',
    },
    {
      from: bread + purchases + 1,
      count: presented,
      link: 'clearing',
      kind: 10,
      debit: `${account(6001)} + n`,
      credit: account(7004),
      amount: '1000 + n % 50000',
    },
  ]
  for (const { from, count, link, kind, debit, credit, amount } of ranges) {
    progress(`${link}: ${figure(count)}`)
    const series = `generate_series(${from}::bigint, ${from + count - 1}::bigint) n`
    await client.query(
      `insert into authorization_journal (lane, business_date, id, batch_seq, entitlement_date, received_at, link, mti, dedupe_key,
         content_hash, acquirer, terminal, acceptor, outlet_id, stan, transmission, rrn, network_reference, pan_masked, card_id,
         household_id, transaction_type, account_code, mcc, amount, approved_amount, result, response_code, answer, trace)
       select 0, '${DAY}', n * 64, 1, '${DAY}', '${DAY} 10:00+02', '${link}', '0200', md5(n::text)::uuid, md5('c' || n)::uuid, '400001', 'T1', 'A1',
         n % ${OUTLETS}, '000001', '1119100000', n::text, '', '400000******0001', n, n, '00', '20', '5411', ${amount}, ${amount}, 'approved', '00',
         '{"responseCode":"00","balances":[1,2,3]}', repeat('["rule","passed"],', 12) from ${series}`,
    )
    await client.query(
      `insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
       select 0, '${DAY}', n * 64, 0, 1, ${kind}, ${debit}, ${credit}, ${amount}, ${kind === 2 ? 20261119 : 0} from ${series}`,
    )
  }
  await issue(client, bread)
  const file = (id: number, direction: string, type: string) =>
    client.query(
      `insert into clearing_file (id, direction, type, institution, business_date, name, path, state, bytes, sha256)
       overriding system value values ($1, $2, $3, 'BENCH', '${DAY}', $4, $4, 'delivered', 1, decode(lpad($1::bigint::text, 64, '0'), 'hex'))`,
      [id, direction, type, `UC.${type}.BENCH.1`],
    )
  await file(1, 'out', 'CTF')
  await file(2, 'out', 'SUB')
  await file(3, 'in', 'ITF')
  const item = (range: number, fileId: number, columns: string, values: string) =>
    client.query(
      `insert into clearing_item (business_date, file_id, number, lane, authorization_id, transaction_code, ${columns})
       select '${DAY}', ${fileId}, n - ${(ranges[range]?.from ?? 1) - 1}, 0, n * 64, ${values}
       from generate_series(${ranges[range]?.from}::bigint, ${(ranges[range]?.from ?? 1) + (ranges[range]?.count ?? 0) - 1}::bigint) n
       where n % ${MISSING_EVERY} <> 0`,
    )
  await item(
    0,
    2,
    'programme, amount_piasters, quantity, entitlement_date, outlet_id',
    `'RD', 1, 0, 5, '${DAY}', n % ${OUTLETS}`,
  )
  await item(1, 1, 'amount_piasters', `'05', 1000 + n % 50000`)
  await client.query(
    `insert into network_item (file_id, number, record, transaction_code, arn, amount_piasters, currency, purchase_date, rule, confidence,
       outcome, authorization_id, authorization_date, posted_id, state, business_date)
     select 3, n - ${bread + purchases}, n, '05', lpad(n::text, 23, '7'), 1000 + n % 50000, '818', '${DAY}', 'transaction-id', 100, 'exact', n * 64,
       '${DAY}', n * 64, 'matched', '${DAY}' from generate_series(${bread + purchases + 1}::bigint, ${items}::bigint) n`,
  )
  await client.query(
    `update clearing_file f set items = s.n, gross_piasters = s.gross
     from (select file_id, count(*) as n, sum(amount_piasters) as gross from clearing_item group by file_id) s where s.file_id = f.id`,
  )
  progress('')
  await client.query('vacuum analyze')
  return Math.floor((bread + purchases) / MISSING_EVERY)
}

/** What was issued before the day, all of which is drawn on it: by the last trial balance, and in the balances after it. */
async function issue(client: Client, bread: number): Promise<void> {
  const day = '2026-11-18'
  await client.query(`insert into business_day (business_date) values ('${day}')`)
  await client.query(
    `insert into account_kind (kind, name, account_class, unit, floor_zero) values
       (1101, 'bread wallet', 1, 'LOAF', true), (3101, 'bread funding', 3, 'LOAF', false) on conflict do nothing`,
  )
  await client.query(
    `insert into business_day_balance (business_date, kind, owner, debits, credits, balance) values
       ('${day}', 1101, 0, 0, $1, $1), ('${day}', 3101, 0, $1, 0, -$1::bigint)`,
    [bread * LOAVES],
  )
  await client.query(
    `insert into balance (lane, household_id, period, account, posted, held, batch_seq)
     select 0, 0, 0, credit, sum(amount), 0, 1 from transfer where kind = 2 group by credit
     union all select 0, 0, 0, 3101 * ${SPAN}::bigint, -$1::bigint, 0, 1`,
    [bread * LOAVES],
  )
}

interface Measured extends PeakMemory {
  readonly run: ReconciliationRun
  readonly seconds: number
}

async function measured(url: string): Promise<Measured> {
  return withOwner(url, async (client) => {
    const began = performance.now()
    const { result: run, peak } = await watchingMemory(client, 'mizan reconcile', () =>
      reconcile({
        url,
        businessDate: parseDate(DAY),
        asOf: parseDate(AS_OF),
        requestedBy: 'bench',
        nowMs: () => Date.now(),
        settings,
        progress: (words) => progress(`${((performance.now() - began) / 1_000).toFixed(1)} s ${words}`),
      }),
    )
    progress('')
    return { run, seconds: Math.round(performance.now() - began) / 1_000, ...peak }
  })
}
