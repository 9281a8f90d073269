import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { programmeSchemas } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { type Node, schemaRows, schemaText, withoutDefaulted } from './schema-table.ts'

const kinds = Object.entries(programmeSchemas) as unknown as [string, Node][]

/** schemas/programme.schema.json: a file follows the schema of its kind. */
export function renderProgrammeSchema(): string {
  return schemaText({
    title: 'Benefit programme of mizan',
    type: 'object',
    required: ['kind'],
    properties: { kind: { enum: kinds.map(([kind]) => kind) } },
    allOf: kinds.map(([kind, schema]) => ({
      if: { properties: { kind: { const: kind } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: withoutDefaulted(schema),
    })),
  })
}

/** Fields that stand in the table of every programme and not again in that of its kind. */
const commonFields = ['code', 'number', 'version', 'name', 'effectiveFrom', 'effectiveTo', 'funding'] as const

function fieldTable(title: string, node: Node, names: (name: string) => boolean): string {
  const properties = Object.fromEntries(Object.entries(node.properties ?? {}).filter(([name]) => names(name)))
  const rows = schemaRows({ ...node, properties }, '')
  return `### ${title}\n\n| field | type | default | what |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
}

function fieldTables(): string {
  const isCommon = (name: string) => (commonFields as readonly string[]).includes(name)
  const titles: Readonly<Record<string, string>> = {
    wallet: '`wallet`: a right to goods',
    cover: '`cover`: services with a co-payment',
    credit: '`credit`: money into postal accounts',
    payment: '`payment`: bills from postal accounts',
  }
  return [
    fieldTable('Every programme', programmeSchemas.credit as unknown as Node, isCommon),
    ...kinds.map(([kind, schema]) => fieldTable(titles[kind] ?? kind, schema, (name) => !isCommon(name))),
  ].join('\n')
}

/** A file that ships with Mizan, as an example. */
function example(name: string): string {
  const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'schemas', 'programmes', name)
  return readFileSync(file, 'utf8').trimEnd()
}

function shippedTable(): string {
  const rows = shippedProgrammes.map(
    ({ number, code, kind, name, effectiveFrom }) =>
      `| ${number} | \`${code}\` | \`${kind}\` | ${name.en} | ${effectiveFrom} |`,
  )
  return `| number | code | kind | name | from |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}`
}

/** docs/programmes.md. */
export function renderProgrammesPage(): string {
  return `# Programmes

<!-- Made from src/benefit/programme-schema.ts and scripts/docs/programmes-page.ts; change these and run scripts/generate-docs.ts. -->

What a household may get, where, when and at what price is data: a JSON file for each programme. A file is checked, tried
out on past traffic, submitted by one person and published by another; a running switch decides by it from its next
message on, without a restart. Subsidy value never becomes cash, whatever a file says: the posting rules of
\`docs/ledger.md\` do not depend on programmes.

Four kinds: a **wallet** is a right to goods, in counted units or in value; a **cover** pays for services and leaves a
co-payment; a **credit** pays money into postal accounts; a **payment** takes bills from them. These ship with Mizan, in
\`schemas/programmes\`, and are the first published versions of an empty database:

${shippedTable()}

## From a file to a decision

\`\`\`
mizan programme validate FILE…             every fault with its path; --published: with what is published too
mizan programme diff FILE                  what it states otherwise than the published version
mizan programme diff CODE A B              what version B states otherwise than version A
mizan programme simulate FILE --from DATE  what it would have done to past draws
mizan programme submit FILE --note TEXT    the next version, for another person to look at
mizan programme publish CODE VERSION       that person logs in; the version decides from its date on
mizan programme withdraw CODE VERSION --reason TEXT
mizan programme list                       all versions with their states
mizan programme show CODE --version N      a version as its file states it
\`\`\`

Each takes \`--json\` and \`--config\`. The HTTP API does the same (\`docs/api.md\`).

- A version is a **draft**, **submitted**, **published** or **withdrawn**. A programme has one open draft at a time, and
  version numbers rise by one. What was published never changes: the database refuses it, also to its owner's programs.
- Whoever made or submitted a version cannot publish it. On the command line the publisher logs in as a user of the API
  with the role \`operator\` or \`admin\` (\`mizan user add\`). Every step is noted in the audit.
- A version decides from \`effectiveFrom\` on, until a later one does or the programme ends. It is published with a date
  from today on: what was decided stays. A version that has not begun can be withdrawn.
- What a second person agrees to is a content, not a number: the request names its checksum, a withdrawal ends the requests
  to publish it that wait, and what was written anew since is asked for anew.
- \`code\`, \`kind\`, \`number\`, \`accountCode\`, \`unit\`, the period and the numbers of goods and services are what
  accounts and counters are made of: they are the same in all versions.
- The answer to a balance inquiry has room for six accounts. Where a household has more, the account that the message names
  (DE3) is among them in any case, and empty wallets are left out.
- Programmes that need each other, such as two that exclude each other, are published together:
  \`mizan programme publish bread 2 --with flour@2\`.
- Each decision's trace names the version that decided: \`mizan explain\` shows it.
- A switch that cannot read what is published, or finds that it does not pass the checks, goes on with what it has, logs
  \`programmes_failed\` and counts \`mizan_programme_failures_total\`.

## Trying a version out

\`mizan programme simulate\` reads the draws of a span of dates from the journal (last month without \`--from\`) and decides
each again, twice: under the rules of its date, and as if the file had decided then, at the prices of its first day. Both
start with the same wallets and go on by their own decisions, so what differs comes from the file alone. The report counts
approvals that would be declined and declines that would be approved, by the rule that decides; what would be drawn and
paid; and the households affected. \`come out as they are in the journal\` says how well the past is reproduced: PINs,
cards and postal balances are not part of it, membership is that of today's records, and baskets that were declined for
their goods are left out, since the journal keeps the lines of approved ones alone. Nothing is changed; the month of
the first date is read from its start.

Over HTTP the same is asked for of a version that is kept, draft or not: \`POST /programmes/{code}/versions/{version}/simulations\`
answers \`202\` with its \`Location: /api/v1/programme-simulations/{simulationId}\`, and whoever is to agree to the version finds the
report there, or under \`GET /programmes/{code}/simulations\`. The job \`programme-simulations\` reads the journal, within a minute,
in the process for heavy work; \`messages\` tells how far it has come. A simulation spans 93 days at most, ten may wait (then it is
\`409\`), one that is cut off is begun anew, and a draft that is written anew meanwhile fails it.

## Adding a programme as data: pensions

A pension is money for postal accounts: kind \`credit\`. This is the whole file, as it ships:

\`\`\`json
${example('pension.json')}
\`\`\`

1. Choose a \`code\`, and a \`number\` from 1 to 99 that no programme has or had: it is part of account numbers.
2. \`"$schema"\` lets an editor complete and check the file while it is written.
3. \`mizan programme validate pension.json --published\`, \`submit\`, and another person \`publish\`.
4. Credits are then made through the API or by the ministry's file, each checked against \`maxPiasters\` and
   \`perMonth\`, and posted from the funding account of \`funding.owner\`.

A wallet needs besides: \`accountCode\` of DE3 (95 is shared by grants of value; any other names one programme), and a date
for each governorate where it is live (\`mizan rollout set CODE GOVERNORATE DATE\`, which a second person agrees to). Its
accounts are added to the chart when its first version is published.

## Fields

Amounts are whole units of the programme: piasters, loaves, kilograms. Dates are days of the Cairo calendar, both ends
included. \`schemas/programme.schema.json\` has the same for editors.

${fieldTables()}`
}
