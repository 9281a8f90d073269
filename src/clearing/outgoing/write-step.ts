import path from 'node:path'
import type { ProgrammeCatalogue } from '../../benefit/programme-book.ts'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { readChargebacks } from '../../store/clearing/chargebacks.ts'
import { type ClearingFile, type FileContent, listAllFiles, recordWritten } from '../../store/clearing/files.ts'
import { readClearingOutlets, readStatementLines, readSubsidyItems } from '../../store/clearing/items.ts'
import { readNetworkItems } from '../../store/clearing/outgoing-items.ts'
import { inSnapshot } from '../../store/clearing/row-stream.ts'
import { NO_BANK } from '../../store/clearing/selection-subsidy.ts'
import { type Client, connect } from '../../store/connection.ts'
import { readCatalogue } from '../../store/programme-reader.ts'
import { type FileSink, writeAtomically } from '../atomic-file.ts'
import type { DayStep, DayStepContext, DayStepOutcome } from '../day/step.ts'
import { FILE_TYPES, type FileStepOptions } from './file-steps.ts'
import { lostParts } from './lost-file.ts'
import { writeManifest } from './manifest-step.ts'
import { writeNetworkFile } from './network-file.ts'
import { writeStatementFile } from './statement-file.ts'
import { writeSubsidyFile } from './subsidy-file.ts'

type WrittenContent = Omit<FileContent, 'bytes' | 'sha256'>

/** What the writing of one file is given. */
export interface Writing {
  readonly client: Client
  readonly options: FileStepOptions
  readonly catalogue: ProgrammeCatalogue
  readonly context: Pick<DayStepContext, 'businessDate' | 'folder' | 'signal' | 'progress'>
}

/**
 * The step that writes the files of a business date, and their manifest. A file that was written before is looked at:
 * when it is as it was it stays, and when it is gone or damaged it is written again and must come out the same.
 */
export function writeStep(options: FileStepOptions): DayStep {
  return {
    name: 'write',
    description: 'the files of the day are written, with their manifest',
    run: (context) => writeFiles(context, options),
  }
}

async function writeFiles(context: DayStepContext, options: FileStepOptions): Promise<DayStepOutcome> {
  const client = await connect({ url: context.url, name: 'mizan clearing write', role: 'mizan_app' })
  try {
    const files = await ownFiles(client, context.businessDate)
    if (files.length === 0) {
      const day = formatDate(context.businessDate)
      return { state: 'blocked', words: `no items of ${day} were taken; run mizan clearing build ${day}` }
    }
    const catalogue = await readCatalogue(client)
    let bytes = 0
    const [again, gone]: [string[], string[]] = [[], []]
    for (const file of files) {
      if (file.state !== 'selected') {
        const lost = await lostParts(client, context.folder, file)
        if (lost.some(({ part }) => part === 'file')) again.push(file.name)
        gone.push(...lost.flatMap(({ part, words }) => (part === 'file' ? [] : [words])))
      }
      const written = await writeOne(file, { client, options, catalogue, context })
      bytes += written.bytes ?? 0
    }
    const manifest = await writeManifest(client, { centre: options.centre, actor: 'write', ...context })
    const rewritten = again.length === 0 ? '' : `; written again: ${again.join(', ')}`
    const words = `${files.length} file(s), ${bytes} bytes; manifest ${manifest.name}${rewritten}`
    if (gone.length > 0) return { state: 'blocked', words: [words, ...gone].join('; ') }
    return { state: 'done', words, detail: { files: files.length, bytes, manifest: manifest.name } }
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The files of a date that are made of its items, in the order in which they are written. */
export async function ownFiles(client: Client, businessDate: CivilDate): Promise<ClearingFile[]> {
  const files = await listAllFiles(client, { businessDate, direction: 'out', types: FILE_TYPES })
  return files.filter(({ state }) => state !== 'superseded').toReversed()
}

/** Writes a file unless it stands there as it was written. @throws MizanError CONFLICT when it comes out another */
export async function writeOne(file: ClearingFile, writing: Writing): Promise<ClearingFile> {
  const { client, context } = writing
  context.signal.throwIfAborted()
  const place = path.join(context.folder, file.path)
  // Once it is signed its clear form may be gone on purpose; one that is missed is written again, the very same bytes.
  if (file.state !== 'selected' && !(await isLost(file, writing))) return file
  let content: WrittenContent | undefined
  const written = await writeAtomically(
    place,
    async (sink) => {
      content = await inSnapshot(client, () => fillFile(sink, file, writing))
    },
    file.sha256,
  )
  return await recordWritten(client, file.id, { ...(content as WrittenContent), ...written }, 'write')
}

async function isLost(file: ClearingFile, { client, context }: Writing): Promise<boolean> {
  return (await lostParts(client, context.folder, file)).some(({ part }) => part === 'file')
}

/**
 * Puts the content of a file of a date's items into a sink, in the transaction that the caller has begun.
 * @returns its totals
 */
export async function fillFile(sink: FileSink, file: ClearingFile, writing: Writing): Promise<WrittenContent> {
  if (file.type === 'CTF') return await fillNetwork(sink, file, writing)
  const [bank = '', programme = ''] = file.institution.split('-')
  const { client, options, catalogue } = writing
  const { name, businessDate, cycle, sequence } = file
  const outlets = await readClearingOutlets(client, file, bank === NO_BANK ? undefined : bank)
  const head = { name, centre: options.centre, bank, businessDate, cycle, sequence, catalogue, outlets }
  if (file.type === 'OUT') {
    const lines = readStatementLines(client, businessDate, bank === NO_BANK ? undefined : bank)
    return await writeStatementFile(sink, { ...head, lines })
  }
  const items = readSubsidyItems(client, file)
  return await writeSubsidyFile(sink, {
    ...head,
    programme: Number(programme),
    items,
    onItems: (done) => report(writing, file, done),
  })
}

async function fillNetwork(sink: FileSink, file: ClearingFile, writing: Writing): Promise<WrittenContent> {
  const { client, options } = writing
  return await writeNetworkFile(sink, {
    head: {
      processingBin: options.processingBin,
      businessDate: file.businessDate,
      sequence: file.sequence,
      isTest: options.testFiles,
    },
    batchItems: options.batchItems,
    protection: options.protection,
    items: readNetworkItems(client, file),
    chargebacks: readChargebacks(client, file),
    onItems: (done) => report(writing, file, done),
  })
}

function report({ context }: Writing, file: ClearingFile, done: number): void {
  context.signal.throwIfAborted()
  context.progress(`writing ${file.name}`, done)
}
