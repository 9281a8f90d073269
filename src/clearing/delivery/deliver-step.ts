import { formatDate } from '../../calendar.ts'
import { describeError, MizanError } from '../../errors.ts'
import {
  type AttemptEnd,
  beginDelivery,
  type Delivery,
  datesToDeliver,
  dropSuperseded,
  noteAttempt,
} from '../../store/clearing/deliver.ts'
import { revokedAmong } from '../../store/clearing/deliver-keys.ts'
import { type FileProtection, readProtection } from '../../store/clearing/deliver-protection.ts'
import { giveDeliveryLock, takeDeliveryLock } from '../../store/clearing/deliver-standing.ts'
import { type ClearingFile, moveFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import * as events from '../../telemetry/delivery-events.ts'
import { MINUTE_MS } from '../../time-units.ts'
import type { DayStep, DayStepOutcome } from '../day/step.ts'
import { type LostPart, wayBack } from '../outgoing/lost-file.ts'
import { digestFile, ENCRYPTED_SUFFIX, SIGNATURE_SUFFIX } from '../protection/files.ts'
import { fileAt, onConnection, outgoingFiles, type StepWork } from './day-files.ts'
import { type DeliveryOptions, type Destination, destinationOf, isEncrypted, openPlace } from './options.ts'
import { DeliveryRefusal, type Place, type PutOutcome } from './place.ts'
import { releaseByPolicy } from './release.ts'

const ACTOR = 'deliver'

/** The step that brings released files to their receivers; it waits for the two people who release them. */
export function deliverStep(options: DeliveryOptions): DayStep {
  return {
    name: 'deliver',
    description: 'deliver the files that are released, each to its destination',
    run: (context) =>
      onConnection(context.url, 'mizan clearing deliver', (client) => deliverFiles(client, options, context)),
  }
}

/** How eagerly files are delivered. */
export interface DeliverWork extends StepWork {
  /** Tries at once what waits for its next attempt, or was given up. */
  readonly isAsked?: boolean
  /** @default deliver */
  readonly actor?: string
}

/**
 * Releases what needs nobody's agreement, and delivers what is released of a date. One process does so at a time.
 * @throws MizanError CONFLICT when another one is at it
 */
export async function deliverFiles(
  client: Client,
  options: DeliveryOptions,
  work: DeliverWork,
): Promise<DayStepOutcome> {
  if (!(await takeDeliveryLock(client))) throw new MizanError('CONFLICT', 'another process is delivering files')
  const places = new Map<string, Place>()
  const away = new Map<string, string>()
  try {
    await dropSuperseded(client, formatDate(work.businessDate), work.actor ?? ACTOR)
    const signed = await outgoingFiles(client, work.businessDate, ['signed'])
    const free = signed.filter(({ type }) => !options.releaseRequired.includes(type))
    await releaseByPolicy(client, work.businessDate, free)
    const files = await outgoingFiles(client, work.businessDate, ['released', 'delivered', 'acknowledged', 'rejected'])
    const tally: Tally = { done: 0, waiting: [], stuck: [], toRelease: signed.length - free.length }
    for (const [at, file] of files.entries()) {
      work.signal.throwIfAborted()
      work.progress(`delivering ${file.name}`, at, files.length)
      await deliverOne({ client, options, work, places, away, tally }, file)
    }
    return outcomeOf(tally, files.length, formatDate(work.businessDate))
  } finally {
    await Promise.all([...places.values()].map((place) => place.close()))
    await giveDeliveryLock(client)
  }
}

const DATES_MAX = 31

/**
 * Delivers what waits for its next attempt, of whatever date: also what somebody asked to be sent once more after its
 * day was closed.
 * @returns how each date stands; undefined when another process delivers or fetches
 */
export async function deliverDue(
  client: Client,
  options: DeliveryOptions,
  work: Omit<DeliverWork, 'businessDate'>,
): Promise<readonly DayStepOutcome[] | undefined> {
  const outcomes: DayStepOutcome[] = []
  try {
    for (const businessDate of await datesToDeliver(client, work.nowMs(), DATES_MAX)) {
      outcomes.push(await deliverFiles(client, options, { ...work, businessDate }))
    }
  } catch (error) {
    if (error instanceof MizanError && error.code === 'CONFLICT') return undefined
    throw error
  }
  return outcomes
}

interface Tally {
  done: number
  readonly waiting: string[]
  readonly stuck: string[]
  readonly toRelease: number
}

interface Round {
  readonly client: Client
  readonly options: DeliveryOptions
  readonly work: DeliverWork
  readonly places: Map<string, Place>
  /** Places that did not answer in this round, and what came of it: nobody waits there for each file again. */
  readonly away: Map<string, string>
  readonly tally: Tally
}

const NAMED_MAX = 3

function outcomeOf({ done, waiting, stuck, toRelease }: Tally, files: number, date: string): DayStepOutcome {
  const some = (list: readonly string[]) => {
    const more = list.length > NAMED_MAX ? `; and ${list.length - NAMED_MAX} more` : ''
    return list.slice(0, NAMED_MAX).join('; ') + more
  }
  if (stuck.length > 0) {
    return { state: 'blocked', words: `${some(stuck)}; mizan clearing deliver ${date} tries again` }
  }
  if (toRelease > 0) {
    const words = `${toRelease} files wait to be released by two people: mizan clearing release ${date}`
    return { state: 'waiting', words }
  }
  if (waiting.length > 0) return { state: 'waiting', words: some(waiting) }
  return { state: 'done', words: `${done} of ${files} files delivered`, detail: { delivered: done, files } }
}

async function deliverOne(round: Round, file: ClearingFile): Promise<void> {
  const { client, options, work, tally } = round
  const destination = destinationOf(file, options)
  if (destination === undefined) {
    // The manifest goes where somebody wants it; anything else has a receiver.
    if (file.type === 'MAN') return
    tally.stuck.push(`${file.name} has no destination: add one to clearing.delivery.destinations`)
    return
  }
  const { actor = ACTOR } = work
  const delivery = await beginDelivery(client, file.id, destination.name, { actor, nowMs: work.nowMs() })
  const isAnswered = file.state === 'acknowledged' || file.state === 'rejected'
  if (isAnswered && delivery.state !== 'delivered') {
    // The answer came before it was noted that the file is there.
    const end = { event: 'was-there', acknowledgeByMs: undefined, detail: `it is ${file.state}` } as const
    await noteAttempt(client, delivery.id, end, { actor: ACTOR, nowMs: work.nowMs() })
  }
  if (isAnswered || delivery.state === 'delivered') {
    if (!isAnswered) await markDelivered(client, file)
    tally.done++
    return
  }
  if (work.isAsked !== true && delivery.state === 'failed') {
    tally.stuck.push(`${file.name} was not delivered to ${destination.name}: ${delivery.error ?? 'it failed'}`)
    return
  }
  if (work.isAsked !== true && delivery.nextAtMs > work.nowMs()) {
    tally.waiting.push(againInWords(file, delivery))
    return
  }
  const words = round.away.get(placeOf(destination))
  if (words !== undefined) {
    tally.waiting.push(`${file.name} is not tried now: ${words}`)
    return
  }
  await attempt(round, file, destination, delivery)
}

/** Files without a destination of the configuration go to a folder of each institution. */
function placeOf({ name, folder }: Destination): string {
  return `${name} ${folder}`
}

function againInWords({ name }: ClearingFile, { nextAtMs, error }: Pick<Delivery, 'nextAtMs' | 'error'>): string {
  return `${name} is tried again at ${new Date(nextAtMs).toISOString()}${error === undefined ? '' : `: ${error}`}`
}

async function attempt(round: Round, file: ClearingFile, destination: Destination, delivery: Delivery): Promise<void> {
  const { client, work, tally } = round
  const { actor = ACTOR } = work
  const fields = { file: file.name, destination: destination.name, attempt: delivery.attempts + 1 }
  const note = (end: AttemptEnd) => noteAttempt(client, delivery.id, end, { actor, nowMs: work.nowMs() })
  try {
    const outcome = await putAll(round, file, destination)
    const minutes = destination.acknowledgeWithinMinutes
    const acknowledgeByMs = minutes === undefined ? undefined : work.nowMs() + minutes * MINUTE_MS
    await note({ event: outcome, acknowledgeByMs, detail: outcome })
    await markDelivered(client, file)
    events.fileDelivered(work.log, { ...fields, outcome })
    tally.done++
  } catch (error) {
    if (work.signal.aborted) throw error
    const words = describeError(error)
    events.deliveryFailed(work.log, fields, error)
    if (error instanceof DeliveryRefusal || (error instanceof MizanError && error.code === 'CONFIG_INVALID')) {
      await note({ event: 'refused', error: words })
      tally.stuck.push(`${file.name} is refused by ${destination.name}: ${words}`)
      return
    }
    const nextAtMs = work.nowMs() + waitOf(delivery, round.options)
    const isLast = delivery.attempts + 1 - delivery.attemptsBefore >= round.options.attempts
    await note({ event: 'failed', error: words, nextAtMs, isLast })
    if (isLast) tally.stuck.push(`${file.name} was not delivered to ${destination.name}: ${words}`)
    else tally.waiting.push(againInWords(file, { nextAtMs, error: words }))
  }
}

const DOUBLINGS_MAX = 30

function waitOf(
  { attempts, attemptsBefore }: Delivery,
  { firstRetryMs, longestRetryMs }: Pick<DeliveryOptions, 'firstRetryMs' | 'longestRetryMs'>,
): number {
  return Math.min(firstRetryMs * 2 ** Math.min(attempts - attemptsBefore, DOUBLINGS_MAX), longestRetryMs)
}

async function markDelivered(client: Client, { id }: ClearingFile): Promise<void> {
  // The receiver may have answered before this was noted.
  const from = ['released', 'delivered'] as const
  await moveFile(client, id, { from, to: 'delivered', action: 'delivered', actor: ACTOR })
}

/** Puts a file's parts, the signature first: whoever sees the file finds what vouches for it. */
async function putAll({ client, options, work, places, away }: Round, file: ClearingFile, destination: Destination) {
  const protection = await readProtection(client, file.id)
  if (protection === undefined) throw new DeliveryRefusal(`${file.name} is not protected: it was never signed`)
  if (isEncrypted(file, destination) && protection.encrypted === undefined) {
    throw new DeliveryRefusal(`${file.name} was signed in the clear, and ${destination.name} gets its files encrypted`)
  }
  await requireKeysInUse(client, file, protection)
  const key = placeOf(destination)
  let place = places.get(key)
  if (place === undefined) {
    place = openPlace(destination)
    places.set(key, place)
  }
  let outcome: PutOutcome = 'was-there'
  for (const { part, file: local, name, expected } of partsOf(file, protection, fileAt(options.folder, file))) {
    const digest = await digestFile(local, work).catch(missing(file, part))
    if (!digest.sha256.equals(expected)) {
      throw new DeliveryRefusal(`${local} is not the file that was protected: ${wayBack(file, part)}`)
    }
    try {
      outcome = await place.put(local, name, digest, work.signal)
    } catch (error) {
      if (!(error instanceof DeliveryRefusal)) away.set(key, describeError(error))
      throw error
    }
  }
  return outcome
}

/** A key may have been given up since: what is under it vouches for nothing, or is readable by whoever has the key. */
async function requireKeysInUse(client: Client, { name }: ClearingFile, protection: FileProtection): Promise<void> {
  const { signedBy, encrypted } = protection
  const revoked = await revokedAmong(client, [signedBy, ...(encrypted?.keys ?? [])])
  if (revoked.includes(signedBy)) {
    const way = `mizan clearing sign-again ${name} --reason TEXT signs the same bytes with the key in use`
    throw new DeliveryRefusal(`${name} was signed with key ${signedBy}, which was revoked since: ${way}`)
  }
  if (revoked.length > 0) {
    const way = `mizan clearing correct ${name} --reason TEXT writes and encrypts it anew`
    throw new DeliveryRefusal(`${name} is encrypted for key ${revoked[0]}, which was revoked since: ${way}`)
  }
}

/** What is not here will not be here at the next attempt. */
function missing(file: ClearingFile, part: LostPart['part']) {
  return (error: unknown): never => {
    if ((error as { code?: unknown } | null)?.code !== 'ENOENT') throw error
    throw new DeliveryRefusal(`${describeError(error)}: ${wayBack(file, part)}`)
  }
}

function partsOf(file: ClearingFile, { signatureSha256, encrypted }: FileProtection, at: string) {
  const { name, sha256 } = file
  const signature = {
    part: 'signature',
    file: at + SIGNATURE_SUFFIX,
    name: name + SIGNATURE_SUFFIX,
    expected: signatureSha256,
  } as const
  const content =
    encrypted === undefined
      ? ({ part: 'file', file: at, name, expected: sha256 ?? Buffer.alloc(0) } as const)
      : ({
          part: 'encrypted',
          file: at + ENCRYPTED_SUFFIX,
          name: name + ENCRYPTED_SUFFIX,
          expected: encrypted.sha256,
        } as const)
  return [signature, content]
}
