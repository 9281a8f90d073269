import { type ReplayRules, replayHousehold } from '../authorization/replay.ts'
import { type ReplayReport, ReplayTally } from '../authorization/replay-tally.ts'
import { priceOn } from '../benefit/entitlement.ts'
import type { Programme, WalletProgramme } from '../benefit/programme.ts'
import { bookWith, type ProgrammeBook, type ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { compileProgramme } from '../benefit/programme-compile.ts'
import type { ProgrammeFile } from '../benefit/programme-schema.ts'
import { addDays, type CivilDate, formatDate, monthOf, parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { readCatalogue } from './programme-reader.ts'
import { pastHouseholds } from './programme-traffic.ts'
import { loadReferenceData } from './reference-data.ts'

/** Entitlement dates, both included. */
export interface ReplaySpan {
  readonly from: CivilDate
  readonly to: CivilDate
}

/** Whoever waits for a replay, or may end it. */
export interface ReplayWatch {
  /** Gets the number of messages read so far: every few seconds, and at the end. */
  readonly onProgress?: (messages: number) => void
  readonly signal?: AbortSignal
}

const PROGRESS_MS = 2_000

/** All of last month. */
export function lastMonth(today: CivilDate): ReplaySpan {
  const from = firstOf(addDays(firstOf(today), -1))
  return { from, to: lastOf(from) }
}

/** Last day of the month of a date. */
export function lastOf(date: CivilDate): CivilDate {
  return addDays(firstOf(addDays(firstOf(date), 31)), -1)
}

function firstOf(date: CivilDate): CivilDate {
  return (monthOf(date) * 100 + 1) as CivilDate
}

/**
 * What can be decided again: only draws on wallets.
 * @throws MizanError PROGRAMME_INVALID, BAD_INPUT
 */
export function replayCandidate(file: ProgrammeFile): WalletProgramme {
  const candidate = compileProgramme(file)
  if (candidate.kind === 'wallet') return candidate
  const { code, kind } = candidate
  throw new MizanError('BAD_INPUT', `${code} is of kind ${kind}: only draws on wallets are decided again`)
}

/**
 * Decides the draws of a span again under a version, as if it had decided then. The month of the first date is read
 * from its start, so that wallets stand as they stood; only draws of the span are reported. Nothing is changed.
 * @param client not in a transaction
 * @throws MizanError STORE_UNAVAILABLE; whatever aborted the signal
 */
export async function replayProgramme(
  client: Client,
  candidate: WalletProgramme,
  { from, to }: ReplaySpan,
  { onProgress, signal }: ReplayWatch = {},
): Promise<ReplayReport> {
  const catalogue = await readCatalogue(client)
  const reference = await loadReferenceData(client)
  const rules = rulesOf(catalogue, candidate, reference)
  const current = catalogue.on(to).wallet(candidate.code)
  const related = relatedCodes(catalogue, candidate)
  const tally = new ReplayTally(candidate, current?.version)
  let toldMs = performance.now()
  let read = 0
  const filter = {
    from: firstOf(from),
    to,
    codes: related,
    accountCodes: current === undefined ? [candidate.accountCode] : [],
  }
  const past = pastHouseholds(client, filter, (messages) => {
    read = messages
    if (performance.now() - toldMs < PROGRESS_MS) return
    toldMs = performance.now()
    onProgress?.(messages)
  })
  for await (const household of past) {
    signal?.throwIfAborted()
    const draws = replayHousehold(household, rules).filter(({ message }) => message.entitlementDate >= from)
    tally.add(draws)
  }
  onProgress?.(read)
  return tally.report(formatDate(from), formatDate(to))
}

type Reference = Pick<ReplayRules, 'outletByAcceptor' | 'serviceLiveFrom'>

function rulesOf(catalogue: ProgrammeCatalogue, candidate: WalletProgramme, reference: Reference): ReplayRules {
  const tried = asOfThen(candidate)
  const books = new Map<CivilDate, ProgrammeBook>()
  const isNew = !catalogue.codes.includes(candidate.code)
  return {
    before: catalogue.on,
    after(date) {
      const book = books.get(date) ?? bookWith(catalogue.on(date), tried)
      books.set(date, book)
      return book
    },
    outletByAcceptor: (acceptor) => reference.outletByAcceptor(acceptor),
    // A new programme is tried out as if it were live wherever there are outlets for it.
    serviceLiveFrom: (service, governorate) =>
      isNew && service === candidate.code ? parseDate('2000-01-01') : reference.serviceLiveFrom(service, governorate),
  }
}

/** A version with the price of its first day on all days before. */
function asOfThen(candidate: WalletProgramme): Programme {
  const { effectiveFrom } = candidate
  const piasters = priceOn(candidate, effectiveFrom)
  const first = piasters === undefined ? [] : [{ from: 0 as CivilDate, piasters }]
  return { ...candidate, tariff: [...first, ...candidate.tariff.filter(({ from }) => from > effectiveFrom)] }
}

/**
 * Programmes whose draws bear on those of the candidate: it itself, those of its account code, and what it excludes.
 */
function relatedCodes(catalogue: ProgrammeCatalogue, candidate: WalletProgramme): string[] {
  const related = new Set([candidate.code])
  for (const version of catalogue.versions) {
    if (version.kind !== 'wallet') continue
    const excludes = version.exclusiveWith === candidate.code || candidate.exclusiveWith === version.code
    if (excludes || version.accountCode === candidate.accountCode) related.add(version.code)
  }
  return [...related]
}
