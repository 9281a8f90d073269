import { assert } from '../errors.ts'
import { ApplicationCryptograms, type CardIdentity } from '../security/emv/arqc.ts'
import { cryptogramVersions } from '../security/emv/cryptogram-data.ts'
import { type ScriptIssuerKeys, type ScriptTransaction, ScriptWriter } from '../security/emv/script.ts'
import { DesKey } from '../security/primitives/des.ts'
import type { ChipVersion } from './chip-record.ts'
import type { DemoKeys } from './demo-keys.ts'

/** Cards of up to 16 digits have the same key by either option. */
const OPTION = 'A'

/**
 * The issuer's master keys, from which every simulated card has its own: one set of work space for all cards. It stands
 * for what is inside the chips and knows nothing of the switch.
 */
export class ChipIssuer {
  /** Makes the cards' cryptograms and checks answers; holds one transaction at a time. */
  readonly cryptograms: ApplicationCryptograms
  readonly #scriptKeys: ScriptIssuerKeys

  constructor(keys: Pick<DemoKeys, 'imkAc' | 'imkSmi'>) {
    this.cryptograms = new ApplicationCryptograms(Buffer.from(keys.imkAc, 'hex'), OPTION)
    this.#scriptKeys = { integrity: new DesKey(Buffer.from(keys.imkSmi, 'hex')), option: OPTION }
  }

  /** Commands as the issuer must have written them for this transaction: the card compares. */
  expectedScript(card: CardIdentity, version: ChipVersion, transaction: ScriptTransaction): ScriptWriter {
    const row = cryptogramVersions.find(({ cvn }) => cvn === version)
    assert(row !== undefined, 'demo cards have a version that is known')
    return new ScriptWriter(this.#scriptKeys, card, row.script, transaction)
  }
}
