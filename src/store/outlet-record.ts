import type { OutletStanding, OutletStatus } from '../authorization/outlet.ts'
import { type OutletCategory, outletCategories } from '../benefit/programme-schema.ts'
import { DATE_FORM, readDate } from '../calendar.ts'
import { isGovernorate } from '../card/governorates.ts'
import type { Client } from './connection.ts'

/** What is kept of an outlet besides its terminals and its status. */
export interface OutletDetails {
  readonly name: string
  readonly nameAr: string
  readonly category: OutletCategory
  readonly mcc: string
  /** ISO 3166-2:EG without the country. */
  readonly governorate: string
  /** Whether its terminals can take a partial approval. */
  readonly partialApproval: boolean
  readonly licence: string | null
  /** yyyy-mm-dd, the first and last day of the licence. */
  readonly licenceFrom: string | null
  readonly licenceTo: string | null
  /** hh:mm of the Cairo clock. */
  readonly opens: string | null
  readonly closes: string | null
  readonly fuel: 'diesel' | 'gas' | 'electricity' | null
  /** Sacks of 100 kg. */
  readonly flourSacksDaily: number | null
  readonly settlementBank: string | null
  readonly settlementAccount: string | null
}

export interface TerminalRecord {
  /** DE41. */
  readonly id: string
  readonly serial: string | null
  readonly status: 'active' | 'stopped'
  /** yyyy-mm-dd, the first and the last day. */
  readonly from: string | null
  readonly to: string | null
}

/** An outlet as it is stored. */
export interface StoredOutlet {
  readonly id: number
  /** DE42. */
  readonly acceptor: string
  readonly details: OutletDetails
  /** By id. */
  readonly terminals: readonly TerminalRecord[]
  /** In order of their dates; without any it is active. */
  readonly standings: readonly OutletStanding[]
}

/** What an outlet is to become: what is absent stays as it is, and null takes a value away. */
export interface OutletInput {
  readonly acceptor: string
  readonly details: Partial<OutletDetails>
  /** Those to be added or changed; the others stay. */
  readonly terminals: readonly (Pick<TerminalRecord, 'id'> & Partial<TerminalRecord>)[]
  /** @default the status that it has */
  readonly status?: OutletStatus
  /** First day of the status, yyyy-mm-dd. @default today */
  readonly statusFrom?: string
  /** Why it gets the status. */
  readonly statusReason?: string
}

/** A change of master data, for an audit. Called in the transaction of the change. */
export type AuditHook = (
  client: Client,
  entry: { readonly action: string; readonly target: string; readonly detail: Readonly<Record<string, unknown>> },
) => Promise<void>

/** In whose name master data is changed. */
export interface MasterDataAuthor {
  /** Up to 64 characters. */
  readonly actor: string
  readonly audit?: AuditHook
}

/** What is wrong with a value of an outlet. */
export interface OutletFault {
  readonly field: string
  readonly reason: string
}

/** An optional value that is taken away, as a file says it. */
export const CLEARED = '-'

/** Characters of an outlet's name, in either script, at most. */
export const OUTLET_NAME_MAX = 200
/** How a bank is named where an outlet is paid: 2 to 11 capital letters and digits. */
export const SETTLEMENT_BANK = /^[A-Z0-9]{2,11}$/
/** An account at that bank: 4 to 34 capital letters and digits. */
export const SETTLEMENT_ACCOUNT = /^[A-Z0-9]{4,34}$/

/** Whether a text is a date as everything that reads it back takes it. */
export function isDateText(text: string): boolean {
  return readDate(text) !== undefined
}

type Parsed<Value> = { readonly value: Value } | { readonly fault: string }

const fault = (reason: string) => ({ fault: reason })
const matching = (pattern: RegExp, what: string) => (text: string) =>
  pattern.test(text) ? { value: text } : fault(`must be ${what}`)
const oneOf =
  <Value extends string>(values: readonly Value[]) =>
  (text: string): Parsed<Value> => {
    const value = values.find((one) => one === text.toLowerCase())
    return value === undefined ? fault(`must be one of ${values.join(', ')}`) : { value }
  }
const date = (text: string) => (isDateText(text) ? { value: text } : fault(`must be ${DATE_FORM}`))
const upTo = (max: number) => (text: string) =>
  text.length <= max ? { value: text } : fault(`must have at most ${max} characters`)

/** How each value of an outlet is read from text. */
export const detailParsers: {
  readonly [Field in keyof OutletDetails]-?: (text: string) => Parsed<OutletDetails[Field]>
} = {
  name: upTo(OUTLET_NAME_MAX),
  nameAr: upTo(OUTLET_NAME_MAX),
  category: oneOf(outletCategories),
  mcc: matching(/^\d{4}$/, 'four digits'),
  governorate: (text) =>
    isGovernorate(text.toUpperCase())
      ? { value: text.toUpperCase() }
      : fault('must be the code of a governorate, such as PTS (ISO 3166-2:EG)'),
  partialApproval: (text) => {
    const yes = oneOf(['yes', 'true', '1', 'no', 'false', '0'])(text)
    return 'fault' in yes ? fault('must be yes or no') : { value: ['yes', 'true', '1'].includes(yes.value) }
  },
  licence: upTo(40),
  licenceFrom: date,
  licenceTo: date,
  opens: matching(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time from 00:00 to 23:59'),
  closes: matching(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'a time from 00:00 to 24:00'),
  fuel: oneOf(['diesel', 'gas', 'electricity'] as const),
  flourSacksDaily: (text) =>
    /^\d{1,5}$/.test(text) && Number(text) <= 10_000
      ? { value: Number(text) }
      : fault('must be a whole number of sacks from 0 to 10000'),
  settlementBank: matching(SETTLEMENT_BANK, '2 to 11 capital letters and digits'),
  settlementAccount: matching(SETTLEMENT_ACCOUNT, '4 to 34 capital letters and digits, such as an IBAN without blanks'),
}

/** Values that an outlet may be without. */
const optional: ReadonlySet<string> = new Set<keyof OutletDetails>([
  'licence',
  'licenceFrom',
  'licenceTo',
  'opens',
  'closes',
  'fuel',
  'flourSacksDaily',
  'settlementBank',
  'settlementAccount',
])

/**
 * Reads the values of an outlet from texts.
 * @param texts by field; `-` takes an optional value away
 * @param faults gets what is wrong
 */
export function parseDetails(texts: Readonly<Record<string, string>>, faults: OutletFault[]): Partial<OutletDetails> {
  const details: Record<string, unknown> = {}
  for (const field of Object.keys(detailParsers) as (keyof OutletDetails)[]) {
    const text = texts[field]
    if (text === undefined) continue
    if (text === CLEARED && optional.has(field)) {
      details[field] = null
      continue
    }
    const parsed = detailParsers[field](text)
    if ('fault' in parsed) faults.push({ field, reason: parsed.fault })
    else details[field] = parsed.value
  }
  return details
}

/** DE42 as it may be registered. */
export const ACCEPTOR = /^[\x21-\x7e](?:[\x20-\x7e]{0,13}[\x21-\x7e])?$/
/** DE41 as it may be registered. */
export const TERMINAL_ID = /^[A-Za-z0-9]{1,8}$/

/** What is wrong with an input whose values are typed already, such as one of the API. */
export function checkInput({ acceptor, details, terminals, statusFrom }: OutletInput): OutletFault[] {
  const faults: OutletFault[] = []
  if (!ACCEPTOR.test(acceptor)) {
    faults.push({ field: 'acceptor', reason: 'must have 1 to 15 printable characters (DE42)' })
  }
  for (const [field, value] of Object.entries(details)) {
    if (value === undefined || value === '') continue
    const parsed = value === null ? absent(field) : detailParsers[field as keyof OutletDetails](String(value))
    if ('fault' in parsed) faults.push({ field, reason: parsed.fault })
  }
  for (const { id, serial, from, to } of terminals) {
    if (!TERMINAL_ID.test(id)) faults.push({ field: 'terminals', reason: 'an id has 1 to 8 letters and digits (DE41)' })
    if ((serial ?? '').length > 40)
      faults.push({ field: 'terminals', reason: `${id}: serial has at most 40 characters` })
    const dates = [from, to].filter((one) => typeof one === 'string')
    if (!dates.every(isDateText)) faults.push({ field: 'terminals', reason: `${id}: each must be ${DATE_FORM}` })
  }
  if (statusFrom !== undefined && !isDateText(statusFrom)) {
    faults.push({ field: 'statusFrom', reason: `must be ${DATE_FORM}` })
  }
  return faults
}

function absent(field: string): Parsed<null> {
  return optional.has(field) ? { value: null } : fault('must be given')
}
