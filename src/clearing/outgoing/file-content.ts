import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { MizanError } from '../../errors.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import { inSnapshot } from '../../store/clearing/row-stream.ts'
import type { Client } from '../../store/connection.ts'
import { readCatalogue } from '../../store/programme-reader.ts'
import type { FileSink } from '../atomic-file.ts'
import { FILE_TYPES, type FileStepOptions } from './file-steps.ts'
import { fillFile } from './write-step.ts'

const CHUNK_BYTES = 262_144
const WAITING_MAX_BYTES = 4_194_304

/** Where contents of files come from. */
export interface ContentSource {
  readonly client: Client
  /** The clearing folder. */
  readonly folder: string
  readonly options: FileStepOptions
}

/**
 * The bytes of a file of the register: from disk, or, of a file of the card scheme whose clear form was removed once it
 * was encrypted, written anew from its items, which gives the same bytes. They hold card numbers in clear.
 * @throws MizanError NOT_FOUND when the file is not there and cannot be made anew
 */
export async function* contentOf(file: ClearingFile, source: ContentSource): AsyncGenerator<Uint8Array> {
  const place = path.join(source.folder, file.path)
  if ((await stat(place).catch(() => undefined)) !== undefined) {
    yield* createReadStream(place, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>
    return
  }
  if (file.state === 'superseded') {
    throw new MizanError('NOT_FOUND', `${file.name} was superseded: its items stand in its correction`)
  }
  if (file.direction !== 'out' || !FILE_TYPES.some((type) => type === file.type)) {
    throw new MizanError('NOT_FOUND', `${file.path} is not in the clearing folder any more`)
  }
  yield* writtenAnew(file, source)
}

async function* writtenAnew(file: ClearingFile, { client, options }: ContentSource): AsyncGenerator<Uint8Array> {
  const pipe = new PassThrough({ highWaterMark: WAITING_MAX_BYTES })
  const gone = new AbortController()
  const context = { businessDate: file.businessDate, folder: '', signal: gone.signal, progress: () => undefined }
  const writing = readCatalogue(client).then((catalogue) =>
    inSnapshot(client, () => fillFile(new PipeSink(pipe), file, { client, options, catalogue, context })),
  )
  const ended = writing.then(
    () => pipe.end(),
    (error: unknown) => pipe.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  try {
    yield* pipe as AsyncIterable<Buffer>
  } finally {
    // Whoever has read enough ends the writing with the next rows.
    gone.abort()
    pipe.destroy()
    await ended
  }
}

/** Hands bytes to a reader that is slower or faster than the writer. */
class PipeSink implements FileSink {
  readonly #pipe: PassThrough

  constructor(pipe: PassThrough) {
    this.#pipe = pipe
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#pipe.destroyed) throw new MizanError('LINK_CLOSED', 'nobody reads the file any more')
    // A copy: the writer uses its buffer again.
    if (this.#pipe.write(Buffer.from(bytes))) return undefined
    return new Promise((resolve) => {
      const go = () => {
        this.#pipe.off('drain', go).off('close', go)
        resolve()
      }
      this.#pipe.once('drain', go).once('close', go)
    })
  }

  text(text: string): Promise<void> | undefined {
    return this.write(Buffer.from(text))
  }
}
