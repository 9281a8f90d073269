import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { assert, describeError, MizanError } from '../../errors.ts'
import type { FileContent, FileType } from '../../store/clearing/files.ts'
import { netOf } from '../records/base2.ts'
import { readClearingFile } from '../records/file-reader.ts'
import { checkStatementFile, checkSubsidyFile, type ReadContent } from './line-check.ts'

const CHUNK_BYTES = 1_048_576
const FILE_HEAD_BYTES = 8

/** A file that was read to its end and found to agree with itself. */
export interface ReadFile extends FileContent {
  readonly type: 'CTF' | 'SUB' | 'OUT'
}

/**
 * Reads a file from disk with the readers for files of others, and holds it against its own trailers.
 * @param type told by its first bytes unless it is given
 * @throws MizanError BAD_INPUT at the first thing that is not right; NOT_FOUND when it cannot be read
 */
export async function readBack(file: string, type?: FileType): Promise<ReadFile> {
  const kind = type ?? (await tellType(file))
  return await readContent(streamOf(file, CHUNK_BYTES), { type: kind, name: path.basename(file) })
}

/** The same for bytes from anywhere. @throws MizanError BAD_INPUT */
export async function readContent(
  chunks: AsyncIterable<Uint8Array>,
  { type, name }: { readonly type: FileType; readonly name: string },
): Promise<ReadFile> {
  const digest = new Digest(chunks)
  const content = await readAs(type, digest.chunks(), name)
  return { ...content, type: type as ReadFile['type'], bytes: digest.bytes, sha256: digest.hash() }
}

async function readAs(kind: FileType, chunks: AsyncIterable<Uint8Array>, name: string): Promise<ReadContent> {
  if (kind === 'CTF' || kind === 'ITF') return await checkNetworkFile(chunks, name)
  if (kind === 'SUB') return await checkSubsidyFile(chunks, name)
  if (kind === 'OUT') return await checkStatementFile(chunks, name)
  throw new MizanError('BAD_INPUT', `${name}: files of type ${kind} have no trailer to be held against`)
}

/** What of a clearing file of ours its first bytes say. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function tellType(file: string): Promise<'CTF' | 'SUB' | 'OUT'> {
  for await (const chunk of streamOf(file, FILE_HEAD_BYTES)) {
    const head = chunk.toString('latin1', 0, FILE_HEAD_BYTES)
    if (head.startsWith('H,SUB,')) return 'SUB'
    if (head.startsWith('H,OUT,')) return 'OUT'
    break
  }
  return 'CTF'
}

/** The card scheme's file: its batches and its trailer, and what it comes to net. */
async function checkNetworkFile(chunks: AsyncIterable<Uint8Array>, name: string): Promise<ReadContent> {
  let items = 0
  let net = 0n
  let content: ReadContent | undefined
  for await (const entries of readClearingFile(chunks, { file: name })) {
    for (const entry of entries) {
      if (entry.kind === 'trailer') {
        const { totals, batches } = entry
        content = {
          records: totals.components + 1,
          items,
          grossPiasters: totals.destinationPiasters,
          totals: { batches, netPiasters: String(net) },
        }
      }
      if (entry.kind !== 'transaction') continue
      items++
      const amount = entry.part('0')?.amount('destinationAmount') ?? 0n
      net += netOf(entry.transactionCode, amount)
    }
  }
  assert(content !== undefined, 'the reader of a file sees to its trailer')
  return content
}

/** SHA-256 and length of a file's bytes. @throws MizanError NOT_FOUND when it cannot be read */
export async function digestFile(file: string): Promise<{ readonly bytes: number; readonly sha256: Buffer }> {
  const digest = new Digest(streamOf(file, CHUNK_BYTES))
  for await (const _ of digest.chunks());
  return { bytes: digest.bytes, sha256: digest.hash() }
}

/** Hashes bytes while somebody reads them. */
class Digest {
  readonly #chunks: AsyncIterable<Uint8Array>
  readonly #hash = createHash('sha256')
  bytes = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks) {
      this.#hash.update(chunk)
      this.bytes += chunk.length
      yield chunk
    }
  }

  hash(): Buffer {
    return this.#hash.digest()
  }
}

async function* streamOf(file: string, chunkBytes: number): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) yield chunk as Buffer
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    throw new MizanError('NOT_FOUND', `${path.basename(file)} cannot be read: ${describeError(cause)}`, { cause })
  }
}
