import { setTimeout as sleep } from 'node:timers/promises'
import { framings } from '../../src/link/framing.ts'
import type { LoadDialect } from '../../src/simulator/load-mix.ts'
import { framingOf } from '../../src/simulator/load-template.ts'
import type { FaultProxy, Faults, InspectedConnection } from '../../test/support/fault-proxy.ts'

const WAIT_MAX_MS = 5_000
const CUT_AFTER_MS = 5
const NOTHING = Buffer.alloc(0)

/** Sets faults of one direction for a while. */
export async function faulty(direction: Faults, faults: Faults, ms: number): Promise<void> {
  Object.assign(direction, faults)
  await sleep(ms)
  for (const name of Object.keys(faults) as (keyof Faults)[]) delete direction[name]
}

/** Nothing passes for a while; then all of it does, late. */
export async function stalled(directions: readonly Faults[], ms: number): Promise<void> {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  for (const direction of directions) {
    direction.inspect = async (chunk) => {
      await gate
      return chunk
    }
  }
  await sleep(ms)
  for (const direction of directions) delete direction.inspect
  open()
}

/** Bytes of one direction are lost, then the connections too: no network gives back a stream with a hole in it. */
export async function blackHole(proxy: FaultProxy, direction: Faults, ms: number): Promise<void> {
  await faulty(direction, { blackHole: true }, ms)
  proxy.cut()
}

/** The next chunk of a direction goes on up to so many bytes, then its connection is reset. */
export function cutWithin(direction: Faults, bytesOf: (chunk: Buffer) => number | undefined): Promise<void> {
  return untilDone([direction], (done) => {
    const victim = new Victim(done)
    direction.inspect = (chunk, connection) => {
      const bytes = victim.isTaken ? undefined : bytesOf(chunk)
      return victim.pass(chunk, connection, bytes)
    }
  })
}

/** Waits for the next commit of the writer, forwards it, and lets `bytes` of its reply through before the reset. */
export function cutReplyToCommit(proxy: FaultProxy, bytes: number): Promise<void> {
  return untilDone([proxy.toServer, proxy.toClient], (done) => {
    const victim = new Victim(done)
    let committing: InspectedConnection | undefined
    proxy.toServer.inspect = (chunk, connection) => {
      if (isCommit(chunk)) committing = connection
      return chunk
    }
    proxy.toClient.inspect = (chunk, connection) =>
      victim.pass(chunk, connection, connection === committing && !victim.isTaken ? bytes : undefined)
  })
}

/** The one connection that is cut. After the cut's place nothing of it passes: a stream has no holes. */
class Victim {
  readonly #done: () => void
  #connection: InspectedConnection | undefined

  constructor(done: () => void) {
    this.#done = done
  }

  get isTaken(): boolean {
    return this.#connection !== undefined
  }

  /** @param bytes how much of this chunk passes before its connection is cut; undefined = it is not the one */
  pass(chunk: Buffer, connection: InspectedConnection, bytes: number | undefined): Buffer {
    if (connection === this.#connection) return NOTHING
    if (bytes === undefined) return chunk
    this.#connection = connection
    // What is forwarded now leaves first.
    setTimeout(() => {
      connection.cut()
      this.#done()
    }, CUT_AFTER_MS)
    return chunk.subarray(0, bytes)
  }
}

/** Whether a chunk from the switch to its database is the one that makes a batch durable. */
export function isCommit(chunk: Buffer): boolean {
  return chunk.includes('commit_batch')
}

/** Without traffic nothing would ever be cut. */
async function untilDone(directions: readonly Faults[], begin: (done: () => void) => void): Promise<void> {
  const finished = await Promise.race([
    new Promise<boolean>((resolve) => begin(() => resolve(true))),
    sleep(WAIT_MAX_MS, false),
  ])
  for (const direction of directions) delete direction.inspect
  if (!finished) throw new Error('nothing passed that could be cut')
}

/** Each whole message goes out twice; a chunk that ends within a message is left as it is. */
export function doubled(dialect: LoadDialect): (chunk: Buffer) => Buffer {
  const { headerBytes } = framings[framingOf[dialect]]
  return (chunk) => {
    const parts: Buffer[] = []
    let at = 0
    while (at < chunk.length) {
      const end = at + headerBytes + (chunk.length - at < headerBytes ? 0 : chunk.readUInt16BE(at))
      if (end > chunk.length || end === at + headerBytes) return chunk
      const frame = chunk.subarray(at, end)
      parts.push(frame, frame)
      at = end
    }
    return Buffer.concat(parts)
  }
}
