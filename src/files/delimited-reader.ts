import { MizanError } from '../errors.ts'
import { asciiDigits } from '../identifiers.ts'
import { csvCells, turnsQuote } from './csv-cells.ts'
import { type FileLine, splitLines } from './line-splitter.ts'

/** CSV with a header line, or one JSON object a line. */
export type FileFormat = 'csv' | 'ndjson'

/** A column of a CSV file, or a key of the objects of an NDJSON file. */
export interface FileColumn {
  readonly name: string
  /** Whether each CSV file must have the column; which rows must have a value is for the caller to say. */
  readonly required: boolean
  /** Free text such as a name: its digits stay as they are written. Elsewhere Arabic-Indic digits become 0 to 9. */
  readonly text?: boolean
  /** An array or an object in NDJSON, given in `nested`. A CSV file cannot have it. */
  readonly nested?: boolean
}

/** What is wrong with one value of a line. */
export interface RowFault {
  /** Column, or '' when it is the line itself. */
  readonly field: string
  readonly reason: string
}

/** One record of a file. */
export interface FileRow {
  /** Line where it begins, from 1; the header is line 1 of a CSV file. */
  readonly line: number
  /** Values by column, without white space around them. What is absent, null or empty is not in it. */
  readonly fields: Readonly<Record<string, string>>
  /** Arrays and objects of NDJSON, by key. */
  readonly nested: Readonly<Record<string, unknown>>
  /** The cells of a CSV row as they stand, also when their number does not fit the header: a trailer has its own. */
  readonly cells: readonly string[]
  /** Why the row cannot be read; `fields` and `nested` are then not complete. */
  readonly faults: readonly RowFault[]
}

export interface DelimitedReaderOptions {
  readonly format: FileFormat
  readonly columns: readonly FileColumn[]
  /** Longest record in bytes; a longer one is a row with a fault. @default 65536 */
  readonly recordMaxBytes?: number
  /** Lines up to this one are passed over unread: they were dealt with before. A CSV header is always read. */
  readonly afterLine?: number
}

const RECORD_MAX_BYTES = 65_536
const SEPARATORS = [',', ';', '\t']
const BYTE_ORDER_MARK = '\ufeff'

/** Format of a file by its name: `.csv` and `.txt` are CSV; `.ndjson`, `.jsonl` and `.json` are NDJSON. */
export function formatOfName(name: string): FileFormat | undefined {
  if (/\.(csv|txt)$/i.test(name)) return 'csv'
  return /\.(ndjson|jsonl|json)$/i.test(name) ? 'ndjson' : undefined
}

/**
 * Reads a CSV or NDJSON file record by record, with memory for one record. The text is UTF-8, with or without a byte
 * order mark; a CSV file is separated by comma, semicolon or tab, as its header line shows. What is wrong with one
 * record is told in its `faults` and the next is read; what is wrong with the file as a whole is thrown. Empty lines
 * are no records.
 * @throws MizanError BAD_INPUT when the file is empty, not UTF-8, or its header does not fit the columns
 */
export async function* readDelimited(
  chunks: AsyncIterable<Uint8Array>,
  options: DelimitedReaderOptions,
): AsyncGenerator<FileRow, void, undefined> {
  const max = options.recordMaxBytes ?? RECORD_MAX_BYTES
  const parser = options.format === 'csv' ? new CsvRows(options.columns, max) : new JsonRows(options.columns)
  const afterLine = options.afterLine ?? 0
  let first = true
  for await (const line of splitLines(chunks, max)) {
    if (first) refuseOtherEncodings(line)
    const isHeader = first && options.format === 'csv'
    first = false
    if (line.number <= afterLine && !isHeader) continue
    const row = parser.take(line)
    if (row !== undefined) yield row
  }
  if (first) throw new MizanError('BAD_INPUT', 'the file is empty')
  const last = parser.end()
  if (last !== undefined) yield last
}

function refuseOtherEncodings({ bytes }: FileLine): void {
  const mark = bytes?.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff') {
    throw new MizanError('BAD_INPUT', 'the file is UTF-16; save it as UTF-8 ("CSV UTF-8" in a spreadsheet)')
  }
  if (mark === '504b')
    throw new MizanError('BAD_INPUT', 'the file is a spreadsheet or an archive; save it as "CSV UTF-8"')
  if (mark === '1f8b') throw new MizanError('BAD_INPUT', 'the file is compressed; unpack it first')
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @returns undefined when the bytes are not UTF-8 */
function textOf({ number, bytes }: FileLine): string | undefined {
  try {
    const text = decoder.decode(bytes)
    return number === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  } catch {
    return undefined
  }
}

function faulty(line: number, field: string, reason: string, cells: readonly string[] = []): FileRow {
  return { line, fields: {}, nested: {}, cells, faults: [{ field, reason }] }
}

const TOO_LONG = 'the line is too long'
const NOT_UTF8 = 'the line is not UTF-8'
const OPEN_QUOTE = 'a quote is not closed'

class CsvRows {
  readonly #columns: readonly FileColumn[]
  readonly #max: number
  #separator = ','
  /** Columns in the order of the header; undefined before it was read. */
  #header: readonly FileColumn[] | undefined
  /** A record that goes on in the next line. */
  #open: { readonly line: number; readonly text: string } | undefined

  constructor(columns: readonly FileColumn[], max: number) {
    this.#columns = columns
    this.#max = max
  }

  take(line: FileLine): FileRow | undefined {
    if (line.bytes === undefined) return this.#unreadable(line.number, TOO_LONG)
    const text = textOf(line)
    if (text === undefined) return this.#unreadable(line.number, NOT_UTF8)
    const open = this.#open
    if (open === undefined) return this.#record(line.number, text)
    const whole = `${open.text}\n${text}`
    if (whole.length > this.#max) return this.#unreadable(line.number, OPEN_QUOTE)
    this.#open = turnsQuote(text) ? undefined : { line: open.line, text: whole }
    return this.#open === undefined ? this.#record(open.line, whole) : undefined
  }

  /** What is left when the file has ended. */
  end(): FileRow | undefined {
    if (this.#header === undefined) throw new MizanError('BAD_INPUT', `the header cannot be read: ${OPEN_QUOTE}`)
    return this.#open === undefined ? undefined : faulty(this.#open.line, '', OPEN_QUOTE)
  }

  #unreadable(line: number, reason: string): FileRow {
    if (this.#header === undefined) throw new MizanError('BAD_INPUT', `the header cannot be read: ${reason}`)
    const first = this.#open?.line ?? line
    this.#open = undefined
    return faulty(first, '', first === line ? reason : `${reason} (lines ${first} to ${line})`)
  }

  #record(line: number, text: string): FileRow | undefined {
    if (this.#header === undefined) this.#separator = separatorOf(text)
    const cells = csvCells(text, this.#separator)
    if (cells === 'open-quote') {
      this.#open = { line, text }
      return undefined
    }
    if (cells === 'misplaced-quote') return this.#unreadable(line, 'a quote stands in the middle of a cell')
    if (this.#header === undefined) {
      this.#header = headerOf(cells, this.#columns)
      return undefined
    }
    return cells.length === 1 && cells[0] === '' ? undefined : rowOf(this.#header, line, cells)
  }
}

function separatorOf(header: string): string {
  const count = (separator: string) => header.split(separator).length
  return SEPARATORS.reduce((best, other) => (count(other) > count(best) ? other : best))
}

/** A name of a column as people make them up. */
const COLUMN_NAME = /^[A-Za-z0-9_]{1,40}$/

/** Whether a text may be said again as the name of a column: a value of a person that stands in its place may not. */
function isColumnName(text: string): boolean {
  return COLUMN_NAME.test(text) && text.replaceAll(/\d/g, '').length * 2 > text.length
}

/**
 * A first line without one known column is most likely a record, whose cells are persons' values: nothing of it is said.
 * @throws MizanError BAD_INPUT with all that does not fit
 */
function headerOf(cells: readonly string[], columns: readonly FileColumn[]): readonly FileColumn[] {
  const known = columns.filter((column) => column.nested !== true)
  const header: FileColumn[] = []
  const faults: string[] = []
  const columnOf = (cell: string) => known.find((one) => one.name.toLowerCase() === cell.toLowerCase())
  const names = known.map((column) => (column.required ? column.name : `[${column.name}]`)).join(', ')
  if (!cells.some((cell) => columnOf(cell) !== undefined)) {
    throw new MizanError('BAD_INPUT', `the first line names no column: is the header line missing? Columns: ${names}`)
  }
  for (const [index, cell] of cells.entries()) {
    const column = columnOf(cell)
    if (column === undefined) {
      faults.push(`column ${isColumnName(cell) ? `"${cell}"` : index + 1} is not known`)
    } else if (header.includes(column)) faults.push(`column "${column.name}" stands twice`)
    else header.push(column)
  }
  for (const column of known) {
    if (column.required && !header.includes(column)) faults.push(`column "${column.name}" is missing`)
  }
  if (faults.length === 0) return header
  throw new MizanError('BAD_INPUT', `the header does not fit: ${faults.join('; ')}. Columns: ${names}`)
}

function rowOf(header: readonly FileColumn[], line: number, cells: readonly string[]): FileRow {
  if (cells.length !== header.length) {
    return faulty(line, '', `there are ${cells.length} cells and ${header.length} columns`, cells)
  }
  const fields: Record<string, string> = {}
  for (const [index, column] of header.entries()) {
    const value = fieldText(column, cells[index] ?? '')
    if (value !== '') fields[column.name] = value
  }
  return { line, fields, nested: {}, cells, faults: [] }
}

class JsonRows {
  readonly #columns: ReadonlyMap<string, FileColumn>

  constructor(columns: readonly FileColumn[]) {
    this.#columns = new Map(columns.map((column) => [column.name, column]))
  }

  take(line: FileLine): FileRow | undefined {
    if (line.bytes === undefined) return faulty(line.number, '', TOO_LONG)
    const text = textOf(line)
    if (text === undefined) return faulty(line.number, '', NOT_UTF8)
    if (text.trim() === '') return undefined
    let object: unknown
    try {
      object = JSON.parse(text)
    } catch {
      // The parser's own words repeat the text, which may be a person's.
      return faulty(line.number, '', 'the line is not JSON')
    }
    if (typeof object !== 'object' || object === null || Array.isArray(object)) {
      return faulty(line.number, '', 'the line is not a JSON object')
    }
    return this.#row(line.number, object)
  }

  end(): undefined {
    return undefined
  }

  #row(line: number, object: object): FileRow {
    const fields: Record<string, string> = {}
    const nested: Record<string, unknown> = {}
    const faults: RowFault[] = []
    for (const [name, value] of Object.entries(object)) {
      const column = this.#columns.get(name)
      if (column === undefined) {
        faults.push({ field: isColumnName(name) ? name : '?', reason: 'is not known' })
      } else if (value === null) {
        // Absent.
      } else if (column.nested === true) {
        if (typeof value === 'object') nested[name] = value
        else faults.push({ field: name, reason: 'must be an array or an object' })
      } else if (typeof value === 'object') {
        faults.push({ field: name, reason: 'must be a text, a number, true or false' })
      } else {
        const text = fieldText(column, String(value))
        if (text !== '') fields[name] = text
      }
    }
    return { line, fields, nested, cells: [], faults }
  }
}

function fieldText(column: FileColumn, written: string): string {
  const value = written.trim()
  return column.text === true ? value : asciiDigits(value)
}
