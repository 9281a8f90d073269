import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import type { BankFileFacts } from '../../store/clearing/bank-files.ts'
import { writeAtomically } from '../atomic-file.ts'

const NAME_MAX = 255
const CHUNK_BYTES = 65_536

/** A file cannot be read, or not at this moment: nothing is known of it, and nothing was changed. */
export class FileNotRead extends MizanError {}

/** A file's bytes, with their number and hash once they were read. */
export class FileReading {
  readonly #file: string
  readonly #hash = createHash('sha256')
  #bytes = 0

  constructor(file: string) {
    this.#file = file
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of createReadStream(this.#file, { highWaterMark: CHUNK_BYTES })) {
        this.#hash.update(chunk as Uint8Array)
        this.#bytes += (chunk as Uint8Array).length
        yield chunk as Uint8Array
      }
    } catch (cause) {
      throw new FileNotRead('BAD_INPUT', `${this.#file} cannot be read: ${describeError(cause)}`, { cause })
    }
  }

  /** Reads it for its number of bytes and its hash alone. */
  async all(): Promise<void> {
    const chunks = this.chunks()
    while ((await chunks.next()).done !== true);
  }

  facts(): Pick<BankFileFacts, 'bytes' | 'sha256'> {
    return { bytes: this.#bytes, sha256: this.#hash.digest() }
  }

  /**
   * @throws MizanError CONFLICT when it was written to since its hash was taken: it may be that it is still being
   * written
   */
  requireSame({ bytes, sha256 }: BankFileFacts): void {
    const now = this.facts()
    if (now.bytes === bytes && now.sha256.equals(sha256)) return
    throw new FileNotRead('CONFLICT', `${this.#file} was changed while it was read; it is not taken`)
  }
}

/** What is known of a file by its bytes alone. @throws FileNotRead */
export async function factsOf(file: string, receivedBy: string): Promise<BankFileFacts> {
  const read = new FileReading(file)
  await read.all()
  return { name: path.basename(file).slice(0, NAME_MAX), receivedBy: receivedBy.slice(0, 64), ...read.facts() }
}

/** @throws FileNotRead when a file is not what it was when its facts were taken */
export async function requireSame(file: string, facts: BankFileFacts): Promise<void> {
  const read = new FileReading(file)
  await read.all()
  read.requireSame(facts)
}

/** Keeps a copy of what was taken, under its name in the register. @throws FileNotRead when it was written to meanwhile */
export async function keepTaken(file: string, name: string, facts: BankFileFacts, folder: string): Promise<void> {
  await writeAtomically(path.join(folder, 'in', 'done', name), async (sink) => {
    const read = new FileReading(file)
    for await (const chunk of read.chunks()) await sink.write(chunk)
    read.requireSame(facts)
  })
}
