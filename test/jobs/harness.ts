import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import type { OutboundMessage } from '../../src/jobs/adapter.ts'
import type { DeliveryOptions } from '../../src/jobs/delivery-options.ts'
import { signature, webhookAdapter } from '../../src/jobs/webhook-adapter.ts'
import { compileTemplates } from '../../src/notification/catalogue.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createNotificationMetrics } from '../../src/telemetry/notification-metrics.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'
import { ManualClock } from '../support/switch.ts'

const SECRET = 'k'.repeat(32)
const LANES = 2
/** Longest wait for what must come. */
const WAIT_MS = 60_000

/** What the provider was sent. */
export interface Received {
  readonly key: string
  readonly body: Record<string, unknown>
  readonly isSigned: boolean
}

/** A provider: a real HTTP server that does as a test says. */
export interface Provider {
  readonly url: string
  readonly received: Received[]
  /** Answers the next requests: a status, or nothing at all. */
  readonly answers: (Answer | (() => Promise<Answer>))[]
  keysOf(householdId: number): string[]
}

export type Answer = { readonly status: number; readonly headers?: Record<string, string> } | 'silence'

/** A database with an outbox, and what delivery needs. */
export interface DeliveryWorld {
  readonly options: DeliveryOptions
  readonly client: Client
  readonly clock: ManualClock
  readonly provider: Provider
  /** Lines that were logged. */
  readonly lines: string[]
  /** Adds a row to the outbox as the writer of a lane does. @returns its id */
  notify(lane: number, householdId: number, template: string, detail?: object, createdAtMs?: number): Promise<number>
  /** Waits until no message waits that may go now, and answers with the rows by id. */
  settled(ids: readonly number[], states?: readonly string[]): Promise<DeliveryRow[]>
}

export interface DeliveryRow {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly attempts: number
  readonly next_at: Date | null
  readonly text_hash: Buffer | null
  readonly provider_reference: string | null
  readonly error: string | null
}

/** Starts a provider for a test. */
export async function startProvider(t: TeardownHost): Promise<Provider> {
  const received: Received[] = []
  const answers: Provider['answers'] = []
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString()
      const header = (name: string) => String(request.headers[name] ?? '')
      const isSigned = header('mizan-signature') === `v1=${signature(SECRET, header('mizan-timestamp'), text)}`
      received.push({ key: header('idempotency-key'), body: JSON.parse(text), isSigned })
      const next = answers.shift() ?? { status: 200 }
      void (async () => {
        const answer = typeof next === 'function' ? await next() : next
        if (answer === 'silence') return
        response.writeHead(answer.status, answer.headers).end(JSON.stringify({ id: `p-${received.length}` }))
      })()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const keysOf = (householdId: number) =>
    received.filter(({ body }) => body.to === mobileOf(householdId)).map(({ key }) => key)
  return { url: `http://127.0.0.1:${port}/sms`, received, answers, keysOf }
}

/** A mobile number of the right form, one for each household. */
export function mobileOf(householdId: number): string {
  return `+2010${String(householdId).padStart(8, '0')}`
}

/** Makes a database of two lanes with an empty outbox. Household 0 has no number. */
export async function openDeliveryWorld(t: TeardownHost): Promise<DeliveryWorld> {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, LANES)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const provider = await startProvider(t)
  const clock = new ManualClock(Date.parse('2026-11-11T12:00:00+02:00'))
  const lines: string[] = []
  const webhook = { url: provider.url, secret: SECRET, connections: 4 }
  const patient = webhookAdapter({ ...webhook, timeoutMs: WAIT_MS })
  const impatient = webhookAdapter({ ...webhook, timeoutMs: 100 })
  // Only where no answer will come: a busy machine may be slow with the others.
  const adapter = {
    ...patient,
    send: (message: OutboundMessage) => (provider.answers[0] === 'silence' ? impatient : patient).send(message),
    close: async () => void (await Promise.all([patient.close(), impatient.close()])),
  }
  const options: DeliveryOptions = {
    url,
    catalogue: compileTemplates(),
    rules: {
      language: 'ar',
      digits: 'arab',
      ratePerSecond: 500,
      householdPerHour: 3,
      quietHours: { from: '22:00', to: '08:00' },
      retry: { attempts: 3, firstRetryMs: 20, longestRetryMs: 2_000 },
      waitingMax: 1_000,
      keepDays: 90,
    },
    adapter,
    codeOf: (factor) => String(factor % 1_000_000).padStart(6, '0'),
    concurrency: 4,
    recipientsOf: async () => (id) => (id === 0 ? undefined : { mobile: mobileOf(id) }),
    clock,
    metrics: createNotificationMetrics(new Registry()),
    log: createLogger({ level: 'debug', destination: { write: (line) => lines.push(line) } }),
  }
  return {
    options,
    client,
    clock,
    provider,
    lines,
    async notify(lane, householdId, template, detail = {}, createdAtMs = clock.now()) {
      const { rows } = await client.query<{ id: string }>(
        `insert into notification (lane, household_id, template, detail, batch_seq, created_at)
         values ($1, $2, $3, $4, 1, $5) returning id`,
        [lane, householdId, template, detail, new Date(createdAtMs)],
      )
      return Number(rows[0]?.id)
    },
    async settled(ids, states = ['sent', 'failed', 'dead', 'suppressed']) {
      const deadline = performance.now() + WAIT_MS
      for (;;) {
        const { rows } = await client.query<DeliveryRow>(
          'select * from notification_delivery where id = any ($1) order by id',
          [ids],
        )
        if (rows.length === ids.length && rows.every(({ state }) => states.includes(state))) return rows
        if (performance.now() > deadline) throw new Error(`not settled: ${JSON.stringify(rows)}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
  }
}
