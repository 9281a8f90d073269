import type { FastifyInstance } from 'fastify'
import { describeError } from '../errors.ts'

/** One thing that must work: a lane, the database, a listener. */
export interface HealthCheck {
  readonly ready: boolean
  /** Why it is not ready, in a word or two; free of cardholder data. */
  readonly detail?: string
}

/** What the switch says of itself: `{ 'lane 0': { ready: true }, database: { ready: false, detail: '…' } }`. */
export interface HealthReport {
  /** What it is called while it is not ready. @default 'not ready' */
  readonly unready?: string
  readonly checks: Readonly<Record<string, HealthCheck>>
}

/** Asked at each call of /readyz; it should answer in well under a second. */
export type HealthSource = () => HealthReport | Promise<HealthReport>

const HEALTH_TIMEOUT_MS = 2_000

/**
 * Adds `GET /healthz` (200 while the process serves HTTP: restart it if this fails) and `GET /readyz` (200 only when
 * every check is ready, else 503: send no traffic). /readyz lists what is not ready.
 */
export function registerHealth(app: FastifyInstance, health: HealthSource): void {
  app.get('/healthz', async () => ({ status: 'alive' }))
  app.get('/readyz', async (_, reply) => {
    const report = await readReport(health)
    const { checks, unready = 'not ready' } = report
    const notReady = notReadyOf(report)
    const body = { status: notReady.length === 0 ? 'ready' : unready, notReady, checks }
    return reply
      .code(notReady.length === 0 ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(body)
  })
}

/** Names of the checks that are not ready; none when all is well. */
export function notReadyOf({ checks }: HealthReport): string[] {
  return Object.keys(checks).filter((name) => checks[name]?.ready !== true)
}

async function readReport(health: HealthSource): Promise<HealthReport> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<HealthReport>((resolve) => {
    const check = { ready: false, detail: `no answer in ${HEALTH_TIMEOUT_MS} ms` }
    timer = setTimeout(() => resolve({ checks: { health: check } }), HEALTH_TIMEOUT_MS)
  })
  try {
    const report = await Promise.race([health(), late])
    // A report without a check says nothing, and nothing is not readiness.
    if (Object.keys(report.checks).length > 0) return report
    return { checks: { health: { ready: false, detail: 'no checks' } } }
  } catch (error) {
    return { checks: { health: { ready: false, detail: describeError(error) } } }
  } finally {
    clearTimeout(timer)
  }
}
