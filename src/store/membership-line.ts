import { type CivilDate, DATE_FORM, readDate } from '../calendar.ts'
import { isMembershipEvent, type MembershipEvent, membershipEvents } from '../card/membership.ts'
import { readNationalId } from '../card/national-id.ts'
import { NAME_FORM, readPersonName } from '../card/person-name.ts'
import type { FileColumn, FileFormat, FileRow, RowFault } from '../files/delimited-reader.ts'
import { asciiDigits } from '../identifiers.ts'
import { isReason, REASON_MAX } from './people-desk.ts'

/** A line of a membership file that is well-formed. */
export interface MembershipLine {
  readonly line: number
  readonly householdId: number
  readonly event: MembershipEvent
  /** 14 digits; undefined when the person is named by the key of the ministry, or none is named. */
  readonly nationalId: string | undefined
  readonly memberKey: string | undefined
  /** Of a person who may be new. */
  readonly name: string | undefined
  readonly effective: CivilDate
  readonly reasonCode: string
  readonly reason: string | undefined
}

/** What the end of a file says of it. */
export interface Trailer {
  readonly lines: number
  readonly events: Readonly<Record<MembershipEvent, number>>
}

/** A row as it was understood. */
export type MembershipRow =
  | { readonly kind: 'line'; readonly value: MembershipLine }
  | { readonly kind: 'trailer'; readonly value: Trailer }
  | { readonly kind: 'faulty'; readonly line: number; readonly faults: readonly RowFault[] }

const columns: readonly FileColumn[] = [
  { name: 'household', required: true },
  { name: 'event', required: true },
  { name: 'nationalId', required: true },
  { name: 'memberKey', required: false },
  { name: 'name', required: false, text: true },
  { name: 'effective', required: true },
  { name: 'reasonCode', required: true },
  { name: 'reason', required: false, text: true },
]
/** Keys of the object that ends an NDJSON file. */
const totals = ['lines', 'added', 'removed', 'headChanged', 'suspended', 'reinstated']

/** The columns of a membership file; the trailer of an NDJSON file has keys of its own. */
export function membershipColumns(format: FileFormat): readonly FileColumn[] {
  return format === 'csv' ? columns : [...columns, ...totals.map((name) => ({ name, required: false }))]
}

const TRAILER = 'TOTAL'

/** Reads one row: a change, the trailer, or all that is wrong with it. The words never repeat what was given. */
export function membershipRow(row: FileRow, format: FileFormat, today: CivilDate): MembershipRow {
  const { line, cells, fields } = row
  if (format === 'csv' && cells[0]?.toUpperCase() === TRAILER) return trailerOf(line, cells.slice(1))
  if (format === 'ndjson' && fields.event?.toUpperCase() === TRAILER) {
    return trailerOf(
      line,
      totals.map((name) => fields[name] ?? ''),
    )
  }
  if (row.faults.length > 0) return { kind: 'faulty', line, faults: row.faults }
  const faults: RowFault[] = []
  const fault = (field: string, reason: string) => void faults.push({ field, reason })
  const { household = '', event = '', nationalId: id, memberKey, name, reasonCode = '', reason } = fields
  if (!/^[1-9]\d{0,10}$/.test(household)) fault('household', 'the number of a household has up to 11 digits')
  if (!isMembershipEvent(event)) fault('event', `one of ${membershipEvents.join(', ')}`)
  const effective = readDate(fields.effective ?? '')
  if (effective === undefined) fault('effective', `must be ${DATE_FORM}`)
  if (!/^[a-z][a-z-]{1,31}$/.test(reasonCode)) fault('reasonCode', 'a word such as birth, death or moved')
  if (reason !== undefined && !isReason(reason)) {
    fault('reason', `up to ${REASON_MAX} characters, without long numbers`)
  }
  if (memberKey !== undefined && !/^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$/.test(memberKey)) {
    fault('memberKey', 'up to 32 letters, digits, dots and hyphens')
  }
  if (event === 'added' && name !== undefined && readPersonName(name) === undefined) fault('name', NAME_FORM)
  const read = id === undefined ? undefined : readNationalId(id, { today })
  if (read?.fault !== undefined) fault('nationalId', read.fault)
  checkPersonNamed(event, id, memberKey, fault)
  if (faults.length > 0 || effective === undefined || !isMembershipEvent(event)) return { kind: 'faulty', line, faults }
  const value = {
    line,
    householdId: Number(household),
    event,
    nationalId: read?.id?.digits,
    memberKey,
    name,
    effective,
  }
  return { kind: 'line', value: { ...value, reasonCode, reason } }
}

function checkPersonNamed(
  event: string,
  nationalId: string | undefined,
  memberKey: string | undefined,
  fault: (field: string, reason: string) => void,
): void {
  const isOfHousehold = event === 'suspended' || event === 'reinstated'
  if (isOfHousehold && nationalId !== undefined) fault('nationalId', 'is for changes of one person')
  if (event === 'added' && nationalId === undefined) fault('nationalId', 'who is added is named by the national ID')
  if (['removed', 'head-changed'].includes(event) && nationalId === undefined && memberKey === undefined) {
    fault('nationalId', 'the person is named by the national ID or the memberKey')
  }
}

function trailerOf(line: number, cells: readonly string[]): MembershipRow {
  const figures = cells.filter((cell) => cell !== '').map((cell) => Number(asciiDigits(cell)))
  const [lines, added, removed, headChanged, suspended, reinstated] = figures
  if (figures.length !== totals.length || figures.some((figure) => !Number.isSafeInteger(figure) || figure < 0)) {
    const faults = [{ field: '', reason: `the trailer has ${totals.length} numbers: ${totals.join(', ')}` }]
    return { kind: 'faulty', line, faults }
  }
  const events = { added, removed, 'head-changed': headChanged, suspended, reinstated }
  return { kind: 'trailer', value: { lines, events } as Trailer }
}
