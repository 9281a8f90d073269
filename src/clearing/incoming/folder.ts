import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { CivilDate } from '../../calendar.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import { CLEARING_FILE_MODE, CLEARING_FOLDER_MODE } from '../atomic-file.ts'
import { freeName } from '../free-name.ts'
import { ENCRYPTED_SUFFIX } from '../protection/files.ts'
import { CLEAR_SUFFIX } from '../protection/keep-encrypted.ts'
import { FileRefused, placeOf } from './inspect.ts'
import { type Received, receiveNetworkFile } from './receive.ts'
import type { ReceiveContext } from './receive-context.ts'

/** What came of one file of the folder. */
export type FolderOutcome =
  | { readonly name: string; readonly received: Received }
  | { readonly name: string; readonly refused: FileRefused }

/** Names of the network's files; what is still being written has another ending. */
const NETWORK_FILE = /\.(ctf|itf)$|^UC\.(CTF|ITF)\./i
const UNFINISHED = /\.(part|tmp|p7m|p7s)$/i

/**
 * The network's files that wait in a folder, in the order in which they have to be taken: that of their dates and
 * numbers, whatever they are called. Files that do not say theirs come last, by their names.
 * @param near a date near theirs, whose years have two digits
 */
export async function filesInOrder(folder: string, near: CivilDate): Promise<string[]> {
  const names = await waitingFiles(folder)
  const placed = await Promise.all(
    names.map(async (name) => ({ name, place: (await placeOf(path.join(folder, name), near)) ?? LAST })),
  )
  return placed.sort((a, b) => a.place.date - b.place.date || a.place.fileId - b.place.fileId).map(({ name }) => name)
}

const LAST = { date: 99_999_999, fileId: 0 }

/** Names of the network's files that wait in a folder, sorted. */
async function waitingFiles(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && NETWORK_FILE.test(entry.name) && !UNFINISHED.test(entry.name))
    .map(({ name }) => name)
    .sort()
}

/** Whether {@link receiveFolder} has anything to do. */
export async function isFileWaiting(folder: string): Promise<boolean> {
  if ((await waitingFiles(folder)).length > 0) return true
  const begun = await Promise.all(keptIn(folder).map(beginningsIn))
  return begun.some((names) => names.length > 0)
}

/** What receiving a folder needs beside. */
export interface FolderContext extends ReceiveContext {
  /** Keeps a file that holds card numbers under another name, encrypted, and removes it where it is. */
  keep(file: string, target: string): Promise<void>
}

/**
 * Receives the files that wait in a folder, one after another. A file that is done is kept in `done`, one that is
 * refused in `rejected` with the reason beside it, both encrypted: they hold card numbers. A file that was begun before
 * the program died is taken up again.
 * @param folder such as `clearing/in`
 */
export async function* receiveFolder(folder: string, context: FolderContext): AsyncGenerator<FolderOutcome> {
  const [done, rejected] = keptIn(folder)
  for (const kept of [done, rejected]) await goOnKeeping(kept, context)
  // A file that is done and not kept yet is one whose program died in between: it is answered as it was.
  const acceptsAgain = ({ name }: ClearingFile) => !existsSync(path.join(done, name + ENCRYPTED_SUFFIX))
  for (const name of await filesInOrder(folder, context.today)) {
    context.signal?.throwIfAborted()
    const file = path.join(folder, name)
    try {
      const received = await receiveNetworkFile(file, { ...context, acceptsAgain })
      await context.keep(file, path.join(done, received.file.name))
      yield { name, received }
    } catch (error) {
      if (!(error instanceof FileRefused)) throw error
      const target = await freeName(rejected, name)
      await writeFile(`${target}.reason`, `${error.refusal}: ${error.message}\n`, { mode: CLEARING_FILE_MODE })
      await context.keep(file, target)
      yield { name, refused: error }
    }
  }
}

/** Where files are kept that are done, and where those that were refused. */
function keptIn(folder: string): readonly [done: string, rejected: string] {
  return [path.join(folder, 'done'), path.join(folder, 'rejected')]
}

/** Files of a folder that a program had begun to keep when it died. */
async function beginningsIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(CLEAR_SUFFIX))
}

/** Encrypts what a program that died had begun to keep. */
async function goOnKeeping(folder: string, context: FolderContext): Promise<void> {
  for (const name of await beginningsIn(folder)) {
    await context.keep(path.join(folder, name), path.join(folder, name.slice(0, -CLEAR_SUFFIX.length)))
  }
}
