import { assert } from '../../errors.ts'
import { DesKey } from '../primitives/des.ts'
import { retailMacInto } from '../primitives/mac.ts'
import { equalSecret } from '../primitives/secrets.ts'
import type { IssuerDecision, ReadIssuerAuthentication } from './arpc.ts'
import { makeIssuerAuthentication, readIssuerAuthentication } from './arpc.ts'
import type { CryptogramVersion, TagLookup } from './cryptogram-data.ts'
import {
  applicationCryptogram,
  CRYPTOGRAM_DATA_MAX,
  cryptogramVersionOf,
  requireElement,
  requireIssuerData,
  transactionCounter,
  writeCryptogramData,
} from './cryptogram-data.ts'
import type { MasterKeyOption } from './master-key.ts'
import { deriveCardKey } from './master-key.ts'
import { CARD_KEY_BYTES, cryptogramDiversifier, deriveCommonSessionKey } from './session-key.ts'

/** What a card number and its sequence number are needed for: the card's own key. */
export interface CardIdentity {
  /** 12 to 19 digits */
  readonly pan: string
  /** two digits of tag 5F34; `00` where the card has none */
  readonly psn: string
}

/**
 * Application cryptograms of the cards under one issuer master key: the issuer checks a request (ARQC) and answers it
 * (ARPC); a simulated card makes the request and checks the answer. (EMV Book 2, 8.1 and 8.2; VIS 1.6.)
 *
 * All work space is part of the object, so checking allocates next to nothing, and the session key stays in it until
 * the answer is made. It holds one transaction at a time: between {@link verify} and {@link answer} nothing may be
 * awaited. Only the issuer key is kept: keeping card keys would gain half the time, and put them all in memory.
 */
export class ApplicationCryptograms {
  readonly #issuerKey: DesKey
  readonly #option: MasterKeyOption
  readonly #cardKeyBytes = new Uint8Array(CARD_KEY_BYTES)
  readonly #cardKey = new DesKey(new Uint8Array(CARD_KEY_BYTES))
  readonly #sessionKeyBytes = new Uint8Array(CARD_KEY_BYTES)
  readonly #sessionKey = new DesKey(new Uint8Array(CARD_KEY_BYTES))
  readonly #diversifier = new Uint8Array(8)
  readonly #data = new Uint8Array(CRYPTOGRAM_DATA_MAX)
  readonly #cryptogram = new Uint8Array(8)
  /** version of the cryptogram that was last found right, or made; undefined when there is none to answer */
  #answerable: CryptogramVersion | undefined

  /**
   * @param issuerKey 16 bytes, the issuer master key for application cryptograms (IMK-AC); copied
   * @param option how the issuer's card keys come from it
   */
  constructor(issuerKey: Uint8Array, option: MasterKeyOption) {
    assert(issuerKey.length === CARD_KEY_BYTES, 'an issuer master key has 16 bytes')
    this.#issuerKey = new DesKey(issuerKey)
    this.#option = option
  }

  /**
   * Checks the cryptogram (tag 9F26) of a request. That the transaction counter moves on, what kind of cryptogram it is
   * (9F27), and what card and terminal found (9F10, 95) is for the caller to look at, after this.
   * @param chip the terminal's chip data (DE55), parsed
   * @returns whether it is the card's; if not, there is nothing to answer
   * @throws MizanError BAD_INPUT when a tag is missing or malformed, named; CRYPTO_REFUSED for an unknown version
   */
  verify(card: CardIdentity, chip: TagLookup): boolean {
    this.forget()
    const received = requireElement(chip, applicationCryptogram)
    const version = this.#compute(card, chip)
    if (!equalSecret(this.#cryptogram, received)) {
      this.forget()
      return false
    }
    this.#answerable = version
    return true
  }

  /**
   * Makes a cryptogram as the card does, over the same data; tag 9F26 need not be there.
   * @param out takes the 8 bytes of tag 9F26
   * @throws MizanError as {@link verify}
   */
  generate(card: CardIdentity, chip: TagLookup, out: Uint8Array): void {
    assert(out.length === 8, 'a cryptogram has 8 bytes')
    this.forget()
    this.#answerable = this.#compute(card, chip)
    out.set(this.#cryptogram)
  }

  /** Version of the cryptogram that {@link verify} found right or {@link generate} made. */
  get version(): CryptogramVersion {
    assert(this.#answerable !== undefined, 'a cryptogram was found right or made')
    return this.#answerable
  }

  /**
   * Answers the cryptogram that {@link verify} has just found right.
   * @returns value of tag 91
   * @throws MizanError BAD_INPUT when the decision does not fit tag 91
   */
  answer(decision: IssuerDecision): Buffer {
    return makeIssuerAuthentication(this.version.arpcMethod, this.#sessionKey, this.#cryptogram, decision)
  }

  /**
   * Checks the issuer's answer as the card does, to the cryptogram that {@link generate} has just made.
   * @param value value of tag 91
   * @returns what it says, undefined when it is not the issuer's
   * @throws MizanError BAD_INPUT when the value has not the length the version gives it
   */
  readAnswer(value: Uint8Array): ReadIssuerAuthentication | undefined {
    return readIssuerAuthentication(this.version.arpcMethod, this.#sessionKey, this.#cryptogram, value)
  }

  /** Overwrites what is left of the last transaction; the next one does so too. */
  forget(): void {
    this.#answerable = undefined
    this.#cardKeyBytes.fill(0)
    this.#sessionKeyBytes.fill(0)
    this.#cryptogram.fill(0)
    this.#cardKey.wipe()
    this.#sessionKey.wipe()
  }

  /** Overwrites the issuer key as well; the object is of no use after that. */
  wipe(): void {
    this.forget()
    this.#issuerKey.wipe()
  }

  /** Leaves the cryptogram and its session key in the work space. */
  #compute(card: CardIdentity, chip: TagLookup): CryptogramVersion {
    const version = cryptogramVersionOf(requireIssuerData(chip))
    const length = writeCryptogramData(version, chip, this.#data)
    deriveCardKey(this.#issuerKey, card.pan, card.psn, this.#option, this.#cardKeyBytes)
    this.#deriveSessionKey(version, chip)
    this.#cardKeyBytes.fill(0)
    this.#sessionKeyBytes.fill(0)
    retailMacInto(this.#sessionKey, this.#data, 0, length, version.padding, this.#cryptogram, 0)
    return version
  }

  #deriveSessionKey(version: CryptogramVersion, chip: TagLookup): void {
    if (version.sessionKey === 'none') {
      this.#sessionKey.setKey(this.#cardKeyBytes)
      return
    }
    cryptogramDiversifier(requireElement(chip, transactionCounter), this.#diversifier)
    this.#cardKey.setKey(this.#cardKeyBytes)
    deriveCommonSessionKey(this.#cardKey, this.#diversifier, this.#sessionKeyBytes)
    this.#sessionKey.setKey(this.#sessionKeyBytes)
  }
}
