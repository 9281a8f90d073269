import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { FetchState } from '../../store/clearing/deliver-fetch.ts'
import { isThere } from '../../whole-file.ts'
import { CLEARING_FOLDER_MODE, syncFolder, unfinishedName } from '../atomic-file.ts'
import { digestFile, ENCRYPTED_SUFFIX, SIGNATURE_SUFFIX } from '../protection/files.ts'

const FETCHED_SUFFIX = '.fetched'

/** Name of the clear file. */
export function baseOf(name: string): string {
  return name.endsWith(ENCRYPTED_SUFFIX) ? name.slice(0, -ENCRYPTED_SUFFIX.length) : name
}

/** Where files of one place are while they are here, and where they are kept. */
export class InboxFolder {
  readonly #arrived: string
  readonly #done: string
  readonly #rejected: string

  /** @param folder the clearing folder */
  constructor(folder: string, inbox: string) {
    this.#arrived = path.join(folder, 'in', inbox)
    this.#done = path.join(folder, 'in', 'done', inbox)
    this.#rejected = path.join(folder, 'in', 'rejected', inbox)
  }

  async open(): Promise<void> {
    await mkdir(this.#arrived, { recursive: true, mode: CLEARING_FOLDER_MODE })
  }

  /** A file as it came; it stands here as long as anything of it does. */
  raw(name: string): string {
    return path.join(this.#arrived, `.${name}${FETCHED_SUFFIX}`)
  }

  clear(name: string): string {
    return path.join(this.#arrived, baseOf(name))
  }

  signature(name: string): string {
    return this.clear(name) + SIGNATURE_SUFFIX
  }

  /** Has what stands here written to the disk. */
  async sync(): Promise<void> {
    await syncFolder(this.#arrived)
  }

  /** Names of files of which something stands here. */
  async names(): Promise<string[]> {
    const entries = await readdir(this.#arrived)
    return entries
      .filter((entry) => entry.startsWith('.') && entry.endsWith(FETCHED_SUFFIX))
      .map((entry) => entry.slice(1, -FETCHED_SUFFIX.length))
  }

  /**
   * Clears up after a file: nothing clear is left of one that came encrypted, and what came is kept by its state; of
   * one whose fetching was cut off nothing is left. One that waits for who takes it stays. Idempotent.
   */
  async finish(name: string, state: FetchState | undefined): Promise<void> {
    if (state === 'fetched') return
    const clear = this.clear(name)
    await rm(clear, { force: true })
    await rm(unfinishedName(clear), { force: true })
    const raw = this.raw(name)
    const signature = this.signature(name)
    if (state === undefined) {
      await rm(signature, { force: true })
      await rm(raw, { force: true })
    } else {
      const to = state === 'handed' ? this.#done : this.#rejected
      await keep(signature, path.join(to, path.basename(signature)))
      await keep(raw, path.join(to, name))
    }
    await this.sync()
  }
}

/** Moves a file to where it is kept, beside another one of its name that came before. */
async function keep(from: string, to: string): Promise<void> {
  if (!(await isThere(from))) return
  await mkdir(path.dirname(to), { recursive: true, mode: CLEARING_FOLDER_MODE })
  const target = (await isThere(to)) ? await besides(from, to) : to
  await rename(from, target)
  await syncFolder(path.dirname(to))
}

async function besides(from: string, to: string): Promise<string> {
  const { sha256 } = await digestFile(from)
  return sha256.equals((await digestFile(to)).sha256) ? to : `${to}.${sha256.toString('hex', 0, 8)}`
}
