import { link, mkdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import { endFetch, type Fetch, knownFetches, type NewFetch, saveFetch } from '../../store/clearing/deliver-fetch.ts'
import { type FileType, fileTypes } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import * as events from '../../telemetry/delivery-events.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { CLEARING_FOLDER_MODE, syncFolder } from '../atomic-file.ts'
import {
  decryptFile,
  digestFile,
  ENCRYPTED_SUFFIX,
  type FileDigest,
  SIGNATURE_SUFFIX,
  verifyFile,
} from '../protection/files.ts'
import { type KeyRoom, openKeyRoom } from '../protection/key-room.ts'
import { ProtectionRefusal } from '../protection/refusal.ts'
import { type DeliveryOptions, type Inbox, openPlace, typesWithPans } from './options.ts'
import type { Place, RemoteFile } from './place.ts'

/** A file of a partner: fetched, opened, its signature verified. */
export interface ReceivedFile {
  /** Absolute; the clear file. */
  readonly path: string
  readonly name: string
  readonly type: FileType
  readonly partner: string
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * Takes files of a type; other parts register theirs. It must bear being given the same file again.
 * @returns what came of it, in words
 * @throws MizanError of status 4xx when the file is refused; anything else, and the file is offered again later
 */
export type FileReceiver = (file: ReceivedFile) => Promise<string>

export type FileReceivers = Partial<Readonly<Record<FileType, FileReceiver>>>

/** What came of a look at the places of partners. */
export interface PollResult {
  taken: number
  refused: number
  /** Files that wait for their signature, or for their receiver. */
  waiting: number
  /** Places that could not be looked at. */
  failed: number
}

export interface PollWork {
  readonly signal: AbortSignal
  readonly nowMs: () => number
  readonly log: Logger
}

/** Looks at the places of all partners, takes what is new, and hands it on. */
export async function pollInboxes(
  client: Client,
  options: DeliveryOptions,
  receivers: FileReceivers,
  work: PollWork,
): Promise<PollResult> {
  const result: PollResult = { taken: 0, refused: 0, waiting: 0, failed: 0 }
  if (options.inboxes.length === 0) return result
  const seal = await options.openSeal()
  const room = await openKeyRoom(client, { seal, nowMs: work.nowMs(), isProduction: options.isProduction })
  for (const inbox of options.inboxes) {
    work.signal.throwIfAborted()
    const place = openPlace(inbox)
    try {
      await pollInbox({ client, folder: options.folder, inbox, place, room, receivers, work, result })
    } catch (error) {
      if (work.signal.aborted) throw error
      result.failed++
      events.inboxFailed(work.log, { source: inbox.name }, error)
    } finally {
      await place.close()
    }
  }
  return result
}

interface Visit {
  readonly client: Client
  /** The clearing folder. */
  readonly folder: string
  readonly inbox: Inbox
  readonly place: Place
  readonly room: KeyRoom
  readonly receivers: FileReceivers
  readonly work: PollWork
  readonly result: PollResult
}

async function pollInbox(visit: Visit): Promise<void> {
  const { client, inbox, place, work, result } = visit
  const found = await place.list()
  const byName = new Map(found.map((file) => [file.name, file]))
  const known = await knownFetches(client, inbox.name, [...byName.keys()])
  for (const file of found) {
    if (file.name.endsWith(SIGNATURE_SUFFIX)) continue
    work.signal.throwIfAborted()
    // Files do not change: what was taken is known by its name and size. A correction has a name of its own.
    const before = known.findLast(({ name, bytes }) => name === file.name && bytes === file.bytes)
    if (before?.state === 'handed' || before?.state === 'refused') {
      if (inbox.remove) await removeThere(visit, file.name)
      continue
    }
    if (before !== undefined) {
      await handOn(visit, before)
      continue
    }
    if (inbox.requireSignature && !byName.has(baseOf(file.name) + SIGNATURE_SUFFIX)) {
      result.waiting++
      continue
    }
    const taken = await take(visit, file, byName.has(baseOf(file.name) + SIGNATURE_SUFFIX))
    if (taken.state === 'fetched') await handOn(visit, taken)
  }
}

/** Name of the clear file. */
function baseOf(name: string): string {
  return name.endsWith(ENCRYPTED_SUFFIX) ? name.slice(0, -ENCRYPTED_SUFFIX.length) : name
}

function typeOf(name: string, inbox: Inbox): FileType | undefined {
  const named = /^UC\.([A-Z0-9]{3})\./.exec(name)?.[1]
  return fileTypes.find((type) => type === named) ?? inbox.type
}

function folders({ folder, inbox }: Pick<Visit, 'folder' | 'inbox'>) {
  const within = (...names: string[]) => path.join(folder, 'in', ...names, inbox.name)
  return { arrived: path.join(folder, 'in', inbox.name), done: within('done'), rejected: within('rejected') }
}

/** Fetches a file, opens it, verifies it; refused is what does not pass, and nothing clear is left of it. */
async function take(visit: Visit, file: RemoteFile, isSigned: boolean): Promise<Fetch> {
  const { client, inbox, place, work, result } = visit
  const { arrived, rejected } = folders(visit)
  await mkdir(arrived, { recursive: true, mode: CLEARING_FOLDER_MODE })
  const raw = path.join(arrived, `.${file.name}.fetched`)
  const base = baseOf(file.name)
  const signature = path.join(arrived, base + SIGNATURE_SUFFIX)
  await place.get(file.name, raw, inbox.bytesMax, work.signal)
  if (isSigned) await place.get(base + SIGNATURE_SUFFIX, signature, inbox.bytesMax, work.signal)
  const digest = await digestFile(raw, work)
  const facts = { source: inbox.name, name: file.name, ...digest }
  try {
    const opened = await open(visit, { raw, base, signature, isSigned, digest })
    await syncFolder(arrived)
    const fetched = await saveFetch(client, { ...facts, state: 'fetched', ...opened })
    events.fileFetched(work.log, { file: file.name, source: inbox.name, type: opened.type })
    return fetched
  } catch (error) {
    const reason = refusalOf(error)
    if (reason === undefined) throw error
    await rm(path.join(arrived, base), { force: true })
    await rm(signature, { force: true })
    await keep(raw, path.join(rejected, file.name))
    const words = describeError(error)
    result.refused++
    events.fetchRefused(work.log, { file: file.name, source: inbox.name, reason, words })
    return saveFetch(client, { ...facts, state: 'refused', reason, words })
  }
}

interface Fetched {
  readonly raw: string
  readonly base: string
  readonly signature: string
  readonly isSigned: boolean
  readonly digest: FileDigest
}

type Opened = Required<Pick<NewFetch, 'type' | 'clearName' | 'clearSha256'>> & Pick<NewFetch, 'signedBy'>

async function open(visit: Visit, { raw, base, signature, isSigned, digest }: Fetched): Promise<Opened> {
  const { inbox, room, work } = visit
  const { arrived } = folders(visit)
  const type = typeOf(base, inbox)
  if (type === undefined) throw new MizanError('BAD_INPUT', `${base} does not say what type of file it is`)
  const encryptedName = raw.slice(0, -'.fetched'.length)
  const target = path.join(arrived, base)
  let clear = digest
  if (encryptedName.endsWith(ENCRYPTED_SUFFIX)) {
    clear = await decryptFile(raw, target, room.recipients(), { bytesMax: inbox.bytesMax, signal: work.signal })
  } else {
    if (typesWithPans.includes(type)) throw new ProtectionRefusal('not-encrypted', base)
    // A second name: the file of gigabytes is there once.
    await rm(target, { force: true })
    await link(raw, target)
  }
  const opened = { type, clearName: base, clearSha256: clear.sha256 }
  if (!isSigned) {
    if (inbox.requireSignature) throw new ProtectionRefusal('no-signature', base)
    return opened
  }
  const verifiers = room.verifiers(inbox.partner)
  const certificates = verifiers.map(({ certificate }) => certificate)
  const signer = await verifyFile(target, signature, certificates, work.nowMs(), clear.sha256)
  const signedBy = verifiers.find(({ certificate }) => certificate.fingerprint === signer.fingerprint)?.id
  return { ...opened, ...(signedBy === undefined ? {} : { signedBy }) }
}

/** Reasons that lie in the file, so that trying again changes nothing. */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof ProtectionRefusal) return error.reason
  if (!(error instanceof MizanError)) return undefined
  const { httpStatus, retryable } = error.entry
  return httpStatus >= 400 && httpStatus < 500 && !retryable ? error.code.toLowerCase().replaceAll('_', '-') : undefined
}

/** Gives a file to who takes its type; without one it waits. */
async function handOn(visit: Visit, fetched: Fetch): Promise<void> {
  const { client, inbox, receivers, work, result } = visit
  const { arrived, done, rejected } = folders(visit)
  const { type, clearName = '' } = fetched
  const receiver = receivers[type as FileType]
  if (receiver === undefined) {
    result.waiting++
    return
  }
  const clear = path.join(arrived, clearName)
  const { partner } = inbox
  const given = { path: clear, name: clearName, type: type as FileType, partner, log: work.log, signal: work.signal }
  let end: { readonly state: 'handed' | 'refused'; readonly words: string; readonly reason?: string }
  try {
    end = { state: 'handed', words: await receiver(given) }
    result.taken++
  } catch (error) {
    const reason = refusalOf(error)
    if (reason === undefined) {
      if (work.signal.aborted) throw error
      // It is offered again; what lies behind it does not wait for it.
      result.failed++
      events.inboxFailed(work.log, { source: `${inbox.name}: ${clearName}` }, error)
      return
    }
    end = { state: 'refused', words: describeError(error), reason }
    result.refused++
    events.fetchRefused(work.log, { file: fetched.name, source: inbox.name, reason, words: end.words })
  }
  await endFetch(client, fetched.id, end)
  const to = end.state === 'handed' ? done : rejected
  // What came encrypted is kept so; its clear form goes.
  await keep(path.join(arrived, `.${fetched.name}.fetched`), path.join(to, fetched.name))
  await keep(path.join(arrived, clearName + SIGNATURE_SUFFIX), path.join(to, clearName + SIGNATURE_SUFFIX))
  await rm(clear, { force: true })
  await syncFolder(arrived)
  if (inbox.remove) await removeThere(visit, fetched.name)
}

async function removeThere({ place }: Visit, name: string): Promise<void> {
  await place.remove(name)
  await place.remove(baseOf(name) + SIGNATURE_SUFFIX)
}

/** Moves a file to where it is kept; one that is not there was moved before. */
async function keep(from: string, to: string): Promise<void> {
  if ((await stat(from).catch(() => undefined)) === undefined) return
  await mkdir(path.dirname(to), { recursive: true, mode: CLEARING_FOLDER_MODE })
  await rename(from, to)
  await syncFolder(path.dirname(to))
}
