import { MizanError } from '../../errors.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { readCatalogue } from '../../store/programme-reader.ts'
import type { FileStepOptions } from './file-steps.ts'
import { writeManifest } from './manifest-step.ts'
import { verifyFile } from './verify-files.ts'
import { type Writing, writeOne } from './write-step.ts'

/** What the writing of a correction needs. */
export interface CorrectionWork {
  readonly client: Client
  readonly options: FileStepOptions
  readonly context: Omit<Writing['context'], 'businessDate'>
}

/**
 * Writes a correction that was begun: its items under its number, with outlets and configuration as they are now; reads
 * it back, and names it in a further manifest. After a crash it goes on where it was.
 * @param actor for the files' history
 * @throws MizanError CONFLICT when what was written does not agree with its items
 */
export async function writeCorrection(
  begun: ClearingFile,
  actor: string,
  { client, options, context }: CorrectionWork,
): Promise<{ readonly file: ClearingFile; readonly manifest: ClearingFile }> {
  const { businessDate } = begun
  const { folder } = context
  const catalogue = await readCatalogue(client)
  const file = await writeOne(begun, { client, options, catalogue, context: { ...context, businessDate } })
  const { ok, words } = await verifyFile(file, { client, folder, options })
  if (!ok) throw new MizanError('CONFLICT', `${file.name} does not agree with its items: ${words}`)
  const manifest = await writeManifest(client, { centre: options.centre, businessDate, folder, actor })
  return { file, manifest }
}
