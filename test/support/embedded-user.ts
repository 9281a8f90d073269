import { once } from 'node:events'
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts'

/** A process that uses the embedded server of a data folder until it gets SIGTERM; it prints what it found. */
const keepAlive = setInterval(() => undefined, 60_000)
const server = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? '', sharedBuffersMb: 32, maxWalSizeMb: 128 })
const told = once(process, 'SIGTERM')
process.stdout.write(`${JSON.stringify({ pid: server.pid, attached: server.attached })}\n`)
await told
await server.release()
clearInterval(keepAlive)
