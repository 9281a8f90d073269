import { link, rm } from 'node:fs/promises'
import { describeError, MizanError } from '../../errors.ts'
import { type FileType, fileTypes } from '../../store/clearing/clearing-file.ts'
import { type Fetch, findContent, findFetch, type NewFetch, saveFetch } from '../../store/clearing/deliver-fetch.ts'
import * as events from '../../telemetry/delivery-events.ts'
import { decryptFile, digestFile, ENCRYPTED_SUFFIX, SIGNATURE_SUFFIX, verifyFile } from '../protection/files.ts'
import { ProtectionRefusal } from '../protection/refusal.ts'
import { SIGNATURE_BYTES_MAX } from '../protection/signed-data.ts'
import type { Visit } from './inbox.ts'
import { baseOf } from './inbox-folder.ts'
import { type Inbox, typesWithPans } from './options.ts'
import type { RemoteFile } from './place.ts'

/** Type of a file by its name, else that of the place. */
export function typeOf(name: string, inbox: Inbox): FileType | undefined {
  const named = /^UC\.([A-Z0-9]{3})\./.exec(name)?.[1]
  return fileTypes.find((type) => type === named) ?? inbox.type
}

/** Reasons that lie in the file, so that trying again changes nothing. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof ProtectionRefusal) return error.reason
  if (!(error instanceof MizanError)) return undefined
  const { httpStatus, retryable } = error.entry
  return httpStatus >= 400 && httpStatus < 500 && !retryable ? error.code.toLowerCase().replaceAll('_', '-') : undefined
}

/**
 * Fetches a file, opens it, verifies it; refused is what does not pass, and nothing clear is left of it. The very bytes
 * of a file of its name that was taken before are not taken again.
 * @param isSigned whether its signature lies beside it
 */
export async function takeFile(visit: Visit, file: RemoteFile, isSigned: boolean): Promise<Fetch> {
  const { client, inbox, place, work, files } = visit
  const { name, modifiedAtMs } = file
  let facts: NewFetch = { source: inbox.name, name, bytes: file.bytes, modifiedAtMs, state: 'refused' }
  try {
    // Of one that is too large nothing is fetched.
    if (file.bytes > inbox.bytesMax) throw new ProtectionRefusal('too-large', `${file.bytes} bytes`)
    await place.get(name, files.raw(name), inbox.bytesMax, work.signal)
    const digest = await digestFile(files.raw(name), work)
    facts = { ...facts, ...digest }
    const before = await findFetch(client, facts)
    if (before !== undefined && before.state !== 'refused') {
      await files.finish(name, undefined)
      return await saveFetch(client, { ...facts, state: 'fetched' })
    }
    const signature = baseOf(name) + SIGNATURE_SUFFIX
    if (isSigned) await place.get(signature, files.signature(name), SIGNATURE_BYTES_MAX, work.signal)
    const opened = await open(visit, name, digest.sha256, isSigned)
    await requireNew(visit, name, opened)
    await files.sync()
    const fetched = await saveFetch(client, { ...facts, state: 'fetched', ...opened })
    events.fileFetched(work.log, { file: name, source: inbox.name, type: opened.type })
    return fetched
  } catch (error) {
    const reason = refusalOf(error)
    if (reason === undefined) throw error
    return await refuse(visit, facts, reason, describeError(error))
  }
}

async function refuse(visit: Visit, facts: NewFetch, reason: string, words: string): Promise<Fetch> {
  const { client, inbox, work, files, result } = visit
  const refused = await saveFetch(client, { ...facts, state: 'refused', reason, words })
  await files.finish(facts.name, 'refused')
  result.refused++
  events.fetchRefused(work.log, { file: facts.name, source: inbox.name, reason, words })
  return refused
}

type Opened = Required<Pick<NewFetch, 'type' | 'clearName' | 'clearSha256'>> & Pick<NewFetch, 'signedBy'>

async function open(visit: Visit, name: string, sha256: Buffer, isSigned: boolean): Promise<Opened> {
  const { inbox, recipients, verifiers, work, files } = visit
  const base = baseOf(name)
  const raw = files.raw(name)
  const target = files.clear(name)
  const type = typeOf(base, inbox)
  if (type === undefined) throw new MizanError('BAD_INPUT', `${base} does not say what type of file it is`)
  let clearSha256 = sha256
  let isVouchedFor = false
  if (name.endsWith(ENCRYPTED_SUFFIX)) {
    const options = { bytesMax: inbox.bytesMax, signal: work.signal }
    const opened = await decryptFile(raw, target, recipients, options)
    clearSha256 = opened.sha256
    isVouchedFor = opened.isAuthenticated
  } else {
    if (typesWithPans.includes(type)) throw new ProtectionRefusal('not-encrypted', base)
    isVouchedFor = true
    // A second name: the file of gigabytes is there once.
    await rm(target, { force: true })
    await link(raw, target)
  }
  const opened = { type, clearName: base, clearSha256 }
  if (!isSigned) {
    // AES-CBC alone does not tell what somebody changed on the way.
    if (inbox.requireSignature || !isVouchedFor) throw new ProtectionRefusal('no-signature', base)
    return opened
  }
  const certificates = verifiers.map(({ certificate }) => certificate)
  const signer = await verifyFile(target, files.signature(name), certificates, work.nowMs(), clearSha256)
  const signedBy = verifiers.find(({ certificate }) => certificate.fingerprint === signer.fingerprint)?.id
  return { ...opened, ...(signedBy === undefined ? {} : { signedBy }) }
}

/**
 * A signature is over what is in a file, and not over its name: the same once more under another name is none of
 * today's. Answers say the same of a file that was sent twice; they are taken as often as they come.
 */
async function requireNew({ client, inbox }: Visit, name: string, { type, clearSha256 }: Opened): Promise<void> {
  if (type === 'ACK') return
  const before = await findContent(client, inbox.name, clearSha256)
  if (before !== undefined && before.name !== name) throw new ProtectionRefusal('repeated', `it came as ${before.name}`)
}
