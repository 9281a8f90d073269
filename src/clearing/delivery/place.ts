import { MizanError } from '../../errors.ts'
import type { FileDigest } from '../protection/files.ts'

/** A file as a place lists it. */
export interface RemoteFile {
  readonly name: string
  readonly bytes: number
  /** When it was last written, by the clock there; undefined where that is not told. */
  readonly modifiedAtMs: number | undefined
}

/** How a file came to be at a place. */
export type PutOutcome = 'delivered' | 'was-there'

/**
 * Where files are put and found: a folder, of this machine or of a server. A file appears under its name whole or not
 * at all: it is written under its name with `.part` behind it, and renamed.
 */
export interface Place {
  /**
   * Puts a file there. One that is there with the same bytes is done.
   * @param digest of the file
   * @throws DeliveryRefusal when there is a file of this name with other bytes; Error when the place cannot be reached
   */
  put(file: string, name: string, digest: FileDigest, signal: AbortSignal): Promise<PutOutcome>
  /**
   * Files that are whole, by name.
   * @throws MizanError BAD_INPUT when there are too many
   */
  list(): Promise<readonly RemoteFile[]>
  /**
   * Copies a file from there.
   * @param target is replaced; what is left of it after an error is no file
   * @throws MizanError BAD_INPUT when it has more bytes than that
   */
  get(name: string, target: string, bytesMax: number, signal: AbortSignal): Promise<void>
  remove(name: string): Promise<void>
  close(): Promise<void>
}

/** What follows a name while the file is not whole. */
export const PART_SUFFIX = '.part'
/** Files that a place may hold: all of them are held against what is known, each time. */
const LIST_MAX = 100_000

/** A place does not take a file, and will not take it the next time. */
export class DeliveryRefusal extends MizanError {
  constructor(detail: string, options?: { cause?: unknown }) {
    super('CONFLICT', detail, options)
  }
}

/** @throws MizanError with the way out when there are more files than are looked at */
export function withinLimit(files: readonly RemoteFile[], where: string): readonly RemoteFile[] {
  if (files.length <= LIST_MAX) return files
  throw new MizanError('BAD_INPUT', `${where} holds more than ${LIST_MAX} files: have old ones removed there`)
}

/** Names that are taken from a place: no path, no hidden or unfinished file. */
export function isFileName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,195}$/.test(name) && !name.endsWith(PART_SUFFIX)
}
