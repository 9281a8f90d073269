import { stat } from 'node:fs/promises'
import path from 'node:path'
import { formatDate } from '../../calendar.ts'
import { type FileProtection, readProtection } from '../../store/clearing/deliver-protection.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { ENCRYPTED_SUFFIX, SIGNATURE_SUFFIX } from '../protection/files.ts'
import { FILE_TYPES } from './file-steps.ts'
import { digestFile } from './read-back.ts'

/** What of a file should stand in the folder and does not, or not as it was written; and what helps. */
export interface LostPart {
  readonly part: 'file' | 'encrypted' | 'signature'
  readonly words: string
}

/** How a file comes back that is lost or damaged: what is encrypted cannot be made the same twice, all else can. */
export function wayBack({ name, type, businessDate }: ClearingFile, part: LostPart['part']): string {
  const date = formatDate(businessDate)
  if (part === 'signature') {
    return `mizan clearing deliver ${date} signs the same bytes again; after its key was ended, mizan clearing sign-again ${name} --reason TEXT`
  }
  if (part === 'encrypted') {
    return `it cannot be encrypted to the same bytes: bring it back from a backup, or mizan clearing correct ${name} --reason TEXT makes a file with the next number of its items`
  }
  if (type === 'MAN' || FILE_TYPES.some((own) => own === type)) return `mizan clearing build ${date} writes it again`
  return `mizan settlement run ${date} writes it again`
}

/**
 * The parts of a written file that are lost or altered on the disk: the file or its encrypted form, and its signature.
 * @param isRead whether the caller reads the clear file itself: then only its absence is told
 */
export async function lostParts(
  client: Client,
  folder: string,
  file: ClearingFile,
  { isRead = false }: { readonly isRead?: boolean } = {},
): Promise<LostPart[]> {
  const place = path.join(folder, file.path)
  const protection = await readProtection(client, file.id)
  const lost: LostPart[] = []
  const look = async (part: LostPart['part'], at: string, expected: Buffer | undefined) => {
    const state = await stateOf(at, expected)
    if (state !== undefined) {
      lost.push({ part, words: `${path.basename(at)} ${state}: ${wayBack(file, part)}` })
    }
  }
  if (isKeptEncrypted(file, protection)) {
    if (protection?.encrypted !== undefined)
      await look('encrypted', place + ENCRYPTED_SUFFIX, protection.encrypted.sha256)
  } else await look('file', place, isRead ? undefined : file.sha256)
  if (protection !== undefined) await look('signature', place + SIGNATURE_SUFFIX, protection.signatureSha256)
  return lost
}

/** Whether the clear form of a file is gone on purpose: it holds card numbers, or its receiver gets it encrypted. */
function isKeptEncrypted({ type, state }: ClearingFile, protection: FileProtection | undefined): boolean {
  if (protection !== undefined) return protection.encrypted !== undefined
  return type === 'CTF' && state !== 'written'
}

async function stateOf(place: string, expected: Buffer | undefined): Promise<string | undefined> {
  if ((await stat(place).catch(() => undefined)) === undefined) return 'is not there'
  const isSame = expected === undefined || (await digestFile(place)).sha256.equals(expected)
  return isSame ? undefined : 'was changed since it was written'
}
