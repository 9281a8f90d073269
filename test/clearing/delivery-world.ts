import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { t as file } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import type { StepWork } from '../../src/clearing/delivery/day-files.ts'
import type { DeliveryOptions } from '../../src/clearing/delivery/options.ts'
import { keySeal } from '../../src/clearing/protection/key-seal.ts'
import { masterKeyOf } from '../../src/security/master-key.ts'
import { type ClearingFile, type FileType, outgoingPath, registerFile } from '../../src/store/clearing/files.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { createTestDatabase } from '../support/database.ts'

/** A clearing folder and a database for tests of protection and delivery. */
export interface DeliveryWorld {
  readonly client: Client
  readonly url: string
  readonly root: string
  readonly options: DeliveryOptions
  readonly work: StepWork
  readonly seal: ReturnType<typeof keySeal>
  /** Events that were logged, by name. */
  readonly logged: string[]
  /** Moves the clock on. */
  later(ms: number): void
  /** Puts a written file into register and folder. */
  written(type: FileType, institution: string, bytes: Uint8Array, date?: number): Promise<ClearingFile>
  /** Where a file of `out/` stands. */
  at(name: string, date?: number): string
}

/** One database and folder for all tests of a file: each has a date of its own. Keys take long to make. */
const shared = createShared()

async function createShared() {
  const { url } = await createTestDatabase(file)
  const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  file.teardown(() => client.end())
  const root = mkdtempSync(path.join(tmpdir(), 'mizan-delivery-'))
  file.teardown(() => rmSync(root, { recursive: true, force: true }))
  return { url, client, root }
}

export async function deliveryWorld(
  businessDate: CivilDate,
  change: Partial<DeliveryOptions> = {},
): Promise<DeliveryWorld> {
  const { url, client, root } = await shared
  const seal = keySeal(masterKeyOf(Buffer.alloc(32, 7), 'a test'))
  let nowMs = Date.UTC(2026, 10, 22, 20, 45)
  const logged: string[] = []
  const stream = { write: (line: string) => void logged.push((JSON.parse(line) as { event: string }).event) }
  const log = pino({ level: 'info' }, stream) as unknown as StepWork['log']
  const options: DeliveryOptions = {
    folder: path.join(root, 'clearing'),
    isProduction: false,
    cipher: 'aes-256-gcm',
    destinations: [],
    inboxes: [],
    releaseRequired: [],
    attempts: 3,
    firstRetryMs: 1_000,
    longestRetryMs: 60_000,
    openSeal: async () => seal,
    demoFolder: path.join(root, 'demo'),
    ...change,
  }
  const signal = new AbortController().signal
  const work: StepWork = { businessDate, signal, nowMs: () => nowMs, progress: () => undefined, log }
  const at = (name: string, date: number = businessDate) =>
    path.join(options.folder, outgoingPath(date as CivilDate, name))
  return {
    client,
    url,
    root,
    options,
    work,
    seal,
    logged,
    later: (ms) => {
      nowMs += ms
    },
    at,
    async written(type, institution, bytes, date = businessDate) {
      const sha256 = createHash('sha256').update(bytes).digest()
      const key = {
        direction: 'out',
        type,
        institution,
        businessDate: date as CivilDate,
        cycle: 1,
        sequence: 1,
      } as const
      const content = { bytes: bytes.length, sha256, records: 1, items: 0, grossPiasters: 0n, totals: {} }
      const file = await registerFile(client, { ...key, state: 'written', content }, 'write')
      mkdirSync(path.dirname(at(file.name, date)), { recursive: true })
      writeFileSync(at(file.name, date), bytes, { mode: 0o600 })
      return file
    },
  }
}
