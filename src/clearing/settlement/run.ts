import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { laneOpenDates, readSteps } from '../../store/clearing/business-day.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import { awaitPostings, requestPostings } from '../../store/clearing/postings.ts'
import { readRunPostings } from '../../store/clearing/settlement-postings.ts'
import { advanceRun, type RunKey, type SettlementRun } from '../../store/clearing/settlement-runs.ts'
import type { Client } from '../../store/connection.ts'
import { readCatalogue } from '../../store/programme-reader.ts'
import { writeManifest } from '../outgoing/manifest-step.ts'
import { computeRun } from './compute.ts'
import { ACTOR, type SettlementIdentity, writeRunFiles } from './files.ts'
import { postingReferenceOf } from './identifiers.ts'
import { readValueDate } from './value-date.ts'

/** What a run needs. */
export interface RunOptions extends RunKey {
  /** Clearing folder. */
  readonly folder: string
  readonly identity: SettlementIdentity
  /** Minutes after Cairo midnight at which the business day ends: messages say that they were made then. */
  readonly cutoverMinutes: number
  /** Civil date on which the run is made, if nobody has made it yet. */
  readonly madeOn: CivilDate
  /** How long to wait for the writer while nothing moves, in milliseconds. */
  readonly writerStallMs: number
  readonly signal?: AbortSignal
  progress?(words: string, done?: number, total?: number): void
}

/** What came of a run. */
export interface RunResult {
  readonly run: SettlementRun
  readonly postings: number
  readonly files: readonly ClearingFile[]
}

/**
 * Makes the run of a closed business date, or goes on with one that was cut off: computes it, has it posted, writes the
 * instruction files, and has the date's manifest name them. Made again, it has the same rows, postings and bytes.
 * @param client not in a transaction
 * @throws MizanError CONFLICT for a date that is not closed, or before the last run; WRITER_SILENT when no switch posts
 */
export async function settleRun(client: Client, options: RunOptions): Promise<RunResult> {
  const { businessDate, cycle, signal } = options
  const key = { businessDate, cycle }
  options.progress?.('working out what is payable')
  await requireClosed(client, businessDate)
  const catalogue = await readCatalogue(client)
  const valueDate = await readValueDate(client, businessDate, options.madeOn)
  const run = await computeRun(client, key, { catalogue, valueDate })
  const postings = await readRunPostings(client, key)
  if (run.state === 'computed') {
    const reference = postingReferenceOf(key)
    const commands = await requestPostings(client, { reference, requestedBy: ACTOR, postings })
    await awaitPostings(
      client,
      { reference, commands },
      {
        stallMs: options.writerStallMs,
        ...(signal === undefined ? {} : { signal }),
        onProgress: (done) => options.progress?.('posting', done, commands),
      },
    )
    await advanceRun(client, key, 'computed', 'posted')
  }
  signal?.throwIfAborted()
  options.progress?.('writing instructions')
  const files = await writeRunFiles(client, run, options)
  await advanceRun(client, key, 'posted', 'written')
  const { folder, identity } = options
  await writeManifest(client, { centre: identity.centre, businessDate, folder, actor: ACTOR })
  return { run, postings: postings.length, files }
}

/** @throws MizanError CONFLICT while the trial balance of the date is not drawn up: no money moves on it before */
export async function requireBalanced(client: Queryable, date: CivilDate): Promise<void> {
  const balance = (await readSteps(client, date)).find(({ step }) => step === 'trial-balance')
  if (balance === undefined || balance.state === 'done') return
  const why = balance.words === undefined ? '' : `: ${balance.words}`
  throw new MizanError('CONFLICT', `the trial balance of ${formatDate(date)} is ${balance.state}${why}`)
}

/** Whatever is posted from now on is of a later date. @throws MizanError CONFLICT while a lane is at the date */
export async function requireClosed(client: Queryable, businessDate: CivilDate): Promise<void> {
  const open = [...(await laneOpenDates(client)).values()].some((date) => date <= businessDate)
  if (!open) return
  throw new MizanError('CONFLICT', `${formatDate(businessDate)} is not closed in every lane: mizan cutover ends a day`)
}
