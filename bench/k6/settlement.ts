import { check } from 'k6'
import http from 'k6/http'
import type { Options } from 'k6/options'

/**
 * The settlement desk's morning on a running switch: days, runs of the reconciliation, open exceptions by age, what the
 * network presented, the trial balance, all read by several clerks at once.
 * `k6 run -e MIZAN_TOKEN=… bench/k6/settlement.ts`, with a token or API key whose roles include `settlement`
 * (docs/api.md).
 */
const base = `${__ENV.MIZAN_HTTP ?? 'http://127.0.0.1:8080'}/api/v1`
const headers = { authorization: `Bearer ${__ENV.MIZAN_TOKEN ?? ''}` }
const DAYS_BACK = 7
const DAY_MS = 86_400_000

export const options: Options = {
  scenarios: {
    clerks: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE ?? 20),
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '30s',
      preAllocatedVUs: 10,
      maxVUs: 50,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{name:days}': ['p(99)<200'],
    'http_req_duration{name:exceptions}': ['p(99)<200'],
    'http_req_duration{name:trial-balance}': ['p(99)<1000'],
  },
}

/** Says early, and once, why nothing else can work. */
export function setup(): void {
  const response = http.get(`${base}/business-days`, { headers })
  if (response.status === 401 || response.status === 403) {
    throw new Error(`the switch answers ${response.status}: set MIZAN_TOKEN to a token with the role settlement`)
  }
}

function read(name: string, path: string): void {
  const response = http.get(`${base}${path}`, { headers, tags: { name } })
  check(response, { [`${name} is shown`]: (answer) => answer.status === 200 })
}

const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10)

/** What a clerk looks at one after another. */
export default function clerk(): void {
  read('days', '/business-days')
  read('runs', '/reconciliation/runs?limit=5')
  read('exceptions', '/reconciliation/exceptions?limit=50')
  read('ageing', '/reconciliation/ageing')
  read('items', '/network-items?limit=50')
  read('trial-balance', `/ledger/trial-balance?from=${day(DAYS_BACK)}&to=${day(0)}`)
}
