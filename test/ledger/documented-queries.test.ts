import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { connect } from '../../src/store/connection.ts'
import { ledgerChecks } from '../../src/store/verify.ts'
import { openLedger } from './live-ledger.ts'
import { playScenario } from './scenario.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/ledger.md'), 'utf8')

t.test('every question in docs/ledger.md can be asked by an analyst', async (t) => {
  const ledger = await openLedger(t)
  await playScenario(ledger)
  const analyst = await connect({ url: ledger.url, name: 'mizan test', role: 'mizan_analyst' })
  t.teardown(() => analyst.end())
  const queries = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  t.ok(queries.length >= 5)
  for (const query of queries) await t.resolves(analyst.query(query), query.split('\n')[0] ?? '')
})

t.test('every check is in docs/ledger.md', async (t) => {
  for (const { name } of ledgerChecks) t.match(page, `| \`${name}\` |`)
})
