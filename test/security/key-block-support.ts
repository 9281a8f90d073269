import fc from 'fast-check'
import type { KeyBlockHeader, KeyBlockVersion } from '../../src/security/key-blocks/header.ts'

/** Header of a PIN key for tests, with changes. */
export function keyBlockHeader(version: KeyBlockVersion, changes: Partial<KeyBlockHeader> = {}): KeyBlockHeader {
  return {
    version,
    usage: 'P0',
    algorithm: 'T',
    modeOfUse: 'B',
    keyVersion: '00',
    exportability: 'E',
    keyContext: '0',
    optionalBlocks: [],
    ...changes,
  }
}

const printable = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })

/** Up to four optional blocks, some of the extended length; the padding block is left to the writer. */
export const optionalBlocks = fc.uniqueArray(
  fc.record({
    id: fc.stringMatching(/^[0-9A-Za-z]{2}$/).filter((id) => id !== 'PB'),
    data: fc.oneof(
      printable,
      fc.integer({ min: 240, max: 600 }).map((length) => 'x'.repeat(length)),
    ),
  }),
  { maxLength: 4, selector: ({ id }) => id },
)
