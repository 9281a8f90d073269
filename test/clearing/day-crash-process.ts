import callbacks, { writeSync } from 'node:fs'
import fs, { type FileHandle, open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import pg from 'pg'
import { runDays } from '../../src/clearing/day/machine.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { loadConfig } from '../../src/config/config.ts'
import { daySteps } from '../../src/switch-clearing.ts'
import { fileStepOptions } from '../../src/switch-clearing-files.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { panProtectionOf } from '../support/pan-keys.ts'

/**
 * A process that closes days and dies, as a power cut would have it, before its n-th word to the database or to the file
 * system, or halfway through the bytes of a write: in the middle of steps and between them. Arguments: database,
 * configuration, n (0 = never).
 */
const [url = '', file = '', at = '0'] = process.argv.slice(2)
const killAt = Number(at)
const said = { database: 0, files: 0 }
const isLast = () => said.database + said.files === killAt

type Call = (this: unknown, ...given: unknown[]) => unknown

/** Has a function of an object count as a word. */
function dying(target: object, name: string, kind: keyof typeof said): void {
  const functions = target as Record<string, Call>
  const call = functions[name] as Call
  functions[name] = function counted(...given) {
    said[kind]++
    if (isLast()) process.kill(process.pid, 'SIGKILL')
    return call.apply(this, given)
  }
}

/** Has a write of bytes count as one more word: half of them are there. @param bytesOf descriptor, bytes and where they begin */
function dyingHalfway(
  target: object,
  bytesOf: (self: unknown, given: unknown[]) => [number, Uint8Array, number],
): void {
  const functions = target as Record<string, Call>
  const write = functions.write as Call
  functions.write = function half(...given) {
    said.files++
    if (isLast()) {
      const [descriptor, bytes, from] = bytesOf(this, given)
      writeSync(descriptor, bytes, from, Math.floor((bytes.length - from) / 2))
      process.kill(process.pid, 'SIGKILL')
    }
    return write.apply(this, given)
  }
  dying(target, 'write', 'files')
}

dying(pg.Client.prototype, 'query', 'database')
for (const name of ['open', 'mkdir', 'rename', 'rm', 'unlink', 'copyFile', 'writeFile', 'appendFile', 'link']) {
  dying(fs, name, 'files')
}
const handle = await open(process.execPath, 'r')
const fileHandle = Object.getPrototypeOf(handle) as object
await handle.close()
dyingHalfway(fileHandle, (self, [bytes, from]) => [(self as FileHandle).fd, bytes as Uint8Array, Number(from ?? 0)])
// Streams write by the functions with callbacks.
dyingHalfway(callbacks, (_, [descriptor, bytes, from]) => [Number(descriptor), bytes as Uint8Array, Number(from ?? 0)])
for (const name of ['sync', 'datasync', 'close', 'writeFile', 'truncate']) dying(fileHandle, name, 'files')
syncBuiltinESMExports()

const config = loadConfig({ env: { DATABASE_URL: url, MIZAN_MASTER_KEY: 'a5'.repeat(32) }, file })
const protection = panProtectionOf('writer tests')
// In parts of few authorizations, so that it dies between them too.
const inParts = selectStep({ ...fileStepOptions(config, protection), authorizationsInPart: 5, partsWhileIdle: 1 })
const run = await runDays({
  url,
  folder: config.clearing.folder,
  steps: daySteps({ config, protection }).map((step) => (step.name === inParts.name ? inParts : step)),
  log: createLogger({ level: 'silent' }),
  // The clock stands still, so that what is written does not differ by it.
  nowMs: () => Date.parse(`${process.env.DAY ?? '2026-11-22'}T20:30:00Z`),
  signal: new AbortController().signal,
})
process.stdout.write(`${JSON.stringify({ ...run, said })}\n`)
