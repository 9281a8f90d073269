import { createHash } from 'node:crypto'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import { checkValueOf } from '../../src/security/keys/check-value.ts'
import { familyOf, lengthOf } from '../../src/security/keys/key-families.ts'
import type { KeyRecord } from '../../src/security/keys/key-record.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { type PanProtection, panProtection } from '../../src/security/pan-protection.ts'

/** 32 bytes that a text stands for: a master key, or any other of that length. */
export function bytesOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** A record of a key with these bytes, in a block of the ring's; active and without an end unless said otherwise. */
export function keyRecordOf(
  ring: KeyRing,
  name: string,
  key: Uint8Array,
  overrides: Partial<Pick<KeyRecord, 'version' | 'status' | 'validFromMs' | 'validToMs'>> = {},
): KeyRecord {
  const family = familyOf(name)
  const { usage, modeOfUse, exportability } = family
  const { algorithm } = lengthOf(family)
  const header = { usage, algorithm, modeOfUse, exportability }
  const block = wrapKeyBlock(
    ring.protection,
    { ...header, version: 'D', keyVersion: '00', keyContext: '1', optionalBlocks: [] },
    key,
  )
  const checkValue = checkValueOf(algorithm, key)
  const record = { name, version: 1, status: 'active', validFromMs: 0, validToMs: undefined, ...overrides } as const
  return { ...header, checkValue, block, ...record }
}

/** Keys of card numbers made of a text, always the same: `pan-index`, and `pan-encryption` in versions from 1. */
export function panKeysOf(ring: KeyRing, text: string, versions = 1): KeyRecord[] {
  const encryption = Array.from({ length: versions }, (_, at) =>
    keyRecordOf(ring, 'pan-encryption', bytesOf(`${text}, encryption ${at + 1}`), { version: at + 1 }),
  )
  return [keyRecordOf(ring, 'pan-index', bytesOf(`${text}, index`)), ...encryption]
}

/** Protection of card numbers by keys that are made of a text and are nowhere else. */
export function panProtectionOf(text: string): PanProtection {
  const ring = new KeyRing(bytesOf(text))
  ring.load(panKeysOf(ring, text))
  return panProtection(ring, () => Date.now())
}
