import { maskPan } from '../../identifiers.ts'
import type { FileType } from '../../store/clearing/files.ts'
import { type ClearingRecord, readRecords } from '../records/record-reader.ts'
import { readLines } from './lines.ts'

/** A record of a file for people: card numbers are masked, empty and reserved fields are left out. */
export interface RecordView {
  /** From 1: of a file of lines its line. */
  readonly number: number
  readonly title: string
  readonly fields: Readonly<Record<string, string>>
}

/** Names of the cells of lines, by kind of file and line (docs/clearing.md). */
const cellNames: Readonly<Record<string, Readonly<Record<string, readonly [title: string, ...names: string[]]>>>> = {
  SUB: {
    H: [
      'Header',
      'type',
      'format',
      'name',
      'centre',
      'bank',
      'programme',
      'code',
      'unit',
      'businessDate',
      'cycle',
      'sequence',
    ],
    I: ['Item', 'number', 'authorization', 'kind', 'acceptor', 'entitlementDate', 'quantity', 'coPaymentPiasters'],
    S: [
      'Subtotal of an outlet',
      ...['acceptor', 'outlet', 'account', 'entitlementDate', 'tariffVersion', 'tariffFrom', 'piastersPerUnit'],
      ...['permilleOfValue', 'items', 'dispensed', 'returned', 'quantity', 'coPaymentPiasters', 'holdersPaidPiasters'],
      'payablePiasters',
    ],
    T: [
      'Trailer',
      ...['lines', 'items', 'subtotals', 'outlets', 'dispensed', 'returned', 'quantity', 'coPaymentPiasters'],
      ...['holdersPaidPiasters', 'payablePiasters', 'authorizationHash'],
    ],
  },
  OUT: {
    H: ['Header', 'type', 'format', 'name', 'centre', 'bank', 'businessDate', 'cycle', 'sequence'],
    M: ['Money', 'acceptor', 'outlet', 'kind', 'count', 'creditPiasters', 'debitPiasters'],
    U: [
      'Programme',
      'acceptor',
      'outlet',
      'programme',
      'unit',
      'entitlementDate',
      'items',
      'quantity',
      'payablePiasters',
    ],
    O: [
      'Outlet',
      ...['acceptor', 'outlet', 'account', 'name', 'creditPiasters', 'debitPiasters', 'netPiasters', 'payablePiasters'],
      'sumPiasters',
    ],
    T: [
      'Trailer',
      ...[
        'lines',
        'items',
        'outlets',
        'creditPiasters',
        'debitPiasters',
        'netPiasters',
        'payablePiasters',
        'sumPiasters',
      ],
      'outletHash',
    ],
  },
}

/** Which records of a file are wanted. */
export interface ViewRange {
  /** Number of the first record. */
  readonly from: number
  readonly limit: number
}

/**
 * Some records of a file, for people.
 * @returns the records, and the number of the next one where there are more
 * @throws MizanError BAD_INPUT when it is no such file
 */
export async function viewFile(
  chunks: AsyncIterable<Uint8Array>,
  { type, name }: { readonly type: FileType; readonly name: string },
  { from, limit }: ViewRange,
): Promise<{ readonly records: readonly RecordView[]; readonly next: number | undefined }> {
  const records: RecordView[] = []
  for await (const view of viewsOf(chunks, type, name)) {
    if (view.number < from) continue
    if (records.length === limit) return { records, next: view.number }
    records.push(view)
  }
  return { records, next: undefined }
}

async function* viewsOf(chunks: AsyncIterable<Uint8Array>, type: FileType, name: string): AsyncGenerator<RecordView> {
  const names = cellNames[type]
  if (names === undefined) {
    if (type !== 'CTF' && type !== 'ITF') {
      yield* plainLines(chunks, name)
      return
    }
    for await (const some of readRecords(chunks, { file: name })) for (const record of some) yield recordView(record)
    return
  }
  for await (const { number, kind, cells } of readLines(chunks, name)) {
    const [title = `Line ${kind}`, ...fields] = names[kind] ?? []
    const entries = cells.slice(1).map((cell, index) => [fields[index] ?? `cell${index + 2}`, cell] as const)
    yield { number, title, fields: Object.fromEntries(entries.filter(([, cell]) => cell !== '')) }
  }
}

/** JSON and XML have no records: their lines are shown as they are, long ones in pieces. */
async function* plainLines(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<RecordView> {
  let rest = ''
  let number = 0
  const decoder = new TextDecoder('utf8')
  const view = (text: string): RecordView => ({ number: ++number, title: name, fields: { text } })
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) for (const piece of piecesOf(text)) yield view(piece)
    // A file may be one line.
    const whole = rest.length - (rest.length % LINE_MAX)
    if (whole > 0) for (const piece of piecesOf(rest.slice(0, whole))) yield view(piece)
    rest = rest.slice(whole)
  }
  if (rest !== '') yield view(rest)
}
const LINE_MAX = 4_096

function piecesOf(text: string): string[] {
  if (text.length <= LINE_MAX) return [text]
  return Array.from({ length: Math.ceil(text.length / LINE_MAX) }, (_, index) =>
    text.slice(index * LINE_MAX, (index + 1) * LINE_MAX),
  )
}

/** An extension is part of a card number; a cryptogram is nobody's but the card's and its issuer's. */
const hidden: readonly string[] = ['accountNumberExtension', 'panToken', 'cryptogram']

function recordView(record: ClearingRecord): RecordView {
  const { layout, number, transactionCode, component } = record
  const part = component === '' ? '' : ` TCR ${component}`
  const title = `TC ${transactionCode}${part}: ${layout?.title ?? 'a record that is not known'}`
  const fields: Record<string, string> = {}
  for (const { name, format } of layout?.fields ?? []) {
    if (format === 'r' || ['transactionCode', 'component'].includes(name) || record.isEmpty(name)) continue
    const text = record.text(name)
    if (name === 'accountNumber') fields[name] = maskPan(text)
    else if (hidden.includes(name)) fields[name] = '*'.repeat(text.length)
    else fields[name] = text
  }
  return { number, title, fields }
}
