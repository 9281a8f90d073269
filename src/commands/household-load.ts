import { Command } from 'commander'
import { civilDate, monthOf, previousMonth } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { fileSource } from '../files/file-source.ts'
import { RejectReport } from '../files/reject-report.ts'
import { panProtection } from '../security/pan-protection.ts'
import { panOpener } from '../security/pan-transport.ts'
import { personalData } from '../security/personal-data.ts'
import { type HouseholdLoadResult, loadHouseholdFile } from '../store/bulk-household-load.ts'
import { readCatalogue } from '../store/programme-reader.ts'
import type { CommandIo } from './command-io.ts'
import { atOpenKeyDesk, authorOf } from './keys-desk.ts'
import { progressLine, rejectionsInWords } from './load-progress.ts'

interface LoadOptions {
  readonly config?: string
  readonly json: boolean
  readonly dryRun: boolean
  readonly rejects?: string
  readonly panKey?: string
}

/** `mizan household load`: the initial load of an installation, from a file of households. */
export function householdLoadCommand(io: CommandIo): Command {
  return new Command('load')
    .description(
      'open the households of a file, with cards and balances, while no switch runs; goes on where it was interrupted; exit status 1 if any row is rejected',
    )
    .argument('<file>', 'NDJSON, one household a line; see docs/master-data.md')
    .option('--dry-run', 'say what the file holds and what would be rejected, and change nothing', false)
    .option('--rejects <file>', 'write every rejected line with its reasons to this CSV file')
    .option('--pan-key <name>', 'transport key of sealed card numbers, such as pan-transport:personaliser')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print a JSON object', false)
    .action((file: string, options: LoadOptions) => load(io, file, options))
}

async function load(io: CommandIo, file: string, options: LoadOptions): Promise<void> {
  const source = fileSource(file)
  const report = new RejectReport(options.rejects)
  try {
    await atOpenKeyDesk(io, options, async ({ config, url, client, ring, nowMs }) => {
      const today = civilDate(nowMs)
      const scanning = progressLine(io, 'rows checked')
      const progress = progressLine(io, 'households')
      const { panKey } = options
      const result = await loadHouseholdFile(source, {
        url,
        nowMs,
        cutoverMinutes: config.businessDay.cutoverMinutes,
        rules: {
          programmes: (await readCatalogue(client)).on(today),
          closedMonth: previousMonth(monthOf(today)),
          today,
        },
        protection: panProtection(ring, () => nowMs),
        personal: personalData(ring, () => nowMs),
        openSealed: panKey === undefined ? noPanKey : panOpener(ring, panKey, nowMs),
        clearAllowed: config.environment !== 'production',
        actor: authorOf(io).user,
        dryRun: options.dryRun,
        onReject: (rejection) => report.add(rejection),
        onScanned: scanning,
        onProgress: (rows, of) => progress(rows, rows / of),
      })
      const maxRssMb = Math.ceil(process.resourceUsage().maxRSS / 1_024)
      if (options.json) io.out(`${JSON.stringify({ dryRun: options.dryRun, ...result, maxRssMb })}\n`)
      else io.out(`${resultInWords(result, options.dryRun)}at most ${maxRssMb} MB of memory\n`)
      io.note(rejectionsInWords(report, options.rejects))
      if (report.count > 0) process.exitCode = 1
    })
  } finally {
    report.close()
  }
}

function noPanKey(): never {
  throw new MizanError('BAD_INPUT', 'card numbers of the file are sealed: name their key with --pan-key')
}

function resultInWords(result: HouseholdLoadResult, dryRun: boolean): string {
  const { totals, opened, openedBefore, refused, loadedBefore, sha256 } = result
  const { rows, households, members, cards, postalPiasters, rejected, hasTrailer } = totals
  const before =
    loadedBefore === undefined
      ? ''
      : `this file was loaded at ${loadedBefore.at.toISOString()} by ${loadedBefore.actor}; nothing has changed\n`
  const agreed = hasTrailer ? 'as its trailer states' : 'the file has no trailer to compare with'
  const earlier = openedBefore > 0 ? `, ${openedBefore} opened by an earlier run` : ''
  return [
    before,
    `${rows} rows: ${households} in order, ${rejected} rejected; ${agreed}\n`,
    `${members} members, ${cards} cards, ${postalPiasters} piasters in postal accounts\n`,
    `${opened} households ${dryRun ? 'would be ' : ''}opened${earlier}, ${refused} refused because of what was there already\n`,
    `SHA-256 ${sha256}\n`,
  ].join('')
}
