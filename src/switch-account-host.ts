import type { AccountHostPolicy } from './authorization/host.ts'
import type { Config } from './config/config.ts'
import { MizanError } from './errors.ts'
import { HostLink } from './link/account-host.ts'
import type { NetworkLink } from './link/network-link.ts'
import { connect } from './store/connection.ts'
import { type HostTotals, readHostTotals } from './store/host-exceptions.ts'
import { openHostRequestQuery } from './store/host-requests.ts'
import { keptConnection } from './store/kept-connection.ts'
import type { SwitchBase } from './switch-base.ts'
import { hostCircuitClosed, hostCircuitOpened, hostExceptionsRaised, hostWatchFailed } from './telemetry/host-events.ts'
import { SECOND_MS } from './time-units.ts'
import { systemTiming } from './timing.ts'
import type { WriterOptions } from './writer/writer.ts'

const WATCH_EVERY_MS = 15_000
const WATCH_TIMEOUT_MS = 10_000

/** The account host of a switch. */
export interface OpenAccountHost {
  readonly access: NonNullable<WriterOptions['host']>
  /** Gives it its link among those that were opened. */
  attach(links: readonly NetworkLink[]): void
  /** `up`, or why it is not asked. */
  readonly state: 'link' | 'circuit' | 'up'
  close(): Promise<void>
}

/** Rules of decisions about accounts at the host. */
export function accountHostPolicy({ accountHost }: Config): AccountHostPolicy | undefined {
  if (accountHost === undefined) return undefined
  const { link, institution, standIn } = accountHost
  return { destination: link, institution, standIn }
}

/**
 * Opens what lanes need of the account host; undefined where none is configured.
 * @throws MizanError CONFIG_INVALID when accounts are held there and none is configured; STORE_UNAVAILABLE
 */
export async function openAccountHost(base: SwitchBase): Promise<OpenAccountHost | undefined> {
  const { config, database, metrics, log } = base
  const { accountHost } = config
  if (accountHost === undefined) {
    await requireNoRemoteAccount(database.url)
    return undefined
  }
  const { link: name, openAfter, closeAfter, probeMs, timeoutMs, inFlightMax } = accountHost
  const host = new HostLink({
    openAfter,
    closeAfter,
    probeMs,
    timing: systemTiming,
    observer: {
      answered({ kind }, tookMs) {
        metrics.host.verdicts.child(kind).inc()
        metrics.host.seconds.observe(tookMs / SECOND_MS)
      },
      circuit(state) {
        metrics.host.up.set(state === 'closed' ? 1 : 0)
        if (state === 'open') hostCircuitOpened(log)
        else hostCircuitClosed(log)
      },
    },
  })
  const requests = openHostRequestQuery(database.url)
  const watch = watchTotals(base)
  return {
    access: { host, limits: { timeoutMs, inFlightMax }, openRequests: requests.query },
    attach(links) {
      const link = links.find((one) => one.name === name)
      if (link !== undefined) host.attach(link)
    },
    get state() {
      return host.state
    },
    async close() {
      host.close()
      await Promise.all([requests.close(), watch.close()])
    },
  }
}

async function requireNoRemoteAccount(url: string): Promise<void> {
  const client = await connect({ url, name: 'mizan account host', role: 'mizan_app' })
  try {
    const { rows } = await client.query<{ id: string }>("select id from household where account_at = 'host' limit 1")
    const [row] = rows
    if (row === undefined) return
    const what = `household ${row.id} has its account at the account host: set accountHost (docs/account-host.md)`
    throw new MizanError('CONFIG_INVALID', what)
  } finally {
    await client.end()
  }
}

/** Reads from time to time what waits for the host and what it refused. */
function watchTotals({ database, metrics, log }: SwitchBase): { close(): Promise<void> } {
  const connection = keptConnection({
    url: database.url,
    name: 'mizan account host totals',
    role: 'mizan_app',
    queryTimeoutMs: WATCH_TIMEOUT_MS,
  })
  let known = 0
  let running: Promise<void> | undefined
  const say = ({ advicesWaiting, atRiskPiasters, exceptions, exceptionPiasters }: HostTotals) => {
    metrics.host.advicesWaiting.set(advicesWaiting)
    metrics.host.atRiskPiasters.set(atRiskPiasters)
    metrics.host.exceptions.set(exceptions)
    metrics.host.exceptionPiasters.set(exceptionPiasters)
    if (exceptions > known) {
      hostExceptionsRaised(log, { open: exceptions, piasters: exceptionPiasters, raised: exceptions - known })
    }
    known = exceptions
  }
  const read = () => {
    running ??= connection
      .use(readHostTotals)
      .then(say)
      .catch((error: unknown) => hostWatchFailed(log, error))
      .finally(() => {
        running = undefined
      })
  }
  const timer = systemTiming.every(WATCH_EVERY_MS, read)
  read()
  return {
    async close() {
      systemTiming.cancel(timer)
      await running
      await connection.close()
    },
  }
}
