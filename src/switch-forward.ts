import { randomBytes } from 'node:crypto'
import os from 'node:os'
import type { HealthCheck } from './api/health.ts'
import type { Config } from './config/config.ts'
import type { ForwardObserver } from './link/forward-options.ts'
import { Forwarder } from './link/forwarder.ts'
import type { NetworkLink } from './link/network-link.ts'
import { watchChanges } from './store/change-watch.ts'
import { type DestinationState, OutboundQueue, readDestinations } from './store/outbound-queue.ts'
import type { SwitchBase } from './switch-base.ts'
import * as events from './telemetry/forward-events.ts'
import type { ForwardMetrics } from './telemetry/forward-metrics.ts'
import type { Logger } from './telemetry/logger.ts'
import { systemRandom, systemTiming } from './timing.ts'

/** What sends the messages of our own, one forwarder for each outbound link. */
export interface Forwarding {
  /** The state of a link changed. */
  linkChanged(name: string): void
  /** How the destinations stand; never a reason to take no traffic. */
  checks(): Readonly<Record<string, HealthCheck>>
  /** Brings the gauges up to date. */
  sample(): void
  close(): Promise<void>
}

const JITTER = 0.2
/** What is new is told at once; this stands behind it. */
const LOOK_MS = 1_000
/** Depth and age are read this often. */
const COUNT_MS = 1_900

/** Starts sending what is queued. @param links those that are open, by the names of the destinations */
export function openForwarding(
  base: Pick<SwitchBase, 'config' | 'clock' | 'log' | 'metrics' | 'database' | 'keys'>,
  links: readonly NetworkLink[],
): Forwarding {
  const { config, clock, log, database, keys } = base
  const metrics = base.metrics.forwards
  const settings = config.forwarding
  const owner = `${os.hostname().slice(0, 40)}:${process.pid}:${randomBytes(4).toString('hex')}`
  const queue = new OutboundQueue(database.url, owner)
  const observer = observerOf(metrics, log, () => clock.now())
  const forwarders = new Map(
    links.map((link) => [
      link.name,
      new Forwarder({
        link,
        queue,
        policy: policyOf(settings),
        window: settings.window,
        ratePerSecond: settings.ratePerSecond,
        timeoutMs: config.outbound.find(({ name }) => name === link.name)?.timeoutMs ?? 10_000,
        leaseMs: settings.leaseMs,
        panOf: ({ encrypted, index }) => keys.protection.decrypt(encrypted, index),
        observer,
        clock,
        timing: systemTiming,
        random: systemRandom,
      }),
    ]),
  )
  const board = new Board(settings.stuckAfterMs, links, () => clock.now(), log, metrics)
  let countedMs = Number.NEGATIVE_INFINITY
  const watch = watchChanges<{ readonly states: readonly DestinationState[] | undefined }>({
    url: database.url,
    name: 'mizan forwarding watch',
    channel: 'mizan_outbound',
    look: async (client) => {
      // Whatever is new wakes the forwarders; to count a backlog for each message of it would cost more than sending
      // it.
      if (systemTiming.monotonicMs() - countedMs < COUNT_MS) return { states: undefined }
      countedMs = systemTiming.monotonicMs()
      return { states: await readDestinations(client) }
    },
    onChange: ({ states }) => {
      if (states !== undefined) board.update(states)
      for (const forwarder of forwarders.values()) forwarder.wake()
    },
    onError: (error) => events.forwardingFailed(log, { destination: '' }, error),
    intervalMs: LOOK_MS,
  })
  for (const forwarder of forwarders.values()) forwarder.start()
  return {
    linkChanged: (name) => forwarders.get(name)?.wake(),
    checks: () => board.checks(),
    sample: () => board.sample(),
    async close() {
      await watch.close()
      await Promise.all([...forwarders.values()].map((forwarder) => forwarder.close()))
      await queue.close()
    },
  }
}

function policyOf(settings: Config['forwarding']) {
  const { acceptedCodes, reversalAcceptedCodes, retryCodes, maxAttempts, backoff } = settings
  const pauses = { initialMs: backoff.minMs, maxMs: backoff.maxMs, jitter: JITTER }
  return { acceptedCodes, reversalAcceptedCodes, retryCodes, maxAttempts, backoff: pauses }
}

function observerOf(metrics: ForwardMetrics, log: Logger, now: () => number): ForwardObserver {
  return {
    sent: (destination) => metrics.events.child(destination, 'sent').inc(),
    outcome(destination, { id, kind }, { state, event, code, error, nextAtMs }) {
      metrics.events.child(destination, event).inc()
      const fields = { destination, message: id, kind, ...(code === undefined ? {} : { responseCode: code }) }
      if (state === 'acknowledged') events.forwardAcknowledged(log, { ...fields, late: event === 'late' })
      else if (state === 'waiting') {
        events.forwardPutOff(log, { ...fields, why: event, retryMs: Math.max(0, Math.round((nextAtMs ?? 0) - now())) })
      } else events.forwardDead(log, { ...fields, why: event, ...(error === undefined ? {} : { reason: error }) })
    },
    claimed: (destination, epoch) => events.forwardingClaimed(log, { destination, epoch }),
    lost: (destination) => events.forwardingLost(log, { destination }),
    failed: (destination, error) => events.forwardingFailed(log, { destination }, error),
  }
}

/** How the destinations stood when they were last looked at. */
class Board {
  readonly #stuckAfterMs: number
  readonly #links: readonly NetworkLink[]
  readonly #now: () => number
  readonly #log: Logger
  readonly #metrics: ForwardMetrics
  readonly #stuck = new Set<string>()
  #states: readonly DestinationState[] = []

  constructor(
    stuckAfterMs: number,
    links: readonly NetworkLink[],
    now: () => number,
    log: Logger,
    metrics: ForwardMetrics,
  ) {
    this.#stuckAfterMs = stuckAfterMs
    this.#links = links
    this.#now = now
    this.#log = log
    this.#metrics = metrics
  }

  update(states: readonly DestinationState[]): void {
    this.#states = states
    for (const state of states) {
      const { destination, waiting } = state
      const ageMs = this.#ageMs(state)
      if (ageMs < this.#stuckAfterMs) this.#stuck.delete(destination)
      else if (!this.#stuck.has(destination)) {
        this.#stuck.add(destination)
        const reason = this.#reason(destination)
        events.forwardingStuck(this.#log, { destination, waiting, oldestS: Math.round(ageMs / 1_000), reason })
      }
    }
  }

  checks(): Record<string, HealthCheck> {
    const checks: Record<string, HealthCheck> = {}
    for (const state of this.#states) {
      const { destination, waiting, dead } = state
      if (waiting === 0 && dead === 0) continue
      const stuck = this.#stuck.has(destination) ? `, stuck: ${this.#reason(destination)}` : ''
      const oldest = waiting === 0 ? '' : `, the oldest for ${Math.round(this.#ageMs(state) / 1_000)} s`
      const detail = `${waiting} waiting${oldest}, ${dead} dead${stuck}`
      checks[`forwarding ${destination}`] = { ready: true, detail }
    }
    return checks
  }

  sample(): void {
    for (const state of this.#states) {
      const label = { destination: state.destination }
      this.#metrics.waiting.set(label, state.waiting)
      this.#metrics.dead.set(label, state.dead)
      this.#metrics.oldestSeconds.set(label, this.#ageMs(state) / 1_000)
    }
  }

  #ageMs({ oldestAtMs }: DestinationState): number {
    return oldestAtMs === undefined ? 0 : Math.max(0, this.#now() - oldestAtMs)
  }

  #reason(destination: string): string {
    const link = this.#links.find(({ name }) => name === destination)
    if (link === undefined) return 'there is no outbound link of this name'
    return link.state === 'up' ? 'the peer does not acknowledge' : `the link is ${link.state}`
  }
}
