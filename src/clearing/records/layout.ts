import { MizanError } from '../../errors.ts'

/**
 * Content of a field: `n` digits, right-justified and filled with zeros; `an` and `ans` text, left-justified and
 * filled with blanks; `hx` hexadecimal digits, all of them or blanks; `r` reserved, blanks.
 */
export type FieldFormat = 'n' | 'an' | 'ans' | 'hx' | 'r'

/** How the digits of a field are a date: `D` counts days of the year, `CC` is the century. */
export type DateForm = 'YDDD' | 'YYDDD' | 'CCYYDDD' | 'MMDD'

/** A field as a layout file has it. */
export interface FieldSpec {
  readonly name: string
  /** Position of its first character, from 1. */
  readonly start: number
  readonly length: number
  readonly format: FieldFormat
  readonly date?: DateForm
}

/** A record's layout as a layout file has it. */
export interface LayoutSpec {
  readonly name: string
  readonly title: string
  /** The transaction codes of its records. */
  readonly transactionCodes: readonly string[]
  /** Which part of a transaction it is (position 4); absent for records that have none. */
  readonly component?: string
  /**
   * Which of several layouts of the same code and part: report group and subgroup (`V2`) of settlement totals, name of
   * the record of a capture.
   */
  readonly group?: string
  readonly fields: readonly FieldSpec[]
}

/** A layout file. */
export interface LayoutFile {
  readonly name: string
  readonly title: string
  readonly recordLength: number
  readonly layouts: readonly LayoutSpec[]
}

/** A field with its place, ready to be written and read. */
export interface Field extends FieldSpec {
  /** Name of its layout. */
  readonly layout: string
  /** Offset of its first character. */
  readonly at: number
}

/** A layout, ready to be used. */
export interface Layout extends LayoutSpec {
  readonly fields: readonly Field[]
  readonly byName: ReadonlyMap<string, Field>
  /** A record in which nothing was put yet: zeros in digits, blanks elsewhere. */
  readonly template: Buffer
  /** Its field of a name. @throws MizanError ASSERTION_FAILED when the layout has none */
  field(name: string): Field
}

/** The layouts of a file. */
export interface Layouts {
  readonly name: string
  readonly recordLength: number
  readonly all: readonly Layout[]
  /** The layout of a name. @throws MizanError ASSERTION_FAILED */
  layout(name: string): Layout
  /** The layout of a record; undefined for a code, part or group that has none. */
  find(transactionCode: string, component: string, group?: string): Layout | undefined
  /** Whether a transaction code occurs at all. */
  knows(transactionCode: string): boolean
}

const formats: readonly string[] = ['n', 'an', 'ans', 'hx', 'r']
const dateLengths: Readonly<Record<string, number>> = { YDDD: 4, YYDDD: 5, CCYYDDD: 7, MMDD: 4 }
const NAME = /^[a-z][A-Za-z0-9]{0,39}$/

/**
 * Checks a layout file and prepares it.
 * @throws MizanError CODEC_DIALECT_INVALID naming the layout and field: each layout must tile the whole record, with
 *   names and formats that are known, and no two layouts may be of the same records
 */
export function compileLayouts(file: LayoutFile): Layouts {
  const found = new Map<string, Layout>()
  const byName = new Map<string, Layout>()
  for (const spec of file.layouts) {
    const layout = compileLayout(spec, file.recordLength)
    if (byName.has(spec.name)) throw invalid(spec.name, 'is there twice')
    byName.set(spec.name, layout)
    for (const code of spec.transactionCodes) {
      const key = keyOf(code, spec.component ?? '', spec.group)
      const other = found.get(key)
      if (other !== undefined) throw invalid(spec.name, `is of the same records as ${other.name}`)
      found.set(key, layout)
    }
  }
  const codes = new Set(file.layouts.flatMap((layout) => layout.transactionCodes))
  return {
    name: file.name,
    recordLength: file.recordLength,
    all: [...byName.values()],
    layout: (name) => known(byName.get(name), name),
    find: (code, component, group) =>
      found.get(keyOf(code, component, group)) ?? found.get(keyOf(code, component)) ?? found.get(keyOf(code, '')),
    knows: (code) => codes.has(code),
  }
}

function compileLayout(spec: LayoutSpec, recordLength: number): Layout {
  checkHead(spec)
  const template = Buffer.alloc(recordLength, ' ')
  const byName = new Map<string, Field>()
  let next = 1
  for (const one of spec.fields) {
    checkField(spec.name, one)
    if (one.start !== next) throw invalid(spec.name, `${one.name} starts at ${one.start}, not at ${next}`)
    if (byName.has(one.name)) throw invalid(spec.name, `${one.name} is there twice`)
    next += one.length
    const at = one.start - 1
    byName.set(one.name, { ...one, layout: spec.name, at })
    if (one.format === 'n') template.fill('0', at, at + one.length)
  }
  if (next !== recordLength + 1) throw invalid(spec.name, `ends at ${next - 1}, not at ${recordLength}`)
  return { ...spec, fields: [...byName.values()], byName, template, field: (name) => known(byName.get(name), name) }
}

function checkHead({ name, transactionCodes, component, group, fields }: LayoutSpec): void {
  const [first] = fields
  if (first?.name !== 'transactionCode' || first.length !== 2)
    throw invalid(name, 'begins with no transactionCode of 2')
  if (transactionCodes.length === 0 || !transactionCodes.every((code) => /^\d\d$/.test(code))) {
    throw invalid(name, 'transactionCodes must be two digits each')
  }
  if (component !== undefined && !/^[0-9A-Z]$/.test(component)) throw invalid(name, 'component must be one character')
  if (group !== undefined && component === undefined) throw invalid(name, 'has a group without a component')
}

function checkField(layout: string, { name, length, format, date }: FieldSpec): void {
  if (!NAME.test(name)) throw invalid(layout, `${name} is no name of a field`)
  if (!Number.isInteger(length) || length < 1) throw invalid(layout, `${name} has no length`)
  if (!formats.includes(format)) throw invalid(layout, `${name} has no format of ${formats.join(', ')}`)
  if (date !== undefined && dateLengths[date] !== length) throw invalid(layout, `${name} is no date ${date}`)
}

function keyOf(code: string, component: string, group = ''): string {
  return `${code}.${component}.${group}`
}

function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new MizanError('ASSERTION_FAILED', `a clearing layout or field ${name} is asked for`)
  return value
}

function invalid(layout: string, what: string): MizanError {
  return new MizanError('CODEC_DIALECT_INVALID', `clearing layout ${layout}: ${what}`)
}
