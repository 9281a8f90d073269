import { MizanError } from '../../errors.ts'
import { verifyCvv, verifyCvv2, verifyIcvv } from '../card-values/cvv.ts'
import type { IssuerDecision } from '../emv/arpc.ts'
import {
  applicationCryptogram,
  cryptogramVersionOf,
  requireElement,
  requireIssuerData,
  transactionCounter,
} from '../emv/cryptogram-data.ts'
import { issuerScript, ScriptWriter } from '../emv/script.ts'
import { assertUsable } from '../key-blocks/usage.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { CardValueCheck, CryptogramCheck, CryptogramOutcome, ScriptOrder, Verdict } from '../security-module.ts'
import { cryptogramsOf, desOf, Engines } from './engines.ts'

/** Values that do not depend on the stripe's service code. */
const verifiers = { icvv: verifyIcvv, cvv2: verifyCvv2 } as const
/** The card may complete, with its offline counters at zero. */
const approval: IssuerDecision = { responseCode: '00', statusUpdate: { approve: true, counters: 'reset' } }
/** One code for all declines: a card only learns that the issuer said no. */
const decline: IssuerDecision = { responseCode: '05', statusUpdate: { approve: false, counters: 'keep' } }
const nothing: CryptogramOutcome = { verdict: 'unverifiable', answers: undefined }

/** Verbs with what a card brings: values of its stripe, cryptograms of its chip, scripts for it. */
export class CardVerbs {
  readonly #ring: KeyRing
  readonly #now: () => number
  readonly #ciphers = new Engines(desOf)
  readonly #cryptograms = new Engines(cryptogramsOf)

  constructor(ring: KeyRing, now: () => number) {
    this.#ring = ring
    this.#now = now
  }

  verifyValue({ name, kind, pan, expiry, serviceCode, value }: CardValueCheck): Verdict {
    const accepted = this.#ring.accepted(name, this.#now())
    if (accepted.length === 0) return 'unverifiable'
    return orUnverifiable(() => {
      for (const key of accepted) {
        assertUsable(key.header, { usage: 'C0', operation: 'verify' })
        const cipher = this.#ciphers.of(key)
        const matches =
          kind === 'cvv'
            ? verifyCvv(cipher, pan, expiry, serviceCode, value)
            : verifiers[kind](cipher, pan, expiry, value)
        if (matches) return 'matched'
      }
      return 'not-matched'
    }, 'unverifiable')
  }

  verifyCryptogram({ name, pan, psn, chip }: CryptogramCheck): CryptogramOutcome {
    const accepted = this.#ring.accepted(name, this.#now())
    if (accepted.length === 0) return nothing
    return orUnverifiable(() => {
      for (const key of accepted) {
        assertUsable(key.header, { usage: 'E0', operation: 'derive' })
        const cryptograms = this.#cryptograms.of(key)
        try {
          if (!cryptograms.verify({ pan, psn }, chip)) continue
          const answers = { approved: cryptograms.answer(approval), declined: cryptograms.answer(decline) }
          return { verdict: 'matched', answers }
        } finally {
          cryptograms.forget()
        }
      }
      return { verdict: 'not-matched', answers: undefined }
    }, nothing)
  }

  makeScript({ macKeyName, pan, psn, chip, command }: ScriptOrder): Uint8Array {
    const key = this.#ring.current(macKeyName, { usage: 'E2', operation: 'derive' }, this.#now())
    const { script } = cryptogramVersionOf(requireIssuerData(chip))
    const writer = new ScriptWriter({ integrity: this.#ciphers.of(key), option: 'B' }, { pan, psn }, script, {
      counter: requireElement(chip, transactionCounter),
      cryptogram: requireElement(chip, applicationCryptogram),
    })
    const bytes =
      command === 'pin-unblock'
        ? writer.pinUnblock()
        : command === 'application-block'
          ? writer.applicationBlock()
          : writer.applicationUnblock()
    return issuerScript('72', [bytes])
  }
}

/** What cannot be read is no fault of this program, and what is wrong with it not for its sender to know. */
function orUnverifiable<T>(verify: () => T, otherwise: T): T {
  try {
    return verify()
  } catch (error) {
    if (error instanceof MizanError && error.code !== 'ASSERTION_FAILED') return otherwise
    throw error
  }
}
