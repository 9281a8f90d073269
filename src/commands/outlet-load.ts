import { Command } from 'commander'
import { civilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { type FileSource, fileSource } from '../files/file-source.ts'
import { RejectReport } from '../files/reject-report.ts'
import { nested } from '../store/access-pool.ts'
import type { Client } from '../store/connection.ts'
import { checkOutletFile, loadOutletFile, type OutletFileOptions, type OutletFileResult } from '../store/outlet-file.ts'
import { inTransaction } from '../store/transaction.ts'
import { nameOfTwo, notedAs, systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { atDatabase } from './database-desk.ts'
import { progressLine, rejectionsInWords } from './load-progress.ts'
import { logInSecondPerson } from './second-person.ts'

interface LoadOptions {
  readonly config?: string
  readonly json: boolean
  readonly dryRun: boolean
  readonly again: boolean
  readonly rejects?: string
}

/** `mizan outlet load`: takes a file of outlets over, or says what it would change. */
export function outletLoadCommand(io: CommandIo): Command {
  return new Command('load')
    .description(
      'take outlets and terminals over from a CSV or NDJSON file; where it says where money goes a second person logs in; exit status 1 if any row is rejected',
    )
    .argument('<file>', 'ends in .csv, .ndjson or .jsonl; columns in docs/master-data.md')
    .option('--dry-run', 'say what the file would change, and change nothing', false)
    .option('--rejects <file>', 'write every rejected line with its reasons to this CSV file')
    .option('--again', 'load a file that was loaded before once more', false)
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print a JSON object', false)
    .action((file: string, options: LoadOptions) => load(io, file, options))
}

async function load(io: CommandIo, file: string, options: LoadOptions): Promise<void> {
  const source = fileSource(file)
  const report = new RejectReport(options.rejects)
  try {
    await atDatabase(io, options, 'mizan outlet load', async ({ client }) => {
      const given = {
        ...notedAs(systemActor(io)),
        today: formatDate(civilDate(Date.now())),
        again: options.again,
        onReject: report.add.bind(report),
        onProgress: progressLine(io, 'rows'),
      }
      const work = options.dryRun ? checkOutletFile(client, source, given) : loadAgreed(io, client, source, given)
      const result = await work
      if (options.json) io.out(`${JSON.stringify({ dryRun: options.dryRun, ...result })}\n`)
      else io.out(resultInWords(result, options.dryRun))
      io.note(rejectionsInWords(report, options.rejects))
      if (report.count > 0) process.exitCode = 1
    })
  } finally {
    report.close()
  }
}

/**
 * Loads a file; where it sets or changes where money goes, after a second person has agreed to it. Who that is is asked
 * before the transaction: meanwhile others change master data.
 */
async function loadAgreed(
  io: CommandIo,
  client: Client,
  source: FileSource,
  given: OutletFileOptions,
): Promise<OutletFileResult> {
  const checking = { ...given, onReject: () => undefined, onProgress: progressLine(io, 'rows checked') }
  const expected = await checkOutletFile(client, source, checking)
  const { settlementChanged } = expected.totals
  const isNew = expected.loadedBefore === undefined || given.again === true
  if (!isNew || settlementChanged === 0) return loadAs(client, source, given, expected)
  io.note(`${settlementChanged} settlement accounts are set or changed: a second person has to agree\n`)
  const second = await logInSecondPerson(io, client, {
    ...{ prompt: 'user who agrees', roles: ['settlement'], what: 'to say where money goes' },
  })
  return loadAs(client, source, { ...given, ...notedAs(nameOfTwo(given.actor, second)) }, expected)
}

/** @throws MizanError CONFLICT when the file would say of more outlets where their money goes than was agreed to */
async function loadAs(client: Client, source: FileSource, options: OutletFileOptions, expected: OutletFileResult) {
  return inTransaction(client, async () => {
    const result = await loadOutletFile(nested(client), source, options)
    const isMore = result.totals.settlementChanged > expected.totals.settlementChanged
    // One that was loaded before, maybe a moment ago, is told with the totals of then and has changed nothing.
    const isOther = result.sha256 !== expected.sha256 || (result.loadedBefore === undefined && isMore)
    if (isOther) throw new MizanError('CONFLICT', 'the file or the outlets have changed meanwhile: load it once more')
    return result
  })
}

function resultInWords({ totals, loadedBefore, sha256 }: OutletFileResult, dryRun: boolean): string {
  const { rows, added, changed, unchanged, rejected, statusChanged, settlementChanged, terminals } = totals
  const before =
    loadedBefore === undefined
      ? ''
      : `this file was loaded at ${loadedBefore.at.toISOString()} by ${loadedBefore.actor}${dryRun ? '' : '; nothing has changed (--again loads it once more)'}\n`
  const would = dryRun ? 'would be ' : ''
  return [
    before,
    `${rows} rows: ${added} ${would}added, ${changed} ${would}changed, ${unchanged} as they were, ${rejected} rejected\n`,
    `${terminals} terminals, ${statusChanged} statuses and ${settlementChanged} settlement accounts ${would}changed\n`,
    `SHA-256 ${sha256}\n`,
  ].join('')
}
