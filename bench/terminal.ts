let lineOpen = false

/** Shows how far something is, on one line of a terminal that is written over; nothing elsewhere. */
export function progress(text: string): void {
  if (!process.stderr.isTTY) return
  process.stderr.write(`\r\u001b[K${text}`)
  lineOpen = text !== ''
}

/** Says something to the person at the terminal, on stderr: stdout is for results. */
export function note(text: string): void {
  if (lineOpen) process.stderr.write('\r\u001b[K')
  lineOpen = false
  process.stderr.write(`${text}\n`)
}

/** Rows of text in columns: the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`
}

/** A figure with a sensible number of digits: 12,345, 123, 12.3, 1.23. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  const decimals = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}
