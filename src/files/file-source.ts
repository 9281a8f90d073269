import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../errors.ts'
import { type FileFormat, formatOfName } from './delimited-reader.ts'

/** A file that can be read several times, from its beginning. */
export interface FileSource {
  /** Without its folder. */
  readonly name: string
  readonly format: FileFormat
  readonly bytes: number
  open(): AsyncIterable<Uint8Array>
}

const CHUNK_BYTES = 262_144

/**
 * A file of the disk.
 * @param format told by the name unless it is given
 * @throws MizanError BAD_INPUT when it cannot be read or its name tells no format
 */
export function fileSource(file: string, format: FileFormat | undefined = formatOfName(file)): FileSource {
  if (format === undefined) {
    throw new MizanError('BAD_INPUT', `${file}: the name must end in .csv, or in .ndjson or .jsonl`)
  }
  try {
    const found = statSync(file)
    if (!found.isFile()) throw new Error('it is not a file')
    return { name: path.basename(file), format, bytes: found.size, open: () => chunksOf(file) }
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${file} cannot be read: ${describeError(cause)}`, { cause })
  }
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) yield chunk as Uint8Array
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${file} cannot be read: ${describeError(cause)}`, { cause })
  }
}

/** SHA-256 of a file's bytes. */
export async function contentHash(source: Pick<FileSource, 'open'>): Promise<Buffer> {
  const hash = createHash('sha256')
  for await (const chunk of source.open()) hash.update(chunk)
  return hash.digest()
}
