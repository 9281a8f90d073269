/** Wakes a loop that has nothing to do. A signal that comes while the loop works is not lost. */
export class Wake {
  #signalled = false
  #resolve: (() => void) | undefined

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
    await endOfTurn()
  }
}

/** Resolves after the event loop has seen to what arrived. */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
