import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import {
  decryptFile,
  digestFile,
  encryptFile,
  SIGNATURE_SUFFIX,
  verifyFile,
  writeSignature,
} from '../src/clearing/protection/files.ts'
import { makeRsaKey, selfSigned } from '../src/clearing/protection/self-signed.ts'

export interface ProtectOptions {
  readonly bytes: number
  readonly varDir: string
  readonly json: boolean
}

const PIECE_BYTES = 1_048_576
const MEBIBYTE = 1_048_576
const SAMPLE_MS = 20
const HOUR_MS = 3_600_000

/** Times signing, encrypting, opening and verifying a file, and watches the memory of this process. */
export async function runProtect({ bytes, varDir, json }: ProtectOptions): Promise<void> {
  const folder = path.join(varDir, 'protect')
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'file')
  try {
    const made = await writeRandom(file, bytes)
    const key = await makeRsaKey(3_072)
    const nowMs = Date.now()
    const validity = { validFromMs: nowMs - HOUR_MS, validToMs: nowMs + HOUR_MS, name: 'bench', organization: 'bench' }
    const signer = { certificate: selfSigned(key, { ...validity, purpose: 'sign' }), privateKey: key }
    const receiver = { certificate: selfSigned(key, { ...validity, purpose: 'encrypt' }), privateKey: key }
    const memory = watchMemory()
    const rows = [
      await timed('sign', bytes, async () => {
        await writeSignature(file, (await digestFile(file)).sha256, signer)
      }),
      await timed('encrypt', bytes, () =>
        encryptFile(file, `${file}.p7m`, { recipients: [receiver.certificate], expected: made }),
      ),
      await timed('open', bytes, () => decryptFile(`${file}.p7m`, `${file}.clear`, [receiver])),
      await timed('verify', bytes, () =>
        verifyFile(`${file}.clear`, file + SIGNATURE_SUFFIX, [signer.certificate], nowMs),
      ),
    ]
    const memoryMiB = memory.stop()
    if (json) {
      process.stdout.write(`${JSON.stringify({ bytes, ...memoryMiB, rows })}\n`)
      return
    }
    for (const { what, seconds, megabytesPerSecond } of rows) {
      process.stdout.write(`${what.padEnd(8)} ${seconds.toFixed(2)} s  ${Math.round(megabytesPerSecond)} MB/s\n`)
    }
    process.stdout.write(`memory: ${memoryMiB.beforeMiB} MiB before, ${memoryMiB.peakMiB} MiB at most\n`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function writeRandom(file: string, bytes: number): Promise<Buffer> {
  const handle = await open(file, 'w', 0o600)
  try {
    for (let left = bytes; left > 0; left -= PIECE_BYTES) await handle.write(randomBytes(Math.min(left, PIECE_BYTES)))
    await handle.sync()
  } finally {
    await handle.close()
  }
  return (await digestFile(file)).sha256
}

async function timed(what: string, bytes: number, work: () => Promise<unknown>) {
  const startedMs = performance.now()
  await work()
  const seconds = (performance.now() - startedMs) / 1_000
  return { what, seconds, megabytesPerSecond: bytes / 1e6 / seconds }
}

function watchMemory() {
  const now = () => process.memoryUsage().rss
  const before = now()
  let peak = before
  const timer = setInterval(() => {
    peak = Math.max(peak, now())
  }, SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      return { beforeMiB: Math.round(before / MEBIBYTE), peakMiB: Math.round(Math.max(peak, now()) / MEBIBYTE) }
    },
  }
}
