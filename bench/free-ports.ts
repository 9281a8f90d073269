import { createServer } from 'node:net'

/** Below those that systems give to outgoing connections: what is free now stays free while nobody listens there. */
const LOWEST = 12_000
const HIGHEST = 31_999
const TRIES_MAX = 200

/**
 * Finds ports of 127.0.0.1 for processes that will listen there later.
 * @throws Error when there are none
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  for (let tries = 0; tries < TRIES_MAX && found.size < count; tries++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1))
    if (await isFree(port)) found.add(port)
  }
  if (found.size < count) throw new Error(`no ${count} ports from ${LOWEST} to ${HIGHEST} are free`)
  return [...found]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
