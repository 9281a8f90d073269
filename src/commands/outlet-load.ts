import { Command } from 'commander'
import { civilDate, formatDate } from '../calendar.ts'
import { fileSource } from '../files/file-source.ts'
import { RejectReport } from '../files/reject-report.ts'
import { checkOutletFile, loadOutletFile, type OutletFileResult } from '../store/outlet-file.ts'
import type { CommandIo } from './command-io.ts'
import { atDatabase } from './database-desk.ts'
import { authorOf } from './keys-desk.ts'
import { progressLine, rejectionsInWords } from './load-progress.ts'

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
    .description('take outlets and terminals over from a CSV or NDJSON file; exit status 1 if any row is rejected')
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
      const work = options.dryRun ? checkOutletFile : loadOutletFile
      const result = await work(client, source, {
        actor: authorOf(io).user,
        today: formatDate(civilDate(Date.now())),
        again: options.again,
        onReject: (rejection) => report.add(rejection),
        onProgress: progressLine(io, 'rows'),
      })
      if (options.json) io.out(`${JSON.stringify({ dryRun: options.dryRun, ...result })}\n`)
      else io.out(resultInWords(result, options.dryRun))
      io.note(rejectionsInWords(report, options.rejects))
      if (report.count > 0) process.exitCode = 1
    })
  } finally {
    report.close()
  }
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
