import type { ReportSection, ReportTable } from './report-parts.ts'

/** The report of a day as lines of text; pure. */
export function reportText(sections: readonly ReportSection[]): string {
  return `${sections.map((section) => sectionLines(section).join('\n')).join('\n\n')}\n`
}

function sectionLines({ title, facts, tables, notes }: ReportSection): string[] {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return [
    title,
    '='.repeat(title.length),
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${plain(value)}`),
    ...tables.flatMap((table) => ['', `${table.title}:`, ...tableLines(table)]),
    ...notes.map((note) => plain(note)),
  ]
}

function tableLines({ columns, rows, sums }: ReportTable): string[] {
  const all = [columns.map(({ head }) => head), ...rows, ...sums].map((row) => row.map(plain))
  const widths = columns.map((_, index) => Math.max(...all.map((row) => row[index]?.length ?? 0)))
  const lines = all.map((row) =>
    row
      .map((text, index) =>
        columns[index]?.right === true ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)))
  return [lines[0] ?? '', rule, ...lines.slice(1, rows.length + 1), ...(sums.length === 0 ? [] : [rule])].concat(
    lines.slice(rows.length + 1),
  )
}

/** Text without what would steer a terminal or break the line. */
function plain(text: string): string {
  return text.replace(/\p{C}+/gu, ' ')
}
