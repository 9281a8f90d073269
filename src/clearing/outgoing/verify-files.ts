import { createHash } from 'node:crypto'
import { readFile as readText, stat } from 'node:fs/promises'
import path from 'node:path'
import { describeError } from '../../errors.ts'
import { itemTotals } from '../../store/clearing/file-totals.ts'
import { type ClearingFile, lastManifest, listAllFiles } from '../../store/clearing/files.ts'
import { batchHash } from '../../store/clearing/journal-heads.ts'
import { differencesOf } from './balance-step.ts'
import { type ContentSource, contentOf } from './file-content.ts'
import { FILE_TYPES } from './file-steps.ts'
import { lostParts } from './lost-file.ts'
import type { ManifestContent } from './manifest.ts'
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
 * hash alone. What should stand in the folder and does not is missing, whatever could be made of its items.
 */
export async function verifyFile(file: ClearingFile, source: ContentSource): Promise<FileVerdict> {
  const { name, state } = file
  if (state === 'selected') return { name, ok: false, words: 'is not written yet' }
  if (state === 'superseded') return await verifySuperseded(file, source)
  const lost = await lostParts(source.client, source.folder, file, { isRead: true })
  if (lost.length > 0) return { name, ok: false, words: lost.map(({ words }) => words).join('; ') }
  try {
    if (file.type === 'MAN') return await verifyManifest(file, source)
    if (!FILE_TYPES.some((type) => type === file.type)) return await verifyHash(file, source)
    const read = await readContent(contentOf(file, source), file)
    const differences = differencesOf(file, read, await itemTotals(source.client, file))
    if (differences.length > 0) return { name, ok: false, words: differences.join('; ') }
    return { name, ok: true, words: `${read.records} records, ${read.items} items, ${read.bytes} bytes` }
  } catch (error) {
    return { name, ok: false, words: describeError(error) }
  }
}

/** Its items are in its correction; what is left of it must be what it was. */
async function verifySuperseded(file: ClearingFile, source: ContentSource): Promise<FileVerdict> {
  const { name } = file
  const isThere = await stat(path.join(source.folder, file.path)).catch(() => undefined)
  if (isThere === undefined) return { name, ok: true, words: 'superseded; its clear form is gone' }
  const { ok, words } = await verifyHash(file, source)
  return { name, ok, words: ok ? `superseded, ${words}` : words }
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

/**
 * A manifest is as it was written, names files and batches of the journal as they are, and goes on from the manifest
 * before it.
 */
async function verifyManifest(file: ClearingFile, source: ContentSource): Promise<FileVerdict> {
  const { name } = file
  const { ok, words } = await verifyHash(file, source)
  if (!ok) return { name, ok, words }
  const { client } = source
  const text = await readText(path.join(source.folder, file.path), 'utf8')
  const { files, journal, previousSha256 } = JSON.parse(text) as ManifestContent
  const known = new Map((await listAllFiles(client, { businessDate: file.businessDate })).map((one) => [one.name, one]))
  const wrong = files.find((one) => known.get(one.name)?.sha256?.toString('hex') !== one.sha256)
  if (wrong !== undefined) return { name, ok: false, words: `the register has another ${wrong.name} than it names` }
  const before = await lastManifest(client, file.id)
  if (previousSha256 !== (before?.sha256?.toString('hex') ?? null)) {
    return { name, ok: false, words: `does not go on from ${before?.name ?? 'nothing'}, the manifest before it` }
  }
  for (const { lane, batch, sha256 } of journal) {
    const hash = await batchHash(client, lane, batch)
    const which = `batch ${batch} of lane ${lane}, the last before the date was closed,`
    if (hash === undefined)
      return { name, ok: false, words: `${which} is not in the journal: an end of it was cut off` }
    if (hash.toString('hex') !== sha256) return { name, ok: false, words: `${which} is another in the journal` }
  }
  return { name, ok: true, words: `${files.length} files, ${words}` }
}
