/**
 * How often which kind of message came to what, and which faults there were: what a generator never does, no test sees.
 */
export class Coverage {
  readonly counts = new Map<string, number>()

  count(what: string, outcome: string): void {
    const key = `${what} ${outcome}`
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
  }

  fault(name: string): void {
    this.count('fault', name)
  }

  add(counts: Readonly<Record<string, number>>): void {
    for (const [key, count] of Object.entries(counts)) this.counts.set(key, (this.counts.get(key) ?? 0) + count)
  }

  of(what: string): Map<string, number> {
    const found = new Map<string, number>()
    for (const [key, count] of this.counts) {
      const [first = '', ...rest] = key.split(' ')
      if (first === what) found.set(rest.join(' '), count)
    }
    return found
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
