import { createReadStream } from 'node:fs'
import path from 'node:path'
import { Command, Option } from 'commander'
import { type CivilDate, formatDate } from '../calendar.ts'
import { balanceStep } from '../clearing/outgoing/balance-step.ts'
import { type ContentSource, contentOf } from '../clearing/outgoing/file-content.ts'
import { type RecordView, viewFile } from '../clearing/outgoing/file-view.ts'
import { readBack, tellType } from '../clearing/outgoing/read-back.ts'
import { selectStep } from '../clearing/outgoing/select-step.ts'
import { type FileVerdict, verifyFile } from '../clearing/outgoing/verify-files.ts'
import { writeStep } from '../clearing/outgoing/write-step.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { panProtection } from '../security/pan-protection.ts'
import { type ClearingFile, findFile, listAllFiles, listFiles } from '../store/clearing/files.ts'
import type { Client } from '../store/connection.ts'
import { fileStepOptions } from '../switch-clearing-files.ts'
import { commandWork, dateArgument } from './clearing-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { atOpenKeyDesk, type OpenKeyDesk } from './keys-desk.ts'

const RECORDS_MAX = 1_000

/** `mizan clearing build`: the files of a closed date, as the steps of the day write them. */
export function clearingBuildCommand(io: CommandIo): Command {
  const command = new Command('build')
    .description('write the files of a closed business date and read them back; what stands already stays')
    .argument('<date>', 'business date, yyyy-mm-dd', dateArgument)
  return withCommonOptions(command).action((date: CivilDate, options: CommonOptions) =>
    atOpenKeyDesk(io, options, (desk) => build(io, options, desk, date)),
  )
}

async function build(io: CommandIo, { json }: CommonOptions, desk: OpenKeyDesk, date: CivilDate): Promise<void> {
  const { config, url, client } = desk
  const options = fileOptionsOf(desk)
  const context = {
    ...commandWork(io, config, date),
    url,
    folder: config.clearing.folder,
  }
  const steps = []
  for (const step of [selectStep(options), writeStep(options), balanceStep()]) {
    const outcome = await step.run(context)
    steps.push({ step: step.name, state: outcome.state, words: outcome.words })
    if (!json) io.out(`${step.name.padEnd(10)}${outcome.state.padEnd(10)}${outcome.words}\n`)
    if (outcome.state === 'done') continue
    process.exitCode = 1
    break
  }
  const files = await listAllFiles(client, { businessDate: date, direction: 'out' })
  if (json) io.out(`${JSON.stringify({ businessDate: formatDate(date), steps, files: files.map(fileJson) })}\n`)
  else io.out(fileTable(files.toReversed()))
}

interface VerifyOptions extends CommonOptions {
  readonly file?: string
}

/** `mizan clearing verify`: files against themselves, the register and their items. */
export function clearingVerifyCommand(io: CommandIo): Command {
  const command = new Command('verify')
    .description('read the files of a business date, or any file, and hold them against trailers, register and items')
    .argument('[date]', 'business date, yyyy-mm-dd', dateArgument)
    .option('--file <path>', 'any clearing file: it is held against itself, without a database')
  return withCommonOptions(command).action(async (date: CivilDate | undefined, options: VerifyOptions) => {
    if ((date === undefined) === (options.file === undefined)) {
      throw new MizanError('BAD_INPUT', 'name a business date, or a file with --file')
    }
    if (options.file !== undefined) return await verifyAlone(io, options, options.file)
    await atOpenKeyDesk(io, options, async (desk) => {
      const verdicts: FileVerdict[] = []
      const files = (
        await listAllFiles(desk.client, { businessDate: date as CivilDate, direction: 'out' })
      ).toReversed()
      if (files.length === 0)
        throw new MizanError('NOT_FOUND', `there are no files of ${formatDate(date as CivilDate)}`)
      for (const file of files) {
        const verdict = await verifyFile(file, sourceOf(desk))
        verdicts.push(verdict)
        if (!options.json) io.out(`${verdict.ok ? 'ok    ' : 'FAILED'} ${verdict.name}  ${verdict.words}\n`)
      }
      const failed = verdicts.filter(({ ok }) => !ok).length
      if (options.json) io.out(`${JSON.stringify(verdicts)}\n`)
      else io.out(`${verdicts.length - failed} ok, ${failed} failed\n`)
      if (failed > 0) process.exitCode = 1
    })
  })
}

async function verifyAlone(io: CommandIo, { json }: CommonOptions, file: string): Promise<void> {
  const { sha256, grossPiasters, ...read } = await readBack(file)
  const content = { ...read, sha256: sha256.toString('hex'), grossPiasters: String(grossPiasters) }
  if (json) io.out(`${JSON.stringify({ file: path.basename(file), ok: true, ...content })}\n`)
  else {
    const { type, records, items, totals } = content
    io.out(`ok     ${path.basename(file)}: ${type}, ${records} records, ${items} items\n`)
    io.out(
      `       gross ${formatPiasters(grossPiasters)} EGP, ${JSON.stringify(totals)}\n       SHA-256 ${content.sha256}\n`,
    )
  }
}

interface ShowOptions extends CommonOptions {
  readonly from: number
  readonly limit: number
  readonly file: boolean
}

/** `mizan clearing show`: records of a file in words. */
export function clearingShowCommand(io: CommandIo): Command {
  const command = new Command('show')
    .description('show records of a clearing file in words; card numbers are masked')
    .argument('<name>', 'name of a file of the register')
    .option('--file', 'the name is a path to any clearing file instead', false)
    .addOption(new Option('--from <record>', 'number of the first record').argParser(numberOption).default(1))
    .addOption(new Option('--limit <count>', `how many, 1 to ${RECORDS_MAX}`).argParser(numberOption).default(50))
  return withCommonOptions(command).action(async (name: string, options: ShowOptions) => {
    const { from, limit } = options
    const range = { from, limit: Math.min(limit, RECORDS_MAX) }
    if (options.file) {
      const file = { type: await tellType(name), name: path.basename(name) }
      return printView(io, options, await viewFile(createReadStream(name), file, range))
    }
    await atOpenKeyDesk(io, options, async (desk) => {
      const file = await fileNamed(desk.client, name)
      printView(io, options, await viewFile(contentOf(file, sourceOf(desk)), file, range))
    })
  })
}

function printView(
  io: CommandIo,
  { json }: CommonOptions,
  view: { readonly records: readonly RecordView[]; readonly next: number | undefined },
): void {
  if (json) {
    io.out(`${JSON.stringify({ records: view.records, next: view.next ?? null })}\n`)
    return
  }
  for (const { number, title, fields } of view.records) {
    io.out(`${number}  ${title}\n`)
    for (const [name, value] of Object.entries(fields)) io.out(`      ${name.padEnd(30)}${value}\n`)
  }
  if (view.next !== undefined) io.note(`there are more: --from ${view.next}\n`)
}

interface ListOptions extends CommonOptions {
  readonly direction?: 'in' | 'out'
  readonly limit: number
}

/** `mizan clearing list`: the register. */
export function clearingListCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list clearing files, the newest first')
    .argument('[date]', 'only of this business date, yyyy-mm-dd', dateArgument)
    .addOption(new Option('--direction <direction>', 'only those').choices(['in', 'out']))
    .addOption(new Option('--limit <count>', `how many, 1 to ${RECORDS_MAX}`).argParser(numberOption).default(50))
  return withCommonOptions(command).action((date: CivilDate | undefined, options: ListOptions) =>
    atDatabase(io, options, 'mizan clearing', async ({ client }) => {
      const { direction, limit } = options
      const filter = { limit, ...(date && { businessDate: date }), ...(direction && { direction }) }
      const files = await listFiles(client, filter)
      io.out(options.json ? `${JSON.stringify(files.map(fileJson))}\n` : fileTable(files))
    }),
  )
}

/** What a file is in JSON. */
function fileJson(file: ClearingFile): object {
  const { sha256, previousSha256, grossPiasters, businessDate, createdAtMs, ...rest } = file
  return {
    ...rest,
    businessDate: formatDate(businessDate),
    grossPiasters: String(grossPiasters),
    sha256: sha256?.toString('hex') ?? null,
    previousSha256: previousSha256?.toString('hex') ?? null,
    createdAt: new Date(createdAtMs).toISOString(),
  }
}

function fileTable(files: readonly ClearingFile[]): string {
  if (files.length === 0) return 'no files\n'
  const rows = files.map(({ name, state, items, grossPiasters, bytes, sha256 }) => [
    name,
    state,
    String(items),
    formatPiasters(grossPiasters),
    String(bytes ?? ''),
    sha256?.toString('hex').slice(0, 16) ?? '',
  ])
  const table = [['file', 'state', 'items', 'gross EGP', 'bytes', 'SHA-256'], ...rows]
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number) => column >= 2 && column <= 4
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (isNumber(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0))).join('  ')
  return `${table.map((row) => line(row).trimEnd()).join('\n')}\n`
}

/** A file of the register. @throws MizanError NOT_FOUND */
export async function fileNamed(client: Client, name: string): Promise<ClearingFile> {
  const file = await findFile(client, name)
  if (file !== undefined) return file
  throw new MizanError('NOT_FOUND', `there is no clearing file ${name}; mizan clearing list has them`)
}

/** What steps that write files are given. */
export function fileOptionsOf({ config, ring, nowMs }: OpenKeyDesk) {
  return fileStepOptions(
    config,
    panProtection(ring, () => nowMs),
  )
}

function sourceOf(desk: OpenKeyDesk): ContentSource {
  return { client: desk.client, folder: desk.config.clearing.folder, options: fileOptionsOf(desk) }
}

function numberOption(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new MizanError('BAD_INPUT', `${text} is not a number from 1`)
}
