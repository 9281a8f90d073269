import type { FastifyInstance } from 'fastify'

/** What is needed of the metrics; `createMetrics()` of telemetry/metrics.ts has it. */
export interface MetricsPage {
  readonly contentType: string
  render(): Promise<string>
}

/** Adds `GET /metrics` in Prometheus' text format. */
export function registerMetrics(app: FastifyInstance, metrics: MetricsPage): void {
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.render()))
}
