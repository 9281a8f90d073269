import type { AnswerFields } from '../authorization/answer.ts'
import type { Result } from '../authorization/result.ts'
import { KeyMap } from './key-map.ts'
import type { Work } from './work.ts'

/** Copies that wait for the answer of one request; a terminal repeats a few times, a fault of a network many. */
const FOLLOWERS_MAX = 16

interface Taken {
  work: Work
  followers: Work[] | undefined
}

/**
 * Requests that were taken into batches and are not answered yet, by their keys. A copy of one of them (a repeat, or
 * the same message twice) whose time is over cannot be answered 91, which says that nothing is posted: what is posted
 * is just being decided. It follows the first copy instead, and gets the same answer.
 */
export class Copies {
  readonly #taken = new KeyMap<Taken>()

  /** These are in a batch from now on. */
  take(works: readonly Work[]): void {
    for (const work of works) {
      const { key } = work.request
      const known = this.#taken.get(key)
      // One that was at the account host meanwhile is taken a second time.
      if (known === undefined || known.work.request !== work.request)
        this.#taken.set(key, { work, followers: undefined })
      else known.work = work
    }
  }

  /** These wait again; what followed them does too. @returns all of them, each before those that followed it */
  giveBack(works: readonly Work[]): Work[] {
    return works.flatMap((work) => [work, ...this.#remove(work)])
  }

  /** @returns whether the request is a copy of one in a batch and is answered with that one */
  follow(copy: Work): boolean {
    const { key, contentHash } = copy.request
    const first = this.#taken.get(key)
    if (first === undefined || first.work.request === copy.request) return false
    const { request, responseCodes } = first.work
    if (request.contentHash !== contentHash || responseCodes !== copy.responseCodes) return false
    first.followers ??= []
    if (first.followers.length >= FOLLOWERS_MAX) return false
    first.followers.push(copy)
    return true
  }

  /** Answers a request, and what follows it. */
  answer(work: Work, result: Result, fields: AnswerFields): void {
    const followers = this.#remove(work)
    work.respond(result, fields)
    for (const follower of followers) follower.respond(result, fields)
  }

  #remove(work: Work): Work[] {
    const { key } = work.request
    const found = this.#taken.get(key)
    if (found?.work.request !== work.request) return []
    this.#taken.delete(key)
    return found.followers ?? []
  }
}
