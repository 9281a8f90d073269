import type pg from 'pg'
import { type Test, test } from 'tap'
import { connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { JOB_LANE, lanesWithNews } from '../../src/store/notification-outbox.ts'
import { ordersOfHousehold } from '../../src/store/people-orders.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Scans of the plan of a statement inside a function, which auto_explain reports as notices. */
function scansOf(node: PlanNode): PlanNode[] {
  const own = node['Node Type'].endsWith('Scan') && node['Relation Name'] !== undefined ? [node] : []
  return [...own, ...(node.Plans ?? []).flatMap(scansOf)]
}

async function plansOf(client: pg.Client, text: string, values: unknown[]): Promise<PlanNode[]> {
  return plansDuring(client, () => client.query(text, values))
}

async function plansDuring(client: pg.Client, run: () => Promise<unknown>): Promise<PlanNode[]> {
  const plans: PlanNode[] = []
  const listen = ({ message }: { message?: string | undefined }) => {
    const json = message?.slice(message.indexOf('{'))
    if (json !== undefined && message?.includes('plan:')) plans.push((JSON.parse(json) as { Plan: PlanNode }).Plan)
  }
  client.on('notice', listen)
  await run()
  client.off('notice', listen)
  return plans
}

const key = '00000000-0000-0000-0000-000000000001'
const index = Buffer.alloc(16, 1)

/** A database whose partitions are empty, and a connection with the writer's settings that reports its plans. */
async function planning(t: TeardownHost, analyzed: boolean): Promise<pg.Client> {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  await withClient(url, async (client) => {
    await client.query('select ensure_partitions(current_date, 3)')
    if (analyzed) await client.query('analyze')
  })
  return reporting(t, url, true)
}

/** A connection that reports the plans of what it runs, those inside of functions too. */
async function reporting(t: TeardownHost, url: string, pointQueries: boolean): Promise<pg.Client> {
  const client = await connect({ url, name: 'plans', pointQueries })
  t.teardown(() => client.end())
  await client.query("load 'auto_explain'")
  const settings = ['log_nested_statements = on', 'log_min_duration = 0', 'log_analyze = on', "log_format = 'json'"]
  for (const setting of settings) await client.query(`set auto_explain.${setting}`)
  await client.query('set client_min_messages = log')
  return client
}

/** Checks that every scan of a table's partitions goes by one of these columns. */
function goBy(t: Test, plans: readonly PlanNode[], table: string, columns: string): number {
  const scans = plans.flatMap(scansOf).filter((scan) => scan['Relation Name']?.startsWith(table) === true)
  for (const scan of scans) {
    const name = `${scan['Node Type']} of ${scan['Relation Name'] ?? ''}`
    t.match(scan['Index Cond'] ?? 'none', new RegExp(`\\((${columns}) = `), name)
  }
  return scans.length
}

const findText = `select * from find_authorizations(0::smallint, current_date - 3, array[$1::uuid], array[0],
  array[$1::uuid], array[$2::bytea], array['n'], array['r'], array['a'], array['t'], array[100::bigint], array[true], array[null::bigint])`

const storedText = `select * from find_stored(0::smallint, array[$1::uuid], array[$2::bytea], array['t'], array[$1::uuid],
  array[current_date - 3])`

function insertAuthorization(client: pg.Client, id: number, key: string, originalId: number | null) {
  return client.query(
    `insert into authorization_journal (lane, business_date, id, batch_seq, entitlement_date, received_at, link, mti,
       dedupe_key, content_hash, acquirer, terminal, acceptor, stan, transmission, rrn, network_reference, pan_masked,
       transaction_type, account_code, mcc, amount, approved_amount, result, response_code, original_id, answer, trace)
     values (0, current_date, $1, 1, current_date, now(), 'l', '0200', $2, $2, '1', 't', 'a', '1', '1', 'r', '', 'm', '00',
       '92', '5462', 100, 100, 'approved', '00', $3, '{}', '[]')`,
    [id, key, originalId],
  )
}

for (const analyzed of [false, true]) {
  const state = analyzed ? 'analyzed while they were empty' : 'never analyzed'
  test(`look-ups of the writer reach their rows by what tells them apart, in partitions ${state}`, async (t) => {
    const client = await planning(t, analyzed)
    const plans = await plansOf(client, findText, [key, index])
    const scans = goBy(t, plans, 'authorization_journal', 'dedupe_key|household_id|original_key')
    t.ok(scans >= 15, `${scans} scans of partitions were planned`)
    t.equal(goBy(t, plans, 'card', 'pan_index'), 2)
    const stored = await plansOf(client, storedText, [key, index])
    t.ok(goBy(t, stored, 'authorization_journal', 'household_id') >= 3)
    t.equal(goBy(t, stored, 'card', 'pan_index'), 1)
  })

  test(`so do the check of a restoration and the description of an original, in partitions ${state}`, async (t) => {
    const client = await planning(t, analyzed)
    await client.query('select ensure_partitions(current_date - 2, 2)')
    await insertAuthorization(client, 64, key, null)
    await insertAuthorization(client, 128, '00000000-0000-0000-0000-000000000002', 64)
    const transfer = (group: number, kind: number, debit: string, credit: string) =>
      `insert into transfer values (0, current_date, ${group}, 0, 1, ${kind}, ${debit}, ${credit}, 5, 20261122)`
    const wallet = '110100000000001'
    const redeemed = '210100000000007'
    await client.query(transfer(64, 2, wallet, redeemed))
    const checked = await plansOf(client, transfer(128, 3, redeemed, wallet), [])
    t.ok(goBy(t, checked, 'authorization_journal', 'id|original_id') >= 3)
    const { rows } = await client.query<{ day: string }>("select to_char(current_date - 1, 'YYYYMMDD') as day")
    const before = checked
      .flatMap(scansOf)
      .filter((scan) => scan['Relation Name'] === `authorization_journal_${rows[0]?.day}`)
    t.equal(before.length, 0, 'the day before the original is left out')
    t.ok(goBy(t, checked, 'transfer', 'group_id') >= 2)
    const described = await plansOf(client, findText, [key, index])
    const columns = 'dedupe_key|household_id|original_key|original_id'
    t.ok(goBy(t, described, 'authorization_journal', columns) > 15)
    t.ok(goBy(t, described, 'transfer', 'group_id') >= 1)
    t.ok(goBy(t, described, 'hold', 'id') >= 2)
  })
}

test('an original that is named by its key is looked for by nothing else, and what came after it once', async (t) => {
  const client = await planning(t, false)
  await insertAuthorization(client, 64, key, null)
  const { rows } = await client.query<{ partitions: number }>(
    "select count(*)::integer as partitions from pg_inherits where inhparent = 'authorization_journal'::regclass",
  )
  const plans = await plansOf(client, findText.replace('array[$1::uuid],', "'{}',"), [key, index])
  const scans = plans.flatMap(scansOf).filter((scan) => scan['Relation Name']?.startsWith('authorization_journal'))
  t.equal(scans.length, 2 * (rows[0]?.partitions ?? 0), 'each look has a price by the day')
})

test('the outbox is asked for news without a look at what was taken from it', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  await withClient(url, async (client) => {
    await client.query(`insert into notification (lane, household_id, template, batch_seq, created_at)
      select 0, n, 'test', 1, now() from generate_series(1, 3000) n`)
    await client.query('insert into notification_position select 0, max(id) from notification')
    await client.query('analyze')
  })
  const client = await reporting(t, url, false)
  const read = async (expected: number[]) => {
    let lanes: number[] = []
    const plans = await plansDuring(client, async () => {
      lanes = await lanesWithNews(client)
    })
    t.strictSame(lanes, expected)
    const scans = plans.flatMap(scansOf).filter((scan) => scan['Relation Name'] === 'notification')
    t.equal(scans.length, 1)
    return scans.reduce(
      (rows, scan) =>
        rows + ((scan['Actual Rows'] ?? 0) + (scan['Rows Removed by Filter'] ?? 0)) * (scan['Actual Loops'] ?? 0),
      0,
    )
  }
  t.equal(await read([]), 0, 'nothing is new, nothing is read')
  for (const lane of [0, JOB_LANE]) {
    await client.query(
      `insert into notification (lane, household_id, template, batch_seq, created_at) values ($1, 1, 'test', 1, now())`,
      [lane],
    )
  }
  t.equal(await read([0, JOB_LANE]), 2, 'the first new one of each lane')
})

test('the orders of a household and of a replaced card are found without a look at those of others', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  await withClient(url, async (client) => {
    await client.query(`insert into household (lane, id, governorate, closed_month, old_ration_card)
      select 0, n, 'C', 202610, 'none' from generate_series(1, 3000) n`)
    await client.query(`insert into card_order (id, lane, household_id, reason, state, fee_piasters, fee_paid, old_card_id,
        opened_on, batch_seq)
      select n, 0, n, 'expiry', 'active', 0, 'none', n, 20261101, 1 from generate_series(1, 3000) n`)
    await client.query('analyze')
  })
  const client = await reporting(t, url, false)
  const ofHousehold = await plansDuring(client, () => ordersOfHousehold({ client }, 7))
  t.equal(goBy(t, ofHousehold, 'card_order', 'household_id'), 1)
  const ofCard = await plansOf(client, 'select state from card_order where old_card_id = $1', [7])
  t.equal(goBy(t, ofCard, 'card_order', 'old_card_id'), 1)
})
