/** A record that cannot be cut into cells: a quote where none may be, or one that is not closed in it. */
export type UncutRecord = 'misplaced-quote' | 'open-quote'

/** Whether a text has an odd number of quotes: it opens or closes a quoted cell. */
export function turnsQuote(text: string): boolean {
  let odd = false
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) odd = !odd
  return odd
}

/**
 * Cells of one record (RFC 4180): a cell in quotes may hold the separator, line ends, and quotes written twice. White
 * space around a cell without quotes is not part of it.
 */
export function csvCells(text: string, separator: string): string[] | UncutRecord {
  // Nearly all lines have no quote.
  if (!text.includes('"')) return text.split(separator).map((cell) => cell.trim())
  const cells: string[] = []
  let at = 0
  for (;;) {
    while (text[at] === ' ') at++
    const cell = text[at] === '"' ? quotedCell(text, at) : plainCell(text, at, separator)
    if (typeof cell === 'string') return cell
    cells.push(cell.value)
    if (cell.end >= text.length) return cells
    if (text[cell.end] !== separator) return 'misplaced-quote'
    at = cell.end + 1
  }
}

interface Cell {
  readonly value: string
  /** Where its separator stands. */
  readonly end: number
}

function plainCell(text: string, from: number, separator: string): Cell | UncutRecord {
  const found = text.indexOf(separator, from)
  const end = found === -1 ? text.length : found
  const value = text.slice(from, end)
  return value.includes('"') ? 'misplaced-quote' : { value: value.trim(), end }
}

function quotedCell(text: string, from: number): Cell | UncutRecord {
  let value = ''
  let at = from + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return 'open-quote'
    value += text.slice(at, quote)
    if (text[quote + 1] !== '"') {
      let end = quote + 1
      while (text[end] === ' ') end++
      return { value, end }
    }
    value += '"'
    at = quote + 2
  }
}
