import { KeyTable } from './key-table.ts'

/**
 * Objects by 16-byte keys that come and go thousands of times a second. A `Map` would do, but each time it has seen a
 * few deletions it moves into a new table, and the old one, which has long reached the old generation, goes on naming
 * what was in it and its successor: table after table, with everything that hangs on the entries, is then kept until
 * the next full collection, and each collection of the young generation copies it first. Here a place is emptied when
 * its key is deleted.
 */
export class KeyMap<T> {
  readonly #places = new KeyTable(0)
  readonly #values: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#places.size
  }

  get(key: string): T | undefined {
    const place = this.#places.get(key)
    return place === undefined ? undefined : this.#values[place]
  }

  set(key: string, value: T): void {
    const place = this.#places.get(key) ?? this.#free.pop() ?? this.#values.length
    this.#places.set(key, place)
    this.#values[place] = value
  }

  delete(key: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    this.#values[place] = undefined
    this.#free.push(place)
  }
}
