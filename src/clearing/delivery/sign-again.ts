import { MizanError, TurnTaken } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { clearingKeyStatus } from '../../store/clearing/deliver-keys.ts'
import { type FileProtection, readProtection, replaceSignature } from '../../store/clearing/deliver-protection.ts'
import { giveDeliveryLock, takeDeliveryLock } from '../../store/clearing/deliver-standing.ts'
import { noteFileEvent } from '../../store/clearing/file-events.ts'
import { type ClearingFile, readFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'
import { writeSignature } from '../protection/files.ts'
import { openKeyRoom } from '../protection/key-room.ts'
import { fileAt } from './day-files.ts'
import type { DeliveryOptions } from './options.ts'

/** A file that got another signature: numbers of the keys. */
export interface SignedAgain {
  readonly name: string
  readonly before: number
  readonly now: number
}

/** A file that may be signed again, with the hash that is signed and the key that was ended. */
interface Signable {
  readonly file: ClearingFile
  readonly sha256: Buffer
  readonly signedBy: FileProtection['signedBy']
}

/**
 * Checks that a file may be signed again.
 * @throws MizanError NOT_FOUND; CONFLICT when the file is not waiting to go out, or its key is in use
 */
export async function requireSignable(client: Queryable, fileId: number): Promise<Signable> {
  const file = await readFile(client, fileId)
  const { name, state, sha256 } = file
  const protection = await readProtection(client, fileId)
  if (protection === undefined || sha256 === undefined) {
    throw new MizanError('CONFLICT', `${name} was never signed: mizan clearing deliver signs it`)
  }
  if (state !== 'signed' && state !== 'released') {
    const way = `mizan clearing resend ${name} has it sent once more, and then it can be signed again`
    throw new MizanError('CONFLICT', `${name} is ${state}, it does not wait to go out: ${way}`)
  }
  const { signedBy } = protection
  if ((await clearingKeyStatus(client, signedBy)) === 'active') {
    throw new MizanError('CONFLICT', `${name} is signed with key ${signedBy}, which is in use`)
  }
  return { file, sha256, signedBy }
}

/**
 * Signs a file anew whose key was retired or revoked before it was delivered. Its bytes stay, and so does what two
 * people released: the signature is over the hash that the register has. Cut off anywhere, it is run again.
 * @param by.actor as it stands in the history of the file
 * @throws MizanError as {@link requireSignable}; CRYPTO_REFUSED when there is no key of ours to sign with; TurnTaken
 *   while another process delivers
 */
export async function signAgain(
  client: Client,
  options: DeliveryOptions,
  fileId: number,
  by: { readonly actor: string; readonly reason: string; readonly nowMs: number },
): Promise<SignedAgain> {
  if (!(await takeDeliveryLock(client))) throw new TurnTaken('another process is delivering files')
  try {
    const { file, sha256, signedBy: before } = await requireSignable(client, fileId)
    const seal = await options.openSeal()
    const room = await openKeyRoom(client, { seal, nowMs: by.nowMs, isProduction: options.isProduction })
    const signer = room.signer()
    const signature = await writeSignature(fileAt(options.folder, file), sha256, signer)
    await inTransaction(client, async () => {
      await replaceSignature(client, { fileId, signatureSha256: signature.sha256, signedBy: signer.id })
      const detail = { before, key: signer.id, reason: by.reason }
      await noteFileEvent(client, fileId, { action: 'signed-again', actor: by.actor, detail })
    })
    return { name: file.name, before, now: signer.id }
  } finally {
    await giveDeliveryLock(client)
  }
}
