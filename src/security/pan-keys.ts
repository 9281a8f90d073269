import { MizanError } from '../errors.ts'
import { familyOf, lengthOf } from './keys/key-families.ts'
import type { KeyRecord } from './keys/key-record.ts'
import { PAN_ENCRYPTION_KEY, PAN_INDEX_KEY } from './pan-protection.ts'
import type { SecurityModule } from './security-module.ts'

/**
 * Makes the keys of card numbers for an installation that has none yet: version 1 of `pan-index` and `pan-encryption`,
 * active, without an end. The caller saves them and loads them into the ring.
 * @param records all keys of the installation, revoked ones too
 * @param hasCards whether there are cards, which then need the keys that they are under
 * @returns the keys made now, none when both are there in whatever status
 * @throws MizanError CRYPTO_REFUSED when there are cards and a key is missing: a new one would find and read none of
 * them
 */
export async function ensurePanKeys(
  module: Pick<SecurityModule, 'generateKey'>,
  records: readonly KeyRecord[],
  { nowMs, hasCards }: { readonly nowMs: number; readonly hasCards: boolean },
): Promise<KeyRecord[]> {
  const missing = [PAN_INDEX_KEY, PAN_ENCRYPTION_KEY].filter((name) => !records.some((key) => key.name === name))
  if (missing.length > 0 && hasCards) {
    const names = missing.join(' and ')
    throw new MizanError('CRYPTO_REFUSED', `there are cards, but no ${names}: bring back the keys that they are under`)
  }
  const made: KeyRecord[] = []
  for (const name of missing) {
    const family = familyOf(name)
    const { usage, modeOfUse, exportability } = family
    const { algorithm, bytes: keyBytes } = lengthOf(family)
    const key = await module.generateKey({ usage, algorithm, modeOfUse, exportability, keyBytes })
    made.push({ ...key, name, version: 1, status: 'active', validFromMs: nowMs, validToMs: undefined })
  }
  return made
}
