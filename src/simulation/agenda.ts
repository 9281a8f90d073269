import { nextTick } from 'node:process'
import type { Timer, Timing } from '../timing.ts'

/** Something that will happen. */
class Entry implements Timer {
  readonly atMs: number
  readonly order: number
  work: (() => void) | undefined

  constructor(atMs: number, order: number, work: () => void) {
    this.atMs = atMs
    this.order = order
    this.work = work
  }

  unref(): void {}
}

/**
 * Virtual time: what will happen, in order of its time and of when it was put in. Nothing else moves a simulation: all
 * that waits for the network, the journal or a timer is an entry here, so one seed gives one sequence of events.
 */
export class Agenda {
  #heap: Entry[] = []
  #order = 0
  #nowMs = 0

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Entries that wait. */
  get size(): number {
    return this.#heap.length
  }

  after(delayMs: number, work: () => void): Timer {
    const entry = new Entry(this.#nowMs + Math.max(0, delayMs), this.#order++, work)
    this.#heap.push(entry)
    this.#up(this.#heap.length - 1)
    return entry
  }

  cancel(timer: Timer | undefined): void {
    if (timer instanceof Entry) timer.work = undefined
  }

  /** Runs what happens up to an instant; ends early when `isOver` says so. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      const { work } = next
      if (work === undefined) continue
      this.#nowMs = next.atMs
      work()
      await settled()
      if (isOver()) return
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      let least = at
      if (left < this.#heap.length && this.#before(left, least)) least = left
      if (left + 1 < this.#heap.length && this.#before(left + 1, least)) least = left + 1
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #before(a: number, b: number): boolean {
    const left = this.#heap[a] as Entry
    const right = this.#heap[b] as Entry
    return left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs
  }

  #swap(a: number, b: number): void {
    const entry = this.#heap[a] as Entry
    this.#heap[a] = this.#heap[b] as Entry
    this.#heap[b] = entry
  }
}

/** Resolves when all promises that can go on have gone on: the queue of ticks has its turn when theirs is empty. */
function settled(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve))
}

/** The timers of one process of a simulation: when it dies, nothing that it meant to do happens any more. */
export function timingOf(agenda: Agenda, isAlive: () => boolean): Timing {
  const guarded = (work: () => void) => () => {
    if (isAlive()) work()
  }
  const again = new Map<Timer, { timer: Timer | undefined }>()
  return {
    monotonicMs: () => agenda.nowMs,
    after: (delayMs, work) => agenda.after(delayMs, guarded(work)),
    every(periodMs, work) {
      const slot: { timer: Timer | undefined } = { timer: undefined }
      const tick = () => {
        slot.timer = agenda.after(periodMs, guarded(tick))
        work()
      }
      slot.timer = agenda.after(periodMs, guarded(tick))
      const handle: Timer = { unref: () => undefined }
      again.set(handle, slot)
      return handle
    },
    endOfTurn: (work) => {
      agenda.after(0, guarded(work))
    },
    cancel(timer) {
      const slot = timer === undefined ? undefined : again.get(timer)
      agenda.cancel(slot === undefined ? timer : slot.timer)
    },
  }
}
