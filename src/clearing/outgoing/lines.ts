import { MizanError } from '../../errors.ts'
import { csvCells } from '../../files/csv-cells.ts'
import { splitLines } from '../../files/line-splitter.ts'

/** A cell of a line. */
export type Cell = string | number | bigint | undefined

/** One line of a file of lines: cells with commas between them, quoted where one has a comma or a quote (RFC 4180). */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(',')}\n`
}

function cellText(cell: Cell): string {
  if (cell === undefined) return ''
  if (typeof cell !== 'string') return String(cell)
  const plain = cell.replaceAll(/[\r\n]+/g, ' ')
  return /[",]|^\s|\s$/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

/** A line that was read: what it is (its first cell) and its cells. */
export interface TextLine {
  readonly number: number
  readonly kind: string
  readonly cells: readonly string[]
}

const LINE_MAX_BYTES = 4_096

/**
 * Reads a file of lines as a stream.
 * @throws MizanError BAD_INPUT naming file and line
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<TextLine> {
  for await (const { number, bytes } of splitLines(chunks, LINE_MAX_BYTES)) {
    if (bytes === undefined) throw lineProblem(file, number, `is longer than ${LINE_MAX_BYTES} bytes`)
    const cells = csvCells(bytes.toString('utf8'), ',')
    if (typeof cells === 'string') throw lineProblem(file, number, 'has a quote where none may be')
    yield { number, kind: cells[0] ?? '', cells }
  }
}

/** What is wrong with a line. */
export function lineProblem(file: string, number: number, what: string): MizanError {
  return new MizanError('BAD_INPUT', `${file}, line ${number} ${what}`)
}

/** A cell that must be a whole number. @throws MizanError BAD_INPUT */
export function wholeCell(file: string, { number, cells }: TextLine, at: number, name: string): bigint {
  const text = cells[at] ?? ''
  if (!/^-?\d{1,20}$/.test(text)) throw lineProblem(file, number, `has no whole number for ${name} (cell ${at + 1})`)
  return BigInt(text)
}

/** Sums of identifiers in trailers are cut to eighteen digits. */
export const HASH_MODULUS = 1_000_000_000_000_000_000n
