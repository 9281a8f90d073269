import type { SchemeFacts } from '../../authorization/scheme-facts.ts'
import { base2, fieldsOf } from '../records/base2.ts'
import type { Field } from '../records/layout.ts'
import { beginRecord, putDigits, putText, recordText } from '../records/record-writer.ts'

const part7 = fieldsOf('05.7', [
  'transactionCode',
  'component',
  'transactionType',
  'cardSequenceNumber',
  'terminalTransactionDate',
  'terminalCapabilityProfile',
  'terminalCountryCode',
  'terminalSerialNumber',
  'unpredictableNumber',
  'applicationTransactionCounter',
  'applicationInterchangeProfile',
  'cryptogram',
  'iadByte1',
  'iadByte2',
  'iadByte3',
  'iadBytes4To7',
  'iadByte8',
  'iadBytes9To16',
  'iadByte17',
  'iadBytes18To32',
  'terminalVerificationResults',
  'cryptogramAmount',
  'formFactorIndicator',
  'issuerScript1Results',
])

/** Objects that stand in a field of their own as they are, in hex. */
const hexFields: readonly (readonly [tag: string, field: Field])[] = [
  ['9F33', part7.terminalCapabilityProfile],
  ['9F37', part7.unpredictableNumber],
  ['9F36', part7.applicationTransactionCounter],
  ['82', part7.applicationInterchangeProfile],
  ['9F26', part7.cryptogram],
  ['95', part7.terminalVerificationResults],
  ['9F6E', part7.formFactorIndicator],
  ['9F5B', part7.issuerScript1Results],
]
/**
 * Bytes of the issuer application data (9F10), which stand in several places, in order: the first byte, from 1, of
 * each.
 */
const issuerFields: readonly (readonly [byte: number, field: Field])[] = [
  [1, part7.iadByte1],
  [2, part7.iadByte2],
  [3, part7.iadByte3],
  [4, part7.iadBytes4To7],
  [8, part7.iadByte8],
  [9, part7.iadBytes9To16],
  [17, part7.iadByte17],
  [18, part7.iadBytes18To32],
]

/** Whether an item has a part 7: the chip of the card was read, and made a cryptogram. */
export function hasChipPart({ chip }: SchemeFacts): boolean {
  return chip?.['9F26'] !== undefined
}

/**
 * Puts part 7 of a transaction. What the message had not, or not in a form that fits, is left as in an empty record.
 * @throws MizanError CODEC_ENCODE_FAILED
 */
export function putChipPart(to: Buffer, at: number, transactionCode: string, facts: SchemeFacts): void {
  const { chip = {}, cardSequence = '' } = facts
  beginRecord(to, at, base2.layout('05.7'))
  putDigits(to, at, part7.transactionCode, transactionCode)
  putText(to, at, part7.component, '7')
  putText(to, at, part7.transactionType, digitsOf(chip['9C'], 2))
  putDigits(to, at, part7.cardSequenceNumber, digitsOf(chip['5F34'] ?? cardSequence, 3))
  putDigits(to, at, part7.terminalTransactionDate, digitsOf(chip['9A'], 6))
  putDigits(to, at, part7.terminalCountryCode, digitsOf(chip['9F1A'], 3))
  putDigits(to, at, part7.cryptogramAmount, digitsOf(chip['9F02'], 12))
  putText(to, at, part7.terminalSerialNumber, recordText(Buffer.from(chip['9F1E'] ?? '', 'hex').toString('latin1'), 8))
  // The facts have them as capital hex digits, which needs no second look.
  for (const [tag, field] of hexFields) putText(to, at, field, hexOf(chip[tag], field.length))
  const issuerData = chip['9F10'] ?? ''
  for (const [byte, field] of issuerFields) {
    const begin = (byte - 1) * 2
    if (begin >= issuerData.length) break
    // How much of it counts, the data says of itself.
    putText(to, at, field, issuerData.slice(begin, begin + field.length).padEnd(field.length, '0'))
  }
}

/** Packed digits: the last so many of them; nothing where they are none. */
function digitsOf(hex: string | undefined, length: number): string {
  return hex !== undefined && /^\d+$/.test(hex) ? hex.slice(-length) : ''
}

/** Nothing for an object of another length than its field. */
function hexOf(hex: string | undefined, length: number): string {
  return hex?.length === length ? hex : ''
}
