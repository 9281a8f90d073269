import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { MizanError } from '../errors.ts'
import { withPlace, writeAll } from '../whole-file.ts'

/** A file that was written whole. */
export interface WrittenFile {
  readonly bytes: number
  /** Of all its bytes. */
  readonly sha256: Buffer
}

/** Read and written by its owner alone: what is not encrypted yet may hold card numbers. */
export const CLEARING_FILE_MODE = 0o600
export const CLEARING_FOLDER_MODE = 0o700
const BUFFER_BYTES = 1_048_576
/**
 * Bytes after which the disk is waited for. A file of gigabytes that is brought to the disk at its end only would hold
 * up whoever else waits for the same disk: the commits of authorizations.
 */
const SYNC_EVERY_BYTES = 4 * BUFFER_BYTES

/**
 * Where bytes are put one after the other. What is written waits in a buffer of one mebibyte; `write` says when that
 * has to be emptied first.
 */
export interface FileSink {
  /** Takes a copy of the bytes. @returns a promise when the disk has to be waited for, which the caller must do */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** The same for text, as UTF-8. */
  text(text: string): Promise<void> | undefined
}

/**
 * Writes a file so that it stands under its name whole or not at all, whatever dies when: a temporary file beside it,
 * then fsync, rename and fsync of the folder. The temporary file has always the same name, so that what a crash left of
 * it is overwritten by the next attempt. Two writers of the same file at once would spoil each other's: the caller sees
 * to it that there is one.
 * @param fill puts the bytes; when it throws, the temporary file is removed and what stood under the name stays
 * @param expected SHA-256 that the bytes must have, of a file that was written before; with other bytes nothing is put there
 * @throws Error of the file system, or what `fill` throws; MizanError CONFLICT for other bytes than are expected
 */
export async function writeAtomically(
  file: string,
  fill: (sink: FileSink) => Promise<void>,
  expected?: Buffer,
): Promise<WrittenFile> {
  const folder = path.dirname(file)
  await makeFolder(folder)
  const unfinished = unfinishedName(file)
  const handle = await open(unfinished, 'w', CLEARING_FILE_MODE).catch((error: unknown) => {
    throw withPlace(error, file)
  })
  let written: WrittenFile
  try {
    const sink = new HandleSink(handle)
    await fill(sink)
    written = await sink.finish()
    if (expected?.equals(written.sha256) === false) throw otherBytes(file)
    await handle.sync()
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(unfinished, { force: true })
    throw withPlace(error, file)
  }
  await handle.close()
  await rename(unfinished, file)
  await syncFolder(folder)
  return written
}

function otherBytes(file: string): MizanError {
  const name = path.basename(file)
  return new MizanError('CONFLICT', `${name} comes out with other bytes than it was written with; a file never changes`)
}

/** Makes a folder, and those it lies in, last: a file in a folder whose name was never written is lost with it. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
  if (first === undefined) return
  const end = path.dirname(path.resolve(first))
  for (let made = path.resolve(folder); made !== end; ) {
    made = path.dirname(made)
    await syncFolder(made)
  }
}

/** Name of a file while it is written: no reader takes it for a finished one. */
export function unfinishedName(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.tmp`)
}

/** Makes what was renamed or removed in a folder last. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

class HandleSink implements FileSink {
  readonly #handle: FileHandle
  readonly #hash = createHash('sha256')
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #used = 0
  #bytes = 0
  #unsynced = 0

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#used + bytes.length > BUFFER_BYTES) return this.#writeSlowly(bytes)
    this.#buffer.set(bytes, this.#used)
    this.#used += bytes.length
    return undefined
  }

  text(text: string): Promise<void> | undefined {
    // No character takes more than three bytes a UTF-16 unit.
    if (this.#used + text.length * 3 > BUFFER_BYTES) return this.#writeSlowly(Buffer.from(text))
    this.#used += this.#buffer.write(text, this.#used)
    return undefined
  }

  async #writeSlowly(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      if (this.#used === BUFFER_BYTES) await this.#flush()
      const part = bytes.subarray(from, from + BUFFER_BYTES - this.#used)
      this.#buffer.set(part, this.#used)
      this.#used += part.length
      from += part.length
    }
  }

  async #flush(): Promise<void> {
    const part = this.#buffer.subarray(0, this.#used)
    this.#hash.update(part)
    await writeAll(this.#handle, part)
    this.#bytes += part.length
    this.#unsynced += part.length
    this.#used = 0
    if (this.#unsynced < SYNC_EVERY_BYTES) return
    await this.#handle.datasync()
    this.#unsynced = 0
  }

  async finish(): Promise<WrittenFile> {
    await this.#flush()
    return { bytes: this.#bytes, sha256: this.#hash.digest() }
  }
}
