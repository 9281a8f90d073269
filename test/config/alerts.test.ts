import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'

const repository = path.resolve(import.meta.dirname, '..', '..')
const read = (name: string) => readFileSync(path.join(repository, name), 'utf8')
// The parser is one that the test runner brings.
const { parse } = createRequire(createRequire(import.meta.url).resolve('tap'))('yaml')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}
const rules = (parse(read('deploy/alerts.yml')).groups as { rules: Rule[] }[]).flatMap((group) => group.rules)
const [, section = ''] = read('docs/operations.md').match(/\n## What an alert means\n([\s\S]*?)\n## /) ?? []
const rows = section.split('\n').filter((line) => /^\| (?!alert \||---)/.test(line))
/** Names before the colon of a row's first cell. */
const namesOf = (row: string): string[] => /^\| ((?:`Mizan\w+`(?:, )?)+): /.exec(row)?.[1]?.match(/\w+/g) ?? []

t.test('there is a rule for each alert of the page, and no other', async (t) => {
  t.ok(rows.length > 20)
  t.same(
    rows.filter((row) => namesOf(row).length === 0).map((row) => row.split(' | ')[0]),
    ['| `mizan verify` fails'],
    'only what has no metric has no name',
  )
  const named = rows.flatMap(namesOf)
  t.equal(new Set(named).size, named.length)
  t.same(rules.map(({ alert }) => alert).sort(), named.sort())
})

t.test('a rule asks for metrics that there are, and its row of the page names one of them', async (t) => {
  const known = new Set<string>(
    read('docs/metrics.md').match(/(?<=^\| `)mizan_\w+(?=` \| (?:gauge|counter|histogram))/gm),
  )
  for (const { alert, expr } of rules) {
    const names = (expr.match(/\bmizan_\w+/g) ?? []).map((name) => name.replace(/_bucket$/, ''))
    t.ok(names.length > 0, alert)
    for (const name of names) t.ok(known.has(name), `${alert}: ${name}`)
    const row = rows.find((one) => namesOf(one).includes(alert)) ?? ''
    t.ok(
      names.some((name) => row.includes(name)),
      `the row of ${alert}`,
    )
  }
})

t.test('a rule says how bad it is, what it means and where to read on', async (t) => {
  for (const rule of rules) {
    t.match(rule, { for: /^\d+[smh]$/, labels: { severity: /^(?:critical|warning)$/ } }, rule.alert)
    t.match(rule.annotations, { summary: /./, runbook: 'docs/operations.md#what-an-alert-means' })
  }
})

t.test('Prometheus reads the rules', async (t) => {
  t.same(parse(read('deploy/prometheus.yml')).rule_files, ['alerts.yml'])
  const { volumes } = parse(read('docker-compose.yml')).services.prometheus
  t.ok(volumes.includes('./deploy/alerts.yml:/etc/prometheus/alerts.yml:ro'))
})

t.test('outcomes of batches that rules ask for are those that are counted', async (t) => {
  const counted = read('src/writer/telemetry.ts').match(/\(\[('committed'.*)\] as const\)/)?.[1] ?? ''
  for (const [, outcome = ''] of read('deploy/alerts.yml').matchAll(/outcome="(\w+)"/g)) {
    t.match(counted, `'${outcome}'`)
  }
  for (const [, outcome = ''] of section.matchAll(/outcome="(\w+)"/g)) t.match(counted, `'${outcome}'`)
})
