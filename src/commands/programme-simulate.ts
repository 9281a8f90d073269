import { Command } from 'commander'
import type { ReplayReport } from '../authorization/replay-tally.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { civilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters, formatQuantity } from '../money.ts'
import { lastMonth, lastOf, type ReplaySpan, replayCandidate, replayProgramme } from '../store/programme-replay.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { readProgrammeFile } from './programme-desk.ts'

interface SimulateOptions extends CommonOptions {
  readonly from?: string
  readonly to?: string
}

/** `mizan programme simulate`: decides past draws again under a version that is not published. */
export function simulateCommand(io: CommandIo): Command {
  const command = new Command('simulate')
    .description('decide the draws of some time again under a file, as if it had decided then; changes nothing')
    .argument('<file>', 'JSON file of a programme of kind wallet, - for standard input')
    .option('--from <date>', 'first date, yyyy-mm-dd; absent = the first of last month')
    .option('--to <date>', 'last date; absent = the last of the month of --from')
  return withCommonOptions(command).action((name: string, options: SimulateOptions) => {
    const candidate = replayCandidate(readProgrammeFile(io, name))
    const span = spanOf(options)
    return atDatabase(io, options, 'mizan programme simulate', async ({ client }) => {
      const onProgress = (messages: number) => io.note(`${messages} messages read\n`)
      const report = await replayProgramme(client, candidate, span, { onProgress })
      io.out(options.json ? `${JSON.stringify(report)}\n` : `${reportLines(report, candidate).join('\n')}\n`)
    })
  })
}

function spanOf({ from, to }: SimulateOptions): ReplaySpan {
  const first = from === undefined ? lastMonth(civilDate(Date.now())).from : dateOption(from, '--from')
  const last = to === undefined ? lastOf(first) : dateOption(to, '--to')
  if (last < first) throw new MizanError('BAD_INPUT', '--to must not be before --from')
  return { from: first, to: last }
}

function reportLines(report: ReplayReport, { unit }: WalletProgramme): string[] {
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
