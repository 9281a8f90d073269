import path from 'node:path'
import { Command } from 'commander'
import { type CivilDate, civilDate, formatDate } from '../calendar.ts'
import { writeAtomically } from '../clearing/atomic-file.ts'
import { readDayReport } from '../clearing/day/report.ts'
import { reportHtml } from '../clearing/day/report-html.ts'
import { reportSections } from '../clearing/day/report-sections.ts'
import { reportText } from '../clearing/day/report-text.ts'
import { describeError, MizanError } from '../errors.ts'
import { inTransaction } from '../store/transaction.ts'
import { dateArgument } from './clearing-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'

interface ReportOptions extends CommonOptions {
  readonly html?: string
}

const HELP = `
It shows the day as it stands: before its end what is there already, and which parts have nothing yet. Ages are of today.
Card numbers are not in it; accounts at banks end in four characters. It needs no master key.

  mizan clearing report 2026-11-18
  mizan clearing report 2026-11-18 --html day-2026-11-18.html    to print on A4 and sign`

/** `mizan clearing report`: all that is known of a business date, on a screen or on paper. */
export function clearingReportCommand(io: CommandIo): Command {
  const command = new Command('report')
    .description(
      'the report of a business date: steps, trial balance, files, settlement, bank statements, reconciliation',
    )
    .argument('<date>', 'business date, yyyy-mm-dd', dateArgument)
    .option('--html <file>', 'write a page that can be printed and signed; it appears whole or not at all')
    .addHelpText('after', HELP)
  return withCommonOptions(command).action((date: CivilDate, options: ReportOptions) =>
    atDatabase(io, options, 'mizan clearing report', async ({ client }) => {
      const nowMs = Date.now()
      const report = await inTransaction(
        client,
        () => readDayReport(client, date, { today: civilDate(nowMs), nowMs }),
        // All parts are of one moment, and nothing can be changed.
        'begin isolation level repeatable read read only',
      )
      const sections = reportSections(report)
      const { html, json } = options
      if (html !== undefined) await writePage(html, reportHtml(`Day report ${formatDate(date)}`, sections))
      if (json) io.out(`${JSON.stringify(report)}\n`)
      else if (html === undefined) io.out(reportText(sections))
      else io.out(`${html}: the report of ${formatDate(date)}\n`)
    }),
  )
}

/** @throws MizanError BAD_INPUT when the page cannot be written there */
async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeAtomically(path.resolve(file), async (sink) => {
      await sink.text(page)
    })
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `the page cannot be written: ${describeError(cause)}`, { cause })
  }
}
