// Whether a switch on this machine lives, for the HEALTHCHECK of its container: exit status 0 when its /healthz answers 200.
// Whether it is ready is /readyz's to say: one that drains, stands by or waits for its database must not be ended for it.
//   node bin/healthcheck.ts [CONFIG]
import { loadConfig } from '../src/config/config.ts'

const TIMEOUT_MS = 4_000
const file = process.argv[2]
const { http } = loadConfig({ env: process.env, ...(file === undefined ? {} : { file }) })
const host = ['0.0.0.0', '::'].includes(http.host) ? '127.0.0.1' : http.host
const authority = host.includes(':') ? `[${host}]` : host
const answer = await fetch(`http://${authority}:${http.port}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
process.exitCode = answer.ok ? 0 : 1
