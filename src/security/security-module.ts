import type { TagLookup } from './emv/cryptogram-data.ts'
import type { Exportability, KeyAlgorithm, KeyUsage, ModeOfUse } from './key-blocks/header.ts'
import type { KeyOperation } from './key-blocks/usage.ts'

/**
 * Name of a key, whatever its version: what it is for, and whose it is where several have one. `zpk:ascii` is the zone
 * PIN key of the link `ascii`; `imk-ac` the issuer master key for cryptograms. docs/security.md lists them.
 */
export type KeyName = string

/** What a verb answers: at once when software does it, later when a network HSM does. */
export type Eventually<T> = T | Promise<T>

/** `unverifiable`: no key, a block or value that cannot be read, a reference that is not there. */
export type Verdict = 'matched' | 'not-matched' | 'unverifiable'

/** ISO 9564-1 formats that come in messages; undefined lets the block itself say. */
export type OnlinePinFormat = 0 | 1 | 3 | 4

/** Under which key a PIN block comes. */
export type PinKey =
  | {
      readonly kind: 'zone'
      readonly name: KeyName /** version that the message names, or undefined: any that is accepted */
      readonly version?: number
      /** index that the message names (DE53), from 1; undefined: any that is accepted */
      readonly index?: number
    }
  | {
      readonly kind: 'dukpt'
      readonly name: KeyName
      /** other base keys that may be meant: a serial number does not say which */
      readonly shared?: KeyName
      /** key serial number: 8 to 10 bytes (TDES) or 12 (AES) */
      readonly serial: Uint8Array
    }

/** A PIN that the cardholder entered, and what it must agree with. */
export interface PinCheck {
  readonly key: PinKey
  /** 8 bytes, or 16 in format 4 */
  readonly block: Uint8Array
  readonly format: OnlinePinFormat | undefined
  readonly pan: string
  readonly reference: PinReference
}

/** What the issuer keeps of a PIN: never the PIN. */
export type PinReference =
  | { readonly method: 'pvv'; readonly name: KeyName; readonly keyIndex: number /** 4 digits */; readonly pvv: string }
  | {
      readonly method: 'ibm3624'
      readonly name: KeyName
      readonly decimalisationTable: string
      /** 16 hex digits made from the PAN */
      readonly validationData: string
      readonly offset: string
    }

/** A PIN block that goes on to another zone. */
export interface PinTranslation {
  readonly from: PinKey
  readonly block: Uint8Array
  readonly fromFormat: OnlinePinFormat | undefined
  readonly to: KeyName
  readonly toFormat: OnlinePinFormat
  readonly pan: string
}

/** A card verification value from a stripe, its image on a chip, a signature panel, or a contactless stripe. */
export interface CardValueCheck {
  readonly name: KeyName
  readonly kind: 'cvv' | 'icvv' | 'cvv2'
  readonly pan: string
  /** four digits in the order that the product uses for this value */
  readonly expiry: string
  /** of the stripe; the others have their own */
  readonly serviceCode: string
  /** three digits, as received */
  readonly value: string
}

/** An application cryptogram of a chip. */
export interface CryptogramCheck {
  readonly name: KeyName
  readonly pan: string
  /** card sequence number, two digits */
  readonly psn: string
  /** the terminal's DE55; looked at before the verb returns, not later */
  readonly chip: TagLookup
}

/** What came of a cryptogram, and both answers to it: only the decision tells which one goes out. */
export interface CryptogramOutcome {
  readonly verdict: Verdict
  /** values of tag 91; absent unless matched */
  readonly answers: { readonly approved: Uint8Array; readonly declined: Uint8Array } | undefined
}

/** Commands for a card, made for the transaction that asked (EMV Book 3, 10.10; VIS). */
export interface ScriptOrder {
  readonly macKeyName: KeyName
  readonly pan: string
  readonly psn: string
  readonly chip: TagLookup
  readonly command: 'pin-unblock' | 'application-block' | 'application-unblock'
}

/** A biometric assertion (interfaces.md, "Security"), beyond what its bytes say by themselves. */
export interface AssertionCheck {
  readonly name: KeyName
  /** the bytes before the MAC, and the text of the message that it is bound to */
  readonly signed: Uint8Array
  /** 16 bytes */
  readonly mac: Uint8Array
}

/** A one-time code that a holder entered. */
export interface OneTimeCodeCheck {
  readonly name: KeyName
  /** What the code was made of. */
  readonly factor: number
  /** six digits, as received */
  readonly code: string
}

/** What a key may be used for, in the terms of its block (X9.143). */
export interface KeyAttributes {
  readonly usage: KeyUsage
  readonly algorithm: KeyAlgorithm
  readonly modeOfUse: ModeOfUse
  readonly exportability: Exportability
}

/** A key to be made. */
export interface KeyOrder extends KeyAttributes {
  readonly keyBytes: number
}

/** What a key that comes in must be. */
export interface ExpectedKey {
  readonly usage: KeyUsage
  /** @default nothing in particular */
  readonly operations?: readonly KeyOperation[]
}

/** A key as it rests and travels: a TR-31 block and what it says. */
export interface ProtectedKey extends KeyAttributes {
  /** Six upper-case hex digits. */
  readonly checkValue: string
  /** TR-31 version D under the master key */
  readonly block: string
}

/**
 * All cryptography with secret keys, as verbs of payment. No verb returns a clear PIN or a clear key; keys are named,
 * and what a key may be used for is checked when it is loaded and again at each call. Software does the verbs in this
 * process; docs/security.md maps them to the host commands of a payment HSM, which would do them over a link.
 */
export interface SecurityModule {
  /** Where the verbs run, and what keeps the master key. */
  readonly description: string
  verifyPin(check: PinCheck): Eventually<Verdict>
  /** @throws MizanError CRYPTO_REFUSED where the PIN rules forbid the translation (PCI PIN 3-3), or the block is bad */
  translatePin(order: PinTranslation): Eventually<Uint8Array>
  verifyCardValue(check: CardValueCheck): Eventually<Verdict>
  verifyCryptogram(check: CryptogramCheck): Eventually<CryptogramOutcome>
  /** @returns issuer script templates (71, 72) for DE55 @throws MizanError CRYPTO_REFUSED, BAD_INPUT */
  makeScript(order: ScriptOrder): Eventually<Uint8Array>
  /**
   * ISO 9797-1 algorithm 3, padding 1, 8 bytes, under the newest version of the key.
   * @throws MizanError CRYPTO_REFUSED
   */
  generateMac(name: KeyName, data: Uint8Array): Eventually<Uint8Array>
  /** Under any version that is accepted. */
  verifyMac(name: KeyName, data: Uint8Array, mac: Uint8Array): Eventually<Verdict>
  verifyAssertion(check: AssertionCheck): Eventually<Verdict>
  /** Six digits for a message to the holder, and for nothing else. @throws MizanError CRYPTO_REFUSED without a key */
  makeOneTimeCode(name: KeyName, factor: number): Eventually<string>
  verifyOneTimeCode(check: OneTimeCodeCheck): Eventually<Verdict>
  /**
   * Takes a key that came as a block under a key-encryption key.
   * @param expected what the key must be for, and be good to do
   * @throws MizanError CRYPTO_REFUSED when the block is not whole or not what is expected
   */
  importKeyBlock(block: string, under: KeyName, expected: ExpectedKey): Eventually<ProtectedKey>
  /** A block of a key for a counterparty. @throws MizanError CRYPTO_REFUSED when the key may not leave */
  exportKeyBlock(name: KeyName, version: number, under: KeyName): Eventually<string>
  /** A new random key. @throws MizanError CRYPTO_REFUSED when usage, algorithm and mode do not go together */
  generateKey(order: KeyOrder): Eventually<ProtectedKey>
}

/** Whether a verb has not answered yet. */
export function isPending<T>(answer: Eventually<T>): answer is Promise<T> {
  return answer instanceof Promise
}
