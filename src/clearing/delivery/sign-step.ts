import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { MizanError } from '../../errors.ts'
import { type FileProtection, readProtection, saveProtection } from '../../store/clearing/deliver-protection.ts'
import { type ClearingFile, moveFile } from '../../store/clearing/files.ts'
import { lanesCommit, WorkPace } from '../../store/clearing/work-pace.ts'
import type { Client } from '../../store/connection.ts'
import { isThere, writeWholeFile } from '../../whole-file.ts'
import type { DayStep, DayStepOutcome } from '../day/step.ts'
import { wayBack } from '../outgoing/lost-file.ts'
import { certificatePem } from '../protection/certificate.ts'
import {
  digestEncrypted,
  digestFile,
  ENCRYPTED_SUFFIX,
  encryptFile,
  removeClear,
  SIGNATURE_SUFFIX,
  writeSignature,
} from '../protection/files.ts'
import { type DemoPartner, ensureDemoKeys, type KeyRoom, openKeyRoom } from '../protection/key-room.ts'
import { ProtectionRefusal } from '../protection/refusal.ts'
import { fileAt, onConnection, outgoingFiles, type StepWork } from './day-files.ts'
import { type DeliveryOptions, destinationOf, isEncrypted, partnerAt } from './options.ts'

const ACTOR = 'sign'

/**
 * The step that protects the files of a day: a detached signature for each, and for those with card numbers the
 * encrypted form, after which the clear one is removed. What was encrypted before stays as it is: it cannot be made the
 * same again.
 */
export function signStep(options: DeliveryOptions): DayStep {
  return {
    name: 'sign',
    description: 'sign each file, encrypt those with card numbers and remove their clear form',
    run: (context) =>
      onConnection(context.url, 'mizan clearing sign', (client) => protectFiles(client, options, context)),
  }
}

/** Protects the files of a date that are written; also those that came after its step was done. */
export async function protectFiles(client: Client, options: DeliveryOptions, work: StepWork): Promise<DayStepOutcome> {
  const files = await outgoingFiles(client, work.businessDate)
  const unwritten = files.find(({ state }) => state === 'selected')
  if (unwritten !== undefined) return { state: 'blocked', words: `${unwritten.name} is not written yet` }
  const written = files.filter(({ state }) => state === 'written')
  try {
    const room = written.length === 0 ? undefined : await openRoom(client, options, written, work.nowMs())
    const pace = new WorkPace(lanesCommit(client), work)
    for (const [at, file] of written.entries()) {
      if (room === undefined) break
      work.signal.throwIfAborted()
      work.progress(`signing ${file.name}`, at, written.length)
      await protect(client, { options, room, work, pace }, file)
    }
  } catch (error) {
    if (!(error instanceof MizanError) || !['CRYPTO_REFUSED', 'DEMO_REFUSED', 'NOT_FOUND'].includes(error.code))
      throw error
    return { state: 'blocked', words: error.message }
  }
  await sweepClear(client, options, files)
  await restoreSignatures(client, options, files, work.nowMs())
  const words = `${written.length} of ${files.length} files signed now; the others were before`
  return { state: 'done', words, detail: { signed: written.length, files: files.length } }
}

async function openRoom(
  client: Client,
  options: DeliveryOptions,
  files: readonly ClearingFile[],
  nowMs: number,
): Promise<KeyRoom> {
  const { isProduction } = options
  const seal = await options.openSeal()
  if (!isProduction) {
    const partners = files.flatMap((file) => {
      const destination = destinationOf(file, options)
      return destination !== undefined && isEncrypted(file, destination) ? [partnerAt(destination, file)] : []
    })
    await ensureDemoKeys(client, seal, partners, nowMs, (made) => keepDemoPartner(options.demoFolder, made))
  }
  return openKeyRoom(client, { seal, nowMs, isProduction })
}

/** Whoever plays a partner of the demo world finds its keys there; the private one is its owner's alone, whatever stood there. */
export async function keepDemoPartner(
  folder: string,
  { partner, purpose, certificate, keyPem }: DemoPartner,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, `${partner}.${purpose}`)
  writeWholeFile(`${file}.key.pem`, keyPem, 0o600)
  writeWholeFile(`${file}.cert.pem`, certificatePem(certificate))
}

interface Tools {
  readonly options: DeliveryOptions
  readonly room: KeyRoom
  readonly work: StepWork
  readonly pace: WorkPace
}

/** Protects one file; run again after a crash at any place it ends in the same. */
async function protect(client: Client, tools: Tools, file: ClearingFile): Promise<void> {
  const { options } = tools
  const source = fileAt(options.folder, file)
  const before = await readProtection(client, file.id)
  const made = before ?? (await makeProtection(tools, file, source))
  if (before === undefined) await saveProtection(client, made)
  // Only now: the encrypted form is on the disk, and the register says so.
  if (made.encrypted !== undefined) await removeClear(source)
  const detail = { key: made.signedBy, signature: made.signatureName, encrypted: made.encrypted?.name ?? null }
  await moveFile(client, file.id, { from: ['written'], to: 'signed', action: 'signed', actor: ACTOR, detail })
}

async function makeProtection(tools: Tools, file: ClearingFile, source: string): Promise<FileProtection> {
  const { options, room, work, pace } = tools
  const { sha256: expected } = file
  if (expected === undefined) throw new MizanError('NOT_FOUND', `${file.name} has no digest in the register`)
  const destination = destinationOf(file, options)
  let encrypted: FileProtection['encrypted']
  if (isEncrypted(file, destination)) {
    encrypted = (await keptEncrypted(room, source, expected)) ?? (await encrypt(tools, file, source, expected))
  } else {
    const { sha256 } = await digestFile(await present(file, source), { ...work, rest: () => pace.rest() }).catch(
      named(file),
    )
    if (!sha256.equals(expected)) throw new ProtectionRefusal('altered', `${file.name} is not the one that was written`)
  }
  const signer = room.signer()
  const signature = await writeSignature(source, expected, signer)
  return {
    fileId: file.id,
    signatureName: file.name + SIGNATURE_SUFFIX,
    signatureSha256: signature.sha256,
    signedBy: signer.id,
    encrypted,
  }
}

/** What a run before this one encrypted: it counts when it opens to the very file. */
async function keptEncrypted(room: KeyRoom, source: string, expected: Buffer): Promise<FileProtection['encrypted']> {
  const target = source + ENCRYPTED_SUFFIX
  if (!(await isThere(target))) return undefined
  try {
    const opened = await digestEncrypted(target, room.recipients())
    if (!opened.sha256.equals(expected)) return undefined
    const { bytes, sha256 } = await digestFile(target)
    return { name: path.basename(target), bytes, sha256, keys: room.numbersOf(opened.named) }
  } catch (error) {
    if (error instanceof ProtectionRefusal) return undefined
    throw error
  }
}

async function encrypt(
  { options, room, work, pace }: Tools,
  file: ClearingFile,
  source: string,
  expected: Buffer,
): Promise<FileProtection['encrypted']> {
  const destination = destinationOf(file, options)
  if (destination === undefined) {
    throw new MizanError('NOT_FOUND', `${file.name} has no destination: add one to clearing.delivery.destinations`)
  }
  const recipients = room.encryptionFor(partnerAt(destination, file))
  const target = (await present(file, source)) + ENCRYPTED_SUFFIX
  const written = await encryptFile(source, target, {
    recipients: recipients.map(({ certificate }) => certificate),
    cipher: options.cipher,
    expected,
    signal: work.signal,
    onBytes: (bytes) => work.progress(`encrypting ${file.name}`, bytes, file.bytes),
    rest: () => pace.rest(),
  }).catch(named(file))
  return { name: path.basename(target), ...written, keys: recipients.map(({ id }) => id) }
}

/** Says which file a refusal is about. */
function named({ name }: ClearingFile) {
  return (error: unknown): never => {
    if (error instanceof ProtectionRefusal) throw new ProtectionRefusal(error.reason, name, { cause: error })
    throw error
  }
}

/**
 * Signs again what lost its signature on the disk: the same bytes under the same key give the same one. When its key is not the one in
 * use any more nothing is done: delivery names the way.
 */
async function restoreSignatures(
  client: Client,
  options: DeliveryOptions,
  files: readonly ClearingFile[],
  nowMs: number,
): Promise<void> {
  for (const file of files) {
    const protection = file.state === 'superseded' ? undefined : await readProtection(client, file.id)
    if (protection === undefined || file.sha256 === undefined) continue
    const source = fileAt(options.folder, file)
    const content = protection.encrypted === undefined ? source : source + ENCRYPTED_SUFFIX
    if (!(await isThere(content))) continue
    const found = await digestFile(source + SIGNATURE_SUFFIX).catch(() => undefined)
    if (found?.sha256.equals(protection.signatureSha256) === true) continue
    const seal = await options.openSeal()
    const room = await openKeyRoom(client, { seal, nowMs, isProduction: options.isProduction })
    const signer = room.signer()
    if (signer.id === protection.signedBy) await writeSignature(source, file.sha256, signer)
  }
}

/** A clear form that came back, as when a file was built once more, goes again. */
async function sweepClear(client: Client, { folder }: DeliveryOptions, files: readonly ClearingFile[]): Promise<void> {
  for (const file of files) {
    const source = fileAt(folder, file)
    if (!(await isThere(source))) continue
    if ((await readProtection(client, file.id))?.encrypted !== undefined) await removeClear(source)
  }
}

async function present(file: ClearingFile, source: string): Promise<string> {
  if (await isThere(source)) return source
  throw new MizanError('NOT_FOUND', `${source} is not there: ${wayBack(file, 'file')}`)
}
