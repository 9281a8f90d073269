import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MizanError } from '../../errors.ts'
import { CLEARING_FOLDER_MODE, syncFolder } from '../atomic-file.ts'
import { digestFile, type FileDigest } from '../protection/files.ts'
import { DeliveryRefusal, isFileName, LIST_MAX, PART_SUFFIX, type Place, type PutOutcome } from './place.ts'

const PIECE_BYTES = 262_144

/** A folder of this machine, or one that is mounted. */
export function folderPlace(folder: string): Place {
  return {
    async put(file, name, digest, signal): Promise<PutOutcome> {
      const target = path.join(folder, name)
      await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
      if (await isThere(target, digest)) return 'was-there'
      const part = target + PART_SUFFIX
      await copy(file, part, signal)
      const copied = await digestFile(part, { signal })
      if (!copied.sha256.equals(digest.sha256)) {
        await rm(part, { force: true })
        throw new Error(`${file} changed while it was copied`)
      }
      // Unlike a rename, a link never replaces a file that came about meanwhile.
      try {
        await link(part, target)
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') {
          // Some mounted folders have no links.
          if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'ENOTSUP') throw error
          await rename(part, target)
        } else if (!(await isThere(target, digest))) throw error
      }
      await rm(part, { force: true })
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
      return Promise.all(
        names.slice(0, LIST_MAX).map(async (name) => ({ name, bytes: (await stat(path.join(folder, name))).size })),
      )
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

/** @throws DeliveryRefusal when a file of this name has other bytes */
async function isThere(target: string, digest: FileDigest): Promise<boolean> {
  const found = await stat(target).catch(() => undefined)
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
