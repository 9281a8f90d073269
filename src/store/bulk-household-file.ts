import { assert, MizanError } from '../errors.ts'
import { readDelimited } from '../files/delimited-reader.ts'
import { contentHash, type FileSource } from '../files/file-source.ts'
import type { Rejection } from '../files/reject-report.ts'
import {
  type HouseholdInput,
  type HouseholdRowRules,
  householdColumns,
  householdOfRow,
  type StatedTotals,
  trailerOf,
} from './bulk-household-row.ts'

/** What a household file holds: its control totals. */
export interface HouseholdFileTotals {
  /** Rows besides the trailer. */
  readonly rows: number
  /** Rows that are in order. */
  readonly households: number
  /** Of the last term of each household. */
  readonly members: number
  readonly cards: number
  readonly postalPiasters: number
  /** Opening balances by number of the programme, in its unit. */
  readonly balances: Readonly<Record<string, number>>
  readonly rejected: number
  /** Whether the file has a trailer, which agreed. */
  readonly hasTrailer: boolean
}

/** A row of a file that is in order. */
export interface HouseholdLine {
  readonly line: number
  readonly household: HouseholdInput
}

/** A file that was read once from end to end. */
export interface ScannedFile {
  readonly hash: Buffer
  readonly totals: HouseholdFileTotals
}

/** Ten million: a national file is split. */
const ROWS_MAX = 10_000_000
const RECORD_MAX_BYTES = 65_536
const TOLD_ROWS = 5_000

/**
 * Reads a file from end to end before anything is done with it: its hash, its control totals, and whether they are
 * those that its trailer states.
 * @param tell gets each fault of a row, and how many rows were read now and then
 * @throws MizanError BAD_INPUT when it is no household file, or its trailer states other totals
 */
export async function scanHouseholdFile(
  source: FileSource,
  rules: HouseholdRowRules,
  tell: { readonly onReject: (rejection: Rejection) => void; readonly onScanned?: (rows: number) => void },
): Promise<ScannedFile> {
  const hash = await contentHash(source)
  const totals = new Totals()
  let trailer: StatedTotals | undefined
  for await (const found of householdLines(source, rules)) {
    if (trailer !== undefined) throw new MizanError('BAD_INPUT', 'the file goes on behind its trailer')
    if (found.kind === 'trailer') trailer = found.stated
    else if (found.kind === 'household') totals.count(found.household)
    else {
      totals.reject()
      for (const fault of found.faults) tell.onReject({ line: found.line, ...fault })
    }
    if (totals.rows % TOLD_ROWS === 0) tell.onScanned?.(totals.rows)
  }
  const result = totals.result(trailer !== undefined)
  if (trailer !== undefined) checkTrailer(trailer, result)
  return { hash, totals: result }
}

type Found =
  | ({ readonly kind: 'household' } & HouseholdLine)
  | { readonly kind: 'trailer'; readonly stated: StatedTotals }
  | { readonly kind: 'faulty'; readonly line: number; readonly faults: readonly Omit<Rejection, 'line'>[] }

/** The rows of a household file, one after another. */
export async function* householdLines(
  source: FileSource,
  rules: HouseholdRowRules,
): AsyncGenerator<Found, void, undefined> {
  if (source.format !== 'ndjson') {
    throw new MizanError('BAD_INPUT', `${source.name}: a household file is NDJSON, one household a line (.ndjson)`)
  }
  const options = { format: source.format, columns: householdColumns, recordMaxBytes: RECORD_MAX_BYTES }
  let rows = 0
  for await (const row of readDelimited(source.open(), options)) {
    if (++rows > ROWS_MAX) throw new MizanError('BAD_INPUT', `the file has more than ${ROWS_MAX} rows: split it`)
    const { line } = row
    const trailer = trailerOf(row)
    if (trailer !== undefined) {
      if (isFaults(trailer)) throw new MizanError('BAD_INPUT', `line ${line}: the trailer cannot be read`)
      yield { kind: 'trailer', stated: trailer }
      continue
    }
    const household = householdOfRow(row, rules)
    if (isFaults(household)) yield { kind: 'faulty', line, faults: household }
    else yield { kind: 'household', line, household }
  }
}

function isFaults<Value>(read: Value | readonly Omit<Rejection, 'line'>[]): read is readonly Omit<Rejection, 'line'>[] {
  return Array.isArray(read)
}

class Totals {
  #households = 0
  #members = 0
  #cards = 0
  #postalPiasters = 0
  #rejected = 0
  readonly #balances: Record<string, number> = {}

  get rows(): number {
    return this.#households + this.#rejected
  }

  count({ terms, cards, postalPiasters, grants }: HouseholdInput): void {
    this.#households++
    this.#members += terms.at(-1)?.members ?? 0
    this.#cards += cards.length
    this.#postalPiasters += postalPiasters
    for (const { programmeNumber, amount } of grants) {
      this.#balances[programmeNumber] = (this.#balances[programmeNumber] ?? 0) + amount
    }
    assert(Number.isSafeInteger(this.#postalPiasters), 'the money of a file fits a safe integer')
  }

  reject(): void {
    this.#rejected++
  }

  result(hasTrailer: boolean): HouseholdFileTotals {
    return {
      rows: this.rows,
      households: this.#households,
      members: this.#members,
      cards: this.#cards,
      postalPiasters: this.#postalPiasters,
      balances: this.#balances,
      rejected: this.#rejected,
      hasTrailer,
    }
  }
}

/** A trailer counts every row; what is in rows that cannot be read nobody can add up. */
function checkTrailer(stated: StatedTotals, found: HouseholdFileTotals): void {
  const { rows: households, members, cards, postalPiasters } = found
  const sums = found.rejected > 0 ? { households } : { households, members, cards, postalPiasters }
  const wrong = Object.entries(sums).flatMap(([key, value]) => {
    const said = stated[key as keyof StatedTotals]
    return said === undefined || said === value ? [] : [`${said} ${key} and holds ${value}`]
  })
  if (wrong.length > 0) {
    throw new MizanError('BAD_INPUT', `the trailer states ${wrong.join(', ')}: the file is not as it was made`)
  }
}
