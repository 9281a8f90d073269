import { type Clock, civilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { clearingKeyStatus } from '../store/clearing/deliver-keys.ts'
import { readProtection } from '../store/clearing/deliver-protection.ts'
import { listAllFiles, readFile } from '../store/clearing/files.ts'
import type { ClearingRequest } from '../store/clearing/requests.ts'
import { type Client, connect } from '../store/connection.ts'
import type { DeliveryOptions } from './delivery/options.ts'
import { signAgain } from './delivery/sign-again.ts'
import { writeCorrection } from './outgoing/correct-file.ts'
import type { FileStepOptions } from './outgoing/file-steps.ts'
import { type FileVerdict, verifyFile } from './outgoing/verify-files.ts'
import { type ReconcileSettings, reconcile } from './reconciliation/reconcile.ts'
import type { SettlementIdentity } from './settlement/files.ts'
import { requireBalanced, settleRun } from './settlement/run.ts'

/** What work on a business date needs, whatever it is. */
export interface CarryOutOptions {
  readonly url: string
  /** Clearing folder. */
  readonly folder: string
  readonly files: FileStepOptions
  readonly delivery: DeliveryOptions
  readonly identity: SettlementIdentity
  /** Minutes after Cairo midnight at which the business day ends. */
  readonly cutoverMinutes: number
  /** How long to wait for the writer while nothing moves, in milliseconds. */
  readonly writerStallMs: number
  readonly reconciliation: ReconcileSettings
  readonly clock: Clock
}

/** Differences that the words of a verification name. */
const NAMED = 3

/**
 * Does what was asked for; begun again after a crash it goes on where it was.
 * @returns what came of it, in words
 * @throws MizanError what keeps it from being done; WRITER_SILENT when no switch posts, TurnTaken when another process
 *   is at the same work: it goes on when that has changed
 */
export async function carryOut(
  request: ClearingRequest,
  options: CarryOutOptions,
  signal: AbortSignal,
): Promise<string> {
  if (request.kind === 'reconciliation') return await reconcileAsked(request, options, signal)
  const client = await connect({ url: options.url, name: `mizan ${request.kind}`, role: 'mizan_app' })
  try {
    switch (request.kind) {
      case 'file-correction': {
        const begun = await readFile(client, request.fileId ?? 0)
        const { folder, files } = options
        const context = { folder, signal, progress: () => undefined }
        const { file, manifest } = await writeCorrection(begun, request.askedBy, { client, options: files, context })
        return `${file.name} is written: ${file.items} items; manifest ${manifest.name}`
      }
      case 'file-signature':
        return await signAsked(client, request, options)
      case 'settlement-run': {
        const { businessDate, cycle = 1 } = request
        await requireBalanced(client, businessDate)
        const madeOn = civilDate(options.clock.now())
        const { folder, identity, cutoverMinutes, writerStallMs } = options
        const given = { businessDate, cycle, folder, identity, cutoverMinutes, madeOn, writerStallMs, signal }
        const { run, postings, files } = await settleRun(client, given)
        return `${postings} posting(s), ${files.length} file(s) to be released, value date ${formatDate(run.valueDate)}`
      }
      case 'file-verification': {
        const { businessDate } = request
        const verdicts: FileVerdict[] = []
        for (const file of await listAllFiles(client, { businessDate, direction: 'out' })) {
          signal.throwIfAborted()
          verdicts.push(await verifyFile(file, { client, folder: options.folder, options: options.files }))
        }
        const wrong = verdicts.filter(({ ok }) => !ok).map(({ name, words }) => `${name}: ${words}`)
        if (wrong.length === 0) return `${verdicts.length} file(s) are as they must be`
        const more = wrong.length > NAMED ? ` and ${wrong.length - NAMED} more` : ''
        throw new MizanError('CONFLICT', `${wrong.slice(0, NAMED).join('; ')}${more}`)
      }
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** A file whose key is in use was signed before this attempt was cut off, or by somebody else since. */
async function signAsked(
  client: Client,
  { fileId = 0, askedBy, reason = '' }: ClearingRequest,
  { delivery, clock }: CarryOutOptions,
): Promise<string> {
  const key = (await readProtection(client, fileId))?.signedBy
  if (key !== undefined && (await clearingKeyStatus(client, key)) === 'active') {
    return `${(await readFile(client, fileId)).name} is signed with key ${key}, which is in use`
  }
  const by = { actor: askedBy, reason, nowMs: clock.now() }
  const { name, before, now } = await signAgain(client, delivery, fileId, by)
  return `${name} is signed with key ${now} in place of key ${before}`
}

async function reconcileAsked(
  { businessDate, askedBy }: ClearingRequest,
  { url, clock, reconciliation: settings }: CarryOutOptions,
  signal: AbortSignal,
): Promise<string> {
  const nowMs = () => clock.now()
  const given = { url, businessDate, asOf: civilDate(nowMs()), requestedBy: askedBy.slice(0, 64), nowMs, settings }
  const run = await reconcile({ ...given, signal })
  return `run ${run.id}: ${run.words ?? ''}; ${run.openAfter} open`
}
