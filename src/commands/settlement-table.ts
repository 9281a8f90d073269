/** A table for people: columns as wide as what stands in them, numbers to the right. */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): readonly string[] {
  const texts = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)))
  return texts.map((row, line) =>
    row
      .map((text, column) => {
        const isNumber = line > 0 && /^-?[\d,]+(\.\d\d)?$/.test(text)
        return isNumber ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
}
