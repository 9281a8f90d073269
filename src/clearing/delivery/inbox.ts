import { describeError } from '../../errors.ts'
import { endFetch, type Fetch, findFetch, knownFetches, waitingFetches } from '../../store/clearing/deliver-fetch.ts'
import type { FileType } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import * as events from '../../telemetry/delivery-events.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { digestFile, SIGNATURE_SUFFIX } from '../protection/files.ts'
import { type KeyRoom, openKeyRoom } from '../protection/key-room.ts'
import { baseOf, InboxFolder } from './inbox-folder.ts'
import { refusalOf, takeFile, typeOf } from './inbox-take.ts'
import { type DeliveryOptions, type Inbox, openPlace } from './options.ts'
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
  /** Files that wait for their signature, for their receiver, or for the next look. */
  waiting: number
  /** Places that could not be looked at, and files that could not be taken now. */
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
  // A key of ours that does not open is no fault of a file.
  const recipients = room.incomingRecipients()
  for (const inbox of options.inboxes) {
    work.signal.throwIfAborted()
    const place = openPlace(inbox)
    try {
      const files = new InboxFolder(options.folder, inbox.name)
      const verifiers = room.verifiers(inbox.partner)
      await pollInbox({ client, files, inbox, place, recipients, verifiers, receivers, work, result })
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

/** A look at one place. */
export interface Visit {
  readonly client: Client
  readonly files: InboxFolder
  readonly inbox: Inbox
  readonly place: Place
  /** With what files for us are opened, and who of the partner may have signed. */
  readonly recipients: ReturnType<KeyRoom['incomingRecipients']>
  readonly verifiers: ReturnType<KeyRoom['verifiers']>
  readonly receivers: FileReceivers
  readonly work: PollWork
  readonly result: PollResult
}

/** New files that are taken of a place in one look; more come with the next. */
const NEW_MAX = 1_000
/** After so many files in a row that could not be fetched, the place is given up until the next look. */
const FAILURES_MAX = 3

async function pollInbox(visit: Visit): Promise<void> {
  const { client, inbox, work, files } = visit
  await files.open()
  const waiting = await waitingFetches(client, inbox.name)
  await tidy(visit, waiting)
  const here = new Map(waiting.map((one) => [one.name, one]))
  try {
    await pollPlace(visit, here)
  } finally {
    // What is here is handed on, whether or not it still lies there.
    if (!work.signal.aborted) for (const one of here.values()) await handOn(visit, one)
  }
}

/** Looks at what lies there, in the order of its names. @param here what waits here; loses what is handed on */
async function pollPlace(visit: Visit, here: Map<string, Fetch>): Promise<void> {
  const { client, inbox, place, work } = visit
  const found = await place.list()
  const byName = new Map(found.map((file) => [file.name, file]))
  const known = new Map((await knownFetches(client, inbox.name, [...byName.keys()])).map((one) => [one.name, one]))
  let fresh = 0
  let failures = 0
  for (const listed of found) {
    if (listed.name.endsWith(SIGNATURE_SUFFIX)) continue
    work.signal.throwIfAborted()
    const signature = byName.get(baseOf(listed.name) + SIGNATURE_SUFFIX)
    const file = asOf(listed, signature)
    const before = known.get(file.name)
    const waiting = here.get(file.name)
    if (waiting !== undefined) {
      // Another one of its name is looked at when this one is dealt with.
      here.delete(file.name)
      await handOn(visit, waiting)
      continue
    }
    if (before !== undefined && isSame(before, file)) {
      await removeThere(visit, before)
      continue
    }
    if (isWaiting(visit, file.name, signature !== undefined) || ++fresh > NEW_MAX) {
      visit.result.waiting++
      continue
    }
    try {
      const taken = await takeFile(visit, file, signature !== undefined)
      failures = 0
      if (taken.state === 'fetched') await handOn(visit, taken)
      else await removeThere(visit, taken)
    } catch (error) {
      if (work.signal.aborted || ++failures >= FAILURES_MAX) throw error
      // One that cannot be read does not keep those behind it from being fetched.
      visit.result.failed++
      events.inboxFailed(work.log, { source: `${inbox.name}: ${file.name}` }, error)
    }
  }
}

/** A file has changed when its signature has. */
function asOf(file: RemoteFile, signature: RemoteFile | undefined): RemoteFile {
  const times = [file.modifiedAtMs, signature?.modifiedAtMs].filter((ms) => ms !== undefined)
  return { ...file, modifiedAtMs: times.length === 0 ? undefined : Math.max(...times) }
}

/**
 * Whether a file is the one that was looked at before, as far as a list shows it; what it holds is looked at otherwise.
 */
function isSame(before: Fetch, { bytes, modifiedAtMs }: RemoteFile): boolean {
  return before.bytes === bytes && before.modifiedAtMs === modifiedAtMs
}

function isWaiting({ inbox, receivers }: Visit, name: string, isSigned: boolean): boolean {
  const type = typeOf(baseOf(name), inbox)
  // What nobody takes here is left there: it would lie here in the clear.
  return (inbox.requireSignature && !isSigned) || (type !== undefined && receivers[type] === undefined)
}

/** Ends what a look before this one left unfinished. */
async function tidy({ client, files, inbox }: Visit, waiting: readonly Fetch[]): Promise<void> {
  const left = (await files.names()).filter((name) => !waiting.some((one) => one.name === name))
  for (const name of left) {
    const { sha256 } = await digestFile(files.raw(name))
    await files.finish(name, (await findFetch(client, { source: inbox.name, name, sha256 }))?.state)
  }
}

/** Gives a file to who takes its type; without one it waits. */
async function handOn(visit: Visit, fetched: Fetch): Promise<void> {
  const { client, inbox, receivers, work, result, files } = visit
  const { type, name } = fetched
  const receiver = receivers[type as FileType]
  if (receiver === undefined) {
    result.waiting++
    return
  }
  const { partner } = inbox
  const { log, signal } = work
  const given = { path: files.clear(name), name: baseOf(name), type: type as FileType, partner, log, signal }
  let end: { readonly state: 'handed' | 'refused'; readonly words: string; readonly reason?: string }
  try {
    end = { state: 'handed', words: await receiver(given) }
    result.taken++
  } catch (error) {
    const reason = refusalOf(error)
    if (reason === undefined) {
      if (signal.aborted) throw error
      // It is offered again; what lies behind it does not wait for it.
      result.failed++
      events.inboxFailed(log, { source: `${inbox.name}: ${given.name}` }, error)
      return
    }
    end = { state: 'refused', words: describeError(error), reason }
    result.refused++
    events.fetchRefused(log, { file: name, source: inbox.name, reason, words: end.words })
  }
  await endFetch(client, fetched.id, end)
  await files.finish(name, end.state)
  await removeThere(visit, fetched)
}

/** Removes what is dealt with there, where that is asked for; of what is too large there is nothing here. */
async function removeThere({ place, inbox }: Visit, { name, sha256 }: Fetch): Promise<void> {
  if (!inbox.remove || sha256 === undefined) return
  await place.remove(name)
  await place.remove(baseOf(name) + SIGNATURE_SUFFIX)
}
