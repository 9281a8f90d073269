import { chmodSync, createReadStream, createWriteStream, mkdirSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Type } from 'typebox'
import { MizanError } from '../errors.ts'
import { contentHash, type FileSource } from '../files/file-source.ts'
import type { Rejection } from '../files/reject-report.ts'
import type { Call } from './route.ts'
import { id, shape } from './shapes.ts'

/** Media types of files that are sent. */
export const uploadTypes = ['text/csv', 'application/x-ndjson'] as const
/** What a route that takes a file is told about it. */
export const fileQuery = shape({ format: Type.Enum(['csv', 'ndjson']) })
/** The same, with the change request that a second person approved. */
export const applyQuery = shape({
  ...fileQuery.properties,
  change: Type.Optional(id('Change request that a second person approved, where one is needed.')),
})

/** Rows of a file that were not taken. */
export const rejectionShape = Type.Array(shape({ line: Type.Integer(), field: Type.String(), reason: Type.String() }), {
  description: 'The first thousand.',
})

const REJECTIONS_MAX = 1_000
const FOLDER_MODE = 0o700
/** The largest file that is taken this way. */
export const UPLOAD_MAX_BYTES = 256 * 1_024 * 1_024

/** A file that was sent, and by which hash it is known. */
export interface Upload extends FileSource {
  /** Hex. */
  readonly sha256: string
}

/**
 * Makes the folder in which files rest while they are dealt with, readable to nobody else, and empties it: they name people,
 * and a process that was killed has left its own there. For the start, before any comes: each process has its own data folder.
 */
export function openUploads(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  // Those above it are as everybody makes them.
  mkdirSync(path.dirname(folder), { recursive: true })
  mkdirSync(folder, { mode: FOLDER_MODE })
  // Whatever the umask is.
  chmodSync(folder, FOLDER_MODE)
}

/**
 * Keeps a file that is sent while it is dealt with, readable to nobody else: it is read more than once.
 * @throws MizanError BAD_INPUT when it is too large for this way
 */
export async function withUpload<T>(
  call: Call<unknown, { readonly format: unknown }, unknown>,
  work: (file: Upload) => Promise<T>,
): Promise<T> {
  if (call.upload === undefined) throw new MizanError('BAD_INPUT', 'the file is the body of the request')
  const { uploadFolder } = call.services
  await mkdir(uploadFolder, { recursive: true, mode: FOLDER_MODE })
  const folder = await mkdtemp(path.join(uploadFolder, 'upload-'))
  try {
    const format = call.query.format === 'csv' ? ('csv' as const) : ('ndjson' as const)
    const name = `upload.${format}`
    const file = path.join(folder, name)
    let bytes = 0
    const counted = async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        bytes += chunk.length
        if (bytes > UPLOAD_MAX_BYTES) throw new MizanError('BAD_INPUT', 'the file is too large for this way: use mizan')
        yield chunk
      }
    }
    await pipeline(call.upload, counted, createWriteStream(file, { mode: 0o600 }))
    const open = () => createReadStream(file)
    const sha256 = (await contentHash({ open })).toString('hex')
    return await work({ name, format, bytes, open, sha256 })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Collects the first rejections of a file. */
export function collectRejections(): { readonly rejections: Rejection[]; onReject(rejection: Rejection): void } {
  const rejections: Rejection[] = []
  const onReject = (rejection: Rejection) => {
    if (rejections.length < REJECTIONS_MAX) rejections.push(rejection)
  }
  return { rejections, onReject }
}
