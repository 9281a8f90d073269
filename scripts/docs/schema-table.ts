/** The parts of a JSON schema that pages and schema files need. */
export interface Node {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: unknown
  readonly description?: string
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
}

/** Width of a line, as the formatter has it. */
const LINE_MAX = 120

/** A schema as editors need it: what has a default may be left out of a file. */
export function schemaText(schema: object): string {
  const text = JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema }, null, 2)
  // A list of plain values stands on one line where it fits, as the formatter wants it.
  const lists = text.replaceAll(/\[\s+([^[\]{}]*?)\s+\]/g, (list, items: string, offset: number) => {
    const line = `[${items.replaceAll(/,\s+/g, ', ')}]`
    const indent = offset - text.lastIndexOf('\n', offset)
    return indent + line.length <= LINE_MAX ? line : list
  })
  return `${lists}\n`
}

/** The schema without `required` for what has a default. */
export function withoutDefaulted(node: Node): Node {
  const properties = Object.entries(node.properties ?? {})
  const { required: _, ...rest } = node
  const required = properties.filter(([name, one]) => node.required?.includes(name) && one.default === undefined)
  return {
    ...rest,
    ...(required.length === 0 ? {} : { required: required.map(([name]) => name) }),
    ...(properties.length === 0
      ? {}
      : { properties: Object.fromEntries(properties.map(([name, one]) => [name, withoutDefaulted(one)])) }),
    ...(node.items === undefined ? {} : { items: withoutDefaulted(node.items) }),
  }
}

/** Rows of a table of settings or fields: name, type, default, what. */
export function schemaRows(node: Node, parent: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, one]) => {
    if (name === '$schema') return []
    const path = `${parent}${name}`
    const isLink = one.items !== undefined
    const own = `| \`${path}\` | ${typeOf(one)} | ${defaultOf(one, node.required?.includes(name) === true)} | ${one.description ?? ''} |`
    const inner = schemaRows(one, `${path}.`)
    return [own, ...inner, ...(isLink ? schemaRows(one.items ?? {}, `${path}[].`) : [])]
  })
}

function typeOf(node: Node): string {
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(', ')
  if (node.type === 'integer') return `integer, ${format(node.minimum)} to ${format(node.maximum)}`
  if (node.type === 'array') return 'list'
  return node.type ?? ''
}

function defaultOf(node: Node, required: boolean): string {
  if (node.type === 'object' || node.type === 'array') return ''
  if (node.default !== undefined) return `\`${node.default}\``
  return required ? 'required' : ''
}

function format(value: number | undefined): string {
  return (value ?? 0).toLocaleString('en-US')
}
