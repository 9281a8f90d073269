import path from 'node:path'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import {
  type ClearingFile,
  fileName,
  lastManifest,
  listAllFiles,
  outgoingPath,
  registerFile,
} from '../../store/clearing/files.ts'
import { journalHeads } from '../../store/clearing/journal-heads.ts'
import type { Client } from '../../store/connection.ts'
import { writeAtomically } from '../atomic-file.ts'
import { type ManifestSource, manifestText } from './manifest.ts'
import { digestFile } from './read-back.ts'

const MANIFESTS_MAX = 999

/** What a manifest is written for. */
export interface ManifestOptions {
  readonly centre: string
  readonly businessDate: CivilDate
  /** The clearing folder. */
  readonly folder: string
  /** Who does it, for the file's history. */
  readonly actor: string
}

/**
 * Writes the manifest of all files of a date that are written by now, PAY and NET with them. When the date's last
 * manifest names just these files it stays; else another one follows it, with the next number. So it may be called
 * again after more files of a date were written.
 * @throws MizanError CONFLICT when a manifest was changed since it was written
 */
export async function writeManifest(client: Client, options: ManifestOptions): Promise<ClearingFile> {
  const { businessDate, folder, actor, centre } = options
  const all = await listAllFiles(client, { businessDate, direction: 'out' })
  const files = all.filter(({ type, state }) => type !== 'MAN' && state !== 'selected' && state !== 'superseded')
  const manifests = all.filter(({ type }) => type === 'MAN').toSorted((a, b) => a.sequence - b.sequence)
  const last = manifests.at(-1)
  const journal = await journalHeads(client, businessDate)
  if (last !== undefined && isOf(last, files)) return await keepManifest(last, { files, journal }, options)
  const sequence = (last?.sequence ?? 0) + 1
  if (sequence > MANIFESTS_MAX) {
    throw new MizanError('CONFLICT', `there are ${MANIFESTS_MAX} manifests of ${formatDate(businessDate)} already`)
  }
  const before = await lastManifest(client)
  const source = { centre, businessDate, cycle: 1, sequence, files, journal, previousSha256: before?.sha256 }
  const key = { direction: 'out', type: 'MAN', institution: centre, businessDate, cycle: 1, sequence } as const
  const text = manifestText(source)
  const place = path.join(folder, outgoingPath(businessDate, fileName(key)))
  const written = await writeAtomically(place, async (sink) => {
    await sink.text(text)
  })
  const content = {
    ...written,
    records: files.length,
    items: files.length,
    grossPiasters: 0n,
    totals: { files: files.map(hashOf) },
    ...(before?.sha256 === undefined ? {} : { previousSha256: before.sha256 }),
  }
  return await registerFile(client, { ...key, state: 'written', content }, actor)
}

/** A manifest that stands is there on disk too, as it was. */
async function keepManifest(
  manifest: ClearingFile,
  of: Pick<ManifestSource, 'files' | 'journal'>,
  { centre, folder }: ManifestOptions,
): Promise<ClearingFile> {
  const place = path.join(folder, manifest.path)
  const found = await digestFile(place).catch(() => undefined)
  if (found !== undefined && manifest.sha256?.equals(found.sha256) === true) return manifest
  const { businessDate, cycle, sequence, previousSha256 } = manifest
  const text = manifestText({ centre, businessDate, cycle, sequence, previousSha256, ...of })
  const written = await writeAtomically(place, async (sink) => {
    await sink.text(text)
  })
  if (manifest.sha256?.equals(written.sha256) !== true) {
    throw new MizanError('CONFLICT', `the manifest ${manifest.name} comes out another than it was written`)
  }
  return manifest
}

function isOf(manifest: ClearingFile, files: readonly ClearingFile[]): boolean {
  const named = JSON.stringify(manifest.totals.files ?? [])
  return named === JSON.stringify(files.map(hashOf))
}

function hashOf({ name, sha256 }: ClearingFile): string {
  return `${name} ${sha256?.toString('hex')}`
}
