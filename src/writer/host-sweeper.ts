import type { OpenHostRequest, OpenHostRequestQuery } from '../store/host-requests.ts'
import type { Timer, Timing } from '../timing.ts'

const SWEEP_EVERY_MS = 10_000
const SWEEP_LIMIT = 500
/** Far beyond the time that any request has: whoever asked this was answered long ago, or is gone. */
const ABANDONED_AFTER_MS = 60_000

export interface HostSweeperOptions {
  readonly query: OpenHostRequestQuery
  /** @returns false when its lane has no room: it is swept again next time */
  readonly abandon: (request: OpenHostRequest) => boolean
  readonly now: () => number
  readonly onError: (error: unknown) => void
  readonly timing: Timing
}

/**
 * Looks for requests to the account host that nothing has ended, because whoever asked died, or gave up for want of
 * time, and has their lanes end them: then what the host may have booked is taken back.
 */
export class HostSweeper {
  readonly #options: HostSweeperOptions
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  /** Handed over already, and to be found open until their batch is durable. */
  #handed = new Set<number>()

  constructor(options: HostSweeperOptions) {
    this.#options = options
  }

  /** Ends what an earlier process left open: called before this one asks anything. */
  async start(): Promise<void> {
    const { timing, now, onError } = this.#options
    this.#timer = timing.every(SWEEP_EVERY_MS, () => this.sweep())
    await this.#sweep(now()).catch(onError)
  }

  /** Begins a sweep unless one runs. */
  sweep(): void {
    const { now, onError } = this.#options
    this.#running ??= this.#sweep(now() - ABANDONED_AFTER_MS)
      .catch(onError)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    this.#options.timing.cancel(this.#timer)
    await this.#running
  }

  async #sweep(askedBeforeMs: number): Promise<void> {
    const { query, abandon } = this.#options
    const open = await query(askedBeforeMs, SWEEP_LIMIT)
    const handed = new Set<number>()
    for (const request of open) {
      if (this.#handed.has(request.id) || abandon(request)) handed.add(request.id)
      else break
    }
    this.#handed = handed
  }
}
