import { describeError, MizanError } from '../../errors.ts'
import { RefusedFile } from '../iso20022/refusal.ts'
import { type BankReceiveContext, type ReceivedBankFile, receiveBankFile } from './receive.ts'

/** A file that a partner put into its place. */
export interface PartnersFile {
  readonly path: string
  readonly name: string
  readonly partner: string
}

/** Who is told what became of it. */
export interface PartnersFileObserver {
  received(file: ReceivedBankFile): void
  refused(refusal: RefusedFile): void
}

/**
 * Takes a file of a partner: it tells of its own accounts and payments alone. One that only came too early, or cannot
 * be booked now, may be given again later; so may one of which it is not known whether it was taken.
 * @returns what came of it, in words
 * @throws RefusedFile; MizanError CONFLICT when the same bytes came before under another name: it is to be kept apart
 * @throws Error when it is to be given again
 */
export async function receivePartnersFile(
  { path, name, partner }: PartnersFile,
  context: BankReceiveContext,
  observer: PartnersFileObserver,
): Promise<string> {
  const received = await receiveBankFile(path, { ...context, sender: partner }).catch((error: unknown) => {
    if (error instanceof RefusedFile && error.refusal !== 'gap') {
      observer.refused(error)
      throw error
    }
    // Whatever else it is does not lie in the file.
    throw new Error(describeError(error), { cause: error })
  })
  observer.received(received)
  const { outcome, before, schema, registered, reports, answers } = received
  if (outcome === 'repeated' && before?.name === name) return `was taken before, at ${before.receivedAt.toISOString()}`
  if (outcome === 'repeated')
    throw new MizanError('CONFLICT', `${name} came before, as ${before?.name}; it changed nothing`)
  const entries = reports.reduce((sum, one) => sum + one.entries, 0)
  const told = answers === undefined ? `${entries} entries` : `${answers.answers} answers`
  return `${schema} with ${told}, kept as ${registered}`
}
