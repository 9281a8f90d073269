import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * A reader of clearing files that shares no code with the one of the program: it cuts lines by the positions of the
 * layout file and nothing else. For small files.
 */
export interface PlainRecord {
  readonly layout: string
  readonly fields: Readonly<Record<string, string>>
}

interface PlainLayout {
  readonly name: string
  readonly transactionCodes: readonly string[]
  readonly component?: string
  readonly group?: string
  readonly fields: readonly { readonly name: string; readonly start: number; readonly length: number }[]
}

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'schemas', 'clearing')
export const plainLayouts = (
  JSON.parse(readFileSync(path.join(folder, 'base2.json'), 'utf8')) as { layouts: readonly PlainLayout[] }
).layouts

/** Cuts a file of records without line ends or hashes. */
export function plainRecords(file: Buffer): PlainRecord[] {
  if (file.length % 168 !== 0) throw new Error(`the file has ${file.length} bytes, no multiple of 168`)
  const records: PlainRecord[] = []
  for (let at = 0; at < file.length; at += 168) {
    const line = file.toString('latin1', at, at + 168)
    const code = line.slice(0, 2)
    const layout = plainLayouts.find(
      (one) => one.group === undefined && one.transactionCodes.includes(code) && (one.component ?? line[3]) === line[3],
    )
    if (layout === undefined) throw new Error(`record ${records.length + 1} has no layout`)
    const fields = layout.fields.map(({ name, start, length }) => [name, line.slice(start - 1, start - 1 + length)])
    records.push({ layout: layout.name, fields: Object.fromEntries(fields) as Record<string, string> })
  }
  return records
}

/** Luhn by its definition: every second digit from the right doubled, the digits summed. */
export function luhnHolds(digits: string): boolean {
  const sum = Array.from(digits)
    .reverse()
    .flatMap((digit, index) => Array.from(String(Number(digit) * (index % 2 === 1 ? 2 : 1))))
    .reduce((total, digit) => total + Number(digit), 0)
  return sum % 10 === 0
}

/** What an independent look at a file without line ends finds of its totals. */
export function plainTotals(records: readonly PlainRecord[]) {
  const drafts = records.filter(({ layout }) => layout === '05.0')
  const sum = (name: string) => drafts.reduce((total, { fields }) => total + BigInt(fields[name] ?? '0'), 0n)
  return {
    drafts: drafts.length,
    batches: records.filter(({ layout }) => layout === '91').length,
    behindHeader: records.length - 1,
    destination: sum('destinationAmount'),
    source: sum('sourceAmount'),
  }
}
