import { createHash } from 'node:crypto'
import { describeError } from '../errors.ts'
import { isStale, quietForMs, retryDelayMs } from '../notification/policy.ts'
import { type Detail, type Rendered, renderMessage } from '../notification/render.ts'
import { type KeptConnection, keptConnection } from '../store/kept-connection.ts'
import {
  type DeliveryOutcome,
  type DeliveryTurn,
  type DueDelivery,
  endAbandoned,
  readDue,
  recordOutcomes,
} from '../store/notification-delivery.ts'
import * as events from '../telemetry/job-events.ts'
import { HOUR_MS } from '../time-units.ts'
import type { NotificationAdapter } from './adapter.ts'
import type { DeliveryOptions, Recipient } from './delivery-options.ts'
import { Pace } from './pace.ts'
import { type DeliveryJob, enqueueDeliveries, type JobQueue, turnsOfJob } from './queue.ts'

/** Messages that go together. */
interface Going {
  readonly nowMs: number
  /** Unimportant ones that go, by household. */
  readonly ofHousehold: Map<number, number>
  readonly recipientOf: (householdId: number) => Recipient | undefined
}

/**
 * Sends messages whose turn has come. What came of a batch is written down after it was sent: a crash in between has it
 * sent again, under the same idempotency keys.
 */
export class Sender {
  readonly #options: DeliveryOptions
  readonly #boss: JobQueue
  readonly #connection: KeptConnection
  readonly #pace: Pace
  readonly #onWaiting: (waitMs: number) => void

  /** @param onWaiting is told after how long a message is tried again */
  constructor(options: DeliveryOptions, boss: JobQueue, onWaiting: (waitMs: number) => void) {
    this.#options = options
    this.#boss = boss
    this.#onWaiting = onWaiting
    this.#pace = new Pace(options.rules.ratePerSecond)
    this.#connection = keptConnection({
      url: options.url,
      name: 'mizan notification delivery',
      role: 'mizan_app',
      queryTimeoutMs: 10_000,
    })
  }

  /**
   * Handles a batch of jobs. Those whose turn is over, or that a stop cuts off, are left as they are.
   * @throws MizanError STORE_UNAVAILABLE and the like: the queue then brings the jobs again
   */
  async handle(jobs: readonly DeliveryJob[], signal: AbortSignal): Promise<void> {
    const { clock, metrics, log, rules } = this.#options
    const nowMs = clock.now()
    const due = await this.#connection.use((client) => readDue(client, turnsOf(jobs), nowMs - HOUR_MS))
    const outcomes = await this.#sendAll(due, nowMs, signal)
    const counts: Record<string, number> = {}
    await this.#connection.use((client) =>
      recordOutcomes(client, outcomes, (waiting, port) =>
        enqueueDeliveries(
          this.#boss,
          waiting.map(({ atMs, ...turn }) => ({ ...turn, waitMs: atMs - nowMs })),
          port,
          turnsOfJob(rules.ratePerSecond),
        ),
      ),
    )
    for (const { state, atMs } of outcomes) {
      counts[state] = (counts[state] ?? 0) + 1
      if (state !== 'waiting') metrics.ended.child(state).inc()
      else {
        metrics.retries.child().inc()
        this.#onWaiting(atMs - nowMs)
      }
    }
    events.notificationsHandled(log, counts)
    if (counts.dead !== undefined) events.notificationsDead(log, { dead: counts.dead })
  }

  /** Ends messages whose jobs the queue gave up. */
  async bury(jobs: readonly DeliveryJob[]): Promise<void> {
    const { clock, log, metrics } = this.#options
    const dead = await this.#connection.use((client) => endAbandoned(client, turnsOf(jobs), clock.now()))
    if (dead === 0) return
    metrics.ended.child('dead').inc(dead)
    events.notificationsDead(log, { dead })
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #sendAll(due: readonly DueDelivery[], nowMs: number, signal: AbortSignal): Promise<DeliveryOutcome[]> {
    const outcomes: DeliveryOutcome[] = []
    const going: Going = {
      nowMs,
      ofHousehold: new Map(),
      recipientOf: await this.#options.recipientsOf([...new Set(due.map(({ householdId }) => householdId))]),
    }
    const queue = [...due]
    const work = async () => {
      for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
        const outcome = await this.#one(next, going, signal)
        if (outcome !== undefined) outcomes.push(outcome)
      }
    }
    await Promise.all(Array.from({ length: this.#options.concurrency }, work))
    return outcomes
  }

  async #one(due: DueDelivery, going: Going, signal: AbortSignal): Promise<DeliveryOutcome | undefined> {
    const { adapter } = this.#options
    const { nowMs } = going
    // Also for what is not sent in the end: it costs the database, and this thread, nearly the same.
    if (!(await this.#pace.pass(signal))) return undefined
    const rest = this.#restOf(due, going)
    if (rest !== undefined || adapter === undefined) return rest
    try {
      const recipient = going.recipientOf(due.householdId)
      if (recipient === undefined) return ended(due, 'suppressed', nowMs, { reason: 'no-recipient' })
      const language = due.language ?? recipient.language ?? this.#options.rules.language
      const rendered = this.#render(due, await this.#detailOf(due), language)
      if ('fault' in rendered) return ended(due, 'failed', nowMs, { reason: 'not-writable', error: rendered.fault })
      return await this.#send(adapter, due, recipient.mobile, language, rendered, nowMs)
    } catch (error) {
      return this.#again(due, nowMs, describeError(error).slice(0, 100), 0)
    }
  }

  /** Why a message does not go now; undefined when it goes. One that someone had sent again goes in any case. */
  #restOf(due: DueDelivery, { nowMs, ofHousehold }: Going): DeliveryOutcome | undefined {
    const { catalogue, rules, adapter } = this.#options
    const template = catalogue.templates.get(due.template)
    if (template === undefined) return ended(due, 'failed', nowMs, { reason: 'unknown-template' })
    if (adapter === undefined) return ended(due, 'suppressed', nowMs, { reason: 'switched-off' })
    if (due.resends > 0) return undefined
    const { group, important, optOut, staleAfterHours } = template
    if (isStale(due.createdAtMs, staleAfterHours, nowMs)) return ended(due, 'suppressed', nowMs, { reason: 'stale' })
    if (optOut && due.optOuts.includes(group)) return ended(due, 'suppressed', nowMs, { reason: 'opted-out' })
    if (important) return undefined
    const quietMs = quietForMs(nowMs, rules.quietHours)
    if (quietMs > 0) return ended(due, 'waiting', nowMs + quietMs, { reason: 'quiet-hours' })
    const before = ofHousehold.get(due.householdId) ?? 0
    if (due.recent + before >= rules.householdPerHour)
      return ended(due, 'suppressed', nowMs, { reason: 'household-limit' })
    ofHousehold.set(due.householdId, before + 1)
    return undefined
  }

  /** What a message says: a one-time code is made when it goes, and stands nowhere before. */
  async #detailOf({ detail }: DueDelivery): Promise<Detail> {
    const factor = factorIn(detail)
    return factor === undefined ? detail : { ...detail, code: await this.#options.codeOf(factor) }
  }

  #render(due: DueDelivery, detail: Detail, language: 'ar' | 'en'): Rendered | { readonly fault: string } {
    const { catalogue, rules } = this.#options
    const digits = due.digits ?? (language === 'en' ? 'latn' : rules.digits)
    try {
      return renderMessage(catalogue, due.template, detail, { language, digits })
    } catch (error) {
      return { fault: describeError(error) }
    }
  }

  async #send(
    adapter: NotificationAdapter,
    due: DueDelivery,
    to: string,
    language: 'ar' | 'en',
    { text, length }: Rendered,
    nowMs: number,
  ): Promise<DeliveryOutcome> {
    const { encoding, parts } = length
    const { template, createdAtMs } = due
    const idempotencyKey = idempotencyKeyOf(due)
    const result = await adapter.send({ idempotencyKey, to, text, language, encoding, parts, template, createdAtMs })
    // Of a text with a code no hash is kept: six digits are soon found from it.
    const hash = factorIn(due.detail) === undefined ? { textHash: createHash('sha256').update(text).digest() } : {}
    const said = { attempted: true, parts, ...hash }
    switch (result.kind) {
      case 'sent': {
        const reference = result.reference === undefined ? {} : { providerReference: result.reference }
        return { due, state: 'sent', atMs: nowMs, ...said, ...reference }
      }
      case 'refused':
        return { due, state: 'failed', reason: 'refused', atMs: nowMs, error: result.error, ...said }
      case 'retry':
        return { ...this.#again(due, nowMs, result.error, result.afterMs ?? 0), ...said }
    }
  }

  #again(due: DueDelivery, nowMs: number, error: string, wantedMs: number): DeliveryOutcome {
    const { retry } = this.#options.rules
    const failed = due.attempts + 1
    if (failed >= retry.attempts) return ended(due, 'dead', nowMs, { reason: 'given-up', error, attempted: true })
    const delayMs = retryDelayMs(retry, failed, Math.random(), wantedMs)
    return ended(due, 'waiting', nowMs + delayMs, { reason: 'retry', error, attempted: true })
  }
}

function turnsOf(jobs: readonly DeliveryJob[]): DeliveryTurn[] {
  return jobs.flatMap(({ turns }) => turns)
}

/** What a one-time code of a message is made of; undefined of a message without one. */
function factorIn({ code }: Detail): number | undefined {
  const factor = typeof code === 'object' && code !== null ? (code as { factor?: unknown }).factor : undefined
  return Number.isSafeInteger(factor) ? Number(factor) : undefined
}

/** Names a message for the provider: the same however often it is repeated, another when someone has it sent again. */
function idempotencyKeyOf({ lane, id, resends }: Pick<DueDelivery, 'lane' | 'id' | 'resends'>): string {
  return `mizan-${lane}-${id}${resends === 0 ? '' : `-r${resends}`}`
}

function ended(
  due: DueDelivery,
  state: DeliveryOutcome['state'],
  atMs: number,
  more: { readonly reason: string; readonly error?: string; readonly attempted?: boolean },
): DeliveryOutcome {
  return { due, state, atMs, attempted: false, ...more }
}
