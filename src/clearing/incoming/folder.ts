import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { CLEARING_FILE_MODE, CLEARING_FOLDER_MODE } from '../atomic-file.ts'
import { FileRefused } from './inspect.ts'
import { type ReceiveContext, type Received, receiveNetworkFile } from './receive.ts'

/** What came of one file of the folder. */
export type FolderOutcome =
  | { readonly name: string; readonly received: Received }
  | { readonly name: string; readonly refused: FileRefused }

/** Names of the network's files; what is still being written has another ending. */
const NETWORK_FILE = /\.(ctf|itf)$|^UC\.(CTF|ITF)\./i
const UNFINISHED = /\.(part|tmp|p7m|p7s)$/i

/** The network's files that wait in a folder, in the order of their names. */
export async function waitingFiles(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && NETWORK_FILE.test(entry.name) && !UNFINISHED.test(entry.name))
    .map(({ name }) => name)
    .sort()
}

/**
 * Receives the files that wait in a folder, one after another. A file that is done goes to `done` (in production it is removed), one that is refused to
 * `rejected` with the reason beside it; a file that was begun before the program died is taken up again.
 * @param folder such as `clearing/in`
 */
export async function* receiveFolder(folder: string, context: ReceiveContext): AsyncGenerator<FolderOutcome> {
  for (const name of await waitingFiles(folder)) {
    context.signal?.throwIfAborted()
    const file = path.join(folder, name)
    try {
      const received = await receiveNetworkFile(file, context)
      // It holds card numbers in the clear: what is kept for good is the encrypted form that it came in.
      if (context.isProduction) await rm(file)
      else await moveTo(path.join(folder, 'done'), file, received.file.name)
      yield { name, received }
    } catch (error) {
      if (!(error instanceof FileRefused)) throw error
      const kept = await moveTo(path.join(folder, 'rejected'), file, name)
      await writeFile(`${kept}.reason`, `${error.refusal}: ${error.message}\n`, { mode: CLEARING_FILE_MODE })
      yield { name, refused: error }
    }
  }
}

/** Moves a file into a folder, under another name where its own is taken. @returns where it stands */
async function moveTo(folder: string, file: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
  const taken = new Set(await readdir(folder))
  let free = name
  for (let number = 2; taken.has(free); number++) free = `${name}.${number}`
  const to = path.join(folder, free)
  await chmod(file, CLEARING_FILE_MODE)
  await rename(file, to)
  return to
}
