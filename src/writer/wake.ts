import type { Timing } from '../timing.ts'

/** Wakes a loop that has nothing to do. A signal that comes while the loop works is not lost. */
export class Wake {
  readonly #timing: Timing
  #signalled = false
  #resolve: (() => void) | undefined

  constructor(timing: Timing) {
    this.#timing = timing
  }

  signal(): void {
    this.#signalled = true
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.()
  }

  /** Waits for a signal, and then one turn of the event loop: what arrives together is seen together. */
  async wait(): Promise<void> {
    if (!this.#signalled) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve
      })
    }
    this.#signalled = false
    await endOfTurn(this.#timing)
  }
}

/** Resolves after the event loop has seen to what arrived. */
export function endOfTurn(timing: Timing): Promise<void> {
  return new Promise((resolve) => timing.endOfTurn(resolve))
}
