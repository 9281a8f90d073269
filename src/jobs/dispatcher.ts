import { setTimeout as sleep } from 'node:timers/promises'
import { isStale, quietForMs } from '../notification/policy.ts'
import { type KeptConnection, keptConnection } from '../store/kept-connection.ts'
import { type Dispatched, lanesWithNews, type OutboxRow, takeFromOutbox } from '../store/notification-outbox.ts'
import * as events from '../telemetry/job-events.ts'
import { BacklogCount } from './backlog-count.ts'
import type { DeliveryOptions } from './delivery-options.ts'
import { enqueueDeliveries, type JobQueue, turnsOfJob } from './queue.ts'

/** Rows of the outbox taken in one transaction: so few that a batch of a lane beside it hardly waits. */
const ROWS_AT_ONCE = 60
/**
 * Between two full batches: the lanes come first. Up to some 2,000 rows a second, more than the country's worst minute.
 */
const REST_MS = 25

/** Takes rows of the outbox, decides which of them are to go, and makes their jobs. */
export class Dispatcher {
  readonly #options: DeliveryOptions
  readonly #boss: JobQueue
  readonly #connection: KeptConnection
  readonly #backlog: BacklogCount
  #waiting = 0
  #failing = false

  constructor(options: DeliveryOptions, boss: JobQueue) {
    this.#options = options
    this.#boss = boss
    this.#backlog = new BacklogCount(options.rules.waitingMax)
    this.#connection = keptConnection({
      url: options.url,
      name: 'mizan notification outbox',
      role: 'mizan_app',
      queryTimeoutMs: 10_000,
    })
  }

  /**
   * Takes what there is. What keeps it from the database is logged once until it works again.
   * @returns how many messages wait for their turn because of it
   */
  async run(signal: AbortSignal): Promise<number> {
    let enqueued = 0
    try {
      await this.#lookAtBacklog()
      for (const lane of await this.#connection.use(lanesWithNews)) {
        for (let taken = ROWS_AT_ONCE; taken === ROWS_AT_ONCE && !signal.aborted; ) {
          const dispatched = await this.#take(lane)
          if (dispatched.length === ROWS_AT_ONCE) await sleep(REST_MS, undefined, { signal }).catch(() => undefined)
          taken = dispatched.length
          const waiting = dispatched.filter(({ state }) => state === 'waiting').length
          this.#waiting += waiting
          enqueued += waiting
          this.#count(dispatched)
        }
      }
      this.#failing = false
    } catch (error) {
      if (!this.#failing) events.notificationStoreFailed(this.#options.log, { where: 'outbox' }, error)
      this.#failing = true
    }
    return enqueued
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  #take(lane: number): Promise<readonly Dispatched[]> {
    const { clock, rules } = this.#options
    const nowMs = clock.now()
    return this.#connection.use((client) =>
      takeFromOutbox(
        client,
        lane,
        ROWS_AT_ONCE,
        (rows) => rows.map((row) => this.#decide(row, nowMs)),
        (waiting, port) =>
          enqueueDeliveries(
            this.#boss,
            waiting.map(({ row, important, nextAtMs }) => ({
              id: row.id,
              turn: 1,
              important,
              waitMs: nextAtMs - nowMs,
            })),
            port,
            turnsOfJob(rules.ratePerSecond),
          ),
      ),
    )
  }

  #decide(row: OutboxRow, nowMs: number): Dispatched {
    const { catalogue, rules, adapter } = this.#options
    const template = catalogue.templates.get(row.template)
    if (template === undefined) {
      const end = { state: 'failed', reason: 'unknown-template', nextAtMs: nowMs } as const
      return { row, group: 'unknown', important: false, ...end }
    }
    const { group, important, optOut, staleAfterHours } = template
    const suppressed = (reason: string): Dispatched => {
      return { row, group, important, state: 'suppressed', reason, nextAtMs: nowMs }
    }
    if (adapter === undefined) return suppressed('switched-off')
    if (optOut && row.optOuts.includes(group)) return suppressed('opted-out')
    if (isStale(row.createdAtMs, staleAfterHours, nowMs)) return suppressed('stale')
    if (!important && this.#waiting >= rules.waitingMax) return suppressed('backlog')
    const quietMs = important ? 0 : quietForMs(nowMs, rules.quietHours)
    const reason = quietMs > 0 ? 'quiet-hours' : undefined
    return { row, group, important, state: 'waiting', reason, nextAtMs: nowMs + quietMs }
  }

  async #lookAtBacklog(): Promise<void> {
    const { metrics, clock } = this.#options
    const counted = await this.#backlog.step(this.#connection)
    if (counted === undefined) return
    const { waiting, oldestAtMs } = counted
    this.#waiting = waiting
    metrics.waiting.set(waiting)
    metrics.oldestSeconds.set(oldestAtMs === undefined ? 0 : Math.max(0, (clock.now() - oldestAtMs) / 1_000))
  }

  #count(dispatched: readonly Dispatched[]): void {
    for (const { state } of dispatched) if (state !== 'waiting') this.#options.metrics.ended.child(state).inc()
  }
}
