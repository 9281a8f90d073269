import { assert, MizanError } from '../../errors.ts'
import { formatBerTlv } from '../../iso8583/ber-tlv.ts'
import { encodePinBlock, PIN_BLOCK_BYTES, requirePin } from '../pin/pin-block.ts'
import { encryptEcb, xorBlock } from '../primitives/block-modes.ts'
import { DesKey } from '../primitives/des.ts'
import { putNibble } from '../primitives/digits.ts'
import { retailMac } from '../primitives/mac.ts'
import type { CardIdentity } from './arqc.ts'
import type { ScriptMethod } from './cryptogram-data.ts'
import type { MasterKeyOption } from './master-key.ts'
import { deriveCardKey } from './master-key.ts'
import { CARD_KEY_BYTES, deriveCommonSessionKey, deriveVisaScriptKey } from './session-key.ts'

const MAC_BYTES = 8
const CRYPTOGRAM_BYTES = 8
/** Lc is one byte, and counts the MAC too. */
const DATA_MAX = 255 - MAC_BYTES
/** EMV Book 4, 12.2.4: what every terminal takes of issuer scripts. */
const SCRIPT_BYTES_MAX = 128
/** Class byte of commands with a MAC in Visa's (format 2) secure messaging. */
const SECURE_CLASS = 0x84

/** Transaction that issuer scripts are sent with: both go into each command's MAC. */
export interface ScriptTransaction {
  /** tag 9F36, 2 bytes */
  readonly counter: Uint8Array
  /** tag 9F26 of the request, 8 bytes */
  readonly cryptogram: Uint8Array
}

/** Issuer master keys of scripts; their schedules are made once per issuer. */
export interface ScriptIssuerKeys {
  /** IMK-SMI: for the MAC */
  readonly integrity: DesKey
  readonly option: MasterKeyOption
  /** what changing a PIN needs more. @default no PIN can be changed */
  readonly pinChange?: {
    /** IMK-AC: the card's key under it is part of Visa's PIN block */
    readonly cryptogram: DesKey
    /** IMK-SMC: for the PIN block */
    readonly confidentiality: DesKey
  }
}

/** The four bytes with which a command to a card begins. */
export interface CommandHeader {
  readonly cla: number
  readonly ins: number
  readonly p1: number
  readonly p2: number
}

/**
 * MAC of a script command (VIS 1.6, secure messaging): retail MAC, padding method 2, over header, Lc, transaction
 * counter, cryptogram and data.
 * @param key session key for integrity
 * @param header five bytes, of which the last is Lc: it must count the MAC that the card will get
 * @param data as sent, so enciphered where it is secret
 * @returns 8 bytes, all of which Visa sends
 */
export function scriptMac(
  key: DesKey,
  header: Uint8Array,
  { counter, cryptogram }: ScriptTransaction,
  data: Uint8Array,
): Buffer {
  assert(header.length === 5, 'a command header has 5 bytes with Lc')
  assert(counter.length === 2 && cryptogram.length === CRYPTOGRAM_BYTES, 'a counter has 2 bytes, a cryptogram 8')
  return retailMac(key, Buffer.concat([header, counter, cryptogram, data]), 2)
}

/**
 * A whole script command: header, Lc, data, MAC.
 * @throws MizanError BAD_INPUT when the data is longer than a command may be
 */
export function securedCommand(
  key: DesKey,
  { cla, ins, p1, p2 }: CommandHeader,
  transaction: ScriptTransaction,
  data: Uint8Array,
): Buffer {
  if (data.length > DATA_MAX) throw new MizanError('BAD_INPUT', `a script command has at most ${DATA_MAX} data bytes`)
  const header = Uint8Array.of(cla, ins, p1, p2, data.length + MAC_BYTES)
  return Buffer.concat([header, data, scriptMac(key, header, transaction, data)])
}

/**
 * Enciphers the secret data of a script command as Visa does (VIS 1.6, secure messaging): length byte, data, padding
 * method 2, each block by itself.
 * @param key session key for confidentiality
 * @param data 1 to 255 bytes; the caller wipes it
 */
export function encipherScriptData(key: DesKey, data: Uint8Array): Buffer {
  assert(data.length > 0 && data.length <= 255, 'enciphered script data has 1 to 255 bytes')
  const plain = new Uint8Array(Math.ceil((data.length + 2) / 8) * 8)
  plain[0] = data.length
  plain.set(data, 1)
  plain[data.length + 1] = 0x80
  const enciphered = encryptEcb(key, plain)
  plain.fill(0)
  return enciphered
}

/**
 * Visa's block of a new PIN (VIS 1.6, PIN CHANGE/UNBLOCK): length and PIN filled with F, XOR the second four bytes of
 * the card's key for cryptograms; with the current PIN, XOR that too, filled with zeros.
 * @param cardKey 16 bytes, the card's key for application cryptograms
 * @param newPin 4 to 12 digit values
 * @param currentPin 4 to 12 digit values, when the change must depend on it
 * @returns 8 bytes, to be wiped
 * @throws MizanError BAD_INPUT when a PIN is not one
 */
export function visaPinBlock(cardKey: Uint8Array, newPin: Uint8Array, currentPin?: Uint8Array): Uint8Array {
  assert(cardKey.length === CARD_KEY_BYTES, 'a card key has 16 bytes')
  const block = new Uint8Array(PIN_BLOCK_BYTES)
  if (currentPin !== undefined) requirePin(currentPin, currentPin.length)
  encodePinBlock(2, newPin, newPin.length, '', block)
  // Format 2 but for its control digit.
  block[0] = newPin.length
  xorBlock(block, 4, cardKey, 4, 4)
  if (currentPin === undefined) return block
  const current = new Uint8Array(PIN_BLOCK_BYTES)
  for (let at = 0; at < currentPin.length; at++) putNibble(current, at, currentPin[at] as number)
  xorBlock(block, 0, current, 0, PIN_BLOCK_BYTES)
  current.fill(0)
  return block
}

/**
 * Writes the script commands of one transaction, in the order in which the card will get them: under EMV's derivation
 * each command has its own session keys, over the cryptogram counted up by one per command. No key outlives the call
 * that needed it.
 */
export class ScriptWriter {
  readonly #issuer: ScriptIssuerKeys
  readonly #card: CardIdentity
  readonly #method: ScriptMethod
  readonly #transaction: ScriptTransaction
  readonly #cardKeyBytes = new Uint8Array(CARD_KEY_BYTES)
  readonly #sessionBytes = new Uint8Array(CARD_KEY_BYTES)
  readonly #sessionKey = new DesKey(new Uint8Array(CARD_KEY_BYTES))
  /** the cryptogram, one more for each command written */
  readonly #diversifier: Uint8Array

  /**
   * @param method of the card's cryptogram version
   * @param transaction of the request that is being answered; copied
   */
  constructor(issuer: ScriptIssuerKeys, card: CardIdentity, method: ScriptMethod, transaction: ScriptTransaction) {
    assert(transaction.counter.length === 2, 'a transaction counter has 2 bytes')
    assert(transaction.cryptogram.length === CRYPTOGRAM_BYTES, 'a cryptogram has 8 bytes')
    this.#issuer = issuer
    this.#card = card
    this.#method = method
    this.#transaction = {
      counter: Uint8Array.from(transaction.counter),
      cryptogram: Uint8Array.from(transaction.cryptogram),
    }
    this.#diversifier = Uint8Array.from(transaction.cryptogram)
  }

  /** Blocks the application until it is unblocked (APPLICATION BLOCK, EMV Book 3, 6.5.1). */
  applicationBlock(): Buffer {
    return this.command({ cla: SECURE_CLASS, ins: 0x1e, p1: 0, p2: 0 })
  }

  /** Undoes {@link applicationBlock} (APPLICATION UNBLOCK, EMV Book 3, 6.5.2). */
  applicationUnblock(): Buffer {
    return this.command({ cla: SECURE_CLASS, ins: 0x18, p1: 0, p2: 0 })
  }

  /** Blocks all of the card for ever (CARD BLOCK, EMV Book 3, 6.5.3). */
  cardBlock(): Buffer {
    return this.command({ cla: SECURE_CLASS, ins: 0x16, p1: 0, p2: 0 })
  }

  /** Gives the card its PIN tries back (PIN CHANGE/UNBLOCK, EMV Book 3, 6.5.10). */
  pinUnblock(): Buffer {
    return this.command({ cla: SECURE_CLASS, ins: 0x24, p1: 0, p2: 0 })
  }

  /**
   * Sets the card's PIN (PIN CHANGE/UNBLOCK, EMV Book 3, 6.5.10).
   * @param newPin 4 to 12 digit values
   * @param currentPin 4 to 12 digit values, when the card must hold it for the change to work
   * @throws MizanError BAD_INPUT when a PIN is not one; CRYPTO_REFUSED when there are no keys for changing PINs
   */
  pinChange(newPin: Uint8Array, currentPin?: Uint8Array): Buffer {
    const keys = this.#issuer.pinChange
    if (keys === undefined) throw new MizanError('CRYPTO_REFUSED', 'there are no issuer keys for changing a PIN')
    const plain = this.#pinBlock(keys.cryptogram, newPin, currentPin)
    this.#useSessionKey(keys.confidentiality)
    const enciphered = encipherScriptData(this.#sessionKey, plain)
    plain.fill(0)
    return this.command({ cla: SECURE_CLASS, ins: 0x24, p1: 0, p2: currentPin === undefined ? 2 : 1 }, enciphered)
  }

  /**
   * Any other command, such as PUT DATA, with its MAC.
   * @param data as sent
   * @throws MizanError BAD_INPUT when the data is longer than a command may be, or the card number is not one
   */
  command(header: CommandHeader, data: Uint8Array = new Uint8Array(0)): Buffer {
    this.#useSessionKey(this.#issuer.integrity)
    const command = securedCommand(this.#sessionKey, header, this.#transaction, data)
    this.#sessionKey.wipe()
    countUp(this.#diversifier)
    return command
  }

  #pinBlock(cryptogramKey: DesKey, newPin: Uint8Array, currentPin: Uint8Array | undefined): Uint8Array {
    if (currentPin === undefined && this.#method.pinBlock === 'iso 2') {
      const block = new Uint8Array(PIN_BLOCK_BYTES)
      encodePinBlock(2, newPin, newPin.length, '', block)
      return block
    }
    this.#deriveCardKey(cryptogramKey)
    try {
      return visaPinBlock(this.#cardKeyBytes, newPin, currentPin)
    } finally {
      this.#cardKeyBytes.fill(0)
    }
  }

  #deriveCardKey(issuerKey: DesKey): void {
    deriveCardKey(issuerKey, this.#card.pan, this.#card.psn, this.#issuer.option, this.#cardKeyBytes)
  }

  #useSessionKey(issuerKey: DesKey): void {
    this.#deriveCardKey(issuerKey)
    if (this.#method.sessionKey === 'visa') {
      deriveVisaScriptKey(this.#cardKeyBytes, this.#transaction.counter, this.#sessionBytes)
    } else {
      this.#sessionKey.setKey(this.#cardKeyBytes)
      deriveCommonSessionKey(this.#sessionKey, this.#diversifier, this.#sessionBytes)
    }
    this.#sessionKey.setKey(this.#sessionBytes)
    this.#cardKeyBytes.fill(0)
    this.#sessionBytes.fill(0)
  }
}

/** Adds one to a number of so many bytes, most significant first. */
function countUp(number: Uint8Array): void {
  for (let at = number.length - 1; at >= 0; at--) {
    number[at] = ((number[at] as number) + 1) & 0xff
    if (number[at] !== 0) return
  }
}

/** When the card runs a script: before (`71`) or after (`72`) its last cryptogram. */
export type ScriptTemplate = '71' | '72'

/**
 * Puts commands into an issuer script template (EMV Book 3, 10.10 and annex A): each under tag 86,
 * behind the script's identifier (tag 9F18) where there is one.
 * @param commands at least one; an empty command would stop the script at the terminal
 * @param identifier 4 bytes. @default none
 * @returns the template with its tag and length
 * @throws MizanError BAD_INPUT when there is no command, one is empty, or the script is over the 128 bytes that every
 *   terminal takes; where an answer has two templates, the limit is for both together and the caller's to keep
 */
export function issuerScript(
  template: ScriptTemplate,
  commands: readonly Uint8Array[],
  identifier?: Uint8Array,
): Buffer {
  if (commands.length === 0 || commands.some((command) => command.length === 0)) {
    throw new MizanError('BAD_INPUT', 'an issuer script needs commands, none of them empty')
  }
  assert(identifier === undefined || identifier.length === 4, 'a script identifier has 4 bytes')
  const content = formatBerTlv([
    ...(identifier === undefined ? [] : [{ tag: '9F18', value: Buffer.from(identifier) }]),
    ...commands.map((command) => ({ tag: '86', value: Buffer.from(command) })),
  ])
  const script = formatBerTlv([{ tag: template, value: content }])
  if (script.length > SCRIPT_BYTES_MAX) {
    throw new MizanError('BAD_INPUT', `an issuer script has at most ${SCRIPT_BYTES_MAX} bytes`)
  }
  return script
}
