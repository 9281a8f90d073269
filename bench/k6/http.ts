import { check, sleep } from 'k6'
import http from 'k6/http'
import type { Options } from 'k6/options'

/**
 * The HTTP side of a running switch under many readers: probes of an orchestrator and scrapes of a monitoring system.
 * `k6 run -e MIZAN_HTTP=http://127.0.0.1:8080 bench/k6/http.ts`
 */
const base = __ENV.MIZAN_HTTP ?? 'http://127.0.0.1:8080'
const SCRAPE_PAUSE_SECONDS = 1

export const options: Options = {
  scenarios: {
    probes: {
      executor: 'constant-arrival-rate',
      exec: 'probe',
      rate: Number(__ENV.RATE ?? 50),
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '30s',
      preAllocatedVUs: 10,
      maxVUs: 50,
    },
    scrapes: { executor: 'constant-vus', exec: 'scrape', vus: 2, duration: __ENV.DURATION ?? '30s' },
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{scenario:probes}': ['p(99)<50'],
    'http_req_duration{scenario:scrapes}': ['p(99)<200'],
  },
}

/** One readiness probe. */
export function probe(): void {
  const response = http.get(`${base}/readyz`, { tags: { name: 'readyz' } })
  check(response, { 'the switch is ready': (answer) => answer.status === 200 })
}

/** One scrape of the metrics. */
export function scrape(): void {
  const response = http.get(`${base}/metrics`, { tags: { name: 'metrics' } })
  check(response, {
    'metrics are there': (answer) => answer.status === 200 && String(answer.body).includes('mizan_batch_size'),
  })
  sleep(SCRAPE_PAUSE_SECONDS)
}
