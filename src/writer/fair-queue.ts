/** Empty places at the front of a line that are borne, unless they are the smaller part of it. */
const EMPTY_PLACES_MAX = 64

/** Lines of links that have nothing waiting, beyond as many as have something, before they are forgotten. */
const IDLE_LINES_MAX = 64

/** What one link has waiting. */
class Line<T> {
  readonly link: number
  /**
   * What waits, behind places that are empty already. No chain of nodes: a node that has reached the old generation
   * would keep all that came after it until the next full collection.
   */
  readonly #items: (T | undefined)[] = []
  #first = 0
  /** Whose turn is after this one's. */
  next: Line<T> | undefined

  constructor(link: number) {
    this.link = link
  }

  get size(): number {
    return this.#items.length - this.#first
  }

  /** Of a line that has something. */
  get first(): T {
    return this.#items[this.#first] as T
  }

  push(item: T): void {
    this.#items.push(item)
  }

  removeFirst(): void {
    this.#items[this.#first++] = undefined
    if (this.#first < EMPTY_PLACES_MAX || this.#first * 2 < this.#items.length) return
    this.#items.splice(0, this.#first)
    this.#first = 0
  }
}

/**
 * A queue with a line for each link, served in turn, one item of each: a link that floods waits behind itself, while
 * another is served after one item of each. Within a link it is first in, first out. Unbounded by itself: whoever fills
 * it asks for its sizes first.
 */
export class FairQueue<T> {
  /**
   * Those of links that have nothing waiting stay for a while: a `Map` that changes with every request moves into new
   * tables all the time, and an old one keeps what came after it (see KeyMap).
   */
  readonly #lines = new Map<number, Line<T>>()
  #busy = 0
  /** Whose turn it is, and whose it is last. */
  #head: Line<T> | undefined
  #tail: Line<T> | undefined
  /** What was taken and came back: in front of all, in its order. */
  #returned: T[] = []
  #size = 0

  /** All that wait. */
  get size(): number {
    return this.#size
  }

  /** Links that have something waiting. */
  get links(): number {
    return this.#busy
  }

  /** What waits of one link. */
  sizeOf(link: number): number {
    return this.#lines.get(link)?.size ?? 0
  }

  push(link: number, item: T): void {
    const line = this.#lineOf(link)
    line.push(item)
    this.#size++
    if (line.size > 1) return
    this.#busy++
    this.#append(line)
  }

  #lineOf(link: number): Line<T> {
    const known = this.#lines.get(link)
    if (known !== undefined) return known
    if (this.#lines.size >= 2 * this.#busy + IDLE_LINES_MAX) this.#forgetIdle()
    const line = new Line<T>(link)
    this.#lines.set(link, line)
    return line
  }

  #forgetIdle(): void {
    for (const line of this.#lines.values()) if (line.size === 0) this.#lines.delete(line.link)
  }

  /** Puts items back in front of all, in their order. */
  unshift(items: readonly T[]): void {
    if (items.length === 0) return
    this.#returned = [...items, ...this.#returned]
    this.#size += items.length
  }

  /** The next in turn; the same until it is taken. */
  peek(): T | undefined {
    return this.#returned.length > 0 ? this.#returned[0] : this.#head?.first
  }

  /** Takes the next in turn; its link is then the last. */
  shift(): T | undefined {
    if (this.#returned.length > 0) {
      this.#size--
      return this.#returned.shift()
    }
    const line = this.#head
    if (line === undefined) return undefined
    this.#head = line.next
    if (this.#head === undefined) this.#tail = undefined
    line.next = undefined
    const item = line.first
    if (this.#removeFirst(line)) this.#append(line)
    return item
  }

  /** Takes, from the front of each line, what a condition holds for. */
  takeWhile(condition: (item: T) => boolean): T[] {
    const kept = this.#returned.findIndex((item) => !condition(item))
    const taken = this.#returned.splice(0, kept < 0 ? this.#returned.length : kept)
    this.#size -= taken.length
    const lines: Line<T>[] = []
    for (let line = this.#head; line !== undefined; line = line.next) lines.push(line)
    if (!lines.some((line) => condition(line.first))) return taken
    this.#head = undefined
    this.#tail = undefined
    for (const line of lines) {
      line.next = undefined
      let waits = true
      while (waits && condition(line.first)) {
        taken.push(line.first)
        waits = this.#removeFirst(line)
      }
      if (waits) this.#append(line)
    }
    return taken
  }

  #append(line: Line<T>): void {
    if (this.#tail === undefined) this.#head = line
    else this.#tail.next = line
    this.#tail = line
  }

  /** @returns whether the line has more */
  #removeFirst(line: Line<T>): boolean {
    this.#size--
    line.removeFirst()
    if (line.size > 0) return true
    this.#busy--
    return false
  }
}
