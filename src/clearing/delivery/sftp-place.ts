import { createHash } from 'node:crypto'
import path from 'node:path'
import type SftpClient from 'ssh2-sftp-client'
import { describeError, MizanError } from '../../errors.ts'
import { readSecretFile } from '../../security/secret-file.ts'
import type { FileDigest } from '../protection/files.ts'
import {
  DeliveryRefusal,
  isFileName,
  PART_SUFFIX,
  type Place,
  type PutOutcome,
  type RemoteFile,
  withinLimit,
} from './place.ts'

/** How a server is reached; see `clearing.delivery` of the configuration. */
export interface SftpSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly keyFile?: string
  readonly passwordFile?: string
  /** `SHA256:` and the base64 that `ssh-keygen -lf` prints. */
  readonly hostKeySha256: string
  /** Longest time without a byte. */
  readonly timeoutMs: number
}

/** What comes of `connect`: the SFTP session below the client. */
type Session = Awaited<ReturnType<SftpClient['connect']>>

const KEEPALIVE_MS = 10_000
const KEEPALIVES = 3
const FAREWELL_MS = 1_000
/** Requests under way at a time, and their size: 2 MiB hide the latency of any line. */
const CONCURRENCY = 64
const CHUNK_BYTES = 32_768

/** A folder of an SFTP server, whose key is known beforehand. The connection is opened when it is first needed. */
export function sftpPlace(folder: string, settings: SftpSettings): Place {
  let open: Promise<Connection> | undefined
  const connection = () => {
    open ??= Connection.open(settings).catch((error: unknown) => {
      open = undefined
      throw error
    })
    return open
  }
  const at = (name: string) => path.posix.join(folder, name)
  return {
    async put(file, name, digest, signal) {
      return (await connection()).put(file, at(name), digest, signal)
    },
    async list() {
      return withinLimit(await (await connection()).list(folder), folder)
    },
    async get(name, target, bytesMax, signal) {
      return (await connection()).get(at(name), target, bytesMax, signal)
    },
    async remove(name) {
      await (await connection()).run((client) => client.delete(at(name), true))
    },
    async close() {
      const opened = await open?.catch(() => undefined)
      open = undefined
      await opened?.close()
    },
  }
}

class Connection {
  readonly #client: SftpClient
  readonly #session: Session
  readonly #timeoutMs: number
  readonly #where: string
  #isClosed = false

  private constructor(client: SftpClient, session: Session, { timeoutMs, host, port }: SftpSettings) {
    this.#client = client
    this.#session = session
    this.#timeoutMs = timeoutMs
    this.#where = `${host}:${port}`
  }

  static async open(settings: SftpSettings): Promise<Connection> {
    const { host, port, user: username, timeoutMs, hostKeySha256 } = settings
    // A secret that cannot be read is no fault of the server.
    const secret = secretOf(settings)
    const ignore = () => undefined
    // Loaded by whoever has such a place: it costs every start and every command a tenth of a second.
    const { default: Client } = await import('ssh2-sftp-client')
    const client = new Client('mizan', { error: ignore, end: ignore, close: ignore })
    let shown: string | undefined
    try {
      const session = await client.connect({
        host,
        port,
        username,
        ...secret,
        readyTimeout: timeoutMs,
        keepaliveInterval: KEEPALIVE_MS,
        keepaliveCountMax: KEEPALIVES,
        hostVerifier: (key: Buffer) => {
          shown = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
          return shown === hostKeySha256.replace(/=+$/, '')
        },
      })
      return new Connection(client, session, settings)
    } catch (cause) {
      await farewell(client)
      if (shown !== undefined && shown !== hostKeySha256.replace(/=+$/, '')) {
        const detail = `${host}:${port} shows the key ${shown}, which is not the pinned one: nothing was sent`
        throw new DeliveryRefusal(detail, { cause })
      }
      throw unreachable(`${host}:${port}`, cause)
    }
  }

  /** One piece of work with the client; without progress for too long, or at the signal, the connection is given up. */
  async run<T>(work: (client: SftpClient, tick: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    let giveUp: (error: unknown) => void = () => undefined
    const given = new Promise<never>((_resolve, reject) => {
      giveUp = (error) => {
        void this.close()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    const late = () => giveUp(new MizanError('LINK_TIMEOUT', `${this.#where}: not a byte for ${this.#timeoutMs} ms`))
    let timer = setTimeout(late, this.#timeoutMs)
    const tick = () => {
      clearTimeout(timer)
      timer = setTimeout(late, this.#timeoutMs)
    }
    const onAbort = () => giveUp(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const done = work(this.#client, tick)
      done.catch(() => undefined)
      return await Promise.race([done, given])
    } catch (error) {
      if (error instanceof MizanError || signal?.aborted === true) throw error
      throw unreachable(this.#where, error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async put(file: string, target: string, digest: FileDigest, signal: AbortSignal): Promise<PutOutcome> {
    const part = target + PART_SUFFIX
    if (await this.#isThere(target, digest, signal)) return 'was-there'
    try {
      await this.run(
        (client, tick) =>
          client
            .fastPut(file, part, { concurrency: CONCURRENCY, chunkSize: CHUNK_BYTES, step: tick })
            .catch((error: unknown) => {
              throw notTaken(part, error)
            }),
        signal,
      )
      await this.#sync(part)
      const { size } = await this.run((client) => client.stat(part))
      if (size !== digest.bytes) throw new Error(`${target}: ${size} of ${digest.bytes} bytes arrived`)
      // The rename of the protocol does not replace a file: who put one there meanwhile is not overwritten.
      await this.run((client) => client.rename(part, target)).catch(async (error: unknown) => {
        if (!(await this.#isThere(target, digest, signal))) throw error
      })
    } catch (error) {
      // Half a file is not left on a disk that is full there; over a line that is cut it is, and is written over the
      // next time.
      if (!this.#isClosed) await this.run((client) => client.delete(part, true)).catch(() => undefined)
      throw error
    }
    return 'delivered'
  }

  async list(folder: string): Promise<readonly RemoteFile[]> {
    const entries = await this.run((client) => client.list(folder))
    return entries
      .filter(({ type, name }) => type === '-' && isFileName(name))
      .map(({ name, size, modifyTime }) => ({ name, bytes: size, modifiedAtMs: modifyTime }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async get(source: string, target: string, bytesMax: number, signal: AbortSignal): Promise<void> {
    const { size } = await this.run((client) => client.stat(source))
    if (size > bytesMax) throw new MizanError('BAD_INPUT', `${source} has more than ${bytesMax} bytes`)
    await this.run(
      (client, tick) =>
        client.fastGet(source, target, { concurrency: CONCURRENCY, chunkSize: CHUNK_BYTES, step: tick }),
      signal,
    )
  }

  /** Says goodbye; a server that does not answer to that is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    await farewell(this.#client)
  }

  /** @throws DeliveryRefusal when a file of this name has other bytes */
  async #isThere(target: string, digest: FileDigest, signal: AbortSignal): Promise<boolean> {
    const type = await this.run((client) => client.exists(target))
    if (type === false) return false
    const isSame =
      type === '-' &&
      (await this.run((client) => client.stat(target))).size === digest.bytes &&
      (await this.#digest(target, signal)).equals(digest.sha256)
    if (isSame) return true
    throw new DeliveryRefusal(`${path.posix.basename(target)} is there with other bytes`)
  }

  #digest(target: string, signal: AbortSignal): Promise<Buffer> {
    return this.run(async (client, tick) => {
      const hash = createHash('sha256')
      for await (const piece of client.createReadStream(target)) {
        hash.update(piece as Buffer)
        tick()
      }
      return hash.digest()
    }, signal)
  }

  /**
   * Has the server write a file to its disk, where it can be asked to; else its answer to the write is what there is.
   */
  async #sync(target: string): Promise<void> {
    const session = this.#session
    await this.run(async () => {
      const handle = await new Promise<Buffer | undefined>((resolve) => {
        // Some take files and never let them be opened again.
        session.open(target, 'r+', (error, opened) => resolve(error ? undefined : opened))
      })
      if (handle === undefined) return
      try {
        // Not every server has this extension.
        await new Promise<void>((resolve, reject) => {
          session.ext_openssh_fsync(handle, (error) => (error ? reject(error) : resolve()))
        }).catch(() => undefined)
      } finally {
        await new Promise<void>((resolve) => session.close(handle, () => resolve()))
      }
    })
  }
}

/** The client below, which ends a connection without asking the server. */
interface Below {
  readonly client: { destroy(): void }
}

async function farewell(client: SftpClient): Promise<void> {
  const { client: below } = client as unknown as Below
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FAREWELL_MS)
  })
  await Promise.race([client.end().catch(() => undefined), late])
  clearTimeout(timer)
  below.destroy()
}

function secretOf({ keyFile, passwordFile }: SftpSettings): { privateKey: string } | { password: string } {
  if (keyFile !== undefined) return { privateKey: `${readSecretFile(keyFile, 'the key of an SFTP user')}\n` }
  return { password: readSecretFile(passwordFile ?? '', 'the password of an SFTP user') }
}

/**
 * What a server says to a write that it refuses is a number (draft-ietf-secsh-filexfer-02, 7), and of a full disk only
 * that it failed.
 */
const refusedWrites: Readonly<Record<string, string>> = {
  2: 'there is no such folder',
  3: 'the user may not write there',
  4: 'its disk may be full, or a quota reached',
}

function notTaken(part: string, cause: unknown): unknown {
  const code = (cause as { readonly code?: unknown } | null)?.code
  const words = typeof code === 'number' ? refusedWrites[code] : undefined
  return words === undefined ? cause : new Error(`the server does not take ${part}: ${words}`, { cause })
}

function unreachable(where: string, cause: unknown): MizanError {
  return new MizanError('LINK_CLOSED', `${where}: ${describeError(cause)}`, { cause })
}
