import type { Timing } from '../timing.ts'

/** Something that has work to do once per turn of the event loop. */
export interface EndOfTurnTask {
  endOfTurn(): void
}

/**
 * Collects work until the end of the current turn of the event loop, so that all answers a turn produces for one
 * socket leave in one write, and so that reading resumes outside of the call that answered. Shared by the links of a
 * listener: one immediate per turn, however many links have something to send.
 */
export class EndOfTurn {
  readonly #timing: Timing
  #tasks: EndOfTurnTask[] = []
  readonly #run = (): void => {
    const tasks = this.#tasks
    this.#tasks = []
    for (const task of tasks) task.endOfTurn()
  }

  constructor(timing: Timing) {
    this.#timing = timing
  }

  /** Runs `task.endOfTurn()` once after the I/O callbacks of this turn; the caller schedules a task once at a time. */
  schedule(task: EndOfTurnTask): void {
    if (this.#tasks.length === 0) this.#timing.endOfTurn(this.#run)
    this.#tasks.push(task)
  }
}
