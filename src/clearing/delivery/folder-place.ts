import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MizanError } from '../../errors.ts'
import { CLEARING_FOLDER_MODE, syncFolder } from '../atomic-file.ts'
import { digestFile, type FileDigest } from '../protection/files.ts'
import {
  DeliveryRefusal,
  isFileName,
  PART_SUFFIX,
  type Place,
  type PutOutcome,
  type RemoteFile,
  withinLimit,
} from './place.ts'

const PIECE_BYTES = 262_144

/** A folder of this machine, or one that is mounted. */
export function folderPlace(folder: string): Place {
  return {
    async put(file, name, digest, signal): Promise<PutOutcome> {
      const target = path.join(folder, name)
      await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
      const part = target + PART_SUFFIX
      if (await isThere(target, digest)) {
        // Who died behind the link left the part, and perhaps a name that is not on the disk yet.
        await rm(part, { force: true })
        await syncFolder(folder)
        return 'was-there'
      }
      try {
        await copy(file, part, signal)
        const copied = await digestFile(part, { signal })
        if (!copied.sha256.equals(digest.sha256)) throw new Error(`${file} changed while it was copied`)
        await giveName(part, target, digest)
      } finally {
        // A full disk is not kept full by half a file.
        await rm(part, { force: true })
      }
      await syncFolder(folder)
      return 'delivered'
    },
    async list() {
      const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return []
        throw error
      })
      const names = entries.filter((one) => one.isFile() && isFileName(one.name)).map(({ name }) => name)
      names.sort()
      const files: RemoteFile[] = []
      for (const name of names) {
        const found = await stat(path.join(folder, name)).catch(nothing)
        if (found !== undefined) files.push({ name, bytes: found.size, modifiedAtMs: Math.trunc(found.mtimeMs) })
      }
      return withinLimit(files, folder)
    },
    async get(name, target, bytesMax, signal) {
      const source = path.join(folder, name)
      const { size } = await stat(source)
      if (size > bytesMax) throw new MizanError('BAD_INPUT', `${name} has more than ${bytesMax} bytes`)
      await copy(source, target, signal)
    },
    async remove(name) {
      await rm(path.join(folder, name), { force: true })
      await syncFolder(folder)
    },
    close: async () => undefined,
  }
}

const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK']

/** Gives a file its name; unlike a rename, a link never replaces a file that came about meanwhile. */
async function giveName(part: string, target: string, digest: FileDigest): Promise<void> {
  try {
    await link(part, target)
  } catch (error) {
    // Some mounted folders have no links.
    if (NO_LINKS.includes(codeOf(error))) await rename(part, target)
    else if (codeOf(error) !== 'EEXIST' || !(await isThere(target, digest))) throw error
  }
}

/** Nothing where there is no file; what cannot be looked at is no such. */
function nothing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

/** @throws DeliveryRefusal when a file of this name has other bytes */
async function isThere(target: string, digest: FileDigest): Promise<boolean> {
  const found = await stat(target).catch(nothing)
  if (found === undefined) return false
  const same = found.size === digest.bytes && (await digestFile(target)).sha256.equals(digest.sha256)
  if (same) return true
  throw new DeliveryRefusal(`${path.basename(target)} is there with other bytes`)
}

/** Copies a file and has it written to the disk. */
async function copy(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true, mode: CLEARING_FOLDER_MODE })
  const source = createReadStream(from, { highWaterMark: PIECE_BYTES })
  await pipeline(source, createWriteStream(to, { mode: 0o600 }), { signal })
  const handle = await open(to, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
