import { programmeSchemas } from '../../src/benefit/programme-schema.ts'
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

/** docs/programmes.md. */
export function renderProgrammesPage(): string {
  return `# Programmes

<!-- Made from src/benefit/programme-schema.ts by scripts/generate-docs.ts; change these and run the script. -->

${fieldTables()}`
}
