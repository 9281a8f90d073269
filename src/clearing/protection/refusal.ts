import { MizanError } from '../../errors.ts'

/** Why a protected file is not taken; stable names, for programs. */
const refusalReasons = {
  'not-cms': 'the bytes are no such CMS structure',
  unsupported: 'it is made with algorithms that are not taken',
  cut: 'it ends too early',
  'trailing-bytes': 'something follows its end',
  altered: 'the bytes are not those that were protected',
  'wrong-signature': 'the signature is not by the key of its signer',
  'unknown-signer': 'no certificate of its signer is known',
  'not-for-us': 'it is encrypted for none of our keys',
  'wrong-key': 'the key of the content does not open with our key',
  expired: 'the certificate is past its time',
  'not-yet-valid': 'the certificate is not valid yet',
  'key-usage': 'the certificate is for another use',
  'not-encrypted': 'a file with card numbers came in clear',
  'no-signature': 'it is not signed',
  'too-large': 'it is larger than files of its place may be',
  repeated: 'what is in it was taken before',
} as const

export type RefusalReason = keyof typeof refusalReasons

/** A file is refused for what its protection says; nothing of it was taken over. */
export class ProtectionRefusal extends MizanError {
  readonly reason: RefusalReason

  /** @param detail what is particular; never bytes of the file */
  constructor(reason: RefusalReason, detail = '', options?: { cause?: unknown }) {
    super('CRYPTO_REFUSED', refusalReasons[reason] + (detail === '' ? '' : ` (${detail})`), options)
    this.reason = reason
  }
}
