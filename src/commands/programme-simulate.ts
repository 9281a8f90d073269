import { Command } from 'commander'
import { type ReplayedDecision, type ReplayedDraw, type ReplayRules, replayHousehold } from '../authorization/replay.ts'
import { isApproval } from '../authorization/result.ts'
import { priceOn } from '../benefit/entitlement.ts'
import type { Programme, WalletProgramme } from '../benefit/programme.ts'
import { bookWith, type ProgrammeBook, type ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { compileProgramme } from '../benefit/programme-compile.ts'
import { addDays, type CivilDate, civilDate, formatDate, isCivilDate, monthOf, parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters, formatQuantity } from '../money.ts'
import type { Client } from '../store/connection.ts'
import { readCatalogue } from '../store/programme-reader.ts'
import { pastHouseholds } from '../store/programme-traffic.ts'
import { loadReferenceData } from '../store/reference-data.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { readProgrammeFile } from './programme-desk.ts'

interface SimulateOptions extends CommonOptions {
  readonly from?: string
  readonly to?: string
}

/** What a version would have done to past traffic. */
export interface SimulationReport {
  readonly code: string
  readonly version: number
  /** Version that it is compared with; null = the programme is new. */
  readonly comparedWith: number | null
  readonly from: string
  readonly to: string
  readonly draws: number
  readonly households: number
  /** Draws that come out today as the journal has them, under the rules of their dates: how far to trust the rest. */
  readonly asRecorded: number
  readonly changed: {
    /** Approvals that would be declined, by the rule that would decide. */
    readonly declined: Readonly<Record<string, number>>
    /** Declines that would be approved, by the rule that decided. */
    readonly approved: Readonly<Record<string, number>>
    /** Draws on other programmes that would come out otherwise, such as on one that excludes it. */
    readonly elsewhere: number
    /** Approvals that would be of more or less. */
    readonly otherAmount: number
    readonly households: number
  }
  /** Taken from wallets, in the unit of the programme. */
  readonly drawn: { readonly before: number; readonly after: number }
  /** Granted of the messages' amounts: of counted units what citizens pay. */
  readonly piasters: { readonly before: number; readonly after: number }
}

const PROGRESS_MS = 2_000

/** `mizan programme simulate`: decides past draws again under a version that is not published. */
export function simulateCommand(io: CommandIo): Command {
  const command = new Command('simulate')
    .description('decide the draws of some time again under a file, as if it had decided then; changes nothing')
    .argument('<file>', 'JSON file of a programme of kind wallet, - for standard input')
    .option('--from <date>', 'first date, yyyy-mm-dd; absent = the first of last month')
    .option('--to <date>', 'last date; absent = the last of the month of --from')
  return withCommonOptions(command).action((name: string, options: SimulateOptions) => {
    const candidate = compileProgramme(readProgrammeFile(io, name))
    if (candidate.kind !== 'wallet') {
      throw new MizanError(
        'BAD_INPUT',
        `${candidate.code} is of kind ${candidate.kind}: only draws on wallets are decided again`,
      )
    }
    const span = spanOf(options)
    return atDatabase(io, options, 'mizan programme simulate', async ({ client }) => {
      const report = await simulate(client, candidate, span, (text) => io.note(text))
      io.out(options.json ? `${JSON.stringify(report)}\n` : `${reportLines(report, candidate).join('\n')}\n`)
    })
  })
}

function spanOf({ from, to }: SimulateOptions): { from: CivilDate; to: CivilDate } {
  const dateOf = (text: string, option: string) => {
    const value = Number(text.replaceAll('-', ''))
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || !isCivilDate(value)) {
      throw new MizanError('BAD_INPUT', `${option} is a date, written yyyy-mm-dd`)
    }
    return value
  }
  const firstOf = (date: CivilDate) => (monthOf(date) * 100 + 1) as CivilDate
  const first = from === undefined ? firstOf(addDays(firstOf(civilDate(Date.now())), -1)) : dateOf(from, '--from')
  const last = to === undefined ? addDays(firstOf(addDays(firstOf(first), 31)), -1) : dateOf(to, '--to')
  if (last < first) throw new MizanError('BAD_INPUT', '--to must not be before --from')
  return { from: first, to: last }
}

/**
 * Decides the draws of a span again. The month of the first date is read from its start, so that wallets stand as they
 * stood; only draws of the span are reported.
 */
export async function simulate(
  client: Client,
  candidate: WalletProgramme,
  { from, to }: { readonly from: CivilDate; readonly to: CivilDate },
  note: (text: string) => void = () => undefined,
): Promise<SimulationReport> {
  const catalogue = await readCatalogue(client)
  const reference = await loadReferenceData(client)
  const rules = rulesOf(catalogue, candidate, reference)
  const current = catalogue.on(to).wallet(candidate.code)
  const related = relatedCodes(catalogue, candidate)
  const tally = new Tally(candidate, current?.version)
  let toldMs = performance.now()
  const start = (monthOf(from) * 100 + 1) as CivilDate
  const filter = { from: start, to, codes: related, accountCodes: current === undefined ? [candidate.accountCode] : [] }
  const past = pastHouseholds(client, filter, (messages) => {
    if (performance.now() - toldMs < PROGRESS_MS) return
    toldMs = performance.now()
    note(`${messages} messages read\n`)
  })
  for await (const household of past) {
    const draws = replayHousehold(household, rules).filter(({ message }) => message.entitlementDate >= from)
    tally.add(draws)
  }
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

/** Programmes whose draws bear on those of the candidate: it itself, those of its account code, and what it excludes. */
function relatedCodes(catalogue: ProgrammeCatalogue, candidate: WalletProgramme): string[] {
  const related = new Set([candidate.code])
  for (const version of catalogue.versions) {
    if (version.kind !== 'wallet') continue
    const excludes = version.exclusiveWith === candidate.code || candidate.exclusiveWith === version.code
    if (excludes || version.accountCode === candidate.accountCode) related.add(version.code)
  }
  return [...related]
}

/** Adds up what came of draws. */
class Tally {
  readonly #candidate: WalletProgramme
  readonly #comparedWith: number | undefined
  readonly #declined = new Map<string, number>()
  readonly #approved = new Map<string, number>()
  #draws = 0
  #households = 0
  #asRecorded = 0
  #otherAmount = 0
  #elsewhere = 0
  #changedHouseholds = 0
  readonly #drawn = { before: 0, after: 0 }
  readonly #piasters = { before: 0, after: 0 }

  constructor(candidate: WalletProgramme, comparedWith: number | undefined) {
    this.#candidate = candidate
    this.#comparedWith = comparedWith
  }

  /** The draws of one household. */
  add(draws: readonly ReplayedDraw[]): void {
    if (draws.length === 0) return
    this.#households++
    let changed = false
    for (const { code, message, before, after } of draws) {
      if (code !== undefined && code !== this.#candidate.code) {
        if (before.approved !== after.approved || before.drawn !== after.drawn) this.#elsewhere++
        continue
      }
      this.#draws++
      if (isApproval(message.result) === before.approved) this.#asRecorded++
      if (this.#compare(before, after)) changed = true
      this.#drawn.before += before.drawn
      this.#drawn.after += after.drawn
      this.#piasters.before += before.piasters
      this.#piasters.after += after.piasters
    }
    if (changed) this.#changedHouseholds++
  }

  #compare(before: ReplayedDecision, after: ReplayedDecision): boolean {
    const count = (reasons: Map<string, number>, reason: string) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    if (before.approved && !after.approved) count(this.#declined, after.reason)
    else if (!before.approved && after.approved) count(this.#approved, before.reason)
    else if (before.drawn !== after.drawn || before.piasters !== after.piasters) this.#otherAmount++
    else return false
    return true
  }

  report(from: string, to: string): SimulationReport {
    const { code, version } = this.#candidate
    const byCount = (reasons: Map<string, number>) => Object.fromEntries([...reasons].sort((a, b) => b[1] - a[1]))
    return {
      code,
      version,
      comparedWith: this.#comparedWith ?? null,
      from,
      to,
      draws: this.#draws,
      households: this.#households,
      asRecorded: this.#asRecorded,
      changed: {
        declined: byCount(this.#declined),
        approved: byCount(this.#approved),
        elsewhere: this.#elsewhere,
        otherAmount: this.#otherAmount,
        households: this.#changedHouseholds,
      },
      drawn: this.#drawn,
      piasters: this.#piasters,
    }
  }
}

function reportLines(report: SimulationReport, { unit }: WalletProgramme): string[] {
  const { changed, drawn, piasters } = report
  const sum = (reasons: Readonly<Record<string, number>>) => Object.values(reasons).reduce((a, b) => a + b, 0)
  const rows = (reasons: Readonly<Record<string, number>>) =>
    Object.entries(reasons).map(([reason, count]) => `    ${reason}: ${count}`)
  const figures = (name: string, before: string, after: string) => `  ${name}: ${before} before, ${after} after`
  const what = report.comparedWith === null ? 'nothing, it is new' : `version ${report.comparedWith}`
  return [
    `${report.code} version ${report.version} from ${report.from} to ${report.to}, compared with ${what}`,
    `  ${report.draws} draws of ${report.households} households; ${report.asRecorded} come out as they are in the journal`,
    `  approvals that would be declined: ${sum(changed.declined)}`,
    ...rows(changed.declined),
    `  declines that would be approved: ${sum(changed.approved)}`,
    ...rows(changed.approved),
    `  approvals of another amount: ${changed.otherAmount}`,
    `  draws on other programmes that would come out otherwise: ${changed.elsewhere}`,
    `  households affected: ${changed.households}`,
    figures('drawn', formatQuantity(drawn.before, unit), formatQuantity(drawn.after, unit)),
    figures('amounts granted', `${formatPiasters(piasters.before)} EGP`, `${formatPiasters(piasters.after)} EGP`),
  ]
}
