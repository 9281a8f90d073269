import { periodOf } from '../benefit/entitlement.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import { type CivilDate, type CivilMonth, isCivilDate } from '../calendar.ts'
import { isGovernorate } from '../card/governorates.ts'
import {
  accountPlaces,
  cardKinds,
  cardStatuses,
  type HouseholdTerm,
  householdStatuses,
  oldRationCardStates,
} from '../card/household.ts'
import type { FileColumn, FileRow, RowFault } from '../files/delimited-reader.ts'
import { isLuhnValid } from '../identifiers.ts'
import { OWNER_SPAN } from '../ledger/accounts.ts'
import { FieldReader } from './bulk-fields.ts'
import { type PersonRow, peopleOf } from './bulk-people.ts'
import type { CardRecord, HouseholdRecord, OpeningGrant } from './household-loader.ts'

/** A card as a file brings it: its number in clear, or sealed under a transport key. */
export interface CardInput
  extends Pick<CardRecord, 'kind' | 'expiry' | 'sequenceNumber' | 'serviceCode' | 'status' | 'pvki' | 'pvv'> {
  /** Undefined: it gets the next number. */
  readonly id: number | undefined
  readonly pan: { readonly clear: string } | { readonly sealed: Buffer }
}

/** A household as a file brings it. */
export interface HouseholdInput extends Omit<HouseholdRecord, 'cards'> {
  readonly cards: readonly CardInput[]
  /** None, or all of its members. */
  readonly people: readonly PersonRow[]
}

/** What a file says that it holds, in its last line. */
export interface StatedTotals {
  readonly households?: number
  readonly members?: number
  readonly cards?: number
  readonly postalPiasters?: number
}

/** Keys of the objects of a household file. */
export const householdColumns: readonly FileColumn[] = [
  ...['household', 'governorate', 'oldRationCard', 'closedMonth', 'accountAt', 'postalPiasters'].map((name) => ({
    name,
    required: false,
  })),
  ...['terms', 'classes', 'cards', 'balances', 'people', 'trailer'].map((name) => ({
    name,
    required: false,
    nested: true,
  })),
]

/** What a row is read by. */
export interface HouseholdRowRules {
  readonly programmes: ProgrammeBook
  /** Month before the one in which the load takes place: of a household that says nothing else. */
  readonly closedMonth: CivilMonth
  readonly today: CivilDate
}

const TERMS_MAX = 100
const CARDS_MAX = 10
const BALANCES_MAX = 100
const CLASSES_MAX = 16
const CLASS = /^[a-z0-9-]{1,32}$/
/** A hundred million pounds: more than any account of a household holds. */
const AMOUNT_MAX = 10_000_000_000

/** Reads the trailer of a file; undefined when the row is none. */
export function trailerOf(row: FileRow): StatedTotals | readonly RowFault[] | undefined {
  if (row.nested.trailer === undefined) return undefined
  const reader = new FieldReader(row.nested.trailer, 'trailer')
  const trailer: Record<string, number> = {}
  for (const key of ['households', 'members', 'cards', 'postalPiasters']) {
    const value = reader.integer(key, 0, Number.MAX_SAFE_INTEGER, undefined)
    if (value !== undefined) trailer[key] = value
  }
  reader.end()
  return reader.faults.length > 0 ? reader.faults : trailer
}

/**
 * Reads a row of a household file. What is wrong is told without the values: some are card numbers.
 * @returns the household, or all that is wrong with it
 */
export function householdOfRow(row: FileRow, rules: HouseholdRowRules): HouseholdInput | readonly RowFault[] {
  if (row.faults.some(({ field }) => field === '')) return row.faults
  const reader = new FieldReader({ ...row.fields, ...row.nested }, '', [...row.faults])
  const id = reader.integer('household', 1, OWNER_SPAN - 1, 0)
  const governorate = reader.text(
    'governorate',
    (text) => (isGovernorate(text) ? undefined : 'must be a code such as PTS'),
    '',
  )
  const oldRationCard = reader.choice('oldRationCard', oldRationCardStates, 'none')
  const closedText = reader.text(
    'closedMonth',
    (text) => (monthOfText(text) === undefined ? 'must be a month written yyyy-mm' : undefined),
    undefined,
  )
  const closedMonth = (closedText === undefined ? undefined : monthOfText(closedText)) ?? rules.closedMonth
  const accountAt = reader.choice('accountAt', accountPlaces, 'local')
  // What is held at the account host is known there alone.
  const postalPiasters = reader.integer('postalPiasters', 0, accountAt === 'host' ? 0 : AMOUNT_MAX, 0)
  const terms = termsOf(reader)
  const classes = reader.strings('classes', CLASS, 'must be codes of small letters, digits and hyphens', CLASSES_MAX)
  const cards = reader.list('cards', CARDS_MAX).map(cardOf)
  const grants = grantsOf(reader, rules.programmes)
  const people = peopleOf(reader, terms.at(-1)?.members, rules.today)
  reader.end()
  if (reader.faults.length > 0) return reader.faults
  const sorted = [...new Set(classes)].sort()
  const states = { closedMonth, oldRationCard, accountAt }
  return { id, governorate, terms, classes: sorted, ...states, cards, postalPiasters, grants, people }
}

function termsOf(reader: FieldReader): HouseholdTerm[] {
  const terms = reader.list('terms', TERMS_MAX).map((term) => {
    const read = {
      from: term.date('from'),
      members: term.integer('members', 1, 60, 0),
      status: term.choice('status', householdStatuses, 'active'),
    }
    term.end()
    return read
  })
  if (terms.length === 0) reader.refuse('terms', 'must have at least one')
  if (terms.some((term, at) => term.from <= (terms[at - 1]?.from ?? 0))) {
    reader.refuse('terms', 'must be in order of their dates, one for a date')
  }
  return terms
}

function cardOf(card: FieldReader): CardInput {
  const id = card.integer('id', 1, OWNER_SPAN - 1, undefined)
  const kind = card.choice('kind', cardKinds, 'family')
  const status = card.choice('status', cardStatuses, 'issued')
  const expiry = card.matching('expiry', /^\d{2}(0[1-9]|1[0-2])$/, 'must be YYMM')
  const sequenceNumber = card.matching('sequenceNumber', /^\d{2}$/, 'must be two digits', '01')
  const serviceCode = card.matching('serviceCode', /^\d{3}$/, 'must be three digits', '201')
  const pvki = card.integer('pvki', 0, 9, undefined)
  const pvv = card.matching('pvv', /^\d{4}$/, 'must be four digits', '')
  if ((pvki === undefined) !== (pvv === '')) card.refuse('pvv', 'pvki and pvv go together')
  const pan = panOf(card)
  card.end()
  const pin = pvki === undefined || pvv === '' ? {} : { pvki, pvv }
  return { id, kind, status, expiry, sequenceNumber, serviceCode, pan, ...pin }
}

function panOf(card: FieldReader): CardInput['pan'] {
  const before = card.faults.length
  const clear = card.text(
    'pan',
    (text) => (isPan(text) ? undefined : 'must be a card number with a right check digit'),
    undefined,
  )
  const sealed = card.matching('panSealed', /^[A-Za-z0-9+/]{40,100}={0,2}$/, 'must be base64', '')
  const isRead = card.faults.length === before
  if (isRead && (clear === undefined) === (sealed === '')) card.refuse('pan', 'there must be either pan or panSealed')
  return clear === undefined ? { sealed: Buffer.from(sealed, 'base64') } : { clear }
}

/** Whether a text is a card number with a right check digit. */
export function isPan(text: string): boolean {
  return /^\d{13,19}$/.test(text) && isLuhnValid(text)
}

function grantsOf(reader: FieldReader, programmes: ProgrammeBook): OpeningGrant[] {
  const seen = new Set<string>()
  return reader.list('balances', BALANCES_MAX).flatMap((balance) => {
    const code = balance.text('programme', () => undefined, '')
    const wallet = programmes.wallets.find((one) => one.code === code)
    if (wallet === undefined) balance.refuse('programme', 'must be the code of a programme with a wallet')
    const amount = balance.integer('amount', 1, AMOUNT_MAX, 0)
    const text = balance.text(
      'period',
      (one) => (dateOfText(one) === undefined ? 'must be yyyy-mm, or yyyy-mm-dd' : undefined),
      '',
    )
    balance.end()
    const date = dateOfText(text)
    if (wallet === undefined || date === undefined) return []
    const period = periodOf(wallet, date)
    if (seen.has(`${code} ${period}`)) balance.refuse('period', 'stands twice')
    seen.add(`${code} ${period}`)
    return [{ programmeNumber: wallet.number, unit: wallet.unit, amount, period, lapsed: false }]
  })
}

function monthOfText(text: string): CivilMonth | undefined {
  return /^\d{4}-(0[1-9]|1[0-2])$/.test(text) ? (Number(text.replace('-', '')) as CivilMonth) : undefined
}

/** A date, or the first day of a month. */
function dateOfText(text: string): CivilDate | undefined {
  const month = monthOfText(text)
  const value = month === undefined ? Number(text.replaceAll('-', '')) : month * 100 + 1
  return (month !== undefined || /^\d{4}-\d{2}-\d{2}$/.test(text)) && isCivilDate(value) ? value : undefined
}
