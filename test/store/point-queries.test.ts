import type pg from 'pg'
import { type Test, test } from 'tap'
import { connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly PlanNode[]
}

/** Scans of the plan of a statement inside a function, which auto_explain reports as notices. */
function scansOf(node: PlanNode): PlanNode[] {
  const own = node['Node Type'].endsWith('Scan') && node['Relation Name'] !== undefined ? [node] : []
  return [...own, ...(node.Plans ?? []).flatMap(scansOf)]
}

async function plansOf(client: pg.Client, text: string, values: unknown[]): Promise<PlanNode[]> {
  const plans: PlanNode[] = []
  const listen = ({ message }: { message?: string | undefined }) => {
    const json = message?.slice(message.indexOf('{'))
    if (json !== undefined && message?.includes('plan:')) plans.push((JSON.parse(json) as { Plan: PlanNode }).Plan)
  }
  client.on('notice', listen)
  await client.query(text, values)
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
  const client = await connect({ url, name: 'plans', pointQueries: true })
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
  array[$1::uuid], array[$2::bytea], array['n'], array['r'], array['a'], array['t'], array[100::bigint], array[true])`

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
  })

  test(`so do the check of a restoration and the description of an original, in partitions ${state}`, async (t) => {
    const client = await planning(t, analyzed)
    await insertAuthorization(client, 64, key, null)
    await insertAuthorization(client, 128, '00000000-0000-0000-0000-000000000002', 64)
    const transfer = (group: number, kind: number, debit: string, credit: string) =>
      `insert into transfer values (0, current_date, ${group}, 0, 1, ${kind}, ${debit}, ${credit}, 5, 20261122)`
    const wallet = '110100000000001'
    const redeemed = '210100000000007'
    await client.query(transfer(64, 2, wallet, redeemed))
    const checked = await plansOf(client, transfer(128, 3, redeemed, wallet), [])
    t.ok(goBy(t, checked, 'authorization_journal', 'id|original_id') >= 3)
    t.ok(goBy(t, checked, 'transfer', 'group_id') >= 2)
    const described = await plansOf(client, findText, [key, index])
    const columns = 'dedupe_key|household_id|original_key|original_id'
    t.ok(goBy(t, described, 'authorization_journal', columns) > 15)
    t.ok(goBy(t, described, 'transfer', 'group_id') >= 1)
    t.ok(goBy(t, described, 'hold', 'id') >= 2)
  })
}
