import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describeError } from '../../errors.ts'
import { freeName } from '../free-name.ts'
import { type RefusalCause, RefusedFile } from '../iso20022/refusal.ts'
import { FileNotRead } from './file-reading.ts'
import { type BankReceiveContext, type ReceivedBankFile, receiveBankFile } from './receive.ts'

/** What became of the files of a folder. */
export interface ReceivedFolder {
  readonly received: readonly ReceivedBankFile[]
  readonly refused: readonly { readonly file: string; readonly reason: string; readonly refusal: RefusalCause }[]
  /** Files that could not be read, or are still being written: they stay, and are looked at the next time. */
  readonly unread: readonly { readonly file: string; readonly reason: string }[]
}

/** What banks send; other kinds of files in the folder are for other parts of the program. */
const BANK_FILE = /^[^.].*\.xml$/i
const FILES_MAX = 1_000

/**
 * Receives the bank files of `in` in the clearing folder, the oldest first. One that only came too early is tried again
 * behind the others. What was taken stands in `in/done`, what was refused in `in/rejected` with its reason beside it;
 * one that came before is removed. One that cannot be read stays and holds up nothing.
 * @throws MizanError WRITER_SILENT, STORE_UNAVAILABLE: the file at hand and those behind it stay
 */
export async function receiveBankFolder(context: BankReceiveContext): Promise<ReceivedFolder> {
  const folder = path.join(context.folder, 'in')
  const received: ReceivedBankFile[] = []
  const refused: { file: string; reason: string; refusal: RefusalCause }[] = []
  const unread: { file: string; reason: string }[] = []
  let waiting = await bankFilesIn(folder)
  let isLastTry = false
  while (waiting.length > 0) {
    const early: string[] = []
    const takenBefore = received.length
    const isEarly = (refusal: RefusedFile) => !isLastTry && refusal.refusal === 'gap'
    for (const name of waiting) {
      const file = path.join(folder, name)
      context.signal?.throwIfAborted()
      try {
        received.push(await receiveBankFile(file, { ...context, keepsRefusal: (refusal) => !isEarly(refusal) }))
        await rm(file)
      } catch (error) {
        if (error instanceof FileNotRead) unread.push({ file: name, reason: error.message })
        else if (!(error instanceof RefusedFile)) throw error
        else if (isEarly(error)) early.push(name)
        else {
          refused.push({ file: name, reason: error.message, refusal: error.refusal })
          await putAside(folder, name, error)
        }
      }
    }
    isLastTry = received.length === takenBefore
    waiting = early
  }
  return { received, refused, unread }
}

/** Whether a file of a bank lies in the clearing folder. */
export async function isBankFileWaiting(folder: string): Promise<boolean> {
  return (await bankFilesIn(path.join(folder, 'in'))).length > 0
}

async function bankFilesIn(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((one) => one.isFile() && BANK_FILE.test(one.name)).map(({ name }) => name)
  // One that is gone meanwhile is told when it is read.
  const timeOf = async (name: string) => (await stat(path.join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0
  const files = await Promise.all(names.slice(0, FILES_MAX).map(async (name) => ({ name, ms: await timeOf(name) })))
  return files.toSorted((a, b) => a.ms - b.ms || (a.name < b.name ? -1 : 1)).map(({ name }) => name)
}

async function putAside(folder: string, name: string, error: RefusedFile): Promise<void> {
  const target = await freeName(path.join(folder, 'rejected'), name)
  await writeFile(`${target}.reason`, `${describeError(error)}\n`, { mode: 0o600 })
  await rename(path.join(folder, name), target)
}
