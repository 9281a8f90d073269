import type { Timer, Timing } from '../timing.ts'

export interface HostCircuitOptions {
  /** Failures in a row after which it opens. */
  readonly openAfter: number
  /** Answered probes in a row after which it closes. */
  readonly closeAfter: number
  readonly probeMs: number
  readonly timing: Timing
  /** Proves that the host answers; rejects when it does not. */
  readonly probe: () => Promise<void>
  readonly onChange: (state: 'open' | 'closed') => void
}

/**
 * Whether it makes sense to ask a host. Requests that fail in a row open it; then nobody waits for a dead host any
 * more, and only echoes go there. It closes when several were answered in a row: a host that comes and goes does not
 * draw traffic each time it comes.
 */
export class HostCircuit {
  readonly #options: HostCircuitOptions
  #isOpen = false
  #failures = 0
  #answered = 0
  #probing = false
  #timer: Timer | undefined

  constructor(options: HostCircuitOptions) {
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** A request was answered. */
  succeeded(): void {
    this.#failures = 0
  }

  /** A request was not answered, or the host said that it cannot. */
  failed(): void {
    this.#failures++
    if (this.#failures >= this.#options.openAfter) this.open()
  }

  /** Opens it at once, as when the link is down. */
  open(): void {
    if (this.#isOpen) return
    const { timing, probeMs, onChange } = this.#options
    this.#isOpen = true
    this.#answered = 0
    this.#timer = timing.every(probeMs, () => this.#probe())
    onChange('open')
  }

  close(): void {
    this.#options.timing.cancel(this.#timer)
    this.#timer = undefined
  }

  #probe(): void {
    if (this.#probing) return
    this.#probing = true
    this.#options.probe().then(
      () => {
        this.#probing = false
        this.#answered++
        if (this.#isOpen && this.#answered >= this.#options.closeAfter) this.#recover()
      },
      () => {
        this.#probing = false
        this.#answered = 0
      },
    )
  }

  #recover(): void {
    this.close()
    this.#isOpen = false
    this.#failures = 0
    this.#options.onChange('closed')
  }
}
