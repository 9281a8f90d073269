import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import type { CivilDate } from '../../calendar.ts'
import { describeError, MizanError } from '../../errors.ts'
import { type FileEntry, readClearingFile } from '../records/file-reader.ts'
import { readRecords } from '../records/record-reader.ts'

/** Why a file of the network is refused as a whole. */
export type RefusalCode = 'unreadable' | 'unbalanced' | 'repeated' | 'out-of-sequence' | 'not-for-us'

/** A file that is refused: nothing of it is posted or kept but the reason. */
export class FileRefused extends MizanError {
  readonly refusal: RefusalCode

  constructor(refusal: RefusalCode, reason: string) {
    super('BAD_INPUT', reason)
    this.refusal = refusal
  }
}

/** What a file of the network says of itself, all of it read and found in order. */
export interface Inspected {
  readonly name: string
  readonly bytes: number
  readonly sha256: Buffer
  readonly processingBin: string
  readonly date: CivilDate
  /** 1 to 999 in its date. */
  readonly fileId: number
  readonly isTest: boolean
  readonly records: number
  readonly transactions: number
  readonly monetary: number
  readonly grossPiasters: bigint
}

const CHUNK_BYTES = 262_144

/** Bytes of a file in pieces. @throws MizanError BAD_INPUT when it cannot be read */
export async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) yield chunk as Uint8Array
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${path.basename(file)} cannot be read: ${describeError(cause)}`, { cause })
  }
}

/**
 * Reads a file of the network from its beginning to its end before anything of it counts: header, batches, trailers,
 * counts and gross totals.
 * @param near a date near that of the file, whose years have two digits
 * @throws FileRefused with the record and field that is not right
 */
export async function inspectFile(file: string, near: CivilDate): Promise<Inspected> {
  const name = path.basename(file)
  const hash = createHash('sha256')
  let bytes = 0
  const counted = async function* () {
    for await (const chunk of chunksOf(file)) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  let header: (FileEntry & { kind: 'header' }) | undefined
  let trailer: (FileEntry & { kind: 'trailer' }) | undefined
  let transactions = 0
  try {
    for await (const entries of readClearingFile(counted(), { file: name })) {
      for (const entry of entries) {
        if (entry.kind === 'header') header = entry
        else if (entry.kind === 'trailer') trailer = entry
        else if (entry.kind === 'transaction') transactions++
      }
    }
    if (header === undefined || trailer === undefined) throw new MizanError('BAD_INPUT', `${name} is empty`)
    const { record } = header
    const date = record.date('processingDate', near)
    if (date === undefined) throw record.fault('processingDate', 'is empty')
    return {
      name,
      bytes,
      sha256: hash.digest(),
      processingBin: record.text('processingBin'),
      date,
      fileId: record.value('outgoingFileId'),
      isTest: record.text('testOption') === 'TEST',
      records: trailer.record.number,
      transactions,
      monetary: trailer.totals.monetary,
      grossPiasters: trailer.totals.destinationPiasters,
    }
  } catch (error) {
    if (!(error instanceof MizanError) || error.code !== 'BAD_INPUT') throw error
    throw new FileRefused(
      /TC 9[12]\b.*(gives|number of)/.test(error.message) ? 'unbalanced' : 'unreadable',
      detailOf(error),
    )
  }
}

/** The date and number that a file of the network begins with; undefined when it does not. */
export async function placeOf(
  file: string,
  near: CivilDate,
): Promise<{ readonly date: CivilDate; readonly fileId: number } | undefined> {
  try {
    for await (const [header] of readRecords(chunksOf(file), { file: path.basename(file) })) {
      const date = header?.transactionCode === '90' ? header.date('processingDate', near) : undefined
      return date === undefined || header === undefined ? undefined : { date, fileId: header.value('outgoingFileId') }
    }
  } catch (error) {
    if (!(error instanceof MizanError) || error.code !== 'BAD_INPUT') throw error
  }
  return undefined
}

/** What is particular to an error, without the words of its code. */
function detailOf(error: MizanError): string {
  const { summary } = error.entry
  return error.message.startsWith(`${summary}: `) ? error.message.slice(summary.length + 2) : error.message
}
