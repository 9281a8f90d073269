import { createHash } from 'node:crypto'
import { describeError } from '../../errors.ts'
import { itemTotals } from '../../store/clearing/file-totals.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import { differencesOf } from './balance-step.ts'
import { type ContentSource, contentOf } from './file-content.ts'
import { FILE_TYPES } from './file-steps.ts'
import { readContent } from './read-back.ts'

/** How a file of the register was found. */
export interface FileVerdict {
  readonly name: string
  readonly ok: boolean
  /** What was read, or what is wrong. */
  readonly words: string
}

/**
 * Reads a file of the register and holds it against its trailers, the register and its items; of those without trailers the
 * hash alone.
 */
export async function verifyFile(file: ClearingFile, source: ContentSource): Promise<FileVerdict> {
  const { name, state } = file
  if (state === 'selected') return { name, ok: false, words: 'is not written yet' }
  try {
    if (!FILE_TYPES.some((type) => type === file.type)) return await verifyHash(file, source)
    const read = await readContent(contentOf(file, source), file)
    const items = (await itemTotals(source.client, file.businessDate)).get(file.id)
    const differences = differencesOf(file, read, items)
    if (differences.length > 0) return { name, ok: false, words: differences.join('; ') }
    return { name, ok: true, words: `${read.records} records, ${read.items} items, ${read.bytes} bytes` }
  } catch (error) {
    return { name, ok: false, words: describeError(error) }
  }
}

async function verifyHash(file: ClearingFile, source: ContentSource): Promise<FileVerdict> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of contentOf(file, source)) {
    hash.update(chunk)
    bytes += chunk.length
  }
  const ok = file.sha256?.equals(hash.digest()) === true
  return { name: file.name, ok, words: ok ? `${bytes} bytes` : 'was changed since it was written' }
}
