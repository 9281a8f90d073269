import { chmod, mkdir, rename } from 'node:fs/promises'
import path from 'node:path'
import type { Client } from '../../store/connection.ts'
import { CLEARING_FILE_MODE, CLEARING_FOLDER_MODE, syncFolder } from '../atomic-file.ts'
import type { ContentCipher } from './enveloped-data.ts'
import { digestFile, ENCRYPTED_SUFFIX, encryptFile, removeClear } from './files.ts'
import { ensureDemoKeys, type KeyRoomOptions, openKeyRoom } from './key-room.ts'

/** Ending of a clear form that is being encrypted. */
export const CLEAR_SUFFIX = '.clear'

/**
 * Keeps a file with card numbers under our own key, and removes its clear form once that is on the disk: `mizan
 * clearing open` opens it. Cut off behind the first step, `target` with {@link CLEAR_SUFFIX} is what to begin again
 * with.
 * @param target without the ending of encrypted files
 * @throws MizanError CRYPTO_REFUSED when there is no key of ours; the file stays where it is
 */
export async function keepEncrypted(
  client: Client,
  options: KeyRoomOptions & { readonly cipher: ContentCipher },
  file: string,
  target: string,
): Promise<void> {
  const { seal, nowMs, isProduction, cipher } = options
  // A demo world makes the keys that it lacks, as when it protects files that go out.
  if (!isProduction) await ensureDemoKeys(client, seal, [], nowMs, () => Promise.resolve())
  const recipients = [(await openKeyRoom(client, options)).encryptionForUs()]
  await mkdir(path.dirname(target), { recursive: true, mode: CLEARING_FOLDER_MODE })
  const clear = target + CLEAR_SUFFIX
  await chmod(file, CLEARING_FILE_MODE)
  await rename(file, clear)
  await syncFolder(path.dirname(target))
  const { sha256: expected } = await digestFile(clear)
  await encryptFile(clear, target + ENCRYPTED_SUFFIX, { recipients, cipher, expected })
  await removeClear(clear)
}
