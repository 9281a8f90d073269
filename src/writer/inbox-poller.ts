import type { CommandQuery, InboxCommand } from '../store/command-inbox.ts'
import type { Timer, Timing } from '../timing.ts'

const POLL_EVERY_MS = 250
/** Commands of one lane that are read at once. */
const PAGE = 256

/** A lane as the poller sees it. */
export interface CommandTaker {
  readonly lane: number
  /** Commands that it takes now; none when it does not run. */
  readonly choreRoom: number
  /** @returns false when it takes none now: the command is read again */
  takeCommand(command: InboxCommand): boolean
}

/**
 * Gives each lane the commands of the inbox, in order of their ids and each once: what a lane was given it carries out
 * or keeps, however often its batches fail, until it is done or the program ends; the next program reads what is not
 * done. Ids become visible in order, so that nothing ever comes behind the last one that was given.
 */
export class InboxPoller {
  readonly #query: CommandQuery
  readonly #lanes: readonly CommandTaker[]
  readonly #onError: (error: unknown) => void
  readonly #timing: Timing
  /** Last command that each lane was given. */
  readonly #given = new Map<number, number>()
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  /** A command may have come while the inbox was being read. */
  #again = false
  #failing = false
  #stopped = false

  constructor(options: {
    query: CommandQuery
    lanes: readonly CommandTaker[]
    /** Gets what keeps the inbox from being read, once until it can be read again. */
    onError: (error: unknown) => void
    timing: Timing
  }) {
    this.#query = options.query
    this.#lanes = options.lanes
    this.#onError = options.onError
    this.#timing = options.timing
  }

  start(): void {
    this.#timer = this.#timing.every(POLL_EVERY_MS, () => this.poll())
    this.poll()
  }

  /** Looks now; while a look is under way, once more after it. */
  poll(): void {
    this.#again = true
    this.#looking ??= this.#look()
      .then(() => {
        this.#failing = false
      })
      .catch((error: unknown) => {
        if (!this.#failing) this.#onError(error)
        this.#failing = true
      })
      .finally(() => {
        this.#looking = undefined
      })
  }

  async stop(): Promise<void> {
    this.#timing.cancel(this.#timer)
    this.#stopped = true
    await this.#looking
  }

  async #look(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      const places = this.#lanes.flatMap(({ lane, choreRoom }) => {
        const limit = Math.min(PAGE, choreRoom)
        return limit === 0 ? [] : [{ lane, afterId: this.#given.get(lane) ?? 0, limit }]
      })
      if (places.length === 0) return
      const commands = await this.#query(places)
      for (const { lane, limit } of places) {
        const own = commands.filter((command) => command.lane === lane)
        // A whole page: there may be more.
        if (this.#give(lane, own) && own.length === limit) this.#again = true
      }
    }
  }

  /** @returns whether the lane took them all */
  #give(lane: number, commands: readonly InboxCommand[]): boolean {
    const taker = this.#lanes.find((one) => one.lane === lane)
    for (const command of commands) {
      if (taker?.takeCommand(command) !== true) return false
      this.#given.set(lane, command.id)
    }
    return true
  }
}
