import { createHash } from 'node:crypto'
import { open, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { MizanError } from '../../errors.ts'
import { syncFolder, type WrittenFile, writeAtomically } from '../atomic-file.ts'
import type { Certificate } from './certificate.ts'
import { beginEnvelope, type ContentCipher } from './enveloped-data.ts'
import { type OpenedEnvelope, type Recipient, readEnvelope } from './enveloped-reader.ts'
import { ProtectionRefusal } from './refusal.ts'
import { readSignature, SIGNATURE_BYTES_MAX, type Signer, signDigest, verifySignature } from './signed-data.ts'

/** What follows the name of a file in that of its detached signature, and of its encrypted form. */
export const SIGNATURE_SUFFIX = '.p7s'
export const ENCRYPTED_SUFFIX = '.p7m'

/** Size and SHA-256 of a file. */
export interface FileDigest {
  readonly bytes: number
  readonly sha256: Buffer
}

/** How a piece of work with a large file goes on. */
export interface Progress {
  readonly signal?: AbortSignal
  /** Gets the bytes that were worked on, every so often. */
  readonly onBytes?: (bytes: number) => void
  /** Waited for after each piece: lets others come first. */
  readonly rest?: () => Promise<void>
}

const PIECE_BYTES = 262_144

/**
 * Reads a file piece by piece; the buffer of a piece is used again for the next but one.
 * @throws Error of the file system; the reason of the signal
 */
async function eachPiece(
  file: string,
  { signal, onBytes, rest }: Progress,
  take: (piece: Buffer) => Promise<void> | undefined,
): Promise<void> {
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES)
    for (let bytes = 0; ; ) {
      signal?.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, PIECE_BYTES)
      if (bytesRead === 0) return
      await take(buffer.subarray(0, bytesRead))
      bytes += bytesRead
      onBytes?.(bytes)
      await rest?.()
    }
  } finally {
    await handle.close()
  }
}

/** SHA-256 and size of a file of any size. */
export async function digestFile(file: string, progress: Progress = {}): Promise<FileDigest> {
  const hash = createHash('sha256')
  let bytes = 0
  await eachPiece(file, progress, (piece) => {
    hash.update(piece)
    bytes += piece.length
    return undefined
  })
  return { bytes, sha256: hash.digest() }
}

/**
 * Writes the detached signature of a file beside it, atomically. The same file and key give the same bytes.
 * @param digest SHA-256 of the whole file
 * @returns the name of the signature's file
 */
export async function writeSignature(file: string, digest: Buffer, signer: Signer): Promise<WrittenFile> {
  const bytes = signDigest(digest, signer)
  return writeAtomically(file + SIGNATURE_SUFFIX, async (sink) => sink.write(bytes))
}

/**
 * Writes the encrypted form of a file, atomically, in one pass and in memory that does not grow with the file.
 * @param expected SHA-256 that the file must have
 * @returns what was written
 * @throws ProtectionRefusal altered when the file is another than is expected; nothing is left behind then
 */
export async function encryptFile(
  file: string,
  target: string,
  options: Progress & {
    readonly recipients: readonly Certificate[]
    readonly cipher?: ContentCipher
    readonly expected: Buffer
  },
): Promise<WrittenFile> {
  const { recipients, cipher = 'aes-256-gcm', expected } = options
  return writeAtomically(target, async (sink) => {
    const envelope = beginEnvelope(recipients, cipher)
    const hash = createHash('sha256')
    await sink.write(envelope.head)
    await eachPiece(file, options, async (piece) => {
      hash.update(piece)
      for (const part of envelope.piece(piece)) await sink.write(part)
    })
    if (!hash.digest().equals(expected)) {
      throw new ProtectionRefusal('altered', 'the file is not the one that was written')
    }
    await sink.write(envelope.tail())
  })
}

/** What came of opening an encrypted file. */
export interface DecryptedFile extends OpenedEnvelope, FileDigest {}

/**
 * Writes the clear form of an encrypted file, atomically: under its name it stands only once its tag was verified.
 * @param bytesMax most bytes that the clear file may have
 * @throws ProtectionRefusal; MizanError BAD_INPUT when it is too large
 */
export async function decryptFile(
  file: string,
  target: string,
  ours: readonly Recipient[],
  { bytesMax = Number.MAX_SAFE_INTEGER, signal, onBytes }: Progress & { readonly bytesMax?: number } = {},
): Promise<DecryptedFile> {
  const source = await open(file, 'r')
  try {
    let opened: OpenedEnvelope | undefined
    const written = await writeAtomically(target, async (sink) => {
      let bytes = 0
      opened = await readEnvelope(source, ours, async (clear) => {
        signal?.throwIfAborted()
        bytes += clear.length
        if (bytes > bytesMax) throw new MizanError('BAD_INPUT', `the file has more than ${bytesMax} bytes`)
        await sink.write(clear)
        onBytes?.(bytes)
      })
    })
    return { ...(opened as OpenedEnvelope), ...written }
  } finally {
    await source.close()
  }
}

/**
 * Opens an encrypted file without writing it anywhere: what it holds, and for whom it is.
 * @throws ProtectionRefusal
 */
export async function digestEncrypted(file: string, ours: readonly Recipient[]): Promise<DecryptedFile> {
  const source = await open(file, 'r')
  try {
    const hash = createHash('sha256')
    let bytes = 0
    const opened = await readEnvelope(source, ours, async (clear) => {
      hash.update(clear)
      bytes += clear.length
    })
    return { ...opened, bytes, sha256: hash.digest() }
  } finally {
    await source.close()
  }
}

/**
 * Verifies the detached signature of a file.
 * @param digest SHA-256 of the file when it is known already
 * @returns the certificate that signed
 * @throws ProtectionRefusal; MizanError NOT_FOUND when there is no signature
 */
export async function verifyFile(
  file: string,
  signatureFile: string,
  known: readonly Certificate[],
  atMs: number,
  digest?: Buffer,
): Promise<Certificate> {
  const signature = readSignature(await readSmallFile(signatureFile))
  return verifySignature(signature, digest ?? (await digestFile(file)).sha256, known, atMs)
}

async function readSmallFile(file: string): Promise<Buffer> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no signature ${file}`)
  if (found.size > SIGNATURE_BYTES_MAX) throw new ProtectionRefusal('not-cms', 'it is too long for a signature')
  return readFile(file)
}

/** Removes a clear file whose encrypted form is durable: the name goes, and its folder is written. Idempotent. */
export async function removeClear(file: string): Promise<void> {
  await rm(file, { force: true })
  await syncFolder(path.dirname(file))
}
