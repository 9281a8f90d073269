import type pg from 'pg'
import { test } from 'tap'
import { connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { createTestDatabase } from '../support/database.ts'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly PlanNode[]
}

/** Scans of the plan of a statement inside a function, which auto_explain reports as notices. */
function scansOf(node: PlanNode): PlanNode[] {
  const own = node['Relation Name'] === undefined ? [] : [node]
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

for (const analyzed of [false, true]) {
  const state = analyzed ? 'analyzed while they were empty' : 'never analyzed'
  test(`look-ups of the writer reach their rows by what tells them apart, in partitions ${state}`, async (t) => {
    const { url } = await createTestDatabase(t)
    await prepareDatabase(url, 1)
    await withClient(url, async (client) => {
      await client.query('select ensure_partitions(current_date, 3)')
      if (analyzed) await client.query('analyze')
    })
    const client = await connect({ url, name: 'plans', pointQueries: true })
    t.teardown(() => client.end())
    await client.query("load 'auto_explain'")
    for (const setting of [
      'log_nested_statements = on',
      'log_min_duration = 0',
      'log_analyze = on',
      "log_format = 'json'",
    ]) {
      await client.query(`set auto_explain.${setting}`)
    }
    await client.query('set client_min_messages = log')
    const plans = await plansOf(
      client,
      `select * from find_authorizations(0::smallint, current_date - 3, array[$1::uuid], array[0], array[$1::uuid],
         array[$2::bytea], array['n'], array['r'], array['a'], array['t'], array[100::bigint])`,
      [key, index],
    )
    const scans = plans.flatMap(scansOf).filter((scan) => scan['Relation Name'] !== undefined)
    const journal = scans.filter((scan) => scan['Relation Name']?.startsWith('authorization_journal') === true)
    t.ok(journal.length >= 15, `${journal.length} scans of partitions were planned`)
    for (const scan of journal) {
      t.match(
        scan['Index Cond'],
        /(dedupe_key|household_id|original_key) = /,
        `${scan['Node Type']} of ${scan['Relation Name'] ?? ''}`,
      )
    }
    for (const scan of scans.filter(({ 'Relation Name': name }) => name === 'card')) {
      t.match(scan['Index Cond'], /pan_index = /)
    }
  })
}
