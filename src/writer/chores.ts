import type { AuthorizationRequest } from '../authorization/request.ts'
import type { CivilDate } from '../calendar.ts'
import type { InboxCommand } from '../store/command-inbox.ts'
import type { OpenHostRequest } from '../store/host-requests.ts'
import { householdKey } from './household-cache.ts'
import type { UnderWay } from './work.ts'

/**
 * What a lane has to do beside answering requests, in batches like these: nobody waits for an answer, and it may take
 * its time, but it is done once and for all.
 */
export type Chore = OfHousehold & ChoreKind

/** Whose it is. */
interface OfHousehold {
  /** By what the household is found in memory; undefined when it names none. */
  readonly householdKey: string | undefined
  /** The household's number, for one that has no card to be read by. */
  readonly cardlessId?: number | undefined
}

type ChoreKind =
  | { readonly kind: 'expire-hold'; readonly holdId: number }
  /** Ends a request to the account host that nobody waits for any more. */
  | { readonly kind: 'abandon-host-request'; readonly request: OpenHostRequest }
  /** Closes the wallets of the months that are over. */
  | { readonly kind: 'close-months'; readonly householdId: number }
  | {
      readonly kind: 'command'
      readonly command: InboxCommand
      /** Why it cannot be carried out, where that was found out before: then it is only ended. */
      readonly refusal: string | undefined
      /** What a presentment of the network's clearing file asks to be decided. */
      readonly presentment?: Presented | undefined
    }

/** A presentment as a request, and the authorization that it was matched to. */
export interface Presented {
  readonly request: AuthorizationRequest
  readonly original: { readonly id: number; readonly businessDate: CivilDate } | undefined
}

export const CHORES_PER_BATCH = 32
/** Of settlement; a common chore posts a few. */
const POSTINGS_PER_CHORE = 16
const CHORES_MAX = 4_096
const REST_MS = 1_000
/** Until one is tried again that nothing ended. */
const POSTPONED_MS = 60_000

/** What a lane has to do, in order. Bounded: whoever brings a chore keeps it until there is room. */
export class Chores {
  #waiting: Chore[] = []
  #postponed: { readonly chore: Chore; readonly untilMs: number }[] = []
  #restUntilMs = 0

  /** How many more may be brought. */
  get room(): number {
    return Math.max(0, CHORES_MAX - this.#waiting.length - this.#postponed.length)
  }

  /** Whether there is something to do now. */
  isReady(nowMs: number): boolean {
    this.#resume(nowMs)
    return this.#waiting.length > 0 && !this.isResting(nowMs)
  }

  isResting(nowMs: number): boolean {
    return nowMs < this.#restUntilMs && nowMs >= this.#restUntilMs - REST_MS
  }

  /** @returns false when there is no room */
  push(chore: Chore): boolean {
    if (this.room === 0) return false
    this.#waiting.push(chore)
    return true
  }

  /**
   * Takes chores for a batch, up to `max`, and no further than before a presentment that depends on what is under way
   * or was just taken: as a message would, it finds in the journal what came before it. A command with many postings
   * takes the room of many chores: what waits for the same commit must not wait long for it.
   * @param ahead requests under way; the last of them gets the presentments that are taken
   */
  take(max: number, nowMs: number, ahead: readonly UnderWay[] = []): Chore[] {
    this.#resume(nowMs)
    if (max <= 0 || this.isResting(nowMs)) return []
    let count = 0
    for (let size = 0; count < this.#waiting.length; count++) {
      const chore = this.#waiting[count]
      size += sizeOf(chore)
      if (size > max && count > 0) break
      const credited = creditedCard(chore)
      if (credited !== undefined) ahead.at(-1)?.addReturn(credited)
      const request = requestOf(chore)
      if (request === undefined) continue
      if (ahead.some((requests) => requests.blocks(request))) break
      ahead.at(-1)?.add(request)
    }
    return this.#waiting.splice(0, count)
  }

  /** What was taken waits again: commands in their order, before them the holds. */
  putBack(chores: readonly Chore[]): void {
    if (chores.length === 0) return
    this.#waiting = [...chores, ...this.#waiting].sort((a, b) => orderOf(a) - orderOf(b))
  }

  /** Puts one off for a minute that the database refused in every form: others are done before it. */
  postpone(chore: Chore, nowMs: number): void {
    this.#postponed.push({ chore, untilMs: nowMs + POSTPONED_MS })
  }

  #resume(nowMs: number): void {
    if (this.#postponed.length === 0) return
    // A clock that was set back would hold them longer.
    const isDue = ({ untilMs }: { untilMs: number }) => nowMs >= untilMs || nowMs < untilMs - POSTPONED_MS
    const due = this.#postponed.filter(isDue)
    this.#postponed = this.#postponed.filter((one) => !isDue(one))
    this.putBack(due.map(({ chore }) => chore))
  }

  /** Lets all wait a while: the database lacks what it needs for any of them. */
  rest(nowMs: number): void {
    this.#restUntilMs = nowMs + REST_MS
  }
}

function requestOf(chore: Chore | undefined): AuthorizationRequest | undefined {
  return chore?.kind === 'command' ? chore.presentment?.request : undefined
}

/** The card of a dispute that is paid out: a reversal or refund of the same purchase must find that in the journal. */
function creditedCard(chore: Chore | undefined): string | undefined {
  return chore?.kind === 'command' && chore.command.kind === 'dispute-credit' ? chore.command.panIndex : undefined
}

/** How many common chores it amounts to. */
function sizeOf(chore: Chore | undefined): number {
  if (chore?.kind !== 'command') return 1
  const { postings } = chore.command.detail
  return Array.isArray(postings) ? Math.max(1, Math.ceil(postings.length / POSTINGS_PER_CHORE)) : 1
}

function orderOf(chore: Chore): number {
  return chore.kind === 'command' ? chore.command.id : 0
}

/** What a chore is, for the log. */
export function choreInWords(chore: Chore): string {
  if (chore.kind === 'expire-hold') return `the end of hold ${chore.holdId}`
  if (chore.kind === 'abandon-host-request') return `the end of host request ${chore.request.id}`
  if (chore.kind === 'close-months') return `the closing of household ${chore.householdId}`
  return `command ${chore.command.id} (${chore.command.kind})`
}

/** How a household is found: by one of its cards, or without any by its number. */
export function ofHousehold(panIndex: string | undefined, householdId: number | undefined): OfHousehold {
  if (panIndex !== undefined || householdId === undefined) return { householdKey: panIndex }
  return { householdKey: householdKey(householdId), cardlessId: householdId }
}
