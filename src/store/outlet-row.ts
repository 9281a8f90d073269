import { outletStatuses } from '../authorization/outlet.ts'
import { DATE_FORM } from '../calendar.ts'
import type { FileColumn, FileRow } from '../files/delimited-reader.ts'
import {
  ACCEPTOR,
  CLEARED,
  detailParsers,
  isDateText,
  type OutletFault,
  type OutletInput,
  parseDetails,
  TERMINAL_ID,
  type TerminalRecord,
} from './outlet-record.ts'

const textColumns: ReadonlySet<string> = new Set(['name', 'nameAr', 'licence', 'statusReason'])

/** Columns of an outlet file; `terminals` is a list in NDJSON. */
export function outletColumns(format: 'csv' | 'ndjson'): FileColumn[] {
  const names = [...Object.keys(detailParsers), 'status', 'statusFrom', 'statusReason']
  return [
    { name: 'acceptor', required: true, text: true },
    ...names.map((name) => ({ name, required: false, text: textColumns.has(name) })),
    { name: 'terminals', required: false, nested: format === 'ndjson' },
  ]
}

/**
 * Reads a row of an outlet file: one outlet with its terminals.
 * @param reason of a status without one of its own
 * @returns what is wrong with it, or the outlet
 */
export function outletOfRow(row: FileRow, reason: string): OutletInput | readonly OutletFault[] {
  if (row.faults.some(({ field }) => field === '')) return row.faults
  const faults: OutletFault[] = [...row.faults]
  const { fields } = row
  const { acceptor = '' } = fields
  if (!ACCEPTOR.test(acceptor))
    faults.push({ field: 'acceptor', reason: 'must have 1 to 15 printable characters (DE42)' })
  const details = parseDetails(fields, faults)
  const { status: statusText, statusFrom, statusReason = reason } = fields
  const status = outletStatuses.find((one) => one === statusText?.toLowerCase())
  if (statusText !== undefined && status === undefined) {
    faults.push({ field: 'status', reason: `must be one of ${outletStatuses.join(', ')}` })
  }
  if (statusFrom !== undefined && !isDateText(statusFrom)) {
    faults.push({ field: 'statusFrom', reason: `must be ${DATE_FORM}` })
  }
  const terminals = terminalsOf(row, faults)
  if (faults.length > 0) return faults
  return {
    acceptor,
    details,
    terminals,
    ...(status === undefined ? {} : { status, statusReason }),
    ...(statusFrom === undefined ? {} : { statusFrom }),
  }
}

type TerminalInput = OutletInput['terminals'][number]

/** `id:serial:status:from:to|…` in CSV, where what is behind the id may be empty or absent; objects in NDJSON. */
function terminalsOf({ fields, nested }: FileRow, faults: OutletFault[]): TerminalInput[] {
  if (fields.terminals !== undefined) {
    return fields.terminals.split('|').flatMap((text) => {
      const [id, serial, status, from, to, ...more] = text.split(':').map((part) => part.trim())
      if (more.length === 0) return terminalOf({ id, serial, status, from, to }, faults)
      faults.push({ field: 'terminals', reason: 'a terminal is written id:serial:status:from:to' })
      return []
    })
  }
  if (nested.terminals === undefined) return []
  if (!Array.isArray(nested.terminals)) {
    faults.push({ field: 'terminals', reason: 'must be a list' })
    return []
  }
  return nested.terminals.flatMap((one: unknown) => {
    if (typeof one === 'string') return terminalOf({ id: one }, faults)
    if (typeof one === 'object' && one !== null) return terminalOf({ ...one }, faults)
    faults.push({ field: 'terminals', reason: 'must be ids or objects' })
    return []
  })
}

function terminalOf(given: Record<string, unknown>, faults: OutletFault[]): TerminalInput[] {
  const before = faults.length
  const refuse = (reason: string) => faults.push({ field: 'terminals', reason })
  const known = ['id', 'serial', 'status', 'from', 'to']
  for (const key of Object.keys(given)) if (!known.includes(key)) refuse(`a terminal has no "${key.slice(0, 40)}"`)
  const text = (key: string) => {
    const value = given[key]
    return value === undefined || value === '' ? undefined : String(value)
  }
  const id = text('id') ?? ''
  const name = TERMINAL_ID.test(id) ? `terminal ${id}` : 'a terminal'
  if (!TERMINAL_ID.test(id)) refuse('the id of a terminal has 1 to 8 letters and digits (DE41)')
  const status = text('status')
  if (status !== undefined && status !== 'active' && status !== 'stopped')
    refuse(`${name}: status is active or stopped`)
  const serial = text('serial')
  if (serial !== undefined && serial.length > 40) refuse(`${name}: serial has at most 40 characters`)
  const dates: { from?: string | null; to?: string | null } = {}
  for (const key of ['from', 'to'] as const) {
    const date = given[key] === null ? CLEARED : text(key)
    if (date === undefined) continue
    if (date !== CLEARED && !isDateText(date)) refuse(`${name}: ${key} must be ${DATE_FORM}`)
    dates[key] = date === CLEARED ? null : date
  }
  if (faults.length > before) return []
  return [
    {
      id,
      ...dates,
      ...(serial === undefined ? {} : { serial: serial === CLEARED ? null : serial }),
      ...(status === undefined ? {} : { status: status as TerminalRecord['status'] }),
    },
  ]
}
