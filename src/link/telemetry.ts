import type { CounterChild } from '../telemetry/counters.ts'
import {
  frameRefused,
  linkClosed,
  linkConnected,
  linkConnectFailed,
  linkRefused,
  linkSignedOff,
  linkSignedOn,
  overloaded,
  responseUndelivered,
  responseUnmatched,
  unexpectedError,
} from '../telemetry/events.ts'
import { lineLimits } from '../telemetry/line-limit.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { LinkMetrics, Metrics } from '../telemetry/metrics.ts'
import { SECOND_MS } from '../time-units.ts'
import { systemTiming } from '../timing.ts'
import type { EarlyRefusal, ExchangeObserver } from './exchange.ts'
import type { LinkObserver } from './observer.ts'

/** Refused frames, and refused requests of one link, are logged at most this often; all are counted. */
const QUIET_MS = 1_000

/** Lines of one event and link in a second: enough to see what happens, whatever a peer does. */
const LINES_PER_SECOND = 10

/** Makes the links' events metrics and log lines. */
export function linkTelemetry(metrics: Metrics, log: Logger): LinkObserver {
  const limitOf = lineLimits(LINES_PER_SECOND)
  return {
    connected(link) {
      const fields = { link: link.name, connection: link.id, remote: link.remote }
      limitOf(`connected ${link.name}`).say((left) => linkConnected(log, { ...fields, ...left }))
    },
    disconnected(link, reason, detail) {
      const fields = { link: link.name, connection: link.id, remote: link.remote, reason, detail }
      limitOf(`closed ${link.name}`).say((left) => linkClosed(log, { ...fields, ...left }))
      if (reason.startsWith('frame-') || reason === 'tpdu-missing') {
        metrics.link(link.name).frameRefused(reason)
      }
    },
    refused(listener, remote, reason, detail) {
      const fields = { link: listener, remote, reason: `${reason}: ${detail}` }
      limitOf(`refused ${listener}`).say((left) => linkRefused(log, { ...fields, ...left }))
    },
    stateChanged(link, _from, to) {
      const fields = { link: link.name, connection: link.id }
      if (to === 'signed-on') linkSignedOn(log, fields)
      else if (to === 'signed-off') linkSignedOff(log, fields)
    },
    undelivered(link) {
      const fields = { link: link.name, mti: '', responseCode: '' }
      limitOf(`undelivered ${link.name}`).say((left) => responseUndelivered(log, { ...fields, ...left }))
    },
    handlerFailed(link, error) {
      const where = `link ${link.name}`
      limitOf(`failed ${link.name}`).say((left) => unexpectedError(log, { where, ...left }, error))
    },
    unmatched(link) {
      metrics.unmatchedResponses.inc()
      const fields = { link: link.name, mti: '' }
      limitOf(`unmatched ${link.name}`).say((left) => responseUnmatched(log, { ...fields, ...left }))
    },
    reconnecting: (name, attempt, delayMs, reason, detail) =>
      linkConnectFailed(log, { link: name, attempt, retryMs: delayMs }, `${reason}: ${detail}`),
  }
}

/** Counts refusals and says of each link, once a second at most, how many there were since it was last said. */
function refusals(metrics: Metrics, log: Logger): (link: string, reason: EarlyRefusal) => void {
  const counters = new Map<EarlyRefusal, CounterChild>()
  const unsaid = new Map<string, { count: number; saidMs: number }>()
  return (link, reason) => {
    let counter = counters.get(reason)
    if (counter === undefined) {
      counter = metrics.early91.child(reason)
      counters.set(reason, counter)
    }
    counter.inc()
    if (reason === 'not_signed_on') return
    let known = unsaid.get(link)
    if (known === undefined) {
      known = { count: 0, saidMs: Number.NEGATIVE_INFINITY }
      unsaid.set(link, known)
    }
    known.count++
    const nowMs = systemTiming.monotonicMs()
    if (nowMs - known.saidMs < QUIET_MS) return
    overloaded(log, { link, reason, refused: known.count })
    known.count = 0
    known.saidMs = nowMs
  }
}

/** Makes the exchanges' events metrics and log lines. */
export function exchangeTelemetry(metrics: Metrics, log: Logger): ExchangeObserver {
  const links = new Map<string, LinkMetrics>()
  const of = (name: string): LinkMetrics => {
    let found = links.get(name)
    if (found === undefined) {
      found = metrics.link(name)
      links.set(name, found)
    }
    return found
  }
  const undelivered = lineLimits(LINES_PER_SECOND)
  let refusalSaidMs = Number.NEGATIVE_INFINITY
  const forgerySaidMs = new Map<string, number>()
  return {
    received(link, mti, decodeMs) {
      of(link).request(mti)
      metrics.stage.decode(decodeMs / SECOND_MS)
    },
    answered(link, responseCode, totalMs, encodeMs) {
      of(link).response(responseCode)
      metrics.stage.encode(encodeMs / SECOND_MS)
      metrics.stage.total(totalMs / SECOND_MS)
    },
    undecodable(link, failure, reason) {
      of(link).frameRefused(failure?.kind ?? 'other')
      const nowMs = systemTiming.monotonicMs()
      if (nowMs - refusalSaidMs < QUIET_MS) return
      refusalSaidMs = nowMs
      frameRefused(log, { link, reason: failure === undefined ? reason : `${reason}: ${failure.message}` })
    },
    refused: refusals(metrics, log),
    unauthentic(link, mti, reason) {
      of(link).frameRefused(reason)
      const nowMs = systemTiming.monotonicMs()
      if (nowMs - (forgerySaidMs.get(link) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
      forgerySaidMs.set(link, nowMs)
      frameRefused(log, { link, reason: `${mti} is not authentic: ${reason}` })
    },
    undelivered(link) {
      metrics.undelivered.child(link).inc()
      undelivered(link).say((left) => responseUndelivered(log, { link, mti: '', responseCode: '', ...left }))
    },
  }
}
