import type { Registry } from 'prom-client'

/**
 * Metrics for the hot path. prom-client hashes the labels on each observation; here a label set is resolved once to a
 * child whose cells are typed arrays, and prom-client only reads them when it is asked for the page.
 */

/** Most label sets of one metric; further ones are counted under `other`, so that no peer can grow the memory. */
const CHILDREN_MAX = 1_000

interface Sample {
  value: number
  labels: Record<string, string | number>
  metricName?: string
}

/** What a prom-client registry needs of a metric. */
abstract class CustomMetric {
  readonly name: string
  readonly help: string
  abstract readonly type: 'counter' | 'histogram'
  readonly aggregator = 'sum'
  readonly labelNames: readonly string[]

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    this.name = name
    this.help = help
    this.labelNames = labelNames
    // The registry calls get() only; its type asks for prom-client's own classes.
    registry.registerMetric(this as unknown as Parameters<Registry['registerMetric']>[0])
  }

  protected abstract samples(): Sample[]

  async get(): Promise<unknown> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.samples() }
  }
}

/** Children of a metric by their label values. */
class Children<T> {
  readonly #labelNames: readonly string[]
  readonly #byKey = new Map<string, { labels: Record<string, string>; child: T }>()
  readonly #make: () => T

  constructor(labelNames: readonly string[], make: () => T) {
    this.#labelNames = labelNames
    this.#make = make
  }

  get(values: readonly string[]): T {
    const key = values.join('\0')
    const found = this.#byKey.get(key)
    if (found !== undefined) return found.child
    if (this.#byKey.size >= CHILDREN_MAX && values.some((value) => value !== 'other')) {
      return this.get(values.map(() => 'other'))
    }
    const labels = Object.fromEntries(this.#labelNames.map((name, index) => [name, values[index] ?? '']))
    const child = this.#make()
    this.#byKey.set(key, { labels, child })
    return child
  }

  entries(): Iterable<{ labels: Record<string, string>; child: T }> {
    return this.#byKey.values()
  }
}

/** One counted thing. */
export class CounterChild {
  readonly #cell = new Float64Array(1)

  inc(by = 1): void {
    this.#cell[0] = (this.#cell[0] ?? 0) + by
  }

  get value(): number {
    return this.#cell[0] ?? 0
  }
}

/** Counter with labels. Ask for a child once, keep it, and count on it. */
export class FastCounter extends CustomMetric {
  readonly type = 'counter'
  readonly #children: Children<CounterChild>

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[] = []) {
    super(registry, name, help, labelNames)
    this.#children = new Children(labelNames, () => new CounterChild())
    if (labelNames.length === 0) this.#children.get([])
  }

  /** The child of these label values, in the order of the label names. Costs a map look-up. */
  child(...values: string[]): CounterChild {
    return this.#children.get(values)
  }

  protected samples(): Sample[] {
    return Array.from(this.#children.entries(), ({ labels, child }) => ({ value: child.value, labels }))
  }
}

/** One distribution. */
export class HistogramChild {
  readonly #bounds: Float64Array
  /** Observations per bucket, not cumulative; the last cell is beyond every bound. */
  readonly #counts: Float64Array
  readonly #sum = new Float64Array(1)

  constructor(bounds: Float64Array) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let low = 0
    let high = bounds.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((bounds[middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    this.#counts[low] = (this.#counts[low] ?? 0) + 1
    this.#sum[0] = (this.#sum[0] ?? 0) + value
  }

  /** Sum of the values and, per bound and for +Inf, how many values were not above it. */
  read(): { sum: number; cumulative: number[] } {
    let total = 0
    return { sum: this.#sum[0] ?? 0, cumulative: Array.from(this.#counts, (count) => (total += count)) }
  }
}

/** Histogram with labels and fixed buckets. Ask for a child once, keep it, and observe on it. */
export class FastHistogram extends CustomMetric {
  readonly type = 'histogram'
  readonly #bounds: Float64Array
  readonly #children: Children<HistogramChild>

  constructor(
    registry: Registry,
    name: string,
    help: string,
    bounds: readonly number[],
    labelNames: readonly string[] = [],
  ) {
    super(registry, name, help, labelNames)
    this.#bounds = Float64Array.from(bounds)
    this.#children = new Children(labelNames, () => new HistogramChild(this.#bounds))
    if (labelNames.length === 0) this.#children.get([])
  }

  /** The child of these label values, in the order of the label names. Costs a map look-up. */
  child(...values: string[]): HistogramChild {
    return this.#children.get(values)
  }

  protected samples(): Sample[] {
    const samples: Sample[] = []
    for (const { labels, child } of this.#children.entries()) {
      const { sum, cumulative } = child.read()
      cumulative.forEach((value, index) => {
        const le = index < this.#bounds.length ? (this.#bounds[index] ?? 0) : '+Inf'
        samples.push({ metricName: `${this.name}_bucket`, labels: { le, ...labels }, value })
      })
      samples.push({ metricName: `${this.name}_sum`, labels, value: sum })
      samples.push({ metricName: `${this.name}_count`, labels, value: cumulative.at(-1) ?? 0 })
    }
    return samples
  }
}
